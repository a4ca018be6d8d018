/** A claimed file made ready to read: format, compression and encoding found, plain UTF-8 on disk. */

import { closeSync, openSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "../../core/base/assert.ts";
import type { ClaimedFile, Dialect } from "../../core/engine.ts";
import type { FileFormat } from "../../core/ingest/contract.ts";
import {
  copyRange,
  encodingOf,
  isWideUtf8,
  knownEncoding,
  markedEncoding,
  transcode,
} from "./encoding.ts";
import type { FormatReader } from "./format.ts";
import {
  formatOfBytes,
  formatOfEnding,
  formatOfSource,
  formatOfZip,
  isText,
  readerOf,
} from "./formats.ts";
import {
  type Compression,
  compressionOf,
  foreignPacking,
  isCompound,
  packedOnce,
  zipNames,
} from "./packing/compression.ts";
import {
  dialectOf,
  NO_TEXT,
  type Prepared,
  type PrepareOptions,
  readHead,
  refuseTail,
} from "./prepared.ts";
import { Unreadable } from "./unreadable.ts";

/** Runs with the caller's folder for what is made ready, or with one of our own that is removed afterwards. */
export async function withWorkFolder<T>(
  given: string | null,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  if (given !== null) return work(given);
  const folder = await mkdtemp(join(tmpdir(), "lake-inspect-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

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
  if (file.isAside === true)
    return asAside({ file, compression: "none", path, plain, head, temp }, options);
  const compression = known?.compression ?? packing(path, head, file.name, options.read.format);
  if (compression !== "none") {
    if (compression === "zip") refuseTail(file, "a zip");
    path = temp("unpacked");
    const { unpack } = await import("./packing/unpack.ts");
    const { partJoiner } = await import("./packing/zip-parts.ts");
    const join = partJoiner(known, options.read);
    await unpack(file.path, compression, path, options.decodedBytesMax, join);
    head = readHead(path);
    plain = false;
    if (zipFormat(path, head, file.name, options.read.format) === null)
      packedOnce(head, `what ${compression} holds`);
  }
  refuseForeign(head);
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
  const format =
    known?.format ?? formatOfSource(head) ?? options.read.format ?? formatOf(file.name, head);
  const base = { file, compression, path, plain, head, temp };
  const { prepareText } = await readerOf(format);
  if (prepareText !== undefined) return asText(base, prepareText, known, options);
  refuseTail(file, `a ${format} file`);
  const dialect = dialectOf(format, "utf-8", compression);
  return { ...NO_TEXT, file, dialect, path, sizeBytes: statSync(path).size };
}

/** Rows by the texts that were kept of them: those of most formats are JSON, whatever their files are. */
async function asAside(base: Base, options: PrepareOptions): Promise<Prepared> {
  const { file, head } = base;
  const format = options.read.format ?? formatOfEnding(plainEnding(file.name)) ?? textFormat(head);
  const { asideAs = "json" } = await readerOf(format);
  const { prepareText } = await readerOf(asideAs);
  return asText(base, must(prepareText, "rows are set aside as text"), null, options);
}

interface Base {
  readonly file: ClaimedFile;
  readonly compression: Compression;
  readonly path: string;
  readonly plain: boolean;
  readonly head: Uint8Array;
  readonly temp: (name: string) => string;
}

async function asText(
  base: Base,
  prepareText: NonNullable<FormatReader["prepareText"]>,
  known: Dialect | null,
  options: PrepareOptions,
): Promise<Prepared> {
  const { file, compression, temp } = base;
  const { encoding, remark } = await encodingFor(base, known, options.read);
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
  const prepared = prepareText({ file, path, plain, head, temp }, known, options, how);
  const spelling = await spellingOf(options.read);
  return { ...prepared, spelling, remark, text: prepared.positions === "line" ? text : null };
}

/** A byte order mark counts before what is said. */
async function encodingFor(
  { head, path }: Base,
  known: Dialect | null,
  read: PrepareOptions["read"],
): Promise<{ readonly encoding: string; readonly remark: string | null }> {
  const said = read.encoding;
  const found = said === null ? encodingOf(head) : (markedEncoding(head) ?? knownEncoding(said));
  const encoding = known === null ? found : knownEncoding(known.encoding);
  if (said === null) return { encoding, remark: null };
  const isDoubtful = encoding !== "utf-8" && !encoding.startsWith("utf-16");
  if (!isDoubtful || !(await isWideUtf8(path))) return { encoding, remark: null };
  const remark = `as UTF-8, which its bytes are, but as ${encoding}: give it to a source of its own (path:)`;
  return { encoding, remark };
}

async function spellingOf(read: PrepareOptions["read"]): Promise<Prepared["spelling"]> {
  if ((read.numbers ?? read.dates ?? null) === null) return null;
  return (await import("./lossless/spelling.ts")).Spelling.of(read);
}

function packing(
  path: string,
  head: Uint8Array,
  name: string,
  format: FileFormat | null,
): Compression {
  const compression = compressionOf(head);
  return compression === "zip" && zipFormat(path, head, name, format) !== null
    ? "none"
    : compression;
}

/** A spreadsheet is a zip too; null for a zip that files are packed in, and for what is none. */
function zipFormat(
  path: string,
  head: Uint8Array,
  name: string,
  format: FileFormat | null,
): FileFormat | null {
  if (compressionOf(head) !== "zip") return null;
  return formatOfZip(format, endingOf(name), () => zipNames(path));
}

function plainEnding(name: string): string {
  return endingOf(name.replace(/\.(gz|zst|zip)$/i, ""));
}

/** What stands behind the last dot, in lower case. */
function endingOf(name: string): string {
  return /\.([a-z0-9]+)$/.exec(name.toLowerCase())?.[1] ?? "";
}

function refuseForeign(head: Uint8Array): void {
  const packing = foreignPacking(head);
  if (packing === null) return;
  throw new Unreadable(
    "unreadable",
    `${packing} is not unpacked here: drop what it holds, or use gzip or zstd`,
  );
}

/** By what the bytes cannot hide, then by the name, then by the first character. */
function formatOf(name: string, head: Uint8Array): FileFormat {
  const told = formatOfBytes(head);
  if (told !== null) return told;
  if (isCompound(head)) {
    const text = "an Excel file of the old kind (.xls) or one with a password";
    throw new Unreadable("unreadable", `${text}: save it as .xlsx without a password`);
  }
  const ending = plainEnding(name);
  const called = formatOfEnding(ending);
  if (called !== null && isText(called)) return called;
  if (called !== null) {
    throw new Unreadable("unreadable", `the bytes are not those of a .${ending} file`);
  }
  return textFormat(head);
}

/** Of a text by its first character. */
function textFormat(head: Uint8Array): FileFormat {
  const encoding = encodingOf(head);
  const text = encoding === "utf-8" ? new TextDecoder().decode(head.subarray(0, 1024)) : "";
  return /^\ufeff?\s*[{[]/.test(text) ? "json" : "csv";
}
