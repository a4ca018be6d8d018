/** Pointers to views: rows of iceberg_tables whose type says so. iceberg.md 3.1. */

import { compareCodePoints } from "../../core/base/order.ts";
import type { TableName } from "../../core/table/types.ts";
import { text } from "./database.ts";
import { partsOf } from "./history.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";

const VIEWS = `FROM iceberg_tables
  WHERE catalog_name = ? AND table_namespace = ? AND iceberg_type = 'VIEW'`;

/** True where a view has the name. In the caller's transaction. */
export function isView(store: LakeStore, name: TableName): boolean {
  return readViewPointer(store, name) !== null;
}

/** Recorded location of a view's metadata, or null. In the caller's transaction. */
export function readViewPointer(store: LakeStore, name: TableName): string | null {
  const { namespace, table } = partsOf(name);
  const sql = `SELECT metadata_location ${VIEWS} AND table_name = ?`;
  const row = store.db.get(sql, CATALOG_NAME, namespace, table);
  return row === null ? null : text(row, "metadata_location");
}

/** Names of a namespace's views, without it. In the caller's transaction. */
export function readViewNames(store: LakeStore, namespace: string): readonly string[] {
  const rows = store.db.all(`SELECT table_name ${VIEWS}`, CATALOG_NAME, namespace);
  return rows.map((row) => text(row, "table_name")).sort(compareCodePoints);
}
