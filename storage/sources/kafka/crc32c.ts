/** CRC-32C, sixteen bytes at a time. RFC 3720, appendix B.4; Kocarev and Berry, "slicing-by-16". */

const POLYNOMIAL = 0x82f63b78;
const WORD_BYTES = 4;
/** Words that are taken together. */
const STEP = 4;
const SIZE = 256;
/** Of each of sixteen bytes, the last first, 256 numbers: they are signed, for what is computed with them is. */
const TABLES = tables();

export function crc32c(bytes: Uint8Array): number {
  const { buffer, byteOffset, length } = bytes;
  // Words are read where they are aligned.
  const start = Math.min(length, -byteOffset & (WORD_BYTES - 1));
  const words = new Int32Array(buffer, byteOffset + start, ((length - start) >> 4) * STEP);
  const table = TABLES;
  let crc = byByte(-1, bytes, 0, start);
  for (let at = 0; at < words.length; at += STEP) {
    const first = of(words, at) ^ crc;
    const second = of(words, at + 1);
    const third = of(words, at + 2);
    const fourth = of(words, at + 3);
    crc =
      of(table, 0xf00 | (first & 255)) ^
      of(table, 0xe00 | ((first >>> 8) & 255)) ^
      of(table, 0xd00 | ((first >>> 16) & 255)) ^
      of(table, 0xc00 | (first >>> 24)) ^
      of(table, 0xb00 | (second & 255)) ^
      of(table, 0xa00 | ((second >>> 8) & 255)) ^
      of(table, 0x900 | ((second >>> 16) & 255)) ^
      of(table, 0x800 | (second >>> 24)) ^
      of(table, 0x700 | (third & 255)) ^
      of(table, 0x600 | ((third >>> 8) & 255)) ^
      of(table, 0x500 | ((third >>> 16) & 255)) ^
      of(table, 0x400 | (third >>> 24)) ^
      of(table, 0x300 | (fourth & 255)) ^
      of(table, 0x200 | ((fourth >>> 8) & 255)) ^
      of(table, 0x100 | ((fourth >>> 16) & 255)) ^
      of(table, fourth >>> 24);
  }
  return ~byByte(crc, bytes, start + words.length * WORD_BYTES, length) >>> 0;
}

function byByte(before: number, bytes: Uint8Array, from: number, until: number): number {
  let crc = before;
  for (let at = from; at < until; at++) {
    crc = of(TABLES, (crc ^ (bytes[at] ?? 0)) & 255) ^ (crc >>> 8);
  }
  return crc;
}

function of(numbers: Int32Array, at: number): number {
  return numbers[at] ?? 0;
}

function tables(): Int32Array {
  const made = new Int32Array(STEP * WORD_BYTES * SIZE);
  for (let at = 0; at < made.length; at++) {
    if (at < SIZE) {
      let crc = at;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : POLYNOMIAL);
      made[at] = crc;
    } else {
      const crc = made[at - SIZE] ?? 0;
      made[at] = (crc >>> 8) ^ (made[crc & 255] ?? 0);
    }
  }
  return made;
}
