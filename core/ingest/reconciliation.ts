/** What comparisons of sources with what was delivered found, as they are kept. */

import type { TableName } from "../table/types.ts";

/** A window, or one file, whose rows are not the same on both sides. */
export interface ReconciledWindow {
  /** As people read it. */
  readonly window: string;
  readonly rowsThere: number;
  readonly rowsHere: number;
  readonly differing: number;
  /** Some of the keys that only one of both has, and of those whose values differ, with the columns. */
  readonly missing: readonly string[];
  readonly extra: readonly string[];
  readonly changed: readonly { readonly key: string; readonly columns: readonly string[] }[];
  /** What else is to be said of it; null: nothing. */
  readonly note: string | null;
}

/** One table against one side that it was compared with. */
export interface Reconciliation {
  /** In the ledger. */
  readonly source: string;
  readonly table: TableName;
  /** The source itself, the ledger's account of it, or the feed that a model is made of. */
  readonly against: "source" | "ledger" | "feed";
  readonly atMs: number;
  /** As of where both were looked at. */
  readonly position: string;
  readonly rowsThere: number;
  readonly rowsHere: number;
  readonly differing: number;
  /** Columns whose values were not compared. */
  readonly uncompared: readonly string[];
  /** Those that are not the same. */
  readonly windows: readonly ReconciledWindow[];
}

/** One that was kept. */
export interface KeptReconciliation extends Reconciliation {
  /** The last time that nothing differed, this one included; null: never yet. */
  readonly verifiedMs: number | null;
}

/** Kept comparisons. They are no truth: a lake without them only says less. */
export interface ReconciliationStore {
  record(reconciliations: readonly Reconciliation[]): Promise<void>;
  /** The last of each source, table and side. */
  latest(): Promise<readonly KeptReconciliation[]>;
}

/** Rows that differ, of all. */
export function differingShare({ rowsThere, rowsHere, differing }: Reconciliation): number {
  return differing === 0 ? 0 : differing / Math.max(rowsThere, rowsHere, 1);
}

/** True where more than `threshold` of the rows differ. */
export function isAlarm(reconciliation: Reconciliation, threshold: number): boolean {
  return differingShare(reconciliation) > threshold;
}
