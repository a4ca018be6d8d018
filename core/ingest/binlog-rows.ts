/**
 * The rows of one event of a binary log, one after the other. Pure: who receives events follows foreign keys by it, who
 * decodes them reads the rows by it. MySQL, "Binary Log Event", Rows_event; MariaDB, "Rows_log_event".
 */

import { bitmapBytes, type ImageLayout, RowImage, uintAt } from "./binlog-row.ts";

/** Bytes in front of what an event holds: when, what, by whom, how long, where it ends, flags. */
export const EVENT_HEAD_BYTES = 19;

/** Types of events that hold rows, by their number: MySQL's of two versions, and MariaDB's that are compressed. */
export const ROWS_EVENT = {
  writeV1: 23,
  updateV1: 24,
  deleteV1: 25,
  writeV2: 30,
  updateV2: 31,
  deleteV2: 32,
  mariaWriteCompressed: 166,
  mariaUpdateCompressed: 167,
  mariaDeleteCompressed: 168,
} as const;

/** What an event does to its rows, in Debezium's letters. */
export type RowsOp = "c" | "u" | "d";

interface Kind {
  readonly op: RowsOp;
  /** More stands in front of the rows, behind its length. */
  readonly isExtended: boolean;
  readonly isCompressed: boolean;
}

const KINDS: ReadonlyMap<number, Kind> = new Map([
  [ROWS_EVENT.writeV1, { op: "c", isExtended: false, isCompressed: false }],
  [ROWS_EVENT.updateV1, { op: "u", isExtended: false, isCompressed: false }],
  [ROWS_EVENT.deleteV1, { op: "d", isExtended: false, isCompressed: false }],
  [ROWS_EVENT.writeV2, { op: "c", isExtended: true, isCompressed: false }],
  [ROWS_EVENT.updateV2, { op: "u", isExtended: true, isCompressed: false }],
  [ROWS_EVENT.deleteV2, { op: "d", isExtended: true, isCompressed: false }],
  [ROWS_EVENT.mariaWriteCompressed, { op: "c", isExtended: false, isCompressed: true }],
  [ROWS_EVENT.mariaUpdateCompressed, { op: "u", isExtended: false, isCompressed: true }],
  [ROWS_EVENT.mariaDeleteCompressed, { op: "d", isExtended: false, isCompressed: true }],
]);

/** Bytes of the number of a table, which the log has told of before. */
export const TABLE_NUMBER_BYTES = 6;
const FLAGS_BYTES = 2;

/** What `deflate` of zlib has made, whole: of at most `length` bytes. Throws for what it has not. */
export type Inflate<Bytes extends Uint8Array> = (bytes: Uint8Array, length: number) => Bytes;

/** True for a type of event that has rows. */
export function hasRows(type: number): boolean {
  return KINDS.has(type);
}

/** Used again for every event. */
export class EventRows<Bytes extends Uint8Array = Uint8Array> {
  readonly before = new RowImage();
  readonly after = new RowImage();
  readonly #inflate: Inflate<Bytes>;
  op: RowsOp = "c";
  /** Where the values of the rows stand. */
  bytes: Bytes | null = null;
  #layout: ImageLayout = new Int32Array();
  /** Which columns are there: bitmaps of the old rows, and of the new ones. */
  #present: Uint8Array = new Uint8Array();
  #presentBefore = 0;
  #presentAfter = 0;
  #at = 0;
  #end = 0;

  constructor(inflate: Inflate<Bytes>) {
    this.#inflate = inflate;
  }

  /** Begins with an event, which ends where its check sum would stand. Throws RangeError for one that is none. */
  open(event: Bytes, start: number, end: number, layout: ImageLayout): void {
    this.#at = 0;
    this.#end = 0;
    const kind = KINDS.get(event[start + 4] ?? 0);
    if (kind === undefined)
      throw new RangeError(`an event of type ${event[start + 4]} has no rows`);
    this.op = kind.op;
    let at = start + EVENT_HEAD_BYTES + TABLE_NUMBER_BYTES + FLAGS_BYTES;
    if (kind.isExtended) at += uintAt(event, at, 2);
    const { value: count, next } = lengthAt(event, at);
    if (count !== layout.length) {
      throw new RangeError(`rows of ${count} values where ${layout.length} belong`);
    }
    const width = bitmapBytes(count);
    this.#layout = layout;
    this.#present = event;
    this.#presentBefore = next;
    this.#presentAfter = kind.op === "u" ? next + width : next;
    at = this.#presentAfter + width;
    if (at > end) throw new RangeError("the event ends early");
    this.bytes = kind.isCompressed ? uncompressed(event, at, end, this.#inflate) : event;
    this.#at = kind.isCompressed ? 0 : at;
    this.#end = kind.isCompressed ? this.bytes.length : end;
  }

  /** Reads the next row; false when there is none. Throws RangeError where the bytes are none. */
  next(): boolean {
    const { op, bytes } = this;
    const from = this.#at;
    if (bytes === null || from >= this.#end) return false;
    let at = from;
    if (op === "c") this.before.clear();
    else at = this.#image(this.before, bytes, at, this.#presentBefore);
    if (op === "d") this.after.clear();
    else at = this.#image(this.after, bytes, at, this.#presentAfter);
    if (at === from) throw new RangeError("a row without bytes");
    this.#at = at;
    return true;
  }

  /** Rows of an event; what is no row is one, and the last. */
  count(event: Bytes, start: number, end: number, layout: ImageLayout): number {
    let count = 0;
    try {
      this.open(event, start, end, layout);
      while (this.next()) count += 1;
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      count += 1;
    }
    return count;
  }

  #image(image: RowImage, bytes: Uint8Array, at: number, present: number): number {
    return image.read(bytes, at, this.#end, this.#layout, this.#present, present);
  }
}

const LENGTH_2 = 0xfc;
const LENGTH_3 = 0xfd;

/** A number behind a byte that says how long it is. MySQL, "Protocol::LengthEncodedInteger". */
function lengthAt(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly next: number } {
  const first = bytes[at] ?? Number.NaN;
  if (first < LENGTH_2) return { value: first, next: at + 1 };
  const width = first === LENGTH_2 ? 2 : 3;
  if (first > LENGTH_3) throw new RangeError("a table has no more than 4,096 columns");
  return { value: uintAt(bytes, at + 1, width), next: at + 1 + width };
}

const LENGTH_BITS = 7;

/**
 * What MariaDB has compressed: a byte that says how long the length is, the length, then zlib. Throws RangeError where
 * it is none of that.
 */
export function uncompressed<Bytes extends Uint8Array>(
  bytes: Uint8Array,
  start: number,
  end: number,
  inflate: Inflate<Bytes>,
): Bytes {
  const from = start + 1 + ((bytes[start] ?? 0) & LENGTH_BITS);
  let length = 0;
  for (let at = start + 1; at < from; at++) length = length * 256 + (bytes[at] ?? 0);
  const whole = inflatedBy(inflate, bytes.subarray(from, end), length);
  if (whole.length !== length) throw new RangeError("compressed bytes are of another length");
  return whole;
}

function inflatedBy<Bytes extends Uint8Array>(
  inflate: Inflate<Bytes>,
  bytes: Uint8Array,
  length: number,
): Bytes {
  try {
    return inflate(bytes, length);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new RangeError(`compressed bytes are none: ${why}`);
  }
}
