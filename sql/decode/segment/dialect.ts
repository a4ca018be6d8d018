/** How the frames of a segment are read that a kind of database wrote: its messages, its rows, its values. */

import type { SegmentShape } from "../../../core/ingest/segment.ts";
import type { WireType } from "../../../core/ingest/wire-type.ts";
import type { Type } from "../../../core/table/types.ts";
import type { CellPlaces, CellReader, CellWriters } from "./cell.ts";

/** What a message does, in Debezium's letters. */
export type MessageOp = "c" | "u" | "d" | "t" | "m";

/** A change of one row taken apart; used again for the next one. */
export interface FeedChange {
  readonly op: MessageOp;
  /** Where the values stand. */
  readonly bytes: Buffer;
  /** The new row; of a delete nothing. */
  readonly after: CellPlaces;
  /** What was sent of the old row. */
  readonly before: CellPlaces;
  /** All of the old row may have been sent, or only what it is found by. */
  readonly isWhole: boolean;
  readonly hasBefore: boolean;
}

/** One that is a message of its own. */
export interface FeedMessage extends FeedChange {
  /** Reads one of a shape, or, of one that is not known, what it does. Throws RangeError where the bytes are none. */
  read(bytes: Buffer, from: number, until: number, shape: SegmentShape | undefined): void;
}

/** Changes of an event, one after the other. */
export interface FeedEvent extends FeedChange {
  /** Begins with an event. Throws RangeError where the bytes are none. */
  open(bytes: Buffer, from: number, until: number, shape: SegmentShape): void;
  /** Reads the next one; false when there is none. Throws RangeError: nothing behind it is known then. */
  next(): boolean;
  /** Changes of an event; what is none counts as one, and as the last. */
  count(bytes: Buffer, from: number, until: number, shape: SegmentShape): number;
}

/** Rows that were there already, one behind the other. */
export interface CopiedRows {
  readonly cells: CellPlaces;
  /** Reads the row that begins at `at`; answers where it ends. Throws RangeError. */
  read(bytes: Buffer, at: number, until: number, shape: SegmentShape | undefined): number;
}

export interface FeedDialect {
  message(): FeedMessage;
  /** Null where frames hold none. */
  event(): FeedEvent | null;
  copied(): CopiedRows;
  /** Reads the column `name` for a table's column of `type`. */
  cellReader(name: string, wire: WireType, type: Type): CellReader;
  /** The writers of a column; null for one whose rows are all to be looked at. */
  cellWriters(wire: WireType, type: Type): CellWriters | null;
}
