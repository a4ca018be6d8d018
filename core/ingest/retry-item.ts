/** Rows that are retried, and what reading their files again comes to. */

import type { StagedFile } from "../engine.ts";
import type { LandingTable } from "./bronze-table.ts";
import type { Contract } from "./contract.ts";
import type { LedgerFile } from "./ledger.ts";

/** A quarantined row, and what is to be read in its place. */
export interface RetryItem {
  readonly id: string;
  /** The batch that the rows of its file carry. */
  readonly batch: string;
  /** The drop it came from. */
  readonly file: string;
  /** `line 88`, `row 12`, or `file`. */
  readonly position: string;
  readonly reason: string;
  /** As it was kept to be shown: perhaps cut, perhaps with bytes written as `\xNN`. */
  readonly raw: string;
  /** The whole text to read in its place; null: the row as it stands in its file. */
  readonly text: string | null;
  /** One field to set in it: `column=value`. */
  readonly set: string | null;
}

/** A row that was left alone, and why; null: it does not fit, as it did not before. */
export interface NotRetried {
  readonly id: string;
  readonly why: string | null;
}

/** What reading one file again comes to. */
export interface RetriedFile {
  readonly before: LedgerFile;
  readonly after: LedgerFile;
  readonly target: LandingTable;
  readonly staged: readonly StagedFile[];
  /** Rows that are set aside only now. */
  readonly rejects: readonly StagedFile[];
  /** The rows that the file had make way; false where the staged ones stand beside them. */
  readonly isWhole: boolean;
  readonly landed: readonly RetryItem[];
  readonly failed: readonly NotRetried[];
  /** Positions that were not asked for. */
  readonly besides: readonly string[];
  readonly contract: Contract | null;
}
