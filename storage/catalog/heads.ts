/** Where each table stands: the pointers that the catalogs of other engines share, with what we last knew of them. */

import { compareCodePoints } from "../../core/base/order.ts";
import type { TableHead } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Row } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";
import { long, longOrNull, text, textOrNull } from "./row.ts";
import { CATALOG_NAME } from "./schema.ts";

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
