/** CRC-32C, eight bytes at a time. RFC 3720, appendix B.4; Kocarev and Berry, "slicing-by-8". */

const POLYNOMIAL = 0x82f63b78;
const WORD_BYTES = 4;
/** A table for each of eight bytes: they are signed, for what is computed with them is. */
const [T0, T1, T2, T3, T4, T5, T6, T7] = tables();

export function crc32c(bytes: Uint8Array): number {
  const { buffer, byteOffset, length } = bytes;
  // Words are read where they are aligned.
  const start = Math.min(length, -byteOffset & (WORD_BYTES - 1));
  const words = new Int32Array(buffer, byteOffset + start, ((length - start) >> 3) * 2);
  let crc = byByte(-1, bytes, 0, start);
  for (let at = 0; at < words.length; at += 2) {
    const low = crc ^ of(words, at);
    const high = of(words, at + 1);
    crc =
      of(T7, low & 255) ^
      of(T6, (low >>> 8) & 255) ^
      of(T5, (low >>> 16) & 255) ^
      of(T4, low >>> 24) ^
      of(T3, high & 255) ^
      of(T2, (high >>> 8) & 255) ^
      of(T1, (high >>> 16) & 255) ^
      of(T0, high >>> 24);
  }
  return ~byByte(crc, bytes, start + words.length * WORD_BYTES, length) >>> 0;
}

function byByte(before: number, bytes: Uint8Array, from: number, until: number): number {
  let crc = before;
  for (let at = from; at < until; at++) crc = of(T0, (crc ^ (bytes[at] ?? 0)) & 255) ^ (crc >>> 8);
  return crc;
}

function of(table: Int32Array, at: number): number {
  return table[at] ?? 0;
}

type Tables = readonly [
  ...[Int32Array, Int32Array, Int32Array, Int32Array],
  ...[Int32Array, Int32Array, Int32Array, Int32Array],
];

function tables(): Tables {
  const first = Int32Array.from({ length: 256 }, (_, index) => {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : POLYNOMIAL);
    return crc;
  });
  const next = (before: Int32Array): Int32Array =>
    before.map((crc) => (crc >>> 8) ^ of(first, crc & 255));
  const [second, third] = [next(first), next(next(first))];
  const fourth = next(third);
  const [fifth, sixth] = [next(fourth), next(next(fourth))];
  const seventh = next(sixth);
  return [first, second, third, fourth, fifth, sixth, seventh, next(seventh)];
}
