/** Selectors: every sign and method of the grammar against sets written by hand; mistakes name the right word. */

import { expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import { buildGraph } from "../../../../core/model/graph.ts";
import { asksForState, type LakeState, select } from "../../../../core/model/select.ts";
import { analysis, model } from "../../../support/models.ts";

/**
 * bronze.orders ─ silver.orders ─┬ gold.daily ── gold.report (view)
 *     seeds.regions ─────────────┘                 │
 * bronze.users ── silver.users ────────────────────┴─ ops.audit
 */
const MODELS = [
  model("silver.orders", "select * from bronze.orders", "tags: [finance, nightly]\nkind: append"),
  model("silver.users", "select * from bronze.users", "kind: merge\nkey: [id, tenant]"),
  model("gold.daily", "select * from silver.orders, seeds.regions", "tags: [finance]"),
  model("gold.report", "select * from gold.daily, silver.users", "kind: view"),
  model("ops.audit", "select * from silver.users", "tags: [ops]\npartition: [day(at)]"),
];
const SOURCES = new Map([
  ["bronze.orders", "orders"],
  ["bronze.users", "people"],
  ["seeds.regions", "seeds.regions"],
]);
const READS = new Map(
  MODELS.map((entry) => [entry.name, analysis(entry.sql, entry.sql.match(/\w+\.\w+/g) ?? [])]),
);
const GRAPH = must(
  buildGraph({ models: MODELS, analyses: READS, sources: SOURCES, tables: [] }).graph,
  "the graph is valid",
);
const STATE: LakeState = {
  fresh: new Set(["ops.audit"]),
  changed: new Set(["silver.orders"]),
  results: new Map([
    ["silver.orders", "fail"],
    ["gold.daily", "skipped"],
    ["gold.report", "skipped"],
    ["silver.users", "warn"],
  ]),
};

function selected(selector: string, exclude = ""): string {
  const input = { graph: GRAPH, models: MODELS, sources: SOURCES, state: STATE };
  return select([selector], input, [exclude])
    .map((name) => SHORT[name] ?? name)
    .join(" ");
}

/** In the order in which it runs. */
const SHORT: Readonly<Record<string, string>> = {
  "bronze.orders": "bo",
  "bronze.users": "bu",
  "seeds.regions": "sr",
  "silver.orders": "so",
  "silver.users": "su",
  "gold.daily": "gd",
  "ops.audit": "oa",
  "gold.report": "gr",
};
const ALL = "bo bu sr so su gd oa gr";

/** Selector, what it selects; a third word is what is left out. */
const CASES: readonly (readonly [string, string, string?])[] = [
  ["", ALL],
  ["silver.orders", "so"],
  ["daily", "gd"],
  ["people", "bu"],
  ["regions", "sr"],
  ["name:gold.daily", "gd"],
  ["fqn:daily", "gd"],
  ["silver.orders+", "so gd gr"],
  ["silver.orders+1", "so gd"],
  ["silver.orders+0", "so"],
  ["+gold.daily", "bo sr so gd"],
  ["1+gold.daily", "sr so gd"],
  ["1+gold.report", "su gd gr"],
  ["2+gold.report", "bu sr so su gd gr"],
  ["1+gold.daily+1", "sr so gd gr"],
  ["2+gold.daily+1", "bo sr so gd gr"],
  ["+silver.users+", "bu su oa gr"],
  ["+gold.report", "bo bu sr so su gd gr"],
  ["bronze.orders+", "bo so gd gr"],
  ["seeds.regions+1", "sr gd"],
  ["@silver.orders", "bo bu sr so su gd gr"],
  ["@silver.users", ALL],
  ["@ops.audit", "bu su oa"],
  ["@seeds.regions", "bo bu sr so su gd gr"],
  ["gold.*", "gd gr"],
  ["*.orders", "bo so"],
  ["{gold,ops}.*", "gd oa gr"],
  ["s*.orders", "so"],
  ["+gold.*", "bo bu sr so su gd gr"],
  ["*", ALL],
  ["layer:silver", "so su"],
  ["layer:{silver,ops}", "so su oa"],
  ["layer:seeds", "sr"],
  ["tag:finance", "so gd"],
  ["tag:n*", "so"],
  ["tag:finance+1", "so gd gr"],
  ["1+tag:ops", "su oa"],
  ["kind:view", "gr"],
  ["kind:append kind:merge", "so su"],
  ["kind:seed", "sr"],
  ["kind:source", "bo bu"],
  ["config.kind:full", "gd oa"],
  ["config.materialized:incremental", "so su"],
  ["config.materialized:table", "gd oa"],
  ["config.unique_key:tenant", "su"],
  ["config.tags:nightly", "so"],
  ["config.partition:day*", "oa"],
  ["config.schema:gold", "gd gr"],
  ["resource_type:model", "so su gd oa gr"],
  ["resource_type:seed+", "sr gd gr"],
  ["source:people+", "bu su oa gr"],
  ["source:*", "bo bu sr"],
  ["path:models/gold", "gd gr"],
  ["path:models/*/d*.sql", "gd"],
  ["path:./models/silver/", "so su"],
  ["models/ops", "oa"],
  ["models/gold/daily.sql+", "gd gr"],
  ["orders.sql", "so"],
  ["file:report", "gr"],
  ["state:modified", "so oa"],
  ["state:modified+", "so gd oa gr"],
  ["state:new", "oa"],
  ["state:old", "so su gd"],
  ["state:unmodified", "su gd"],
  ["result:fail", "so"],
  ["result:fail+1", "so gd"],
  ["result:skipped", "gd gr"],
  ["result:error", ""],
  ["result:warn result:success", "su"],
  ["layer:silver,tag:finance", "so"],
  ["tag:finance,layer:gold", "gd"],
  ["silver.orders+,+gold.report", "so gd gr"],
  ["+gold.daily,layer:bronze", "bo"],
  ["tag:finance,tag:ops", ""],
  ["tag:finance kind:view", "so gd gr"],
  ["state:modified+,gold.*", "gd gr"],
  ["gold.daily ops.audit,tag:ops silver.users", "su gd oa"],
  ["silver.orders+", "so gd", "gold.report"],
  ["*", "so su gd oa gr", "kind:source kind:seed"],
  ["+gold.report", "sr gd gr", "layer:bronze layer:silver"],
  ["", "bo bu sr so su", "gold.* ops.*"],
  ["layer:gold", "gr", "state:unmodified"],
];

test("selectors select what they say, in the order it runs", () => {
  expect(CASES.length).toBeGreaterThanOrEqual(60);
  for (const [selector, wanted, without] of CASES)
    expect([selector, selected(selector, without)]).toEqual([selector, wanted]);
});

test("what the lake holds is asked for where a selector needs it", () => {
  const asked = ["state:new", "+state:modified+", "gold.*,result:error", "a @state:old"];
  expect(asked.map((selector) => asksForState([selector]))).toEqual(asked.map(() => true));
  const others = ["my_state.x", "tag:state", "path:models/state:x", ""];
  expect(others.map((selector) => asksForState([selector]))).toEqual(others.map(() => false));
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
    ["tag:", "write tag:x"],
    ["gold.{a", ""],
    ["config.kin:view", 'did you mean "kind"?'],
    ["config:view", "known settings"],
    ["tag.x:view", 'did you mean "tag"?'],
    ["state:modifed", 'did you mean "modified"?'],
    ["result:errors", 'did you mean "error"?'],
    ["path:models/golf", 'did you mean "models/gold"?'],
    ["models/gold/dayly.sql", 'did you mean "models/gold/daily.sql"?'],
    ["dayly.sql", 'did you mean "daily"?'],
    ["config.unique_key:tenat", 'did you mean "tenant"?'],
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
