/** Values of rows in the bytes that were received: where they stand, and what reads them, of any database. */

import type { QuarantineReason } from "../../../core/ingest/quarantine.ts";
import type { Exact } from "../lossless/exact-value.ts";
import type { PartColumn } from "../made/column-part.ts";

/** What stands in the place of a value. */
export const CELL = { null: 0, unchanged: 1, text: 2, binary: 3 } as const;

/** Where the values of one row stand; used again for every row. */
export interface CellPlaces {
  readonly count: number;
  /** Of the value at `index`: one of CELL; null beyond the last. */
  kind(index: number): number;
  start(index: number): number;
  end(index: number): number;
}

/** A value that cannot be read, and with it its row. */
export class UnreadableCell extends Error {
  readonly reason: QuarantineReason;
  readonly column: string;

  constructor(reason: QuarantineReason, column: string, message: string) {
    super(message);
    this.reason = reason;
    this.column = column;
  }
}

/** The value at `index` of the cells, which stand in `bytes`; null where none was sent. Throws UnreadableCell. */
export type CellReader = (bytes: Buffer, cells: CellPlaces, index: number) => Exact;

/** Adds the value in these bytes to the column; false for one to be looked at: the column is of no use then. */
export type CellWriter = (bytes: Buffer, start: number, end: number, to: PartColumn) => boolean;

export interface CellWriters {
  readonly text: CellWriter;
  readonly binary: CellWriter;
}
