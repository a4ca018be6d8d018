/** The values of rows as they stand in the page of a Parquet file. Parquet format, "Data Pages", "Encodings". */

import type { Type } from "../../../core/table/types.ts";
import { PHYSICAL, type Physical, schemaElement } from "./part-schema.ts";

const FIRST_BYTES = 64 * 1024;

/** How deep a value stands: how many of what it is in may be missing, and whether it is one of many. */
export interface Depth {
  readonly definitionMax: number;
  readonly repetitionMax: 0 | 1;
}

/** The values of one leaf of the schema. The caller says of every row whether it has one. */
export class PartColumn {
  readonly physical: Physical;
  readonly #depth: Depth;
  readonly #definitions = new Levels();
  readonly #repetitions = new Levels();
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #ints = new Int32Array(this.#bytes.buffer, this.#bytes.byteOffset, FIRST_BYTES / 4);
  #doubles = new Float64Array(this.#bytes.buffer, this.#bytes.byteOffset, FIRST_BYTES / 8);
  #length = 0;
  /** Entries, those without a value among them. */
  count = 0;
  /** Entries without a value. */
  nullCount = 0;

  constructor(type: Type, depth: Depth = { definitionMax: 1, repetitionMax: 0 }) {
    this.physical = schemaElement(type).physical;
    this.#depth = depth;
  }

  get sizeBytes(): number {
    return this.#length;
  }

  /** So many entries without a value; `definition` says what is missing. */
  missing(definition: number, entries = 1): void {
    this.#definitions.push(definition, entries);
    if (this.#depth.repetitionMax > 0) this.#repetitions.push(0, entries);
    this.count += entries;
    this.nullCount += entries;
  }

  /** A value is to follow. */
  present(repetition: 0 | 1 = 0): void {
    this.#definitions.push(this.#depth.definitionMax, 1);
    if (this.#depth.repetitionMax > 0) this.#repetitions.push(repetition, 1);
    this.count++;
  }

  /** Of 32 bits. */
  int(value: number): void {
    this.#reserve(4);
    this.#ints[this.#length >> 2] = value;
    this.#length += 4;
  }

  /** Of 64 bits, by a number that holds it exactly. */
  long(value: number): void {
    const high = Math.floor(value / 4_294_967_296);
    this.halves(value - high * 4_294_967_296, high);
  }

  /** Of 64 bits. */
  halves(low: number, high: number): void {
    this.#reserve(8);
    const at = this.#length >> 2;
    this.#ints[at] = low | 0;
    this.#ints[at + 1] = high | 0;
    this.#length += 8;
  }

  bigint(value: bigint): void {
    this.halves(Number(value & 0xffff_ffffn), Number(value >> 32n));
  }

  float(value: number): void {
    this.#reserve(4);
    this.#bytes.writeFloatLE(value, this.#length);
    this.#length += 4;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#doubles[this.#length >> 3] = value;
    this.#length += 8;
  }

  boolean(value: boolean): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value ? 1 : 0;
  }

  /** Room for bytes of a given length, in front of which stands their length; answers where to put them. */
  room(length: number): number {
    this.#reserve(length + 4);
    const at = this.#length;
    const bytes = this.#bytes;
    bytes[at] = length & 255;
    bytes[at + 1] = (length >> 8) & 255;
    bytes[at + 2] = (length >> 16) & 255;
    bytes[at + 3] = length >>> 24;
    this.#length = at + 4 + length;
    return at + 4;
  }

  /** Room for bytes of the length that all values have. */
  fixed(length: number): number {
    this.#reserve(length);
    this.#length += length;
    return this.#length - length;
  }

  /** What `room` and `fixed` answer places in; another object after more was asked for. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    const at = this.room(length);
    this.#bytes.write(value, at, "utf8");
  }

  /** A short text that stands in so many entries. */
  texts(value: Uint8Array, entries: number): void {
    this.#definitions.push(this.#depth.definitionMax, entries);
    if (this.#depth.repetitionMax > 0) this.#repetitions.push(0, entries);
    this.count += entries;
    for (let entry = 0; entry < entries; entry++) {
      let at = this.room(value.length);
      const bytes = this.#bytes;
      for (let index = 0; index < value.length; index++) bytes[at++] = value[index] ?? 0;
    }
  }

  copy(from: Uint8Array, start: number, end: number): void {
    const at = this.room(end - start);
    this.#bytes.set(from.subarray(start, end), at);
  }

  /** One of several of a row. */
  get isRepeated(): boolean {
    return this.#depth.repetitionMax > 0;
  }

  /** The values so far, plain, but for booleans: those are a byte each. */
  get values(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The page: levels, then values. Empties the column. */
  take(): Buffer[] {
    const parts: Buffer[] = [];
    if (this.#depth.repetitionMax > 0) parts.push(...sized(this.#repetitions.take()));
    if (this.#depth.definitionMax > 0) parts.push(...sized(this.#definitions.take()));
    const { values } = this;
    parts.push(this.physical === PHYSICAL.boolean ? packedBits(values) : values);
    this.#length = 0;
    this.count = 0;
    this.nullCount = 0;
    return parts;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    // A multiple of 8: the same bytes are read as larger numbers.
    const size = Math.ceil(Math.max(needed, this.#bytes.length * 2) / 8) * 8;
    const larger = Buffer.from(new ArrayBuffer(size));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#ints = new Int32Array(larger.buffer, 0, size / 4);
    this.#doubles = new Float64Array(larger.buffer, 0, size / 8);
  }
}

function sized(levels: Buffer): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(levels.length);
  return [length, levels];
}

function packedBits(values: Buffer): Buffer {
  const packed = Buffer.alloc(Math.ceil(values.length / 8));
  for (let index = 0; index < values.length; index++) {
    if (values[index] === 1) packed[index >> 3] = (packed[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return packed;
}

/** Levels of entries as runs: how often, then which. */
class Levels {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;
  #level = -1;
  #run = 0;

  push(level: number, entries: number): void {
    if (level === this.#level) {
      this.#run += entries;
      return;
    }
    this.#flush();
    this.#level = level;
    this.#run = entries;
  }

  take(): Buffer {
    this.#flush();
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    this.#level = -1;
    return taken;
  }

  #flush(): void {
    if (this.#run === 0) return;
    if (this.#length + 8 > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(this.#bytes.length)]);
    }
    for (let rest = this.#run * 2; ; rest = Math.floor(rest / 128)) {
      this.#bytes[this.#length++] = rest < 128 ? rest : (rest % 128) + 128;
      if (rest < 128) break;
    }
    this.#bytes[this.#length++] = this.#level;
    this.#run = 0;
  }
}
