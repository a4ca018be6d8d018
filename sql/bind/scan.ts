/**
 * A scan as SQL: exact files, columns by field id, deletes of other writers applied as Iceberg says, and `_row` from
 * the order of the data file. iceberg.md, section 8; DESIGN, Settled.
 */

import { LakeError } from "../../core/base/errors.ts";
import {
  BRONZE_COLUMNS,
  FILE_ALIAS,
  isHidden,
  isLineage,
  LINEAGE_FIELDS,
  ROW_COLUMN,
  ROW_ORDER_KEY,
  SOURCE_FILE_COLUMN,
} from "../../core/table/system-columns.ts";
import type { Field, Scan, ScanFile, Schema } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import {
  ownColumn,
  quoteFileList,
  quoteIdentifier,
  quoteList,
  quoteLiteral,
  refuseOwnNames,
} from "../syntax/quote.ts";
import {
  type FileField,
  type FileGroup,
  fileFields,
  filesSql,
  groupFiles,
  internalName,
  localPath,
  rebuild,
} from "./nested.ts";
import type { Lineage } from "./row-lineage.ts";

/** What to read of a scan. */
export interface ScanShape {
  /** Hidden columns to give beside the visible ones, by name; `_row` is computed where it is not stored. */
  readonly hidden: ReadonlySet<string>;
  /** Read under this schema instead of the scan's own, by field id. */
  readonly schema?: Schema;
  /** Adds FILE_COLUMN and POSITION_COLUMN. */
  readonly positions?: boolean;
}

export interface RowOrder {
  /** Over the alias `d` of the files. */
  readonly expression: string;
  /** To be joined to `d`; empty when nothing needs computing. */
  readonly join: string;
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

/** DuckDB's rows in a row group: so few are read by one thread, faster than a footer is looked into. */
export const ROW_GROUP_ROWS = 122_880n;
/** Columns that the reader adds; a file's own column of such a name would stand in their way. */
const READER_COLUMNS = ["filename", "file_row_number", "file_index"] as const;

/** More files than this are not looked into one by one. */
const FILES_LOOKED_AT_MAX = 16;

/**
 * A SELECT of the scan's rows, visible columns in schema order, then hidden ones that were asked for and exist.
 * Throws LakeError `unsupported` for deletes that cannot be applied exactly.
 */
export async function scanSql(db: DuckDB, scan: Scan, shape: ScanShape): Promise<string> {
  if (scan.corrected === undefined) return storedSql(db, scan, shape);
  const { correctedSql } = await import("./corrected.ts");
  return correctedSql(db, scan, scan.corrected, shape, (hidden, files) =>
    storedSql(db, { ...scan, files }, { ...shape, hidden }),
  );
}

async function storedSql(db: DuckDB, scan: Scan, shape: ScanShape): Promise<string> {
  const schema = withAsked(scan, shape);
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
  const named = scan.names === undefined ? [] : await byName(db, scan, schema);
  const byNames = new Set(named.flatMap((group) => group.paths));
  const paths = scan.files.map((file) => file.localPath).filter((path) => !byNames.has(path));
  const ofIds =
    paths.length === 0 ? [] : await groupFiles(db, paths, { ...schema, fields: stored });
  const groups: readonly Source[] = [...ofIds, ...named];
  const lineage = await lineageIn(scan, stored);
  const deletes = await deletesOf(scan, schema);
  const row = wantsRow ? await rowOrderOf(db, scan, schema) : null;
  const isOne = groups.length === 1 && named.length === 0;
  const plain = isOne ? await plainFileSql(db, scan.files, schema) : null;
  const selects = groups.map((group) => {
    const source = group.source ?? plain ?? filesSql(group.paths, schema, group);
    const columns = stored.map((field) => lineage?.sqlOf(field) ?? columnSql(field, group));
    if (row !== null) columns.push(`${row.expression} AS ${quoteIdentifier(ROW_COLUMN.name)}`);
    if (shape.positions === true) {
      columns.push(`d.filename AS ${FILE_COLUMN}`, `d.file_row_number AS ${POSITION_COLUMN}`);
    }
    const joins = [row?.join ?? "", lineage?.join ?? "", deletes];
    const rest = joins.filter((part) => part !== "").join(" ");
    const list = columns.length === 0 ? "NULL AS lake_nothing" : columns.join(", ");
    return `SELECT ${list} FROM ${source} AS d ${rest}`.trimEnd();
  });
  return selects.join(" UNION ALL ");
}

/** The schema, with the columns of row lineage that are asked for by name. */
function withAsked(scan: Scan, { schema = scan.schema, hidden }: ScanShape): Schema {
  if (scan.hasLineage !== true || schema.fields.some(isLineage)) return schema;
  const asked = LINEAGE_FIELDS.filter(({ name }) => hidden.has(name));
  return asked.length === 0 ? schema : { ...schema, fields: [...schema.fields, ...asked] };
}

/** Files that are read alike; by ids unless it says how. */
type Source = FileGroup & { readonly source?: string };

/** Files without ids, nothing of which has to be rebuilt: names within them are those of the table. */
async function byName(db: DuckDB, scan: Scan, schema: Schema): Promise<readonly Source[]> {
  const { namedFiles } = await import("./named-files.ts");
  return (await namedFiles(db, scan, schema)).map((group) => ({ ...group, rebuilt: new Map() }));
}

/** Most scans have none, and do without what it takes to say them. */
async function deletesOf(scan: Scan, schema: Schema): Promise<string> {
  if (scan.deletes.length === 0) return "";
  const { deletesJoin } = await import("./deletes.ts");
  return deletesJoin(scan, schema);
}

async function lineageIn(scan: Scan, fields: readonly Field[]): Promise<Lineage | null> {
  if (!fields.some(isLineage)) return null;
  const { lineageOf } = await import("./row-lineage.ts");
  return lineageOf(scan);
}

/** Files that a handler must be allowed to open for a scan. */
export function pathsOf(scan: Scan): string[] {
  return [...scan.files.map((file) => file.localPath), ...deletePaths(scan)];
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

/**
 * How `_row` is had of a scan: as it is stored, else from the file's order where its footer says that it holds it,
 * else NULL. Counts before deletes are applied.
 */
export async function rowOrderOf(db: DuckDB, scan: Scan, schema: Schema): Promise<RowOrder> {
  const rowField = schema.fields.find((field) => field.name === ROW_COLUMN.name);
  const stored = rowField === undefined ? "NULL::BIGINT" : `d.${internalName(rowField)}`;
  const orderByPath = await knownOrders(db, scan.files);
  if (orderByPath.size === 0) return { expression: stored, join: "" };
  const counted = countedInFiles(orderByPath, scan);
  if (counted !== null) return { expression: `coalesce(${stored}, ${counted})`, join: "" };
  const baseByPath = new Map([...orderByPath].map(([path, { base }]) => [path, base]));
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

/** `_row` where each file is known to hold rows of one drop: from the place in it alone. Null where one is not. */
function countedInFiles(orders: ReadonlyMap<string, FileOrder>, { files }: Scan): string | null {
  const known = [...orders];
  if (!known.every(([, { isOneDrop }]) => isOneDrop)) return null;
  const [first] = known.map(([, { base }]) => base);
  const isOne = known.length === files.length && known.every(([, { base }]) => base === first);
  const cases = known.map(([path, { base }]) => `WHEN ${quoteLiteral(path)} THEN ${base}`);
  return `d.file_row_number + 1 + ${isOne ? first : `CASE d.filename ${cases.join(" ")} END`}`;
}

/** How the rows of a file stand in their drops, as its footer says. */
interface FileOrder {
  /** Rows of its first drop before it. */
  readonly base: bigint;
  /** The statistics prove that all of its rows are of one drop; else nobody has looked. */
  readonly isOneDrop: boolean;
}

/** By path and size, null where a footer says none: data files never change. */
const KNOWN_ORDERS = new Map<string, FileOrder | null>();
const KNOWN_ORDERS_MAX = 50_000;

/** Orders of files of a table: a footer is read once. */
async function knownOrders(
  db: DuckDB,
  files: readonly ScanFile[],
): Promise<ReadonlyMap<string, FileOrder>> {
  const keyOf = ({ localPath, file }: ScanFile): string => `${file.sizeBytes} ${localPath}`;
  if (KNOWN_ORDERS.size + files.length > KNOWN_ORDERS_MAX) KNOWN_ORDERS.clear();
  const unknown = files.filter((file) => !KNOWN_ORDERS.has(keyOf(file)));
  const found = await fileOrders(
    db,
    unknown.map(({ localPath }) => localPath),
  );
  for (const file of unknown) KNOWN_ORDERS.set(keyOf(file), found.get(file.localPath) ?? null);
  const known = files.map(
    (file) => [file.localPath, KNOWN_ORDERS.get(keyOf(file)) ?? null] as const,
  );
  return new Map(
    known.flatMap(([path, order]) => (order === null ? [] : [[path, order] as const])),
  );
}

/** The bases of the files whose footers say that their order is that of the drops, by path. */
export async function rowOrders(
  db: DuckDB,
  paths: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  const orders = await fileOrders(db, paths);
  return new Map([...orders].map(([path, { base }]) => [path, base]));
}

async function fileOrders(
  db: DuckDB,
  paths: readonly string[],
): Promise<ReadonlyMap<string, FileOrder>> {
  if (paths.length === 0) return new Map();
  const { fileFooters } = await import("../decode/parquet/file-footer.ts");
  const { footers, left } = fileFooters(paths);
  const orders = new Map<string, FileOrder>();
  for (const [path, { texts, constants }] of footers) {
    const base = texts.get(ROW_ORDER_KEY);
    const isOneDrop = constants.has(SOURCE_FILE_COLUMN);
    if (base !== undefined) orders.set(path, { base: baseOf(base), isOneDrop });
  }
  if (left.length === 0) return orders;
  const rows = await db.rows(
    `SELECT file_name, decode(value) AS base FROM parquet_kv_metadata(${quoteFileList(left)})
     WHERE decode(key) = $1`,
    [ROW_ORDER_KEY],
  );
  for (const row of rows) {
    orders.set(String(row.file_name), { base: baseOf(String(row.base)), isOneDrop: false });
  }
  return orders;
}

/**
 * Local paths of the delete files. They are recorded under the root that the table was written at, which the data
 * files tell: the lake may have been moved since.
 */
export function deletePaths(scan: Scan): string[] {
  return scan.deletes.map((file) => localPath(scan, file.path));
}

/** The column under its other name, when that was asked for and no column has it. */
function aliased(schema: Schema, hidden: ReadonlySet<string>): Field[] {
  if (!hidden.has(FILE_ALIAS) || schema.fields.some((f) => f.name === FILE_ALIAS)) return [];
  return schema.fields
    .filter((field) => field.name === SOURCE_FILE_COLUMN)
    .map((field) => ({ ...field, name: FILE_ALIAS }));
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

function baseOf(text: string): bigint {
  return /^\d{1,18}$/.test(text) ? BigInt(text) : 0n;
}
