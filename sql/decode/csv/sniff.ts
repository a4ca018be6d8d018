/** Finds out how a CSV file is written from its beginning: delimiter, quote, header, and where the table begins. */

import { columnNames } from "../prepared.ts";
import { apostrophesQuote } from "./apostrophe.ts";
import { type Cells, headerEvidence, kindOf } from "./header.ts";
import { isPadded, type SampleRow, type SampleShape, sampleRows } from "./sample.ts";
import { tableTop } from "./top.ts";

export interface CsvGuess {
  readonly delimiter: string;
  readonly quote: string | null;
  readonly escapeMark: string | null;
  readonly comment: string | null;
  /** Spaces behind delimiters are no part of the fields. */
  readonly padded: boolean;
  /** Empty fields that every line ends in, beyond those of the header. */
  readonly closing: number;
  readonly header: boolean;
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
  return described(chosen, line, given, known);
}

/** The shape that a guess reads records by. */
export function guessShape(guess: CsvGuess): SampleShape {
  const { delimiter, quote, escapeMark, comment, padded, closing } = guess;
  return { delimiter, quote, escapeMark, comment, padded, closing };
}

/** The record that a known dialect's table begins with; null where there is none. */
export function firstRecord(text: string, isWhole: boolean, guess: CsvGuess): SampleRow | null {
  return sampleRows(text, isWhole, guessShape(guess), guess.skip)[0] ?? null;
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
  return { shape, rows, doubt, score: scoreOf(rows.map((row) => row.fields)) };
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
      header,
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
