/** `_row`: the place of a row in its drop, from the order of the data file. DESIGN, Settled. */

import { BRONZE_COLUMNS, ROW_COLUMN } from "../../core/table/system-columns.ts";
import type { Field, Scan, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteFileList, quoteIdentifier, quoteList } from "../syntax/quote.ts";
import { filesSql, internalName, plainFileSql, ROW_GROUP_ROWS } from "./scan-files.ts";

/**
 * Footer key of data files whose rows are in the order of their drops, the rows of one drop together. Its value is
 * what to add to the count within the drop: 0 unless an earlier part of the drop lies elsewhere.
 */
export const ROW_ORDER_KEY = "tarn.row-order";

/** More files than this are not looked into one by one. */
const FILES_LOOKED_AT_MAX = 16;

export interface RowOrder {
  /** Over the alias `d` of the files. */
  readonly expression: string;
  /** To be joined to `d`; empty when nothing needs computing. */
  readonly join: string;
}

/**
 * How `_row` is had of a scan: as it is stored, else from the file's order where its footer says that it holds it,
 * else NULL. Counts before deletes are applied.
 */
export async function rowOrderOf(db: DuckDB, scan: Scan, schema: Schema): Promise<RowOrder> {
  const rowField = schema.fields.find((field) => field.name === ROW_COLUMN.name);
  const stored = rowField === undefined ? "NULL::BIGINT" : `d.${internalName(rowField)}`;
  const baseByPath = await rowOrders(
    db,
    scan.files.map((file) => file.localPath),
  );
  if (baseByPath.size === 0) return { expression: stored, join: "" };
  const fileField = schema.fields.find((field) => field.name === BRONZE_COLUMNS[1]?.name);
  const ordered = [...baseByPath.keys()];
  const bases = [...new Set(baseByPath.values())];
  const baseSql =
    bases.length === 1
      ? String(bases[0])
      : `CASE ${bases
          .map((base) => {
            const paths = ordered.filter((path) => baseByPath.get(path) === base);
            return `WHEN file IN (SELECT unnest(${quoteList(paths)})) THEN ${base}`;
          })
          .join(" ")} END`;
  const [base] = bases;
  const isUniform = bases.length === 1 && ordered.length === scan.files.length;
  const rows = scan.files.reduce((sum, { file }) => sum + file.recordCount, 0n);
  if (isUniform && rows > ROW_GROUP_ROWS && (await areOfOneDropEach(db, ordered, fileField))) {
    return { expression: `coalesce(${stored}, d.file_row_number + 1 + ${base})`, join: "" };
  }
  const drop = fileField === undefined ? "NULL" : internalName(fileField);
  const only = { ...schema, fields: fileField === undefined ? [] : [fileField] };
  const files = scan.files.filter((file) => baseByPath.has(file.localPath));
  const source = (await plainFileSql(db, files, only)) ?? filesSql(ordered, only);
  const firsts =
    `SELECT file, drop_name, first, ${baseSql} AS base FROM (SELECT filename AS file, ${drop} AS drop_name, ` +
    `min(file_row_number) AS first FROM ${source} GROUP BY ALL)`;
  const sameDrop =
    fileField === undefined
      ? ""
      : ` AND o.drop_name IS NOT DISTINCT FROM d.${quoteIdentifier(drop)}`;
  return {
    expression: `coalesce(${stored}, d.file_row_number - o.first + 1 + o.base)`,
    join: `LEFT JOIN (${firsts}) AS o ON o.file = d.filename${sameDrop}`,
  };
}

/** Whether the statistics of every file prove that all of its rows are of one drop. */
async function areOfOneDropEach(
  db: DuckDB,
  paths: readonly string[],
  fileField: Field | undefined,
): Promise<boolean> {
  if (fileField === undefined) return true;
  if (paths.length > FILES_LOOKED_AT_MAX) return false;
  const rows = await db.rows(
    `SELECT file_name FROM parquet_metadata(${quoteFileList(paths)}) WHERE path_in_schema = $1 GROUP BY file_name
     HAVING min(stats_min_value) = max(stats_max_value) AND count(stats_min_value) = count(*)
       AND count(stats_max_value) = count(*) AND count(stats_null_count) = count(*) AND sum(stats_null_count) = 0`,
    [fileField.name],
  );
  return rows.length === paths.length;
}

/** The bases of the files whose footers say that their order is that of the drops, by path. */
export async function rowOrders(
  db: DuckDB,
  paths: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  if (paths.length === 0) return new Map();
  const rows = await db.rows(
    `SELECT file_name, decode(value) AS base FROM parquet_kv_metadata(${quoteFileList(paths)})
     WHERE decode(key) = $1`,
    [ROW_ORDER_KEY],
  );
  return new Map(rows.map((row) => [String(row.file_name), baseOf(String(row.base))]));
}

function baseOf(text: string): bigint {
  return /^\d{1,18}$/.test(text) ? BigInt(text) : 0n;
}
