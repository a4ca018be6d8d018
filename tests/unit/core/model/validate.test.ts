/** A set of models as a whole: relationships, kinds that run full, columns that settings name. */

import { expect, test } from "bun:test";
import { checkColumns, validateModels } from "../../../../core/model/validate.ts";
import { analysis, model } from "../../../support/models.ts";

const SOURCES = new Map([["bronze.orders", "orders"]]);

test("a relationship to no table is an error at its place", () => {
  const front = "tests:\n - relationships: { column: c, to: silver.custmers }";
  const models = [model("silver.orders", "select 1", front), model("silver.customers")];
  const result = validateModels({ models, analyses: new Map(), sources: SOURCES, tables: [] });
  expect(
    result.errors.map((error) => [error.hint, error.place?.line, error.place?.column]),
  ).toEqual([['did you mean "silver.customers"?', 3, 36]]);
  expect(result.graph).toBeNull();
});

test("an incremental kind over an aggregate is a warning", () => {
  const merge = model("silver.a", "select k, sum(x) from bronze.orders", "kind: merge\nkey: k");
  const found = { ...analysis(merge.sql, ["bronze.orders"]), notIncremental: ["an aggregate"] };
  const analyses = new Map([["silver.a", { ...found, notDeterministic: ["random()"] }]]);
  const result = validateModels({ models: [merge], analyses, sources: SOURCES, tables: [] });
  expect(result.warnings.map((warning) => warning.message)).toEqual([
    "silver.a is merge but runs full every time: an aggregate",
    "two runs of silver.a may differ: random()",
  ]);
  expect(result.graph?.order).toEqual(["silver.a"]);
});

test("a setting that names no column is an error with the nearest one", () => {
  const front = "kind: merge\nkey: order_ids\nlatest_by: UPDATED_AT\npartition: day(updated_on)";
  const columns = ["order_id", "updated_at"].map((name) => ({
    name,
    type: { kind: "primitive", name: "long" } as const,
  }));
  const errors = checkColumns(model("silver.a", "select 1", front), columns);
  expect(errors.map((error) => [error.message, error.hint, error.place?.line])).toEqual([
    ['key names "order_ids", which silver.a does not have', 'did you mean "order_id"?', 3],
    ['partition names "updated_on", which silver.a does not have', 'did you mean "updated_at"?', 5],
  ]);
});
