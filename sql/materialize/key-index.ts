/**
 * Where the rows of keys stand in one large data file: an index beside the lake, made of the file and of nothing else.
 * Data files never change, so it holds for as long as its file does, whatever snapshot names that. It may be gone, of
 * another file or damaged: then it is made again. It holds whole keys, so what it says is exact. Only the blocks that
 * are asked for are read.
 */

import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { KEY_BLOCK_ROWS, KEY_INDEX_BYTES_MAX, ROW_BLOCK_ROWS } from "../../core/limits.ts";
import type { Schema, Type } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { typeText } from "../duckdb/types.ts";
import { quoteIdentifier } from "../syntax/quote.ts";

/** How keys are written: integers as few bytes, all else as its text. */
export interface KeyShape {
  readonly columns: readonly { readonly sql: string; readonly isWord: boolean }[];
  /** What it holds of the rows beside their keys, as SQL of a text; null: nothing. */
  readonly values: string | null;
  /** Says the same in words, to be compared. */
  readonly text: string;
}

/** What an index is made of and for. */
export interface KeyIndexOf {
  readonly path: string;
  /** Where it is written before it is whole: a name that nobody else has, on the same disk. */
  readonly temporary: string;
  readonly shape: KeyShape;
  /** Says which file under which engine: an index that says another thing is of no use. */
  readonly identity: string;
  readonly rows: number;
}

/** A key that is looked for. */
export interface WantedKey {
  readonly nth: number;
  /** The upper half of its hash. */
  readonly hash: number;
  readonly bytes: Uint8Array;
}

/** Places in a data file, each with the `nth` of its key. */
export interface Places {
  readonly nths: number[];
  readonly positions: number[];
  /** What an index holds of the rows beside their keys. */
  readonly values: string[];
}

const MAGIC = 0x4c4b_4559;
const TAIL_BYTES = 16;
const CRC_BYTES = 4;
const BITS_MAX = 20;
const BUFFER_BYTES = 1024 * 1024;
const DECODER = new TextDecoder();

/**
 * The shape of keys of such columns, with `values` as what is held beside them; null where equal keys may have other
 * texts.
 */
export function keyShape(
  schema: Schema,
  key: readonly string[],
  values: string | null = null,
): KeyShape | null {
  const columns: { sql: string; isWord: boolean }[] = [];
  const words: string[] = [];
  for (const name of key) {
    const field = schema.fields.find((one) => one.name.toLowerCase() === name.toLowerCase());
    const column = field && keyColumn(field.type, quoteIdentifier(field.name));
    if (field === undefined || column === undefined || column === null) return null;
    columns.push(column);
    words.push(`${field.id} ${typeText(field.type)}`);
  }
  // Another column may come to be called like one that went.
  const fields = values === null ? [] : schema.fields;
  const held = fields.map(({ id, name, type }) => `${id} ${name} ${typeText(type)}`);
  const text = [...words, ...(values === null ? [] : ["with", ...held, values])].join(", ");
  return { columns, values, text };
}

/** The hash of a key, as SQL over its columns. */
export function hashSql({ columns }: KeyShape): string {
  return `hash(${columns.map(({ sql }) => sql).join(", ")})`;
}

/** Keys of a SELECT, whose columns are those of the shape and, first, the upper half of the hash. */
export async function wantedKeys(db: DuckDB, shape: KeyShape, from: string): Promise<WantedKey[]> {
  const columns = shape.columns.map(({ sql }) => sql).join(", ");
  const sql = `SELECT (${hashSql(shape)} >> 32)::UINTEGER, ${columns} FROM ${from}`;
  const wanted: WantedKey[] = [];
  const writer = new KeyWriter();
  for await (const chunk of chunksOf(db, sql, shape, 1)) {
    for (let row = 0; row < chunk.rows; row++) {
      writer.clear();
      chunk.write(writer, row);
      const hash = chunk.numbers[0]?.[row] ?? 0;
      wanted.push({ nth: wanted.length, hash, bytes: writer.taken() });
    }
  }
  return wanted;
}

/** Makes the index of the rows of a SELECT that has the columns of the key and `position`, quoted, its place. */
export async function makeKeyIndex(
  db: DuckDB,
  { path, temporary, shape, identity, rows }: KeyIndexOf,
  from: string,
  position: string,
): Promise<void> {
  const bits = bitsFor(rows, shape.values === null ? KEY_BLOCK_ROWS : ROW_BLOCK_ROWS);
  const held = shape.values === null ? [] : [shape.values];
  const columns = [...shape.columns.map((column) => column.sql), ...held].join(", ");
  const sql =
    `SELECT (${hashSql(shape)} >> ${64 - bits})::UINTEGER AS bucket, ${position}::UINTEGER AS position, ${columns} ` +
    `FROM (${from}) ORDER BY bucket`;
  mkdirSync(dirname(path), { recursive: true });
  const file = new IndexFile(openSync(temporary, "wx", 0o600), bits);
  try {
    for await (const chunk of chunksOf(db, sql, shape, 2)) {
      const [buckets, positions] = chunk.numbers;
      for (let row = 0; row < chunk.rows; row++) {
        const block = file.block(buckets?.[row] ?? 0);
        block.varint(positions?.[row] ?? 0);
        chunk.write(block, row);
      }
    }
    file.end(identity);
    renameSync(temporary, path);
  } catch (thrown) {
    rmSync(temporary, { force: true });
    throw thrown;
  } finally {
    file.close();
  }
}

/** An index that is there and says what is wanted of it; null else. */
export function openKeyIndex({ path, identity, shape }: KeyIndexOf): KeyIndex | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return null;
  }
  const opened = readDirectory(fd);
  if (opened?.identity === identity) return new KeyIndex(fd, opened.offsets, shape);
  closeSync(fd);
  return null;
}

export class KeyIndex {
  readonly #fd: number;
  /** Where the blocks begin, and where the last one ends. */
  readonly #offsets: Uint32Array;
  readonly #shift: number;
  readonly #columns: number;
  readonly #holdsValues: boolean;

  constructor(fd: number, offsets: Uint32Array, shape: KeyShape) {
    this.#fd = fd;
    this.#offsets = offsets;
    this.#columns = shape.columns.length;
    this.#holdsValues = shape.values !== null;
    this.#shift = 32 - Math.log2(offsets.length - 1);
  }

  /** The places of keys. Throws LakeError `corrupt` for a block that is not as it was written. */
  find(wanted: readonly WantedKey[]): Places {
    const found: Places = { nths: [], positions: [], values: [] };
    const byBucket = Map.groupBy(wanted, ({ hash }) => hash >>> this.#shift);
    for (const bucket of [...byBucket.keys()].sort((a, b) => a - b)) {
      this.#findIn(bucket, byBucket.get(bucket) ?? [], found);
    }
    return found;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #findIn(bucket: number, wanted: readonly WantedKey[], found: Places): void {
    const begin = this.#offsets[bucket] ?? 0;
    const length = (this.#offsets[bucket + 1] ?? 0) - begin;
    if (length === 0) return;
    const bytes = readAt(this.#fd, begin, length);
    const end = length - CRC_BYTES;
    if (bytes === null || !isSum(bytes, end)) throw damaged();
    const reader = new Varints(bytes);
    while (reader.at < end) {
      const position = reader.next();
      const start = reader.at;
      for (let column = 0; column < this.#columns; column++) {
        const length = reader.next();
        reader.at += length;
      }
      const to = reader.at;
      const size = this.#holdsValues ? reader.next() : 0;
      const from = reader.at;
      reader.at += size;
      for (const { nth, bytes: key } of wanted) {
        if (!isSame(bytes, start, to, key)) continue;
        found.nths.push(nth);
        found.positions.push(position);
        if (this.#holdsValues) found.values.push(DECODER.decode(bytes.subarray(from, reader.at)));
      }
    }
  }
}

function keyColumn(type: Type, name: string): KeyShape["columns"][number] | null {
  if (type.kind === "decimal") return text(`${name}::VARCHAR`);
  if (type.kind === "fixed") return text(`hex(${name})`);
  if (type.kind !== "primitive") return null;
  switch (type.name) {
    case "boolean":
    case "int":
    case "long":
      return word(`${name}::BIGINT`);
    case "date":
      return word(`(${name} - DATE '1970-01-01')::BIGINT`);
    case "time":
    case "timestamp":
    case "timestamptz":
      return word(`epoch_us(${name})`);
    case "string":
    case "uuid":
      return text(`${name}::VARCHAR`);
    case "binary":
      return text(`hex(${name})`);
    default:
      // Floats that are equal may differ: there are two zeros.
      return null;
  }
}

function word(sql: string) {
  return { sql, isWord: true };
}

function text(sql: string) {
  return { sql, isWord: false };
}

function bitsFor(rows: number, blockRows: number): number {
  const blocks = Math.max(2, rows / blockRows);
  return Math.min(BITS_MAX, Math.ceil(Math.log2(blocks)));
}

/** The end of an index: where its blocks begin, and what it is of. Null when it is not whole. */
function readDirectory(fd: number): { identity: string; offsets: Uint32Array } | null {
  const size = fstatSync(fd).size;
  const tail = size < TAIL_BYTES ? null : readAt(fd, size - TAIL_BYTES, TAIL_BYTES);
  if (tail === null) return null;
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const [offsetsBytes, identityBytes, sum, magic] = [0, 4, 8, 12].map((at) => view.getUint32(at));
  if (offsetsBytes === undefined || identityBytes === undefined || magic !== MAGIC) return null;
  const bytes = offsetsBytes + identityBytes;
  const blocks = offsetsBytes / 4 - 1;
  const fits = bytes + TAIL_BYTES <= size && Number.isInteger(Math.log2(blocks)) && blocks >= 2;
  const directory = fits ? readAt(fd, size - TAIL_BYTES - bytes, bytes) : null;
  if (directory === null || Bun.hash.crc32(directory) !== sum) return null;
  const offsets = new Uint32Array(directory.slice(0, offsetsBytes).buffer);
  return { identity: new TextDecoder().decode(directory.subarray(offsetsBytes)), offsets };
}

/** Null behind the file's end. */
function readAt(fd: number, from: number, length: number): Uint8Array | null {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const read = readSync(fd, bytes, at, length - at, from + at);
    if (read === 0) return null;
    at += read;
  }
  return bytes;
}

/** Whether the bytes before `end` have the sum that stands there. */
function isSum(bytes: Uint8Array, end: number): boolean {
  const said = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(end);
  return end >= 0 && Bun.hash.crc32(bytes.subarray(0, end)) === said;
}

function isSame(bytes: Uint8Array, start: number, end: number, key: Uint8Array): boolean {
  if (end - start !== key.length) return false;
  // Keys of one hash differ in their last bytes, if anywhere.
  for (let at = key.length - 1; at >= 0; at--) if (bytes[start + at] !== key[at]) return false;
  return true;
}

function damaged(): LakeError {
  return new LakeError("corrupt", "an index of keys is damaged", {
    hint: "it is made again by the next run; nothing is lost",
  });
}

/** Reads unsigned numbers of up to 32 bits, seven of them a byte. */
class Varints {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw damaged();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw damaged();
  }
}

/** Bytes that grow: numbers as `Varints` reads them, and parts of keys, each behind its length. */
class KeyWriter {
  #bytes = Buffer.alloc(64 * 1024);
  #length = 0;

  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  taken(): Uint8Array {
    return Uint8Array.from(this.written);
  }

  clear(): void {
    this.#length = 0;
  }

  varint(value: number): void {
    this.#room(5);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** A 64-bit integer by its halves: its low bytes, as many as tell it. */
  word(low: number, high: number): void {
    this.#room(9);
    const size = high === low >> 31 ? sizeOf(low) : 4 + sizeOf(high);
    this.#bytes[this.#length++] = size;
    for (let byte = 0; byte < size; byte++) {
      this.#bytes[this.#length++] =
        (byte < 4 ? low >> (8 * byte) : high >> (8 * (byte - 4))) & 0xff;
    }
  }

  text(value: string): void {
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#room(size);
    this.#length += this.#bytes.write(value, this.#length);
  }

  uint32(value: number): void {
    this.#room(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#length + bytes));
    grown.set(this.written);
    this.#bytes = grown;
  }
}

/** Bytes of a signed number of 32 bits that tell it. */
function sizeOf(value: number): number {
  if (value >= -0x80 && value < 0x80) return 1;
  if (value >= -0x8000 && value < 0x8000) return 2;
  return value >= -0x80_0000 && value < 0x80_0000 ? 3 : 4;
}

/** An index as it is written: blocks in the order of their numbers, then where they begin. */
class IndexFile {
  readonly #fd: number;
  readonly #offsets: Uint32Array;
  readonly #block = new KeyWriter();
  #bucket = 0;
  #size = 0;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #buffered = 0;

  constructor(fd: number, bits: number) {
    this.#fd = fd;
    this.#offsets = new Uint32Array(2 ** bits + 1);
  }

  /** The block of this number; those before it are done. */
  block(bucket: number): KeyWriter {
    while (this.#bucket < bucket) this.#next();
    return this.#block;
  }

  end(identity: string): void {
    while (this.#bucket < this.#offsets.length - 1) this.#next();
    const offsets = new Uint8Array(this.#offsets.buffer);
    const said = new TextEncoder().encode(identity);
    const directory = Buffer.concat([offsets, said]);
    const tail = new KeyWriter();
    for (const number of [offsets.length, said.length, Bun.hash.crc32(directory), MAGIC]) {
      tail.uint32(number);
    }
    this.#write(directory);
    this.#write(tail.written);
    this.#flush();
  }

  close(): void {
    closeSync(this.#fd);
  }

  #next(): void {
    const { written } = this.#block;
    if (written.length > 0) {
      this.#block.uint32(Bun.hash.crc32(written));
      this.#write(this.#block.written);
      this.#block.clear();
    }
    this.#offsets[++this.#bucket] = this.#size;
  }

  #write(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#size > KEY_INDEX_BYTES_MAX) {
      throw new LakeError("unsupported", "an index of keys is larger than it may be", {
        hint: "its file is looked through instead",
      });
    }
    if (this.#buffered + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) writeWhole(this.#fd, bytes);
    else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
  }

  #flush(): void {
    writeWhole(this.#fd, this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

/** Rows of a statement as the engine has them: leading numbers of 32 bits, then the columns of a key. */
interface KeyChunk {
  readonly rows: number;
  readonly numbers: readonly Uint32Array[];
  write(writer: KeyWriter, row: number): void;
}

async function* chunksOf(
  db: DuckDB,
  sql: string,
  shape: KeyShape,
  numbers: number,
): AsyncGenerator<KeyChunk> {
  const result = await db.native.stream(sql);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    const vectors = Array.from({ length: chunk.columnCount }, (_, at) => chunk.getColumnVector(at));
    const columns = vectors.slice(numbers).map((vector, index) => {
      if (shape.columns[index]?.isWord !== true) {
        return (writer: KeyWriter, row: number) => writer.text(String(vector.getItem(row)));
      }
      const halves = new Uint32Array(itemsOf(vector).buffer, itemsOf(vector).byteOffset);
      return (writer: KeyWriter, row: number) =>
        writer.word((halves[2 * row] ?? 0) | 0, (halves[2 * row + 1] ?? 0) | 0);
    });
    yield {
      rows: chunk.rowCount,
      numbers: vectors
        .slice(0, numbers)
        .map(
          (vector) =>
            new Uint32Array(itemsOf(vector).buffer, itemsOf(vector).byteOffset, chunk.rowCount),
        ),
      write(writer, row) {
        for (const column of columns) column(writer, row);
      },
    };
  }
}

/** The values of a vector of numbers, as the engine has them in memory. */
function itemsOf(vector: object): ArrayBufferView {
  if ("items" in vector && ArrayBuffer.isView(vector.items)) return vector.items;
  throw new LakeError("internal", "the SQL engine gives numbers in another form", {
    hint: "report this",
  });
}
