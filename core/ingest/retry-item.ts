/** Rows that are retried, and what reading their files again comes to. */

import type { RejectExample, StagedFile } from "../engine.ts";
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
}

export interface RetryOptions {
  /** Fields to set in every row, by SQL over its fields: `amount = replace(amount, ',', '.')`. */
  readonly set: string | null;
  /** Everything but the commit. */
  readonly dryRun: boolean;
  /** Nothing is published once it aborts. */
  readonly signal: AbortSignal;
  /**
   * Files that were read as they are and had no more to land, kept over the parts of one retry: however many of their
   * rows are asked for, each is read once. Absent: rows are corrected, or there is one part.
   */
  readonly settled?: Set<string>;
}

/** A row that was left alone, and why; null: it does not fit, as it did not before. */
export interface NotRetried {
  readonly id: string;
  readonly why: string | null;
}

/** The rows of one file that are retried. */
export interface RowsOfFile {
  readonly file: LedgerFile;
  readonly items: readonly RetryItem[];
}

/** What reading one file again comes to. */
export interface RetriedFile {
  readonly before: LedgerFile;
  readonly after: LedgerFile;
  readonly landed: readonly RetryItem[];
  readonly failed: readonly NotRetried[];
  /** Positions that were not asked for. */
  readonly besides: readonly string[];
}

/** Files that were read together. Rows are staged of those alone of which something landed. */
export interface RetriedPart {
  readonly files: readonly RetriedFile[];
  readonly target: LandingTable;
  readonly staged: readonly StagedFile[];
  /** Rows that are set aside only now. */
  readonly rejects: readonly StagedFile[];
  /** The rows that the files had make way; false where the staged ones stand beside them. */
  readonly isWhole: boolean;
  readonly contract: Contract | null;
  /** The first rows that do not fit still. */
  readonly still: readonly RejectExample[];
}

/** What a file is called among those that are settled. */
export function placeOf({ landsAs, file }: Pick<LedgerFile, "landsAs" | "file">): string {
  return `${landsAs}\n${file}`;
}

/** Those of which something landed. */
export function goodFiles({ files }: RetriedPart): readonly RetriedFile[] {
  return files.filter(({ landed }) => landed.length > 0);
}
