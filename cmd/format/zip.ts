/** Writes a zip archive part by part, without going back: sizes stand behind each part. APPNOTE 4.3 and 4.4.4. */

import { once } from "node:events";
import { crc32, createDeflateRaw, type DeflateRaw } from "node:zlib";
import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";

interface Part {
  readonly name: Buffer;
  /** Where its header stands. */
  readonly at: number;
  readonly sum: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
}

/** Sizes are written in 32 bits: no archive of ours is larger. */
const BYTES_MAX = 0xffff_ffff;
const VERSION = 20;
/** Sizes and sum behind the part; names in UTF-8. */
const FLAGS = 0x0808;
const DEFLATED = 8;
/** 1980-01-01: the same rows make the same bytes. */
const NO_TIME = 0;
const NO_DATE = 0x21;

export class ZipWriter {
  readonly #sink: (bytes: Uint8Array) => Promise<void>;
  readonly #parts: Part[] = [];
  #at = 0;
  #open: { readonly name: Buffer; readonly at: number; readonly stream: DeflateRaw } | null = null;
  #pump: Promise<void> = Promise.resolve();
  #sum = 0;
  #plainBytes = 0;
  #packedBytes = 0;

  /** Waits for `sink` as often as it asks for time. */
  constructor(sink: (bytes: Uint8Array) => Promise<void>) {
    this.#sink = sink;
  }

  async begin(name: string): Promise<void> {
    const bytes = Buffer.from(name);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    writeCommon(header, 4);
    header.writeUInt16LE(bytes.length, 26);
    const at = this.#at;
    await this.#put(Buffer.concat([header, bytes]));
    this.#sum = 0;
    this.#plainBytes = 0;
    this.#packedBytes = 0;
    const stream = createDeflateRaw();
    this.#open = { name: bytes, at, stream };
    this.#pump = this.#drain(stream);
    // Whoever writes next hears of it.
    this.#pump.catch(() => undefined);
  }

  async write(text: string): Promise<void> {
    const { stream } = must(this.#open, "a part is open");
    const bytes = Buffer.from(text);
    this.#sum = crc32(bytes, this.#sum);
    this.#plainBytes += bytes.length;
    if (!stream.write(bytes)) await Promise.race([once(stream, "drain"), this.#pump]);
  }

  async end(): Promise<void> {
    const { name, at, stream } = must(this.#open, "a part is open");
    stream.end();
    await this.#pump;
    if (Math.max(this.#plainBytes, this.#at) > BYTES_MAX) {
      throw new LakeError("usage", "the result is larger than a workbook can be", {
        hint: "write it to a .csv or .parquet file",
      });
    }
    const sizes = { packedBytes: this.#packedBytes, plainBytes: this.#plainBytes };
    const part = { name, at, sum: this.#sum, ...sizes };
    const behind = Buffer.alloc(16);
    behind.writeUInt32LE(0x08074b50, 0);
    writeSizes(behind, 4, part);
    await this.#put(behind);
    this.#parts.push(part);
    this.#open = null;
  }

  /** The directory, with which the archive is whole. */
  async finish(): Promise<void> {
    const directoryAt = this.#at;
    for (const part of this.#parts) {
      const entry = Buffer.alloc(46);
      entry.writeUInt32LE(0x02014b50, 0);
      entry.writeUInt16LE(VERSION, 4);
      writeCommon(entry, 6);
      writeSizes(entry, 16, part);
      entry.writeUInt16LE(part.name.length, 28);
      entry.writeUInt32LE(part.at, 42);
      await this.#put(Buffer.concat([entry, part.name]));
    }
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(this.#parts.length, 8);
    end.writeUInt16LE(this.#parts.length, 10);
    end.writeUInt32LE(this.#at - directoryAt, 12);
    end.writeUInt32LE(directoryAt, 16);
    await this.#put(end);
  }

  async #drain(stream: DeflateRaw): Promise<void> {
    for await (const chunk of stream) {
      const bytes: Buffer = chunk;
      this.#packedBytes += bytes.length;
      await this.#put(bytes);
    }
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#at += bytes.length;
    await this.#sink(bytes);
  }
}

/** Version, flags, method, time and date, as header and directory have them. */
function writeCommon(buffer: Buffer, at: number): void {
  buffer.writeUInt16LE(VERSION, at);
  buffer.writeUInt16LE(FLAGS, at + 2);
  buffer.writeUInt16LE(DEFLATED, at + 4);
  buffer.writeUInt16LE(NO_TIME, at + 6);
  buffer.writeUInt16LE(NO_DATE, at + 8);
}

function writeSizes(buffer: Buffer, at: number, part: Omit<Part, "name" | "at">): void {
  buffer.writeUInt32LE(part.sum, at);
  buffer.writeUInt32LE(part.packedBytes, at + 4);
  buffer.writeUInt32LE(part.plainBytes, at + 8);
}
