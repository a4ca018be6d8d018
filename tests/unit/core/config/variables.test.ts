/** Variables: types as they are written, others where they are said, and values that cannot be. */

import { expect, test } from "bun:test";
import { MODEL_TOOLS } from "../../../../cmd/project/model-tools.ts";
import {
  NO_CHOICE,
  type VariableChoice,
  variableReader,
} from "../../../../core/config/variables.ts";
import { readConfig } from "../../../../core/config.ts";
import { NO_MACROS } from "../../../../core/model/macros.ts";
import { bindSql, valuesOf, withValues, writtenColumn } from "../../../../core/model/variables.ts";
import { quoteLiteral } from "../../../../sql/syntax/quote.ts";

function read(data: unknown, choice: Partial<VariableChoice> = {}) {
  const variables = variableReader({ ...NO_CHOICE, ...choice }, quoteLiteral);
  const { config, issues } = readConfig(data, {
    folderName: "x",
    env: {},
    sources: null,
    variables,
  });
  const wrong = [...issues, ...variables.refused].map(({ message }) => message);
  const sqlByName = Object.fromEntries(
    [...(config?.variables ?? [])].map(([name, { sql }]) => [name, sql]),
  );
  return wrong.length > 0 ? wrong : sqlByName;
}

test("a value has the type that it is written in", () => {
  const vars = {
    whole: 5,
    below: -5,
    part: 0.5,
    large: 12345678901234567890n,
    word: "it's",
    lines: "a\nb",
    yes: true,
    day: "2026-02-28",
    noDay: "2026-02-30",
    words: ["a", "b"],
    days: ["2026-01-01"],
    none: [],
  };
  expect(read({ vars })).toEqual({
    whole: "5",
    below: "(-5)",
    part: "0.5",
    large: "12345678901234567890",
    word: "'it''s'",
    lines: "E'a\\nb'",
    yes: "TRUE",
    day: "DATE '2026-02-28'",
    noDay: "'2026-02-30'",
    words: "['a', 'b']",
    days: "[DATE '2026-01-01']",
    none: "[]",
  });
});

test("a declared type holds for its value, and for those of environments and the command line", () => {
  const vars = {
    n: { type: "number", value: "1.50" },
    t: { type: "text", value: "2026-01-01" },
    at: { type: "timestamp", value: "2026-01-01T10:00" },
    l: [1, 2],
  };
  const environments = { prod: { vars: { n: 3 } }, test: { vars: { t: "x" } } };
  const choice = { environment: "prod", given: ["l=7,8", "t=a=b"] };
  expect(read({ vars, environments }, choice)).toEqual({
    n: "3",
    t: "'a=b'",
    at: "TIMESTAMP '2026-01-01 10:00'",
    l: "[7, 8]",
  });
});

test("what cannot be is named", () => {
  const cases: readonly (readonly [unknown, Partial<VariableChoice>, string])[] = [
    [{ vars: { a: [1, "x"] } }, {}, "a list holds values of one type"],
    [{ vars: { a: [[1]] } }, {}, "a list holds values of one type"],
    [{ vars: { a: { type: "date", value: "soon" } } }, {}, '"soon" is no date'],
    [{ vars: { a: { type: "number", value: true } } }, {}, "true is no number"],
    [{ vars: { "a-b": 1 } }, {}, "cannot name a variable"],
    [{ vars: { a: 1 }, environments: { prod: { vars: { b: 1 } } } }, {}, 'no variable "b"'],
    [{ vars: { a: 1 }, environments: { prod: { vars: { a: "x" } } } }, {}, '"x" is no number'],
    [{ vars: { a: 1 } }, { given: ["a=x"] }, '--var a=x: "x" is no number'],
    [{ vars: { a: 1 } }, { given: ["a"] }, "--var a is not NAME=VALUE"],
    [{ vars: { a: 1 } }, { environment: "prod" }, "--env prod: there is no such environment"],
  ];
  for (const [data, choice, wanted] of cases) {
    const [first] = Object.values(read(data, choice));
    expect([wanted, first]).toEqual([wanted, expect.stringContaining(wanted)]);
  }
});

const VARIABLES = new Map([
  ["n", { type: "number", sql: "(-5)" }],
  ["t", { type: "text", sql: "'long text'" }],
] as const);

function bound(sql: string) {
  return bindSql(sql, { ...MODEL_TOOLS, variables: VARIABLES, macros: NO_MACROS });
}

test("names in strings, comments and dollar quotes are none", () => {
  const sql = `select '$n', $$ $n $$, $a$ $t $a$, "$n", 1 -$n -- $t\n/* $t */ from t$n`;
  expect(bound(sql).sql).toBe(sql.replace("1 -$n", "1 -(-5)"));
});

test("a string does not go on in a value behind a line end", () => {
  expect(bound("select 'a'\n$t").sql).toBe("select 'a'\n('long text')");
});

test("columns of a bound text are those of the written one", () => {
  const written = "select $t, $n, zz\nfrom $t yy";
  const { sql, puts } = bound(written);
  for (const word of ["select", ", ", "zz", "yy"]) {
    const at = sql.indexOf(word);
    const line = sql.slice(0, at).split("\n").length;
    const column = at - sql.lastIndexOf("\n", at - 1);
    const wanted = written.indexOf(word) - written.lastIndexOf("\n", written.indexOf(word) - 1);
    expect([word, writtenColumn(puts, line, column)]).toEqual([word, wanted]);
  }
});

test("a kept text is read again with its values", () => {
  const { used } = bound("select $t, $n");
  const kept = valuesOf(withValues("select $t, $n", used));
  expect(kept.text).toBe("select $t, $n");
  expect([...kept.values].map(([name, { sql }]) => [name, sql])).toEqual([
    ["n", "(-5)"],
    ["t", "'long text'"],
  ]);
});
