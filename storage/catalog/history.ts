/**
 * Where each table stands, by the pointers that other engines share with us, and the lake's commits as a clock:
 * which was current when, and where a table stood then.
 */

import { compareCodePoints } from "../../core/base/order.ts";
import type { CommitFilter, TableHead } from "../../core/ports.ts";
import type { CommitInfo, CommitKind } from "../../core/table/commit.ts";
import type { Operation, TableName } from "../../core/table/types.ts";
import { int, long, longOrNull, oneOf, type Row, text, textOrNull } from "./database.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";

/** A row of iceberg_tables, with what we last knew of it. */
export interface Pointer {
  readonly name: TableName;
  readonly metadataLocation: string;
  /** Null when our history does not know this location. */
  readonly head: TableHead | null;
}

const POINTERS = `SELECT t.table_namespace, t.table_name AS name, t.metadata_location,
    h.table_uuid, h.metadata_location AS head_location, h.snapshot_id, h.sequence_number
  FROM iceberg_tables t
  LEFT JOIN lake_heads h ON h.table_name = t.table_namespace || '.' || t.table_name
  WHERE t.catalog_name = ? AND (t.iceberg_type = 'TABLE' OR t.iceberg_type IS NULL)
    AND t.metadata_location IS NOT NULL`;

/** Every pointer, sorted by name. In the caller's transaction. */
export function readPointers(store: LakeStore): Pointer[] {
  return store.db
    .all(POINTERS, CATALOG_NAME)
    .map(toPointer)
    .sort((a, b) => compareCodePoints(a.name, b.name));
}

/** One pointer, or null. In the caller's transaction. */
export function readPointer(store: LakeStore, name: TableName): Pointer | null {
  const { namespace, table } = partsOf(name);
  const sql = `${POINTERS} AND t.table_namespace = ? AND t.table_name = ?`;
  const row = store.db.get(sql, CATALOG_NAME, namespace, table);
  return row === null ? null : toPointer(row);
}

/** A name in its two parts; a foreign namespace may have several levels, joined by dots. */
export function partsOf(name: TableName): { readonly namespace: string; readonly table: string } {
  const dot = name.lastIndexOf(".");
  return { namespace: name.slice(0, Math.max(dot, 0)), table: name.slice(dot + 1) };
}

function toPointer(row: Row): Pointer {
  const name = `${text(row, "table_namespace")}.${text(row, "name")}`;
  const metadataLocation = text(row, "metadata_location");
  const known = textOrNull(row, "head_location") === metadataLocation;
  const head = known
    ? {
        name,
        uuid: text(row, "table_uuid"),
        metadataLocation,
        snapshotId: longOrNull(row, "snapshot_id"),
        sequenceNumber: long(row, "sequence_number"),
      }
    : null;
  return { name, metadataLocation, head };
}

/** A moment of one table in the lake's history. */
export interface Moment {
  readonly commit: bigint;
  readonly timeMs: number;
  readonly snapshotId: bigint | null;
}

const KINDS: readonly CommitKind[] = [
  "land",
  "build",
  "replay",
  "restore",
  "retry",
  "maintain",
  "withdraw",
  "drop",
  "forget",
  "foreign",
  "schema",
  "write",
];
const OPERATIONS: readonly Operation[] = ["append", "replace", "overwrite", "delete"];

/** Tags with their commits, by name. */
export async function listTags(store: LakeStore): Promise<Map<string, CommitInfo>> {
  return await store.read(() => {
    const tags = new Map<string, CommitInfo>();
    for (const row of store.db.all("SELECT name, commit_number FROM lake_tags ORDER BY name")) {
      const commit = readCommit(store, long(row, "commit_number"));
      if (commit !== null) tags.set(text(row, "name"), commit);
    }
    return tags;
  });
}

export async function listCommits(
  store: LakeStore,
  { table, snapshotId, kind, until, since, limit }: CommitFilter,
): Promise<CommitInfo[]> {
  const ofTable = [
    ...(table === undefined ? [] : [{ sql: "t.table_name = ?", value: table }]),
    // A commit of a table's schema alone stands on the snapshot of an earlier one.
    ...(snapshotId === undefined
      ? []
      : [{ sql: "t.snapshot_id = ? AND t.operation IS NOT NULL", value: snapshotId }]),
  ];
  // Of one table by its own index, which has them in order.
  const number = ofTable.length === 0 ? "c.number" : "t.commit_number";
  const terms = [
    ...ofTable,
    ...(kind === undefined ? [] : [{ sql: "c.kind = ?", value: kind }]),
    ...(until === undefined ? [] : [{ sql: `${number} <= ?`, value: until }]),
    ...(since === undefined ? [] : [{ sql: `${number} >= ?`, value: since }]),
  ];
  const join =
    ofTable.length === 0 ? "" : "JOIN lake_commit_tables t ON t.commit_number = c.number";
  const where = terms.length === 0 ? "" : `WHERE ${terms.map((term) => term.sql).join(" AND ")}`;
  const sql = `SELECT c.* FROM lake_commits c ${join} ${where} ORDER BY ${number} DESC LIMIT ?`;
  const values = [...terms.map((term) => term.value), limit];
  return await store.read(() => store.db.all(sql, ...values).map((row) => toInfo(store, row)));
}

/** The last commit that is not later than a time; null before the first. */
export async function findCommitAt(store: LakeStore, timeMs: number): Promise<CommitInfo | null> {
  const sql = "SELECT * FROM lake_commits WHERE time_ms <= ? ORDER BY time_ms DESC LIMIT 1";
  return await store.read(() => {
    const row = store.db.get(sql, Math.trunc(timeMs));
    return row === null ? null : toInfo(store, row);
  });
}

/** A commit by number. In the caller's transaction. */
export function readCommit(store: LakeStore, number: bigint): CommitInfo | null {
  const row = store.db.get("SELECT * FROM lake_commits WHERE number = ?", number);
  return row === null ? null : toInfo(store, row);
}

/** The commit that an attempt made; null when it never took place. In the caller's transaction. */
export function readAttempt(
  store: LakeStore,
  attempt: string,
): { readonly number: bigint; readonly timeMs: number } | null {
  const row = store.db.get("SELECT number, time_ms FROM lake_commits WHERE attempt = ?", attempt);
  return row === null ? null : { number: long(row, "number"), timeMs: int(row, "time_ms") };
}

/** Where a table stood at a time; null when the history does not know it yet. */
export async function momentAt(
  store: LakeStore,
  uuid: string,
  timeMs: number,
): Promise<Moment | null> {
  const sql = `${MOMENTS} AND c.time_ms <= ? ORDER BY t.commit_number DESC LIMIT 1`;
  return await store.read(() => toMoment(store.db.get(sql, uuid, Math.trunc(timeMs))));
}

/** Where a table stood after a commit; null when it did not exist. In the caller's transaction. */
export function readMomentOf(store: LakeStore, uuid: string, commit: bigint): Moment | null {
  const sql = `${MOMENTS} AND t.commit_number <= ? ORDER BY t.commit_number DESC LIMIT 1`;
  return toMoment(store.db.get(sql, uuid, commit));
}

/** The first moment of a table, or null. */
export async function firstMoment(store: LakeStore, uuid: string): Promise<Moment | null> {
  const sql = `${MOMENTS} ORDER BY t.commit_number LIMIT 1`;
  return await store.read(() => toMoment(store.db.get(sql, uuid)));
}

/** The kept moments next to a time: the last before or at it, and the first after it. */
export async function keptAround(
  store: LakeStore,
  uuid: string,
  timeMs: number,
  keptIds: readonly bigint[],
): Promise<{ readonly before: Moment | null; readonly after: Moment | null }> {
  const ids = `[${keptIds.join(",")}]`;
  const kept = `${MOMENTS} AND t.snapshot_id IN (SELECT value FROM json_each(?))`;
  return await store.read(() => ({
    before: toMoment(
      store.db.get(
        `${kept} AND c.time_ms <= ? ORDER BY t.commit_number DESC LIMIT 1`,
        uuid,
        ids,
        Math.trunc(timeMs),
      ),
    ),
    after: toMoment(
      store.db.get(
        `${kept} AND c.time_ms > ? ORDER BY t.commit_number LIMIT 1`,
        uuid,
        ids,
        Math.trunc(timeMs),
      ),
    ),
  }));
}

const MOMENTS = `SELECT t.commit_number, c.time_ms, t.snapshot_id
  FROM lake_commit_tables t JOIN lake_commits c ON c.number = t.commit_number
  WHERE t.table_uuid = ?`;

function toMoment(row: Row | null): Moment | null {
  if (row === null) return null;
  return {
    commit: long(row, "commit_number"),
    timeMs: int(row, "time_ms"),
    snapshotId: longOrNull(row, "snapshot_id"),
  };
}

function toInfo(store: LakeStore, row: Row): CommitInfo {
  const number = long(row, "number");
  const sql = "SELECT * FROM lake_commit_tables WHERE commit_number = ? ORDER BY table_name";
  return {
    number,
    timeMs: int(row, "time_ms"),
    kind: oneOf(row, "kind", KINDS),
    message: text(row, "message"),
    tables: store.db.all(sql, number).map((table) => ({
      name: text(table, "table_name"),
      uuid: text(table, "table_uuid"),
      snapshotId: longOrNull(table, "snapshot_id"),
      parentId: longOrNull(table, "parent_id"),
      sequenceNumber: long(table, "sequence_number"),
      operation:
        textOrNull(table, "operation") === null ? null : oneOf(table, "operation", OPERATIONS),
      addedRecords: long(table, "added_records"),
      deletedRecords: long(table, "deleted_records"),
      totalRecords: long(table, "total_records"),
    })),
  };
}

/** The folder that the metadata file in a row of `table` lies in, up to its last slash, in SQL. */
export function folderSql(table: string): string {
  const column = `${table}.metadata_location`;
  return `rtrim(${column}, replace(${column}, '/', ''))`;
}
