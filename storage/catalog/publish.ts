/**
 * The one transaction of a commit: pointers by compare-and-swap, facts, batches, runs and the commit's own row; and
 * the entries in the history of what other engines committed, made when it is first seen.
 */

import { LakeError } from "../../core/base/errors.ts";
import {
  FOREIGN_SNAPSHOTS_MAX,
  UNLINK_DATA_AFTER_MS,
  UNLINK_MANIFEST_AFTER_MS,
  UNLINK_METADATA_AFTER_MS,
} from "../../core/limits.ts";
import type { TableHead } from "../../core/ports.ts";
import type { Change, CommitInfo, Fact } from "../../core/table/commit.ts";
import { deletedRows, liveRows } from "../../core/table/live.ts";
import type { Operation, Snapshot, TableName } from "../../core/table/types.ts";
import {
  currentSnapshot,
  findSnapshot,
  type TableMetadata,
  type TableVersion,
} from "../iceberg/metadata.ts";
import type { Staged } from "../iceberg/transaction.ts";
import type { CatalogContext } from "./context.ts";
import { long, longOrNull, sqliteCode, text } from "./database.ts";
import { type Pointer, partsOf, readPointer } from "./history.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";
import { insertRun } from "./runs.ts";

/** One table's part of a commit, as the history stores it. */
export type CommitRow = CommitInfo["tables"][number] & { readonly metadataLocation: string };

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
    deletedRecords: snapshot === null ? 0n : (deletedRows(snapshot) ?? 0n),
    totalRecords: current === null ? 0n : (liveRows(current) ?? 0n),
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
export interface ForeignStep {
  /** Null where it left none, or changed no rows. */
  readonly snapshot: Snapshot | null;
  readonly operation: Operation | null;
}

/** Where the lake last knew a table to stand. */
export interface KnownHead {
  readonly snapshotId: bigint | null;
  readonly sequence: bigint;
}

/**
 * What happened to main since `known`, oldest first: one step a snapshot, so that no later one hides an earlier.
 * Where the way from the known one cannot be followed (it went back, or a snapshot in between is gone), the first
 * step counts as an overwrite, which promises nothing.
 */
export function stepsSince(
  metadata: TableMetadata,
  known: KnownHead | null,
): readonly ForeignStep[] {
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

export function toForeignRow(
  name: TableName,
  version: TableVersion,
  snapshot: Snapshot | null,
  operation: Operation | null,
): CommitRow {
  const row = toCommitRow(name, version, snapshot);
  if (snapshot === null) return { ...row, operation };
  const { snapshotId, sequenceNumber } = snapshot;
  const totalRecords = liveRows(snapshot) ?? 0n;
  return { ...row, operation, snapshotId, sequenceNumber, totalRecords };
}

function toCount(value: string | undefined): bigint {
  return value !== undefined && /^\d{1,18}$/.test(value) ? BigInt(value) : 0n;
}

/** One table's pointer move. */
export interface Move {
  readonly name: TableName;
  /** Null for a table that the commit creates. */
  readonly base: TableVersion | null;
  readonly staged: Staged;
}

export type Published =
  | { readonly kind: "committed"; readonly number: bigint; readonly timeMs: number }
  | { readonly kind: "moved"; readonly tables: readonly TableName[] }
  | { readonly kind: "stale"; readonly fact: string };

/** Kinds of files that wait to be unlinked, with their delay. DESIGN, Settled. */
export const UNLINK_DELAYS_MS = {
  metadata: UNLINK_METADATA_AFTER_MS,
  "manifest-list": UNLINK_MANIFEST_AFTER_MS,
  manifest: UNLINK_MANIFEST_AFTER_MS,
  data: UNLINK_DATA_AFTER_MS,
} as const;

export type UnlinkKind = keyof typeof UNLINK_DELAYS_MS;

/** Takes the transaction back from within, with its result. */
class Refused extends Error {
  readonly outcome: Published;

  constructor(outcome: Published) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

/**
 * Publishes a staged change or nothing. Touches O(tables + facts + batches) rows. Throws CommitDoubt when COMMIT
 * failed; `attempt` then tells whether it happened.
 */
export async function publish(
  store: LakeStore,
  change: Change,
  moves: readonly Move[],
  at: { readonly attempt: string; readonly nowMs: number },
): Promise<Published> {
  return await orRefused(() =>
    store.write((): Published => {
      checkFacts(store, change.facts);
      swapPointers(store, moves);
      const { kind, message } = change;
      const { number, timeMs } = insertCommit(store, { ...at, kind, message });
      for (const move of moves) {
        const { metadata, metadataLocation } = move.staged;
        const version = { metadata, metadataLocation };
        const isOnMain = !change.tables.some((one) => one.table === move.name && one.branch);
        // What is done on a branch moves no table: the history is that of main.
        const snapshot = isOnMain ? move.staged.snapshot : null;
        insertCommitTable(store, number, toCommitRow(move.name, version, snapshot));
      }
      writeFacts(store, change.facts);
      showBatches(store, change, number);
      for (const run of change.runs) insertRun(store, run, number);
      queueObsolete(store, moves, timeMs);
      return { kind: "committed", number, timeMs };
    }),
  );
}

/** Moves pointers for a change of metadata alone (a tag, retention), which is no moment of its own. */
export async function publishMetadata(
  store: LakeStore,
  moves: readonly Move[],
  nowMs: number,
  also: () => void,
): Promise<Exclude<Published, { kind: "committed" }> | { readonly kind: "done" }> {
  const done = { kind: "done" } as const;
  const outcome = await orRefused(() =>
    store.write(() => {
      swapPointers(store, moves);
      for (const { name, staged } of moves) moveHead(store, toHead(name, staged));
      queueObsolete(store, moves, nowMs);
      also();
      return done;
    }),
  );
  return outcome.kind === "committed" ? done : outcome;
}

/** The first fact that is not as expected, or null. In the caller's transaction. */
export function findStale(store: LakeStore, facts: readonly Fact[]): Fact | null {
  const sql = "SELECT value FROM lake_facts WHERE kind = ? AND name = ?";
  for (const fact of facts) {
    const row = store.db.get(sql, fact.kind, fact.name);
    if ((row === null ? null : text(row, "value")) !== fact.was) return fact;
  }
  return null;
}

/** What was refused within a transaction, as its result. */
export async function orRefused<T>(action: () => Promise<T>): Promise<T | Published> {
  try {
    return await action();
  } catch (thrown) {
    if (thrown instanceof Refused) return thrown.outcome;
    throw thrown;
  }
}

function checkFacts(store: LakeStore, facts: readonly Fact[]): void {
  const stale = findStale(store, facts);
  if (stale === null) return;
  throw new Refused({ kind: "stale", fact: `${stale.kind} ${stale.name}` });
}

/** Moves all pointers, or throws what `orRefused` answers. In the caller's transaction. */
export function swapPointers(store: LakeStore, moves: readonly Move[]): void {
  const moved = moves.filter((move) => !swapPointer(store, move)).map((move) => move.name);
  if (moved.length > 0) throw new Refused({ kind: "moved", tables: moved });
}

function swapPointer(store: LakeStore, move: Move): boolean {
  const { namespace, table } = partsOf(move.name);
  const next = move.staged.metadataLocation;
  if (move.base !== null) {
    const changed = store.db.run(
      `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ?
        WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?
        AND metadata_location = ? AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)`,
      next,
      move.base.metadataLocation,
      CATALOG_NAME,
      namespace,
      table,
      move.base.metadataLocation,
    );
    return changed === 1;
  }
  store.db.run(
    `INSERT OR IGNORE INTO iceberg_namespace_properties
      (catalog_name, namespace, property_key, property_value) VALUES (?, ?, 'exists', 'true')`,
    CATALOG_NAME,
    namespace,
  );
  return insertPointer(store, move.name, next);
}

/** The pointer of a table that has none; false where it has one. */
export function insertPointer(store: LakeStore, name: TableName, next: string): boolean {
  const { namespace, table } = partsOf(name);
  try {
    store.db.run(
      `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location,
        previous_metadata_location, iceberg_type) VALUES (?, ?, ?, ?, NULL, 'TABLE')`,
      CATALOG_NAME,
      namespace,
      table,
      next,
    );
    return true;
  } catch (thrown) {
    if (sqliteCode(thrown).startsWith("SQLITE_CONSTRAINT")) return false;
    throw thrown;
  }
}

function writeFacts(store: LakeStore, facts: readonly Fact[]): void {
  for (const { kind, name, becomes } of facts) {
    if (becomes === null) {
      store.db.run("DELETE FROM lake_facts WHERE kind = ? AND name = ?", kind, name);
    } else {
      const sql = "INSERT OR REPLACE INTO lake_facts (kind, name, value) VALUES (?, ?, ?)";
      store.db.run(sql, kind, name, becomes);
    }
  }
}

function showBatches(store: LakeStore, change: Change, number: bigint): void {
  for (const batch of change.batches) {
    const sql =
      "UPDATE lake_batches SET commit_number = ? WHERE batch = ? AND commit_number IS NULL";
    if (store.db.run(sql, number, batch) === 1) continue;
    const known = store.db.get("SELECT commit_number FROM lake_batches WHERE batch = ?", batch);
    // Landed before: this is a second commit of the same work.
    if (known !== null) throw new Refused({ kind: "stale", fact: `batch ${batch}` });
    throw new LakeError("internal", `batch ${batch} was not prepared in the ledger`);
  }
  for (const batch of change.withdrawn) {
    const sql = `UPDATE lake_batches SET withdrawn_by = ?
      WHERE batch = ? AND commit_number IS NOT NULL AND withdrawn_by IS NULL`;
    store.db.run(sql, number, batch);
  }
  for (const batch of change.reinstated ?? []) {
    store.db.run("UPDATE lake_batches SET withdrawn_by = NULL WHERE batch = ?", batch);
  }
}

export function queueObsolete(store: LakeStore, moves: readonly Move[], nowMs: number): void {
  for (const { staged } of moves) {
    const { uuid } = staged.metadata;
    queueUnlink(store, { kind: "metadata", uuid, nowMs }, staged.obsolete.metadataFiles);
    queueUnlink(store, { kind: "manifest-list", uuid, nowMs }, staged.obsolete.manifestLists);
  }
}

/** Files that left the metadata wait here; a file already waiting keeps its time. In the caller's transaction. */
export function queueUnlink(
  store: LakeStore,
  entry: { readonly kind: UnlinkKind; readonly uuid: string; readonly nowMs: number },
  locations: readonly string[],
): void {
  const dueMs = entry.nowMs + UNLINK_DELAYS_MS[entry.kind];
  const sql = `INSERT OR IGNORE INTO lake_unlink (location, kind, table_uuid, left_ms, due_ms)
    VALUES (?, ?, ?, ?, ?)`;
  for (const location of locations) {
    store.db.run(sql, location, entry.kind, entry.uuid, entry.nowMs, dueMs);
  }
}
