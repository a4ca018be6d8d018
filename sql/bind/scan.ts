/** A scan as SQL: exact files, columns by field id, deletes applied. iceberg.md, section 8. */

import { LakeError } from "../../core/base/errors.ts";
import {
  FILE_ALIAS,
  isHidden,
  ROW_COLUMN,
  SOURCE_FILE_COLUMN,
} from "../../core/table/system-columns.ts";
import type { Field, Scan, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn, refuseOwnNames } from "../syntax/own-names.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { type FileGroup, groupFiles, rebuild } from "./nested.ts";
import { rowOrderOf } from "./row-order.ts";
import { deletePaths, deletesJoin } from "./scan-deletes.ts";
import { filesSql, internalName, plainFileSql } from "./scan-files.ts";

/** What to read of a scan. */
export interface ScanShape {
  /** Hidden columns to give beside the visible ones, by name; `_row` is computed where it is not stored. */
  readonly hidden: ReadonlySet<string>;
  /** Read under this schema instead of the scan's own, by field id. */
  readonly schema?: Schema;
  /** Adds FILE_COLUMN and POSITION_COLUMN. */
  readonly positions?: boolean;
}

/** The path of a row's data file, as it was opened; quoted. */
export const FILE_COLUMN = ownColumn("file");
/** The 0-based position of a row in its data file; quoted. */
export const POSITION_COLUMN = ownColumn("position");

/** Every hidden column. */
export const ALL_HIDDEN: ReadonlySet<string> = new Set([
  "_source",
  "_source_file",
  "_batch",
  "_ingested_at",
  "_rescued",
  "_row",
]);

/**
 * A SELECT of the scan's rows, visible columns in schema order, then hidden ones that were asked for and exist.
 * Throws LakeError `unsupported` for deletes that cannot be applied exactly.
 */
export async function scanSql(db: DuckDB, scan: Scan, shape: ScanShape): Promise<string> {
  const schema = shape.schema ?? scan.schema;
  const fields = [
    ...schema.fields.filter((f) => !isHidden(f.name) || shape.hidden.has(f.name)),
    ...aliased(schema, shape.hidden),
  ];
  const stored = fields.filter((field) => field.name !== ROW_COLUMN.name);
  const wantsRow = shape.hidden.has(ROW_COLUMN.name);
  checkFormats(scan);
  refuseOwnNames(
    schema.fields.map((field) => field.name),
    scan.table,
  );
  if (scan.files.length === 0) return emptySql(stored, wantsRow, shape.positions === true);
  const paths = scan.files.map((file) => file.localPath);
  const groups = await groupFiles(db, paths, { ...schema, fields: stored });
  const deletes = deletesJoin(scan, schema);
  const row = wantsRow ? await rowOrderOf(db, scan, schema) : null;
  const plain = groups.length === 1 ? await plainFileSql(db, scan.files, schema) : null;
  const selects = groups.map((group) => {
    const source = plain ?? filesSql(group.paths, schema, group);
    const columns = stored.map((field) => columnSql(field, group));
    if (row !== null) columns.push(`${row.expression} AS ${quoteIdentifier(ROW_COLUMN.name)}`);
    if (shape.positions === true) {
      columns.push(`d.filename AS ${FILE_COLUMN}`, `d.file_row_number AS ${POSITION_COLUMN}`);
    }
    const rest = [row?.join ?? "", deletes].filter((part) => part !== "").join(" ");
    const list = columns.length === 0 ? "NULL AS lake_nothing" : columns.join(", ");
    return `SELECT ${list} FROM ${source} AS d ${rest}`.trimEnd();
  });
  return selects.join(" UNION ALL ");
}

/** The column under its other name, when that was asked for and no column has it. */
function aliased(schema: Schema, hidden: ReadonlySet<string>): Field[] {
  if (!hidden.has(FILE_ALIAS) || schema.fields.some((f) => f.name === FILE_ALIAS)) return [];
  return schema.fields
    .filter((field) => field.name === SOURCE_FILE_COLUMN)
    .map((field) => ({ ...field, name: FILE_ALIAS }));
}

/** Files that a handler must be allowed to open for a scan. */
export function pathsOf(scan: Scan): string[] {
  return [...scan.files.map((file) => file.localPath), ...deletePaths(scan)];
}

function columnSql(field: Field, group: FileGroup): string {
  const inFile = group.rebuilt.get(field.id);
  const own = `d.${internalName(field)}`;
  const value = inFile === undefined ? own : rebuild(field.type, inFile, own);
  return `${value} AS ${quoteIdentifier(field.name)}`;
}

/** Typed columns and no row. */
function emptySql(fields: readonly Field[], wantsRow: boolean, positions: boolean): string {
  const columns = fields.map((f) => `NULL::${duckDBType(f.type)} AS ${quoteIdentifier(f.name)}`);
  if (wantsRow) columns.push(`NULL::BIGINT AS ${quoteIdentifier(ROW_COLUMN.name)}`);
  if (positions)
    columns.push(`NULL::VARCHAR AS ${FILE_COLUMN}`, `NULL::BIGINT AS ${POSITION_COLUMN}`);
  return `SELECT ${columns.length === 0 ? "NULL AS lake_nothing" : columns.join(", ")} WHERE FALSE`;
}

function checkFormats(scan: Scan): void {
  const other = scan.files.find((file) => file.file.format.toLowerCase() !== "parquet");
  if (other === undefined) return;
  throw new LakeError("unsupported", `${scan.table} holds ${other.file.format} files`, {
    hint: "only Parquet data files can be read; rewrite the table with the engine that wrote it",
    context: { table: scan.table, file: other.file.path },
  });
}
