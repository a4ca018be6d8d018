/** Tests of the result as a whole: unique, relationships. They decide whether it is published. */

import { LakeError } from "../../core/base/errors.ts";
import type { Binding, MaterializeRequest } from "../../core/engine.ts";
import type { SetTest } from "../../core/model/model.ts";
import type { TestOutcome } from "../../core/model/run-store.ts";
import { bindSelect } from "../bind/bind.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { quoteIdentifier, quoteQualified } from "../syntax/quote.ts";

/**
 * Runs the tests. `staged` and `kept` are SELECTs of the rows written by this run and of those that stay in the
 * table (null: none). A column that is no column of the model is LakeError `sql`.
 */
export async function runSetTests(
  db: DuckDB,
  request: MaterializeRequest,
  staged: string | null,
  kept: string | null,
): Promise<TestOutcome[]> {
  const outcomes: TestOutcome[] = [];
  for (const test of request.tests) {
    checkColumns(request, test);
    const rows = staged === null ? 0n : await violations(db, request, test, staged, kept);
    const status = rows === 0n ? "pass" : test.severity;
    outcomes.push({ name: testName(test), status, rows, action: test.severity });
  }
  return outcomes;
}

export function testName(test: SetTest): string {
  return test.kind === "unique"
    ? `unique(${test.columns.join(", ")})`
    : `relationships(${test.column} -> ${test.to}.${test.field})`;
}

/** Rows too many for `unique`, rows without a match for `relationships`; NULL is neither. */
async function violations(
  db: DuckDB,
  request: MaterializeRequest,
  test: SetTest,
  staged: string,
  kept: string | null,
): Promise<bigint> {
  const sql =
    test.kind === "unique"
      ? uniqueSql(test.columns, staged, kept)
      : await relationshipSql(db, request, test, staged);
  const rows = await db.rows(sql);
  return BigInt(String(rows[0]?.n ?? 0));
}

/** Kept rows count only where the run wrote their key: they were tested when they came. */
function uniqueSql(columns: readonly string[], staged: string, kept: string | null): string {
  const names = columns.map(quoteIdentifier);
  const list = names.join(", ");
  const notNull = names.map((name) => `${name} IS NOT NULL`).join(" AND ");
  const own = `SELECT ${list} FROM (${staged}) WHERE ${notNull}`;
  const others =
    kept === null
      ? ""
      : ` UNION ALL SELECT ${list} FROM (${kept}) AS k SEMI JOIN (${own}) AS s USING (${list})`;
  const groups = `SELECT count(*) AS c FROM (${own}${others}) GROUP BY ${list}`;
  return `SELECT coalesce(sum(c - 1), 0)::BIGINT AS n FROM (${groups})`;
}

async function relationshipSql(
  db: DuckDB,
  request: MaterializeRequest,
  test: SetTest & { readonly kind: "relationships" },
  staged: string,
): Promise<string> {
  const parent = request.testBindings.find((binding) => binding.ref.name === test.to);
  if (parent === undefined) {
    throw new LakeError("not-found", `the test ${testName(test)} names a table that is not there`, {
      hint: "list the tables with: tarn ls",
      context: { table: test.to },
    });
  }
  const values = await parentSql(db, request, parent, test.field);
  const column = quoteIdentifier(test.column);
  return (
    `SELECT count(*) AS n FROM (SELECT ${column} AS v FROM (${staged})) AS c ANTI JOIN (${values}) AS p ON p.v = c.v ` +
    "WHERE c.v IS NOT NULL"
  );
}

async function parentSql(
  db: DuckDB,
  request: MaterializeRequest,
  parent: Binding,
  field: string,
): Promise<string> {
  const table = quoteQualified(parent.ref.name.split("."));
  const sql = `SELECT p.${quoteIdentifier(field)} AS v FROM ${table} AS p`;
  return (await bindSelect(db, sql, [parent], { runTimeMs: request.runTimeMs })).sql;
}

function checkColumns(request: MaterializeRequest, test: SetTest): void {
  const names = test.kind === "unique" ? test.columns : [test.column];
  const known = new Set(request.schema.fields.map((field) => field.name.toLowerCase()));
  const unknown = names.find((name) => !known.has(name.toLowerCase()));
  if (unknown === undefined) return;
  throw new LakeError(
    "sql",
    `the test ${testName(test)} names ${unknown}, which ${request.model} does not give`,
    {
      hint: `columns are: ${request.schema.fields.map((field) => field.name).join(", ")}`,
      context: { model: request.model, column: unknown },
    },
  );
}
