/** Row expectations: each condition evaluated once a row into a flag, then the row is routed. semantics.md, 5.2. */

import { LakeError } from "../../core/base/errors.ts";
import type { MaterializeRequest } from "../../core/engine.ts";
import type { Expectation } from "../../core/model/model.ts";
import type { TestOutcome } from "../../core/model/run-store.ts";
import { type RowKeys, rowKeys } from "../analysis/row-keys.ts";
import { orderTies, tiesOf } from "../analysis/ties.ts";
import type { DuckDB, Row } from "../duckdb/duckdb.ts";
import { FUNCTION_FACTS } from "../duckdb/functions.ts";
import { columnRef, listAt, nodeAt, parseSelect, printStatement } from "../syntax/ast.ts";
import { conditionQuery } from "../syntax/condition.ts";
import { ownColumn, refuseOwnText } from "../syntax/own-names.ts";
import { quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { pinTime } from "../syntax/run-time.ts";

/** Flags over rows, ready to stand in a SELECT. */
export interface Flags {
  /** `<condition> AS <flag>, …`: true where the row violates; empty when there is no expectation. */
  readonly columns: readonly string[];
  readonly expectations: readonly Expectation[];
}

/** Where a row goes: one of the three. */
export const ROUTE_COLUMN = ownColumn("route");
export const KEEP = 0;
export const DROP = 1;
export const QUARANTINE = 2;

/**
 * The conditions as SQL, each parsed alone, with `now()` as the run time and ties between rows in the order of their
 * columns. Throws `sql` naming the expectation.
 */
export async function flagsOf(
  db: DuckDB,
  { expectations, runTimeMs, schema }: MaterializeRequest,
): Promise<Flags> {
  const names = schema.fields.map((field) => field.name);
  const columns: string[] = [];
  for (const [index, expectation] of expectations.entries()) {
    const condition = await conditionSql(db, expectation, runTimeMs, names);
    const onNull = expectation.onNull === "violate" ? "TRUE" : "FALSE";
    columns.push(`coalesce(NOT CAST((${condition}) AS BOOLEAN), ${onNull}) AS ${flagName(index)}`);
  }
  return { columns, expectations };
}

/** True when some rows go elsewhere than into the table. */
export function routes(expectations: readonly Expectation[]): boolean {
  return expectations.some(({ action }) => action === "drop" || action === "quarantine");
}

/**
 * Where a row goes, over the flags: quarantine before drop before keep. A NULL key is always quarantined. `fail` stops
 * the run as a whole, and `warn` only counts.
 */
export function routeSql(flags: Flags, keys: readonly string[]): string {
  const anyOf = (action: Expectation["action"]) =>
    flags.expectations.flatMap((one, index) => (one.action === action ? [flagName(index)] : []));
  const noKey = keys.map((key) => `${quoteIdentifier(key)} IS NULL`);
  const quarantine = [...noKey, ...anyOf("quarantine")].join(" OR ");
  const drop = anyOf("drop").join(" OR ");
  const cases = [
    ...(quarantine === "" ? [] : [`WHEN ${quarantine} THEN ${QUARANTINE}`]),
    ...(drop === "" ? [] : [`WHEN ${drop} THEN ${DROP}`]),
  ];
  return cases.length === 0 ? String(KEEP) : `CASE ${cases.join(" ")} ELSE ${KEEP} END`;
}

/** Aggregates that count each flag, to stand in a SELECT over rows with flags. */
export function countsSql(flags: Flags): string[] {
  return flags.expectations.map((_, index) => `count(*) FILTER (${flagName(index)}) AS n${index}`);
}

/** Names of the violated expectations of a row, joined, as SQL. */
export function violatedNamesSql(flags: Flags): string {
  const names = flags.expectations.map(
    ({ name }, index) => `CASE WHEN ${flagName(index)} THEN ${quoteLiteral(name)} END`,
  );
  return names.length === 0 ? "NULL::VARCHAR" : `concat_ws(', ', ${names.join(", ")})`;
}

/** Outcomes from the counts that `countsSql` gave. */
export function outcomesOf(flags: Flags, counts: Row): TestOutcome[] {
  return flags.expectations.map(({ name, action }, index) => {
    const rows = BigInt(String(counts[`n${index}`] ?? 0));
    const violated = action === "fail" ? ("fail" as const) : ("warn" as const);
    return { name, status: rows === 0n ? "pass" : violated, rows, action };
  });
}

export function flagName(index: number): string {
  return ownColumn(`violates ${index}`);
}

/** A failure of one condition names the expectation and not the statement around it. */
export function expectationError(thrown: unknown, expectations: readonly Expectation[]): unknown {
  if (!(thrown instanceof LakeError) || thrown.code !== "sql") return thrown;
  const names = expectations.map(({ name }) => name).join(", ");
  return new LakeError("sql", `an expectation (${names}) cannot be evaluated: ${thrown.message}`, {
    hint: "an expectation is a condition over the columns that the model gives",
    cause: thrown,
  });
}

/** Binds each condition over the rows; throws naming the first that does not bind. */
export async function checkFlags(db: DuckDB, flags: Flags, rows: string): Promise<void> {
  for (const [index, expectation] of flags.expectations.entries()) {
    try {
      await db.rows(`DESCRIBE SELECT ${flags.columns[index]} FROM (${rows})`);
    } catch (thrown) {
      throw expectationError(thrown, [expectation]);
    }
  }
}

async function conditionSql(
  db: DuckDB,
  expectation: Expectation,
  runTimeMs: number,
  names: readonly string[],
): Promise<string> {
  try {
    refuseOwnText(expectation.sql);
    const statement = await parseSelect(db, conditionQuery(expectation.sql));
    const items = listAt(statement.query, "select_list");
    const from = nodeAt(statement.query, "from_table");
    if (items.length !== 1 || from?.type !== "EMPTY")
      throw new LakeError("sql", "it is no condition");
    const keys = rowKeys(statement.query, () => null);
    const rows = (): RowKeys => ({ places: [], columns: names.map((name) => columnRef([name])) });
    await orderTies(db, statement.query, tiesOf(statement.query, FUNCTION_FACTS), (select) =>
      select === statement.query ? rows() : keys(select),
    );
    await pinTime(db, statement.query, runTimeMs, new Set());
    const [item] = items;
    if (typeof item === "object" && item !== null && !Array.isArray(item)) item.alias = "";
    return (await printStatement(db, statement)).slice("SELECT ".length);
  } catch (thrown) {
    throw expectationError(thrown, [expectation]);
  }
}
