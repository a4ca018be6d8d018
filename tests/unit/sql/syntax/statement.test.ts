/** What kind of statement a text is. */

import { expect, test } from "bun:test";
import {
  classify,
  readsTables,
  shiftPlace,
  splitStatements,
} from "../../../../sql/syntax/statement.ts";

test("statements are cut at semicolons outside quotes and comments", () => {
  const text = "select ';' ; -- a; b\n/* ; */ select \";\";;\n  select $$;$$";
  expect(splitStatements(text).map(({ sql }) => sql)).toEqual([
    "select ';'",
    'select ";"',
    "select $$;$$",
  ]);
  for (const { sql, offset } of splitStatements(text)) {
    expect(text.slice(offset, offset + sql.length)).toBe(sql);
  }
});

test("the first words decide", () => {
  const kinds = {
    "WITH a AS (SELECT 1) FROM a": "query",
    "(select 1)": "query",
    "explain analyze select 1": "prefixed",
    "describe orders": "prefixed",
    "show orders": "prefixed",
    "show tables": "show-tables",
    describe: "show-tables",
    "create or replace temp table x as from y": "prefixed",
    "create temp table x (a int)": "other",
    "create table x as select 1": "create",
    "create schema s": "create",
    "create temp macro f(a) as a": "other",
    "copy orders to 'x.csv'": "copy-to",
    "copy (select 1 to_ from t) to 'x.csv' (header)": "copy-to",
    "copy orders from 'x.csv'": "refused",
    "delete from orders": "write",
    "set threads = 2": "setting",
    "attach 'x'": "refused",
    "pivot t on a using sum(b)": "pivot",
    "call pragma_version()": "other",
    "pragma version": "other",
  };
  expect(Object.keys(kinds).map((sql) => [sql, classify(sql).kind])).toEqual(Object.entries(kinds));
});

test("parts are found", () => {
  expect(classify("describe silver.orders")).toEqual({
    kind: "prefixed",
    prefix: "DESCRIBE ",
    query: "FROM silver.orders",
    offset: 4,
  });
  expect(classify("copy (select 1) to 'it''s.csv' (header)")).toMatchObject({
    query: "select 1",
    path: "it's.csv",
    rest: " (header)",
  });
  expect(classify('insert or replace into temp."my t" (a) select 1')).toMatchObject({
    verb: "insert",
    target: "temp.my t",
    query: { start: 39 },
  });
  expect(classify("drop table if exists t")).toMatchObject({ target: "t", query: null });
  expect(classify("set session time zone 'UTC'")).toMatchObject({ name: "timezone" });
  expect(readsTables("select 'from'")).toBe(false);
  expect(readsTables("select 1 FROM x")).toBe(true);
});

test("places move with the text in front", () => {
  expect(shiftPlace({ file: "", line: 1, column: 8 }, "a;\nb; select x", 6)).toEqual({
    file: "",
    line: 2,
    column: 11,
  });
});
