/** Whether apostrophes quote the fields of a CSV file, or are what its texts are written with. */

const QUOTE = "'";
const RECORDS_MAX = 200;
/** Fields that begin with an apostrophe and end in none, to one that is quoted: rows may be broken. */
const OPEN_SHARE_MAX = 0.1;
const CELLS_MIN = 2;

interface Cell {
  /** Its record and its place there, from 0. */
  readonly record: number;
  readonly column: number;
  readonly kind: "empty" | "plain" | "open" | "quoted";
  /** It would be read otherwise without its quotes. */
  readonly needsQuotes: boolean;
}

/**
 * True where fields that begin with an apostrophe also end with one, and some of them need it or a whole column does
 * so. A few names in apostrophes keep them: read as text they lose nothing.
 */
export function apostrophesQuote(text: string, delimiter: string): boolean {
  const cells = [...cellsOf(text, delimiter)];
  const quoted = cells.filter((cell) => cell.kind === "quoted");
  const open = cells.filter((cell) => cell.kind === "open");
  if (quoted.length === 0 || open.length > quoted.length * OPEN_SHARE_MAX) return false;
  return quoted.some((cell) => cell.needsQuotes) || hasQuotedColumn(cells);
}

/** The first record may be a header, which need not be quoted. */
function hasQuotedColumn(cells: readonly Cell[]): boolean {
  const first = cells.some((cell) => cell.record > 0) ? 1 : 0;
  const filled = cells.filter((cell) => cell.record >= first && cell.kind !== "empty");
  const columns = [...Map.groupBy(filled, (cell) => cell.column).values()];
  const quoted = columns.filter((column) => column.every((cell) => cell.kind === "quoted"));
  return quoted.flat().length >= CELLS_MIN;
}

function* cellsOf(text: string, delimiter: string): Generator<Cell> {
  let record = 0;
  let column = 0;
  for (let at = 0; at < text.length && record < RECORDS_MAX; ) {
    const start = text[at] === " " && delimiter !== " " ? at + 1 : at;
    const close = text[start] === QUOTE ? closingAt(text, start + 1) : -1;
    const isQuoted = close >= 0 && isFieldEnd(text, close + 1, delimiter);
    const end = fieldEnd(text, isQuoted ? close + 1 : start, delimiter);
    const needsQuotes = isQuoted && needsThem(text.slice(start + 1, close), delimiter);
    // What is cut off at the end of the sample says nothing.
    const isCut = text[start] === QUOTE && end >= text.length && close < 0;
    const kind = isQuoted ? "quoted" : text[start] === QUOTE ? "open" : "plain";
    if (!isCut) yield { record, column, kind: end === at ? "empty" : kind, needsQuotes };
    if (text.startsWith(delimiter, end)) {
      column++;
      at = end + delimiter.length;
    } else {
      record++;
      column = 0;
      at = end + 1;
      while (text[at] === "\n" || text[at] === "\r") at++;
    }
  }
}

/** Over a line end, two apostrophes are more often those of two texts. */
function needsThem(inner: string, delimiter: string): boolean {
  return !/[\r\n]/.test(inner) && (inner.includes(delimiter) || inner.includes("''"));
}

/** Where the quote that is not doubled stands; -1: nowhere. */
function closingAt(text: string, from: number): number {
  for (let at = text.indexOf(QUOTE, from); at >= 0; at = text.indexOf(QUOTE, at + 2)) {
    if (text[at + 1] !== QUOTE) return at;
  }
  return -1;
}

function isFieldEnd(text: string, at: number, delimiter: string): boolean {
  const end = text[at] === " " && delimiter !== " " ? at + 1 : at;
  return end >= text.length || text.startsWith(delimiter, end) || /[\r\n]/.test(text[end] ?? "");
}

function fieldEnd(text: string, from: number, delimiter: string): number {
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === "\n" || char === "\r" || text.startsWith(delimiter, at)) return at;
  }
  return text.length;
}
