/** Small whole numbers in runs: levels, places in a dictionary. Encodings.md of Parquet, "Run Length Encoding". */

import { ByteReader } from "./byte-reader.ts";

export type Numbers = Uint8Array | Uint32Array;

const WIDTH_MAX = 32;
/** Wider numbers may lie over five bytes. */
const FOUR_BYTES_WIDTH = 24;

/**
 * The first `count` numbers of `width` bits each. Throws RangeError when there are fewer, or a repeated one goes on
 * beyond them: what a broken run claims is never made.
 */
export function readRuns(bytes: Uint8Array, width: number, count: number): Numbers {
  if (width > WIDTH_MAX) throw new RangeError(`a page holds numbers of ${width} bits`);
  const numbers = width <= 8 ? new Uint8Array(count) : new Uint32Array(count);
  if (width === 0) return numbers;
  const reader = new ByteReader(bytes);
  const widthBytes = Math.ceil(width / 8);
  const highest = 2 ** width - 1;
  for (let done = 0; done < count; ) {
    const run = reader.varint();
    const length = Math.floor(run / 2);
    if (run % 2 === 1) {
      done = unpack(reader, width, length, numbers, done);
      continue;
    }
    if (length > count - done) throw new RangeError("a run goes on beyond its page");
    const value = reader.little(widthBytes);
    if (value > highest) throw new RangeError("a number is wider than its page says");
    for (const end = done + length; done < end; done++) numbers[done] = value;
  }
  return numbers;
}

/** Groups of eight; those behind the last number that is wanted may be cut. Where it ends in `numbers`. */
function unpack(
  reader: ByteReader,
  width: number,
  groups: number,
  numbers: Numbers,
  start: number,
): number {
  const { bytes, at } = reader;
  const count = Math.min(groups * 8, numbers.length - start);
  reader.skip(Math.ceil((count * width) / 8));
  const mask = 2 ** width - 1;
  for (let index = 0, bit = at * 8; index < count; index++, bit += width) {
    numbers[start + index] =
      width <= FOUR_BYTES_WIDTH
        ? (fourBytes(bytes, Math.floor(bit / 8)) >>> (bit % 8)) & mask
        : wide(bytes, bit, width);
  }
  reader.at = Math.min(at + groups * width, bytes.length);
  return start + count;
}

function fourBytes(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  return low | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

function wide(bytes: Uint8Array, bit: number, width: number): number {
  const at = Math.floor(bit / 8);
  const five = (fourBytes(bytes, at) >>> 0) + (bytes[at + 4] ?? 0) * 2 ** 32;
  return Math.floor(five / 2 ** (bit % 8)) % 2 ** width;
}
