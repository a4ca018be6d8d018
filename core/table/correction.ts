/** What is put right in rows as they are read: a rule of a project over a range of what landed. */

/** Half-open, in milliseconds with microseconds as their fraction; null is unbounded. */
export interface TimeRange {
  /** A date or timestamp column of the rows. */
  readonly column: string;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** The same bounds on the wall, for columns without a zone; absent, they are those instants in the session's zone. */
  readonly wall?: { readonly fromMs: number | null; readonly toMs: number | null };
}

/** One correction, as plain data: all that reading rows under it takes. Its hash names what it does, and no file. */
export interface Correction {
  readonly name: string;
  /** sha256 of its input, its range and its statement. */
  readonly hash: string;
  /** Where its statement begins. */
  readonly file: string;
  readonly line: number;
  /** Rows of these batches alone; empty: of any. */
  readonly batches: readonly string[];
  /** Rows of files that are called like one of these; empty: of any. */
  readonly files: readonly string[];
  readonly time: TimeRange | null;
  /** Values to put in the place of columns, as SQL over the row; null: the rows are taken out. */
  readonly sets: readonly { readonly column: string; readonly sql: string }[] | null;
  /** SQL over the row; null: every row of the range. */
  readonly where: string | null;
}

/** How a table is read: through which corrections, in this order. */
export interface Corrected {
  readonly by: readonly Correction[];
  /** Rows of the ranges of these alone are of interest; absent: all rows are. */
  readonly within?: readonly Correction[];
  /** Rows of this range alone, as they are after all; absent: all rows. */
  readonly range?: TimeRange & { readonly where?: string };
}
