/** Calls of `lake.changes` as names, and back. */

import { expect, test } from "bun:test";
import { changesCallIn } from "../../../../sql/syntax/changes-call.ts";
import { rewriteTimeTravel } from "../../../../sql/syntax/time-travel.ts";

/** The name that a rewritten statement reads, and how it is called. */
function read(sql: string): readonly [string, string] {
  const { sql: rewritten } = rewriteTimeTravel(sql);
  const found = /FROM lake\."((?:[^"]|"")*)"(.*)$/is.exec(rewritten);
  return [`lake.${(found?.[1] ?? "").replaceAll('""', '"')}`, (found?.[2] ?? "").trim()];
}

test("a call becomes a name that says its values, called changes unless it has another name", () => {
  const [plain, alias] = read("select * FROM lake.changes('silver.o''s', 3, 5)");
  expect(changesCallIn(plain)).toEqual({ table: "silver.o's", from: "3", to: "5", key: null });
  expect(alias).toBe("AS changes");
  const [named, own] = read("select * FROM lake.changes('o', -2, null, 'a, b') c where c.x > 1");
  expect(changesCallIn(named)).toEqual({ table: "o", from: "-2", to: null, key: ["a", "b"] });
  expect(own).toBe("c where c.x > 1");
  const [moment] = read("select * FROM LAKE . Changes ( 'o', '2026-01-31 09:00' ) AS c");
  expect(changesCallIn(moment)?.from).toBe("2026-01-31 09:00");
});

test("what is no such call is left alone", () => {
  for (const sql of [
    "from lake.runs",
    "from changes('a')",
    "select changes from lake",
    "from x.changes('a')",
  ]) {
    expect(rewriteTimeTravel(sql).sql).toBe(sql);
  }
  expect(changesCallIn("lake.runs")).toBeNull();
});

test("values are written out, and no more of them than there are", () => {
  for (const sql of [
    "from lake.changes(t)",
    "from lake.changes('t', 1 + 1)",
    "from lake.changes('t' 1)",
  ]) {
    expect(() => rewriteTimeTravel(sql)).toThrow("as they are written");
  }
  const name = (sql: string) => read(`select * FROM ${sql}`)[0];
  expect(() => changesCallIn(name("lake.changes()"))).toThrow("takes a table");
  expect(() => changesCallIn(name("lake.changes('t', 1, 2, 'a', 5)"))).toThrow("takes a table");
});
