/** What batches of records are packed with, by the number in their attributes. Kafka, "Message Format". */

import { errorText, LakeError } from "../base/errors.ts";
import { lz4Framed } from "../base/lz4.ts";
import { snappyBlock } from "../base/snappy.ts";
import { SEGMENT_FRAME_BYTES_MAX } from "../limits.ts";

/** Unpacks what follows the head of a batch. Throws RangeError for broken data, LakeError for too much of it. */
export type Unpack = (codec: number, packed: Uint8Array) => Uint8Array;

/** As those of `node:zlib`: a RangeError says that it would be more, any other error that the data are broken. */
type Unzip = (packed: Uint8Array, limits: { readonly maxOutputLength: number }) => Uint8Array;

const BYTES_MAX = SEGMENT_FRAME_BYTES_MAX;
/** What Java's writer of Snappy begins with: then versions, then blocks behind their lengths. */
const XERIAL = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const XERIAL_HEAD_BYTES = 16;

export function unpackWith(gunzip: Unzip, unzstd: Unzip): Unpack {
  const codecs: readonly ((packed: Uint8Array) => Uint8Array | null)[] = [
    (packed) => packed,
    (packed) => orBroken(gunzip, packed),
    snappy,
    (packed) => lz4Framed(packed, BYTES_MAX),
    (packed) => orBroken(unzstd, packed),
  ];
  return (codec, packed) => {
    const unpack = codecs[codec];
    if (unpack === undefined) throw new RangeError(`there is no codec ${codec}`);
    const plain = unpack(packed);
    if (plain === null) throw tooLarge();
    return plain;
  };
}

function snappy(packed: Uint8Array): Uint8Array | null {
  if (!XERIAL.every((byte, index) => packed[index] === byte)) return snappyBlock(packed, BYTES_MAX);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const blocks: Uint8Array[] = [];
  let [at, left] = [XERIAL_HEAD_BYTES, BYTES_MAX];
  while (at < packed.length) {
    const start = at + 4;
    at = start + view.getUint32(at);
    if (at > packed.length) throw new RangeError("a block of Snappy is cut");
    const block = snappyBlock(packed.subarray(start, at), left);
    if (block === null) return null;
    left -= block.length;
    blocks.push(block);
  }
  return joined(blocks, BYTES_MAX - left);
}

function joined(blocks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}

function orBroken(unzip: Unzip, packed: Uint8Array): Uint8Array | null {
  try {
    return unzip(packed, { maxOutputLength: BYTES_MAX });
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
