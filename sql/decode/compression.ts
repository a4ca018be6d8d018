/** Unpacks gzip, zstd and zip by streaming into a file, counting bytes so that a bomb stops. */

import {
  closeSync,
  createReadStream,
  createWriteStream,
  openSync,
  readSync,
  statSync,
} from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createGunzip, createInflateRaw, createZstdDecompress } from "node:zlib";
import type { Dialect } from "../../core/engine.ts";
import { Unreadable } from "./unreadable.ts";
import { checkZstdFrames } from "./zstd-frames.ts";

export type Compression = Dialect["compression"];

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly start: number;
  readonly packedBytes: number;
  /** CRC-32 of the unpacked bytes. */
  readonly crc: number;
  readonly encrypted: boolean;
}

const ZIP_END = 0x06054b50;
const ZIP_ENTRY = 0x02014b50;
const ZIP_END_BYTES = 22;
const ZIP_COMMENT_MAX = 0xffff;
const ZIP_ENTRY_BYTES = 46;
const ZIP_LOCAL_BYTES = 30;
const ZIP64 = 0xffffffff;
const ZIP_ENTRIES_MAX = 10_000;
const LF = 10;
const STORED = 0;
const DEFLATED = 8;
/** Packed to unpacked: deflate reaches 1032, zstd more; text rarely more than 100. */
const RATIO_MAX = 5_000;
/** Below this the ratio does not matter. */
const RATIO_FROM_BYTES = 256 * 1024 * 1024;

/** What a file's first bytes say. An XLSX file is a zip too: the caller decides. */
export function compressionOf(head: Uint8Array): Compression {
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return "zstd";
  if (starts(0x50, 0x4b, 0x03, 0x04) || starts(0x50, 0x4b, 0x05, 0x06)) return "zip";
  return "none";
}

/**
 * Writes the unpacked bytes to `target`. The entries of a zip follow each other, in the order of the archive, each
 * ending in a line end, the header of the first left out of the others. Throws Unreadable for broken or encrypted
 * archives and for bombs.
 */
export async function unpack(
  path: string,
  compression: Exclude<Compression, "none">,
  target: string,
  bytesMax: number,
  headerOf: HeaderOf,
): Promise<void> {
  const sizeBytes = statSync(path).size;
  const counter = new Counter(sizeBytes, bytesMax);
  try {
    if (compression === "zip") {
      return await unpackZip(path, sizeBytes, target, counter, headerOf);
    }
    if (compression === "zstd") checkZstdFrames(path, sizeBytes);
    const unpacker = compression === "gzip" ? createGunzip() : createZstdDecompress();
    await pipeline(createReadStream(path), unpacker, counter.stream(), createWriteStream(target));
  } catch (thrown) {
    if (thrown instanceof Unreadable) throw thrown;
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    throw new Unreadable("unreadable", `the ${compression} data is broken: ${text}`);
  }
}

/** The first line of a text, with its end, when it is a header that other parts repeat; null when there is none. */
export type HeaderOf = (path: string) => Uint8Array | null;

/** Names of the files in a zip, in order. Throws Unreadable when the directory is broken. */
export function zipNames(path: string): string[] {
  return zipEntries(path).map((entry) => entry.name);
}

/** The files in a zip, in order. Throws Unreadable when the directory is broken. */
export function zipEntries(path: string): readonly ZipEntry[] {
  return readEntries(path, statSync(path).size);
}

class Counter {
  #packedBytes: number;
  #bytesMax: number;
  #bytes = 0;

  constructor(packedBytes: number, bytesMax: number) {
    this.#packedBytes = packedBytes;
    this.#bytesMax = bytesMax;
  }

  /** Passes the bytes on, a line end behind them when `isPart`; fails when they are not what `crc` was made of. */
  stream(crc: number | null = null, isPart = false): Transform {
    let last = LF;
    let found = 0;
    return new Transform({
      transform: (chunk: Uint8Array, _encoding, done) => {
        this.#bytes += chunk.length;
        last = chunk.at(-1) ?? last;
        if (crc !== null) found = crc32(chunk, found);
        done(this.#check(), chunk);
      },
      flush: (done) => {
        if (crc !== null && found !== crc) done(new Error("the check sum of an entry is wrong"));
        else if (isPart && last !== LF) done(null, Buffer.of(LF));
        else done();
      },
    });
  }

  #check(): Unreadable | null {
    if (this.#bytes > this.#bytesMax) {
      return new Unreadable("limit", `unpacks to more than ${this.#bytesMax} bytes`);
    }
    if (this.#bytes > RATIO_FROM_BYTES && this.#bytes > this.#packedBytes * RATIO_MAX) {
      return new Unreadable("limit", `unpacks to more than ${RATIO_MAX} times its size`);
    }
    return null;
  }
}

async function unpackZip(
  path: string,
  sizeBytes: number,
  target: string,
  counter: Counter,
  headerOf: HeaderOf,
): Promise<void> {
  const entries = readEntries(path, sizeBytes).filter((entry) => isData(entry.name));
  await Bun.write(target, "");
  let header: Uint8Array | null = null;
  for (const [index, entry] of entries.entries()) {
    if (entry.encrypted)
      throw new Unreadable("unreadable", `${entry.name} in the zip is encrypted`);
    if (entry.method !== STORED && entry.method !== DEFLATED) {
      const text = `${entry.name} in the zip is packed by method ${entry.method}`;
      throw new Unreadable("unreadable", `${text}; only stored and deflated entries are read`);
    }
    if (entry.packedBytes === 0) continue;
    const source = createReadStream(path, {
      start: entry.start,
      end: entry.start + entry.packedBytes - 1,
    });
    const sink = createWriteStream(target, { flags: "a" });
    const count = counter.stream(entry.crc, index < entries.length - 1);
    const once = withoutFirst(header);
    if (entry.method === STORED) await pipeline(source, count, once, sink);
    else await pipeline(source, createInflateRaw(), count, once, sink);
    if (index === 0 && entries.length > 1) header = headerOf(target);
  }
}

/** Leaves out the line that a stream begins with, when it is the given one. */
function withoutFirst(line: Uint8Array | null): Transform {
  let held: Buffer | null = line === null ? null : Buffer.alloc(0);
  const release = (): Buffer => {
    const bytes = held ?? Buffer.alloc(0);
    held = null;
    const isSame = line !== null && bytes.subarray(0, line.length).equals(line);
    return isSame ? bytes.subarray(line.length) : bytes;
  };
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      if (held === null) return done(null, chunk);
      held = Buffer.concat([held, chunk]);
      if (held.length < (line?.length ?? 0)) return done();
      done(null, release());
    },
    flush: (done) => done(null, release()),
  });
}

function isData(name: string): boolean {
  const last = name.split("/").at(-1) ?? "";
  return last !== "" && !last.startsWith(".") && !name.startsWith("__MACOSX/");
}

/** APPNOTE 4.3: the directory at the end of the archive. */
function readEntries(path: string, sizeBytes: number): ZipEntry[] {
  const file = openSync(path, "r");
  try {
    const read = (start: number, length: number): DataView => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - start)));
      readSync(file, bytes, 0, bytes.length, start);
      return new DataView(bytes.buffer);
    };
    const tailStart = Math.max(0, sizeBytes - ZIP_END_BYTES - ZIP_COMMENT_MAX);
    const tail = read(tailStart, sizeBytes - tailStart);
    let at = tail.byteLength - ZIP_END_BYTES;
    while (at >= 0 && tail.getUint32(at, true) !== ZIP_END) at--;
    if (at < 0) throw new Unreadable("unreadable", "the zip has no directory: it is cut or broken");
    const count = tail.getUint16(at + 10, true);
    const directory = read(tail.getUint32(at + 16, true), tail.getUint32(at + 12, true));
    if (count > ZIP_ENTRIES_MAX) {
      throw new Unreadable("limit", `the zip holds more than ${ZIP_ENTRIES_MAX} files`);
    }
    return directoryEntries(directory, count, read);
  } catch (thrown) {
    if (thrown instanceof RangeError) {
      throw new Unreadable("unreadable", "the directory of the zip is broken");
    }
    throw thrown;
  } finally {
    closeSync(file);
  }
}

function directoryEntries(
  directory: DataView,
  count: number,
  read: (start: number, length: number) => DataView,
): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (directory.getUint32(at, true) !== ZIP_ENTRY) throw new RangeError("entry");
    const nameBytes = directory.getUint16(at + 28, true);
    const packedBytes = directory.getUint32(at + 20, true);
    const header = directory.getUint32(at + 42, true);
    if (packedBytes === ZIP64 || header === ZIP64) {
      throw new Unreadable(
        "unreadable",
        "zip files of more than 4 GiB are not read; use gzip or zstd",
      );
    }
    const local = read(header, ZIP_LOCAL_BYTES);
    const start = header + ZIP_LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
    const name = new Uint8Array(directory.buffer, at + ZIP_ENTRY_BYTES, nameBytes);
    entries.push({
      name: new TextDecoder().decode(name),
      method: directory.getUint16(at + 10, true),
      start,
      packedBytes,
      crc: directory.getUint32(at + 16, true),
      encrypted: (directory.getUint16(at + 8, true) & 1) === 1,
    });
    const extra = directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
    at += ZIP_ENTRY_BYTES + nameBytes + extra;
  }
  return entries;
}
