/** One leaf of a Parquet file, entry by entry: a value, or how far down a value is there. */

import type { Exact } from "../lossless/exact-value.ts";
import type { Chunk, Leaf, ParquetNode } from "./footer.ts";
import type { Stored } from "./page-values.ts";
import { brokenColumn, chunkPages, type Page } from "./pages.ts";
import { type Convert, convertOf, type RowState } from "./values.ts";

export class Cursor {
  plainBytes = 0;
  readonly #file: number;
  readonly #leaf: Leaf;
  readonly #definition: number;
  readonly #convert: Convert;
  readonly #state: RowState;
  #pages: Iterator<Page> | null = null;
  #page: Page | null = null;
  #group = 0;
  /** In the page: its entries, and the values that are there. */
  #at = 0;
  #value = 0;
  #dictionary: readonly Stored[] | null = null;
  /** The dictionary's values, once they were asked for. */
  #converted: (Exact | undefined)[] = [];

  constructor(file: number, node: ParquetNode, state: RowState) {
    if (node.leaf === null) throw new RangeError("a group has no values");
    this.#file = file;
    this.#leaf = node.leaf;
    this.#definition = node.definition;
    this.#convert = convertOf(node, state);
    this.#state = state;
  }

  /** Begins with a row group. */
  start(chunk: Chunk, group: number): void {
    this.#group = group;
    this.#pages = chunkPages(this.#file, chunk, this.#leaf);
    this.#page = null;
  }

  /** Throws Unreadable when entries of the row group are left over. */
  end(): void {
    if (this.#current() !== null) throw this.#broken(new RangeError("it holds more than its rows"));
  }

  /** Of the next entry; what a value has that is there where there is no next one. */
  get definition(): number {
    const page = this.#current();
    return page?.definitions?.[this.#at] ?? this.#definition;
  }

  /** Of the next entry; -1 at the end of the row group. */
  get repetition(): number {
    const page = this.#current();
    if (page === null) return -1;
    return page.repetitions?.[this.#at] ?? 0;
  }

  skip(): void {
    if (this.#entry().definition === this.#definition) {
      throw this.#broken(new RangeError("it has a value where others have none"));
    }
  }

  take(): Exact {
    const { page, definition } = this.#entry();
    if (definition < this.#definition) return null;
    const stored = page.values[this.#value++];
    try {
      if (stored === undefined) throw new RangeError("a page has fewer values than it says");
      return page.dictionary === null ? this.#convert(stored) : this.#looked(page, Number(stored));
    } catch (thrown) {
      throw this.#broken(thrown);
    }
  }

  /** A text that is not UTF-8 is not kept converted: every row that has it is to know. */
  #looked(page: Page, place: number): Exact {
    if (page.dictionary !== this.#dictionary) {
      this.#dictionary = page.dictionary;
      this.#converted = [];
    }
    const known = this.#converted[place];
    if (known !== undefined) return known;
    const stored = page.dictionary?.[place];
    if (stored === undefined)
      throw new RangeError("a page names a value that its dictionary has not");
    const value = this.#convert(stored);
    if (this.#state.badText === null) this.#converted[place] = value;
    return value;
  }

  #entry(): { page: Page; definition: number } {
    const page = this.#current();
    if (page === null) throw this.#broken(new RangeError("it holds fewer values than rows"));
    const definition = page.definitions?.[this.#at] ?? this.#definition;
    this.#at++;
    return { page, definition };
  }

  #current(): Page | null {
    while (this.#page === null || this.#at >= this.#page.count) {
      try {
        const next = this.#pages?.next();
        if (next === undefined || next.done === true) return null;
        this.#page = next.value;
        this.plainBytes += next.value.plainBytes;
      } catch (thrown) {
        throw this.#broken(thrown);
      }
      [this.#at, this.#value] = [0, 0];
    }
    return this.#page;
  }

  #broken(thrown: unknown): Error {
    return brokenColumn(this.#leaf, this.#group, thrown);
  }
}
