/** Statements cut into their parts, where their words stand elsewhere too. */

import { expect, test } from "bun:test";
import { readChange } from "../../../../sql/dml/statement.ts";

test("readChange: FROM of IS DISTINCT FROM and within brackets is no clause", () => {
  const sql = "update t set a = b is not distinct from c, d = extract(year from e) from u where x";
  const read = readChange(sql);
  expect(
    read.kind === "update" ? [read.set.map((one) => one.sql), read.from, read.where] : [],
  ).toEqual([["b is not distinct from c", "extract(year from e)"], "u", "x"]);
});

test("readChange: WHEN of CASE is none of MERGE", () => {
  const sql =
    "merge into t using s on t.a = s.a when matched and case when s.b then 1 end = 1 " +
    "then update set c = case when d then e end when not matched then insert (a) values (case when 1 = 1 then s.a end)";
  const read = readChange(sql);
  expect(read.kind === "merge" ? read.clauses.map(({ when, and }) => [when, and]) : []).toEqual([
    ["matched", "case when s.b then 1 end = 1"],
    ["not-matched", ""],
  ]);
});

test("readChange: ON of a join within the source is not that of MERGE", () => {
  const source = "(select * from a join b on a.x = b.x) s";
  const read = readChange(`merge into t using ${source} on t.a = s.a when matched then delete`);
  expect(read.kind === "merge" ? [read.source, read.on] : []).toEqual([
    "(select * from a join b on a.x = b.x) s",
    "t.a = s.a",
  ]);
});

test("readChange: DEFAULT among values is NULL, and nowhere else", () => {
  const read = readChange("insert into t values (1, DEFAULT), ('default', \"default\" + 1)");
  expect(read.kind === "insert" ? read.query : "").toBe(
    "values (1, NULL), ('default', \"default\" + 1)",
  );
});

test("readChange: names of columns in brackets are none of a query in brackets", () => {
  const named = readChange('insert into t ("select", b) select 1, 2');
  const queried = readChange("insert into t (select 1, 2)");
  const columns = [named, queried].map((one) => (one.kind === "insert" ? one.columns : []));
  expect(columns).toEqual([["select", "b"], null]);
});

test("readChange: what stands before the verb belongs to its query", () => {
  const read = readChange("with x as (select 1 as update) insert into t select * from x");
  expect(read.kind === "insert" ? read.query : "").toBe(
    "with x as (select 1 as update) select * from x",
  );
});
