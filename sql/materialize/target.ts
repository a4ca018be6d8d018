/** The target's stored rows in a run: read with their places, replaced file by file. */

import type { Written } from "../../core/engine.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { PartitionSpec, Scan, Schema } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { columnList } from "./computed.ts";
import type { Staging } from "./staging.ts";

/** Temporary table of the stored rows that leave: FILE_COLUMN and POSITION_COLUMN. */
export const LOSERS = "temp.lake_losers";

export interface Target {
  readonly scan: Scan;
  readonly schema: Schema;
  readonly spec: PartitionSpec;
}

export interface Published {
  readonly data: Written;
  readonly replaced: readonly string[];
}

/** A SELECT of the stored rows under the run's schema, with their places; of some files only when they are named. */
export function storedSql(
  db: DuckDB,
  target: Target,
  localPaths: ReadonlySet<string> | null = null,
): Promise<string> {
  const hidden = target.schema.fields.map((field) => field.name).filter(isHidden);
  const files =
    localPaths === null
      ? target.scan.files
      : target.scan.files.filter((file) => localPaths.has(file.localPath));
  return scanSql(
    db,
    { ...target.scan, files },
    { hidden: new Set(hidden), schema: target.schema, positions: true },
  );
}

/**
 * Writes the new rows, and with them what stays of the files that lose rows: a file is touched only when one of its
 * rows is in LOSERS.
 */
export async function publish(
  db: DuckDB,
  staging: Staging,
  target: Target,
  addedSql: string,
  name = "data",
): Promise<Published> {
  const rows = await db.rows(`SELECT DISTINCT ${FILE_COLUMN} AS path FROM ${LOSERS}`);
  const touched = new Set(rows.map((row) => String(row.path)));
  const columns = columnList(target.schema.fields);
  const parts = [`SELECT ${columns} FROM (${addedSql})`];
  if (touched.size > 0) {
    const stored = await storedSql(db, target, touched);
    const same = [FILE_COLUMN, POSITION_COLUMN]
      .map((name) => `l.${name} = t.${name}`)
      .join(" AND ");
    parts.unshift(
      `SELECT ${columnList(target.schema.fields, "t")} FROM (${stored}) AS t ANTI JOIN ${LOSERS} AS l ON ${same}`,
    );
  }
  const data = await staging.write(parts.join(" UNION ALL "), name, target);
  const replaced = target.scan.files.filter((file) => touched.has(file.localPath));
  return { data, replaced: replaced.map((file) => file.file.path) };
}

/** A SELECT of the stored rows that stay where they are; null when there are none. */
export async function keptSql(
  db: DuckDB,
  target: Target,
  replaced: readonly string[],
): Promise<string | null> {
  const gone = new Set(replaced);
  const kept = target.scan.files.filter((file) => !gone.has(file.file.path));
  if (kept.length === 0) return null;
  return storedSql(db, target, new Set(kept.map((file) => file.localPath)));
}
