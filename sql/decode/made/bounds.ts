/** The least and the greatest value of a column, as they stand in Parquet's statistics. parquet.thrift, Statistics. */

import { PHYSICAL, type Physical } from "./part-schema.ts";

export interface Bounds {
  readonly min: Buffer;
  readonly max: Buffer;
}

/** Values of one page as they stand in it, and the same bytes as numbers. */
export interface PlainValues {
  readonly bytes: Buffer;
  readonly ints: Int32Array;
  readonly floats: Float32Array;
  readonly doubles: Float64Array;
  readonly length: number;
}

/** A longer text is of no use to whoever skips files by it. */
const BOUND_BYTES_MAX = 256;
const LENGTH_BYTES = 4;
const SIGN = 0x80;

/** Bounds over the pages of a chunk. */
export class ChunkBounds {
  readonly #physical: Physical;
  /** Of fixed bytes: they are a number with a sign. */
  readonly #isSigned: boolean;
  #min: Buffer | null = null;
  #max: Buffer | null = null;
  /** A value that has no order was among them. */
  #isLost = false;

  constructor(physical: Physical, isSigned: boolean) {
    this.#physical = physical;
    this.#isSigned = isSigned;
  }

  add(values: PlainValues): void {
    if (values.length === 0) return;
    switch (this.#physical) {
      case PHYSICAL.boolean:
        this.#booleans(values);
        break;
      case PHYSICAL.int:
        this.#ints(values);
        break;
      case PHYSICAL.long:
        this.#longs(values);
        break;
      case PHYSICAL.float:
        this.#numbers(values.floats.subarray(0, values.length / 4), 4);
        break;
      case PHYSICAL.double:
        this.#numbers(values.doubles.subarray(0, values.length / 8), 8);
        break;
      case PHYSICAL.bytes:
        this.#texts(values);
        break;
      case PHYSICAL.fixed:
        this.#fixed(values);
        break;
    }
  }

  /** Null where there is no value, or none that is of use. Forgets them. */
  take(): Bounds | null {
    const [min, max] = [this.#min, this.#max];
    const isLost = this.#isLost;
    this.#min = null;
    this.#max = null;
    this.#isLost = false;
    if (isLost || min === null || max === null) return null;
    return Math.max(min.length, max.length) > BOUND_BYTES_MAX ? null : { min, max };
  }

  #booleans({ bytes, length }: PlainValues): void {
    const hasTrue = bytes.subarray(0, length).includes(1);
    const hasFalse = bytes.subarray(0, length).includes(0);
    if (this.#min === null || hasFalse) this.#min = Buffer.from([hasFalse ? 0 : 1]);
    if (this.#max === null || hasTrue) this.#max = Buffer.from([hasTrue ? 1 : 0]);
  }

  #ints({ ints, length }: PlainValues): void {
    let min = this.#min?.readInt32LE() ?? ints[0] ?? 0;
    let max = this.#max?.readInt32LE() ?? ints[0] ?? 0;
    for (let at = 0; at < length / 4; at++) {
      const value = ints[at] ?? 0;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    this.#min = Buffer.alloc(4);
    this.#max = Buffer.alloc(4);
    this.#min.writeInt32LE(min);
    this.#max.writeInt32LE(max);
  }

  /** By their halves: the higher has the sign. */
  #longs({ ints, bytes, length }: PlainValues): void {
    let least = 0;
    let greatest = 0;
    for (let at = 2; at < length / 4; at += 2) {
      const low = (ints[at] ?? 0) >>> 0;
      const high = ints[at + 1] ?? 0;
      const leastHigh = ints[least + 1] ?? 0;
      if (high < leastHigh || (high === leastHigh && low < (ints[least] ?? 0) >>> 0)) least = at;
      const greatestHigh = ints[greatest + 1] ?? 0;
      const isGreater = high === greatestHigh && low > (ints[greatest] ?? 0) >>> 0;
      if (high > greatestHigh || isGreater) greatest = at;
    }
    const long = (at: number): Buffer => Buffer.from(bytes.subarray(at * 4, at * 4 + 8));
    const [min, max] = [long(least), long(greatest)];
    const isLess = (one: Buffer, other: Buffer): boolean =>
      one.readBigInt64LE() < other.readBigInt64LE();
    if (this.#min === null || isLess(min, this.#min)) this.#min = min;
    if (this.#max === null || isLess(this.#max, max)) this.#max = max;
  }

  /** Zeros are said with the sign that holds both. */
  #numbers(values: Float32Array | Float64Array, width: 4 | 8): void {
    const read = (bytes: Buffer): number =>
      width === 4 ? bytes.readFloatLE() : bytes.readDoubleLE();
    let min = this.#min === null ? Number.POSITIVE_INFINITY : read(this.#min);
    let max = this.#max === null ? Number.NEGATIVE_INFINITY : read(this.#max);
    for (let at = 0; at < values.length; at++) {
      const value = values[at] ?? 0;
      if (Number.isNaN(value)) this.#isLost = true;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    const write = (value: number): Buffer => {
      const bytes = Buffer.alloc(width);
      if (width === 4) bytes.writeFloatLE(value);
      else bytes.writeDoubleLE(value);
      return bytes;
    };
    this.#min = write(min === 0 ? -0 : min);
    this.#max = write(max === 0 ? 0 : max);
  }

  /** Most values differ from the greatest where it is still as the least: one look tells both. */
  #texts({ bytes, length }: PlainValues): void {
    let min = this.#min;
    let max = this.#max;
    let shared = min === null || max === null ? 0 : sharedBytes(min, max, 0);
    for (let at = 0; at < length; ) {
      const start = at + LENGTH_BYTES;
      at = start + bytes.readUInt32LE(start - LENGTH_BYTES);
      if (min === null || max === null) {
        min = bytes.subarray(start, at);
        max = min;
        shared = min.length;
        continue;
      }
      const limit = Math.min(at - start, max.length);
      let same = 0;
      while (same < limit && bytes[start + same] === max[same]) same++;
      const over =
        same < limit ? (bytes[start + same] ?? 0) - (max[same] ?? 0) : at - start - max.length;
      if (over > 0) {
        max = bytes.subarray(start, at);
        shared = same === shared ? sharedBytes(min, max, shared) : Math.min(same, shared);
      } else if (over < 0 && (same < shared || compare(bytes, start, at, min, shared) < 0)) {
        min = bytes.subarray(start, at);
        shared = same;
      }
    }
    this.#keep(min, max);
  }

  #fixed({ bytes, length }: PlainValues): void {
    const width = 16;
    let min = this.#min;
    let max = this.#max;
    for (let at = 0; at < length; at += width) {
      const end = at + width;
      if (min === null || this.#compareFixed(bytes, at, min) < 0) min = bytes.subarray(at, end);
      if (max === null || this.#compareFixed(bytes, at, max) > 0) max = bytes.subarray(at, end);
    }
    this.#keep(min, max);
  }

  #compareFixed(bytes: Buffer, start: number, other: Buffer): number {
    if (this.#isSigned) {
      const sign = ((bytes[start] ?? 0) & SIGN) - ((other[0] ?? 0) & SIGN);
      if (sign !== 0) return -sign;
    }
    return compare(bytes, start, start + other.length, other);
  }

  /** Bytes of their own: the page is written over. */
  #keep(min: Buffer | null, max: Buffer | null): void {
    this.#min = min === null ? null : Buffer.from(min);
    this.#max = max === null ? null : Buffer.from(max);
  }
}

/** As unsigned bytes, of which the first are known to be the same. */
function compare(bytes: Buffer, start: number, end: number, other: Buffer, same = 0): number {
  const length = Math.min(end - start, other.length);
  for (let index = same; index < length; index++) {
    const difference = (bytes[start + index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return end - start - other.length;
}

/** How many bytes begin both; so many are known to. */
function sharedBytes(one: Buffer, other: Buffer, known: number): number {
  const limit = Math.min(one.length, other.length);
  let shared = known;
  while (shared < limit && one[shared] === other[shared]) shared++;
  return shared;
}
