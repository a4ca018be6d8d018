/** Tables and views that other engines rename, and tables that they bring along. No file is touched. */

import type { CommitKind } from "../../core/table/commit.ts";
import type { TableName } from "../../core/table/types.ts";
import { currentSnapshot, type TableVersion } from "../iceberg/metadata.ts";
import { currentVersion } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { partsOf, readPointer } from "./history.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";
import { hasNamespace } from "./namespaces.ts";
import {
  insertCommit,
  insertCommitTable,
  insertPointer,
  toCommitRow,
  toForeignRow,
} from "./publish.ts";
import { noSuchNamespace, noSuchTable, noSuchView, refusal } from "./refusal.ts";
import { isView } from "./view-pointers.ts";

/** As it stands in the history. */
export interface Told {
  readonly kind: CommitKind;
  readonly message: string;
}

/**
 * One commit, after which the table has the other name; its number, null where it had the name. Throws what `refusal`
 * makes.
 */
export async function renameTable(
  context: CatalogContext,
  from: TableName,
  to: TableName,
  told: Told = { kind: "foreign", message: `${from} renamed to ${to} by another engine` },
): Promise<bigint | null> {
  const { store, clock, random } = context;
  // Entered first: what is under its old name stays there.
  const version = await currentVersion(context, from);
  if (version === null) throw noSuchTable(from);
  return await store.write((): bigint | null => {
    const pointer = readPointer(store, from);
    if (pointer === null) throw noSuchTable(from);
    if (pointer.metadataLocation !== version.metadataLocation) throw moved(from);
    if (from === to) return null;
    refuseTaken(store, from, to);
    rename(store, from, to);
    store.db.run("DELETE FROM lake_heads WHERE table_name = ?", from);
    const commit = { attempt: random.uuid(), ...told, nowMs: clock.nowMs() };
    const { number } = insertCommit(store, commit);
    insertCommitTable(store, number, toCommitRow(to, version, null));
    return number;
  });
}

/** The same of a view, which has no history of ours. */
export async function renameView(store: LakeStore, from: TableName, to: TableName): Promise<void> {
  await store.write(() => {
    if (!isView(store, from)) throw noSuchView(from);
    if (from === to) return;
    refuseTaken(store, from, to);
    rename(store, from, to);
  });
}

/** One commit, after which a table that other metadata describes is one of the lake. */
export async function registerTable(
  context: CatalogContext,
  name: TableName,
  version: TableVersion,
  message: string,
): Promise<void> {
  const { store, clock, random } = context;
  const { namespace } = partsOf(name);
  await store.write(() => {
    if (!hasNamespace(store.db, namespace)) throw noSuchNamespace(namespace);
    if (isView(store, name)) {
      throw refusal("AlreadyExistsException", `View with same name already exists: ${name}`);
    }
    const { uuid } = version.metadata;
    const sql = "SELECT table_name FROM lake_heads WHERE table_uuid = ?";
    const known = store.db.get(sql, uuid);
    const exists = (text: string): Error => refusal("AlreadyExistsException", text);
    if (readPointer(store, name) !== null) throw exists(`Table already exists: ${name}`);
    if (known !== null) {
      throw exists(`Table ${uuid} already exists in this catalog: ${String(known.table_name)}`);
    }
    if (!insertPointer(store, name, version.metadataLocation)) {
      throw exists(`Table already exists: ${name}`);
    }
    const commit = { attempt: random.uuid(), kind: "foreign", message, nowMs: clock.nowMs() };
    const { number } = insertCommit(store, commit);
    const current = currentSnapshot(version.metadata);
    const operation = current?.operation ?? null;
    insertCommitTable(store, number, toForeignRow(name, version, current, operation));
    // A dropped table that comes back: its files are not to go any more.
    store.db.run("DELETE FROM lake_unlink WHERE table_uuid = ?", uuid);
  });
}

/** In the caller's transaction. */
function refuseTaken(store: LakeStore, from: TableName, to: TableName): void {
  const { namespace } = partsOf(to);
  if (!hasNamespace(store.db, namespace)) throw noSuchNamespace(namespace);
  const taken = isView(store, to) ? "View" : readPointer(store, to) === null ? null : "Table";
  if (taken === null) return;
  throw refusal(
    "AlreadyExistsException",
    `Cannot rename ${from} to ${to}. ${taken} already exists`,
  );
}

/** In the caller's transaction. */
function rename(store: LakeStore, from: TableName, to: TableName): void {
  const [old, now] = [partsOf(from), partsOf(to)];
  store.db.run(
    `UPDATE iceberg_tables SET table_namespace = ?, table_name = ?
      WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`,
    now.namespace,
    now.table,
    CATALOG_NAME,
    old.namespace,
    old.table,
  );
}

function moved(name: TableName): Error {
  return refusal("CommitFailedException", `${name} was changed by another writer meanwhile`);
}
