/** Rows of the log, one by one: cut out of their events as they were received. MySQL, "Rows_event". */

import { inflateSync } from "node:zlib";
import { bitmapBytes, PLACE, RowImage } from "../../../core/ingest/binlog-row.ts";
import { damaged, EVENT, type EventHead } from "./binlog-event.ts";
import { Fields } from "./packets.ts";
import type { LoggedTable } from "./shapes.ts";

export interface RowsHead {
  readonly table: number;
  /** Rows that foreign keys change with these are in the log too, or none are: keys were not looked at. */
  readonly isAlone: boolean;
}

/** What happened to rows, in the letters that a segment has. */
export const ROW = { insert: 0x49, update: 0x55, delete: 0x44, truncate: 0x54 } as const;

const KINDS: ReadonlyMap<number, { readonly op: number; readonly version: 1 | 2 }> = new Map([
  [EVENT.writeV1, { op: ROW.insert, version: 1 }],
  [EVENT.updateV1, { op: ROW.update, version: 1 }],
  [EVENT.deleteV1, { op: ROW.delete, version: 1 }],
  [EVENT.writeV2, { op: ROW.insert, version: 2 }],
  [EVENT.updateV2, { op: ROW.update, version: 2 }],
  [EVENT.deleteV2, { op: ROW.delete, version: 2 }],
  [EVENT.mariaWriteCompressed, { op: ROW.insert, version: 1 }],
  [EVENT.mariaUpdateCompressed, { op: ROW.update, version: 1 }],
  [EVENT.mariaDeleteCompressed, { op: ROW.delete, version: 1 }],
]);
/** Flags of an event: who wrote it did not look at foreign keys, or does what they say by statements of its own. */
const FOREIGN_KEY_FLAGS = { unchecked: 2, logged: 16 } as const;

/** The rows of events; used again for every event. */
export class RowsReader {
  readonly #before = new RowImage();
  readonly #after = new RowImage();
  #row = new Uint8Array(1024);

  /** True for a type of event that has rows. */
  static isRows(type: number): boolean {
    return KINDS.has(type);
  }

  /** Which table it is of: what stands in front of the rows. */
  head(event: EventHead, tableBytes: number): RowsHead {
    const fields = event.fields;
    const table = fields.uint(tableBytes);
    const { unchecked, logged } = FOREIGN_KEY_FLAGS;
    return { table, isAlone: (fields.uint(2) & (unchecked | logged)) !== 0 };
  }

  /** What it does to its rows, as in ROW. */
  opOf(event: EventHead): number {
    return KINDS.get(event.type)?.op ?? 0;
  }

  /**
   * Hands over each row: the bitmaps of the columns that are there, then the images. `keysChanged` says of an update
   * whether one of these columns did.
   */
  each(
    event: EventHead,
    tableBytes: number,
    { layout }: LoggedTable,
    take: (
      op: number,
      row: Uint8Array,
      keysChanged: (columns: readonly number[]) => boolean,
    ) => void,
  ): void {
    const kind = KINDS.get(event.type);
    if (kind === undefined) return;
    const fields = event.fields;
    fields.skip(tableBytes + 2);
    if (kind.version === 2) fields.skip(fields.uint(2) - 2);
    const count = fields.length();
    if (count !== layout.length) throw damaged("rows have more columns than their table, or fewer");
    const width = bitmapBytes(count);
    const isUpdate = kind.op === ROW.update;
    const bitmaps = fields.take(isUpdate ? 2 * width : width);
    const isCompressed = event.type >= EVENT.mariaWriteCompressed;
    const bytes = isCompressed ? uncompressed(fields.rest()) : event.bytes;
    const end = isCompressed ? bytes.length : event.end;
    // The images are read with their bitmaps in front of them, where a segment has them too.
    let at = isCompressed ? 0 : fields.at;
    const keysChanged = (columns: readonly number[]) => this.#differ(bytes, columns);
    while (at < end) {
      const from = at;
      at = this.#image(this.#before, bytes, at, end, layout, bitmaps.subarray(0, width));
      if (isUpdate) at = this.#image(this.#after, bytes, at, end, layout, bitmaps.subarray(width));
      take(kind.op, this.#joined(bitmaps, bytes, from, at), keysChanged);
    }
  }

  #image(
    image: RowImage,
    bytes: Uint8Array,
    at: number,
    end: number,
    layout: LoggedTable["layout"],
    present: Uint8Array,
  ): number {
    try {
      return image.read(bytes, at, end, layout, present, 0);
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      throw damaged(thrown.message);
    }
  }

  /** Valid until the next row. */
  #joined(bitmaps: Uint8Array, bytes: Uint8Array, from: number, until: number): Uint8Array {
    const length = bitmaps.length + until - from;
    if (length > this.#row.length) this.#row = new Uint8Array(2 * length);
    this.#row.set(bitmaps);
    this.#row.set(bytes.subarray(from, until), bitmaps.length);
    return this.#row.subarray(0, length);
  }

  #differ(bytes: Uint8Array, columns: readonly number[]): boolean {
    return columns.some((index) => {
      const [before, after] = [this.#before, this.#after];
      if (after.kind(index) === PLACE.absent) return false;
      if (before.kind(index) !== after.kind(index)) return true;
      const length = before.end(index) - before.start(index);
      if (length !== after.end(index) - after.start(index)) return true;
      for (let at = 0; at < length; at++) {
        if (bytes[before.start(index) + at] !== bytes[after.start(index) + at]) return true;
      }
      return false;
    });
  }
}

const LENGTH_BITS = 7;

/** What MariaDB has compressed: a byte that says how long the length is, the length, then zlib. */
export function uncompressed(bytes: Uint8Array): Uint8Array {
  const fields = new Fields(bytes, 0, bytes.length);
  const width = fields.uint(1) & LENGTH_BITS;
  let length = 0;
  for (const byte of fields.take(width)) length = length * 256 + byte;
  const whole = inflateSync(fields.rest());
  if (whole.length !== length) throw damaged("compressed bytes are of another length");
  return whole;
}
