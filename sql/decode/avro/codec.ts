/** Block codecs of Avro files. */

import { crc32, inflateRawSync, zstdDecompressSync } from "node:zlib";
import { AVRO_BLOCK_BYTES_MAX } from "../../../core/limits.ts";
import { bunzip2 } from "../packing/bzip2.ts";
import { Unreadable } from "../unreadable.ts";

const CRC_BYTES = 4;
const CODECS = ["null", "deflate", "snappy", "zstandard", "bzip2"];

/** Throws Unreadable when blocks of this codec cannot be read. */
export function checkCodec(codec: string): void {
  if (CODECS.includes(codec)) return;
  const text = `the Avro codec ${codec} is not read; write the file with ${CODECS.join(", ")}`;
  throw new Unreadable("unreadable", text);
}

/** A block's plain bytes. Throws Unreadable with `limit` for bombs, other errors for broken data. */
export function plainBlock(codec: string, bytes: Uint8Array): Uint8Array {
  try {
    switch (codec) {
      case "deflate":
        return inflateRawSync(bytes, { maxOutputLength: AVRO_BLOCK_BYTES_MAX });
      case "zstandard":
        return zstdDecompressSync(bytes, { maxOutputLength: AVRO_BLOCK_BYTES_MAX });
      case "snappy":
        return unsnap(bytes);
      case "bzip2":
        return bunzip2(bytes, AVRO_BLOCK_BYTES_MAX);
      default:
        return bytes;
    }
  } catch (thrown) {
    const isTooLarge =
      thrown instanceof RangeError && "code" in thrown && thrown.code === "ERR_BUFFER_TOO_LARGE";
    if (isTooLarge) throw tooLarge();
    throw thrown;
  }
}

export function tooLarge(): Unreadable {
  const text = `an Avro block unpacks to more than ${AVRO_BLOCK_BYTES_MAX} bytes`;
  return new Unreadable("limit", text);
}

/** Snappy, followed by the big-endian CRC-32 of the plain bytes. Avro spec, "Required Codecs". */
function unsnap(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - CRC_BYTES;
  if (end < 1) throw new RangeError("the snappy data is cut");
  const plain = snappyDecode(bytes.subarray(0, end));
  const expected = new DataView(bytes.buffer, bytes.byteOffset + end, CRC_BYTES).getUint32(0);
  if (crc32(plain) !== expected) throw new RangeError("the checksum is wrong");
  return plain;
}

/** A length, then literals and copies. google/snappy, format_description.txt. */
function snappyDecode(input: Uint8Array): Uint8Array {
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
  if (length > AVRO_BLOCK_BYTES_MAX) throw tooLarge();
  const output = new Uint8Array(length);
  let written = 0;
  while (at < input.length) {
    const tag = next();
    const isLiteral = (tag & 3) === 0;
    if (isLiteral) {
      const short = tag >> 2;
      const size = (short < 60 ? short : little(short - 59)) + 1;
      if (written + size > length || at + size > input.length) throw new RangeError("overflow");
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
