/** Which queries keep the first rows of partitions that their own columns tell. */

import { expect, test } from "bun:test";
import { topRowsOf } from "../../../../sql/analysis/top-rows.ts";
import { FUNCTION_FACTS } from "../../../../sql/duckdb/functions.ts";
import { parseSelect } from "../../../../sql/syntax/ast.ts";
import { Bench } from "../../../support/lake-scan.ts";

const LATEST = "row_number() over (partition by k order by ts desc)";

test("first rows of partitions go on from themselves where their columns tell which they are", async () => {
  await using bench = await Bench.open();
  const found = async (sql: string) =>
    topRowsOf((await parseSelect(bench.db, sql)).query, FUNCTION_FACTS);
  expect(await found(`select k, v, ts from t qualify ${LATEST} = 1`)).toEqual({
    partition: ["k"],
    orders: [{ name: "ts", how: "DESC" }],
    rank: "row_number",
    most: 1,
  });
  const whole =
    "select t.k as key, upper(v) as u, a from t join s using (x) qualify dense_rank() over";
  expect(await found(`${whole} (partition by t.k, upper(v) order by a nulls first) < 4`)).toEqual({
    partition: ["key", "u"],
    orders: [{ name: "a", how: "NULLS FIRST" }],
    rank: "dense_rank",
    most: 3,
  });
  for (const sql of [
    `select * from t qualify ${LATEST} <= 3`,
    `select * exclude (v) from t qualify ${LATEST} <= 3 order by ts`,
    `select t.* from t qualify ${LATEST} = 1`,
  ]) {
    expect([sql, (await found(sql)) !== null]).toEqual([sql, true]);
  }
});

test("any other query is computed from its rows", async () => {
  await using bench = await Bench.open();
  for (const sql of [
    // What it is ranked by is not told.
    `select k, v from t qualify ${LATEST} = 1`,
    `select v, ts from t qualify ${LATEST} = 1`,
    `select * exclude (ts) from t qualify ${LATEST} = 1`,
    `select * replace (now() as ts) from t qualify ${LATEST} = 1`,
    `select k, v + 1 as ts from t qualify ${LATEST} = 1`,
    `select * from t join s on t.x = s.x qualify ${LATEST} = 1`,
    "select k, ts from t qualify row_number() over (partition by 1 order by ts) = 1",
    "select k, ts from t qualify row_number() over (order by ts) = 1",
    "select k, ts from t qualify row_number() over (partition by k) = 1",
    // Others are kept than the first.
    `select k, ts from t qualify ${LATEST} = 2`,
    `select k, ts from t qualify ${LATEST} > 1`,
    `select k, ts from t qualify ${LATEST} < 1`,
    `select k, ts from t qualify ${LATEST} = 1 or v`,
    "select k, ts from t qualify ntile(3) over (partition by k order by ts) = 1",
    "select k, ts from t qualify count(*) over (partition by k order by ts) = 1",
    // More than its rows is told.
    `select k, ts, ${LATEST} as n from t qualify ${LATEST} <= 2`,
    `select k, ts, unnest(l) as e from t qualify ${LATEST} <= 2`,
    `select distinct k, ts from t qualify ${LATEST} <= 2`,
    `select k, ts from t qualify ${LATEST} <= 2 limit 3`,
    `select k, max(ts) as ts from t group by k qualify row_number() over (partition by k order by max(ts)) = 1`,
  ]) {
    const { query } = await parseSelect(bench.db, sql);
    expect([sql, topRowsOf(query, FUNCTION_FACTS)]).toEqual([sql, null]);
  }
});
