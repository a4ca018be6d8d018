/** What a model means: equal for equal queries and settings, whatever the comments and the description say. */

import type { Model } from "./model.ts";

/** Raised when the same text comes to mean another result, so that models run again. */
const HASH_VERSION = 2;

/**
 * Text of what decides a model's rows, and whose hash names its version: query, kind, keys, checks, partition.
 * `canonicalSql` is the query without its comments and its layout.
 */
export function modelMeaning(
  model: Omit<Model, "hash" | "text" | "file" | "sqlLine" | "sql">,
  canonicalSql: string,
): string {
  return JSON.stringify({
    version: HASH_VERSION,
    name: model.name,
    kind: model.kind,
    sql: canonicalSql,
    key: model.key,
    latestBy: model.latestBy,
    expectations: model.expectations.map(({ name, sql, action, onNull }) => [
      name,
      sql,
      action,
      onNull,
    ]),
    tests: model.tests.map((test) =>
      test.kind === "unique"
        ? [test.kind, test.columns, test.severity]
        : [test.kind, test.column, test.to, test.field, test.severity],
    ),
    partition: model.partition,
  });
}
