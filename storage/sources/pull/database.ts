/** A database as it is pulled from: what its tables are, and rows of them, page by page. */

import { LakeError } from "../../../core/base/errors.ts";
import type { SegmentShape } from "../../../core/ingest/segment.ts";

/** A row's values in the order of the columns, as PostgreSQL writes them; null is NULL. */
export type RowTexts = readonly (string | null)[];

export interface PulledTable {
  /** As the settings name it. */
  readonly name: string;
  readonly columns: SegmentShape["columns"];
  /** Columns that name a row, in order; empty: none do. */
  readonly key: readonly string[];
  /** Columns that may be NULL. */
  readonly nullable: ReadonlySet<string>;
  /** Columns that an index begins with. */
  readonly indexed: ReadonlySet<string>;
}

export interface PageRow {
  readonly values: RowTexts;
  readonly cursor: string | null;
  /** Where it stands: what `after` takes. */
  readonly at: readonly string[];
}

export interface PageAsk {
  readonly cursor: string;
  readonly key: readonly string[];
  /** The smallest cursor that counts; null: all do. Of rows without a cursor: none is asked about. */
  readonly from: string | null;
  /** Rows behind this one, in the order of cursor and key. */
  readonly after: readonly string[] | null;
  /** Rows without a cursor, in the order of their key. */
  readonly hasCursor: boolean;
  readonly rows: number;
}

export interface PullDatabase {
  /**
   * How rows are laid out and values written, as the header of a segment names it: `pull` as COPY BINARY and
   * PostgreSQL, `mysql` as answers of a server of MySQL, whose bytes are a character each.
   */
  readonly dialect: "pull" | "mysql";
  /** Throws `not-found` for a table that is not there. */
  describe(table: string): Promise<PulledTable>;
  page(table: PulledTable, ask: PageAsk): Promise<readonly PageRow[]>;
  /** All rows as of one moment, some at a time. */
  all(table: PulledTable, onRows: (rows: readonly RowTexts[]) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** A table that the settings name and the database has not. */
export function absent(table: string, database: string): LakeError {
  return new LakeError("not-found", `there is no table ${table} in ${database}`, {
    hint: "correct its name, with its schema where it is another one: tables: of the source",
    scope: "source",
  });
}
