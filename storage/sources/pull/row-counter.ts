/** What counts and sums the rows of tables that are pulled. */

import type { CountAsk, CountedTable, RowSums, ValueSums } from "../../../core/ingest/reconcile.ts";
import type { CountedBy } from "../compared-columns.ts";

/** A database whose rows are summed where they are. */
export interface RowCounter {
  /** Or why the table cannot be compared. */
  count(ask: CountAsk, by: CountedBy): Promise<CountedTable | string>;
  rowsOf(table: CountedTable, window: string): Promise<RowSums>;
  valuesOf(table: CountedTable, window: string, keys: readonly string[]): Promise<ValueSums>;
  close(): Promise<void>;
}
