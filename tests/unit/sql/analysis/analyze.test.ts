/** What a query reads, which input may drive it, and what makes it unrepeatable, query by query. */

import { expect, test } from "bun:test";
import { analyzeSql } from "../../../../sql/analysis/analyze.ts";
import { Bench } from "../../../support/lake-scan.ts";

/** Query, drivers, reasons when there are none. */
const INCREMENTAL: readonly (readonly [string, readonly string[], string])[] = [
  ["SELECT a, b + 1 FROM d WHERE c > 1", ["d"], ""],
  ["SELECT a, b FROM d ORDER BY a", ["d"], ""],
  ["SELECT unnest(items) AS i, id FROM d", ["d"], ""],
  ["SELECT d.a, c.b FROM d JOIN c USING (id)", ["c", "d"], ""],
  ["SELECT d.a, c.b FROM d LEFT JOIN c ON d.id = c.id", ["d"], ""],
  ["SELECT d.a FROM c RIGHT JOIN d ON d.id = c.id", ["d"], ""],
  ["SELECT d.a FROM d SEMI JOIN c ON d.id = c.id", ["d"], ""],
  ["SELECT d.a FROM d ASOF LEFT JOIN c ON d.id = c.id AND d.t >= c.t", ["d"], ""],
  ["SELECT d.a, x.u FROM d, unnest(d.items) AS x(u)", ["d"], ""],
  ["SELECT d.a, x.u FROM d, LATERAL (SELECT d.a + 1 AS u) x", ["d"], ""],
  ["WITH p AS (SELECT * FROM d WHERE b) SELECT a FROM p", ["d"], ""],
  ["SELECT a FROM (SELECT * FROM d) s WHERE EXISTS (SELECT 1 FROM c WHERE c.id = s.id)", ["d"], ""],
  [
    "SELECT d.a, g.n FROM d LEFT JOIN (SELECT k, count(*) AS n FROM c GROUP BY k) g ON g.k = d.k",
    ["d"],
    "",
  ],
  ["SELECT a FROM d WHERE x UNION ALL SELECT b FROM d WHERE y", ["d"], ""],
  ["SELECT (SELECT max(x) FROM c WHERE c.id = d.id) FROM d", ["d"], ""],
  ["SELECT list_transform(l, lambda x: x + 1), count_star FROM d", ["d"], ""],
  ["SELECT sum(a) FROM d", [], "the aggregate sum() (d)"],
  ["SELECT wavg(a, b) FROM d", [], "the aggregate wavg() (d)"],
  ["SELECT json_group_structure(a) FROM d", [], "the aggregate json_group_structure() (d)"],
  ["SELECT count(*) FROM d", [], "the aggregate count() (d)"],
  ["SELECT geomean(a) FROM d", [], "the aggregate geomean() (d)"],
  ["SELECT a FROM d GROUP BY a", [], "GROUP BY (d)"],
  ["SELECT a FROM d GROUP BY ALL", [], "GROUP BY (d)"],
  ["SELECT DISTINCT a FROM d", [], "DISTINCT (d)"],
  ["SELECT DISTINCT ON (a) a, b FROM d ORDER BY b", [], "DISTINCT (d)"],
  ["SELECT a FROM d LIMIT 3", [], "LIMIT (d)"],
  ["SELECT a FROM d OFFSET 3", [], "OFFSET (d)"],
  ["SELECT row_number() OVER (ORDER BY a) FROM d", [], "the window function row_number() (d)"],
  ["SELECT a FROM d QUALIFY rank() OVER (ORDER BY a) = 1", [], "QUALIFY (d)"],
  ["SELECT a FROM d EXCEPT SELECT a FROM c", [], "EXCEPT (d)"],
  ["SELECT a FROM d UNION SELECT a FROM d", [], "UNION without ALL (d)"],
  [
    "SELECT a FROM d UNION ALL SELECT 1",
    [],
    "a branch of UNION ALL does not read it, so its rows would be added at every run (d)",
  ],
  ["SELECT x.a FROM d x JOIN d y ON x.id = y.parent", [], "it is read more than once (d)"],
  [
    "WITH p AS (SELECT * FROM d) SELECT x.a FROM p x JOIN p y USING (id)",
    [],
    "it is read more than once (d)",
  ],
  ["SELECT d.a FROM d FULL JOIN d2 USING (id)", [], "a full outer join (d)"],
  ["SELECT 1 WHERE EXISTS (FROM d)", [], "it is read by a subquery in an expression (d)"],
  [
    "WITH RECURSIVE r AS (SELECT a FROM d UNION ALL SELECT a + 1 FROM r) SELECT a FROM r",
    [],
    "a recursive CTE (d)",
  ],
  ["SELECT a FROM d TABLESAMPLE 10%", [], "TABLESAMPLE (d)"],
  ["SELECT a FROM d AT (VERSION => 3)", [], "it is read as of a fixed moment (d)"],
  ["SELECT 1", [], "it reads no table of the lake"],
];

test("what a delta of one input can drive, and why not", async () => {
  await using bench = await Bench.open();
  for (const [sql, drivers, reason] of INCREMENTAL) {
    const analysis = await analyzeSql(bench.db, sql);
    expect([sql, [...analysis.drivers].sort(), analysis.notIncremental[0] ?? ""]).toEqual([
      sql,
      [...drivers],
      reason,
    ]);
  }
});

const DETERMINED: readonly (readonly [string, string])[] = [
  ["SELECT now(), current_date, a FROM d", ""],
  ["SELECT random() FROM d", "random()"],
  ["SELECT uuid() FROM d", "uuid()"],
  ["SELECT a, error('x') FROM d", ""],
  ["SELECT current_setting('TimeZone') FROM d", ""],
  ["SELECT current_setting('threads') FROM d", "current_setting() of anything but TimeZone"],
  // Ties are put in order by the places and the columns of what is read, where these are known.
  ["SELECT first(a), list(a), arg_max(a, b), mode(a) FROM d", ""],
  ["SELECT first(a) FROM (SELECT * FROM d)", ""],
  ["SELECT first(a ORDER BY b) FROM d", ""],
  ["SELECT json_group_array(a) FROM d", "json_group_array() without ORDER BY"],
  ["SELECT arg_max_nulls_last(a, b) FROM d", "arg_max_nulls_last(), where rows may tie"],
  ["SELECT approx_quantile(a, 0.5) FROM d", "approx_quantile(), which estimates"],
  ["SELECT row_number() OVER () FROM d", ""],
  ["SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM d", ""],
  ["SELECT row_number() OVER (ORDER BY a) FROM (SELECT a, b FROM d) s", ""],
  ["SELECT row_number() OVER (ORDER BY a) FROM (SELECT * FROM d) s", ""],
  [
    "SELECT row_number() OVER (ORDER BY a) FROM (SELECT * REPLACE (1 AS a) FROM d) s",
    "row_number() over a window whose ORDER BY may tie",
  ],
  [
    "WITH s AS (SELECT * REPLACE (1 AS a) FROM d) SELECT row_number() OVER () FROM s",
    "row_number() over a window without ORDER BY",
  ],
  [
    "WITH s AS (SELECT * REPLACE (1 AS a) FROM d) SELECT sum(a) OVER (ORDER BY b ROWS 3 PRECEDING) FROM s",
    "sum() over a window whose ORDER BY may tie",
  ],
  ["WITH s AS (SELECT * FROM d) SELECT sum(a) OVER (ORDER BY b), rank() OVER () FROM s", ""],
  ["SELECT sum(a) OVER () FROM d", ""],
  ["SELECT a FROM d LIMIT 1", ""],
  ["SELECT a FROM d LIMIT 0", ""],
  ["SELECT a, b FROM d ORDER BY a LIMIT 1", ""],
  ["SELECT a FROM (SELECT * REPLACE (1 AS a) FROM d) s LIMIT 1", "LIMIT without ORDER BY"],
  [
    "SELECT a, b FROM (SELECT * REPLACE (1 AS a) FROM d) s ORDER BY a LIMIT 1",
    "LIMIT with an ORDER BY that may tie: order by every output column",
  ],
  ["SELECT DISTINCT a FROM d LIMIT 1", "LIMIT without ORDER BY"],
  ["SELECT unnest(a) FROM d LIMIT 1", "LIMIT without ORDER BY"],
  ["SELECT a FROM d UNION ALL SELECT b FROM d LIMIT 1", "LIMIT without ORDER BY"],
  ["SELECT max(a) FROM d LIMIT 1", ""],
  ["SELECT a, b FROM d ORDER BY b, a LIMIT 1", ""],
  ["SELECT a, b FROM d ORDER BY ALL LIMIT 1", ""],
  ["SELECT day, sum(x) AS s FROM d GROUP BY day ORDER BY s DESC, day LIMIT 10", ""],
  ["SELECT day, sum(x) AS s FROM d GROUP BY day ORDER BY s DESC LIMIT 10", ""],
  [
    "SELECT day, sum(x) AS s FROM d GROUP BY ALL ORDER BY s DESC LIMIT 10",
    "LIMIT with an ORDER BY that may tie: order by every output column",
  ],
  ["SELECT day, sum(x) AS s FROM d GROUP BY 1 ORDER BY 1 LIMIT 10", ""],
  ["SELECT DISTINCT ON (a) b FROM d", ""],
  [
    "SELECT DISTINCT ON (a) b, c FROM (SELECT * REPLACE (1 AS a) FROM d) s ORDER BY b",
    "DISTINCT ON with an ORDER BY that may tie: order by every output column",
  ],
  ["SELECT a FROM d USING SAMPLE 3", "USING SAMPLE"],
  ["SELECT d.a FROM d POSITIONAL JOIN c", "a positional join"],
  [
    "SELECT d.a FROM d ASOF JOIN c ON d.t >= c.t",
    "an ASOF join, where rows of its right side may tie",
  ],
];

test("chance and unfixed order are named", async () => {
  await using bench = await Bench.open();
  for (const [sql, cause] of DETERMINED) {
    const analysis = await analyzeSql(bench.db, sql);
    expect([sql, analysis.notDeterministic[0] ?? ""]).toEqual([sql, cause]);
  }
});

test("conditions on rows are a part of what must be exact", async () => {
  await using bench = await Bench.open();
  const of = async (sql: string) => {
    const { notIncremental, clock, notDeterministic } = await analyzeSql(bench.db, "FROM d", [
      { name: 'test "t"', sql },
    ]);
    return [...notIncremental, ...clock, ...notDeterministic];
  };
  expect(await of("a > 1 AND b IS NOT NULL -- fine")).toEqual([]);
  expect(await of("count(*) OVER (PARTITION BY a) = 1")).toEqual([
    'its test "t" looks at other rows',
  ]);
  expect(await of("a IN (SELECT 1)")).toEqual(['its test "t" has a subquery']);
  expect(await of("a < now()")).toEqual(["now()"]);
  expect(await of("random() < 0.5")).toEqual(["random()"]);
  expect(await of("no condition )")).toEqual([]);
});

test("how columns are taken says which new ones could be meant", async () => {
  await using bench = await Bench.open();
  const use = async (sql: string) => (await analyzeSql(bench.db, sql)).columns;
  expect((await use("SELECT *, a AS x FROM d")).unnamed).toBe(false);
  expect((await use("SELECT d.* EXCLUDE (b) FROM d")).words).toContain("b");
  expect((await use("SELECT a AS x, x + 1 FROM d JOIN c USING (k)")).words).toContain("k");
  const unnamed = [
    ...["SELECT columns(*) FROM d", "SELECT columns('a') FROM d", "SELECT * LIKE 'a%' FROM d"],
    ...["SELECT to_json(d) FROM d", "SELECT hash(o) FROM d AS o", "SELECT d::VARCHAR FROM s.d"],
    ...["SELECT a FROM d NATURAL JOIN c", "SELECT struct_pack(*columns(*)) FROM d"],
    "WITH p AS (SELECT * FROM d) SELECT p FROM p",
  ];
  for (const sql of unnamed) expect([sql, (await use(sql)).unnamed]).toEqual([sql, true]);
});

test("tables come with their offsets, CTE names left out", async () => {
  await using bench = await Bench.open();
  const sql = "WITH a AS (FROM é.x) SELECT * FROM a, silver.orders o AT (VERSION => 3)";
  const { tables } = await analyzeSql(bench.db, sql);
  expect(tables).toEqual([
    { name: "é.x", at: null, offset: sql.indexOf("é.x") },
    { name: "silver.orders", at: { unit: "version", value: "3" }, offset: sql.indexOf("silver") },
  ]);
});
