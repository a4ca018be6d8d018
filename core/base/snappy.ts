/** Blocks of Snappy: a length, then literals and copies. google/snappy, format_description.txt. */

/** The plain bytes; null for a block of more than `bytesMax`. Throws RangeError for broken data. */
export function snappyBlock(input: Uint8Array, bytesMax: number): Uint8Array | null {
  let at = 0;
  const next = (): number => {
    const byte = input[at++];
    if (byte === undefined) throw new RangeError("the snappy data ends early");
    return byte;
  };
  const little = (size: number): number => {
    let value = 0;
    for (let index = 0; index < size; index++) value += next() * 2 ** (8 * index);
    return value;
  };
  let length = 0;
  for (let factor = 1, more = true; more; factor *= 128) {
    const byte = next();
    length += (byte & 127) * factor;
    more = byte > 127 && factor < 2 ** 35;
  }
  if (length > bytesMax) return null;
  const output = new Uint8Array(length);
  let written = 0;
  while (at < input.length) {
    const tag = next();
    if ((tag & 3) === 0) {
      const short = tag >> 2;
      const size = (short < 60 ? short : little(short - 59)) + 1;
      if (written + size > length || at + size > input.length) {
        throw new RangeError("the snappy data overflows");
      }
      output.set(input.subarray(at, at + size), written);
      at += size;
      written += size;
      continue;
    }
    const size = (tag & 3) === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = (tag & 3) === 1 ? (tag >> 5) * 256 + next() : little((tag & 3) === 2 ? 2 : 4);
    if (offset === 0 || offset > written || written + size > length) {
      throw new RangeError("the snappy data copies from nowhere");
    }
    for (let index = 0; index < size; index++, written++) {
      output[written] = output[written - offset] ?? 0;
    }
  }
  if (written !== length) throw new RangeError("the snappy data is short");
  return output;
}

const CRC_BYTES = 4;

/**
 * A block of Snappy, followed by the big-endian CRC-32 of its plain bytes; null for one of more than `bytesMax`. Throws
 * RangeError for broken data. "Required Codecs".
 */
export function plainSnappyBlock(
  block: Uint8Array,
  bytesMax: number,
  crc32: (bytes: Uint8Array) => number,
): Uint8Array | null {
  const end = block.length - CRC_BYTES;
  if (end < 1) throw new RangeError("the snappy data is cut");
  const plain = snappyBlock(block.subarray(0, end), bytesMax);
  const expected = new DataView(block.buffer, block.byteOffset + end, CRC_BYTES).getUint32(0);
  if (plain !== null && crc32(plain) !== expected) throw new RangeError("the checksum is wrong");
  return plain;
}
