/** The pages of a column, one behind the other as they stand in a file. parquet.thrift, PageHeader. */

import { type Bounds, ChunkBounds, type PlainValues } from "./bounds.ts";
import type { Physical } from "./part-schema.ts";
import { ThriftWriter } from "./thrift.ts";

/** `zstd`: a data file, packed, with bounds; `plain`: what the engine reads at once, and whose bytes are not copied. */
export type PageForm = "plain" | "zstd";

/** What is told of the values of a chunk; may be found out after its pages were written. */
export interface ChunkStatistics {
  nulls: number;
  bounds: Bounds | null;
}

/** All pages of a column, for a group of rows. */
export interface Chunk {
  readonly pages: readonly Buffer[];
  /** How they are packed, and what they hold, where they were not made here. */
  readonly given?: { readonly codec: number; readonly encodings: readonly number[] };
  readonly physical: Physical;
  /** As they stand, headers included. */
  readonly sizeBytes: number;
  /** As they would stand unpacked. */
  readonly plainBytes: number;
  /** Of its dictionary, which comes first; 0: there is none. */
  readonly dictionaryBytes: number;
  readonly entries: number;
  readonly statistics: ChunkStatistics;
}

/** A leaf of the schema, whose values come row by row. */
export interface Leaf {
  readonly physical: Physical;
  /** Of the values of the group that is open, unpacked. */
  readonly sizeBytes: number;
  /** Ends a page that is large enough. */
  endPage(): void;
  /** Ends the group of rows. Of plain pages the bytes are those of the column: they are valid until the next value. */
  take(): Chunk;
}

const PAGE = { values: 0, dictionary: 2 } as const;
export const ENCODING = { plain: 0, runs: 3, dictionary: 8 } as const;
/** Level 1 is half the time of level 3 for a few percent of size. */
const LEVEL = 1;

export class Pages {
  readonly #form: PageForm;
  readonly #physical: Physical;
  readonly #bounds: ChunkBounds;
  #pages: Buffer[] = [];
  #sizeBytes = 0;
  #dictionaryBytes = 0;
  #entries = 0;
  #nulls = 0;
  /** Unpacked, headers included. */
  plainBytes = 0;

  constructor(form: PageForm, physical: Physical, isSigned: boolean) {
    this.#form = form;
    this.#physical = physical;
    this.#bounds = new ChunkBounds(physical, isSigned);
  }

  /** Values that bounds are to hold. */
  bound(values: PlainValues): void {
    if (this.#form === "zstd") this.#bounds.add(values);
  }

  /** Before the first page with values. */
  dictionary(values: Buffer, count: number): void {
    this.#dictionaryBytes = this.#add(PAGE.dictionary, [values], (page) =>
      page.struct(7, () => {
        page.int(1, count);
        page.int(2, ENCODING.plain);
      }),
    );
  }

  values(parts: readonly Buffer[], entries: number, nulls: number, encoding: number): void {
    this.#entries += entries;
    this.#nulls += nulls;
    this.#add(PAGE.values, parts, (page) =>
      page.struct(5, () => {
        page.int(1, entries);
        page.int(2, encoding);
        page.int(3, ENCODING.runs);
        page.int(4, ENCODING.runs);
      }),
    );
  }

  /** Ends the chunk. */
  take(): Chunk {
    const chunk = {
      pages: this.#pages,
      physical: this.#physical,
      sizeBytes: this.#sizeBytes,
      plainBytes: this.plainBytes,
      dictionaryBytes: this.#dictionaryBytes,
      entries: this.#entries,
      statistics: { nulls: this.#nulls, bounds: this.#bounds.take() },
    };
    this.#pages = [];
    this.#sizeBytes = 0;
    this.#dictionaryBytes = 0;
    this.#entries = 0;
    this.#nulls = 0;
    this.plainBytes = 0;
    return chunk;
  }

  /** Answers the bytes of the page. */
  #add(type: number, parts: readonly Buffer[], rest: (header: ThriftWriter) => void): number {
    const packed = this.#form === "zstd" ? [pack(parts)] : parts;
    const [plainBytes, packedBytes] = [lengthOf(parts), lengthOf(packed)];
    const writer = new ThriftWriter();
    writer.int(1, type);
    writer.int(2, plainBytes);
    writer.int(3, packedBytes);
    rest(writer);
    const header = writer.end();
    this.#pages.push(header, ...packed);
    this.#sizeBytes += header.length + packedBytes;
    this.plainBytes += header.length + plainBytes;
    return header.length + packedBytes;
  }
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function pack(parts: readonly Buffer[]): Buffer {
  const [only] = parts;
  const plain = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  return Bun.zstdCompressSync(plain, { level: LEVEL });
}
