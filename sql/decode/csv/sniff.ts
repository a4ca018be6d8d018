/** Finds out how a CSV file is written from its beginning: delimiter, quote, header, and where the table begins. */

import { columnNames } from "../prepared.ts";
import { apostrophesQuote } from "./apostrophe.ts";
import { type Cells, hasUnits, headerEvidence, kindOf, mendedHeader } from "./header.ts";
import { fieldStarts } from "./record-text.ts";
import { isPadded, type SampleRow, type SampleShape, sampleRows } from "./sample.ts";
import { mainWidth, tableTop } from "./top.ts";

export interface CsvGuess {
  readonly delimiter: string;
  readonly quote: string | null;
  readonly escapeMark: string | null;
  readonly comment: string | null;
  /** Spaces behind delimiters are no part of the fields. */
  readonly padded: boolean;
  /** Empty fields that every line ends in, beyond those of the header. */
  readonly closing: number;
  /** Names of a header that is not written as the records are; null: it is, or there is none. */
  readonly mended: number | null;
  readonly header: boolean;
  /** A row of units stands below the header. */
  readonly units: boolean;
  /** Lines above the first record of the table. */
  readonly skip: number;
}

export interface CsvGiven {
  readonly delimiter: string | null;
  readonly quote: string | null;
  readonly escapeMark?: string | null;
  readonly comment?: string | null;
  readonly header: boolean | null;
  /** The table begins where the text does. */
  readonly isTop?: boolean;
}

/** The beginning of a file, or of its table where that is told. */
export interface Head {
  readonly text: string;
  /** It is all of it. */
  readonly isWhole: boolean;
  /** Lines of the file above it. */
  readonly line: number;
}

export interface Sniffed {
  readonly guess: CsvGuess;
  /** The first record of the table; null where there is none. */
  readonly first: SampleRow | null;
  /** Why nothing is to be learned from the file as it is guessed, and what to set; null where it is clear. */
  readonly doubt: string | null;
}

/** In order of preference when two explain the file equally well. */
const DELIMITERS = [",", ";", "\t", "|", "\u0001", "^", "~"];
const QUOTES = ['"', "'"];
/** Scores this near to each other are the same. */
const EVEN = 1e-9;
const SCORED_ROWS_MAX = 50;
/** Records that end in empty fields without a name, where that is how lines end. */
const CLOSED_MIN = 0.9;
/** Records of one width that a header is mended for, and the share of others, or one. */
const MENDED_ROWS_MIN = 2;
const OTHERS_MAX = 0.1;
/** Of all records, those that apostrophes make as wide as the first. */
const QUOTED_SHARE_MIN = 2 / 3;
const SPACE = " ";
/** Fewer fields between spaces may be words; and the share of records that are as wide as the header. */
const SPACED_WIDTH_MIN = 3;
const SPACED_SHARE_MIN = 1 / 3;
/** The line by which Excel is told the delimiter. */
const SEP_LINE = /^"?sep=(.)"?[^\S\r\n]*(?:\r\n|\n|\r|$)/i;
/** A cell that no delimiter was missed in: a word, a path, a number with a decimal comma. */
const WORD = /^(?:[\p{L}\p{N}_.@/-][\p{L}\p{N}_.@/ -]*|[-+]?\d+,\d+)$/u;

/**
 * The dialect under which the records agree best on their number of fields, preferring more fields and typed ones.
 * `known` are names that the columns of the table have in files.
 */
export function sniffCsv(head: Head, given: CsvGiven, known: readonly string[] = []): Sniffed {
  const sep = head.line === 0 ? SEP_LINE.exec(head.text) : null;
  const body = head.text.slice(sep?.[0].length ?? 0);
  const line = head.line + (sep === null ? 0 : 1);
  const delimiter = given.delimiter ?? sep?.[1] ?? null;
  const delimiters = delimiter === null ? DELIMITERS : [delimiter];
  const quotes = given.quote === null ? QUOTES : [given.quote === "" ? null : given.quote];
  let best: Candidate | null = null;
  for (const one of delimiters) {
    for (const quote of quotes) {
      if (quote === "'" && given.quote === null && !apostrophesQuote(body, one)) continue;
      const shape = shapeOf(one, quote, given);
      const rows = sampleRows(body, head.isWhole, shape, line);
      const candidate = judged(rows, shape, given, known);
      // Apostrophes that were found to quote do so, even where the fields are as many without.
      const isEven = quote === "'" && best?.shape.delimiter === one;
      if (best === null || candidate.score > best.score + (isEven ? -EVEN : EVEN)) best = candidate;
    }
  }
  const chosen = best ?? judged([], shapeOf(",", '"', given), given, known);
  const judge = (shape: SampleShape): Candidate =>
    judged(sampleRows(body, head.isWhole, shape, line), shape, given, known);
  return (
    mended(chosen, { ...head, text: body, line }, given, known) ??
    described(spaced(doubtless(chosen, given, judge), given, known, judge), line, given, known)
  );
}

/**
 * Fields between spaces, where no other delimiter explains the file and quotes tell them from words: names in quotes,
 * each over values in quotes that nothing but spaces in them need, and others over values of other kinds.
 */
function spaced(
  best: Candidate,
  given: CsvGiven,
  known: readonly string[],
  judge: (shape: SampleShape) => Candidate,
): Candidate {
  const isExplained = best.doubt === null && mainWidth(best.rows) > 1;
  const isTold = given.delimiter !== null || given.quote === "" || given.header === false;
  if (isExplained || isTold) return best;
  const found = judge({ ...best.shape, delimiter: SPACE, quote: given.quote ?? '"' });
  const [header, ...below] = found.all;
  const width = header?.fields.length ?? 0;
  const alike = below.filter(({ fields }) => fields.length === width);
  const isMost = width === mainWidth(below) && alike.length >= below.length * SPACED_SHARE_MIN;
  if (header === undefined || width < SPACED_WIDTH_MIN || alike.length < 2 || !isMost) return best;
  const named = quotedFields(header, found.shape);
  const isQuoted = alike.every((row) => {
    const quoted = new Set(quotedFields(row, found.shape));
    const isNeeded = named.some((index) => row.fields[index]?.includes(SPACE) === true);
    return isNeeded && named.every((index) => quoted.has(index));
  });
  const rows = [header, ...alike].map(({ fields }) => fields);
  const typed = Math.round(typedShare(rows.slice(1), width) * width);
  // A single pair of quotes at the same place may be words too.
  const isTable = named.length > 1 || typed > 1;
  if (!isQuoted || !isTable || headerEvidence(rows, known) !== "sure") return best;
  return { ...found, rows: found.all, doubt: null };
}

/** The places of the fields in quotes. */
function quotedFields({ text, fields }: SampleRow, shape: SampleShape): number[] {
  const starts = fieldStarts(text, { ...shape, columns: 0 });
  return [...fields.keys()].filter((index) => text[starts[index] ?? 0] === shape.quote);
}

/** Where nobody can be sure without them, apostrophes quote: most records are as wide as the first one then. */
function doubtless(
  best: Candidate,
  given: CsvGiven,
  judge: (shape: SampleShape) => Candidate,
): Candidate {
  if (best.doubt === null || given.quote !== null) return best;
  const quoted = judge({ ...best.shape, quote: "'" });
  const width = quoted.all[0]?.fields.length ?? 0;
  const alike = quoted.rows.filter(({ fields }) => fields.length === width);
  const isTold = quoted.doubt === null && alike.length >= quoted.all.length * QUOTED_SHARE_MIN;
  return isTold && width > 1 ? quoted : best;
}

/** Where the first line names the records below it and is not written as they are. */
function mended(
  { shape, all }: Candidate,
  head: Head,
  given: CsvGiven,
  known: readonly string[],
): Sniffed | null {
  const [top, second] = all;
  const line =
    top === undefined || given.header === false ? null : firstLine(head.text, top, head.line);
  if (top === undefined || line === null || second === undefined) return null;
  const below = sampleRows(line.rest, head.isWhole, shape, top.line + 1);
  const width = mainWidth(below);
  const alike = below.filter(({ fields }) => fields.length === width);
  const others = below.length - alike.length;
  const isTold =
    alike.length >= MENDED_ROWS_MIN && others <= Math.max(1, below.length * OTHERS_MAX);
  if (width === top.fields.length || width < 2 || !isTold) return null;
  const names = mendedHeader(line.text, width, shape);
  if (names === null) return null;
  const rows = [names, ...alike.map(({ fields }) => fields)];
  if (given.header !== true && headerEvidence(rows, known) === "none") return null;
  const first = { ...top, text: line.text, fields: names, lines: 1 };
  const { guess } = described(
    { shape, all, rows: [first, ...below], doubt: null, score: 0 },
    head.line,
    { ...given, header: true },
    known,
  );
  return { guess: { ...guess, closing: 0, mended: width }, first, doubt: null };
}

/** The line that a record begins with, and what follows it. */
function firstLine(
  text: string,
  row: SampleRow,
  line: number,
): { readonly text: string; readonly rest: string } {
  const ends = /\r\n|\n|\r|$/g;
  for (let left = row.line - line; left > 0; left--) ends.exec(text);
  const start = ends.lastIndex;
  const end = ends.exec(text);
  return { text: text.slice(start, end?.index), rest: text.slice(ends.lastIndex) };
}

/** The shape that a guess reads records by. */
export function guessShape(guess: CsvGuess): SampleShape {
  const { delimiter, quote, escapeMark, comment, padded, closing } = guess;
  return { delimiter, quote, escapeMark, comment, padded, closing };
}

/** The record that a known dialect's table begins with; null where there is none. */
export function firstRecord(text: string, isWhole: boolean, guess: CsvGuess): SampleRow | null {
  const first = sampleRows(text, isWhole, guessShape(guess), guess.skip)[0] ?? null;
  if (first === null || guess.mended === null) return first;
  const line = firstLine(text, first, guess.skip).text;
  const fields = mendedHeader(line, guess.mended, guessShape(guess)) ?? first.fields;
  return { ...first, text: line, fields, lines: 1 };
}

/** Names for columns without a header: those given by position, then numbers. */
export function positionalNames(given: readonly string[], count: number): string[] {
  return columnNames(Array.from({ length: count }, (_, index) => given[index] ?? null));
}

/** The name in a header without the space around it, unless the table knows it with that. */
export function trimmedNames(header: Cells, known: readonly string[]): (string | null)[] {
  return header.map((name) => (name === null || known.includes(name) ? name : name.trim()));
}

interface Candidate {
  readonly shape: SampleShape;
  /** All of the sample. */
  readonly all: readonly SampleRow[];
  /** From the table's first record on. */
  readonly rows: readonly SampleRow[];
  readonly doubt: string | null;
  readonly score: number;
}

function shapeOf(delimiter: string, quote: string | null, given: CsvGiven): SampleShape {
  const { escapeMark = null, comment = null } = given;
  return { delimiter, quote, escapeMark, comment };
}

function judged(
  all: readonly SampleRow[],
  shape: SampleShape,
  given: CsvGiven,
  known: readonly string[],
): Candidate {
  const top = given.isTop === true ? { at: 0, doubt: null } : tableTop(all, known);
  // Who says that the first line is the header means it; comments are none.
  const doubt = given.header === true ? null : top.doubt;
  const rows = all.slice(top.at);
  return { shape, all, rows, doubt, score: scoreOf(rows.map((row) => row.fields)) };
}

function described(
  { rows, shape, doubt }: Candidate,
  line: number,
  given: CsvGiven,
  known: readonly string[],
): Sniffed {
  const first = rows[0] ?? null;
  const header = hasHeader(
    rows.map((row) => row.fields),
    given,
    known,
  );
  const below = header ? rows.slice(1) : rows;
  const isTold = below.length > 1 || (below.length === 1 && isPadded(rows.slice(0, 1), shape));
  return {
    guess: {
      delimiter: shape.delimiter,
      quote: shape.quote,
      escapeMark: shape.escapeMark ?? null,
      comment: shape.comment ?? null,
      padded: isTold && isPadded(below, shape),
      closing: header ? closingOf(rows) : 0,
      mended: null,
      header,
      units: header && hasUnits(rows.map((row) => row.fields)),
      skip: first?.line ?? line,
    },
    first,
    doubt,
  };
}

/** A table that numbers its columns goes on doing so, until names stand over values. */
function hasHeader(rows: readonly Cells[], given: CsvGiven, known: readonly string[]): boolean {
  if (given.header !== null) return given.header;
  const evidence = headerEvidence(rows, known);
  return known.includes("column0") ? evidence === "sure" : evidence !== "none";
}

/** Empty fields at the end of the records, which the header has no names for. */
function closingOf(rows: readonly SampleRow[]): number {
  const [header, ...below] = rows.map((row) => row.fields);
  const width = header?.length ?? 0;
  const closing = (below[0]?.length ?? 0) - width;
  if (closing <= 0) return 0;
  const closed = below.filter(
    (fields) =>
      fields.length === width + closing && fields.slice(width).every((field) => field === null),
  );
  return closed.length >= below.length * CLOSED_MIN ? closing : 0;
}

/** Agreement on the number of fields first, then how many fields there are, then how many are typed. */
function scoreOf(rows: readonly Cells[]): number {
  if (rows.length === 0) return 0;
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(row.length, (counts.get(row.length) ?? 0) + 1);
  const [fields = 1, agreeing = 0] =
    [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [];
  if (fields <= 1) return 0.001;
  // A header that does not agree means that the delimiter is a character of the data.
  const share = (agreeing / rows.length) * (rows[0]?.length === fields ? 1 : 0.5);
  const scored = rows.slice(0, SCORED_ROWS_MAX);
  const cells = scored.flat().filter((cell) => cell !== null);
  const plain = cells.filter((cell) => WORD.test(cell) || kindOf(cell) !== "text").length;
  const width = 1 - 1 / fields;
  const typed = typedShare(scored.slice(1), fields);
  return share * share * (width + 0.5 * (plain / Math.max(1, cells.length)) + 0.1 * typed);
}

/** Columns in which every value is of one kind that is no text. */
function typedShare(rows: readonly Cells[], fields: number): number {
  let typed = 0;
  for (let index = 0; index < fields; index++) {
    const values = rows.flatMap((row) => (row[index] == null ? [] : [row[index] ?? ""]));
    const kinds = new Set(values.map(kindOf));
    if (kinds.size === 1 && !kinds.has("text")) typed++;
  }
  return typed / fields;
}
