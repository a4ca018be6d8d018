/** Templates against what Jinja 3.1 of Python makes of them. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Namespace, render, Scope } from "../../../../../cmd/project/dbt/jinja/evaluate.ts";
import { PlacedTemplateError, parseTemplate } from "../../../../../cmd/project/dbt/jinja/syntax.ts";
import { Callable, valueFrom } from "../../../../../cmd/project/dbt/jinja/values.ts";

/** A template, and what Python's Jinja (with `do` and loop controls) answers. */
const CASES: readonly (readonly [string, string])[] = JSON.parse(
  readFileSync(join(import.meta.dir, "jinja-cases.json"), "utf8"),
);

for (const [template, expected] of CASES) {
  test(`jinja ${template.slice(0, 60)}`, () => {
    expect(rendered(template)).toBe(expected);
  });
}

test("a fault has the line of the name that it is about", () => {
  expect(faultOf("a\n{% for i in x %}\n  {{ nothing(i) }}\n{% endfor %}")).toBe(
    "f.sql:3 there is no macro or function nothing",
  );
  expect(faultOf("{{ x | upper\n   | nofilter }}")).toBe('f.sql:2 there is no filter "nofilter"');
  expect(faultOf("{% macro m(a) %}{{ a }}{% endmacro %}\n\n{{ m(1, 2) }}")).toBe(
    "f.sql:3 m() takes 1 arguments, got 2",
  );
  expect(faultOf("a\n{% if x %}\nb")).toBe("f.sql:2 the template ends within a block");
  expect(faultOf("a\n{% include 'x' %}")).toBe(
    "f.sql:2 {% include %} is no statement that is read here",
  );
});

function rendered(template: string): string {
  const scope = new Scope(null);
  const given = { x: [3, 1, 2], d: { a: 1, b: [1, 2] }, s: "hello World", n: null, t: true };
  for (const [name, value] of Object.entries(given)) scope.set(name, valueFrom(value));
  const namespace = new Callable("namespace", ({ named }) => new Namespace(new Map(named)));
  scope.set("namespace", namespace);
  const range = new Callable("range", ({ positional: [count] }) =>
    Array.from({ length: Number(count) }, (_, index) => index),
  );
  scope.set("range", range);
  return render(parseTemplate("f.sql", template), scope);
}

function faultOf(template: string): string {
  try {
    rendered(template);
  } catch (thrown) {
    if (thrown instanceof PlacedTemplateError) {
      return `${thrown.file}:${thrown.line} ${thrown.message}`;
    }
    throw thrown;
  }
  return "none";
}
