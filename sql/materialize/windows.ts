/**
 * Rows of a model that is computed by windows of event time: the rows of a window are those that the query gives over
 * the rows of it that each input with that column has.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type { Binding, MaterializeRequest, TableRef } from "../../core/engine.ts";
import { WINDOWS_AT_ONCE, WINDOWS_MAX } from "../../core/limits.ts";
import { isTimed, type Windows } from "../../core/model/windows.ts";
import { keyedWayOf } from "../analysis/analyze.ts";
import { columnsOf } from "../analysis/describe.ts";
import { type BoundRef, bindSelect } from "../bind/bind.ts";
import { scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import {
  isNode,
  type Node,
  nodeAt,
  nodesAt,
  type Statement,
  textAt,
  textsAt,
} from "../syntax/ast.ts";
import { ownColumn, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { refKey } from "../syntax/table-ref.ts";
import { type Computed, columnList, computedRows, type Staging } from "./rows.ts";
import { beginSql, fromBegin, timeColumn, touchedSql, windowSql } from "./window-time.ts";

/** An input that is read window by window. */
interface TimedInput {
  readonly ref: TableRef;
  /** Quoted. */
  readonly column: string;
  /** A SELECT of the column of its rows. */
  readonly sql: string;
}

const WINDOW = ownColumn("window");

/** The rows of all windows, or of those in KEYS. Throws `sql` for rows that the query puts into another window. */
export async function windowedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  isTouched: boolean,
): Promise<Computed> {
  const windows = must(request.windows ?? null, "a model by windows has their settings");
  const inputs = await timedInputs(db, request, windows);
  const own = request.schema.fields.find(
    ({ name }) => name.toLowerCase() === windows.column.toLowerCase(),
  );
  const output = must(own, "the event time is a column of the table");
  timeColumn(windows, request.model, [output]);
  const touched = isTouched ? await touchedSql(db, windows, output.name) : null;
  const note = await outside(db, windows, inputs);
  const byKey = new Map(inputs.map((input) => [refKey(input.ref), input]));
  const isOne = inputs.length === 1 && (await isWindowOfInput(db, request, windows, inputs));
  if (isOne) {
    const wrap = (ref: TableRef, sql: string): string => {
      const input = byKey.get(refKey(ref));
      if (input === undefined) return sql;
      const own = `CAST(${input.column} AS TIMESTAMP)`;
      const conditions = [
        `${input.column} IS NOT NULL`,
        ...(windows.begin === null ? [] : [`${own} >= ${beginSql(windows)}`]),
        ...(touched === null ? [] : [touched(input.column)]),
      ];
      return `SELECT * FROM (${sql}) AS lake_row WHERE ${conditions.join(" AND ")}`;
    };
    return { ...(await computedRows(db, request, wrap)), note };
  }
  const parts = inputs.map(({ column, sql }) => {
    const where = touched === null ? "TRUE" : touched(column);
    return `SELECT ${windowSql(windows, column)} AS ${WINDOW} FROM (${sql}) WHERE ${where}`;
  });
  const where = [`${WINDOW} IS NOT NULL`, fromBegin(windows, WINDOW)];
  const found = await db.rows(
    `SELECT DISTINCT CAST(${WINDOW} AS VARCHAR) AS w FROM (${parts.join(" UNION ALL ")})
     WHERE ${where.join(" AND ")} ORDER BY 1`,
  );
  if (found.length > WINDOWS_MAX) throw tooMany(request, found.length);
  const kept: string[] = [];
  for (let at = 0; at < found.length; at += WINDOWS_AT_ONCE) {
    const some = found.slice(at, at + WINDOWS_AT_ONCE).map(({ w }) => String(w));
    kept.push(
      await rowsOfWindows(db, staging, request, { windows, byKey, output: output.name }, some),
    );
  }
  const columns = columnList(request.schema.fields);
  const nothing = `SELECT ${columns} FROM (${(await computedRows(db, request)).sql}) WHERE FALSE`;
  const sql =
    kept.length === 0
      ? nothing
      : kept.map((one) => `SELECT ${columns} FROM (${one})`).join(" UNION ALL ");
  return { sql, locate: (thrown) => thrown, note };
}

interface Reading {
  readonly windows: Windows;
  readonly byKey: ReadonlyMap<string, TimedInput>;
  readonly output: string;
}

/** The rows of some windows, each computed by itself, kept once. */
async function rowsOfWindows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  { windows, byKey, output }: Reading,
  begins: readonly string[],
): Promise<string> {
  const parts: string[] = [];
  let locate = (thrown: unknown): unknown => thrown;
  for (const begin of begins) {
    const from = `TIMESTAMP ${quoteLiteral(begin)}`;
    const wrap = (ref: TableRef, sql: string): string => {
      const input = byKey.get(refKey(ref));
      if (input === undefined) return sql;
      const own = `CAST(${input.column} AS TIMESTAMP)`;
      const end = `${from} + INTERVAL '1 ${windows.size}'`;
      return `SELECT * FROM (${sql}) AS lake_row WHERE ${own} >= ${from} AND ${own} < ${end}`;
    };
    const computed = await computedRows(db, request, wrap);
    locate = computed.locate;
    parts.push(`SELECT *, ${from} AS ${WINDOW} FROM (${computed.sql})`);
  }
  let kept: string;
  try {
    kept = await staging.keep(parts.join(" UNION ALL "));
  } catch (thrown) {
    throw locate(thrown);
  }
  const own = windowSql(windows, quoteIdentifier(output));
  const [wrong] = await db.rows(
    `SELECT CAST(${WINDOW} AS VARCHAR) AS w, count(*) AS n FROM (${kept}) WHERE ${own} IS DISTINCT FROM ${WINDOW}
     GROUP BY 1 ORDER BY 1 LIMIT 1`,
  );
  if (wrong === undefined) return kept;
  const rows = counted(Number(wrong.n), "row");
  throw new LakeError(
    "sql",
    `${request.model}: by ${output}, rows of the ${windows.size} ${wrong.w} are of another (${rows})`,
    {
      hint: `a row is of the window of the rows it is made of: give ${output} a value of theirs`,
      context: { model: request.model, column: output },
    },
  );
}

/** The inputs that have the column of event time. Throws `schema` where none has. */
async function timedInputs(
  db: DuckDB,
  request: MaterializeRequest,
  windows: Windows,
): Promise<readonly TimedInput[]> {
  const inputs: TimedInput[] = [];
  for (const binding of request.bindings) {
    const { ref } = binding;
    if (!isTimed(windows, ref.name)) continue;
    const rows = await rowsOf(db, request, binding);
    const columns =
      binding.kind === "scan" ? binding.scan.schema.fields : await columnsOf(db, rows);
    const column = timeColumn(windows, ref.name, columns);
    if (column !== null) inputs.push({ ref, column, sql: `SELECT ${column} FROM (${rows})` });
  }
  if (inputs.length > 0) return inputs;
  throw new LakeError("schema", `no input of ${request.model} has a column ${windows.column}`, {
    hint: "event_time is a column of the model and of the inputs that are read window by window",
    context: { model: request.model, column: windows.column },
  });
}

async function rowsOf(db: DuckDB, request: MaterializeRequest, binding: Binding): Promise<string> {
  if (binding.kind === "scan") return scanSql(db, binding.scan, { hidden: new Set() });
  const { sql, bindings } = binding;
  return (await bindSelect(db, sql, bindings, { runTimeMs: request.runTimeMs, orderTies: true }))
    .sql;
}

/** How many rows of the inputs are in no window, in words. */
async function outside(
  db: DuckDB,
  windows: Windows,
  inputs: readonly TimedInput[],
): Promise<string | null> {
  const said: string[] = [];
  for (const { ref, column, sql } of inputs) {
    const early =
      windows.begin === null ? "FALSE" : `CAST(${column} AS TIMESTAMP) < ${beginSql(windows)}`;
    const [row] = await db.rows(
      `SELECT (SELECT count(*) FROM (${sql}) WHERE ${early}) AS early,
         (SELECT count(*) FROM (${sql}) WHERE ${column} IS NULL) AS none`,
    );
    const [before, none] = [Number(row?.early), Number(row?.none)];
    if (before > 0) said.push(`${counted(before, "row")} of ${ref.name} before ${windows.begin}`);
    if (none > 0) said.push(`${counted(none, "row")} of ${ref.name} without ${windows.column}`);
  }
  return said.length === 0 ? null : `left out: ${said.join(", ")}`;
}

/** Whether the query over the rows of some windows gives the rows that it gives over each of them. */
async function isWindowOfInput(
  db: DuckDB,
  request: MaterializeRequest,
  windows: Windows,
  [input]: readonly TimedInput[],
): Promise<boolean> {
  let isIt = false;
  await bindSelect(db, request.sql, request.bindings, {
    runTimeMs: request.runTimeMs,
    rewrite: (statement, refs) => {
      isIt = input !== undefined && isOfInput(statement, refs, windows, input);
    },
  });
  return isIt;
}

function isOfInput(
  statement: Statement,
  refs: readonly BoundRef[],
  windows: Windows,
  { ref }: TimedInput,
): boolean {
  const own = refs.filter((one) => refKey(one.ref) === refKey(ref));
  const [read] = own;
  const followed = keyedWayOf(statement, refs, ref);
  if (own.length !== 1 || read?.binding.kind !== "scan" || followed.kind !== "found") return false;
  const { way } = followed;
  const key = way.keys.get(windows.column.toLowerCase());
  if (key === undefined || way.turns.length > 0 || way.isOneOfMany) return false;
  const names = textsAt(insideWindow(key, windows), "column_names").map((name) =>
    name.toLowerCase(),
  );
  const column = names.at(-1);
  if (column !== windows.column.toLowerCase()) return false;
  return names.length === 1 || (names.length === 2 && names[0] === read.alias.toLowerCase());
}

const DAYS: readonly string[] = ["day", "month", "year"];
const FINER: Readonly<Record<Windows["size"], readonly string[]>> = {
  hour: ["second", "minute", "hour"],
  day: ["second", "minute", "hour", "day"],
  month: ["second", "minute", "hour", "day", "month"],
  year: ["second", "minute", "hour", "day", "month", "quarter", "year"],
};

/** What an expression is of, as far as it stays in the window of it: a day of a moment, say. */
function insideWindow(expression: Node, windows: Windows): Node {
  if (expression.class === "CAST" && expression.try_cast !== true) {
    const id = textAt(nodeAt(expression, "cast_type"), "id");
    const child = nodeAt(expression, "child");
    const isInside = id === "TIMESTAMP" || (id === "DATE" && DAYS.includes(windows.size));
    if (isInside && child !== null) return insideWindow(child, windows);
  }
  if (expression.class === "FUNCTION" && textAt(expression, "function_name") === "date_trunc") {
    const [unit, value] = nodesAt(expression, "children");
    const written = unit?.class === "CONSTANT" ? nodeAt(unit, "value")?.value : null;
    const isInside =
      typeof written === "string" && FINER[windows.size].includes(written.toLowerCase());
    if (isInside && isNode(value)) return insideWindow(value, windows);
  }
  return expression;
}

function tooMany({ model, windows }: MaterializeRequest, count: number): LakeError {
  return new LakeError(
    "unsupported",
    `${model}: ${counted(count, windows?.size ?? "window")} are too many windows to compute one by one`,
    {
      hint: "take a larger batch_size, a later begin, or a query that groups by its event_time",
      context: { model },
    },
  );
}
