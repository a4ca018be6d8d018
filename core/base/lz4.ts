/** LZ4: plain blocks, and the framings that hold them. lz4_Block_format.md, lz4_Frame_format.md. */

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

const FRAME_MAGIC = 0x184d2204;
/** Bits of a frame's flags, and of the size of a block. */
const FLAG = { blockSums: 16, contentSize: 8, contentSum: 4, dictionary: 1 } as const;
const STORED = 0x80000000;
const WORD_BYTES = 4;
const SIZE_BYTES = 8;
/** Magic, flags, size of blocks and a check sum of these. */
const HEAD_BYTES = 7;
const BLOCK_BYTES = [64, 256, 1024, 4096].map((kilo) => kilo * 1024);

/**
 * Frames as the lz4 tool writes them, check sums not looked at; null where they unpack to more than `bytesMax`.
 * Throws RangeError.
 */
export function lz4Framed(packed: Uint8Array, bytesMax: number): Uint8Array | null {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  let plain = new Uint8Array(packed.length * 4);
  let [at, written] = [0, 0];
  while (at < packed.length) {
    const { blockBytes, hasBlockSums, hasContentSum, next } = frameHead(view, at);
    const oldest = written;
    at = next;
    for (let word = view.getUint32(at, true); word !== 0; word = view.getUint32(at, true)) {
      const start = at + WORD_BYTES;
      const end = start + (word & ~STORED);
      if (end > packed.length) throw new RangeError("an LZ4 block is cut");
      plain = withRoom(plain, written + blockBytes);
      const block = packed.subarray(start, end);
      if ((word & STORED) === 0) written = unpackBlock(block, plain, written, oldest);
      else {
        plain.set(block, written);
        written += block.length;
      }
      if (written > bytesMax) return null;
      at = end + (hasBlockSums ? WORD_BYTES : 0);
    }
    at += WORD_BYTES + (hasContentSum ? WORD_BYTES : 0);
  }
  return plain.subarray(0, written);
}

function frameHead(view: DataView, at: number) {
  if (view.getUint32(at, true) !== FRAME_MAGIC) throw new RangeError("no LZ4 frame");
  const flags = view.getUint8(at + 4);
  if ((flags & FLAG.dictionary) !== 0) throw new RangeError("an LZ4 frame with a dictionary");
  const blockBytes = BLOCK_BYTES[((view.getUint8(at + 5) >> 4) & 7) - 4];
  if (blockBytes === undefined) throw new RangeError("an LZ4 frame of unknown blocks");
  return {
    blockBytes,
    hasBlockSums: (flags & FLAG.blockSums) !== 0,
    hasContentSum: (flags & FLAG.contentSum) !== 0,
    next: at + HEAD_BYTES + ((flags & FLAG.contentSize) === 0 ? 0 : SIZE_BYTES),
  };
}

function withRoom(plain: Uint8Array<ArrayBuffer>, needed: number): Uint8Array<ArrayBuffer> {
  if (plain.length >= needed) return plain;
  const larger = new Uint8Array(Math.max(needed, plain.length * 2));
  larger.set(plain);
  return larger;
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

/** Where the block ends in `plain`; it may copy from `oldest` on. */
function unpackBlock(packed: Uint8Array, plain: Uint8Array, start: number, oldest = start): number {
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
    if (offset === 0 || offset > written - oldest || written + match > plain.length) {
      throw new RangeError("the LZ4 data copies from nowhere");
    }
    for (let index = 0; index < match; index++, written++) {
      plain[written] = plain[written - offset] ?? 0;
    }
  }
  return written;
}
