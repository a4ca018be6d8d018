/** What batches are compressed with, by the number in their attributes. Kafka, "Message Format". */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { errorText, LakeError } from "../../../core/base/errors.ts";
import { lz4Framed } from "../../../core/base/lz4.ts";
import { snappyBlock } from "../../../core/base/snappy.ts";
import { SEGMENT_FRAME_BYTES_MAX } from "../../../core/limits.ts";

/** Unpacks what follows the head of a batch. Throws RangeError for broken data, LakeError for too much of it. */
export function unpacked(codec: number, packed: Buffer): Buffer {
  const unpack = CODECS[codec];
  if (unpack === undefined) throw new RangeError(`there is no codec ${codec}`);
  const plain = unpack(packed);
  if (plain === null) throw tooLarge();
  return Buffer.from(plain.buffer, plain.byteOffset, plain.length);
}

const BYTES_MAX = SEGMENT_FRAME_BYTES_MAX;
/** What Java's writer of Snappy begins with: then versions, then blocks behind their lengths. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEAD_BYTES = 16;

const CODECS: readonly ((packed: Buffer) => Uint8Array | null)[] = [
  (packed) => packed,
  (packed) => orBroken(() => gunzipSync(packed, { maxOutputLength: BYTES_MAX })),
  snappy,
  (packed) => lz4Framed(packed, BYTES_MAX),
  (packed) => orBroken(() => zstdDecompressSync(packed, { maxOutputLength: BYTES_MAX })),
];

function snappy(packed: Buffer): Uint8Array | null {
  if (!packed.subarray(0, XERIAL.length).equals(XERIAL)) return snappyBlock(packed, BYTES_MAX);
  const blocks: Uint8Array[] = [];
  let [at, left] = [XERIAL_HEAD_BYTES, BYTES_MAX];
  while (at < packed.length) {
    const start = at + 4;
    at = start + packed.readUInt32BE(at);
    if (at > packed.length) throw new RangeError("a block of Snappy is cut");
    const block = snappyBlock(packed.subarray(start, at), left);
    if (block === null) return null;
    left -= block.length;
    blocks.push(block);
  }
  return Buffer.concat(blocks);
}

function orBroken(unpack: () => Buffer): Buffer | null {
  try {
    return unpack();
  } catch (thrown) {
    if (thrown instanceof RangeError) return null;
    throw new RangeError(errorText(thrown));
  }
}

function tooLarge(): LakeError {
  return new LakeError("input", `a batch unpacks to more than ${BYTES_MAX} bytes`, {
    hint: "its producer sends smaller batches with a lower batch.size",
    scope: "source",
  });
}
