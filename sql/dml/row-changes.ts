/** INSERT, DELETE, UPDATE and TRUNCATE worked out: which rows leave a table, and which ones come. */

import { LakeError } from "../../core/base/errors.ts";
import { fileKey } from "../../core/table/live.ts";
import type { Field, Schema } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import { NO_FILES } from "../materialize/publish.ts";
import { columnList, type Staging, storedSql } from "../materialize/rows.ts";
import { Clauses } from "../syntax/clauses.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { absent, checked, fitted, type Value } from "./fit.ts";
import type { PendingTable } from "./pending.ts";
import {
  type BoundRows,
  boundRows,
  type ChangeContext,
  fieldOf,
  identifiedTable,
  idItems,
  loseRows,
  Placed,
  refuseTwice,
  replaceRows,
  stagingOf,
  storedTable,
  visibleFields,
} from "./rows.ts";
import type { Delete, Insert, Truncate, Update } from "./statement.ts";

/** Puts rows in; how many. */
export async function insert(context: ChangeContext, statement: Insert): Promise<bigint> {
  const { target, query, columns, isByName } = statement;
  const table = await context.pending.open(target.parts, "rows", "INSERT into");
  const named = columns?.map((name) => fieldOf(table, name)) ?? null;
  refuseTwice(named ?? [], "INSERT");
  await using staging = await stagingOf(context);
  if (query === null) return await append(table, staging, rowsSql(table.schema, null, new Map()));
  const fields = named ?? visibleFields(table.schema);
  const written = isByName ? null : await writtenRows(context, fields, query);
  const rows = await boundRows(context, written ?? query);
  if (rows.reads.has(table.name)) table.look();
  const values = isByName
    ? valuesByName(table, rows)
    : valuesByPlace(table, rows, fields, named !== null);
  return await append(table, staging, rowsSql(table.schema, rows.sql, values));
}

/** Values of one statement that are looked at one by one; those of more have one type a column among themselves. */
const VALUES_MAX = 5_000;

/**
 * Rows that are written out, each value under the type of its column, as in DuckDB: `(1), ('2')`. Null for what is no
 * list of such rows.
 */
async function writtenRows(
  context: ChangeContext,
  fields: readonly Field[],
  query: string,
): Promise<string | null> {
  const rows = valuesOf(query);
  const texts = rows?.flat() ?? [];
  const isEven = rows?.every((row) => row.length === fields.length) === true;
  if (rows === null || !isEven || texts.length > VALUES_MAX) return null;
  const { columns } = await boundRows(context, `SELECT ${texts.join(", ")}`);
  const items = texts.map((text, index) => {
    const field = fields[index % fields.length];
    const value = { sql: `(${text})`, type: columns[index]?.type ?? "INTEGER" };
    return field === undefined ? text : fitted(value, field.type, field.name);
  });
  const lines = rows.map((row, nth) => {
    return `(${items.slice(nth * row.length, (nth + 1) * row.length).join(", ")})`;
  });
  return `VALUES ${lines.join(", ")}`;
}

/** The expressions of `VALUES (…), (…)`; null for anything else. */
function valuesOf(query: string): string[][] | null {
  const clauses = new Clauses(query);
  if (!clauses.take("values")) return null;
  const rows: string[][] = [];
  do {
    const row = clauses.list();
    if (row === null) return null;
    rows.push(row);
  } while (clauses.take(","));
  return clauses.isDone ? rows : null;
}

/** Writes rows of the table's columns as files that are added to it. */
export async function append(table: PendingTable, staging: Staging, sql: string): Promise<bigint> {
  const data = await staging.write(sql, "data", table);
  table.change(data, NO_FILES, []);
  return data.rows;
}

/** A SELECT of all columns: those that are given, checked, and none for the others. */
export function rowsSql(
  schema: Schema,
  from: string | null,
  values: ReadonlyMap<Field, Value>,
): string {
  const items = schema.fields.map((field) => {
    const value = values.get(field);
    const sql =
      value === undefined ? absent(field) : checked(fitted(value, field.type, field.name), field);
    return `${sql} AS ${quoteIdentifier(field.name)}`;
  });
  return `SELECT ${items.join(", ")}${from === null ? "" : ` FROM (${from})`}`;
}

/** The first column of a query is the first of the table. */
export function valuesByPlace(
  table: PendingTable,
  rows: BoundRows,
  fields: readonly Field[],
  isNamed: boolean,
): Map<Field, Value> {
  if (rows.columns.length === fields.length) {
    return new Map(fields.map((field, index) => [field, rows.columns[index] ?? NULL_VALUE]));
  }
  const what = isNamed ? "the statement names" : `${table.name} has`;
  throw new LakeError(
    "sql",
    `${what} ${fields.length} columns, and the rows have ${rows.columns.length}`,
    {
      hint: isNamed
        ? "give one value for each column"
        : `name those that are given: (${fields.map(({ name }) => name).join(", ")}), or say BY NAME`,
    },
  );
}

/** Columns of a query go where their names are. */
export function valuesByName(table: PendingTable, rows: BoundRows): Map<Field, Value> {
  const fields = rows.columns.map(({ name }) => fieldOf(table, name));
  refuseTwice(fields, "the query");
  return new Map(fields.map((field, index) => [field, rows.columns[index] ?? NULL_VALUE]));
}

const NULL_VALUE: Value = { sql: "NULL", type: "INTEGER" };

/** Takes rows out; how many. */
export async function remove(context: ChangeContext, statement: Delete): Promise<bigint> {
  const { target, ctes, from, where } = statement;
  const table = await context.pending.open(target.parts, "rows", "DELETE from");
  if (from === "" && where === "") return await empty(context, table);
  const placed = new Placed(table, target, context.sql);
  const rows = await boundRows(
    context,
    `${ctes} SELECT ${placed.places} FROM ${placed.from}${besides(placed, from, where)}`,
    placed,
  );
  const places = `SELECT ${from === "" ? "" : "DISTINCT "}c0 AS ${FILE_COLUMN}, c1 AS ${POSITION_COLUMN}`;
  await using staging = await stagingOf(context);
  const count = await loseRows(context.db, `${places} FROM (${rows.sql})`);
  const stored = await storedSql(context.db, storedTable(table));
  const none = `SELECT ${columnList(table.schema.fields)} FROM (${stored}) WHERE FALSE`;
  if (count === 0n) table.look();
  else await replaceRows(context, table, staging, none, "delete");
  return count;
}

/** Takes all rows out; how many there were. */
export async function truncate(
  context: ChangeContext,
  { target }: Pick<Truncate, "target">,
): Promise<bigint> {
  return await empty(context, await context.pending.open(target.parts, "rows", "TRUNCATE"));
}

async function empty({ db }: ChangeContext, table: PendingTable): Promise<bigint> {
  const { files, deletes } = table.scan;
  table.look();
  const count =
    deletes.length === 0
      ? files.reduce((sum, { file }) => sum + file.recordCount, 0n)
      : await rowCount(db, table);
  const all = [...files.map(({ file }) => file), ...deletes];
  table.change(NO_FILES, NO_FILES, all.map(fileKey));
  return count;
}

async function rowCount(db: ChangeContext["db"], table: PendingTable): Promise<bigint> {
  const stored = await storedSql(db, storedTable(table));
  const [row] = await db.rows(`SELECT count(*) AS n FROM (${stored})`);
  return BigInt(String(row?.n));
}

/** Gives rows other values; how many. */
export async function update(context: ChangeContext, statement: Update): Promise<bigint> {
  const { target, ctes, set, from, where } = statement;
  const table = await context.pending.open(target.parts, "rows", "UPDATE of");
  const assigned = set.map(({ column }) => fieldOf(table, column));
  refuseTwice(assigned, "SET");
  const placed = new Placed(table, target, context.sql);
  const { fields } = table.schema;
  const items = [
    placed.places,
    ...fields.map((field) => placed.column(field)),
    ...set.map(({ sql }) => `(${placed.text(sql)})`),
    ...(placed.rowId === null ? [] : [placed.rowId]),
  ];
  const rows = await boundRows(
    context,
    `${ctes} SELECT ${items.join(", ")} FROM ${placed.from}${besides(placed, from, where)}`,
    placed,
  );
  await using staging = await stagingOf(context);
  const { db } = context;
  const values = fields.map((field, index) => {
    const nth = assigned.indexOf(field);
    const value = rows.columns[nth < 0 ? 2 + index : 2 + fields.length + nth] ?? NULL_VALUE;
    const sql = nth < 0 ? value.sql : checked(fitted(value, field.type, field.name), field);
    return `${sql} AS ${quoteIdentifier(field.name)}`;
  });
  const stored = identifiedTable(table).schema.fields;
  values.push(...idItems(table, `c${2 + fields.length + set.length}`));
  const places = `c0 AS ${FILE_COLUMN}, c1 AS ${POSITION_COLUMN}`;
  const found = await staging.keep(`SELECT ${places}, ${values.join(", ")} FROM (${rows.sql})`);
  const count = await loseRows(
    db,
    `SELECT DISTINCT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${found})`,
  );
  if (count === 0n) {
    table.look();
    return 0n;
  }
  const changed = await onceEach(context, table, found, count);
  const added = `SELECT ${columnList(stored)} FROM (${changed})`;
  await replaceRows(context, table, staging, added, "update", placed.rowId !== null);
  return count;
}

/** Each row once: one that is given several values has none. */
export async function onceEach(
  { db }: ChangeContext,
  { name }: PendingTable,
  changed: string,
  places: bigint,
): Promise<string> {
  const counted = async (sql: string) =>
    BigInt(String((await db.rows(`SELECT count(*) AS n FROM (${sql})`))[0]?.n));
  if ((await counted(changed)) === places) return changed;
  const distinct = `SELECT DISTINCT * FROM (${changed})`;
  if ((await counted(distinct)) === places) return distinct;
  throw new LakeError("sql", `a row of ${name} is matched by several, which say different things`, {
    hint: "let one row match: group the source by what it is joined on, or take the last of each",
  });
}

function besides(placed: Placed, from: string, where: string): string {
  const beside = from === "" ? "" : `, ${placed.text(from)}`;
  return where === "" ? beside : `${beside} WHERE (${placed.text(where)})`;
}
