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
  expect(await found(`select k, v, ts from t qualify ${LATEST} = 1`)).toMatchObject({
    partition: ["k"],
    orders: [{ name: "ts", how: "DESC" }],
    rank: "row_number",
    most: 1,
  });
  const whole =
    "select t.k as key, upper(v) as u, a from t join s using (x) qualify dense_rank() over";
  expect(
    await found(`${whole} (partition by t.k, upper(v) order by a nulls first) < 4`),
  ).toMatchObject({
    partition: ["key", "u"],
    orders: [{ name: "a", how: "NULLS FIRST" }],
    rank: "dense_rank",
    most: 3,
  });
  for (const sql of [
    `select * from t qualify ${LATEST} <= 3`,
    `select * exclude (v) from t qualify ${LATEST} <= 3 order by ts`,
    `select t.* from t qualify ${LATEST} = 1`,
    `select * exclude (n) from (select *, ${LATEST} as n from t) where n = 1`,
    `select k as key, ts, upper(v) as u from (select k, v, ts, ${LATEST} as n from t where v > 1) r where r.n <= 3`,
    `with r as (select *, ${LATEST} as n from t) select k, ts from r where n < 2 order by k`,
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
    // Numbers of rows are told, or asked for otherwise.
    `select * from (select *, ${LATEST} as n from t) where n <= 2`,
    `select k, ts, n + 1 as m from (select *, ${LATEST} as n from t) where n <= 2`,
    `select k, ts, r from (select *, ${LATEST} as n from t) r where n <= 2`,
    `select k, ts, columns('n') from (select *, ${LATEST} as n from t) r where n <= 2`,
    `select k from (select *, ${LATEST} as n from t) where n <= 2`,
    `select k, ts + 1 as ts from (select *, ${LATEST} as n from t) where n <= 2`,
    `select k, ts from (select *, ${LATEST} as n from t) where n <= 2 and k > 1`,
    `select k, ts from (select *, ${LATEST} as n from t) where k = 1`,
    `select k, ts from (select *, ${LATEST} + 0 as n from t) where n = 1`,
    `select k, ts from (select *, ${LATEST} as n, count(*) over () as c from t) where n = 1`,
    `select k, ts from (select *, ${LATEST} as n from t limit 9) where n = 1`,
    `with r(k, ts, n) as (select k, ts, ${LATEST} from t) select k, ts from r where n = 1`,
    `select k, ts from (select *, ${LATEST} as n from t) r join s using (k) where n = 1`,
    `select distinct k, ts from (select *, ${LATEST} as n from t) where n = 1`,
    `select k, count(*) as ts from (select *, ${LATEST} as n from t) where n = 1 group by k`,
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
