/** Selectors: every sign of the grammar, and mistakes that name the right word. */

import { expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import { buildGraph, select } from "../../../../core/model/graph.ts";
import { analysis, model } from "../../../support/models.ts";

const MODELS = [
  model("silver.orders", "select * from bronze.orders", "tags: [finance]\nkind: append"),
  model("silver.users", "select * from bronze.users"),
  model("gold.daily", "select * from silver.orders", "tags: [finance]"),
  model("gold.report", "select * from gold.daily, silver.users", "kind: view"),
];
const SOURCES = new Map([
  ["bronze.orders", "orders"],
  ["bronze.users", "people"],
]);
const READS = new Map(
  MODELS.map((entry) => [entry.name, analysis(entry.sql, entry.sql.match(/\w+\.\w+/g) ?? [])]),
);
const GRAPH = must(
  buildGraph({ models: MODELS, analyses: READS, sources: SOURCES, tables: [] }).graph,
  "the graph is valid",
);

function selected(selector: string, exclude = ""): string {
  return select([selector], { graph: GRAPH, models: MODELS, sources: SOURCES }, [exclude]).join(
    " ",
  );
}

const ALL = "bronze.orders bronze.users silver.orders silver.users gold.daily gold.report";

test("selectors select what they say, in the order it runs", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", ALL],
    ["silver.orders", "silver.orders"],
    ["daily", "gold.daily"],
    ["people", "bronze.users"],
    ["silver.orders+", "silver.orders gold.daily gold.report"],
    ["silver.orders+1", "silver.orders gold.daily"],
    ["+gold.daily", "bronze.orders silver.orders gold.daily"],
    ["1+gold.report", "silver.users gold.daily gold.report"],
    ["1+gold.daily+1", "silver.orders gold.daily gold.report"],
    [
      "@silver.users",
      "bronze.orders bronze.users silver.orders silver.users gold.daily gold.report",
    ],
    ["gold.*", "gold.daily gold.report"],
    ["+gold.*", ALL],
    ["layer:silver", "silver.orders silver.users"],
    ["layer:silver,tag:finance", "silver.orders"],
    ["tag:finance kind:view", "silver.orders gold.daily gold.report"],
    ["source:people+", "bronze.users silver.users gold.report"],
    ["path:models/gold", "gold.daily gold.report"],
    ["path:models/*/d*.sql", "gold.daily"],
    ["name:gold.daily", "gold.daily"],
  ];
  for (const [selector, wanted] of cases)
    expect([selector, selected(selector)]).toEqual([selector, wanted]);
});

test("excluded tables are left out", () => {
  expect(selected("silver.orders+", "gold.report")).toBe("silver.orders gold.daily");
});

test("a wrong selector is refused with the nearest right word", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["silver.oders", 'did you mean "silver.orders"'],
    ["orders", "write silver.orders or bronze.orders"],
    ["silver", "silver.* or layer:silver"],
    ["layr:silver", 'did you mean "layer"?'],
    ["layer:silvr", 'did you mean "silver"?'],
    ["tag:finanse", 'did you mean "finance"?'],
    ["kind:table", "known kinds"],
    ["platinum.*", "known tables"],
    ["+", "selectors are written"],
    ["gold.{a", ""],
  ];
  for (const [selector, words] of cases) {
    let hint: string | null = null;
    try {
      selected(selector);
    } catch (thrown) {
      hint = thrown instanceof Error && "hint" in thrown ? String(thrown.hint) : null;
    }
    expect([selector, hint]).toEqual([selector, expect.stringContaining(words)]);
  }
});
