/** CREATE TABLE: of columns, or of a query with its rows. */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { freshSchema, highestId } from "../../core/table/evolution.ts";
import { fileKey } from "../../core/table/live.ts";
import { nextSpec, UNPARTITIONED } from "../../core/table/partition.ts";
import { isReserved } from "../../core/table/system-columns.ts";
import type { Column, Schema, Type } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBError } from "../duckdb/error.ts";
import { icebergType } from "../duckdb/types.ts";
import { NO_FILES } from "../materialize/publish.ts";
import { unsupported } from "../query/error.ts";
import { quoteLiteral } from "../syntax/quote.ts";
import { type PendingTable, UNSORTED } from "./pending.ts";
import { propertiesOf, setProperties, sortOrderOf } from "./properties.ts";
import { append, rowsSql } from "./row-changes.ts";
import { boundRows, type ChangeContext, stagingOf } from "./rows.ts";
import type { Create } from "./table-statement.ts";

/** Makes a table; how many rows it has, null where nothing was to be done. */
export async function create(context: ChangeContext, statement: Create): Promise<bigint | null> {
  const { target, isReplacing, isOptional, query } = statement;
  const name = await context.writer.nameOf(target.parts, "CREATE TABLE");
  const there = await context.pending.find(name.split("."), "drop", "CREATE OR REPLACE of");
  if (there !== null && isOptional) {
    context.pending.forget(there);
    return null;
  }
  if (there !== null && !isReplacing) {
    throw new LakeError("usage", `there is a table ${name} already`, {
      hint: "create or replace table …, or: create table if not exists …",
    });
  }
  const rows = query === null ? null : await boundRows(context, query);
  const given = await givenColumns(context.db, statement, rows?.columns ?? []);
  const schema = freshSchema(given.columns, given.required);
  const table = there ?? context.pending.add(name, schema);
  if (there !== null) replace(there, schema);
  await describe(context, table, statement);
  if (rows === null || statement.isEmpty) return null;
  const values = new Map(
    table.schema.fields.map((field, index) => [
      field,
      must(rows.columns[index], "a column of the query for each of the table"),
    ]),
  );
  await using staging = await stagingOf(context);
  return await append(table, staging, rowsSql(table.schema, rows.sql, values));
}

export interface Given {
  readonly columns: readonly Column[];
  readonly required: ReadonlySet<string>;
}

async function givenColumns(
  db: DuckDB,
  { columns, names }: Create,
  found: readonly { readonly name: string; readonly type: string }[],
): Promise<Given> {
  if (columns !== null) return await declared(db, columns);
  if (names !== null && names.length !== found.length) {
    throw new LakeError(
      "sql",
      `${names.length} columns are named, and the query has ${found.length}`,
    );
  }
  const own = found.map(({ name, type }, index): Column => {
    const called = names?.[index] ?? name;
    return { name: called, type: icebergType(type, called) };
  });
  checkColumns(own);
  return { columns: own, required: new Set() };
}

/** Columns as DuckDB reads their declarations, in a table of its own that is gone at once. */
export async function declared(db: DuckDB, text: string): Promise<Given> {
  const scratch = "lake_declared";
  const sql = `CREATE OR REPLACE TEMP TABLE ${scratch} ${text}`;
  try {
    await db.run(sql);
  } catch (thrown) {
    throw duckDBError(thrown, null);
  }
  try {
    const where = `table_name = ${quoteLiteral(scratch)} AND database_name = ${quoteLiteral("temp")}`;
    const rows = await db.rows(
      `SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns()
       WHERE ${where} ORDER BY column_index`,
    );
    const [other] = await db.rows(
      `SELECT constraint_type FROM duckdb_constraints()
       WHERE ${where} AND constraint_type <> ${quoteLiteral("NOT NULL")}`,
    );
    const filled = rows.find(({ column_default }) => (column_default ?? null) !== null);
    if (other !== undefined) throw noConstraint(String(other.constraint_type));
    if (filled !== undefined) throw noConstraint(`DEFAULT of ${String(filled.column_name)}`);
    const columns = rows.map((row): Column => {
      const name = String(row.column_name);
      return { name, type: icebergType(String(row.data_type), name) };
    });
    checkColumns(columns);
    const isRequired = rows.filter((row) => row.is_nullable === false);
    return { columns, required: new Set(isRequired.map((row) => String(row.column_name))) };
  } finally {
    await db.run(`DROP TABLE IF EXISTS temp.${scratch}`);
  }
}

/** Throws for names that no column may have, or that two have. */
export function checkColumns(columns: readonly Column[]): void {
  const seen = new Set<string>();
  for (const { name } of columns) {
    const lower = name.toLowerCase();
    if (isReserved(lower)) {
      throw new LakeError(
        "usage",
        `${name} is the name of a column that the lake keeps for itself`,
        {
          hint: `give it another name: … as ${name.replace(/^_+/, "")}`,
        },
      );
    }
    if (seen.has(lower)) {
      throw new LakeError("sql", `there are two columns called ${name}`, {
        hint: `give one of them another name: … as ${name}_2`,
      });
    }
    seen.add(lower);
  }
}

function noConstraint(what: string) {
  return unsupported(
    `${what}: tables of the lake know NOT NULL and no other rule`,
    "say values where rows are inserted; keep keys unique with MERGE; check rows in a model",
  );
}

/** The same table with other columns: what it held stays in its past. */
function replace(table: PendingTable, schema: Schema): void {
  const { files, deletes } = table.scan;
  table.look();
  const all = [...files.map(({ file }) => file), ...deletes];
  table.change(NO_FILES, NO_FILES, all.map(fileKey));
  const last = table.lastColumnId;
  const fields = schema.fields.map((field) => ({
    ...field,
    id: field.id + last,
    type: shifted(field.type, last),
  }));
  const moved = { ...table.schema, fields, identifierFieldIds: [] };
  table.setSchema(moved, highestId(moved));
  if (table.spec.fields.length > 0) {
    const specs = table.base?.specs ?? [];
    table.setSpec(table.base === null ? UNPARTITIONED : nextSpec(specs, [], moved));
  }
  if (table.sortOrder.fields.length > 0) table.setSortOrder(UNSORTED);
}

/** Ids that no column of the table has had. */
export function shifted(type: Type, by: number): Type {
  switch (type.kind) {
    case "struct":
      return {
        ...type,
        fields: type.fields.map((field) => ({
          ...field,
          id: field.id + by,
          type: shifted(field.type, by),
        })),
      };
    case "list":
      return { ...type, elementId: type.elementId + by, element: shifted(type.element, by) };
    case "map":
      return {
        ...type,
        keyId: type.keyId + by,
        key: shifted(type.key, by),
        valueId: type.valueId + by,
        value: shifted(type.value, by),
      };
    default:
      return type;
  }
}

async function describe(
  { db }: ChangeContext,
  table: PendingTable,
  { partitionedBy, sortedBy, properties }: Create,
): Promise<void> {
  const specs = table.base?.specs ?? [];
  if (partitionedBy.length > 0) table.setSpec(nextSpec(specs, partitionedBy, table.schema));
  if (sortedBy.length > 0) table.setSortOrder(sortOrderOf(sortedBy, table.schema));
  if (properties.length > 0) setProperties(table, await propertiesOf(db, properties));
}
