/** CRC-32C, eight bytes at a time. RFC 3720, appendix B.4; Kocarev and Berry, "slicing-by-8". */

const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;
const TABLE = tables();

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  let at = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const end = bytes.length - SLICES; at <= end; at += SLICES) {
    const low = crc ^ view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    crc =
      of(7, low) ^
      of(6, low >>> 8) ^
      of(5, low >>> 16) ^
      of(4, low >>> 24) ^
      of(3, high) ^
      of(2, high >>> 8) ^
      of(1, high >>> 16) ^
      of(0, high >>> 24);
  }
  for (; at < bytes.length; at++) crc = of(0, crc ^ view.getUint8(at)) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function of(slice: number, word: number): number {
  return TABLE[slice * 256 + (word & 255)] ?? 0;
}

function tables(): Uint32Array {
  const table = new Uint32Array(SLICES * 256);
  for (let index = 0; index < 256; index++) {
    let crc = index;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : POLYNOMIAL);
    table[index] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const crc = table[at - 256] ?? 0;
    table[at] = (crc >>> 8) ^ (table[crc & 255] ?? 0);
  }
  return table;
}
