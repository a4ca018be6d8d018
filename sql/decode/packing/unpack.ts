/**
 * Unpacks gzip, zstd and zip by streaming into a file, counting bytes so that a bomb stops. Loaded by what is packed
 * alone: zlib and streams are a part of a worker's start.
 */

import { createReadStream, createWriteStream, rmSync, statSync } from "node:fs";
import { Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createGunzip, createInflateRaw, createZstdDecompress } from "node:zlib";
import { joinRecord, splitRecord } from "../csv/record-text.ts";
import { scanCsv } from "../csv/scan.ts";
import { LineWriter } from "../json/split.ts";
import { Unreadable } from "../unreadable.ts";
import { type Compression, compressionOf, packedOnce, zipEntries } from "./compression.ts";
import type { JoinPart, PartHead, PartJoin } from "./zip-parts.ts";
import { checkZstdFrames } from "./zstd-frames.ts";

const LF = 10;
const STORED = 0;
const DEFLATED = 8;
/** Packed to unpacked: deflate reaches 1032, zstd more; text rarely more than 100. */
const RATIO_MAX = 5_000;
/** Below this the ratio does not matter. */
const RATIO_FROM_BYTES = 256 * 1024 * 1024;
/** What is looked at of each file in a zip. */
const PART_HEAD_BYTES = 256 * 1024;

/**
 * Writes the unpacked bytes to `target`. The entries of a zip follow each other, in the order of the archive, each
 * ending in a line end, as far as they go together. Throws Unreadable for broken or encrypted archives, for parts that
 * do not go together and for bombs.
 */
export async function unpack(
  path: string,
  compression: Exclude<Compression, "none">,
  target: string,
  bytesMax: number,
  join: JoinPart,
): Promise<void> {
  const sizeBytes = statSync(path).size;
  const counter = new Counter(sizeBytes, bytesMax);
  try {
    if (compression === "zip") {
      return await unpackZip(path, target, counter, join);
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
  target: string,
  counter: Counter,
  join: JoinPart,
): Promise<void> {
  const entries = zipEntries(path).filter((entry) => isData(entry.name));
  await Bun.write(target, "");
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
    const part = new PartStream(
      entry.name,
      entries.length > 1 ? join : aloneJoin,
      `${target}-part`,
    );
    if (entry.method === STORED) await pipeline(source, count, part.stream, sink);
    else await pipeline(source, createInflateRaw(), count, part.stream, sink);
    part.appendOrdered(target);
  }
}

/** A spreadsheet is a zip too: whether a zip is one is found out where it lies unpacked. */
function aloneJoin({ name, bytes }: PartHead): PartJoin {
  if (compressionOf(bytes) !== "zip") packedOnce(bytes, `${name} in the zip`);
  return { skip: 0, order: null, shape: null };
}

/**
 * Holds a part's beginning back until it is known how much of it is left out. Records that are to be put in another
 * order are kept beside.
 */
class PartStream {
  readonly stream: Transform;
  readonly #name: string;
  readonly #join: JoinPart;
  readonly #beside: string;
  #held: Buffer | null = Buffer.alloc(0);
  #found: PartJoin | null = null;
  #writer: LineWriter | null = null;

  constructor(name: string, join: JoinPart, beside: string) {
    this.#name = name;
    this.#join = join;
    this.#beside = beside;
    this.stream = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        if (this.#held === null) done(null, this.#placed(chunk));
        else {
          this.#held = Buffer.concat([this.#held, chunk]);
          if (this.#held.length < PART_HEAD_BYTES) done();
          else this.#answer(false, done);
        }
      },
      flush: (done) => (this.#held === null ? done() : this.#answer(true, done)),
    });
  }

  /** Behind what the target holds, in the order of the first part's columns. */
  appendOrdered(target: string): void {
    this.#writer?.close();
    const { order = null, shape = null } = this.#found ?? {};
    if (this.#writer === null || order === null || shape === null) return;
    const out = new LineWriter(target, "a");
    try {
      scanCsv(this.#beside, shape, ({ bytes, start, end, blank, fault }) => {
        const record = bytes.subarray(start, end);
        if (blank || fault !== null) out.write(record);
        else {
          const fields = splitRecord(Buffer.from(record).toString(), shape);
          const ordered = order.map((place) => fields[place] ?? null);
          out.write(Buffer.from(joinRecord(ordered, shape)));
        }
        out.put(LF);
      });
    } finally {
      out.close();
      rmSync(this.#beside, { force: true });
    }
  }

  #answer(whole: boolean, done: TransformCallback): void {
    const bytes = this.#held ?? Buffer.alloc(0);
    this.#held = null;
    if (bytes.length === 0) {
      done();
      return;
    }
    try {
      this.#found = this.#join({ name: this.#name, bytes, whole });
      if (this.#found.order !== null) this.#writer = new LineWriter(this.#beside);
      done(null, this.#placed(bytes.subarray(this.#found.skip)));
    } catch (thrown) {
      done(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  }

  /** What goes on at once. */
  #placed(bytes: Buffer): Buffer {
    if (this.#writer === null) return bytes;
    this.#writer.write(bytes);
    return Buffer.alloc(0);
  }
}

function isData(name: string): boolean {
  const last = name.split("/").at(-1) ?? "";
  return last !== "" && !last.startsWith(".") && !name.startsWith("__MACOSX/");
}
