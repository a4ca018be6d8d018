/**
 * Tables that leave the lake, and come back while their files are kept: a drop takes the pointer away and touches no
 * file, so the history still knows where the table stood.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { DroppedTable, DropRequest } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import { currentSnapshot } from "../iceberg/metadata.ts";
import { absolutePath, relativePath } from "../iceberg/recorded-files.ts";
import type { CatalogContext } from "./context.ts";
import { int, long, text } from "./database.ts";
import { folderSql, partsOf, readPointer } from "./history.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";
import {
  insertCommit,
  insertCommitTable,
  insertPointer,
  readable,
  toCommitRow,
} from "./publish.ts";

/** One commit that takes the tables out. Null when one of them moved meanwhile; throws `not-found`. */
export async function dropTables(
  context: CatalogContext,
  request: DropRequest,
): Promise<bigint | null> {
  const { store, clock, random } = context;
  const { tables, withdrawn, message } = request;
  store.checkWritable();
  const versions = await Promise.all(
    tables.map(async (name) => {
      const pointer = await store.read(() => readPointer(store, name));
      if (pointer === null) throw new LakeError("not-found", `there is no table ${name}`);
      return { name, version: await context.metadata.load(pointer.metadataLocation) };
    }),
  );
  return await store.write(() => {
    const isMoved = versions.some(({ name, version }) => {
      return readPointer(store, name)?.metadataLocation !== version.metadataLocation;
    });
    if (isMoved) return null;
    const commit = { attempt: random.uuid(), kind: "drop", message, nowMs: clock.nowMs() };
    const { number } = insertCommit(store, commit);
    for (const { name, version } of versions) {
      const row = toCommitRow(name, version, null);
      const gone = { snapshotId: null, deletedRecords: row.totalRecords, totalRecords: 0n };
      const parentId = currentSnapshot(version.metadata)?.snapshotId ?? null;
      insertCommitTable(store, number, { ...row, ...gone, parentId, operation: "delete" });
      forget(store, name);
    }
    const sql = "UPDATE lake_batches SET withdrawn_by = ? WHERE batch = ? AND withdrawn_by IS NULL";
    for (const batch of withdrawn) store.db.run(sql, number, batch);
    return number;
  });
}

/** Dropped tables whose names are free, the newest of each name. */
export async function droppedTables(context: CatalogContext): Promise<DroppedTable[]> {
  const { store } = context;
  return await store.read(() => {
    const byName = new Map<TableName, DroppedTable>();
    for (const dropped of readDropped(store)) {
      if (readPointer(store, dropped.name) === null) byName.set(dropped.name, dropped);
    }
    return [...byName.values()];
  });
}

/** One commit that brings back what a drop took out. Throws `not-found` when its files are gone, `conflict`. */
export async function undropTables(context: CatalogContext, drop: bigint): Promise<bigint> {
  const { store, io, clock, random, metadata } = context;
  store.checkWritable();
  const tables = (await droppedTables(context)).filter((table) => table.commit === drop);
  const versions = await Promise.all(
    tables.map(async ({ name, metadataLocation }) => {
      // What was read before is remembered, so the disk is asked: of a table's files these go first.
      const isKept = (await io.stat(relativePath(metadataLocation, store.recordedRoot))) !== null;
      const version = isKept ? await readable(metadata.load(metadataLocation)) : null;
      if (version !== null) return { name, version };
      throw new LakeError("not-found", `what ${name} held is not kept any more`, {
        hint: "a dropped table is kept as long as past snapshots are: keep.snapshots in tarn.yaml",
      });
    }),
  );
  return await store.write(() => {
    const names = versions.map(({ name }) => name).join(", ");
    const message = `${names} brought back`;
    const commit = { attempt: random.uuid(), kind: "restore", message, nowMs: clock.nowMs() };
    const { number } = insertCommit(store, commit);
    for (const { name, version } of versions) {
      if (!insertPointer(store, name, version.metadataLocation)) {
        throw new LakeError("conflict", `${name} is there again`, {
          hint: "another table took its name; drop that one first",
        });
      }
      insertCommitTable(store, number, toCommitRow(name, version, null));
      store.db.run("DELETE FROM lake_unlink WHERE table_uuid = ?", version.metadata.uuid);
    }
    store.db.run("UPDATE lake_batches SET withdrawn_by = NULL WHERE withdrawn_by = ?", drop);
    return number;
  });
}

/** Folders of tables that were dropped before a time, and not brought back: their files may go. */
export async function droppedFolders(
  context: CatalogContext,
  beforeMs: number,
): Promise<{ readonly uuid: string; readonly folder: string; readonly location: string }[]> {
  const { store } = context;
  // One that was registered anew since lies in another folder, and this one is of nobody.
  const dropped = await store.read(() =>
    readDropped(store, `${folderSql("l")} = ${folderSql("t")}`),
  );
  return dropped.flatMap(({ uuid, metadataLocation, timeMs }) => {
    const location = metadataLocation.slice(0, metadataLocation.lastIndexOf("/metadata/"));
    // A lake that was relocated since has nothing of it under its own root.
    const isHere = absolutePath(location).startsWith(`${store.recordedRoot}/`);
    if (timeMs > beforeMs || !isHere) return [];
    return [{ uuid, location, folder: relativePath(location, store.recordedRoot) }];
  });
}

/** All tables that were dropped and did not come back, also those whose names are taken. */
export async function everyDropped(store: LakeStore): Promise<readonly DroppedTable[]> {
  return await store.read(() => readDropped(store));
}

/** Oldest first, without those that came back, where that is so. In the caller's transaction. */
function readDropped(store: LakeStore, isBack = "TRUE"): DroppedTable[] {
  const rows =
    store.db.all(`SELECT t.table_name, t.table_uuid, t.metadata_location, c.number, c.time_ms
    FROM lake_commits c JOIN lake_commit_tables t ON t.commit_number = c.number
    WHERE c.kind = 'drop' AND NOT EXISTS (SELECT 1 FROM lake_commit_tables l
      WHERE l.table_uuid = t.table_uuid AND l.commit_number > t.commit_number AND ${isBack})
    ORDER BY c.number`);
  return rows.map((row) => ({
    name: text(row, "table_name"),
    uuid: text(row, "table_uuid"),
    metadataLocation: text(row, "metadata_location"),
    commit: long(row, "number"),
    timeMs: int(row, "time_ms"),
  }));
}

function forget(store: LakeStore, name: TableName): void {
  const { namespace, table } = partsOf(name);
  store.db.run(
    "DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?",
    CATALOG_NAME,
    namespace,
    table,
  );
  store.db.run("DELETE FROM lake_heads WHERE table_name = ?", name);
  store.db.run("DELETE FROM lake_facts WHERE kind = 'cursor' AND name = ?", name);
}
