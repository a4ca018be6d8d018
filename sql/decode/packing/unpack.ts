/**
 * Unpacks gzip, zstd and zip by streaming into a file, counting bytes so that a bomb stops. Loaded by what is packed
 * alone: zlib and streams are a part of a worker's start.
 */

import { createReadStream, createWriteStream, statSync } from "node:fs";
import { PassThrough, Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { crc32, createGunzip, createInflateRaw, createZstdDecompress } from "node:zlib";
import { Unreadable } from "../unreadable.ts";
import { type Compression, zipEntries } from "./compression.ts";
import type { JoinPart } from "./zip-parts.ts";
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
    const part = entries.length > 1 ? joined(entry.name, join) : new PassThrough();
    if (entry.method === STORED) await pipeline(source, count, part, sink);
    else await pipeline(source, createInflateRaw(), count, part, sink);
  }
}

/** Holds a part's beginning back until it is known how much of it is left out. */
function joined(name: string, join: JoinPart): Transform {
  let held: Buffer | null = Buffer.alloc(0);
  const release = (whole: boolean): Buffer => {
    const bytes = held ?? Buffer.alloc(0);
    held = null;
    return bytes.length === 0 ? bytes : bytes.subarray(join({ name, bytes, whole }));
  };
  const answer = (whole: boolean, done: TransformCallback): void => {
    try {
      done(null, release(whole));
    } catch (thrown) {
      done(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  };
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      if (held === null) return done(null, chunk);
      held = Buffer.concat([held, chunk]);
      if (held.length < PART_HEAD_BYTES) return done();
      answer(false, done);
    },
    flush: (done) => answer(true, done),
  });
}

function isData(name: string): boolean {
  const last = name.split("/").at(-1) ?? "";
  return last !== "" && !last.startsWith(".") && !name.startsWith("__MACOSX/");
}
