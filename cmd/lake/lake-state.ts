/** How the models of a project stand beside what the lake holds of them: for selectors that ask. */

import type { ModelGraph } from "../../core/lake.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import { hashWithViews } from "../../core/model/decide.ts";
import { isInlined } from "../../core/model/model.ts";
import type { RunRecord } from "../../core/model/run-store.ts";
import type { LakeState, LastResult } from "../../core/model/select.ts";
import type { Catalog } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";

/** Versions by what each table was made of, results by the last run of each model. */
export async function lakeState(catalog: Catalog, graph: ModelGraph): Promise<LakeState> {
  const heads = new Set((await catalog.tables()).map(({ name }) => name));
  const cursors = await catalog.facts("cursor");
  const fresh = new Set<TableName>();
  const changed = new Set<TableName>();
  for (const node of graph.nodes) {
    const { name, kind } = node.model;
    if (isInlined(kind)) continue;
    const cursor = cursorFromText(cursors.get(name) ?? null);
    if (cursor === null || !heads.has(name)) fresh.add(name);
    else if (cursor.hash !== hashWithViews(graph.names, node)) changed.add(name);
  }
  return { fresh, changed, results: resultsOf(graph, await catalog.runs.latest()) };
}

function resultsOf(
  graph: ModelGraph,
  latest: ReadonlyMap<TableName, RunRecord>,
): ReadonlyMap<TableName, LastResult> {
  const results = new Map<TableName, LastResult>();
  for (const { model } of graph.nodes) {
    const run = latest.get(model.name);
    const own = run === undefined ? null : resultOf(run);
    const isHeld = own !== "error" && own !== "fail" && isBehindFailure(graph, model.name, latest);
    const result = isHeld ? "skipped" : own;
    if (result !== null) results.set(model.name, result);
  }
  return results;
}

function resultOf({ status, tests }: RunRecord): LastResult {
  if (status === "failed") return tests.some((test) => test.status === "fail") ? "fail" : "error";
  return tests.some((test) => test.status === "warn") ? "warn" : "success";
}

/** A failed model holds all that is computed from it. */
function isBehindFailure(
  graph: ModelGraph,
  name: TableName,
  latest: ReadonlyMap<TableName, RunRecord>,
): boolean {
  const isModel = new Set(graph.nodes.map(({ model }) => model.name));
  return [...latest].some(
    ([model, { status }]) =>
      status === "failed" && isModel.has(model) && graph.descendants(model).has(name),
  );
}
