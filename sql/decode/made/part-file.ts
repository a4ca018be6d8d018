/**
 * Columns as a Parquet file of one row group and a page a column: a part on its way to DuckDB, which costs little to
 * write and to read, or a data file of a table as it is. Parquet format, parquet.thrift.
 */

import { closeSync, openSync, writeSync } from "node:fs";
import type { FieldId, Type } from "../../../core/table/types.ts";
import type { PartColumn } from "./column-part.ts";
import { type Bounds, boundsOf } from "./part-bounds.ts";
import { PHYSICAL, type Physical, schemaElement, storedAs } from "./part-schema.ts";
import { THRIFT, ThriftWriter } from "./thrift.ts";

/** A column of the file: a leaf, or leaves under a name. */
export interface PartField {
  readonly name: string;
  readonly type: Type;
  /** In the order in which they stand in the type. */
  readonly leaves: readonly PartColumn[];
}

/** A column of a table: its leaves, or the one value that each row has, plain and without its length. */
export interface DataField extends PartField {
  readonly id: FieldId;
  readonly constant?: Buffer;
}

const FILE_MODE = 0o600;
const MAGIC = Buffer.from("PAR1");
const ENCODING = { plain: 0, rle: 3, dictionary: 8 } as const;
const PAGE = { data: 0, dictionary: 2 } as const;
const CODEC = { none: 0, zstd: 6 } as const;
/** The fastest: half the time of the next for a few percent of size. speed.md. */
const ZSTD_LEVEL = 1;
/** Parquet's signed and unsigned orders, by the type of a column. */
const TYPE_ORDER = 1;

/** Writes the columns, which all have so many rows, and empties them. */
export function writePart(path: string, fields: readonly PartField[], rowCount: number): void {
  const writer = new PartFile(CODEC.none);
  for (const field of fields) writer.leaves(field, false);
  const elements = fields.map(({ name, type }) => schemaElement(type).write(name, null));
  writer.footer({ roots: fields.length, elements: elements.flat(), rowCount, keyValues: {} });
  writer.save(path);
}

/** Writes a file of a table: field ids, bounds, zstd. Empties the columns; answers the size in bytes. */
export function writeDataFile(
  path: string,
  fields: readonly DataField[],
  rowCount: number,
  keyValues: Readonly<Record<string, string>>,
): number {
  const writer = new PartFile(CODEC.zstd);
  for (const field of fields) {
    if (field.constant === undefined) writer.leaves(field, true);
    else writer.constant(field, field.constant, rowCount);
  }
  const elements = fields.map(({ name, type, id }) => schemaElement(type).write(name, id));
  writer.footer({ roots: fields.length, elements: elements.flat(), rowCount, keyValues });
  return writer.save(path);
}

interface Chunk {
  readonly physical: Physical;
  readonly path: readonly string[];
  readonly entries: number;
  readonly encodings: readonly number[];
  /** Of the dictionary, where there is one. */
  readonly dictionaryAt: number | null;
  readonly at: number;
  readonly plainBytes: number;
  readonly packedBytes: number;
  readonly bounds: Bounds | null;
}

interface Footer {
  readonly roots: number;
  readonly elements: readonly ((footer: ThriftWriter) => void)[];
  readonly rowCount: number;
  readonly keyValues: Readonly<Record<string, string>>;
}

class PartFile {
  readonly #codec: number;
  readonly #pieces: Buffer[] = [MAGIC];
  readonly #chunks: Chunk[] = [];
  #at = MAGIC.length;

  constructor(codec: number) {
    this.#codec = codec;
  }

  leaves({ name, type, leaves }: PartField, isTold: boolean): void {
    const { paths } = schemaElement(type);
    const types = leafTypes(type);
    for (const [index, leaf] of leaves.entries()) {
      const leafType = types[index] ?? type;
      const { count: entries, physical } = leaf;
      const bounds = isTold ? boundsOf(leaf, leafType) : null;
      const stored = isTold ? storedAs(leafType) : physical;
      const page = leaf.take();
      if (stored !== physical) page.push(narrowed(page.pop() ?? Buffer.alloc(0)));
      const at = this.#at;
      const sizes = this.#page(PAGE.data, entries, ENCODING.plain, page);
      const path = [name, ...(paths[index] ?? [])];
      const encodings = [ENCODING.plain, ENCODING.rle];
      const own = { physical: stored, path, entries, encodings, dictionaryAt: null, at, bounds };
      this.#chunks.push({ ...own, ...sizes });
    }
  }

  /** A dictionary of the one value, and a run of it. */
  constant({ name, type }: PartField, value: Buffer, entries: number): void {
    const physical = storedAs(type);
    const dictionaryAt = this.#at;
    const plain = physical === PHYSICAL.bytes ? [lengthOf(value), value] : [value];
    const dictionary = this.#page(PAGE.dictionary, 1, ENCODING.plain, plain);
    const at = this.#at;
    const width = Buffer.from([1]);
    const page = [...sized(run(entries, 1)), width, run(entries, 0)];
    const data = this.#page(PAGE.data, entries, ENCODING.dictionary, page);
    this.#chunks.push({
      ...{ physical, path: [name], entries, dictionaryAt, at },
      encodings: [ENCODING.plain, ENCODING.rle, ENCODING.dictionary],
      plainBytes: dictionary.plainBytes + data.plainBytes,
      packedBytes: dictionary.packedBytes + data.packedBytes,
      bounds: { nullCount: 0, min: value, max: value },
    });
  }

  footer({ roots, elements, rowCount, keyValues }: Footer): void {
    const footer = new ThriftWriter();
    const chunks = this.#chunks;
    const sum = (of: (chunk: Chunk) => number) => chunks.reduce((all, one) => all + of(one), 0);
    const isTold = this.#codec !== CODEC.none;
    footer.int(1, 1);
    footer.list(2, THRIFT.struct, elements.length + 1, () => {
      footer.element(() => {
        footer.text(4, "rows");
        footer.int(5, roots);
      });
      for (const element of elements) footer.element(() => element(footer));
    });
    footer.long(3, rowCount);
    footer.list(4, THRIFT.struct, 1, () =>
      footer.element(() => {
        footer.list(1, THRIFT.struct, chunks.length, () => {
          for (const chunk of chunks) footer.element(() => this.#chunk(footer, chunk));
        });
        footer.long(
          2,
          sum(({ plainBytes }) => plainBytes),
        );
        footer.long(3, rowCount);
        footer.long(5, MAGIC.length);
        footer.long(
          6,
          sum(({ packedBytes }) => packedBytes),
        );
      }),
    );
    const pairs = Object.entries(keyValues);
    if (pairs.length > 0) {
      footer.list(5, THRIFT.struct, pairs.length, () => {
        for (const [key, value] of pairs) {
          footer.element(() => {
            footer.text(1, key);
            footer.text(2, value);
          });
        }
      });
    }
    if (isTold) {
      footer.text(6, "tarn");
      footer.list(7, THRIFT.struct, chunks.length, () => {
        for (const _ of chunks) footer.element(() => footer.struct(TYPE_ORDER, () => {}));
      });
    }
    const bytes = footer.end();
    this.#pieces.push(bytes, lengthOf(bytes), MAGIC);
  }

  /** At once: its bytes are few, or those of a part that is about to be read. */
  save(path: string): number {
    const file = openSync(path, "wx", FILE_MODE);
    let total = 0;
    try {
      for (const piece of this.#pieces) {
        for (let at = 0; at < piece.length; ) at += writeSync(file, piece, at);
        total += piece.length;
      }
    } finally {
      closeSync(file);
    }
    return total;
  }

  #page(
    kind: number,
    entries: number,
    encoding: number,
    parts: readonly Buffer[],
  ): { plainBytes: number; packedBytes: number } {
    const plainBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const packed =
      this.#codec === CODEC.none
        ? parts
        : [Bun.zstdCompressSync(Buffer.concat(parts), { level: ZSTD_LEVEL })];
    const packedBytes = packed.reduce((sum, part) => sum + part.length, 0);
    const header = pageHeader({ kind, entries, encoding, plainBytes, packedBytes });
    for (const piece of [header, ...packed]) this.#put(piece);
    return { plainBytes: header.length + plainBytes, packedBytes: header.length + packedBytes };
  }

  #put(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#at += piece.length;
  }

  #chunk(footer: ThriftWriter, chunk: Chunk): void {
    const { physical, path, entries, encodings, dictionaryAt, at, bounds } = chunk;
    footer.long(2, dictionaryAt ?? at);
    footer.struct(3, () => {
      footer.int(1, physical);
      footer.list(2, THRIFT.int, encodings.length, () => {
        for (const encoding of encodings) footer.item(encoding);
      });
      footer.list(3, THRIFT.binary, path.length, () => {
        for (const name of path) footer.itemText(name);
      });
      footer.int(4, this.#codec);
      footer.long(5, entries);
      footer.long(6, chunk.plainBytes);
      footer.long(7, chunk.packedBytes);
      footer.long(9, at);
      if (dictionaryAt !== null) footer.long(11, dictionaryAt);
      if (bounds === null) return;
      footer.struct(12, () => {
        footer.long(3, bounds.nullCount);
        if (bounds.max !== null) footer.bytes(5, bounds.max);
        if (bounds.min !== null) footer.bytes(6, bounds.min);
      });
    });
  }
}

function pageHeader(page: {
  readonly kind: number;
  readonly entries: number;
  readonly encoding: number;
  readonly plainBytes: number;
  readonly packedBytes: number;
}): Buffer {
  const header = new ThriftWriter();
  header.int(1, page.kind);
  header.int(2, page.plainBytes);
  header.int(3, page.packedBytes);
  const isData = page.kind === PAGE.data;
  header.struct(isData ? 5 : 7, () => {
    header.int(1, page.entries);
    header.int(2, page.encoding);
    if (!isData) return;
    header.int(3, ENCODING.rle);
    header.int(4, ENCODING.rle);
  });
  return header.end();
}

function leafTypes(type: Type): readonly Type[] {
  if (type.kind === "struct") return type.fields.map((field) => field.type);
  return type.kind === "list" ? [type.element] : [type];
}

/** Numbers of 64 bits, as they stand in 32. */
function narrowed(values: Buffer): Buffer {
  const narrow = Buffer.allocUnsafe(values.length / 2);
  for (let at = 0; at < narrow.length; at += 4) values.copy(narrow, at, at * 2, at * 2 + 4);
  return narrow;
}

/** So many times a number below 256. */
function run(times: number, value: number): Buffer {
  const bytes: number[] = [];
  let rest = times * 2;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest, value]);
}

function sized(bytes: Buffer): Buffer[] {
  return [lengthOf(bytes), bytes];
}

function lengthOf({ length }: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
}
