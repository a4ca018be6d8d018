/** A column of values that stand for many rows each: every value once, then which of them how often. */

import type { Type } from "../../../core/table/types.ts";
import { PartColumn, sized } from "./column-part.ts";
import { type Chunk, ENCODING, type Leaf, type PageForm, Pages } from "./pages.ts";
import type { Physical } from "./part-schema.ts";
import { Runs } from "./runs.ts";

const BITS = 8;

/** Not nested. The caller says of every row whether it has a value. */
export class RunColumn implements Leaf {
  readonly physical: Physical;
  readonly #pages: Pages;
  /** The values, each once. */
  readonly #values: PartColumn;
  readonly #places = new Map<string | number, number>();
  readonly #definitions = new Runs();
  readonly #runs = new Runs();
  #last: string | number | null = null;
  #lastPlace = 0;
  #count = 0;
  #missing = 0;

  constructor(type: Type, form: PageForm) {
    this.#values = new PartColumn(type, form, { definitionMax: 0, repetitionMax: 0 });
    this.physical = this.#values.physical;
    this.#pages = new Pages(form, this.physical, type.kind === "decimal");
  }

  get sizeBytes(): number {
    return this.#values.sizeBytes;
  }

  missing(entries = 1): void {
    this.#definitions.push(0, entries);
    this.#count += entries;
    this.#missing += entries;
  }

  /** A text, or a number that 64 bits hold and a number holds exactly, for so many rows. */
  add(value: string | number, entries = 1): void {
    if (value !== this.#last) {
      this.#last = value;
      this.#lastPlace = this.#placeOf(value);
    }
    this.#definitions.push(1, entries);
    this.#runs.push(this.#lastPlace, entries);
    this.#count += entries;
  }

  endPage(): void {
    // Which is small however many rows there are.
  }

  take(): Chunk | Promise<Chunk> {
    const count = this.#places.size;
    const width = Math.max(1, Math.ceil(Math.log2(Math.max(count, 2)) / BITS));
    const values = this.#values.plain();
    this.#pages.bound(values);
    if (count > 0) this.#pages.dictionary(values.bytes.subarray(0, values.length), count);
    const runs = count > 0 ? [Buffer.from([width * BITS]), this.#runs.take(width)] : [];
    const parts = [...sized(this.#definitions.take(1)), ...runs];
    const encoding = count > 0 ? ENCODING.dictionary : ENCODING.plain;
    this.#pages.values(parts, this.#count, this.#missing, encoding);
    this.#values.clear();
    this.#places.clear();
    this.#last = null;
    this.#count = 0;
    this.#missing = 0;
    return this.#pages.take();
  }

  #placeOf(value: string | number): number {
    const known = this.#places.get(value);
    if (known !== undefined) return known;
    const place = this.#places.size;
    this.#places.set(value, place);
    if (typeof value === "string") this.#values.text(value);
    else this.#values.long(value);
    return place;
  }
}
