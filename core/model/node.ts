/** A model with what its query was found to be. */

import type { Analysis, AnalyzeRequest } from "./analysis.ts";
import { cdcConditions } from "./feed.ts";
import type { Model } from "./model.ts";

export interface ModelNode {
  readonly model: Model;
  readonly analysis: Analysis;
}

/** What the engine is asked of a model's text. */
export function analyzeRequest(model: Model): AnalyzeRequest {
  const own = model.cdc === null ? [] : cdcConditions(model.cdc);
  const tests = model.expectations.map(({ name, sql }) => ({ name: `test "${name}"`, sql }));
  const { deletedWhen } = model;
  const deleted = deletedWhen === null ? [] : [{ name: "deleted_when", sql: deletedWhen }];
  const conditions = [...tests, ...own, ...deleted];
  return { sql: model.sql, conditions };
}
