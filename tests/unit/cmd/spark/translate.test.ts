/** What of a query is kept, written otherwise or refused on its way to Spark; the conformance suite runs it. */

import { expect, test } from "bun:test";
import { sparkLibrary } from "../../../../cmd/spark/library.ts";
import { translate } from "../../../../cmd/spark/translate.ts";

const library = await sparkLibrary();

function spark(sql: string) {
  const table = (parts: readonly string[]) =>
    parts.join(".") === "gone"
      ? { not: "no table" }
      : { parts: ["tarn", "bronze", parts.at(-1) ?? ""] };
  const found = translate(library, { sql, table });
  return found.kind === "spark"
    ? found.sql.replace(/\s+/g, " ")
    : found.obstacles.map(({ what, line, column }) => `${line}:${column} ${what}`);
}

const WRITTEN: readonly (readonly [string, string])[] = [
  // Spark has NULLs first where an order rises.
  ["select a from t order by a, b desc nulls first", "ORDER BY a NULLS LAST, b DESC NULLS FIRST"],
  ["select sum(a) over (order by b) as s from t", "OVER (ORDER BY b NULLS LAST)"],
  // Decimals are divided as decimals there.
  [
    "select a / b as q, avg(c) as m from t",
    "CAST(a AS DOUBLE) / b AS q, AVG(CAST(c AS DOUBLE)) AS m",
  ],
  ["select date_diff('day', a, b) as d from t", "DATEDIFF(DAY, CAST(a AS DATE), CAST(b AS DATE))"],
  ["select a from orders", "FROM `tarn`.`bronze`.`orders` AS `orders`"],
  ["select o.a from silver.orders o", "FROM `tarn`.`bronze`.`orders` AS o"],
  ["with t as (select 1 as x) select x from t", "FROM t"],
  ["with a as materialized (select 1 as x) select x from a", "WITH a AS ("],
  ["select a from t qualify rank() over (order by a) < 3", "WHERE tarn_is_kept"],
  ["select a from t union all select a from u", "UNION ALL SELECT"],
  ["select 'it''s \\n' as a", String.raw`'it\'s \\n' AS a`],
  ["select round(a)::int as a from t", "CAST(ROUND(a) AS INT)"],
];

test("what Spark means otherwise is written so that it means the same", () => {
  for (const [sql, wanted] of WRITTEN) expect(spark(sql)).toContain(wanted);
});

const REFUSED: readonly (readonly [string, readonly string[]])[] = [
  ["select\n  a::int as a from t", ["a cast to a whole number"]],
  ["select log(a) as a from t", ["log"]],
  ["select regexp_replace(a, 'b', 'c') as a from t", ["regexp_replace()"]],
  ["select concat(a, b) as a from t", ["concat()"]],
  [
    "select dayofweek(a) as d, isodow(a) as i, week(a) as w from t",
    ["day of week", "isodow()", "week()"],
  ],
  [
    "select date_part('dow', a) as d, extract(second from a) as s from t",
    ["date_part('dow', …)", "extract(second)"],
  ],
  ["select date_diff('hour', a, b) as h from t", ["date_diff('hour', …)"]],
  ["select a like 'x\\_y' as b from t", ["LIKE with a backslash"]],
  [
    "select list(a) as l, [1, 2] as m, {'a': 1} as s, l[1] as e from t",
    ["list()", "array func", "map func", "subscript"],
  ],
  [
    "select first(a) as f, any_value(a) as v, string_agg(a, ',') as s from t",
    ["first", "any value", "string_agg without"],
  ],
  ["select a from t union all by name select a from u", ["BY NAME"]],
  ["select * from t asof join u on t.k = u.k and t.a >= u.a", ["AS OF JOIN"]],
  ["select * from t natural join u", ["NATURAL JOIN"]],
  ["select * replace (1 as a) from t", ["* REPLACE"]],
  ["select a from t group by grouping sets ((a), ())", ["grouping sets()"]],
  ["select now() as a, current_date as d from t", ["now()", "current_date()"]],
  ["select a from range(3) r(a)", ["range()"]],
  ["select unnest(l) as a from t", ["unnest()"]],
  [
    "select a at time zone 'UTC' as b, a::timestamptz as c from t",
    ["at time zone", "a cast to TIMESTAMPTZ"],
  ],
  [
    "select x from (select a as x from t qualify rank() over (order by a) = 1) as q",
    ["QUALIFY below"],
  ],
  ["select a + 1 from t", ["a column without a name"]],
  ["select a from gone", ["no table"]],
  [
    "with recursive r as (select 1 as n union all select n + 1 from r) select n from r",
    ["WITH RECURSIVE"],
  ],
];

test("what nobody looked at, or means something else, is refused by its place", () => {
  for (const [sql, wanted] of REFUSED) {
    const found = spark(sql);
    expect(Array.isArray(found) ? found.length : found).toBeGreaterThanOrEqual(wanted.length);
    for (const what of wanted) {
      expect(found).toContainEqual(
        expect.stringMatching(new RegExp(`^\\d+:\\d+ ${RegExp.escape(what)}`)),
      );
    }
  }
  expect(spark("select\n  a::int as a from t")).toEqual([expect.stringMatching(/^2:3 /)]);
});
