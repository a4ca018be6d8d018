/** A claimed file made ready to read: format, compression and encoding found, plain UTF-8 on disk. */

import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ClaimedFile, Dialect } from "../../core/engine.ts";
import type { FileFormat, ReadOptions } from "../../core/ingest/contract.ts";
import { isClearCsv } from "./csv/clear.ts";
import { columnNames, positionalNames, sampleRows, sniffCsv } from "./csv/sniff.ts";
import { copyRange, encodingOf, knownEncoding, markBytes, transcode } from "./encoding.ts";
import { parseExact } from "./json/parse.ts";
import { splitJson } from "./json/split.ts";
import { type Compression, compressionOf, zipNames } from "./packing/compression.ts";
import { partJoiner } from "./packing/zip-parts.ts";
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
}

export interface PrepareOptions {
  readonly read: ReadOptions;
  readonly decodedBytesMax: number;
  /** Absolute; temporary files are made here. */
  readonly folder: string;
  /** Distinguishes the temporary files of one file from another's. */
  readonly index: number;
}

/** What is looked at to find out how a file is written. */
const HEAD_BYTES = 256 * 1024;
const HEAD_BLANK_BYTES_MAX = HEAD_BYTES / 2;
/** No number of rows is right until the file was scanned. */
export const UNKNOWN_LINES = -1;
const LF = 10;
const HEAD_LONG_BYTES = 16 * 1024 * 1024;

/** Throws Unreadable when the file cannot be read at all; `known` skips finding out. */
export async function prepare(
  file: ClaimedFile,
  known: Dialect | null,
  options: PrepareOptions,
): Promise<Prepared> {
  const temp = (name: string) => join(options.folder, `work-${options.index}-${name}`);
  let path = file.path;
  let plain = true;
  let head = readHead(path);
  const compression = known?.compression ?? packing(path, head, file.name, options.read.format);
  if (compression !== "none") {
    if (compression === "zip") refuseTail(file, "a zip");
    path = temp("unpacked");
    const { unpack } = await import("./packing/unpack.ts");
    const join = partJoiner(known, options.read);
    await unpack(file.path, compression, path, options.decodedBytesMax, join);
    head = readHead(path);
    plain = false;
  }
  const { toByte } = file;
  if (toByte !== undefined && toByte < statSync(path).size) {
    const whole = path;
    path = temp("piece");
    const out = openSync(path, "w");
    copyRange(whole, 0, toByte, out);
    closeSync(out);
    head = readHead(path);
    plain = false;
  }
  const format = known?.format ?? options.read.format ?? formatOf(file.name, head);
  const base = { file, compression, path, format, plain, head, temp };
  if (format === "csv" || format === "json") return prepareText(base, known, options);
  refuseTail(file, `a ${format} file`);
  const dialect = dialectOf(format, "utf-8", compression);
  return { ...NO_TEXT, file, dialect, path, sizeBytes: statSync(path).size };
}

interface Base {
  readonly file: ClaimedFile;
  readonly compression: Compression;
  readonly path: string;
  readonly format: "csv" | "json";
  readonly plain: boolean;
  readonly head: Uint8Array;
  readonly temp: (name: string) => string;
}

const NO_TEXT = {
  lines: 0,
  linesBefore: 0,
  rowsBefore: 0,
  positions: "row",
  header: null,
  names: [],
  fieldCount: 0,
  text: null,
} as const;

async function prepareText(
  base: Omit<Base, "format"> & { readonly format: FileFormat },
  known: Dialect | null,
  options: PrepareOptions,
): Promise<Prepared> {
  const { file, compression, temp } = base;
  const given = known?.encoding ?? options.read.encoding;
  const encoding = given === null ? encodingOf(base.head) : knownEncoding(given);
  let { path, plain, head } = base;
  let fromByte = file.fromByte;
  if (encoding !== "utf-8") {
    path = temp("text");
    fromByte = await transcode(base.path, encoding, fromByte, path);
    head = readHead(path);
    plain = false;
  }
  const text = { path: base.path, unit: encoding.startsWith("utf-16") ? 2 : 1 };
  const how = { encoding, compression, fromByte };
  const prepared =
    base.format === "csv"
      ? prepareCsv({ file, path, plain, head, temp }, known, options, how)
      : prepareJson({ file, path, plain, head, temp }, known, how);
  return { ...prepared, text: prepared.positions === "line" ? text : null };
}

interface TextBase {
  readonly file: ClaimedFile;
  readonly path: string;
  /** The claimed copy itself: its newlines were counted. */
  readonly plain: boolean;
  readonly head: Uint8Array;
  readonly temp: (name: string) => string;
}

interface TextHow {
  readonly encoding: string;
  readonly compression: Compression;
  readonly fromByte: number;
}

function prepareCsv(
  base: TextBase,
  known: Dialect | null,
  options: PrepareOptions,
  how: TextHow,
): Prepared {
  const { file } = base;
  const firstAt = firstRecordAt(base.path);
  if (firstAt === null) return blankCsv(base, how);
  if (firstAt > HEAD_BLANK_BYTES_MAX) return behindBlanks(base, known, options, how, firstAt);
  // A header may be longer than what is looked at: it must be seen whole.
  const isLong = base.head.length >= HEAD_BYTES && base.head.indexOf(10) < 0;
  const head = isLong ? readHead(base.path, HEAD_LONG_BYTES) : base.head;
  const whole = head.length < HEAD_BYTES;
  const text = new TextDecoder().decode(head.subarray(markBytes(head)));
  const guess =
    known === null || known.delimiter === null
      ? sniffCsv(text, whole, options.read)
      : { delimiter: known.delimiter, quote: known.quote, header: known.header };
  const first = sampleRows(text, whole, guess.delimiter, guess.quote)[0] ?? [];
  const header = guess.header ? columnNames(first) : null;
  const dialect: Dialect = { ...dialectOf("csv", how.encoding, how.compression), ...guess };
  const fieldCount = first.length;
  const names = header ?? positionalNames(options.read.names, fieldCount);
  const shared = {
    file,
    dialect,
    positions: "line",
    header,
    names,
    fieldCount,
    text: null,
  } as const;
  if (how.fromByte > 0) {
    const path = base.temp("tail");
    const headEnd = guess.header ? firstAt + lineEnd(head.subarray(firstAt)) : 0;
    const out = openSync(path, "w");
    try {
      const headLines = guess.header ? copyRange(base.path, firstAt, headEnd, out) : 0;
      const skipped = copyRange(base.path, 0, how.fromByte, -1);
      copyRange(base.path, how.fromByte, null, out);
      const before = { linesBefore: skipped - headLines, rowsBefore: skipped - headLines };
      return { ...shared, path, ...csvSizes(path, null, guess.quote), ...before };
    } finally {
      closeSync(out);
    }
  }
  const counted = base.plain ? file.newlines : null;
  return {
    ...shared,
    path: base.path,
    ...csvSizes(base.path, counted, guess.quote),
    ...NOTHING_BEFORE,
  };
}

function prepareJson(base: TextBase, known: Dialect | null, how: TextHow): Prepared {
  const { file, head } = base;
  const layout = known?.jsonLayout ?? jsonLayout(head);
  const dialect: Dialect = {
    ...dialectOf("json", how.encoding, how.compression),
    jsonLayout: layout,
  };
  const shared = { file, dialect, header: null, names: [], fieldCount: 0, text: null } as const;
  if (layout !== "lines") {
    refuseTail(file, "a JSON array");
    const path = base.temp("lines");
    const count = splitJson(base.path, layout, path);
    const sizeBytes = statSync(path).size;
    return { ...shared, positions: "row", path, sizeBytes, lines: count, ...NOTHING_BEFORE };
  }
  const skip = how.fromByte > 0 ? how.fromByte : markBytes(head);
  const positions = "line";
  if (skip === 0) {
    const counted = base.plain ? file.newlines : null;
    return {
      ...shared,
      positions,
      path: base.path,
      ...sizes(base.path, counted),
      ...NOTHING_BEFORE,
    };
  }
  const path = base.temp("tail");
  const out = openSync(path, "w");
  try {
    const linesBefore = how.fromByte > 0 ? copyRange(base.path, 0, skip, -1) : 0;
    copyRange(base.path, skip, null, out);
    return {
      ...shared,
      positions,
      path,
      ...sizes(path, null),
      linesBefore,
      rowsBefore: linesBefore,
    };
  } finally {
    closeSync(out);
  }
}

const NOTHING_BEFORE = { linesBefore: 0, rowsBefore: 0 } as const;

/** Text without a record: blank lines, or a byte order mark alone. It says nothing of columns, and holds no rows. */
function blankCsv({ file, path }: TextBase, how: TextHow): Prepared {
  const dialect = dialectOf("csv", how.encoding, how.compression);
  const sizeBytes = statSync(path).size;
  return { ...NO_TEXT, file, dialect, path, sizeBytes, positions: "line" };
}

/** Of blank lines that fill what is looked at nothing is learned: the file is read from behind them. */
function behindBlanks(
  base: TextBase,
  known: Dialect | null,
  options: PrepareOptions,
  how: TextHow,
  firstAt: number,
): Prepared {
  refuseTail(base.file, "text behind so many blank lines");
  const path = base.temp("first");
  const out = openSync(path, "w");
  try {
    const linesBefore = copyRange(base.path, 0, firstAt, -1);
    copyRange(base.path, firstAt, null, out);
    const rest = { ...base, path, plain: false, head: readHead(path) };
    return { ...prepareCsv(rest, known, options, how), linesBefore };
  } finally {
    closeSync(out);
  }
}

/** Where the first line begins that holds more than spaces; null for a text without any. */
function firstRecordAt(path: string): number | null {
  const file = openSync(path, "r");
  try {
    const buffer = new Uint8Array(HEAD_BYTES);
    let lineAt = markBytes(readHead(path, 3));
    for (let start = lineAt; ; start += buffer.length) {
      const count = readSync(file, buffer, 0, buffer.length, start);
      if (count === 0) return null;
      for (let at = 0; at < count; at++) {
        const byte = buffer[at] ?? 0;
        if (!BLANKS.has(byte)) return lineAt;
        if (byte === LF) lineAt = start + at + 1;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Tab, both line ends, space. */
const BLANKS: ReadonlySet<number> = new Set([9, 10, 13, 32]);

/** Newlines that were counted elsewhere, or counted here; a last line without an end counts. */
function sizes(path: string, newlines: number | null): { sizeBytes: number; lines: number } {
  const sizeBytes = statSync(path).size;
  if (sizeBytes === 0) return { sizeBytes, lines: 0 };
  const counted = newlines ?? copyRange(path, 0, null, -1);
  const last = new Uint8Array(1);
  const file = openSync(path, "r");
  readSync(file, last, 0, 1, sizeBytes - 1);
  closeSync(file);
  return { sizeBytes, lines: counted + (last[0] === LF ? 0 : 1) };
}

/** The same for CSV. No count is known where DuckDB might read, and drop, more than the lines show. */
function csvSizes(
  path: string,
  newlines: number | null,
  quote: string | null,
): { sizeBytes: number; lines: number } {
  const found = sizes(path, newlines);
  return isClearCsv(path, quote) ? found : { ...found, lines: UNKNOWN_LINES };
}

export function readHead(path: string, bytes = HEAD_BYTES): Uint8Array {
  const file = openSync(path, "r");
  try {
    const head = new Uint8Array(Math.min(bytes, fstatSync(file).size));
    return head.subarray(0, readSync(file, head, 0, head.length, 0));
  } finally {
    closeSync(file);
  }
}

function packing(
  path: string,
  head: Uint8Array,
  name: string,
  format: FileFormat | null,
): Compression {
  const compression = compressionOf(head);
  if (compression !== "zip") return compression;
  if (format === "xlsx" || /\.xls[xm]$/i.test(name)) return "none";
  return zipNames(path).includes("xl/workbook.xml") ? "none" : "zip";
}

/** A compound file: what spreadsheets were before 2007, and what encrypted ones still are. */
const OLE = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/** By what the bytes cannot hide, then by the name, then by the first character. */
function formatOf(name: string, head: Uint8Array): FileFormat {
  const starts = (text: string) => Buffer.from(head.subarray(0, text.length)).toString() === text;
  if (starts("PAR1")) return "parquet";
  if (starts("Obj\u0001")) return "avro";
  if (starts("PK\u0003\u0004")) return "xlsx";
  if (OLE.every((byte, index) => head[index] === byte)) {
    const text = "an Excel file of the old kind (.xls) or one with a password";
    throw new Unreadable("unreadable", `${text}: save it as .xlsx without a password`);
  }
  const [, ending = ""] =
    /\.([a-z0-9]+)$/.exec(name.toLowerCase().replace(/\.(gz|zst|zip)$/, "")) ?? [];
  if (["csv", "tsv", "tab", "psv", "txt", "dat"].includes(ending)) return "csv";
  if (["json", "ndjson", "jsonl"].includes(ending)) return "json";
  if (["parquet", "avro", "xlsx"].includes(ending)) {
    throw new Unreadable("unreadable", `the bytes are not those of a .${ending} file`);
  }
  const encoding = encodingOf(head);
  const text = encoding === "utf-8" ? new TextDecoder().decode(head.subarray(0, 1024)) : "";
  return /^\ufeff?\s*[{[]/.test(text) ? "json" : "csv";
}

/** Whether each line is a value; else one array, else values that span lines. */
function jsonLayout(head: Uint8Array): "lines" | "array" | "objects" {
  // A text that was cut may end within a character.
  const text = new TextDecoder().decode(head.subarray(markBytes(head))).replace(/\ufffd+$/, "");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const isWhole = head.length < HEAD_BYTES;
  const sample = lines.slice(
    0,
    isWhole || lines.length === 1 ? 20 : Math.min(20, lines.length - 1),
  );
  const objects = sample.filter(isObject).length;
  if (objects > 0 && objects * 2 >= sample.length) return "lines";
  if (/^\s*\[/.test(text)) return "array";
  // `{` alone, or `{"a": 1,`: the first value goes on.
  const first = sample[0]?.trim() ?? "";
  return first.startsWith("{") && !isObject(first) ? "objects" : "lines";
}

function isObject(line: string): boolean {
  try {
    return parseExact(line).kind === "object";
  } catch {
    return false;
  }
}

function lineEnd(head: Uint8Array): number {
  const at = head.indexOf(10);
  return at < 0 ? head.length : at + 1;
}

function dialectOf(format: FileFormat, encoding: string, compression: Compression): Dialect {
  return {
    format,
    encoding,
    compression,
    delimiter: null,
    quote: null,
    header: false,
    jsonLayout: null,
  };
}

/** Only plain UTF-8 text can have landed in part. */
function refuseTail(file: ClaimedFile, what: string): void {
  if (file.fromByte === 0) return;
  throw new Unreadable("unreadable", `${what} that grew cannot be read from byte ${file.fromByte}`);
}
