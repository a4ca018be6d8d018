/** Commits as they are entered in the history: our own, and those of other engines when they are first seen. */

import { LakeError } from "../../core/base/errors.ts";
import { FOREIGN_SNAPSHOTS_MAX } from "../../core/limits.ts";
import type { TableHead } from "../../core/ports.ts";
import type { Operation, Snapshot, TableName } from "../../core/table/types.ts";
import {
  currentSnapshot,
  findSnapshot,
  type TableMetadata,
  type TableVersion,
} from "../iceberg/metadata.ts";
import type { CatalogContext } from "./context.ts";
import { type Pointer, readPointer } from "./heads.ts";
import type { LakeStore } from "./lake-store.ts";
import { long, longOrNull, text } from "./row.ts";

/** One table's part of a commit, as the history stores it. */
export interface CommitRow {
  readonly name: TableName;
  readonly uuid: string;
  readonly metadataLocation: string;
  readonly snapshotId: bigint | null;
  readonly parentId: bigint | null;
  readonly sequenceNumber: bigint;
  readonly operation: Operation | null;
  readonly addedRecords: bigint;
  readonly deletedRecords: bigint;
  readonly totalRecords: bigint;
}

/**
 * The heads of these pointers; commits of other engines become commits of kind `foreign` on the way. A pointer of
 * theirs that leads nowhere is left out, so that one broken table does not hide the others; loading it says why.
 */
export async function enterForeign(
  context: CatalogContext,
  pointers: readonly Pointer[],
): Promise<TableHead[]> {
  const heads: TableHead[] = [];
  for (const pointer of pointers) {
    if (pointer.head !== null) {
      heads.push(pointer.head);
      continue;
    }
    const version = await readable(context.metadata.load(pointer.metadataLocation));
    if (version === null) continue;
    if (context.store.writable) await enterOne(context, pointer.name, version);
    heads.push(toHead(pointer.name, version));
  }
  return heads;
}

/** Null in place of an error about one table's files. A failing disk is still thrown. */
export async function readable<T>(action: Promise<T>): Promise<T | null> {
  try {
    return await action;
  } catch (thrown) {
    const broken: ReadonlySet<string> = new Set(["corrupt", "unsupported", "not-found"]);
    if (thrown instanceof LakeError && broken.has(thrown.code)) return null;
    throw thrown;
  }
}

/** Inserts a commit's own row and gives its number and time. In the caller's transaction. */
export function insertCommit(
  store: LakeStore,
  commit: {
    readonly attempt: string;
    readonly kind: string;
    readonly message: string;
    /** The earliest time it may take. */
    readonly nowMs: number;
  },
): { number: bigint; timeMs: number } {
  const last = store.db.get(
    "SELECT number, time_ms FROM lake_commits ORDER BY number DESC LIMIT 1",
  );
  const number = last === null ? 1n : long(last, "number") + 1n;
  // Strictly increasing whatever the clock does: one instant is one cut over all tables.
  const lastMs = last === null ? 0 : Number(long(last, "time_ms"));
  const timeMs = Math.max(Math.trunc(commit.nowMs), lastMs + 1);
  store.db.run(
    "INSERT INTO lake_commits (number, time_ms, attempt, kind, message) VALUES (?, ?, ?, ?, ?)",
    number,
    timeMs,
    commit.attempt,
    commit.kind,
    commit.message,
  );
  return { number, timeMs };
}

/** Inserts a table's part of a commit and moves its head. In the caller's transaction. */
export function insertCommitTable(store: LakeStore, number: bigint, row: CommitRow): void {
  store.db.run(
    `INSERT INTO lake_commit_tables (table_uuid, commit_number, table_name, metadata_location,
      snapshot_id, parent_id, sequence_number, operation, added_records, deleted_records,
      total_records) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.uuid,
    number,
    row.name,
    row.metadataLocation,
    row.snapshotId,
    row.parentId,
    row.sequenceNumber,
    row.operation,
    row.addedRecords,
    row.deletedRecords,
    row.totalRecords,
  );
  moveHead(store, row);
}

/** Records where a table stands. In the caller's transaction. */
export function moveHead(store: LakeStore, head: TableHead): void {
  store.db.run(
    `INSERT OR REPLACE INTO lake_heads
      (table_name, table_uuid, metadata_location, snapshot_id, sequence_number)
      VALUES (?, ?, ?, ?, ?)`,
    head.name,
    head.uuid,
    head.metadataLocation,
    head.snapshotId,
    head.sequenceNumber,
  );
}

/** A table's part of a commit that ended in `version`; `snapshot` is what the commit made, or null. */
export function toCommitRow(
  name: TableName,
  version: TableVersion,
  snapshot: Snapshot | null,
): CommitRow {
  const current = currentSnapshot(version.metadata);
  const count = (key: string): bigint => toCount(snapshot?.summary[key]);
  return {
    ...toHead(name, version),
    parentId: snapshot === null ? null : snapshot.parentId,
    operation: snapshot?.operation ?? null,
    addedRecords: count("added-records"),
    deletedRecords: count("deleted-records"),
    totalRecords: toCount(current?.summary["total-records"]),
  };
}

export function toHead(name: TableName, version: TableVersion): TableHead {
  const current = currentSnapshot(version.metadata);
  return {
    name,
    uuid: version.metadata.uuid,
    metadataLocation: version.metadataLocation,
    snapshotId: current?.snapshotId ?? null,
    sequenceNumber: current?.sequenceNumber ?? 0n,
  };
}

async function enterOne(
  context: CatalogContext,
  name: TableName,
  version: TableVersion,
): Promise<void> {
  const { store } = context;
  const nowMs = context.clock.nowMs();
  const { lastUpdatedMs } = version.metadata;
  await store.write(() => {
    const pointer = readPointer(store, name);
    // Someone else entered it, or it moved on: then it is seen again.
    if (pointer?.metadataLocation !== version.metadataLocation || pointer.head !== null) return;
    const sql =
      "SELECT table_uuid, snapshot_id, sequence_number FROM lake_heads WHERE table_name = ?";
    const row = store.db.get(sql, name);
    const isSame = row !== null && text(row, "table_uuid") === version.metadata.uuid;
    const known = isSame
      ? { snapshotId: longOrNull(row, "snapshot_id"), sequence: long(row, "sequence_number") }
      : null;
    for (const { snapshot, operation } of stepsSince(version.metadata, known)) {
      // When it happened, as far as the other engine's clock can be believed.
      const atMs = Math.min(nowMs, snapshot?.timestampMs ?? lastUpdatedMs);
      const attempt = context.random.uuid();
      const message = `${name} by another engine`;
      const { number } = insertCommit(store, { attempt, kind: "foreign", message, nowMs: atMs });
      insertCommitTable(store, number, toForeignRow(name, version, snapshot, operation));
    }
    moveHead(store, toHead(name, version));
  });
}

/** One step of another engine's, as our history tells it. */
interface ForeignStep {
  /** Null where it left none, or changed no rows. */
  readonly snapshot: Snapshot | null;
  readonly operation: Operation | null;
}

/** Where the lake last knew a table to stand. */
interface KnownHead {
  readonly snapshotId: bigint | null;
  readonly sequence: bigint;
}

/**
 * What happened to main since `known`, oldest first: one step a snapshot, so that no later one hides an earlier.
 * Where the way from the known one cannot be followed (it went back, or a snapshot in between is gone), the first
 * step counts as an overwrite, which promises nothing.
 */
function stepsSince(metadata: TableMetadata, known: KnownHead | null): readonly ForeignStep[] {
  const current = currentSnapshot(metadata);
  if (current === null) {
    return [{ snapshot: null, operation: (known?.snapshotId ?? null) === null ? null : "delete" }];
  }
  if (known === null) return [{ snapshot: current, operation: current.operation }];
  if (known.snapshotId === current.snapshotId) return [{ snapshot: null, operation: null }];
  const newestFirst: Snapshot[] = [];
  let at: Snapshot | null = current;
  while (at !== null && newestFirst.length < FOREIGN_SNAPSHOTS_MAX) {
    // Of before: main went back to it.
    if (at.snapshotId === known.snapshotId || at.sequenceNumber <= known.sequence) break;
    newestFirst.push(at);
    at = findSnapshot(metadata, at.parentId);
  }
  const [first = current, ...later] = newestFirst.reverse();
  const isWhole = newestFirst.length > 0 && first.parentId === known.snapshotId;
  return [
    { snapshot: first, operation: isWhole ? first.operation : "overwrite" },
    ...later.map((snapshot) => ({ snapshot, operation: snapshot.operation })),
  ];
}

function toForeignRow(
  name: TableName,
  version: TableVersion,
  snapshot: Snapshot | null,
  operation: Operation | null,
): CommitRow {
  const row = toCommitRow(name, version, snapshot);
  if (snapshot === null) return { ...row, operation };
  const { snapshotId, sequenceNumber, summary } = snapshot;
  const totalRecords = toCount(summary["total-records"]);
  return { ...row, operation, snapshotId, sequenceNumber, totalRecords };
}

function toCount(value: string | undefined): bigint {
  return value !== undefined && /^\d{1,18}$/.test(value) ? BigInt(value) : 0n;
}
