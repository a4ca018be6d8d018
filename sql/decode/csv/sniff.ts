/** Finds out how a CSV file is written from its beginning: delimiter, quote, header. */

import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { textFits } from "../lossless/text-fit.ts";
import { apostrophesQuote } from "./apostrophe.ts";
import { splitRecord } from "./scan.ts";

export interface CsvGuess {
  readonly delimiter: string;
  readonly quote: string | null;
  readonly header: boolean;
}

export interface CsvGiven {
  readonly delimiter: string | null;
  readonly quote: string | null;
  readonly header: boolean | null;
}

/** In order of preference when two explain the file equally well. */
const DELIMITERS = [",", ";", "\t", "|", "\u0001", "^", "~"];
const QUOTES = ['"', "'"];
const SAMPLE_RECORDS_MAX = 200;
/** Scores this near to each other are the same. */
const EVEN = 1e-9;
/** Types that a header never is and data often are. */
const DATA_TYPES: readonly Type[] = (
  [
    "boolean",
    "double",
    "date",
    "timestamp",
    "timestamptz",
    "time",
  ] satisfies readonly PrimitiveName[]
).map((name) => ({ kind: "primitive", name }));

/** A cell that no delimiter was missed in: a word, a path, a number with a decimal comma. */
const WORD = /^(?:[\p{L}\p{N}_.@/ -]+|[-+]?\d+,\d+)$/u;

const CODE = /^[A-Z0-9]{1,8}$/;
const CODE_ROWS_MIN = 5;
const CODE_SHARE_MIN = 0.75;
/** Names of columns have no list in them, no number of several digits after a space, no sentence. */
const NO_NAME = /[,;]|\s\d{2,}|.{61,}/u;

/**
 * The dialect under which the records agree best on their number of fields, preferring more fields and typed ones.
 * `text` is the beginning of the file; `whole` says that it is all of it.
 */
export function sniffCsv(text: string, whole: boolean, given: CsvGiven): CsvGuess {
  const delimiters = given.delimiter === null ? DELIMITERS : [given.delimiter];
  const quotes = given.quote === null ? QUOTES : [given.quote === "" ? null : given.quote];
  let best: { score: number; guess: CsvGuess } | null = null;
  for (const delimiter of delimiters) {
    for (const quote of quotes) {
      if (quote === "'" && given.quote === null && !apostrophesQuote(text, delimiter)) continue;
      const rows = sampleRows(text, whole, delimiter, quote);
      const score = scoreOf(rows);
      const header = given.header ?? hasHeader(rows);
      // Apostrophes that were found to quote do so, even where the fields are as many without.
      const isEven = quote === "'" && best?.guess.delimiter === delimiter;
      if (best === null || score > best.score + (isEven ? -EVEN : EVEN)) {
        best = { score, guess: { delimiter, quote, header } };
      }
    }
  }
  return best?.guess ?? { delimiter: ",", quote: '"', header: given.header ?? true };
}

/** Names for columns without a header: those given by position, then numbers. */
export function positionalNames(given: readonly string[], count: number): string[] {
  return columnNames(Array.from({ length: count }, (_, index) => given[index] ?? null));
}

/** Names for the columns: as in the header, empty and repeated ones told apart. */
export function columnNames(header: readonly (string | null)[]): string[] {
  const taken = new Set(header.map((name) => (name ?? "").toLowerCase()));
  const used = new Set<string>();
  return header.map((given, index) => {
    const base = given === null || given.trim() === "" ? `column${index}` : given;
    let name = base;
    const isTaken = (text: string): boolean =>
      used.has(text.toLowerCase()) || (text !== given && taken.has(text.toLowerCase()));
    for (let count = 1; isTaken(name); count++) name = `${base}_${count}`;
    used.add(name.toLowerCase());
    return name;
  });
}

/** Records of the sample, split; quoted line ends are respected. The last one may be cut and is left out. */
export function sampleRows(
  text: string,
  whole: boolean,
  delimiter: string,
  quote: string | null,
): (string | null)[][] {
  const shape = { delimiter, quote, columns: 0 };
  const rows: (string | null)[][] = [];
  let at = 0;
  while (at < text.length && rows.length < SAMPLE_RECORDS_MAX) {
    const end = recordEnd(text, at, delimiter, quote);
    if (end >= text.length && !whole && rows.length > 0) break;
    const record = text.slice(at, end);
    if (!/^[ \t]*$/.test(record)) rows.push(splitRecord(record, shape));
    at = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
  }
  return rows;
}

/** Where the record that begins at `start` ends; a quote without an end is read as text. */
function recordEnd(text: string, start: number, delimiter: string, quote: string | null): number {
  let fieldStart = true;
  let at = start;
  while (at < text.length) {
    const char = text[at];
    if (char === "\n" || char === "\r") return at;
    if (fieldStart && quote !== null && char === quote) {
      const close = closingQuote(text, at + 1, quote);
      if (close >= 0) at = close;
    }
    fieldStart = text.startsWith(delimiter, at) || (fieldStart && char === " ");
    at += 1;
  }
  return at;
}

function closingQuote(text: string, from: number, quote: string): number {
  for (let at = text.indexOf(quote, from); at >= 0; at = text.indexOf(quote, at + 2)) {
    if (text[at + 1] !== quote) return at;
  }
  return -1;
}

/** Agreement on the number of fields first, then how many fields there are, then how many are typed. */
function scoreOf(rows: readonly (readonly (string | null)[])[]): number {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(row.length, (counts.get(row.length) ?? 0) + 1);
  const [fields = 1, agreeing = 0] =
    [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [];
  if (fields <= 1) return 0.001;
  // A header that does not agree means that the delimiter is a character of the data.
  const share = (agreeing / rows.length) * (rows[0]?.length === fields ? 1 : 0.5);
  let typed = 0;
  let seen = 0;
  for (const row of rows.slice(0, 50)) {
    for (const cell of row) {
      if (cell === null) continue;
      seen++;
      if (DATA_TYPES.some((type) => textFits(type, cell)) || WORD.test(cell)) typed++;
    }
  }
  const width = 1 - 1 / fields;
  return share * share * (width + 0.5 * (seen === 0 ? 0 : typed / seen));
}

/** The first row names columns: nothing in it is empty or typed, or it differs from what is below it. */
function hasHeader(rows: readonly (readonly (string | null)[])[]): boolean {
  const [first, ...rest] = rows;
  if (first === undefined) return true;
  const isTyped = (cell: string | null): boolean =>
    cell !== null && DATA_TYPES.some((type) => textFits(type, cell.trim()));
  if (first.some(isTyped)) return false;
  if (rest.length === 0) return true;
  const names = first.map((name) => (name ?? "").trim().toLowerCase());
  const named = names.filter((name) => name !== "");
  if (named.length < names.length / 2) return false;
  const below = rest.slice(0, 50);
  const typedBelow = first.some((_, index) => {
    const cells = below.map((row) => row[index] ?? null).filter((cell) => cell !== null);
    return cells.length > 0 && cells.filter(isTyped).length > cells.length / 2;
  });
  if (typedBelow) return true;
  // All text: a name appears in no row below it, in no column.
  if (first.some((name, index) => name !== null && below.some((row) => row[index] === name))) {
    return false;
  }
  return !isRowOfCodes(first, below);
}

/** All text, and yet no names: a cell that no one names a column by, beside codes like those in the rows below. */
function isRowOfCodes(
  first: readonly (string | null)[],
  below: readonly (readonly (string | null)[])[],
): boolean {
  if (below.length < CODE_ROWS_MIN) return false;
  const lengths = first.map((_, index) => codeLength(below.map((row) => row[index] ?? "")));
  const cells = first.map((cell, index) => ({ text: cell ?? "", length: lengths[index] ?? null }));
  const codes = cells.filter((cell) => cell.length !== null && cell.text !== "");
  const isAlike = codes.every((cell) => CODE.test(cell.text) && cell.text.length === cell.length);
  const isNoName = cells.some((cell) => cell.length === null && NO_NAME.test(cell.text));
  return codes.length > 0 && isAlike && isNoName;
}

/** The one length of most values of a column of codes such as `USA`; null for any other column. */
function codeLength(cells: readonly string[]): number | null {
  const filled = cells.filter((cell) => cell !== "");
  const length = filled.find((cell) => CODE.test(cell))?.length ?? 0;
  const alike = filled.filter((cell) => CODE.test(cell) && cell.length === length).length;
  return length > 0 && alike >= filled.length * CODE_SHARE_MIN ? length : null;
}
