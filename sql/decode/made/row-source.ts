/** A file whose rows are made here, one by one: what the readers of such formats hand to the decoder. */

import type { QuarantineReason } from "../../../core/ingest/quarantine.ts";
import type { TextMeaning } from "../lossless/exact-fit.ts";
import type { Exact } from "../lossless/exact-value.ts";
import type { WholeFile, WholeTarget } from "./whole-file.ts";

export interface RowFault {
  readonly reason: QuarantineReason;
  readonly column: string | null;
  readonly message: string;
  /** It is a value where none was seen before. */
  readonly isFirst?: boolean;
}

export interface SourceRow {
  /** Position in the drop, from 1. */
  readonly row: number;
  /** The line that it stands in, of a text whose positions are lines; absent: it is known by its row. */
  readonly line?: number;
  /** How it stands in the drop, where that is a text; absent: it is shown as JSON of its values. */
  readonly raw?: string;
  /** One value a name of the source; more are values without a name, and then there is a fault. */
  readonly values: readonly Exact[];
  /** What is wrong with the row whatever the table looks like. */
  readonly fault: RowFault | null;
}

export interface RowBatch {
  readonly rows: readonly SourceRow[];
  /** Plain bytes of the rows, roughly: bounds what is held in memory. */
  readonly bytes: number;
}

/** Where all rows of a file go. */
export interface WholeRows {
  readonly target: WholeTarget;
  /** Sets aside the row of this number, as it stands in the file. */
  readonly reject: (row: number, fault: RowFault, raw: string) => void;
}

export interface RowSource {
  readonly names: readonly string[];
  /** What texts may stand for in columns of other types. */
  readonly text: TextMeaning;
  /** What of the file is not among the rows, in words for the ledger, once all are read; absent: nothing. */
  readonly unread?: string | undefined;
  /**
   * The text of a corrected row as it would stand in the file; null where it is none, but JSON by the names. `row` is
   * what it stands for, one of those that were read last.
   */
  parse?(text: string, row: SourceRow): Pick<SourceRow, "values" | "fault"> | null;
  /** Writes all rows without looking at each; null, and nothing is left, where that cannot be. Throws Unreadable. */
  writeWhole?(rows: WholeRows): Promise<WholeFile | null>;
  /** The rows in their order, at most BATCH_ROWS at once. Throws Unreadable. */
  read(): AsyncIterable<RowBatch>;
}

/** Rows of one batch at most: a vector of DuckDB. */
export const BATCH_ROWS = 2048;
