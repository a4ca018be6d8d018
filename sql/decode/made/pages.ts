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
  /**
   * Ends the group of rows; a promise where pages are still being packed. Of plain pages the bytes are those of the
   * column: they are valid until the next value.
   */
  take(): Chunk | Promise<Chunk>;
}

const PAGE = { values: 0, dictionary: 2 } as const;
export const ENCODING = { plain: 0, runs: 3, dictionary: 8 } as const;
/** Level 1 is half the time of level 3 for a few percent of size. */
const LEVEL = 1;
/** A page of so many bytes is packed in another thread while this one goes on: less is not worth the way there. */
const ELSEWHERE_BYTES = 256 * 1024;

/** A page as it stands in a file, unless it is still being packed. */
interface Page {
  readonly parts: readonly Buffer[];
  readonly header: (packedBytes: number) => Buffer;
  readonly packing: Promise<Buffer> | null;
}

export class Pages {
  readonly #form: PageForm;
  readonly #physical: Physical;
  readonly #bounds: ChunkBounds;
  #pages: Page[] = [];
  #hasDictionary = false;
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
    this.#hasDictionary = true;
    this.#add(PAGE.dictionary, [values], (page) =>
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

  /** Ends the chunk; a promise where pages of it are still being packed. */
  take(): Chunk | Promise<Chunk> {
    const pages = this.#pages;
    const hasDictionary = this.#hasDictionary;
    const said = {
      physical: this.#physical,
      plainBytes: this.plainBytes,
      entries: this.#entries,
      statistics: { nulls: this.#nulls, bounds: this.#bounds.take() },
    };
    this.#pages = [];
    this.#hasDictionary = false;
    this.#entries = 0;
    this.#nulls = 0;
    this.plainBytes = 0;
    const chunkOf = (packed: readonly (readonly Buffer[])[]): Chunk => {
      const [first = []] = packed;
      const dictionaryBytes = hasDictionary ? lengthOf(first) : 0;
      const all = packed.flat();
      return { ...said, pages: all, sizeBytes: lengthOf(all), dictionaryBytes };
    };
    if (pages.every(({ packing }) => packing === null)) return chunkOf(pages.map(standing));
    return Promise.all(pages.map(packedPage)).then(chunkOf);
  }

  #add(type: number, parts: readonly Buffer[], rest: (header: ThriftWriter) => void): void {
    const plainBytes = lengthOf(parts);
    const header = (packedBytes: number): Buffer => {
      const writer = new ThriftWriter();
      writer.int(1, type);
      writer.int(2, plainBytes);
      writer.int(3, packedBytes);
      rest(writer);
      return writer.end();
    };
    const isPacked = this.#form === "zstd";
    const isElsewhere = isPacked && plainBytes >= ELSEWHERE_BYTES;
    const packing = isElsewhere ? packElsewhere(parts, plainBytes) : null;
    // Whoever takes the chunk hears of it; of one that nobody takes nobody does.
    packing?.catch(() => {});
    this.#pages.push({
      parts: isElsewhere ? [] : isPacked ? [pack(parts)] : parts,
      header,
      packing,
    });
    this.plainBytes += header(plainBytes).length + plainBytes;
  }
}

function standing({ parts, header }: Page): readonly Buffer[] {
  return [header(lengthOf(parts)), ...parts];
}

async function packedPage(page: Page): Promise<readonly Buffer[]> {
  return page.packing === null
    ? standing(page)
    : standing({ ...page, parts: [await page.packing] });
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function pack(parts: readonly Buffer[]): Buffer {
  const [only] = parts;
  const plain = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  return Bun.zstdCompressSync(plain, { level: LEVEL });
}

/** Room for plain pages, which is used again once they are packed: memory that is new costs more than the copy. */
const ROOMS: Buffer[] = [];
const ROOM_BYTES = 2 * 1024 * 1024;
const ROOMS_MAX = 8;

async function packElsewhere(parts: readonly Buffer[], plainBytes: number): Promise<Buffer> {
  const isUsual = plainBytes <= ROOM_BYTES;
  const room =
    (isUsual ? ROOMS.pop() : undefined) ?? Buffer.allocUnsafeSlow(Math.max(plainBytes, ROOM_BYTES));
  let length = 0;
  for (const part of parts) {
    room.set(part, length);
    length += part.length;
  }
  try {
    return await Bun.zstdCompress(room.subarray(0, length), { level: LEVEL });
  } finally {
    if (isUsual && ROOMS.length < ROOMS_MAX) ROOMS.push(room);
  }
}
