/** Avro's binary alphabet: a growing buffer to write to, and a cursor to read from. */

import { Buffer } from "node:buffer";
import { LakeError } from "../../core/base/errors.ts";

const INITIAL_BYTES = 4096;
/** Bits of a varint that a double holds exactly: seven bytes of seven. */
const SAFE_VARINT_BYTES = 7;
/** A shorter text is copied char by char while it is ASCII: cheaper than a call into the runtime. */
const SHORT_TEXT = 64;

/** Writes values one after the other. Avro spec, "Binary Encoding". */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = INITIAL_BYTES) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A view of what was written; valid until the next write. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  int(value: number): void {
    this.#varint(value >= 0 ? value * 2 : value * -2 - 1);
  }

  long(value: bigint): void {
    const near = Number(value);
    if (near > -(2 ** 51) && near < 2 ** 51) {
      this.int(near);
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 127n) {
      this.#buffer[this.#length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#buffer[this.#length++] = Number(rest);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#buffer.writeFloatLE(value, this.#length);
    this.#length += 4;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#buffer.writeDoubleLE(value, this.#length);
    this.#length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    if (bytes.length > 16) this.#buffer.set(bytes, this.#length);
    else {
      for (let index = 0; index < bytes.length; index++) {
        this.#buffer[this.#length + index] = bytes[index] ?? 0;
      }
    }
    this.#length += bytes.length;
  }

  /** Bytes of a reader as they are. */
  copy(source: ByteReader, start: number, end: number): void {
    this.#reserve(end - start);
    source.copyTo(this.#buffer, this.#length, start, end);
    this.#length += end - start;
  }

  bytes(bytes: Uint8Array): void {
    this.int(bytes.length);
    this.raw(bytes);
  }

  string(text: string): void {
    const size = Buffer.byteLength(text, "utf8");
    this.int(size);
    this.#reserve(size);
    this.#buffer.write(text, this.#length, size, "utf8");
    this.#length += size;
  }

  #varint(value: number): void {
    this.#reserve(10);
    if (value < 128) {
      this.#buffer[this.#length++] = value;
      return;
    }
    let rest = value;
    while (rest >= 0x80000000) {
      this.#buffer[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + size));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/** Reads values one after the other. Every read past the end throws LakeError `corrupt`. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at: number;
  #end: number;

  constructor(bytes: Uint8Array, start = 0) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
    this.#end = bytes.length;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    if (this.#at >= this.#end) throw endsEarly();
    return this.#bytes[this.#at++] ?? 0;
  }

  int(): number {
    const raw = this.#varint();
    const value = typeof raw === "number" ? unzigzag(raw) : Number(unzigzagBig(raw));
    if (value > 0x7fffffff || value < -0x80000000) {
      throw new LakeError("corrupt", `Avro int ${value} does not fit 32 bits`);
    }
    return value;
  }

  long(): bigint {
    const raw = this.#varint();
    return typeof raw === "number" ? BigInt(unzigzag(raw)) : unzigzagBig(raw);
  }

  /** A count or a length: a long that must be a plausible number of bytes or items. */
  size(): number {
    const raw = this.#varint();
    if (typeof raw !== "number") throw new LakeError("corrupt", "an Avro length is implausible");
    return unzigzag(raw);
  }

  float(): number {
    return this.#bytes.readFloatLE(this.#take(4));
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  /** A copy of the next bytes, so that the whole file is not kept alive by a bound. */
  raw(size: number): Uint8Array {
    const start = this.#take(size);
    const copy = new Uint8Array(size);
    if (size > 16) this.#bytes.copy(copy, 0, start, start + size);
    else for (let index = 0; index < size; index++) copy[index] = this.#bytes[start + index] ?? 0;
    return copy;
  }

  bytes(): Uint8Array {
    return this.raw(this.size());
  }

  string(): string {
    const size = this.size();
    const start = this.#take(size);
    if (size < SHORT_TEXT) {
      let text = "";
      let index = start;
      for (; index < start + size; index++) {
        const unit = this.#bytes[index] ?? 128;
        if (unit > 127) break;
        text += String.fromCharCode(unit);
      }
      if (index === start + size) return text;
    }
    return this.#bytes.toString("utf8", start, start + size);
  }

  /** How many bytes were read so far. */
  get position(): number {
    return this.#at;
  }

  /** Another reader of some of the same bytes. */
  range(start: number, end: number): ByteReader {
    const reader = new ByteReader(this.#bytes, start);
    reader.#end = end;
    return reader;
  }

  /** Copies some of the bytes to a buffer that has room for them. */
  copyTo(target: Buffer, at: number, start: number, end: number): void {
    this.#bytes.copy(target, at, start, end);
  }

  skip(size: number): void {
    this.#take(size);
  }

  skipVarint(): void {
    while (this.byte() > 127);
  }

  #take(size: number): number {
    const start = this.#at;
    if (size < 0 || start + size > this.#end) throw endsEarly();
    this.#at = start + size;
    return start;
  }

  #varint(): number | bigint {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < SAFE_VARINT_BYTES; count++) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    let big = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      big |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, big);
    }
    throw new LakeError("corrupt", "an Avro number is longer than ten bytes");
  }
}

function unzigzag(raw: number): number {
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
}

function unzigzagBig(raw: bigint): bigint {
  return (raw >> 1n) ^ -(raw & 1n);
}

function endsEarly(): LakeError {
  return new LakeError("corrupt", "the Avro data ends in the middle of a value");
}
