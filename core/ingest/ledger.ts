/** The ledger: what became of every file and every batch; the truth a listing is compared with. */

import type { Dialect, TextEnd } from "../engine.ts";
import type { Contract, ContractColumn, DriftEvent } from "./contract.ts";
import type { RowPlace } from "./quarantine.ts";

export type FileOutcome = "landed" | "quarantined" | "duplicate" | "replaced" | "prefix";

/** One file (or one appended tail of it) as one batch took it. Visible once its batch is committed. */
export interface LedgerFile {
  readonly batch: string;
  readonly source: string;
  /** The drop's path relative to the project, always with `/`. */
  readonly file: string;
  /** 1 for the first content under this name, then 2, 3, … */
  readonly version: number;
  /** sha256 of the whole file, hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** `dev:inode` of the drop when it was claimed. */
  readonly inode: string;
  /** When anything about the drop had changed last; null in lakes of before it was kept. */
  readonly changedNs?: bigint | null;
  /** sha256 of its first bytes, which it is found by under another name. */
  readonly head?: string | null;
  /** Path of the kept original relative to the root; null when none is kept (before_landing). */
  readonly original: string | null;
  /** Bytes before this offset were landed by an earlier version (`same_name: version`, grown file). */
  readonly fromByte: number;
  readonly outcome: FileOutcome;
  readonly reason: string | null;
  readonly rowsIn: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  readonly rowsDuplicate: number;
  readonly contractVersion: number | null;
  /** The batch that its rows carry: its own, or the one whose file was read again. */
  readonly landsAs: string;
  /** How it was read; null in lakes of before it was kept, and where nothing was. */
  readonly reading: Reading | null;
  /** It was forgotten: the same bytes land as if they had never been there. Said where the latest is asked for. */
  readonly forgotten?: true;
}

/** How one file was read, so that it is read in the same way again. */
export interface Reading {
  /** Null where it is found out each time: a file that could not be read. */
  readonly dialect: Dialect | null;
  /** In place of the columns of the contract version: a retry reads a file under these and those that came since. */
  readonly columns: readonly ContractColumn[] | null;
  /** How far it is finished, should it go on; null for what is no text of lines. */
  readonly end?: TextEnd | null;
  /** What stands behind this byte was read again as part of what went on; null: nothing. */
  readonly toByte?: number | null;
}

/** One file as one batch took it. */
export interface FileRef {
  readonly batch: string;
  readonly file: string;
  /** The batch that the rows carry, where the batch holds two pieces of the file. */
  readonly landsAs?: string;
}

export interface LedgerBatch {
  readonly batch: string;
  readonly source: string;
  readonly table: string;
  readonly startedMs: number;
  /** Null until the commit that carries it. */
  readonly commit: bigint | null;
  readonly withdrawnBy: bigint | null;
  readonly rowsIn: number;
  readonly rowsLanded: number;
  readonly rowsQuarantined: number;
  readonly rowsDuplicate: number;
}

/** Everything one batch writes before its commit. */
export interface BatchRecord {
  readonly batch: LedgerBatch;
  readonly files: readonly LedgerFile[];
  /** Files whose rows this batch stands in for: they are replaced from its commit on, until it is withdrawn. */
  readonly replaces: readonly FileRef[];
  /** A new contract version taught by this batch. */
  readonly contract: Contract | null;
  readonly drift: readonly DriftEvent[];
}

/** A version of a contract, and the batch that taught it. */
export interface ContractVersion {
  readonly contract: Contract;
  readonly table: string;
  readonly batch: string;
  readonly commit: bigint;
  readonly timeMs: number;
  /** The commit that took the batch back; what it taught stays. */
  readonly withdrawnBy: bigint | null;
}

/** A correction of a quarantined row, applied again by every replay. */
export interface Fix {
  readonly id: string;
  readonly source: string;
  readonly table: string;
  readonly action: "replace" | "drop";
  /** The corrected raw text; null for `drop`. */
  readonly raw: string | null;
  /** Null in lakes of before it was kept: such a fix is found again only where its row is set aside again. */
  readonly place: RowPlace | null;
  readonly createdMs: number;
  /** The batch that landed the row with it, which it counts with; null for what counts whatever happens. */
  readonly batch: string | null;
}

export interface QuarantineEvent {
  readonly id: string;
  readonly status: "open" | "fixed" | "dropped" | "superseded";
  readonly timeMs: number;
  readonly batch: string;
  readonly note: string | null;
}

/** Which of the listed drops are already accounted for, by name, size and mtime. */
export type KnownFile = Pick<
  LedgerFile,
  "file" | "version" | "sha256" | "sizeBytes" | "modifiedMs" | "inode" | "changedNs" | "outcome"
>;

/** A file that landed, or was set aside whole, with certain bytes. */
export interface Holder {
  readonly file: string;
  /** Later bytes of its name stand in for these: their rows are gone. */
  readonly replaced: boolean;
  /** They were set aside whole, and never landed. */
  readonly aside: boolean;
}

/** A file whose rows are no longer in any table: a later version stands in for them, or its batch was withdrawn. */
export interface GoneFile extends FileRef {
  readonly source: string;
  readonly how: "replaced" | "withdrawn" | "forgotten";
  /** The commit that made it so. */
  readonly commit: bigint;
  /** The version that stands in for it. */
  readonly version: number | null;
}

export interface Ledger {
  /** Writes the rows of a batch; invisible until `Catalog.commit` names the batch. Replaces an earlier attempt. */
  prepare(record: BatchRecord): Promise<void>;
  /** Latest committed version of each named file of a source. */
  known(source: string, files: readonly string[]): Promise<ReadonlyMap<string, KnownFile>>;
  /** The same with all that is known of them. */
  latest(source: string, files: readonly string[]): Promise<ReadonlyMap<string, LedgerFile>>;
  /** Sizes of live texts of a source that are shorter than what they are found by. */
  shortSizes(source: string): Promise<readonly number[]>;
  /**
   * Live texts with rows, or with a line that may become one, of one of these heads and no longer than that; the
   * longest first, a bounded number.
   */
  withHead(
    source: string,
    heads: readonly string[],
    sizeMax: number,
  ): Promise<readonly LedgerFile[]>;
  /** Live files of a source that were set aside whole, the last first, a bounded number. */
  setAside(source: string): Promise<readonly LedgerFile[]>;
  /** Committed files that hold these bytes, the first first; neither duplicates nor what was withdrawn. */
  holders(source: string, sha256: string): Promise<readonly Holder[]>;
  /** Committed batches, oldest first. */
  batches(filter: {
    readonly source?: string;
    readonly table?: string;
  }): Promise<readonly LedgerBatch[]>;
  batch(id: string): Promise<LedgerBatch | null>;
  /** Committed file rows, oldest first. `live`: only those whose rows are in the tables. */
  files(filter: {
    readonly source?: string;
    readonly batch?: string;
    readonly file?: string;
    /** Any of them. */
    readonly names?: readonly string[];
    /** Any of them; of one such list. */
    readonly sha256s?: readonly string[];
    readonly live?: boolean;
  }): Promise<readonly LedgerFile[]>;
  /** What the sources of batches are called by now, by batch. */
  sourcesOf(batches: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Every source that landed, with its table. */
  sources(): Promise<readonly { readonly source: string; readonly table: string }[]>;
  /** How the live files of a source were read: by which contract, and whether they name their columns themselves. */
  readings(
    source: string,
  ): Promise<readonly { readonly contractVersion: number; readonly hasNames: boolean }[]>;
  /** Rows of the files of a source that are live. */
  totals(
    source: string,
  ): Promise<{ readonly rowsLanded: number; readonly rowsQuarantined: number }>;
  /** Of batches that were not withdrawn: when the last began; since a moment, when the first began, and their rows. */
  pace(
    source: string,
    sinceMs: number,
  ): Promise<{
    readonly lastMs: number | null;
    readonly firstMs: number | null;
    readonly rows: number;
  }>;
  /** Files that landed and are gone, by the batch that their rows carried. */
  gone(): Promise<readonly GoneFile[]>;
  /** The latest contract of a source, or the named version. */
  contract(source: string, version?: number): Promise<Contract | null>;
  /** All versions of the contract of a source, the first first. */
  contracts(source: string): Promise<readonly ContractVersion[]>;
  addFixes(fixes: readonly Fix[]): Promise<void>;
  /**
   * The fix of each row that counts: the last one whose batch is in the lake. Given batches, only those of rows that
   * carry one of them, and those that may be of any.
   */
  fixes(source?: string, batches?: readonly string[]): Promise<readonly Fix[]>;
  addQuarantineEvents(events: readonly QuarantineEvent[]): Promise<void>;
  /** What became of each row last: events of batches that are not in the lake, or no longer, do not count. */
  quarantineEvents(ids?: readonly string[]): Promise<readonly QuarantineEvent[]>;
  /** The name of everything that a source has done becomes another one. */
  renameSource(from: string, to: string): Promise<void>;
  /** The same of a stream, its tables and how far it is read; outside it is called as before. */
  renameStream(from: string, to: string): Promise<void>;
  /** Strikes: names a file before a worker reads it, and counts how often that killed one. */
  strike(sha256: string, delta: number): Promise<number>;
}
