/** A claimed file that is ready to read, and what the preparing of all formats shares. */

import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { ClaimedFile, Dialect } from "../../core/engine.ts";
import type { FileFormat, ReadOptions } from "../../core/ingest/contract.ts";
import { copyRange } from "./encoding.ts";
import type { Spelling } from "./lossless/spelling.ts";
import type { Compression } from "./packing/compression.ts";
import { Unreadable } from "./unreadable.ts";

export interface Prepared {
  readonly file: ClaimedFile;
  readonly dialect: Dialect;
  /** Plain bytes: UTF-8 text without a byte order mark in JSON, or the binary format itself. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Lines of text, the last one with or without its end, or UNKNOWN_LINES. Binary formats: rows, if known. */
  readonly lines: number;
  /** Lines of the drop that stand before the first line of `path`. */
  readonly linesBefore: number;
  /** Rows of the drop that landed before: what its row numbers start behind. */
  readonly rowsBefore: number;
  /** Text positions are lines of the drop, or else rows. */
  readonly positions: "line" | "row";
  /** CSV: the header, made unique. Null for a CSV without a header and for other formats. */
  readonly header: readonly string[] | null;
  /** CSV: the names of its columns, whether in its header or by position. Empty for other formats. */
  readonly names: readonly string[];
  /** CSV: fields of a record. */
  readonly fieldCount: number;
  /** The unpacked text in its own encoding; null for what is no text of lines. */
  readonly text: { readonly path: string; readonly unit: number } | null;
  /** What is to be said of how it was read; null where nothing is. */
  readonly remark: string | null;
  /** How its numbers and days are written; null: plainly. */
  readonly spelling: Spelling | null;
}

export interface PrepareOptions {
  readonly read: ReadOptions;
  readonly decodedBytesMax: number;
  /** Absolute; temporary files are made here. */
  readonly folder: string;
  /** Names that the columns of the table have in files. */
  readonly known: readonly string[];
  /** Distinguishes the temporary files of one file from another's. */
  readonly index: number;
}

/** A text in UTF-8, found and unpacked. */
export interface TextBase {
  readonly file: ClaimedFile;
  readonly path: string;
  /** The claimed copy itself: its newlines were counted. */
  readonly plain: boolean;
  readonly head: Uint8Array;
  readonly temp: (name: string) => string;
}

export interface TextHow {
  readonly encoding: string;
  readonly compression: Compression;
  readonly fromByte: number;
}

/** What is looked at to find out how a file is written. */
export const HEAD_BYTES = 256 * 1024;
/** No number of rows is right until the file was scanned. */
export const UNKNOWN_LINES = -1;
const LF = 10;

export const NO_TEXT = {
  lines: 0,
  linesBefore: 0,
  rowsBefore: 0,
  positions: "row",
  header: null,
  names: [],
  fieldCount: 0,
  text: null,
  spelling: null,
  remark: null,
} as const;

export const NOTHING_BEFORE = { linesBefore: 0, rowsBefore: 0 } as const;

/** Newlines that were counted elsewhere, or counted here; a last line without an end counts. */
export function sizes(path: string, newlines: number | null): { sizeBytes: number; lines: number } {
  const sizeBytes = statSync(path).size;
  if (sizeBytes === 0) return { sizeBytes, lines: 0 };
  const counted = newlines ?? copyRange(path, 0, null, -1);
  const last = new Uint8Array(1);
  const file = openSync(path, "r");
  readSync(file, last, 0, 1, sizeBytes - 1);
  closeSync(file);
  return { sizeBytes, lines: counted + (last[0] === LF ? 0 : 1) };
}

/** The beginning of a file, or what stands from a byte on. */
export function readHead(path: string, bytes = HEAD_BYTES, from = 0): Uint8Array {
  const file = openSync(path, "r");
  try {
    const head = new Uint8Array(Math.min(bytes, Math.max(0, fstatSync(file).size - from)));
    return head.subarray(0, readSync(file, head, 0, head.length, from));
  } finally {
    closeSync(file);
  }
}

/** The dialect of a format that has no more to say. */
export function dialectOf(format: FileFormat, encoding: string, compression: Compression): Dialect {
  return {
    format,
    encoding,
    compression,
    delimiter: null,
    quote: null,
    header: null,
    escapeMark: null,
    comment: null,
    padded: false,
    closing: 0,
    mended: null,
    skip: 0,
    jsonLayout: null,
  };
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

/** Only plain UTF-8 text can have landed in part. */
export function refuseTail(file: ClaimedFile, what: string): void {
  if (file.fromByte === 0) return;
  throw new Unreadable("unreadable", `${what} that grew cannot be read from byte ${file.fromByte}`);
}
