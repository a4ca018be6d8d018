/** Rows of a segment as a test reads them: values as text, in the order in which they stand in it. */

import { readFile } from "node:fs/promises";
import { crc32 } from "node:zlib";
import {
  FRAME,
  FrameCursor,
  frameJson,
  readEnd,
  readHeader,
  readShape,
  readSnapshot,
  readTransaction,
  SEGMENT_MAGIC,
  type SegmentShape,
  shapeNumber,
} from "../../core/ingest/segment.ts";
import { MessageFields } from "../../storage/sources/postgres/pgoutput.ts";

export interface SegmentRow {
  readonly table: string;
  /** Debezium's letters: c u d r t m. */
  readonly op: string;
  /** Position and place. */
  readonly position: string;
  readonly xid: string;
  /** The new row; of a deleted one what was sent of the old. `undefined` became "(unchanged)". */
  readonly values: readonly (string | null)[];
  /** What was sent of the old row of an update. */
  readonly before: readonly (string | null)[] | null;
  readonly shape: SegmentShape;
}

export const UNCHANGED = "(unchanged)";

/** Every row. Throws for a segment that is torn, or whose counts are wrong. */
export async function rowsOf(path: string): Promise<readonly SegmentRow[]> {
  const bytes = await readFile(path);
  const reader = new Reader();
  const frames = [...framesOf(bytes)];
  const { late } = readHeader(frameJson(frames[0]?.payload ?? bytes));
  const last = frames.find(({ kind }) => kind === FRAME.transaction);
  if (late !== undefined && last !== undefined) reader.begin(last.payload, late.firstPlace);
  const counts = new Map<string, number>();
  let isEnded = false;
  for (const { kind, payload } of frames) {
    if (kind === FRAME.transaction && late !== undefined) continue;
    if (kind === FRAME.end) {
      isEnded = true;
      for (const row of reader.rows.filter(({ op, xid }) => op !== "t" || xid !== ""))
        counts.set(row.table, (counts.get(row.table) ?? 0) + 1);
      const claimed = Object.entries(readEnd(frameJson(payload)).rows).filter(([, n]) => n > 0);
      const found = [...counts].filter(([table]) => !table.startsWith("("));
      if (JSON.stringify(claimed.toSorted()) !== JSON.stringify(found.toSorted()))
        throw new Error(`claimed ${JSON.stringify(claimed)}, found ${JSON.stringify(found)}`);
    } else reader.take(kind, payload);
  }
  if (!isEnded) throw new Error("the segment is torn");
  return reader.rows;
}

/** Every shape, in order. */
export async function shapesOf(path: string): Promise<readonly SegmentShape[]> {
  const bytes = await readFile(path);
  return [...framesOf(bytes)]
    .filter(({ kind }) => kind === FRAME.shape)
    .map(({ payload }) => readShape(frameJson(payload)));
}

function* framesOf(bytes: Uint8Array): Generator<{ kind: number; payload: Uint8Array }> {
  const cursor = new FrameCursor(crc32);
  let at = SEGMENT_MAGIC.length;
  while (cursor.read(bytes, at, bytes.length)) {
    const { kind, start, end } = cursor;
    at = cursor.next;
    yield { kind, payload: bytes.subarray(start, end) };
  }
}

class Reader {
  readonly rows: SegmentRow[] = [];
  readonly #shapes = new Map<number, SegmentShape>();
  #position = "";
  #xid = "";
  #place = 0;

  begin(payload: Uint8Array, place: number): void {
    const { position, xid } = readTransaction(frameJson(payload));
    this.#position = position;
    this.#xid = xid;
    this.#place = place;
  }

  take(kind: number, payload: Uint8Array): void {
    if (kind === FRAME.shape) {
      const shape = readShape(frameJson(payload));
      this.#shapes.set(shape.shape, shape);
    } else if (kind === FRAME.transaction) {
      this.begin(payload, 0);
    } else if (kind === FRAME.snapshot) {
      const { position, table, firstRow, replaces } = readSnapshot(frameJson(payload));
      this.#position = position;
      this.#xid = "";
      this.#place = firstRow;
      const shape = [...this.#shapes.values()].findLast(
        (one) => `${one.schema}.${one.table}` === table,
      );
      // Sorts before all rows of its position.
      if (replaces === true && shape !== undefined) {
        const cut = { table, op: "t", position, xid: "", values: [], before: null, shape };
        this.rows.push(cut);
      }
    } else if (kind === FRAME.message) this.#message(payload);
    else if (kind === FRAME.rows) this.#copied(payload);
  }

  #push(
    shape: SegmentShape,
    op: string,
    values: readonly (string | null)[],
    before: SegmentRow["before"] = null,
  ): void {
    const table = `${shape.schema}.${shape.table}`;
    const position = `${this.#position}-${this.#place.toString(16).padStart(8, "0")}`;
    this.#place += 1;
    this.rows.push({ table, op, position, xid: this.#xid, values, before, shape });
  }

  #message(payload: Uint8Array): void {
    const shape = this.#shape(payload);
    const fields = new MessageFields(payload, 4, payload.length);
    const type = String.fromCharCode(fields.u8());
    if (type === "T") this.#push(shape, "t", []);
    else if (type === "M") {
      fields.u8();
      fields.u64();
      const prefix = fields.text();
      this.#push(shape, "m", [prefix, bytesOf(payload, fields, fields.u32())]);
    } else this.#change(type, shape, payload, fields);
  }

  #change(type: string, shape: SegmentShape, payload: Uint8Array, fields: MessageFields): void {
    fields.u32();
    let part = String.fromCharCode(fields.u8());
    let before: SegmentRow["before"] = null;
    if (part === "K" || part === "O") {
      before = tuple(payload, fields);
      if (type !== "D") part = String.fromCharCode(fields.u8());
    }
    if (type === "D") this.#push(shape, "d", before ?? []);
    else this.#push(shape, type === "I" ? "c" : "u", tuple(payload, fields), before);
  }

  #copied(payload: Uint8Array): void {
    const shape = this.#shape(payload);
    const fields = new MessageFields(payload, 4, payload.length);
    while (fields.left > 0) {
      const count = fields.u16();
      if (count !== shape.columns.length) throw new Error(`${count} values in a row`);
      const values = shape.columns.map(({ binary, wire }) => {
        const length = fields.i32();
        if (length === -1) return null;
        const start = payload.length - fields.left;
        for (let left = length; left > 0; left--) fields.u8();
        const bytes = payload.subarray(start, start + length);
        return binary === true ? binaryText(bytes, wire.oid) : new TextDecoder().decode(bytes);
      });
      this.#push(shape, "r", values);
    }
  }

  #shape(payload: Uint8Array): SegmentShape {
    const shape = this.#shapes.get(shapeNumber(payload, 0));
    if (shape === undefined) throw new Error("a row comes before its shape");
    return shape;
  }
}

function tuple(payload: Uint8Array, fields: MessageFields): (string | null)[] {
  return Array.from({ length: fields.u16() }, () => {
    const mark = String.fromCharCode(fields.u8());
    if (mark === "n") return null;
    if (mark === "u") return UNCHANGED;
    return bytesOf(payload, fields, fields.u32());
  });
}

function bytesOf(payload: Uint8Array, fields: MessageFields, length: number): string {
  const start = payload.length - fields.left;
  for (let left = length; left > 0; left--) fields.u8();
  return new TextDecoder().decode(payload.subarray(start, start + length));
}

/** Whole numbers and truth values as text; anything else as hexadecimal. */
function binaryText(bytes: Uint8Array, oid: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (oid === 16) return bytes[0] === 1 ? "t" : "f";
  if (oid === 20) return String(view.getBigInt64(0));
  if (oid === 21) return String(view.getInt16(0));
  if (oid === 23) return String(view.getInt32(0));
  return `0x${Buffer.from(bytes).toString("hex")}`;
}
