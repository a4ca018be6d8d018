/** What all who read Avro files share: how a file begins, the words of schemas, blocks of Snappy. Avro 1.12 spec. */

import { snappyBlock } from "./snappy.ts";

export type AvroPrimitive =
  | "null"
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "bytes"
  | "string";

/** The first four bytes, as characters. */
export const AVRO_MAGIC = "Obj\u0001";
/** Of the marker behind the header and behind every block. */
export const AVRO_SYNC_BYTES = 16;

const PRIMITIVES: ReadonlySet<string> = new Set([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);
const CRC_BYTES = 4;

export function isAvroPrimitive(name: string): name is AvroPrimitive {
  return PRIMITIVES.has(name);
}

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
