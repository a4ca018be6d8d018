/** A moved or copied lake becomes one of its own: its metadata is rewritten for the folder it lies in. */

import { realpathSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import type { Clock, DroppedTable, FileIO, Random } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import { EngineLease } from "../disk/lease.ts";
import { LocalFiles } from "../disk/local.ts";
import type { TableVersion } from "../iceberg/metadata.ts";
import { type Pointer, partsOf, readPointers } from "./history.ts";
import { CATALOG_NAME, checkPlace, LakeStore } from "./lake-store.ts";
import { moveHead, toHead } from "./publish.ts";
import { TableMove } from "./table-move.ts";

export interface RelocateOptions {
  /** Where the lake lies now; it holds catalog.db. */
  readonly root: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Relocated {
  readonly lakeId: string;
  readonly from: string;
  readonly to: string;
  readonly tables: number;
  /** Manifests and manifest lists written anew. */
  readonly files: number;
}

/**
 * Rewrites metadata, manifest lists and manifests under the present root, then moves all pointers, the root and a
 * new lake id in one transaction. Position deletes, which hold paths, are written anew beside the old ones; data files
 * are not touched, and nothing at the old root is read or written. Dying on the way leaves the lake as it was. Throws
 * `usage` when it was not moved, `locked` while an engine runs on it.
 */
export async function relocateLake(options: RelocateOptions): Promise<Relocated> {
  const { clock, random } = options;
  const root = realpathSync(options.root);
  checkPlace(root);
  const nowMs = clock.nowMs();
  const lease = EngineLease.take({ root, pid: process.pid, command: "tarn relocate", nowMs });
  try {
    const io = await LocalFiles.open({ root, random });
    const store = await LakeStore.open({ root, readonly: false, busyTimeoutMs: 0, clock, random });
    try {
      return await relocateStore(store, io, random);
    } finally {
      store.db.close();
    }
  } finally {
    lease.release();
  }
}

async function relocateStore(store: LakeStore, io: FileIO, random: Random): Promise<Relocated> {
  const { root: to, recordedRoot: from } = store;
  if (from === to) {
    throw new LakeError("usage", `this lake was made at ${to} and still lies there`, {
      hint: "relocate is for a lake that was moved or copied to another folder",
    });
  }
  const pointers = await store.read(() => readPointers(store));
  const move = new TableMove({ reads: io, writes: io, root: to, from, to }, random);
  const moved: Moved[] = [];
  for (const pointer of pointers) moved.push({ pointer, version: await move.table(pointer) });
  const { everyDropped } = await import("./drop.ts");
  const dropped: MovedDrop[] = [];
  for (const table of await everyDropped(store)) {
    const version = await ifKept(move.table(table));
    if (version !== null) dropped.push({ table, version });
  }
  const { moveViews, publishViews } = await import("./view-move.ts");
  const views = await moveViews(store, io, random);
  const lakeId = random.uuid();
  await store.db.write(() => {
    publishMove(store, lakeId, moved);
    for (const one of dropped) publishDropped(store, one);
    publishViews(store, views);
  });
  return { lakeId, from, to, tables: moved.length, files: move.files };
}

interface Moved {
  readonly pointer: Pointer;
  readonly version: TableVersion;
}

interface MovedDrop {
  readonly table: DroppedTable;
  readonly version: TableVersion;
}

/** Null where files of a table that was dropped are gone already. */
async function ifKept(moving: Promise<TableVersion>): Promise<TableVersion | null> {
  try {
    return await moving;
  } catch (thrown) {
    if (thrown instanceof LakeError) return null;
    throw thrown;
  }
}

/** It can be brought back from where it lies now, and its files leave from there. In the caller's transaction. */
function publishDropped({ db }: LakeStore, { table, version }: MovedDrop): void {
  const sql = `UPDATE lake_commit_tables SET metadata_location = ?
    WHERE commit_number = ? AND table_uuid = ?`;
  db.run(sql, version.metadataLocation, table.commit, table.uuid);
}

/** In the caller's transaction; the guard of ordinary writes would refuse it. */
function publishMove(store: LakeStore, lakeId: string, moved: readonly Moved[]): void {
  const { db } = store;
  for (const { pointer, version } of moved) {
    const { namespace, table } = partsOf(pointer.name);
    const sql = `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
      WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`;
    const { metadataLocation } = version;
    const changed = db.run(
      sql,
      metadataLocation,
      CATALOG_NAME,
      namespace,
      table,
      pointer.metadataLocation,
    );
    if (changed !== 1) throw changedMeanwhile(pointer.name);
    // A foreign commit not yet entered stays one: the head of before does not match it.
    if (pointer.head !== null) moveHead(store, toHead(pointer.name, version));
  }
  const meta = "UPDATE lake_meta SET value = ? WHERE key = ?";
  db.run(meta, store.root, "root");
  db.run(meta, lakeId, "lake_id");
  // These name files and processes of the other place.
  db.run("DELETE FROM lake_unlink");
  db.run("DELETE FROM lake_read_leases");
}

function changedMeanwhile(table: TableName): LakeError {
  return new LakeError("conflict", `${table} was changed while the lake was relocated`, {
    hint: "end the other program and run it again; nothing was changed",
  });
}
