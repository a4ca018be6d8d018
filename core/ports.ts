/**
 * Where the world begins: every effect of the engine goes through one of these interfaces, each with a
 * real and a simulated implementation. Paths are relative to the lake's root unless a name says otherwise.
 */

import type {
  AsidePage,
  AsideRequest,
  Decoded,
  DecodeRequest,
  Described,
  DescribeRequest,
  Diff,
  DiffRequest,
  Inspected,
  InspectRequest,
  Materialized,
  MaterializeRequest,
  RewriteRequest,
  RewrittenFiles,
  RowTexts,
  RowTextsRequest,
  StagedFile,
} from "./engine.ts";
import type { LagStore } from "./ingest/lag.ts";
import type { Ledger } from "./ingest/ledger.ts";
import type { ReconciliationStore } from "./ingest/reconciliation.ts";
import type { Analysis, AnalyzeRequest } from "./model/analysis.ts";
import type { RunStore } from "./model/run-store.ts";
import type {
  Change,
  CommitInfo,
  CommitKind,
  CommitResult,
  FactKind,
  VersionRef,
} from "./table/commit.ts";
import type { CompactedFiles, CompactRequest } from "./table/compaction.ts";
import type {
  DataFile,
  PartitionValue,
  Scan,
  ScanFile,
  Snapshot,
  Table,
  TableName,
} from "./table/types.ts";

export interface FileStat {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** The only door to the lake's disk. A promise that resolved means durable, or the text says otherwise. */
export interface FileIO {
  /** Absolute root that relative paths hang on; for handing paths to a worker. */
  readonly root: string;
  /** Reads a file whole. Throws LakeError `not-found` or `io`. */
  read(path: string): Promise<Uint8Array>;
  /** Reads `length` bytes at `start`. */
  readRange(path: string, start: number, length: number): Promise<Uint8Array>;
  stat(path: string): Promise<FileStat | null>;
  /** Durable and put-if-absent: written under a temporary name, fsynced, linked, directory fsynced. */
  create(path: string, bytes: Uint8Array): Promise<"created" | "exists">;
  /**
   * Several new files made durable together, and files that were adopted before: all written, then all fsynced, then
   * the new ones renamed, then each directory once. Names must be new (they carry a uuid). Order on disk is not
   * defined; nothing may name any of them before this resolves.
   */
  createAll(
    files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
    adopted?: readonly string[],
  ): Promise<void>;
  /** Takes over files that a worker wrote under `staging`, by their final names. `createAll` makes them durable. */
  adoptAll(moves: readonly { readonly staged: string; readonly to: string }[]): Promise<FileStat[]>;
  /** Makes a folder where there is none, for others to write into. */
  makeFolder(path: string): Promise<void>;
  /** Files below a folder, sorted by code point; absent folder is empty. */
  list(prefix: string): AsyncIterable<FileStat>;
  /** Removes files; absent is fine. Not synced unless `forGood`: a name that comes back after a crash is an orphan. */
  removeAll(paths: readonly string[], forGood?: boolean): Promise<void>;
  /** A fresh private folder for one worker's output; returns its absolute path. Never durable. */
  stagingFolder(name: string): Promise<string>;
  /** Writes a new file below a staging folder, by its absolute path. Never durable. */
  writeStaged(path: string, bytes: Uint8Array): Promise<void>;
  /** Empties the staging area of every folder not in `keep`. */
  clearStaging(keep: readonly string[]): Promise<void>;
}

export interface Catalog {
  readonly lakeId: string;
  /** False when the lake was opened under another root than the recorded one. */
  readonly writable: boolean;
  readonly ledger: Ledger;
  readonly runs: RunStore;
  readonly lags: LagStore;
  readonly reconciliations: ReconciliationStore;
  /** Every table with its head, in one read, sorted by name. Foreign commits are entered here. */
  tables(): Promise<readonly TableHead[]>;
  /** Views that other engines keep here for each other, sorted by name; their queries are not run here. */
  views(): Promise<readonly TableName[]>;
  /** The table's current metadata, or null. */
  load(name: TableName): Promise<Table | null>;
  /** A snapshot by version, time, tag or position; throws `not-found` naming the nearest kept ones. */
  snapshotAt(table: Table, ref: VersionRef): Promise<Snapshot | null>;
  /** The scan of a table at a snapshot (null = no rows). `filter` is a hint for pruning and may be ignored. */
  scan(table: Table, snapshot: Snapshot | null, filter?: ScanFilter): Promise<Scan>;
  /** Delete files of the current snapshot that delete no row of it any more. */
  danglingDeletes(table: Table): Promise<readonly DataFile[]>;
  /** How many manifests of the current snapshot would become fewer. */
  manifestsToMerge(table: Table): Promise<number>;
  /** Takes out the snapshots that retention lets go of by now; for a dry run only says which. */
  expire(name: TableName, options: { readonly dryRun: boolean }): Promise<Expired>;
  /** Files of the append snapshots in (after, to]; or why there is no exact delta. DESIGN, Settled. */
  delta(table: Table, after: bigint | null, to: Snapshot | null): Promise<Delta>;
  /** What differs between two snapshots of a table, file by file. */
  changes(table: Table, before: Snapshot | null, after: Snapshot | null): Promise<Changes>;
  /**
   * Moves staged files into the table's data folder and reads their footers back. Not yet named by anything; the commit
   * that names them makes them durable.
   */
  adopt(target: AdoptTarget, staged: readonly StagedFile[]): Promise<DataFile[]>;
  /** Removes adopted files that no snapshot names and that nothing will name. */
  discard(files: readonly DataFile[]): Promise<void>;
  /**
   * One atomic publish of several tables and the facts that go with them. Data files must be adopted. Manifests
   * are prepared once, metadata is staged per attempt; an `append` whose base moved is restaged, anything
   * else is a conflict. `ready` is what has to be done before it is published, and goes on beside what is written for
   * it; when it fails, so does the commit.
   */
  commit(change: Change, ready?: Promise<void>): Promise<CommitResult>;
  /** The files as a scan lists them: each with the local path to open. */
  scanFiles(files: readonly DataFile[]): readonly ScanFile[];
  fact(kind: FactKind, name: string): Promise<string | null>;
  /** Every fact of a kind. */
  facts(kind: FactKind): Promise<ReadonlyMap<string, string>>;
  /** Commits that fit all that is asked for, newest first. */
  commits(options: CommitFilter): Promise<readonly CommitInfo[]>;
  /** The commit that was current at a time; null before the first. */
  commitAt(timeMs: number): Promise<CommitInfo | null>;
  tags(): Promise<ReadonlyMap<string, CommitInfo>>;
  setTag(name: string, commitNumber: bigint | null): Promise<void>;
  /** What tables have a branch, and where it stands. */
  branchHeads(): Promise<readonly BranchHead[]>;
  /** Begins a branch, at the snapshots given of their tables. Throws `conflict` where one has the name already. */
  createBranch(name: string, heads: ReadonlyMap<TableName, bigint>): Promise<void>;
  /** Takes a branch out of every table. */
  dropBranch(name: string): Promise<void>;
  /** Makes a branch `main` in one commit. Throws `conflict` unless that is a fast-forward in every table. */
  promoteBranch(request: PromoteRequest): Promise<bigint>;
  /** Takes tables out of the lake in one commit, whose number it answers; null when one of them moved meanwhile. */
  drop(request: DropRequest): Promise<bigint | null>;
  /** Tables that were dropped, as long as no other has their name. */
  dropped(): Promise<readonly DroppedTable[]>;
  /** Brings back what a drop took out, in one commit. Throws `not-found` when its files are gone. */
  undrop(drop: bigint): Promise<bigint>;
  close(): Promise<void>;
}

export interface Expired {
  readonly snapshots: number;
  /** Null where nothing was done. */
  readonly commit: bigint | null;
}

export interface BranchHead {
  readonly branch: string;
  readonly table: TableName;
  readonly snapshotId: bigint;
}

export interface PromoteRequest {
  readonly branch: string;
  /** All of its tables as they were looked at. */
  readonly heads: readonly Omit<BranchHead, "branch">[];
  /** The branch stays, and stands where `main` does. */
  readonly keep: boolean;
  readonly message: string;
}

export interface DropRequest {
  readonly tables: readonly TableName[];
  /** Ledger batches whose rows leave with them. */
  readonly withdrawn: readonly string[];
  readonly message: string;
}

export interface DroppedTable {
  readonly name: TableName;
  readonly uuid: string;
  /** Where it stood. */
  readonly metadataLocation: string;
  /** The commit that dropped it, and its time. */
  readonly commit: bigint;
  readonly timeMs: number;
}

export interface CommitFilter {
  readonly table?: TableName;
  /** That made this snapshot. */
  readonly snapshotId?: bigint;
  readonly kind?: CommitKind;
  /** This one or an earlier one. */
  readonly until?: bigint;
  /** This one or a later one. */
  readonly since?: bigint;
  readonly limit: number;
}

export interface TableHead {
  readonly name: TableName;
  readonly uuid: string;
  readonly metadataLocation: string;
  readonly snapshotId: bigint | null;
  readonly sequenceNumber: bigint;
}

/** Where adopted files go: an existing table, or one that the same commit creates. */
export interface AdoptTarget {
  readonly name: TableName;
  readonly uuid: string;
  readonly schema: Table["schema"];
  readonly spec: Table["spec"];
  /** What the files hold; data when absent. */
  readonly content?: DataFile["content"];
}

/** A conjunction of simple comparisons on top-level columns, for pruning by bounds and partitions. */
export type ScanFilter = readonly {
  readonly column: string;
  readonly op: "=" | "<" | "<=" | ">" | ">=" | "in" | "is-null" | "not-null";
  readonly values: readonly PartitionValue[];
}[];

/** Rows that were only written again, by a compaction or beside others, are in `removed` and in `added`. */
export interface Changes {
  /** Files of the one snapshot alone, with what it deletes of them; under the columns of `added`. */
  readonly removed: Scan;
  readonly added: Scan;
  /** Files of both, of which other rows are deleted: each with the deletes of its snapshot. */
  readonly marked: { readonly before: Scan; readonly after: Scan } | null;
}

export type Delta =
  | { readonly kind: "append"; readonly scan: Scan; readonly snapshots: number }
  | { readonly kind: "none" }
  | { readonly kind: "full"; readonly reason: string };

/** The data plane. Calls run in expendable worker processes; a killed worker is LakeError `io` or `input`. */
export interface SqlEngine {
  /** Foreign files are about to be inspected or decoded; a hint, that may start what it takes ahead. */
  prepare(): void;
  /** Parses one SELECT (or set of them): references, shape, what makes it not incremental. Throws `sql`. */
  analyze(request: AnalyzeRequest): Promise<Analysis>;
  /** Reads foreign files fully and says which columns and types hold every value losslessly. */
  inspect(request: InspectRequest): Promise<Inspected>;
  /** Decodes claimed files into staged Parquet under `schema`; bad rows beside it. */
  decode(request: DecodeRequest): Promise<Decoded>;
  /**
   * Segments of a transaction that is not committed are decoded into the staging folder of the request, for a `decode`
   * that asks for them once it is. A hint: what does not come to anything is decoded then.
   */
  decodeAhead?(request: DecodeRequest): Promise<void>;
  /** Nothing will come of what was decoded ahead of these, by their absolute paths. */
  forgetAhead?(paths: readonly string[]): Promise<void>;
  /** Output columns of a model query over bound tables, without running it. */
  describe(request: DescribeRequest): Promise<Described>;
  /** Runs a model query, its expectations and its merge into staged files. */
  materialize(request: MaterializeRequest): Promise<Materialized>;
  /** Rewrites files of a table under a new schema by exact casts. */
  rewrite(request: RewriteRequest): Promise<RewrittenFiles>;
  /** Makes fewer files of those of a partition; no row changes. */
  compact(request: CompactRequest): Promise<CompactedFiles>;
  /** Rows of a quarantine table that are asked for. Throws `usage` for conditions that are none. */
  aside(request: AsideRequest): Promise<AsidePage>;
  /** The text of single rows of files, whole and read as asked. */
  rowTexts(request: RowTextsRequest): Promise<RowTexts>;
  /** Row difference of two scans. */
  diff(request: DiffRequest): Promise<Diff>;
  close(): Promise<void>;
}

/** Writes Parquet for rows that are born in JavaScript: whole-file quarantine, pushed rows. */
export interface RowFiles {
  /** Writes rows (one object per row, few of them) to an absolute staging path under the schema's ids. */
  write(path: string, schema: Table["schema"], rows: readonly Row[]): Promise<StagedFile>;
}

export type Row = Readonly<Record<string, string | number | bigint | boolean | null>>;

/** Wakes the loop; never carries truth. */
export interface Watcher {
  /** `path` is what changed, absolute; null when the system does not say, and at a rescan. */
  onWake(wake: (path: string | null) => void): void;
  close(): Promise<void>;
}

export interface Clock {
  nowMs(): number;
  /** Resolves after `ms` or when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  uuid(): string;
  /** Uniform in [0, 2^63). */
  int63(): bigint;
  /** Uniform in [0, 1). */
  fraction(): number;
}
