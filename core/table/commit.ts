/** What one commit says and answers: several tables and the facts that go with them, or nothing. */

import type { RunRecord } from "../model/run-store.ts";
import type {
  DataFile,
  FieldId,
  Operation,
  PartitionSpec,
  Schema,
  Snapshot,
  SortOrder,
  TableName,
} from "./types.ts";

export interface TableSpec {
  readonly schema: Schema;
  readonly spec: PartitionSpec;
  readonly sortOrder: SortOrder;
  readonly properties: Readonly<Record<string, string>>;
  /** Absent: 2. */
  readonly formatVersion?: FormatVersion;
}

/** Formats of Iceberg that tables are written in. */
export type FormatVersion = 2 | 3;

/** One table's part of a commit, validated on `base`. */
export interface TableChange {
  readonly table: TableName;
  /** Of the existing table, or chosen by the caller for one that `create` makes. */
  readonly uuid: string;
  readonly create: TableSpec | null;
  /** The snapshot the change was validated on; null for an empty or new table. */
  readonly base: bigint | null;
  /** The branch whose head it becomes, begun at `base` where there is none of the name; absent: `main`. */
  readonly branch?: string;
  /**
   * The new current schema, ids assigned above `lastColumnId`; null keeps the current one. Its `schemaId` is that of
   * the schema it was made from, which must still be the current one.
   */
  readonly schema: Schema | null;
  /** The highest id that columns of `added` may have, where that is not one of `schema`: none is given out again. */
  readonly lastColumnId?: FieldId;
  /** The new default partition spec, from `nextSpec`; absent keeps the current one. */
  readonly spec?: PartitionSpec;
  /** What the table is upgraded to, before its rows change; absent keeps the format. */
  readonly formatVersion?: FormatVersion;
  /** The new default sort order; absent keeps the current one. */
  readonly sortOrder?: SortOrder;
  /**
   * What another commit in between means. An append is put on top of it, anything else is a conflict; an append that
   * says `conflict` is one too: its rows stand for the table as a whole.
   */
  readonly onMoved?: "conflict";
  /** Chosen by the caller when a fact of the same commit names it; else the catalog draws one. */
  readonly snapshotId?: bigint;
  /** Null changes metadata only and makes no snapshot. */
  readonly operation: Operation | null;
  readonly added: readonly DataFile[];
  /** Keys (`fileKey`) of live files that leave the table. */
  readonly removed: readonly string[];
  /** Extra summary entries, in `tarn.*` names. */
  readonly summary: Readonly<Record<string, string>>;
  /** Properties to set (null removes one); absent keeps all. */
  readonly properties?: Readonly<Record<string, string | null>>;
}

export type FactKind = "offset" | "cursor" | "watermark" | "key" | "model" | "setting";

/** A fact that moves with the commit; `was` is checked in the same transaction. */
export interface Fact {
  readonly kind: FactKind;
  readonly name: string;
  readonly was: string | null;
  readonly becomes: string | null;
}

export type CommitKind =
  | "land"
  | "build"
  | "replay"
  | "restore"
  | "retry"
  | "maintain"
  | "withdraw"
  | "drop"
  | "forget"
  | "foreign"
  | "schema"
  | "write";

export interface Change {
  readonly kind: CommitKind;
  readonly tables: readonly TableChange[];
  readonly facts: readonly Fact[];
  /** Ledger batches that become visible. */
  readonly batches: readonly string[];
  /** Ledger batches that this commit takes out of the tables (restore, drop). */
  readonly withdrawn: readonly string[];
  /** Withdrawn ledger batches whose rows this commit puts back (a restore undone). */
  readonly reinstated?: readonly string[];
  /** Runs that end with it. */
  readonly runs: readonly RunRecord[];
  readonly message: string;
}

export type CommitResult =
  | {
      readonly kind: "committed";
      readonly number: bigint;
      readonly timeMs: number;
      readonly snapshots: ReadonlyMap<TableName, Snapshot>;
    }
  /** Someone was first: re-plan these on their new heads. */
  | { readonly kind: "conflict"; readonly tables: readonly TableName[] }
  /** A fact moved: drop the work, never retry it. */
  | { readonly kind: "stale"; readonly fact: string }
  /** The outcome is not known: look for the batch or run id before anything else. */
  | { readonly kind: "unknown"; readonly cause: unknown };

export interface CommitInfo {
  readonly number: bigint;
  readonly timeMs: number;
  readonly kind: CommitKind;
  readonly message: string;
  readonly tables: readonly {
    readonly name: TableName;
    readonly uuid: string;
    readonly snapshotId: bigint | null;
    readonly parentId: bigint | null;
    readonly sequenceNumber: bigint;
    readonly operation: Operation | null;
    readonly addedRecords: bigint;
    readonly deletedRecords: bigint;
    readonly totalRecords: bigint;
  }[];
}

/** How a statement or a command names a moment of a table. DESIGN, Settled. */
export type VersionRef =
  /** Snapshot id, then sequence number, then branch or tag, in this order. */
  | { readonly kind: "version"; readonly value: string }
  /** `@-1`: this many snapshots before the current one. */
  | { readonly kind: "back"; readonly steps: number }
  | { readonly kind: "time"; readonly timeMs: number; readonly nearest: boolean }
  | { readonly kind: "tag"; readonly name: string }
  /** Of a table that has no such branch, what is current. */
  | { readonly kind: "branch"; readonly name: string }
  | { readonly kind: "current" };
