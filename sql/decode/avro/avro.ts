/** Avro object container files: read block by block, each row as exact values. Avro spec, "Object Container Files". */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { AVRO_MAGIC, AVRO_SYNC_BYTES } from "../../../core/base/avro.ts";
import { counted } from "../../../core/base/quantity.ts";
import type { ObservedColumn } from "../../../core/engine.ts";
import { AVRO_BLOCK_BYTES_MAX } from "../../../core/limits.ts";
import type { Type } from "../../../core/table/types.ts";
import type { FormatReader } from "../format.ts";
import { type Exact, Instant } from "../lossless/exact-value.ts";
import { BATCH_ROWS, type RowBatch, type RowSource, type SourceRow } from "../made/row-source.ts";
import { columnNames, type Prepared } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import { checkCodec, plainBlock, tooLarge } from "./codec.ts";
import { type AvroRecordNode, columnType, isEmpty, parseAvroSchema } from "./schema.ts";
import { avroReader, Tap } from "./values.ts";

/** Header of a file: its schema, mostly. */
const HEADER_BYTES_FIRST = 64 * 1024;
const HEADER_BYTES_MAX = 64 * 1024 * 1024;
/** Two integers of 64 bits. */
const BLOCK_HEAD_BYTES = 20;

interface Header {
  readonly schema: AvroRecordNode;
  readonly codec: string;
  readonly sync: Buffer;
  /** Where the first block begins. */
  readonly end: number;
}

/** The columns of an Avro file: as its schema says, whatever the rows hold. Throws Unreadable. */
export async function inspectAvro(prepared: Prepared): Promise<readonly ObservedColumn[]> {
  using file = new AvroFile(prepared.path);
  const { schema } = file.header;
  const whole = await wholeMicros(file);
  const names = namesOf(schema);
  return schema.fields.map(({ name, type }, index) => ({
    name: names[index] ?? name,
    type: whole.get(index) ?? columnType(type, [schema]),
    unseen: isEmpty(type),
  }));
}

/** The rows of an Avro file; a block that does not decode makes the whole file unreadable. */
export async function openAvro(prepared: Prepared, decodedBytesMax: number): Promise<RowSource> {
  using file = new AvroFile(prepared.path);
  const names = namesOf(file.header.schema);
  async function* read(): AsyncGenerator<RowBatch> {
    using again = new AvroFile(prepared.path);
    yield* again.rows(decodedBytesMax);
  }
  return { names, text: "times", read };
}

/** Avro tells names apart by their case, a table does not. */
function namesOf({ fields }: AvroRecordNode): string[] {
  return columnNames(fields.map(({ name }) => name));
}

/**
 * Timestamps in nanoseconds are timestamps where all of them are whole microseconds, and text otherwise: the table's
 * format has no nanoseconds. By the place of the column; only top-level ones.
 */
async function wholeMicros(file: AvroFile): Promise<ReadonlyMap<number, Type>> {
  const places = new Map<number, Type>();
  for (const [index, { type }] of file.header.schema.fields.entries()) {
    const inner =
      type.kind === "union" ? type.branches.filter((branch) => !isEmpty(branch)) : [type];
    const [only] = inner;
    if (inner.length !== 1 || only?.kind !== "primitive") continue;
    const { logical } = only;
    if (logical?.kind !== "timestamp" || logical.unit !== "nanos") continue;
    places.set(index, { kind: "primitive", name: logical.zoned ? "timestamptz" : "timestamp" });
  }
  if (places.size === 0) return places;
  for (const { rows } of file.rows(Infinity)) {
    for (const { values } of rows) {
      for (const index of places.keys()) {
        const value = values[index];
        if (value instanceof Instant && value.nanos !== 0) places.delete(index);
      }
    }
  }
  return places;
}

class AvroFile implements Disposable {
  readonly header: Header;
  #file: number;
  #sizeBytes: number;

  constructor(path: string) {
    this.#file = openSync(path, "r");
    try {
      this.#sizeBytes = statSync(path).size;
      this.header = this.#readHeader();
    } catch (thrown) {
      closeSync(this.#file);
      throw thrown;
    }
  }

  *rows(decodedBytesMax: number): Generator<RowBatch> {
    const { schema, codec, sync } = this.header;
    const fields = schema.fields.map(({ name, type }) => avroReader(type, name));
    let at = this.header.end;
    let row = 0;
    let plainBytes = 0;
    for (let block = 1; at < this.#sizeBytes; block++) {
      const place = `block ${block} of the Avro file (at byte ${at})`;
      const head = new Tap(this.#read(at, BLOCK_HEAD_BYTES));
      const { count, size } = within(place, () => ({ count: head.size(), size: head.size() }));
      const start = at + head.at;
      const end = start + size + AVRO_SYNC_BYTES;
      if (count < 0 || size < 0 || end > this.#sizeBytes) throw broken(place, "it is cut short");
      if (size > AVRO_BLOCK_BYTES_MAX) throw tooLarge();
      const bytes = this.#read(start, size + AVRO_SYNC_BYTES);
      if (!bytes.subarray(size).equals(sync)) throw broken(place, "its sync marker is wrong");
      const plain = within(place, () => plainBlock(codec, bytes.subarray(0, size)));
      plainBytes += plain.length;
      if (plainBytes > decodedBytesMax) {
        throw new Unreadable("limit", `unpacks to more than ${decodedBytesMax} bytes`);
      }
      const tap = new Tap(plain);
      for (let left = count; left > 0; left -= BATCH_ROWS) {
        const before = tap.at;
        const rows: SourceRow[] = [];
        for (let index = Math.min(left, BATCH_ROWS); index > 0; index--) {
          rows.push(within(place, () => readRow(tap, fields, ++row)));
        }
        yield { rows, bytes: tap.at - before };
      }
      if (tap.remaining > 0)
        throw broken(place, `${counted(tap.remaining, "byte is", "bytes are")} left over`);
      at = end;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #read(start: number, length: number): Buffer {
    const bytes = Buffer.alloc(Math.max(0, Math.min(length, this.#sizeBytes - start)));
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(this.#file, bytes, done, bytes.length - done, start + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  }

  #readHeader(): Header {
    for (let length = HEADER_BYTES_FIRST; ; length *= 4) {
      const tap = new Tap(this.#read(0, length));
      try {
        return headerOf(tap);
      } catch (thrown) {
        if (!(thrown instanceof RangeError)) throw thrown;
        if (length < this.#sizeBytes && length < HEADER_BYTES_MAX) continue;
        throw new Unreadable(
          "unreadable",
          `the header of the Avro file is broken: ${thrown.message}`,
        );
      }
    }
  }
}

function headerOf(tap: Tap): Header {
  if (tap.take(AVRO_MAGIC.length).toString("latin1") !== AVRO_MAGIC) {
    throw new Unreadable("unreadable", "the bytes are not those of an Avro file");
  }
  const metadata = new Map<string, string>();
  for (let count = tap.size(); count !== 0; count = tap.size()) {
    if (count < 0) tap.size();
    for (let left = Math.abs(count); left > 0; left--) {
      metadata.set(tap.text("key"), tap.text("value"));
    }
  }
  const sync = tap.take(AVRO_SYNC_BYTES);
  const codec = metadata.get("avro.codec") ?? "null";
  checkCodec(codec);
  return { schema: parseAvroSchema(metadata.get("avro.schema") ?? ""), codec, sync, end: tap.at };
}

function readRow(tap: Tap, fields: readonly ((tap: Tap) => Exact)[], row: number): SourceRow {
  tap.depth = 0;
  tap.badText = null;
  const values = fields.map((read) => read(tap));
  if (tap.badText === null) return { row, values, fault: null };
  const message = `${tap.badText} holds bytes that are not UTF-8`;
  return { row, values, fault: { reason: "encoding", column: tap.badText, message } };
}

function within<T>(place: string, action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    if (thrown instanceof Unreadable) throw thrown;
    throw broken(place, thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function broken(place: string, message: string): Unreadable {
  return new Unreadable("unreadable", `${place} is broken: ${message}`);
}

export const FORMAT: FormatReader = {
  isCounted: false,
  isTyped: false,
  inspect: (_db, prepared) => inspectAvro(prepared),
  groupKey: () => "rows",
  byRow:
    async ({ limits }) =>
    (prepared) =>
      openAvro(prepared, limits.decodedBytesMax),
};
