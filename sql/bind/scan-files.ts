/** The data files of a scan as something to select from: by field id, or one plain file by the names of its columns. */

import type { Field, ScanFile, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFileList, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { type FileField, type FileGroup, fileFields, fileType } from "./nested.ts";

/** DuckDB's rows in a row group: so few are read by one thread, faster than a footer is looked into. */
export const ROW_GROUP_ROWS = 122_880n;
/** Columns that the reader adds; a file's own column of such a name would stand in their way. */
const READER_COLUMNS = ["filename", "file_row_number", "file_index"] as const;

/**
 * `read_parquet` of exact files whose columns are called `c<field id>`, so that no column of a table can stand in the
 * way of the reader's own `filename` and `file_row_number`.
 */
export function filesSql(
  paths: readonly string[],
  schema: Schema,
  group: Pick<FileGroup, "rebuilt"> | null = null,
): string {
  const entries = schema.fields.map((field) => {
    const inFile = group?.rebuilt.get(field.id);
    const type = inFile === undefined ? duckDBType(field.type) : fileType(field.type, inFile);
    const parts = `name: ${quoteLiteral(internalName(field))}, type: ${quoteLiteral(type)}`;
    return `${field.id}: {${parts}, default_value: NULL}`;
  });
  const map =
    entries.length === 0 ? "0: {name: 'none', type: 'BOOLEAN', default_value: NULL}" : null;
  return (
    `read_parquet(${quoteFileList(paths)}, schema = MAP {${map ?? entries.join(", ")}}, ` +
    "hive_partitioning = false)"
  );
}

/** What a column is called inside `filesSql`. */
export function internalName(field: Pick<Field, "id">): string {
  return `c${field.id}`;
}

/**
 * A subquery of one file's rows with each column called as in `filesSql`, beside the reader's own columns. DuckDB reads
 * a single file that is mapped by field id with one thread and without its statistics; by name it uses all threads and
 * answers min, max and count from the footer. Null unless the footer proves that this is what reading by field id
 * gives: every column of the file has an id of its own and a name of its own, and each column of the schema is a plain
 * column of the very same type, or not in the file.
 */
export async function plainFileSql(
  db: DuckDB,
  files: readonly ScanFile[],
  schema: Schema,
): Promise<string | null> {
  const [only] = files;
  if (only === undefined || files.length > 1 || only.file.recordCount <= ROW_GROUP_ROWS) {
    return null;
  }
  const inFile = await fileFields(db, only.localPath);
  if (!isUnambiguous(inFile)) return null;
  const items: string[] = [];
  for (const field of schema.fields) {
    const type = duckDBType(field.type);
    const own = inFile.find((candidate) => candidate.id === field.id);
    if (own !== undefined && own.leafType !== type) return null;
    const value = own === undefined ? `NULL::${type}` : quoteIdentifier(own.name);
    items.push(`${value} AS ${internalName(field)}`);
  }
  const source = `read_parquet(${quoteFileList([only.localPath])}, hive_partitioning = false)`;
  return `(SELECT ${[...items, "filename", "file_row_number"].join(", ")} FROM ${source})`;
}

function isUnambiguous(fields: readonly FileField[]): boolean {
  const ids = new Set(fields.map((field) => field.id));
  const names = new Set(fields.map((field) => field.name.toLowerCase()));
  return (
    fields.length > 0 &&
    !ids.has(null) &&
    ids.size === fields.length &&
    names.size === fields.length &&
    !READER_COLUMNS.some((name) => names.has(name))
  );
}
