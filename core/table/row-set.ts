/**
 * Sets of row positions as Roaring bitmaps of 64 bits in the portable form, byte for byte as Iceberg's Java writes
 * them. Iceberg puffin-spec, "deletion-vector-v1"; RoaringFormatSpec, "Extension for 64-bit implementations".
 */

import { LakeError } from "../base/errors.ts";

/** Those positions of a set that have all but their low 16 bits in common. */
export interface RowRange {
  /** The position divided by 65,536. */
  readonly high: number;
  /** What is left of each, ascending, each once; never empty. */
  readonly lows: Uint16Array;
}

/** Ascending by `high`, each once. */
export type RowSet = readonly RowRange[];

const RANGE_ROWS = 65_536;
/** Of the 32-bit bitmaps: `cookie` begins one without runs, `run cookie` one that may have some. */
const COOKIE = 12346;
const RUN_COOKIE = 12347;
/** A bitmap with runs says where its containers are once it has so many. */
const OFFSETS_MIN = 4;
const ARRAY_MAX = 4096;
const BITMAP_BYTES = 8192;
/** Ranges of a 32-bit bitmap. */
const RANGES = 65_536;
/** Iceberg numbers rows of a file below this. Java: RoaringPositionBitmap.MAX_POSITION. */
const BITMAPS_MAX = 2 ** 31 - 1;

/** How many positions. */
export function rowCount(set: RowSet): number {
  return set.reduce((sum, { lows }) => sum + lows.length, 0);
}

/** The greatest position; -1 of an empty set. */
export function lastRow(set: RowSet): number {
  const last = set.at(-1);
  return last === undefined ? -1 : last.high * RANGE_ROWS + (last.lows.at(-1) ?? 0);
}

/** A set of positions in any order. */
export function rowSet(positions: Iterable<number>): RowSet {
  const byHigh = new Map<number, number[]>();
  for (const position of positions) {
    const high = Math.floor(position / RANGE_ROWS);
    const lows = byHigh.get(high);
    if (lows === undefined) byHigh.set(high, [position % RANGE_ROWS]);
    else lows.push(position % RANGE_ROWS);
  }
  const highs = [...byHigh.keys()].sort((a, b) => a - b);
  return highs.map((high) => {
    const sorted = Uint16Array.from(byHigh.get(high) ?? []).sort();
    return { high, lows: sorted.filter((low, index) => index === 0 || low !== sorted[index - 1]) };
  });
}

/** A range from bits: bit 0 is the highest of the first byte. */
export function rangeOfBits(high: number, bits: Uint8Array): RowRange {
  const lows: number[] = [];
  for (const [index, byte] of bits.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (128 >> bit)) !== 0) lows.push(index * 8 + bit);
  }
  return { high, lows: Uint16Array.from(lows) };
}

/** Bits of a range, as `rangeOfBits` reads them. */
export function bitsOfRange({ lows }: RowRange): Uint8Array {
  const bits = new Uint8Array(BITMAP_BYTES);
  for (const low of lows) bits[low >> 3] = (bits[low >> 3] ?? 0) | (128 >> (low & 7));
  return bits;
}

/** Every position, ascending. */
export function* rowsOf(set: RowSet): Generator<number> {
  for (const { high, lows } of set) for (const low of lows) yield high * RANGE_ROWS + low;
}

/** The portable bytes of a set; runs are written where they are shorter. */
export function writeRowSet(set: RowSet): Uint8Array {
  const groups = Map.groupBy(set, ({ high }) => Math.floor(high / RANGES));
  const last = [...groups.keys()].at(-1) ?? -1;
  const writer = new Bytes();
  writer.u64(last + 1);
  for (let key = 0; key <= last; key++) {
    writer.u32(key);
    writeBitmap(writer, groups.get(key) ?? []);
  }
  return writer.whole();
}

/**
 * Reads the portable bytes of a set, strictly: keys and positions ascend, counts are right, nothing is left over.
 * Throws RangeError that says what is wrong.
 */
export function readRowSet(bytes: Uint8Array): RowSet {
  const reader = new Reader(bytes);
  const count = reader.u64();
  if (count > BITMAPS_MAX) throw new RangeError(`it claims ${count} bitmaps`);
  const set: RowRange[] = [];
  let before = -1;
  for (let nth = 0; nth < count; nth++) {
    const key = reader.u32();
    if (key <= before) throw new RangeError(`bitmap ${key} follows bitmap ${before}`);
    if (key > BITMAPS_MAX) throw new RangeError(`there is a bitmap ${key}`);
    before = key;
    for (const range of readBitmap(reader)) set.push({ ...range, high: key * RANGES + range.high });
  }
  if (!reader.isDone) throw new RangeError(`${reader.left} bytes are left over`);
  return set;
}

/** `corrupt` in the words of what was read. */
export function damagedSet(name: string, thrown: unknown): LakeError {
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return new LakeError("corrupt", `${name}: ${reason}`, {
    hint: "what it deletes is not known; restore the file from a copy, or an earlier state: tarn restore",
    cause: thrown,
  });
}

function writeBitmap(writer: Bytes, ranges: RowSet): void {
  const containers = ranges.map(({ high, lows }) => ({ key: high % RANGES, ...container(lows) }));
  const hasRuns = containers.some(({ isRun }) => isRun);
  if (hasRuns) {
    writer.u32(RUN_COOKIE | ((containers.length - 1) << 16));
    const flags = new Uint8Array(Math.ceil(containers.length / 8));
    for (const [index, { isRun }] of containers.entries()) {
      if (isRun) flags[index >> 3] = (flags[index >> 3] ?? 0) | (1 << (index & 7));
    }
    writer.bytes(flags);
  } else {
    writer.u32(COOKIE);
    writer.u32(containers.length);
  }
  for (const { key, lows } of containers) {
    writer.u16(key);
    writer.u16(lows.length - 1);
  }
  if (!hasRuns || containers.length >= OFFSETS_MIN) {
    const head = hasRuns ? 4 + Math.ceil(containers.length / 8) : 8;
    let offset = head + containers.length * 8;
    for (const { bytes } of containers) {
      writer.u32(offset);
      offset += bytes.length;
    }
  }
  for (const { bytes } of containers) writer.bytes(bytes);
}

interface Container {
  readonly lows: Uint16Array;
  readonly isRun: boolean;
  readonly bytes: Uint8Array;
}

function container(lows: Uint16Array): Container {
  const runs = runsOf(lows);
  const plainBytes = lows.length <= ARRAY_MAX ? lows.length * 2 : BITMAP_BYTES;
  if (2 + runs.length * 4 < plainBytes) {
    const writer = new Bytes();
    writer.u16(runs.length);
    for (const [start, length] of runs) {
      writer.u16(start);
      writer.u16(length);
    }
    return { lows, isRun: true, bytes: writer.whole() };
  }
  if (lows.length <= ARRAY_MAX) {
    const writer = new Bytes();
    for (const low of lows) writer.u16(low);
    return { lows, isRun: false, bytes: writer.whole() };
  }
  const bits = new Uint8Array(BITMAP_BYTES);
  for (const low of lows) bits[low >> 3] = (bits[low >> 3] ?? 0) | (1 << (low & 7));
  return { lows, isRun: false, bytes: bits };
}

/** Starts, and how many follow each. */
function runsOf(lows: Uint16Array): readonly (readonly [number, number])[] {
  const runs: [number, number][] = [];
  let last: [number, number] | null = null;
  for (const low of lows) {
    if (last !== null && low === last[0] + last[1] + 1) last[1]++;
    else {
      last = [low, 0];
      runs.push(last);
    }
  }
  return runs;
}

function readBitmap(reader: Reader): RowRange[] {
  const start = reader.at;
  const cookie = reader.u32();
  const hasRuns = (cookie & 0xffff) === RUN_COOKIE;
  if (!hasRuns && cookie !== COOKIE) throw new RangeError(`a bitmap begins with ${cookie}`);
  const count = hasRuns ? (cookie >>> 16) + 1 : reader.u32();
  if (count > RANGES) throw new RangeError(`a bitmap claims ${count} containers`);
  const flags = hasRuns ? reader.bytes(Math.ceil(count / 8)) : new Uint8Array();
  const heads: { key: number; rows: number }[] = [];
  for (let nth = 0; nth < count; nth++) {
    const key = reader.u16();
    const before = heads.at(-1)?.key ?? -1;
    if (key <= before) throw new RangeError(`container ${key} follows container ${before}`);
    heads.push({ key, rows: reader.u16() + 1 });
  }
  const hasOffsets = !hasRuns || count >= OFFSETS_MIN;
  const offsets = heads.map(() => (hasOffsets ? reader.u32() : null));
  return heads.map(({ key, rows }, nth) => {
    const offset = offsets[nth] ?? null;
    if (offset !== null && offset !== reader.at - start) {
      throw new RangeError(`container ${key} is said to be at ${offset}, not ${reader.at - start}`);
    }
    const isRun = ((flags[nth >> 3] ?? 0) & (1 << (nth & 7))) !== 0;
    const lows = isRun
      ? readRuns(reader)
      : rows <= ARRAY_MAX
        ? readArray(reader, rows)
        : readBits(reader);
    if (lows.length !== rows) {
      throw new RangeError(`container ${key} holds ${lows.length} positions, and claims ${rows}`);
    }
    return { high: key, lows };
  });
}

function readRuns(reader: Reader): Uint16Array {
  const count = reader.u16();
  const lows: number[] = [];
  for (let nth = 0; nth < count; nth++) {
    const start = reader.u16();
    const length = reader.u16();
    if (start <= (lows.at(-1) ?? -1)) throw new RangeError(`a run at ${start} is out of order`);
    if (start + length >= RANGE_ROWS) throw new RangeError(`a run at ${start} is too long`);
    for (let low = start; low <= start + length; low++) lows.push(low);
  }
  return Uint16Array.from(lows);
}

function readArray(reader: Reader, rows: number): Uint16Array {
  const lows = new Uint16Array(rows);
  for (let nth = 0; nth < rows; nth++) {
    const low = reader.u16();
    if (nth > 0 && low <= (lows[nth - 1] ?? 0))
      throw new RangeError(`position ${low} is out of order`);
    lows[nth] = low;
  }
  return lows;
}

function readBits(reader: Reader): Uint16Array {
  const lows: number[] = [];
  for (const [index, byte] of reader.bytes(BITMAP_BYTES).entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) lows.push(index * 8 + bit);
  }
  return Uint16Array.from(lows);
}

/** Little-endian numbers, one after the other. */
class Bytes {
  #bytes = new Uint8Array(256);
  #length = 0;

  u16(value: number): void {
    const at = this.#room(2);
    this.#bytes[at] = value & 0xff;
    this.#bytes[at + 1] = value >> 8;
  }

  u32(value: number): void {
    this.u16(value & 0xffff);
    this.u16(value >>> 16);
  }

  u64(value: number): void {
    this.u32(value % 2 ** 32);
    this.u32(Math.floor(value / 2 ** 32));
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  whole(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  get isDone(): boolean {
    return this.left === 0;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  u64(): number {
    const at = this.#take(8);
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #take(length: number): number {
    const { at } = this;
    if (length > this.left) throw new RangeError(`it ends ${length - this.left} bytes too early`);
    this.at += length;
    return at;
  }
}
