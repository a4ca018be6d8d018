/** By which output columns a change of an input is followed, query by query; and what groups can be put together. */

import { expect, test } from "bun:test";
import { analyzeSql } from "../../../../sql/analysis/analyze.ts";
import { Bench } from "../../../support/lake-scan.ts";

const ASKED = "it is read by a subquery in an expression";
const D_AND_C =
  "WITH p AS (SELECT a, sum(b) AS b FROM d GROUP BY a), q AS (SELECT a, max(c) AS c FROM c GROUP BY a)";

/** Query over `d` (and others), then the keys by which a change of `d` is followed, or why it is not. */
const FOLLOWED: readonly (readonly [string, string])[] = [
  ["SELECT a, b + 1 AS c FROM d", "free: a c"],
  ["SELECT a, sum(b) FROM d GROUP BY a", "a"],
  ["SELECT a, sum(b) FROM d GROUP BY ALL HAVING sum(b) > 1", "a"],
  ["SELECT a, c, sum(b) FROM d GROUP BY a, c", "a c"],
  ["SELECT date_trunc('day', t) AS day, count(*) FROM d GROUP BY 1", "day"],
  // Not all that it is grouped by is selected: coarser keys will do.
  ["SELECT a, sum(b) FROM d GROUP BY a, c", "a"],
  ["SELECT sum(b) FROM d GROUP BY a", "none"],
  ["SELECT count(*) FROM d", "none"],
  ["SELECT a, 1 AS one, sum(b) FROM d GROUP BY a", "a"],
  // The name of an item may be a column of its own in the FROM.
  ["SELECT a + 1 AS b, b + 1 AS c, count(*) FROM d GROUP BY ALL", "b"],
  ["SELECT a, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM d", "a"],
  ["SELECT d.a, rank() OVER (PARTITION BY a ORDER BY b) AS n FROM d", "a"],
  ["SELECT *, rank() OVER (PARTITION BY a ORDER BY b) AS n FROM d", "a"],
  ["SELECT * EXCLUDE (a), rank() OVER (PARTITION BY a ORDER BY b) AS n FROM d", "none"],
  [
    "SELECT a, c, rank() OVER (PARTITION BY a, c ORDER BY b), lag(b) OVER (PARTITION BY c ORDER BY b) FROM d",
    "c",
  ],
  ["SELECT a, row_number() OVER (ORDER BY b) FROM d", "none"],
  ["SELECT a, b FROM d QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) = 1", "a"],
  [
    "SELECT * EXCLUDE (n) FROM (SELECT *, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM d) WHERE n = 1",
    "a",
  ],
  ["SELECT DISTINCT a, b FROM d", "a b"],
  ["SELECT DISTINCT ON (a) a, b FROM d ORDER BY b", "a"],
  ["SELECT a FROM d UNION SELECT a FROM c", "a"],
  ["SELECT a AS x, b FROM d UNION ALL SELECT a, b FROM c", "b x"],
  ["SELECT a FROM c EXCEPT SELECT b FROM d", "a"],
  // By their names, and not by their places.
  ["SELECT x, a FROM c UNION ALL BY NAME SELECT a, b AS x FROM d", "a x"],
  ["SELECT x, a FROM c UNION ALL BY NAME SELECT a, b FROM d", "a b"],
  // Equal under a collation, and not as they are stored.
  ["SELECT a COLLATE nocase AS a, b FROM d", "COLLATE"],
  // A field of a struct has the name of a column.
  ["SELECT s.a, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM d", "none"],
  ["SELECT a = 'X' AS k, count(*) OVER (PARTITION BY a = 'x') AS n FROM d", "none"],
  // Of two columns of one name, the one that both tables share may be either.
  [
    "SELECT c.a, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM d LEFT JOIN c USING (a, k)",
    "none",
  ],
  [
    "SELECT d.a, row_number() OVER (PARTITION BY a ORDER BY b) AS n FROM d LEFT JOIN c ON d.k = c.k",
    "a",
  ],
  ["SELECT DISTINCT ON (a) d.a AS x, c.a AS a FROM d JOIN c ON d.k = c.k", "a"],
  ["SELECT * FROM c UNION ALL SELECT * FROM d", "none"],
  ["SELECT c.k, sum(d.a) FROM c JOIN d USING (id) GROUP BY c.k", "k"],
  ["SELECT c.k, count(d.a) FROM c LEFT JOIN d USING (id) GROUP BY c.k", "turned: k"],
  ["SELECT c.k, count(*) FROM c ANTI JOIN d USING (id) GROUP BY c.k", "turned: k"],
  ["SELECT c.k FROM c SEMI JOIN d USING (id)", "free, turned: k"],
  ["WITH p AS (SELECT a, sum(b) AS b FROM d GROUP BY a) SELECT a, b FROM p WHERE b > 1", "a"],
  [
    "WITH p AS (SELECT a, c, sum(b) AS b FROM d GROUP BY a, c) SELECT c, max(b) FROM p GROUP BY c",
    "c",
  ],
  [
    "WITH p AS (SELECT a, c, sum(b) AS b FROM d GROUP BY a, c) SELECT b, count(*) FROM p GROUP BY b",
    "none",
  ],
  [
    "WITH p AS (SELECT a, sum(b) AS b FROM d GROUP BY a) SELECT c.x, p.b FROM p JOIN c ON c.a = p.a",
    "none",
  ],
  // Columns of others that a join makes equal to a key of its groups.
  [`${D_AND_C} SELECT q.a, p.b, q.c FROM p JOIN q ON q.a = p.a`, "a"],
  [`${D_AND_C} SELECT a, p.b FROM p JOIN q USING (a)`, "a"],
  [`${D_AND_C} SELECT q.a, p.b FROM q LEFT JOIN p ON p.a = q.a`, "a"],
  [`${D_AND_C} SELECT p.a, p.b FROM q LEFT JOIN p ON p.a = q.a`, "none"],
  [`${D_AND_C} SELECT a, p.b FROM q LEFT JOIN p USING (a)`, "a"],
  [`${D_AND_C} SELECT p.a AS k, q.a AS l FROM p LEFT JOIN q ON p.a = q.a`, "k"],
  [`${D_AND_C} SELECT q.a, q.c FROM q ANTI JOIN p ON p.a = q.a`, "a"],
  [`${D_AND_C} SELECT q.a, q.c FROM q SEMI JOIN p ON p.a = q.c`, "c"],
  [`${D_AND_C} SELECT q.a, p.b FROM p JOIN q ON q.a < p.a OR q.a = p.a`, "none"],
  [
    "WITH p(b, a) AS (SELECT a, b, count(*) AS n FROM d GROUP BY a, b) SELECT b, max(n) FROM p GROUP BY b",
    "none",
  ],
  ["SELECT a, sum(b) FROM d GROUP BY GROUPING SETS ((a), ())", "GROUPING SETS"],
  ["SELECT a FROM d ORDER BY a LIMIT 3", "LIMIT"],
  ["SELECT x.a, count(*) FROM d x JOIN d y USING (id) GROUP BY x.a", "it is read more than once"],
  ["SELECT a, count(*) FROM c WHERE EXISTS (FROM d WHERE d.x = c.x) GROUP BY a", "turned: a"],
  ["SELECT a FROM c WHERE b > 1 AND NOT EXISTS (FROM d WHERE d.x = c.x)", "free, turned: a"],
  ["SELECT a, count(*) FROM c WHERE b IN (SELECT x FROM d WHERE y) GROUP BY a", "turned: a"],
  ["SELECT a FROM c WHERE b NOT IN (SELECT x FROM d)", ASKED],
  ["SELECT a FROM c WHERE b IN (SELECT max(x) FROM d GROUP BY y)", ASKED],
  ["SELECT a FROM c WHERE b > 1 OR EXISTS (FROM d WHERE d.x = c.x)", ASKED],
  ["SELECT a, (SELECT max(x) FROM d WHERE d.x = c.x) FROM c", ASKED],
  ["SELECT a, count(*) FROM c FULL JOIN d USING (id) GROUP BY a", "a full outer join"],
  [
    "SELECT a, count(*) FROM c ASOF JOIN d ON c.t >= d.t GROUP BY a",
    "it stands on the right of an asof join",
  ],
  ["SELECT a, count(*) FROM d AT (VERSION => 3) GROUP BY a", "it is read as of a fixed moment"],
];

test("by which columns a change is followed, and why not", async () => {
  await using bench = await Bench.open();
  for (const [sql, expected] of FOLLOWED) {
    const { followed } = await analyzeSql(bench.db, sql);
    const input = followed.find(({ name }) => name === "d");
    const how = [
      ...(input?.isFree ? ["free"] : []),
      ...(input?.isKept === false ? ["turned"] : []),
    ];
    const keys = input?.keys.toSorted().join(" ") || "none";
    const said = input?.blocked ?? (how.length > 0 ? `${how.join(", ")}: ${keys}` : keys);
    expect([sql, said]).toEqual([sql, expected]);
  }
});

const COMBINED: readonly (readonly [string, boolean])[] = [
  [
    "SELECT a, count(*) AS n, sum(b) AS s, min(c) AS l, max(c) AS t, bool_or(x) AS o FROM d GROUP BY a",
    true,
  ],
  [
    "SELECT a, sum(b)::DECIMAL(18, 2) AS s, count(b) FILTER (c > 1) AS n FROM d WHERE x GROUP BY ALL",
    true,
  ],
  ["SELECT count(*) AS n FROM d", true],
  ["SELECT a AS k, sum(b) AS s FROM d GROUP BY k ORDER BY 2", true],
  ["SELECT upper(a) AS k, sum(b) AS s FROM d GROUP BY 1", true],
  // The column of that name is what it is grouped by, and one name may have many of its values.
  ["SELECT upper(a) AS a, sum(b) AS s FROM d GROUP BY a", false],
  // If there is a column k, each of these is many rows of one value.
  ["SELECT 'all' AS k, sum(b) AS s FROM d GROUP BY k", false],
  ["SELECT (SELECT max(x) FROM c) AS k, sum(b) AS s FROM d GROUP BY k", false],
  ["SELECT a, upper(a) AS k, sum(b) AS s FROM d GROUP BY k, a", false],
  ["SELECT a AS x, upper(x) AS k, sum(b) AS s FROM d GROUP BY k, a", false],
  ["SELECT date_trunc('day', d.t) AS day, d.a, sum(b) AS s FROM d GROUP BY day, d.a", true],
  ["SELECT (a = 'X') AS k, sum(b) AS s FROM d GROUP BY a = 'X', a = 'x'", false],
  ["SELECT c.a AS a, sum(b) AS s FROM d LEFT JOIN c USING (a, k) GROUP BY a, c.a", false],
  // The name of another item may be that of an aggregate.
  ["SELECT a, sum(b) AS s, s + 1 AS t FROM d GROUP BY a", false],
  ["SELECT a, sum(b) AS s, s AS t FROM d GROUP BY ALL", false],
  // What is stored says less than the sum, or is in another order.
  ["SELECT a, try_cast(sum(b) AS BIGINT) AS s FROM d GROUP BY a", false],
  ["SELECT a, sum(b)::SMALLINT AS s FROM d GROUP BY a", false],
  ["SELECT a, max(b)::VARCHAR AS s FROM d GROUP BY a", false],
  ["SELECT sum(b) AS s FROM d GROUP BY a", false],
  ["SELECT a, avg(b) AS m FROM d GROUP BY a", false],
  ["SELECT a, count(DISTINCT b) AS n FROM d GROUP BY a", false],
  ["SELECT a, round(sum(b), 1) AS s FROM d GROUP BY a", false],
  ["SELECT a, sum(b) AS s FROM d GROUP BY a HAVING sum(b) > 1", false],
  ["SELECT DISTINCT a, sum(b) AS s FROM d GROUP BY a", false],
  ["SELECT a, sum(b) AS s, sum(sum(b)) OVER () AS t FROM d GROUP BY a", false],
  ["SELECT a, max(b, 3) AS tops FROM d GROUP BY a", false],
  ["SELECT a, b FROM d", false],
];

test("whose results can be put together without their rows", async () => {
  await using bench = await Bench.open();
  for (const [sql, expected] of COMBINED) {
    expect([sql, (await analyzeSql(bench.db, sql)).combines]).toEqual([sql, expected]);
  }
});
