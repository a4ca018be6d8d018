/** A unit test of a model: its query over given rows, in an engine of its own, beside rows that are expected. */

import { LakeError } from "../../core/base/errors.ts";
import { own } from "../../core/base/json.ts";
import { nearestWord, suggestion } from "../../core/base/suggest.ts";
import type { Binding, TableRef } from "../../core/engine.ts";
import type { Model } from "../../core/model/model.ts";
import { bindSelect } from "../bind/bind.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { expectationError } from "../materialize/expectations.ts";
import { type Literal, ownColumn, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";

export type GivenRow = Readonly<Record<string, unknown>>;

/** Rows in place of a table. */
export interface GivenTable {
  readonly rows: readonly GivenRow[];
  /** Types in DuckDB's words, by column, in order; columns of rows alone have the types of their values. */
  readonly types: ReadonlyMap<string, string>;
}

/** What a reference of a model's query means in a test. */
export type UnitInput =
  | { readonly kind: "rows"; readonly ref: TableRef; readonly table: GivenTable }
  | {
      readonly kind: "view";
      readonly ref: TableRef;
      readonly sql: string;
      readonly inputs: readonly UnitInput[];
    };

export interface UnitJob {
  readonly model: Model;
  readonly inputs: readonly UnitInput[];
  /** Rows of the model's table before; null: it is not asked what becomes of them. */
  readonly before: GivenTable | null;
  readonly expected: readonly GivenRow[];
  readonly runTimeMs: number;
}

export interface UnitResult {
  /** Columns that were compared. */
  readonly columns: readonly string[];
  /** Values as texts, `null` for NULL; `-` was expected and is not there, `+` is there and was not expected. */
  readonly differences: readonly {
    readonly sign: "-" | "+";
    readonly values: readonly (string | null)[];
  }[];
  readonly rows: number;
}

const SIGN = ownColumn("sign");
const AGE = ownColumn("age");

/** Throws `sql` for a query that fails, `config` for expected columns that it does not have. */
export async function runUnit(db: DuckDB, job: UnitJob): Promise<UnitResult> {
  const { model, runTimeMs } = job;
  const bindings = job.inputs.map(bindingOf);
  const bound = await bindSelect(db, model.sql, bindings, { runTimeMs, orderTies: true });
  try {
    await db.run(`CREATE TEMP TABLE lake_rows AS SELECT * FROM (${bound.sql}\n)`);
  } catch (thrown) {
    throw bound.locate(thrown);
  }
  await keepPassing(db, model);
  await afterKind(db, job);
  return await compared(db, job.expected);
}

function bindingOf(input: UnitInput): Binding {
  if (input.kind === "rows") {
    return { kind: "view", ref: input.ref, sql: rowsSql(input.table), bindings: [] };
  }
  const { ref, sql } = input;
  return { kind: "view", ref, sql, bindings: input.inputs.map(bindingOf) };
}

/** Rows that a test of the model takes out, or sets aside, are no part of its table. */
async function keepPassing(db: DuckDB, { expectations }: Model): Promise<void> {
  for (const expectation of expectations) {
    if (expectation.action !== "drop" && expectation.action !== "quarantine") continue;
    const onNull = expectation.onNull === "violate" ? "FALSE" : "TRUE";
    const holds = `coalesce(CAST((${expectation.sql}\n) AS BOOLEAN), ${onNull})`;
    try {
      await db.run(`DELETE FROM lake_rows WHERE NOT ${holds}`);
    } catch (thrown) {
      throw expectationError(thrown, [expectation]);
    }
  }
}

/** What the kind of the model makes of the rows, and of those that its table had. */
async function afterKind(db: DuckDB, { model, before }: UnitJob): Promise<void> {
  const { kind, key, latestBy, deletedWhen } = model;
  const isMerge = kind === "merge";
  if (before === null && !isMerge) return;
  const had = before === null ? "SELECT * FROM lake_rows WHERE FALSE" : rowsSql(before);
  const both = `SELECT *, 1 AS ${AGE} FROM lake_rows UNION ALL BY NAME SELECT *, 0 AS ${AGE} FROM (${had})`;
  const without = `SELECT * EXCLUDE (${AGE})`;
  switch (kind) {
    case "append":
      await db.run(`CREATE TEMP TABLE lake_after AS ${without} FROM (${both})`);
      break;
    case "merge":
    case "delete_insert": {
      const keys = key.map(quoteIdentifier).join(", ");
      const latest = latestBy.map((column) => `${quoteIdentifier(column)} DESC NULLS LAST, `);
      const order = `${latest.join("")}${AGE} DESC`;
      // All rows of a key that came together stay, where the kind is not merge.
      const nth = isMerge
        ? `row_number() OVER (PARTITION BY ${keys} ORDER BY ${order})`
        : newest(keys);
      const first = `QUALIFY ${nth} = 1`;
      await db.run(`CREATE TEMP TABLE lake_after AS ${without} FROM (${both}) ${first}`);
      break;
    }
    default:
      throw new LakeError("unsupported", `"this" means nothing for kind ${kind} in a unit test`, {
        hint: "append, merge and delete_insert take it; of other kinds expect the rows of the query",
      });
  }
  if (deletedWhen !== null) {
    await db.run(`DELETE FROM lake_after WHERE CAST((${deletedWhen}\n) AS BOOLEAN)`);
  }
  await db.run("DROP TABLE lake_rows");
  await db.run("ALTER TABLE lake_after RENAME TO lake_rows");
}

const newest = (keys: string): string => `rank() OVER (PARTITION BY ${keys} ORDER BY ${AGE} DESC)`;

async function compared(db: DuckDB, expected: readonly GivenRow[]): Promise<UnitResult> {
  const described = await db.rows("DESCRIBE lake_rows");
  const types = new Map(
    described.map((row) => [String(row.column_name), String(row.column_type)] as const),
  );
  const named = [...new Set(expected.flatMap((row) => Object.keys(row)))];
  const columns = (named.length === 0 ? [...types.keys()] : named).map((name) =>
    columnNamed(name, [...types.keys()]),
  );
  const typed = new Map(columns.map((name) => [name, types.get(name) ?? "VARCHAR"] as const));
  const renamed = expected.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [columnNamed(name, columns), value] as const),
    ),
  );
  const list = columns.map((name) => shownColumn(name, typed.get(name) ?? "")).join(", ");
  const wanted = `SELECT ${list} FROM (${rowsSql({ rows: renamed, types: typed })})`;
  const found = `SELECT ${list} FROM lake_rows`;
  const side = (sign: string, some: string, other: string): string =>
    `SELECT ${quoteLiteral(sign)} AS ${SIGN}, * FROM (${some} EXCEPT ALL ${other})`;
  const rows = await db.rows(
    `SELECT ${SIGN} AS sign, ${columns.map((name, nth) => `${quoteIdentifier(name)} AS c${nth}`).join(", ")}
      FROM (${side("-", wanted, found)} UNION ALL ${side("+", found, wanted)})
      ORDER BY ${columns.map((_, nth) => `${nth + 2}`).join(", ")}, 1 DESC`,
  );
  const [count = {}] = await db.rows("SELECT count(*)::VARCHAR AS n FROM lake_rows");
  const differences = rows.map((row) => ({
    sign: row.sign === "-" ? ("-" as const) : ("+" as const),
    values: columns.map((_, nth) => {
      const value = row[`c${nth}`] ?? null;
      return value === null ? null : String(value);
    }),
  }));
  return { columns, differences, rows: Number(count.n) };
}

/** As text, so that values of every type are shown; sums of floats to nine digits. */
function shownColumn(name: string, type: string): string {
  const column = quoteIdentifier(name);
  const value = type === "DOUBLE" || type === "FLOAT" ? `round(${column}, 9)` : column;
  return `CAST(${value} AS VARCHAR) AS ${column}`;
}

function columnNamed(name: string, columns: readonly string[]): string {
  const found = columns.find((one) => one.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  const near = nearestWord(name, columns);
  throw new LakeError("config", `the result has no column "${name}"`, {
    hint: near === null ? suggestion(name, columns, "columns") : `did you mean "${near}"?`,
    page: "T0203",
  });
}

/** A SELECT of given rows: typed where the type is known, NULL where a row does not have the column. */
function rowsSql({ rows, types }: GivenTable): string {
  const columns = [...new Set([...types.keys(), ...rows.flatMap((row) => Object.keys(row))])];
  if (columns.length === 0) {
    throw new LakeError("config", "rows without a column are given", {
      hint: "say which columns there are: columns: { id: bigint }",
    });
  }
  const inner = columns.map((_, nth) => `c${nth}`);
  const items = columns.map((name, nth) => `c${nth} AS ${quoteIdentifier(name)}`);
  // Each by itself: what two rows have in common is no type of either.
  const typed = (name: string, value: unknown): string => typedSql(name, value, types.get(name));
  const values = rows.map(
    (row) => `(${columns.map((name) => typed(name, own(row, name))).join(", ")})`,
  );
  const isNone = values.length === 0;
  const listed = isNone ? [`(${columns.map((name) => typed(name, null)).join(", ")})`] : values;
  const from = `(VALUES ${listed.join(", ")}) AS given_rows(${inner.join(", ")})`;
  return `SELECT ${items.join(", ")} FROM ${from}${isNone ? " WHERE FALSE" : ""}`;
}

/** A number that a type would round is refused: a test would hold of rows that it does not say. */
function typedSql(name: string, value: unknown, type: string | undefined): string {
  if (type === undefined) return valueSql(value);
  const places = placesOf(type);
  if (typeof value === "number" && places !== null && decimalsOf(value) > places) {
    throw new LakeError("input", `${name}: ${value} is no ${type}, which would round it`, {
      hint: "write a value that the column can have, or its type: columns: { amount: double }",
    });
  }
  return `CAST(${valueSql(value)} AS ${type})`;
}

/** Digits behind the point that a type keeps; null where it has no such number. */
function placesOf(type: string): number | null {
  if (/^U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?$/.test(type)) return 0;
  const scale = /^DECIMAL\(\d+,\s*(\d+)\)$/.exec(type)?.[1];
  return scale === undefined ? null : Number(scale);
}

function decimalsOf(value: number): number {
  const [digits = "", exponent = "0"] = String(value).split("e");
  return Math.max(0, (digits.split(".")[1] ?? "").length - Number(exponent));
}

/** A value of YAML as a literal. */
function valueSql(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (Array.isArray(value)) return `[${value.map(valueSql).join(", ")}]`;
  if (typeof value === "object") {
    const entries = Object.entries(value).map(
      ([name, inner]) => `${quoteLiteral(name)}: ${valueSql(inner)}`,
    );
    return `{${entries.join(", ")}}`;
  }
  const isPlain = ["string", "number", "bigint", "boolean"].includes(typeof value);
  // A number as it is written: 0.1 is a decimal.
  if (typeof value === "number" && Number.isFinite(value)) return `(${String(value)})`;
  return isPlain ? quoteLiteral(value as Literal) : "NULL"; // parse: one of the plain types
}
