/** What a contract document states of one table, whatever its format. */

import type { ContractColumn, ContractNotes } from "../ingest/contract.ts";

/** Columns, all of them declared, and what else the document says. */
export interface StatedContract {
  readonly columns: readonly ContractColumn[];
  readonly notes: ContractNotes;
}

/** What a document is asked for. */
export interface DocumentQuestion {
  /** Words that its entry for the table may be called by, where it has several; the first is the table's own. */
  readonly names: readonly string[];
}
