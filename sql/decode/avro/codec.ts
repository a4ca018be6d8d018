/** Block codecs of Avro files. */

import { crc32, inflateRawSync, zstdDecompressSync } from "node:zlib";
import { plainSnappyBlock } from "../../../core/base/snappy.ts";
import { AVRO_BLOCK_BYTES_MAX } from "../../../core/limits.ts";
import { bunzip2 } from "../packing/bzip2.ts";
import { Unreadable } from "../unreadable.ts";

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
        return plainSnappyBlock(bytes, AVRO_BLOCK_BYTES_MAX, crc32) ?? refuseLarge();
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

function refuseLarge(): never {
  throw tooLarge();
}

export function tooLarge(): Unreadable {
  const text = `an Avro block unpacks to more than ${AVRO_BLOCK_BYTES_MAX} bytes`;
  return new Unreadable("limit", text);
}
