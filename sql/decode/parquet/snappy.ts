/** Snappy of Parquet pages: one block without a frame. format_description.txt of Snappy. */

import { ByteReader } from "./byte-reader.ts";

const LITERAL = 0;
/** Longer literals have their length in as many bytes behind the tag. */
const SHORT_LITERAL_MAX = 60;

/** A block that unpacks to exactly `length` bytes. Throws RangeError. */
export function snappyBlock(packed: Uint8Array, length: number): Uint8Array {
  const plain = new Uint8Array(length);
  const reader = new ByteReader(packed);
  if (reader.varint() !== length) throw new RangeError("the Snappy data has another length");
  let written = 0;
  while (reader.left > 0) {
    const tag = reader.next();
    written =
      (tag & 3) === LITERAL
        ? literal(reader, tag >> 2, plain, written)
        : copy(reader, tag, plain, written);
  }
  if (written !== length) throw new RangeError("the Snappy data is short");
  return plain;
}

/** Where it ends in `plain`. */
function literal(reader: ByteReader, short: number, plain: Uint8Array, written: number): number {
  const length = 1 + (short < SHORT_LITERAL_MAX ? short : reader.little(short - 59));
  if (length > reader.left || written + length > plain.length) throw overflow();
  const { bytes, at } = reader;
  reader.skip(length);
  // Most are short.
  for (let index = 0; index < length; index++) plain[written + index] = bytes[at + index] ?? 0;
  return written + length;
}

function copy(reader: ByteReader, tag: number, plain: Uint8Array, written: number): number {
  const isShort = (tag & 3) === 1;
  const length = isShort ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
  const offset = isShort
    ? (tag >> 5) * 256 + reader.little(1)
    : reader.little((tag & 3) === 2 ? 2 : 4);
  if (offset === 0 || offset > written) throw new RangeError("the Snappy data copies from nowhere");
  if (written + length > plain.length) throw overflow();
  // It may overlap with what it writes.
  for (let index = written; index < written + length; index++) {
    plain[index] = plain[index - offset] ?? 0;
  }
  return written + length;
}

function overflow(): RangeError {
  return new RangeError("the Snappy data overflows");
}
