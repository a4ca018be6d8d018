/** MERGE worked out: rows that match are changed or leave, those of the source that match none come. */

import { LakeError } from "../../core/base/errors.ts";
import type { Field } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import { columnList } from "../materialize/rows.ts";
import { unsupported } from "../query/error.ts";
import { Clauses } from "../syntax/clauses.ts";
import { isSymbol, nameOf, tokensOf } from "../syntax/lexer.ts";
import { ownColumn, quoteIdentifier } from "../syntax/quote.ts";
import { rewriteSpellings } from "../syntax/time-travel.ts";
import { absent, checked, fitted } from "./fit.ts";
import type { Merge, MergeAction, MergeClause } from "./merge-clauses.ts";
import { rowsByKey, SOURCE, type Work } from "./merge-keys.ts";
import type { PendingTable } from "./pending.ts";
import { append, onceEach, rowsSql } from "./row-changes.ts";
import {
  type BoundRows,
  boundRows,
  type ChangeContext,
  fieldOf,
  identifiedTable,
  idItems,
  loseRows,
  Placed,
  ROW_ID,
  refuseTwice,
  replaceRows,
  stagingOf,
  visibleFields,
} from "./rows.ts";

/** Numbers of source rows that match, and places of rows that do. */
const MET = "lake_merge_met";
const HIT = "lake_merge_hit";
const NTH = "lake_nth";
/** Which clause a row comes to: its number, from 1; 0 is none. */
const CLAUSE = ownColumn("clause");

/** A clause with the columns that it gives: SQL by field. */
interface Planned {
  readonly number: number;
  readonly clause: MergeClause;
  readonly values: ReadonlyMap<Field, string>;
}

/** How many rows were changed, taken out and put in. */
export async function merge(context: ChangeContext, statement: Merge): Promise<bigint> {
  const table = await context.pending.open(statement.target.parts, "rows", "MERGE into");
  table.look();
  await using staging = await stagingOf(context);
  const placed = new Placed(table, statement.target, context.sql);
  const named = await keepSource(context, statement);
  const work: Work = { context, table, placed, statement, staging, ...named };
  const met = await matchedRows(work);
  const left = await unmatchedRows(work);
  const changed = left === null ? [met] : [met, left];
  const leaving = changed.map(
    ({ rows, plans }) =>
      `SELECT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${rows}) WHERE ${CLAUSE} IN (${numbersOf(plans)})`,
  );
  const count = await loseRows(context.db, leaving.join(" UNION ALL "));
  const added = [
    ...changed.flatMap(({ rows, plans }) => updatedRows(table, rows, plans)),
    ...(await insertedRows(work)),
  ];
  const columns = columnList(table.schema.fields);
  const stored = columnList(identifiedTable(table).schema.fields);
  const fields = optional(identifiedTable(table).schema.fields);
  const none = rowsSql({ ...table.schema, fields }, null, new Map());
  const [first = `SELECT ${stored} FROM (${none}) WHERE FALSE`, ...rest] = added;
  const inserted = await insertedCount(work, added, changed);
  const all = [first, ...rest].join(" UNION ALL ");
  if (count === 0n) {
    if (inserted > 0n) await append(table, staging, `SELECT ${columns} FROM (${all})`);
    return inserted;
  }
  await replaceRows(context, table, staging, all, "merge", placed.rowId !== null);
  return count + inserted;
}

function optional(fields: readonly Field[]): Field[] {
  return fields.map((field) => ({ ...field, required: false }));
}

/** Keeps the source once, with a number for each row; how it is called. */
async function keepSource(
  context: ChangeContext,
  { source, ctes }: Merge,
): Promise<Pick<Work, "source" | "sourceColumns">> {
  const text = (await rewriteSpellings(source)).sql;
  const alias = aliasOf(text);
  const rows = await boundRows(context, `${ctes} SELECT * FROM ${text}`);
  const names = rows.columns.map(({ name }) => name);
  const twice = names.find((name, at) => {
    return names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) !== at;
  });
  if (twice !== undefined) {
    throw new LakeError("sql", `the source of the MERGE has two columns called ${twice}`, {
      hint: "name them: using (select a.x, b.x as y from …) as s",
    });
  }
  const items = rows.columns.map(({ name, sql }) => `${sql} AS ${quoteIdentifier(name)}`);
  await context.db.run(
    `CREATE OR REPLACE TEMP TABLE ${SOURCE} AS
     SELECT ${items.join(", ")}, row_number() OVER () AS ${NTH} FROM (${rows.sql})`,
  );
  return { source: alias, sourceColumns: names };
}

/** What columns of a source are qualified with. Throws `unsupported` for a join that stands alone. */
function aliasOf(source: string): string {
  const clauses = new Clauses(source);
  let own = "";
  if (clauses.sees("(")) clauses.list();
  else if (clauses.tokens[0]?.kind === "string") clauses.at++;
  else own = (clauses.name().at(-1) ?? "").replace(/@.*$/, "");
  if (own !== "" && clauses.sees("(")) clauses.list();
  if (clauses.take("at")) clauses.list();
  const alias = clauses.alias(new Set(["join", "left", "inner", "cross", "tablesample"])) ?? own;
  clauses.list();
  if (clauses.isDone) return alias === "" ? "lake_merge_rows" : alias;
  throw unsupported(
    "the source of a MERGE is one table or query",
    "using (select … from a join b …) as s",
  );
}

interface Changed {
  /** A SELECT of places, CLAUSE, columns of the table, and values of clauses by `valueName`. */
  readonly rows: string;
  readonly plans: readonly Planned[];
}

/** Pairs of rows that match; each row of the table that a clause does something with stands in one. */
async function matchedRows(work: Work): Promise<Changed> {
  const { context, placed, statement, source, staging } = work;
  const plans = plansOf(work, "matched");
  const needed = neededFields(work, plans);
  placed.found = needed === null ? null : await rowsByKey(work, needed);
  const items = [`${quoteIdentifier(source)}.${NTH}`, ...changeItems(work, plans)];
  const joined = `temp.${SOURCE} AS ${quoteIdentifier(source)} ON ${conditionOf(work)}`;
  const from = `${placed.from} JOIN ${joined}`;
  const sql = `${statement.ctes} SELECT ${placed.places}, ${items.join(", ")} FROM ${from}`;
  const bound = await boundRows(context, sql, placed);
  placed.found = null;
  const found = await staging.keep(
    `SELECT c2 AS ${NTH}, ${changedColumns(work, plans, bound, 3)} FROM (${bound.sql})`,
  );
  const { db } = context;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE ${MET} AS SELECT DISTINCT ${NTH} AS nth FROM (${found})`,
  );
  if (statement.clauses.some(({ when }) => when === "not-matched-by-source")) {
    await db.run(
      `CREATE OR REPLACE TEMP TABLE ${HIT} AS
       SELECT DISTINCT ${FILE_COLUMN} AS file, ${POSITION_COLUMN} AS position FROM (${found})`,
    );
  }
  await refuseErrors(work, found, plans);
  const acting = `SELECT * EXCLUDE (${NTH}) FROM (${found}) WHERE ${CLAUSE} IN (${numbersOf(plans)})`;
  const [places] = await db.rows(
    `SELECT count(*) AS n FROM (SELECT DISTINCT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${acting}))`,
  );
  return { rows: await onceEach(context, work.table, acting, BigInt(String(places?.n))), plans };
}

/**
 * Names of the columns that a statement could read of rows that match; null where it reads a row as a whole, or in some
 * other way that its words do not tell.
 */
function neededFields(work: Work, plans: readonly Planned[]): ReadonlySet<Field> | null {
  const { statement, table, source } = work;
  const texts = [
    conditionOf(work),
    ...plans.flatMap(({ clause, values }) => [clause.and, ...values.values()]),
  ];
  const tokens = texts.flatMap((text) => tokensOf(text));
  const isWhole = tokens.some((token, index) => {
    const isAlias = nameOf(token).toLowerCase() === statement.target.alias.toLowerCase();
    const isName = token.kind === "word" || token.kind === "quoted";
    return (isName && isAlias && !isSymbol(tokens[index + 1], ".")) || isSymbol(token, "*");
  });
  if (isWhole) return null;
  // What is qualified with the source's name is none of the table's.
  const own = texts.flatMap((text) => {
    const all = tokensOf(text);
    return all.filter((_, index) => {
      const qualifier = isSymbol(all[index - 1], ".") ? all[index - 2] : undefined;
      return qualifier === undefined || nameOf(qualifier).toLowerCase() !== source.toLowerCase();
    });
  });
  const words = new Set(own.map((token) => nameOf(token).toLowerCase()));
  const kept = new Set(keptFields(work, plans));
  const { fields } = table.schema;
  return new Set(fields.filter((one) => kept.has(one) || words.has(one.name.toLowerCase())));
}

/** Rows of the table that match none of the source; null where no clause asks for them. */
async function unmatchedRows(work: Work): Promise<Changed | null> {
  const { context, placed, statement, staging } = work;
  const plans = plansOf(work, "not-matched-by-source");
  if (plans.length === 0) return null;
  const isHit = `h.file = ${placed.file} AND h.position = ${placed.position}`;
  const where = `NOT EXISTS (SELECT 1 FROM temp.${HIT} AS h WHERE ${isHit})`;
  const items = changeItems(work, plans).join(", ");
  const sql = `${statement.ctes} SELECT ${placed.places}, ${items} FROM ${placed.from} WHERE ${where}`;
  const bound = await boundRows(context, sql, placed);
  const columns = changedColumns(work, plans, bound, 2);
  const rows = await staging.keep(
    `SELECT * FROM (SELECT ${columns} FROM (${bound.sql})) WHERE ${CLAUSE} > 0`,
  );
  await refuseErrors(work, rows, plans);
  return { rows, plans };
}

/** SELECTs of the rows that come of the source; none where no clause asks for them. */
async function insertedRows(work: Work): Promise<string[]> {
  const { context, statement, source, staging, table } = work;
  const plans = plansOf(work, "not-matched");
  if (plans.length === 0) return [];
  const name = quoteIdentifier(source);
  const values = plans.flatMap((plan) =>
    [...plan.values].map(([, sql]) => guarded(plan, plans, sql)),
  );
  const items = [clauseSql(plans), ...values].join(", ");
  const isNew = `${name}.${NTH} NOT IN (SELECT nth FROM temp.${MET})`;
  const sql = `${statement.ctes} SELECT ${items} FROM temp.${SOURCE} AS ${name} WHERE ${isNew}`;
  const bound = await boundRows(context, sql);
  const columns = [`c0 AS ${CLAUSE}`, ...valueColumns(plans, bound, 1)];
  const rows = await staging.keep(`SELECT ${columns.join(", ")} FROM (${bound.sql}) WHERE c0 > 0`);
  await refuseErrors(work, rows, plans);
  return plans
    .filter(({ clause }) => clause.action.kind === "insert" || clause.action.kind === "insert-all")
    .map((plan) => {
      const fields = table.schema.fields.map((field) => {
        const isGiven = plan.values.has(field);
        const value = isGiven ? checked(valueName(plan, field), field) : absent(field);
        return `${value} AS ${quoteIdentifier(field.name)}`;
      });
      const items = [...fields, ...idItems(table, null)].join(", ");
      return `SELECT ${items} FROM (${rows}) WHERE ${CLAUSE} = ${plan.number}`;
    });
}

/** SELECTs of rows of the table with what the clauses that update give them. */
function updatedRows(table: PendingTable, rows: string, plans: readonly Planned[]): string[] {
  return plans
    .filter(({ clause }) => clause.action.kind === "update" || clause.action.kind === "update-all")
    .map((plan) => {
      const fields = table.schema.fields.map((field) => {
        const name = quoteIdentifier(field.name);
        const isGiven = plan.values.has(field);
        return isGiven ? `${checked(valueName(plan, field), field)} AS ${name}` : name;
      });
      const items = [...fields, ...idItems(table, ROW_ID)].join(", ");
      return `SELECT ${items} FROM (${rows}) WHERE ${CLAUSE} = ${plan.number}`;
    });
}

async function insertedCount(
  { context: { db } }: Work,
  added: readonly string[],
  changed: readonly Changed[],
): Promise<bigint> {
  const updates = changed.flatMap(({ plans }) =>
    plans.filter(({ clause }) => clause.action.kind.startsWith("update")),
  ).length;
  let count = 0n;
  for (const sql of added.slice(updates)) {
    const [row] = await db.rows(`SELECT count(*) AS n FROM (${sql})`);
    count += BigInt(String(row?.n));
  }
  return count;
}

function conditionOf({ placed, statement, source, table }: Work): string {
  if (statement.on !== "") return `(${placed.text(statement.on)})`;
  const name = quoteIdentifier(source);
  return statement.using
    .map(
      (column) => `${placed.column(fieldOf(table, column))} = ${name}.${quoteIdentifier(column)}`,
    )
    .join(" AND ");
}

function plansOf(work: Work, when: MergeClause["when"]): Planned[] {
  return work.statement.clauses
    .filter((clause) => clause.when === when)
    .map((clause, index) => {
      const and = work.placed.text(clause.and);
      return {
        number: index + 1,
        clause: { ...clause, and },
        values: valuesOf(work, clause.action),
      };
    });
}

function valuesOf(work: Work, action: MergeAction): Map<Field, string> {
  const { table, placed, source, sourceColumns } = work;
  const own = (name: string) => `${quoteIdentifier(source)}.${quoteIdentifier(name)}`;
  const all = (isByName: boolean) => {
    const visible = visibleFields(table.schema);
    const fields = isByName ? sourceColumns.map((name) => fieldOf(table, name)) : visible;
    if (fields.length === sourceColumns.length) {
      return new Map(fields.map((field, index) => [field, own(sourceColumns[index] ?? "")]));
    }
    throw new LakeError(
      "sql",
      `${table.name} has ${fields.length} columns, and the source has ${sourceColumns.length}`,
      { hint: "name them: update set a = s.a; insert (a) values (s.a); or say BY NAME" },
    );
  };
  switch (action.kind) {
    case "update": {
      const fields = action.set.map(({ column }) => fieldOf(table, column));
      refuseTwice(fields, "SET");
      const sql = (index: number) => placed.text(action.set[index]?.sql ?? "NULL");
      return new Map(fields.map((field, index) => [field, `(${sql(index)})`]));
    }
    case "insert": {
      const fields =
        action.columns?.map((name) => fieldOf(table, name)) ?? visibleFields(table.schema);
      refuseTwice(fields, "INSERT");
      if (action.columns !== null || action.values.length > 0) {
        if (fields.length !== action.values.length) {
          throw new LakeError(
            "sql",
            `${fields.length} columns are given ${action.values.length} values`,
          );
        }
      }
      return new Map(fields.map((field, index) => [field, `(${action.values[index] ?? "NULL"})`]));
    }
    case "update-all":
    case "insert-all":
      return all(action.isByName);
    default:
      return new Map();
  }
}

/** Clauses that take rows out of the table, or give them other values. */
function numbersOf(plans: readonly Planned[]): string {
  const acting = plans.filter(
    ({ clause: { action } }) => action.kind !== "nothing" && action.kind !== "error",
  );
  return acting.length === 0 ? "-1" : acting.map(({ number }) => number).join(", ");
}

/** The number of the first clause whose condition holds; 0: none does. */
function clauseSql(plans: readonly Planned[]): string {
  if (plans.length === 0) return "0";
  const cases = plans.map(({ number, clause: { and } }) => {
    return `WHEN ${and === "" ? "TRUE" : `(${and})`} THEN ${number}`;
  });
  return `(CASE ${cases.join(" ")} ELSE 0 END)`;
}

/** A value of a clause is worked out where the clause holds: elsewhere it may be an error. */
function guarded(plan: Planned, plans: readonly Planned[], sql: string): string {
  return `CASE WHEN ${clauseSql(plans)} = ${plan.number} THEN ${sql} END`;
}

/** Columns that some row keeps as they are: what every update gives need not be read. */
function keptFields({ table }: Work, plans: readonly Planned[]): Field[] {
  const updates = plans.filter(({ clause }) => clause.action.kind.startsWith("update"));
  return table.schema.fields.filter((field) => updates.some(({ values }) => !values.has(field)));
}

/** What is selected behind the places: clause, columns of the table, values. */
function changeItems(work: Work, plans: readonly Planned[]): string[] {
  return [
    clauseSql(plans),
    ...keptFields(work, plans).map((field) => work.placed.column(field)),
    ...plans.flatMap((plan) => [...plan.values].map(([, sql]) => guarded(plan, plans, sql))),
    ...(work.placed.rowId === null ? [] : [work.placed.rowId]),
  ];
}

/** The same under their names. `at` is the place of the clause among the columns. */
function changedColumns(
  work: Work,
  plans: readonly Planned[],
  bound: BoundRows,
  at: number,
): string {
  const fields = keptFields(work, plans);
  const stored = fields.map(
    (field, index) => `c${at + 1 + index} AS ${quoteIdentifier(field.name)}`,
  );
  const values = valueColumns(plans, bound, at + 1 + fields.length);
  const places = `c0 AS ${FILE_COLUMN}, c1 AS ${POSITION_COLUMN}, c${at} AS ${CLAUSE}`;
  const end = at + 1 + fields.length + values.length;
  const ids = work.placed.rowId === null ? [] : [`c${end} AS ${ROW_ID}`];
  return [places, ...stored, ...values, ...ids].join(", ");
}

function valueColumns(plans: readonly Planned[], bound: BoundRows, first: number): string[] {
  let at = first;
  return plans.flatMap((plan) =>
    [...plan.values.keys()].map((field) => {
      const value = bound.columns[at++] ?? { sql: "NULL", type: "INTEGER" };
      return `${fitted(value, field.type, field.name)} AS ${valueName(plan, field)}`;
    }),
  );
}

function valueName({ number }: Planned, { id }: Field): string {
  return ownColumn(`value ${number} ${id}`);
}

async function refuseErrors(
  { context: { db } }: Work,
  rows: string,
  plans: readonly Planned[],
): Promise<void> {
  for (const { number, clause } of plans) {
    if (clause.action.kind !== "error") continue;
    const { sql } = clause.action;
    const text = sql === "" ? "'a row came to WHEN … THEN ERROR'" : sql;
    const [row] = await db.rows(
      `SELECT count(*) AS n, (${text})::VARCHAR AS message FROM (${rows}) WHERE ${CLAUSE} = ${number}`,
    );
    if (String(row?.n) === "0") continue;
    throw new LakeError("sql", String(row?.message), { hint: "nothing was changed" });
  }
}
