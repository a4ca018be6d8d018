/** The files in a zip as parts of one text: they go together under one header, or the zip is not read. */

import type { Dialect } from "../../../core/engine.ts";
import type { FileFormat, ReadOptions } from "../../../core/ingest/contract.ts";
import { lineStart } from "../csv/sample.ts";
import type { CsvShape } from "../csv/shape.ts";
import { guessShape, type Sniffed, sniffCsv, trimmedNames } from "../csv/sniff.ts";
import { encodingOf, markBytes } from "../encoding.ts";
import { FORMATS, formatOfBytes } from "../formats.ts";
import { columnNames } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import { isCompound, packedOnce } from "./compression.ts";

/** The beginning of one of several files in a zip. */
export interface PartHead {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Nothing comes after it. */
  readonly whole: boolean;
}

/** How a part stands behind the others. */
export interface PartJoin {
  /** Bytes of its beginning that are left out. */
  readonly skip: number;
  /** For each column of the first part its place in this one; null where they stand in one order. */
  readonly order: readonly number[] | null;
  /** How its records are told apart; where they are put in order. */
  readonly shape: CsvShape | null;
}

/** Throws Unreadable where the part goes with none. */
export type JoinPart = (part: PartHead) => PartJoin;

type Part =
  /** Whatever stands before it. */
  | { readonly kind: "plain"; readonly format: FileFormat; readonly name: string }
  | {
      readonly kind: "csv";
      readonly format: "csv";
      readonly name: string;
      readonly guess: Sniffed["guess"];
      /** Of the header, in lower case; none without one. */
      readonly names: readonly string[];
      readonly fields: number;
      /** Bytes of the mark, of lines above the header, and of the header. */
      readonly headerBytes: number;
    };

const SPACE = 32;

/**
 * Joins the parts of one zip, in order. Rows of another table, or of another format, never follow the first part's rows
 * as if they were its own; columns in another order are put in the first part's.
 */
export function partJoiner(known: Dialect | null, read: ReadOptions): JoinPart {
  let first: Part | null = null;
  return (head) => {
    const mark = markBytes(head.bytes);
    if (head.whole && head.bytes.subarray(mark).every((byte) => byte <= SPACE)) return cut(mark);
    const part = partOf(head, mark, known, first, read);
    if (first === null) {
      first = part;
      return cut(0);
    }
    if (part.kind === "plain" || first.kind === "plain") {
      if (part.kind === first.kind) return cut(mark);
      const [one] = [part, first].filter(({ kind }) => kind === "plain");
      throw apart(part, first, `one is ${one?.format.toUpperCase()} and the other is not`);
    }
    if (part.fields !== first.fields) throw apart(part, first, "their columns are not as many");
    if (!part.guess.header) return cut(mark);
    const order = first.guess.header ? orderOf(first.names, part.names) : null;
    if (order === null) throw apart(part, first, "their columns have other names");
    if (order.every((place, index) => place === index)) return cut(part.headerBytes);
    const shape = { ...guessShape(part.guess), columns: part.fields };
    return { skip: part.headerBytes, order, shape };
  };
}

function cut(skip: number): PartJoin {
  return { skip, order: null, shape: null };
}

/** Where the columns of the first part stand in another; null where it has others. */
function orderOf(first: readonly string[], names: readonly string[]): number[] | null {
  const order = first.map((name) => names.indexOf(name));
  return order.includes(-1) ? null : order;
}

function partOf(
  head: PartHead,
  mark: number,
  known: Dialect | null,
  first: Part | null,
  read: ReadOptions,
): Part {
  const { name, bytes, whole } = head;
  packedOnce(bytes, `${name} in the zip`);
  const isBinary = formatOfBytes(bytes) !== null || isCompound(bytes);
  if (isBinary || isWide(bytes, known, read)) {
    throw refused(`${name} in the zip stands beside others and is no text in UTF-8`);
  }
  const text = new TextDecoder().decode(bytes.subarray(mark));
  const format = known?.format ?? read.format ?? (/^\s*[{[]/.test(text) ? "json" : "csv");
  if (FORMATS[format]?.joins === true) return { kind: "plain", format, name };
  // How its files go together, nobody knows here.
  if (format !== "csv") throw refused(`${name} in the zip is ${format} and stands beside others`);
  const names = first?.kind === "csv" ? first.names : [];
  const given = givenOf(first, read);
  const { guess, first: record } = sniffCsv({ text, isWhole: whole, line: 0 }, given, names);
  const fields = record?.fields ?? [];
  const lines = guess.skip + (guess.header ? (record?.lines ?? 1) : 0);
  return {
    kind: "csv",
    format,
    name,
    guess,
    names: guess.header
      ? columnNames(trimmedNames(fields, [])).map((field) => field.toLowerCase())
      : [],
    fields: fields.length,
    headerBytes: mark + lineStart(bytes.subarray(mark), lines),
  };
}

/** Whether line ends between the parts would break their characters. */
function isWide(bytes: Uint8Array, known: Dialect | null, read: ReadOptions): boolean {
  const given = known?.encoding ?? read.encoding;
  const encoding = given === null ? encodingOf(bytes) : given.toLowerCase();
  return /^utf-?16/.test(encoding);
}

/** Of a later part only whether it has a header: it is written like the first. */
function givenOf(first: Part | null, read: ReadOptions) {
  const { escapeMark, comment } = read;
  if (first?.kind !== "csv") return read;
  const { delimiter, quote } = first.guess;
  return { delimiter, quote: quote ?? "", escapeMark, comment, header: null };
}

function apart(part: Part, first: Part, why: string): Unreadable {
  return refused(`${part.name} in the zip does not go with ${first.name}: ${why}`);
}

function refused(why: string): Unreadable {
  return new Unreadable("unreadable", `${why}; unpack the zip and drop its files one by one`);
}
