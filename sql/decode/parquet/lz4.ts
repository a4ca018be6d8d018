/** LZ4 of Parquet pages: one plain block, or the blocks of Hadoop's framing. lz4_Block_format.md. */

const FRAME_HEADER_BYTES = 8;
const MATCH_BYTES_MIN = 4;
const MORE = 255;

/** A block that unpacks to exactly `length` bytes. Throws RangeError. */
export function lz4Block(packed: Uint8Array, length: number): Uint8Array {
  const plain = new Uint8Array(length);
  if (unpackBlock(packed, plain, 0) !== length) throw new RangeError("the LZ4 data is short");
  return plain;
}

/** Blocks behind their big-endian sizes, unpacked and packed; or a plain block, as some writers have it. */
export function lz4Frames(packed: Uint8Array, length: number): Uint8Array {
  try {
    return hadoopFrames(packed, length);
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    return lz4Block(packed, length);
  }
}

function hadoopFrames(packed: Uint8Array, length: number): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const plain = new Uint8Array(length);
  let [at, written] = [0, 0];
  while (at < packed.length) {
    const [own, start] = [view.getUint32(at), at + FRAME_HEADER_BYTES];
    at = start + view.getUint32(at + 4);
    if (at > packed.length) throw new RangeError("an LZ4 frame is cut");
    const end = unpackBlock(packed.subarray(start, at), plain, written);
    if (end !== written + own) throw new RangeError("an LZ4 frame is short");
    written = end;
  }
  if (written !== length) throw new RangeError("the LZ4 data is short");
  return plain;
}

/** Where the block ends in `plain`. */
function unpackBlock(packed: Uint8Array, plain: Uint8Array, start: number): number {
  let [at, written] = [0, start];
  const next = (): number => {
    const byte = packed[at++];
    if (byte === undefined) throw new RangeError("the LZ4 data ends early");
    return byte;
  };
  const length = (short: number): number => {
    let found = short;
    if (short === 15) for (let byte = MORE; byte === MORE; found += byte) byte = next();
    return found;
  };
  while (at < packed.length) {
    const token = next();
    const literals = length(token >> 4);
    if (at + literals > packed.length || written + literals > plain.length) {
      throw new RangeError("the LZ4 data overflows");
    }
    plain.set(packed.subarray(at, at + literals), written);
    at += literals;
    written += literals;
    if (at === packed.length) return written;
    const offset = next() + next() * 256;
    const match = length(token & 15) + MATCH_BYTES_MIN;
    if (offset === 0 || offset > written - start || written + match > plain.length) {
      throw new RangeError("the LZ4 data copies from nowhere");
    }
    for (let index = 0; index < match; index++, written++) {
      plain[written] = plain[written - offset] ?? 0;
    }
  }
  return written;
}
