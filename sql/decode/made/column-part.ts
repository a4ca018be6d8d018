/** A column whose values are written one behind the other. Parquet format, "Data Pages", "Encodings". */

import type { Type } from "../../../core/table/types.ts";
import type { PlainValues } from "./bounds.ts";
import { type Chunk, ENCODING, type Leaf, type PageForm, Pages } from "./pages.ts";
import { PHYSICAL, type Physical, schemaElement } from "./part-schema.ts";
import { Runs } from "./runs.ts";

const FIRST_BYTES = 64 * 1024;
/** Few steps: each copies what is there. */
const GROWTH = 4;
/** A page that is larger is ended, where it is packed. */
const PAGE_BYTES = 1024 * 1024;
/** More are copied at once: a view of them takes as long as a loop over so many. */
const LOOP_BYTES_MAX = 64;

/** How deep a value stands: how many of what it is in may be missing, and in how many lists it is. */
export interface Depth {
  readonly definitionMax: number;
  readonly repetitionMax: number;
}

/** Of a column of the table: its value may be missing. */
const TOP: Depth = { definitionMax: 1, repetitionMax: 0 };

/** The values of one leaf of the schema. The caller says of every row whether it has one. */
export class PartColumn implements Leaf {
  readonly physical: Physical;
  readonly #depth: Depth;
  readonly #isPacked: boolean;
  readonly #pages: Pages;
  readonly #definitions = new Runs();
  readonly #repetitions = new Runs();
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #ints = new Int32Array(this.#bytes.buffer);
  #doubles = new Float64Array(this.#bytes.buffer);
  #length = 0;
  /** Entries of the page, those without a value among them. */
  #count = 0;
  #missing = 0;
  /** Entries whose levels are among the definitions: those behind them have values. */
  #levelled = 0;
  readonly #marked = { length: 0, count: 0, missing: 0, levelled: 0 };

  constructor(type: Type, form: PageForm, depth: Depth = TOP) {
    this.physical = schemaElement(type).physical;
    this.#depth = depth;
    this.#isPacked = form === "zstd";
    this.#pages = new Pages(form, this.physical, type.kind === "decimal");
  }

  get sizeBytes(): number {
    return this.#pages.plainBytes + this.#length;
  }

  /** What comes until a page ends can be taken back. */
  mark(): void {
    this.#marked.length = this.#length;
    this.#marked.count = this.#count;
    this.#marked.missing = this.#missing;
    if (this.#marked.levelled !== this.#levelled) {
      this.#marked.levelled = this.#levelled;
      this.#definitions.mark();
    }
    if (this.#depth.repetitionMax > 0) this.#repetitions.mark();
  }

  /** Takes back what came since the mark. */
  reset(): void {
    this.#length = this.#marked.length;
    this.#count = this.#marked.count;
    this.#missing = this.#marked.missing;
    if (this.#marked.levelled !== this.#levelled) {
      this.#levelled = this.#marked.levelled;
      this.#definitions.reset();
    }
    if (this.#depth.repetitionMax > 0) this.#repetitions.reset();
  }

  /** So many entries without a value; `definition` says what is missing, `repetition` which list goes on with them. */
  missing(definition: number, entries = 1, repetition = 0): void {
    this.#level();
    this.#definitions.push(definition, entries);
    if (this.#depth.repetitionMax > 0) this.#repetitions.push(repetition, entries);
    this.#count += entries;
    this.#missing += entries;
    this.#levelled = this.#count;
  }

  /** A value is to follow. */
  present(repetition = 0): void {
    if (this.#depth.repetitionMax > 0) this.#repetitions.push(repetition, 1);
    this.#count++;
  }

  /** Of 32 bits. */
  int(value: number): void {
    this.#reserve(4);
    this.#ints[this.#length >> 2] = value;
    this.#length += 4;
  }

  /** Of 64 bits, or of as many as the column has, by a number that holds it exactly. */
  long(value: number): void {
    if (this.physical === PHYSICAL.int) {
      this.int(value);
      return;
    }
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

  /** As `long`. */
  bigint(value: bigint): void {
    if (this.physical === PHYSICAL.int) this.int(Number(value));
    else this.halves(Number(value & 0xffff_ffffn), Number(value >> 32n));
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

  copy(from: Uint8Array, start: number, end: number): void {
    let at = this.room(end - start);
    const bytes = this.#bytes;
    if (end - start > LOOP_BYTES_MAX) bytes.set(from.subarray(start, end), at);
    else for (let next = start; next < end; next++) bytes[at++] = from[next] ?? 0;
  }

  endPage(): void {
    if (this.#isPacked && this.#length >= PAGE_BYTES) this.#endPage();
  }

  take(): Chunk | Promise<Chunk> {
    if (this.#count > 0) this.#endPage();
    return this.#pages.take();
  }

  /** Says of the entries that have values that they do: all at once, for most columns have no others. */
  #level(): void {
    const entries = this.#count - this.#levelled;
    if (entries > 0) this.#definitions.push(this.#depth.definitionMax, entries);
    this.#levelled = this.#count;
  }

  /** Levels, then values. */
  #endPage(): void {
    this.#level();
    const { repetitionMax, definitionMax } = this.#depth;
    const values = this.#bytes.subarray(0, this.#length);
    const parts = [
      ...(repetitionMax > 0 ? sized(this.#repetitions.take(1)) : []),
      ...(definitionMax > 0 ? sized(this.#definitions.take(1)) : []),
      this.physical === PHYSICAL.boolean ? packedBits(values) : values,
    ];
    this.#pages.bound(this.plain());
    this.#pages.values(parts, this.#count, this.#missing, ENCODING.plain);
    this.clear();
  }

  /** The values of the page as they stand: valid until the next one. */
  plain(): PlainValues {
    return {
      bytes: this.#bytes,
      ints: this.#ints,
      floats: new Float32Array(this.#bytes.buffer),
      doubles: this.#doubles,
      length: this.#length,
    };
  }

  /** Forgets the values of the page. */
  clear(): void {
    this.#length = 0;
    this.#count = 0;
    this.#missing = 0;
    this.#levelled = 0;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    // A multiple of 8: the same bytes are read as larger numbers. What is not written to takes no memory.
    const size = Math.ceil(Math.max(needed, this.#bytes.length * GROWTH) / 8) * 8;
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#ints = new Int32Array(larger.buffer, 0, size / 4);
    this.#doubles = new Float64Array(larger.buffer, 0, size / 8);
  }
}

/** Behind their length, as levels stand in a page. */
export function sized(levels: Buffer): Buffer[] {
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
