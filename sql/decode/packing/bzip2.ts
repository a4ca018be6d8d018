/** Unpacks bzip2: Huffman codes, move-to-front, the Burrows-Wheeler transform, run lengths; checksums verified. */

const BLOCK_MAGIC = 0x314159265359;
const END_MAGIC = 0x177245385090;
const GROUP_SIZE = 50;
const CODE_BITS_MAX = 20;
const RUN_A = 0;
const RUN_B = 1;

/** All streams of the input, one after the other. Throws RangeError for broken data and for more than `bytesMax`. */
export function bunzip2(input: Uint8Array, bytesMax: number): Uint8Array {
  const bits = new Bits(input);
  const out = new Output(bytesMax);
  do {
    if (bits.read(24) !== 0x425a68) throw new RangeError("not bzip2 data");
    const level = bits.read(8) - 0x30;
    if (level < 1 || level > 9) throw new RangeError("a bzip2 stream of unknown level");
    let combined = 0;
    for (;;) {
      const magic = bits.read(24) * 2 ** 24 + bits.read(24);
      const crc = bits.read32();
      if (magic === END_MAGIC) {
        if (crc !== combined) throw new RangeError("the bzip2 checksum is wrong");
        break;
      }
      if (magic !== BLOCK_MAGIC) throw new RangeError("a broken bzip2 block");
      out.startBlock();
      readBlock(bits, level * 100_000, out);
      if (out.crc() !== crc) throw new RangeError("the bzip2 checksum is wrong");
      combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
    }
    bits.align();
  } while (bits.hasMore());
  return out.bytes();
}

/** Bits from the most significant on. */
class Bits {
  #bytes: Uint8Array;
  #at = 0;
  #bit = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  one(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError("the bzip2 data ends early");
    const bit = (byte >> (7 - this.#bit)) & 1;
    if (this.#bit === 7) {
      this.#bit = 0;
      this.#at++;
    } else this.#bit++;
    return bit;
  }

  read(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index++) value = value * 2 + this.one();
    return value;
  }

  read32(): number {
    return this.read(16) * 65_536 + this.read(16);
  }

  align(): void {
    if (this.#bit === 0) return;
    this.#bit = 0;
    this.#at++;
  }

  hasMore(): boolean {
    return this.#at < this.#bytes.length;
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});

class Output {
  #bytes = new Uint8Array(64 * 1024);
  #used = 0;
  #crc = 0;
  #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  startBlock(): void {
    this.#crc = -1;
  }

  put(byte: number, times: number): void {
    if (this.#used + times > this.#bytesMax) {
      const text = `unpacks to more than ${this.#bytesMax} bytes`;
      throw Object.assign(new RangeError(text), { code: "ERR_BUFFER_TOO_LARGE" });
    }
    while (this.#used + times > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.fill(byte, this.#used, this.#used + times);
    this.#used += times;
    for (let left = times; left > 0; left--) {
      this.#crc = (this.#crc << 8) ^ (CRC_TABLE[(this.#crc >>> 24) ^ byte] ?? 0);
    }
  }

  crc(): number {
    return ~this.#crc >>> 0;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }
}

/** Decodes one block: symbols, then the inverse transform, then runs of four and more. */
function readBlock(bits: Bits, sizeMax: number, out: Output): void {
  if (bits.one() === 1) throw new RangeError("a randomised bzip2 block");
  const origin = bits.read(24);
  const alphabet = readAlphabet(bits);
  const groups = bits.read(3);
  if (groups < 2 || groups > 6) throw new RangeError("a bzip2 block without tables");
  const selectors = readSelectors(bits, groups);
  const symbols = alphabet.length + 2;
  const tables = Array.from({ length: groups }, () => new Huffman(readLengths(bits, symbols)));
  const last = readSymbols(bits, alphabet, selectors, tables, sizeMax);
  if (origin >= last.length && last.length > 0) throw new RangeError("a broken bzip2 block");
  undoTransform(last, origin, out);
}

/** The bytes that occur, by a map of two levels. */
function readAlphabet(bits: Bits): number[] {
  const ranges = bits.read(16);
  const found: number[] = [];
  for (let high = 0; high < 16; high++) {
    if (((ranges >> (15 - high)) & 1) === 0) continue;
    const lows = bits.read(16);
    for (let low = 0; low < 16; low++)
      if (((lows >> (15 - low)) & 1) === 1) found.push(high * 16 + low);
  }
  return found;
}

function readSelectors(bits: Bits, groups: number): number[] {
  const front = Array.from({ length: groups }, (_, index) => index);
  return Array.from({ length: bits.read(15) }, () => {
    let place = 0;
    while (bits.one() === 1) place++;
    const [found] = front.splice(place, 1);
    if (found === undefined) throw new RangeError("a bzip2 table that is not there");
    front.unshift(found);
    return found;
  });
}

function readLengths(bits: Bits, symbols: number): number[] {
  let length = bits.read(5);
  return Array.from({ length: symbols }, () => {
    while (bits.one() === 1) length += bits.one() === 1 ? -1 : 1;
    if (length < 1 || length > CODE_BITS_MAX) throw new RangeError("a broken bzip2 code");
    return length;
  });
}

/** Canonical codes: by length the first code, and where its symbols begin. */
class Huffman {
  #symbols: number[] = [];
  #counts = new Array<number>(CODE_BITS_MAX + 1).fill(0);

  constructor(lengths: readonly number[]) {
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      for (const [symbol, own] of lengths.entries()) {
        if (own !== length) continue;
        this.#symbols.push(symbol);
        this.#counts[length] = (this.#counts[length] ?? 0) + 1;
      }
    }
  }

  read(bits: Bits): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let length = 1; length <= CODE_BITS_MAX; length++) {
      code |= bits.one();
      const count = this.#counts[length] ?? 0;
      const symbol = code - first < count ? this.#symbols[index + code - first] : undefined;
      if (symbol !== undefined) return symbol;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new RangeError("a broken bzip2 code");
  }
}

function readSymbols(
  bits: Bits,
  alphabet: readonly number[],
  selectors: readonly number[],
  tables: readonly Huffman[],
  sizeMax: number,
): Uint8Array {
  const front = [...alphabet];
  const end = alphabet.length + 1;
  const last = new Uint8Array(sizeMax);
  let size = 0;
  let run = 0;
  let weight = 1;
  for (let read = 0; ; read++) {
    const table = tables[selectors[Math.floor(read / GROUP_SIZE)] ?? -1];
    if (table === undefined) throw new RangeError("a bzip2 block without an end");
    const symbol = table.read(bits);
    if (symbol === RUN_A || symbol === RUN_B) {
      run += weight * (symbol + 1);
      weight *= 2;
      if (run > sizeMax) throw new RangeError("a bzip2 run that is too long");
      continue;
    }
    if (run > 0) {
      if (size + run > sizeMax) throw new RangeError("a bzip2 block that is too long");
      last.fill(front[0] ?? 0, size, size + run);
      size += run;
      run = 0;
      weight = 1;
    }
    if (symbol === end) return last.subarray(0, size);
    if (size >= sizeMax) throw new RangeError("a bzip2 block that is too long");
    const [byte = 0] = front.splice(symbol - 1, 1);
    front.unshift(byte);
    last[size++] = byte;
  }
}

function undoTransform(last: Uint8Array, origin: number, out: Output): void {
  const starts = new Uint32Array(257);
  for (const byte of last) starts[byte + 1] = (starts[byte + 1] ?? 0) + 1;
  for (let byte = 0; byte < 256; byte++)
    starts[byte + 1] = (starts[byte + 1] ?? 0) + (starts[byte] ?? 0);
  const next = new Uint32Array(last.length);
  for (const [index, byte] of last.entries()) {
    const place = starts[byte] ?? 0;
    next[place] = index;
    starts[byte] = place + 1;
  }
  let at = next[origin] ?? 0;
  let repeated = 0;
  let before = -1;
  for (let left = last.length; left > 0; left--) {
    const byte = last[at] ?? 0;
    at = next[at] ?? 0;
    if (repeated === 4) {
      out.put(before, byte);
      repeated = 0;
      before = -1;
      continue;
    }
    repeated = byte === before ? repeated + 1 : 1;
    before = byte;
    out.put(byte, 1);
  }
}
