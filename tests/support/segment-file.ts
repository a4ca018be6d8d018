/** Segments of a stream for tests, PostgreSQL's or another's: shapes, transactions, changes and copied rows. */

import { crc32 } from "node:zlib";
import type { Json } from "../../core/base/json.ts";
import {
  FrameBuffer,
  type SegmentShape,
  type ShapeColumn,
  shapeJson,
} from "../../core/ingest/segment.ts";
import type { WireType } from "../../core/ingest/wire-type.ts";

/** A value as it is sent: a text, bytes in binary form, nothing, or the mark of one that did not change. */
export type Sent = string | Uint8Array | null | typeof UNCHANGED;
export const UNCHANGED = Symbol("unchanged");

export interface TableOptions {
  readonly columns: readonly ShapeColumn[];
  readonly name?: string;
  readonly identity?: SegmentShape["identity"];
}

/** A column of a type of the system's own. */
export function shapeColumn(
  name: string,
  type: string,
  oid: number,
  more: Partial<WireType> & Partial<Pick<ShapeColumn, "key" | "binary">> = {},
): ShapeColumn {
  const { key = false, binary, ...wire } = more;
  const own: WireType = { oid, typmod: -1, name: type, kind: "base", ...wire };
  return { name, type, key, wire: own, ...(binary === undefined ? {} : { binary }) };
}

export class SegmentFile {
  readonly #frames = new FrameBuffer(crc32);
  readonly #tables = new Map<number, string>();
  readonly #rows = new Map<string, number>();
  #at = "0000000000000000";

  /** `late`: its transaction stands behind its changes, and so many frames of that in segments before. */
  constructor(kind = "postgres", late: number | null = null) {
    this.#frames.magic(late !== null);
    const more = late === null ? {} : { late: { firstPlace: late } };
    this.#frames.json("header", { kind, source: "shop", from: this.#at, server: {}, ...more });
  }

  /** What there is so far; `bytes` are those behind it. */
  begun(): Buffer {
    return Buffer.from(this.#frames.take(true));
  }

  get rowCounts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#rows);
  }

  /** Describes a table; answers the number by which rows are of it. */
  shape({ columns, name = "public.orders", identity = "default" }: TableOptions): number {
    const shape = this.#tables.size + 1;
    const [schema = "", table = ""] = name.split(".");
    this.#tables.set(shape, name);
    this.#frames.json("shape", shapeJson({ shape, schema, table, columns, identity }));
    return shape;
  }

  transaction(xid: number, committedAt = `${1_764_000_000_000_000 + xid}`): this {
    this.#at = xid.toString(16).padStart(16, "0").toUpperCase();
    this.#frames.json("transaction", { position: this.#at, xid: `${xid}`, committedAt });
    return this;
  }

  snapshot(table: string, firstRow = 0, more: { readonly replaces?: true } = {}): this {
    this.#frames.json("snapshot", { position: this.#at, table, range: "all", firstRow, ...more });
    return this;
  }

  insert(shape: number, row: readonly Sent[]): this {
    return this.message(shape, ["I", RELATION, "N", tuple(row)]);
  }

  /** `key` is what the old row is found by, `old` all of it. */
  update(
    shape: number,
    row: readonly Sent[],
    before: { readonly key?: readonly Sent[]; readonly old?: readonly Sent[] } = {},
  ): this {
    return this.message(shape, ["U", RELATION, ...oldTuple(before), "N", tuple(row)]);
  }

  delete(
    shape: number,
    before: { readonly key?: readonly Sent[]; readonly old?: readonly Sent[] },
  ): this {
    return this.message(shape, ["D", RELATION, ...oldTuple(before)]);
  }

  truncate(shape: number): this {
    return this.message(shape, ["T", int32(1), Buffer.of(0), RELATION]);
  }

  message(shape: number, parts: readonly (string | Uint8Array)[]): this {
    this.#count(shape, 1);
    const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
    this.#frames.message(shape, bytes[0] ?? 0, bytes.subarray(1));
    return this;
  }

  /** An event of a binary log, with its check sum or without. */
  event(shape: number, event: Uint8Array, sum: number | null = null): this {
    this.#count(shape, 1);
    this.#frames.event(shape, event, sum);
    return this;
  }

  rows(shape: number, rows: readonly (readonly (Uint8Array | null)[])[]): this {
    this.#count(shape, rows.length);
    this.#frames.rows(shape, Buffer.concat(rows.map(copied)));
    return this;
  }

  record(head: Json, payload: string | Uint8Array): this {
    this.#frames.headed("record", head, Buffer.from(payload));
    return this;
  }

  bytes(more: Readonly<Record<string, number>> = {}): Buffer {
    const rows = { ...Object.fromEntries(this.#rows), ...more };
    const { frameCount } = this.#frames;
    this.#frames.json("end", { to: this.#at, frames: frameCount, rows });
    return Buffer.from(this.#frames.take(true));
  }

  /** Rows so far of a shape's table. */
  countOf(shape: number): number {
    return this.#rows.get(this.#tables.get(shape) ?? "") ?? 0;
  }

  #count(shape: number, rows: number): void {
    const table = this.#tables.get(shape);
    if (table !== undefined) this.#rows.set(table, (this.#rows.get(table) ?? 0) + rows);
  }
}

export const RELATION = int32(16_385);

function oldTuple(before: {
  readonly key?: readonly Sent[];
  readonly old?: readonly Sent[];
}): readonly (string | Uint8Array)[] {
  if (before.key !== undefined) return ["K", tuple(before.key)];
  return before.old === undefined ? [] : ["O", tuple(before.old)];
}

/** A row as a message has it. */
export function tuple(row: readonly Sent[]): Buffer {
  const cells = row.map((value) => {
    if (value === null) return Buffer.from("n");
    if (typeof value === "symbol") return Buffer.from("u");
    const bytes = Buffer.from(value);
    const mark = typeof value === "string" ? "t" : "b";
    return Buffer.concat([Buffer.from(mark), int32(bytes.length), bytes]);
  });
  return Buffer.concat([int16(row.length), ...cells]);
}

/** A row as a copy of a table has it. */
export function copied(row: readonly (Uint8Array | null)[]): Buffer {
  const cells = row.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(value.length), value]),
  );
  return Buffer.concat([int16(row.length), ...cells]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
