/** The graph: order, edges, and every way in which a set of models is impossible. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { must } from "../../../../core/base/assert.ts";
import {
  ancestors,
  buildGraph,
  descendants,
  type GraphResult,
} from "../../../../core/model/graph.ts";
import type { Model } from "../../../../core/model/model.ts";
import { analysis, model } from "../../../support/models.ts";

/** Builds the graph of models that read the given names. */
function graph(
  reads: Readonly<Record<string, readonly string[]>>,
  more: readonly Model[] = [],
): GraphResult {
  const models = Object.entries(reads).map(([name, names]) =>
    model(name, `select *\nfrom ${names.join(", ")}`),
  );
  return buildGraph({
    models: [...models, ...more],
    analyses: new Map(
      models.map((entry) => [entry.name, analysis(entry.sql, reads[entry.name] ?? [])]),
    ),
    sources: new Map([
      ["bronze.orders", "orders"],
      ["bronze.users", "users"],
    ]),
    tables: ["silver.foreign"],
  });
}

function messages(result: GraphResult): string[] {
  return result.errors.map((error) => `${error.message} (${error.hint})`);
}

test("models run after what they read, ties by name", () => {
  const result = graph({
    "gold.z": ["silver.b", "silver.a"],
    "silver.b": ["bronze.orders"],
    "silver.a": ["users", "silver.foreign"],
  });
  expect(result.graph?.order).toEqual(["silver.a", "silver.b", "gold.z"]);
  expect(result.graph?.parents.get("silver.a")).toEqual(["bronze.users", "silver.foreign"]);
});

test("ancestors and descendants go as far as asked", () => {
  const found = graph({
    "silver.a": ["bronze.orders"],
    "gold.b": ["silver.a"],
    "gold.c": ["gold.b"],
  });
  const built = must(found.graph, "a graph");
  expect([...descendants(built, ["bronze.orders"])]).toEqual(["silver.a", "gold.b", "gold.c"]);
  expect([...ancestors(built, ["gold.c"], 1)]).toEqual(["gold.b"]);
});

test("a cycle is named with its path and its place", () => {
  const result = graph({
    "silver.a": ["gold.c"],
    "gold.b": ["silver.a"],
    "gold.c": ["gold.b"],
    "gold.d": ["gold.c"],
  });
  expect(messages(result)[0]).toContain("in a circle: gold.b → silver.a → gold.c → gold.b");
  expect([result.errors.length, result.errors[0]?.place?.line]).toEqual([1, 2]);
});

test("a model that reads itself is a cycle", () => {
  expect(messages(graph({ "silver.a": ["silver.a"] }))[0]).toContain(
    "silver.a reads what it makes itself",
  );
});

test("an unknown name gets the nearest right one, at its place", () => {
  const result = graph({ "silver.a": ["bronze.oders"] });
  expect(messages(result)).toEqual([
    'there is no table "bronze.oders" (did you mean "bronze.orders"?)',
  ]);
  expect(result.errors[0]?.place).toEqual({
    file: "models/silver/a.sql",
    line: 2,
    column: 6,
    length: 12,
  });
});

test("an ambiguous name is an error that names all", () => {
  const result = graph({ "silver.orders": ["bronze.orders"], "gold.x": ["orders"] });
  expect(messages(result)[0]).toContain('"orders" is ambiguous: silver.orders, bronze.orders');
});

test("files and system tables are no input of a model", () => {
  const found = messages(
    graph({ "silver.a": ["drops/x.csv", "lake.commits", "orders$snapshots"] }),
  );
  expect(found.map((text) => text.replace(/ \(.*/, ""))).toEqual([
    'a model cannot read the file "drops/x.csv"',
    'a model cannot read the system table "lake.commits"',
    'a model cannot read the metadata table "orders$snapshots"',
  ]);
});

test("a table has one writer", () => {
  const again = { ...model("silver.a"), file: "models/silver/finance/a.sql" };
  expect(messages(graph({ "silver.a": ["bronze.orders"] }, [again]))[0]).toContain(
    "silver.a is written by models/silver/a.sql and by models/silver/finance/a.sql",
  );
  const landed = { ...model("silver.a"), name: "bronze.orders" };
  expect(messages(graph({}, [landed]))[0]).toContain('by the source "orders" and by');
});

test("any graph without cycles is ordered, whatever the order of its files", () => {
  const edges = fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 30 });
  fc.assert(
    fc.property(edges, fc.nat(1_000), (pairs, turn) => {
      const reads: Record<string, string[]> = {};
      for (let index = 0; index < 12; index++) reads[`silver.m${(index + turn) % 12}`] = [];
      for (const [a, b] of pairs) {
        if (a !== b) reads[`silver.m${Math.max(a, b)}`]?.push(`silver.m${Math.min(a, b)}`);
      }
      const order = must(graph(reads).graph, "no cycles").order;
      const late = Object.entries(reads).filter(([name, names]) =>
        names.some((parent) => order.indexOf(parent) > order.indexOf(name)),
      );
      expect([order.length, late]).toEqual([12, []]);
    }),
    { numRuns: 50 },
  );
});
