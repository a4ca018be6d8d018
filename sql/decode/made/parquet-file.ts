/** A Parquet file of columns that were made here, one group of rows after the other. parquet.thrift, FileMetaData. */

import { closeSync, openSync, writeSync } from "node:fs";
import type { Type } from "../../../core/table/types.ts";
import { type Chunk, ENCODING, type Leaf, type PageForm } from "./pages.ts";
import { schemaElement } from "./part-schema.ts";
import { THRIFT, ThriftWriter } from "./thrift.ts";

/** A column of the file: a leaf, or leaves under a name. */
export interface PartField {
  readonly name: string;
  readonly type: Type;
  /** Of the table's field; absent: neither it nor those below it are written. */
  readonly id?: number;
  /** Its pages have no levels: none of its values is missing. Of a leaf. */
  readonly isRequired?: boolean;
  /** In the order in which they stand in the type. */
  readonly leaves: readonly Leaf[];
  /** What it holds is known once all groups are there: `late` fills it in each. One leaf. */
  readonly isLate?: boolean;
}

export interface ParquetOptions {
  readonly form: PageForm;
  /** Texts of the footer by their keys. */
  readonly footer?: ReadonlyMap<string, string>;
}

const FILE_MODE = 0o600;
const MAGIC = Buffer.from("PAR1");
const CODEC = { plain: 0, zstd: 6 } as const;
/** Readers take apart what stands here to know of faults that writers had. */
const CREATED_BY = "lake version 1";

/** The chunks of a group with the paths of their leaves. */
interface TakenGroup {
  readonly chunks: readonly {
    readonly path: readonly string[];
    readonly chunk: Chunk | Promise<Chunk>;
  }[];
  readonly rows: number;
}

type StandingChunk = Chunk & { readonly path: readonly string[]; readonly at: number };

interface Group {
  /** In the order of the schema, but for those that are late. */
  readonly chunks: readonly StandingChunk[];
  readonly rows: number;
  readonly at: number;
  /** By the name of the field. */
  readonly late: Map<string, StandingChunk>;
}

export class ParquetFile {
  readonly #file: number;
  #fields: readonly PartField[];
  readonly #leafCount: number;
  readonly #options: ParquetOptions;
  readonly #groups: Group[] = [];
  /** Groups that were taken and are not written: some of their pages are still being packed. */
  #pending: TakenGroup[] = [];
  #rows = 0;
  #sizeBytes = 0;
  #isClosed = false;

  /** A new file; what stands there already is an error. */
  constructor(path: string, fields: readonly PartField[], options: ParquetOptions) {
    this.#file = openSync(path, "wx", FILE_MODE);
    this.#fields = fields;
    this.#leafCount = fields.reduce((sum, field) => sum + field.leaves.length, 0);
    this.#options = options;
    this.#write([MAGIC]);
  }

  /** True when `settle` has something to write. */
  get isPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Takes the columns, which all have so many rows, and empties them: what is packed by now is written at once. */
  group(rows: number): void {
    const chunks = this.#fields.flatMap(({ name, type, leaves, isLate = false }) => {
      if (isLate) return [];
      const { paths } = schemaElement(type);
      return leaves.map((leaf, index) => ({
        path: [name, ...(paths[index] ?? [])],
        chunk: leaf.take(),
      }));
    });
    const ready = chunks.flatMap(({ path, chunk }) => (isReady(chunk) ? [{ path, chunk }] : []));
    if (ready.length < chunks.length || this.isPending) this.#pending.push({ chunks, rows });
    else this.#appendGroup(ready, rows);
  }

  /** Writes the groups that were taken, once their pages are packed. */
  async settle(): Promise<void> {
    while (this.#pending.length > 0) {
      const [{ chunks, rows } = { chunks: [], rows: 0 }] = this.#pending;
      const packed = chunks.map(async ({ path, chunk }) => ({ path, chunk: await chunk }));
      this.#appendGroup(await Promise.all(packed), rows);
      this.#pending.shift();
    }
  }

  #appendGroup(
    packed: readonly { readonly path: readonly string[]; readonly chunk: Chunk }[],
    rows: number,
  ): void {
    const at = this.#sizeBytes;
    const chunks = packed.map(({ path, chunk }) => this.#append(path, chunk));
    this.#groups.push({ chunks, rows, at, late: new Map() });
    this.#rows += rows;
  }

  #append(path: readonly string[], chunk: Chunk): StandingChunk {
    const at = this.#sizeBytes;
    this.#write(chunk.pages);
    return { ...chunk, pages: [], path, at };
  }

  /** No group comes any more: what filled them is let go. Nothing is pending. */
  rest(): void {
    this.#fields = this.#fields.map((field) => ({ ...field, leaves: [] }));
  }

  /**
   * Writes what is late behind all groups: `leaves` by the names of the fields, and `fill` puts the rows of a group
   * into them. Chunks may stand anywhere in a file. Parquet format, "File format".
   */
  async late(
    leaves: ReadonlyMap<string, Leaf>,
    fill: (group: number, rows: number) => void,
  ): Promise<void> {
    for (const [index, group] of this.#groups.entries()) {
      fill(index, group.rows);
      const taken = [...leaves].map(([name, leaf]) => ({ name, chunk: leaf.take() }));
      for (const { name, chunk } of taken) {
        group.late.set(name, this.#append([name], await chunk));
      }
    }
  }

  /** Ends the file, of which nothing is pending; answers its bytes. */
  finish(texts = this.#options.footer): number {
    const footer = this.#footer(texts);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(footer.length);
    this.#write([footer, length, MAGIC]);
    this.close();
    return this.#sizeBytes;
  }

  /** Leaves it as it is. May be called twice. */
  close(): void {
    if (!this.#isClosed) closeSync(this.#file);
    this.#isClosed = true;
  }

  #write(parts: readonly Buffer[]): void {
    for (const part of parts) {
      for (let at = 0; at < part.length; ) at += writeSync(this.#file, part, at);
      this.#sizeBytes += part.length;
    }
  }

  #footer(said: ParquetOptions["footer"]): Buffer {
    const footer = new ThriftWriter();
    const elements = this.#fields.map(({ name, type, id, isRequired }) =>
      schemaElement(type).write(name, id, isRequired),
    );
    const count = elements.reduce((sum, each) => sum + each.length, 1);
    footer.int(1, 1);
    footer.list(2, THRIFT.struct, count, () => {
      footer.element(() => {
        footer.text(4, "rows");
        footer.int(5, this.#fields.length);
      });
      for (const element of elements.flat()) footer.element(() => element(footer));
    });
    footer.long(3, this.#rows);
    footer.list(4, THRIFT.struct, this.#groups.length, () => {
      for (const group of this.#groups) footer.element(() => this.#writeGroup(footer, group));
    });
    const texts = [...(said ?? [])];
    footer.list(5, THRIFT.struct, texts.length, () => {
      for (const [key, value] of texts) {
        footer.element(() => {
          footer.text(1, key);
          footer.text(2, value);
        });
      }
    });
    footer.text(6, CREATED_BY);
    // Each in the order of its type, which is what the bounds are by.
    footer.list(7, THRIFT.struct, this.#leafCount, () => {
      for (let leaf = 0; leaf < this.#leafCount; leaf++) {
        footer.element(() => footer.struct(1, () => {}));
      }
    });
    return footer.end();
  }

  #writeGroup(footer: ThriftWriter, group: Group): void {
    const { rows, at } = group;
    const chunks = this.#inOrder(group);
    footer.list(1, THRIFT.struct, chunks.length, () => {
      for (const chunk of chunks) {
        footer.element(() => {
          footer.long(2, chunk.at);
          footer.struct(3, () => this.#writeChunk(footer, chunk));
        });
      }
    });
    footer.long(2, sum(chunks, "plainBytes"));
    footer.long(3, rows);
    footer.long(5, at);
    footer.long(6, sum(chunks, "sizeBytes"));
  }

  /** As the fields stand in the schema. */
  #inOrder({ chunks, late }: Group): readonly StandingChunk[] {
    if (late.size === 0) return chunks;
    const byName = Map.groupBy(chunks, ({ path }) => path[0] ?? "");
    return this.#fields.flatMap(({ name }) => late.get(name) ?? byName.get(name) ?? []);
  }

  #writeChunk(footer: ThriftWriter, chunk: StandingChunk): void {
    const { at, path, dictionaryBytes, statistics } = chunk;
    const isRuns = dictionaryBytes > 0;
    const made = [ENCODING.plain, ENCODING.runs, ...(isRuns ? [ENCODING.dictionary] : [])];
    const { codec = CODEC[this.#options.form], encodings = made } = chunk.given ?? {};
    footer.int(1, chunk.physical);
    footer.list(2, THRIFT.int, encodings.length, () => {
      for (const encoding of encodings) footer.item(encoding);
    });
    footer.list(3, THRIFT.binary, path.length, () => {
      for (const name of path) footer.itemText(name);
    });
    footer.int(4, codec);
    footer.long(5, chunk.entries);
    footer.long(6, chunk.plainBytes);
    footer.long(7, chunk.sizeBytes);
    footer.long(9, at + dictionaryBytes);
    if (isRuns) footer.long(11, at);
    footer.struct(12, () => {
      const { nulls, bounds } = statistics;
      footer.long(3, nulls);
      if (bounds === null) return;
      footer.bytes(5, bounds.max);
      footer.bytes(6, bounds.min);
    });
  }
}

function isReady(chunk: Chunk | Promise<Chunk>): chunk is Chunk {
  return !(chunk instanceof Promise);
}

function sum(chunks: readonly StandingChunk[], of: "plainBytes" | "sizeBytes"): number {
  return chunks.reduce((total, chunk) => total + chunk[of], 0);
}
