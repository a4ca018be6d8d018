/** Block codecs of Avro files. We write deflate; we read what Iceberg's writers use. */

import { LakeError } from "../../core/base/errors.ts";
import { AVRO_BLOCK_BYTES_MAX } from "../../core/limits.ts";
import { zlib } from "../disk/zlib.ts";

/** Near the size of the default at a fraction of its time; level 1 makes manifests a third larger. */
const DEFLATE_LEVEL = 2;
/** Deflate makes at most so many bytes of one. zlib.net, "Technical Details": 1032 to 1. */
const DEFLATE_RATIO_MAX = 1032;
const CRC_BYTES = 4;

export function deflateBlock(bytes: Uint8Array): Uint8Array {
  return Bun.deflateSync(unshared(bytes), { level: DEFLATE_LEVEL });
}

/** A block's plain bytes. Throws `unsupported` for an unknown codec and `corrupt` for damaged data. */
export function decompressBlock(codec: string, bytes: Uint8Array): Uint8Array {
  try {
    switch (codec) {
      case "null":
        return bytes;
      case "deflate":
        return inflate(bytes);
      case "zstandard":
        return zlib().zstdDecompressSync(bytes, { maxOutputLength: AVRO_BLOCK_BYTES_MAX });
      case "snappy":
        return unsnap(bytes);
    }
  } catch (cause) {
    if (cause instanceof LakeError) throw cause;
    throw new LakeError("corrupt", `an Avro block does not decompress with ${codec}`, { cause });
  }
  throw new LakeError("unsupported", `Avro codec ${codec}`, {
    hint: "rewrite the file with codec deflate, zstandard, snappy or null",
  });
}

/** By the runtime itself where nothing can become too large: loading zlib is a tenth of a cold query. */
function inflate(bytes: Uint8Array): Uint8Array {
  return bytes.length * DEFLATE_RATIO_MAX <= AVRO_BLOCK_BYTES_MAX
    ? Bun.inflateSync(unshared(bytes))
    : zlib().inflateRawSync(bytes, { maxOutputLength: AVRO_BLOCK_BYTES_MAX });
}

function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>; // parse: no bytes of ours are shared between threads
}

/** Snappy, followed by the big-endian CRC-32 of the plain bytes. Avro spec, "Required Codecs". */
function unsnap(bytes: Uint8Array): Uint8Array {
  const end = bytes.length - CRC_BYTES;
  const plain = snappyDecode(bytes.subarray(0, Math.max(end, 0)));
  const expected = new DataView(bytes.buffer, bytes.byteOffset + end, CRC_BYTES).getUint32(0);
  if (zlib().crc32(plain) !== expected)
    throw new LakeError("corrupt", "an Avro block fails its checksum");
  return plain;
}

/** Snappy's raw format: a length, then literals and copies. google/snappy, format_description.txt. */
function snappyDecode(input: Uint8Array): Uint8Array {
  let at = 0;
  const next = (): number => {
    const byte = input[at++];
    if (byte === undefined) throw new LakeError("corrupt", "an Avro snappy block ends early");
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
    more = byte > 127;
  }
  if (length > AVRO_BLOCK_BYTES_MAX) throw new LakeError("corrupt", "an Avro block is too large");
  const output = new Uint8Array(length);
  let written = 0;
  while (at < input.length) {
    const tag = next();
    if ((tag & 3) === 0) {
      const short = tag >> 2;
      const size = (short < 60 ? short : little(short - 59)) + 1;
      if (written + size > length) throw new LakeError("corrupt", "an Avro snappy block overflows");
      output.set(input.subarray(at, at + size), written);
      at += size;
      written += size;
      continue;
    }
    const size = (tag & 3) === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1;
    const offset = (tag & 3) === 1 ? (tag >> 5) * 256 + next() : little((tag & 3) === 2 ? 2 : 4);
    if (offset === 0 || offset > written || written + size > length) {
      throw new LakeError("corrupt", "an Avro snappy block copies from nowhere");
    }
    for (let index = 0; index < size; index++, written++) {
      output[written] = output[written - offset] ?? 0;
    }
  }
  if (written !== length) throw new LakeError("corrupt", "an Avro snappy block is short");
  return output;
}
