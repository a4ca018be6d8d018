/** The files in a zip as parts of one text: they go together under one header, or the zip is not read. */

import type { Dialect } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { type CsvGuess, columnNames, sampleRows, sniffCsv } from "../csv/sniff.ts";
import { encodingOf, markBytes } from "../encoding.ts";
import { Unreadable } from "../unreadable.ts";
import { compressionOf } from "./compression.ts";

/** The beginning of one of several files in a zip. */
export interface PartHead {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Nothing comes after it. */
  readonly whole: boolean;
}

/** How many bytes of a part's beginning are left out behind the others. Throws Unreadable when it goes with none. */
export type JoinPart = (part: PartHead) => number;

type Part =
  | { readonly kind: "json"; readonly name: string }
  | {
      readonly kind: "csv";
      readonly name: string;
      readonly guess: CsvGuess;
      /** Of the header, in lower case; none without one. */
      readonly names: readonly string[];
      readonly fields: number;
      /** Bytes of the mark and the header. */
      readonly headerBytes: number;
    };

const LF = 10;
const SPACE = 32;
const MAGICS = ["PAR1", "Obj\u0001", "\u00d0\u00cf\u0011\u00e0"];

/**
 * Joins the parts of one zip, in order. Rows of another table, in another order of columns, or of another format never
 * follow the first part's rows as if they were its own.
 */
export function partJoiner(known: Dialect | null, read: ReadOptions): JoinPart {
  let first: Part | null = null;
  return (head) => {
    const mark = markBytes(head.bytes);
    if (head.whole && head.bytes.subarray(mark).every((byte) => byte <= SPACE)) return mark;
    const part = partOf(head, mark, known, first, read);
    if (first === null) {
      first = part;
      return 0;
    }
    if (part.kind === "json" || first.kind === "json") {
      if (part.kind === first.kind) return mark;
      throw apart(part, first, "one is JSON and the other is not");
    }
    if (part.fields !== first.fields) throw apart(part, first, "their columns are not as many");
    const isSame = part.names.join("\n") === first.names.join("\n");
    if (first.guess.header && isSame) return part.headerBytes;
    if (part.guess.header) throw apart(part, first, "their columns have other names");
    return mark;
  };
}

function partOf(
  head: PartHead,
  mark: number,
  known: Dialect | null,
  first: Part | null,
  read: ReadOptions,
): Part {
  const { name, bytes, whole } = head;
  const start = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  const isPacked = compressionOf(bytes) !== "none";
  if (isPacked || MAGICS.some((magic) => start.startsWith(magic)) || isWide(bytes, known, read)) {
    throw refused(`${name} in the zip stands beside others and is no text in UTF-8`);
  }
  const text = new TextDecoder().decode(bytes.subarray(mark));
  const format = known?.format ?? read.format ?? (/^\s*[{[]/.test(text) ? "json" : "csv");
  if (format !== "csv") return { kind: "json", name };
  const guess = guessOf(text, whole, known, first, read);
  const fields = sampleRows(text, whole, guess.delimiter, guess.quote)[0] ?? [];
  const end = bytes.indexOf(LF);
  return {
    kind: "csv",
    name,
    guess,
    names: guess.header ? columnNames(fields).map((field) => field.toLowerCase()) : [],
    fields: fields.length,
    headerBytes: end < 0 ? bytes.length : end + 1,
  };
}

/** Whether line ends between the parts would break their characters. */
function isWide(bytes: Uint8Array, known: Dialect | null, read: ReadOptions): boolean {
  const given = known?.encoding ?? read.encoding;
  const encoding = given === null ? encodingOf(bytes) : given.toLowerCase();
  return /^utf-?16/.test(encoding);
}

/** Of a later part only whether it has a header: it is written like the first. */
function guessOf(
  text: string,
  whole: boolean,
  known: Dialect | null,
  first: Part | null,
  read: ReadOptions,
): CsvGuess {
  if (first === null && known !== null && known.delimiter !== null) {
    return { delimiter: known.delimiter, quote: known.quote, header: known.header };
  }
  if (first === null || first.kind === "json") return sniffCsv(text, whole, read);
  const { delimiter, quote } = first.guess;
  return sniffCsv(text, whole, { delimiter, quote: quote ?? "", header: null });
}

function apart(part: Part, first: Part, why: string): Unreadable {
  return refused(`${part.name} in the zip does not go with ${first.name}: ${why}`);
}

function refused(why: string): Unreadable {
  return new Unreadable("unreadable", `${why}; unpack the zip and drop its files one by one`);
}
