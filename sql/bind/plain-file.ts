/**
 * One data file read by the names of its columns. DuckDB reads a single file that is mapped by field id with one
 * thread and without its statistics; by name it uses all threads and answers min, max and count from the footer.
 */

import type { ScanFile, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteFileList, quoteIdentifier } from "../syntax/quote.ts";
import { type FileField, fileFields } from "./nested.ts";

/** DuckDB's rows in a row group: so few are read by one thread, faster than a footer is looked into. */
export const ROW_GROUP_ROWS = 122_880n;
/** Columns that the reader adds; a file's own column of such a name would stand in their way. */
const READER_COLUMNS = ["filename", "file_row_number", "file_index"] as const;

/**
 * A subquery of the file's rows with each column of the schema called by `nameOf`, beside the reader's own columns.
 * Null unless the footer proves that this is what reading by field id gives: every column of the file has an id of its
 * own and a name of its own, and each column of the schema is a plain column of the very same type, or not in the file.
 */
export async function plainFileSql(
  db: DuckDB,
  files: readonly ScanFile[],
  schema: Schema,
  nameOf: (field: Schema["fields"][number]) => string,
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
    items.push(`${value} AS ${nameOf(field)}`);
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
