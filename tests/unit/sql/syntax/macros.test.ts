/** Macros on tokens: what a call comes to, whose names are whose, and what is no macro. */

import { expect, test } from "bun:test";
import type { Macros } from "../../../../core/model/macros.ts";
import { macroCallsOf, readMacros } from "../../../../sql/syntax/macros.ts";

const MACROS = named(`
  CREATE MACRO money(cents) AS (cents / 100)::decimal(12,2);
  CREATE MACRO add(a, b := 1) AS a + b, (a, b, c) AS a + b + c;
  CREATE MACRO typed(x INTEGER, "Odd name" := 'it''s; (x') AS x || "Odd name";
  CREATE MACRO inner_one(x) AS x + amount;
  CREATE MACRO outer_one(amount) AS inner_one(amount) * t.amount -- amount
  ;
  CREATE MACRO field(o) AS o.o + {'o': o}.o + (SELECT o AS o FROM o);
  CREATE OR REPLACE TEMP MACRO rows_of(n) AS TABLE SELECT i, (i) AS j FROM range(n) r(i);
`);

function named(text: string): Macros {
  const { macros, errors } = readMacros("macros/x.sql", text);
  expect(errors.map(({ message }) => message)).toEqual([]);
  return new Map(macros.map((macro) => [macro.name.toLowerCase(), macro]));
}

function expanded(sql: string): string {
  let text = "";
  let at = 0;
  for (const { offset, length, value, problem } of macroCallsOf(sql, MACROS)) {
    text += sql.slice(at, offset) + (problem === null ? value : `!${problem.message}!`);
    at = offset + length;
  }
  return text + sql.slice(at);
}

test("a call comes to what the macro means", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["money(x)", "(((x) / 100)::decimal(12,2))"],
    ["Money ( x -- cents\n + 1 )", "(((x + 1) / 100)::decimal(12,2))"],
    ["add(1)", "((1) + (1))"],
    ["add(1, 2)", "((1) + (2))"],
    ["add(b := 2, a => 1)", "((1) + (2))"],
    ["add(1, 2, 3)", "((1) + (2) + (3))"],
    ["add(add(1), money(2))", "((((1) + (1))) + ((((2) / 100)::decimal(12,2))))"],
    ["add((1, 2), [3, 4])", "(((1, 2)) + ([3, 4]))"],
    ["typed(y)", "(CAST((y) AS INTEGER) || ('it''s; (x'))"],
    ["'money(x)' || \"money\" -- money(x)", "'money(x)' || \"money\" -- money(x)"],
    ["main.money(x), money, moneys(x)", "main.money(x), money, moneys(x)"],
    ["field(r)", "(o.o + {'o': (r)}.o + (SELECT (r) AS o FROM (r)))"],
    ["from rows_of(3)", "from (SELECT i, (i) AS j FROM range((3)) r(i)) AS rows_of"],
    [
      "from rows_of(3) where i",
      "from (SELECT i, (i) AS j FROM range((3)) r(i)) AS rows_of where i",
    ],
    ["from rows_of(3) x", "from (SELECT i, (i) AS j FROM range((3)) r(i)) x"],
    ["from rows_of(3) as x", "from (SELECT i, (i) AS j FROM range((3)) r(i)) as x"],
  ];
  for (const [sql, wanted] of cases) expect([sql, expanded(sql)]).toEqual([sql, wanted]);
});

test("a column that a macro names stays one, whatever the parameters of its caller are called", () => {
  expect(expanded("outer_one(z)")).toBe("((((z)) + amount) * t.amount)");
});

test("arguments that no form takes are a problem of the call", () => {
  expect(expanded("add()")).toBe("!add does not take 0 arguments!");
  expect(expanded("add(1, c := 2)")).toBe("!add does not take 2 arguments!");
  expect(expanded("add(1, a := 2)")).toBe("!add does not take 2 arguments!");
});

test("what is no macro is told with its place", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["select 1", "this is no macro"],
    ["create macro", "the macro has no name"],
    ["create macro m as 1", "m has no parameters"],
    ["create macro m(x) 1", "m has no AS"],
    ["create macro m(x) as", "m has no body"],
    ["create macro s.m(x) as x", "a macro has no schema"],
    ["create macro m(1) as x", "a parameter has a name"],
    ["create macro m(x) as 'a\nb'", "a string of a macro stands on one line"],
  ];
  for (const [text, wanted] of cases) {
    const { errors } = readMacros("macros/x.sql", `\n${text}`);
    expect([text, errors[0]?.message, errors[0]?.place?.line]).toEqual([text, wanted, 2]);
  }
});
