/** Views: which version follows which, and what a view keeps of its past. */

import { expect, test } from "bun:test";
import type { JsonObject } from "../../../../core/base/json.ts";
import {
  applyViewUpdates,
  parseView,
  parseViewUpdate,
  type ViewMetadata,
  viewJson,
} from "../../../../storage/iceberg/view.ts";

const AT = { nowMs: 5 };
const SCHEMA = { type: "struct", fields: [{ id: 1, name: "id", required: false, type: "int" }] };

function version(sql: string, id = 1): JsonObject {
  return {
    "version-id": id,
    "timestamp-ms": 1,
    "schema-id": 0,
    summary: {},
    "default-namespace": ["ns"],
    representations: [{ type: "sql", sql, dialect: "spark" }],
  };
}

function updated(view: ViewMetadata | null, ...updates: readonly JsonObject[]): ViewMetadata {
  return applyViewUpdates(view, updates.map(parseViewUpdate), AT);
}

const CURRENT = { action: "set-current-view-version", "view-version-id": -1 };

function replaced(view: ViewMetadata, sql: string): ViewMetadata {
  return updated(view, { action: "add-view-version", "view-version": version(sql) }, CURRENT);
}

function made(properties: JsonObject = {}): ViewMetadata {
  return updated(
    null,
    { action: "assign-uuid", uuid: "u" },
    { action: "set-location", location: "file:///lake/ns/v" },
    { action: "set-properties", updates: properties },
    { action: "add-schema", schema: SCHEMA },
    { action: "add-view-version", "view-version": version("select 0") },
    CURRENT,
  );
}

const idsOf = (view: ViewMetadata) => view.versions.map((one) => one["version-id"]);
const logOf = (view: ViewMetadata) => view.versionLog.map((one) => one["version-id"]);

test("a version that says the same is taken up again, another gets the next id", () => {
  const second = replaced(made(), "select 1");
  expect([idsOf(second), logOf(second)]).toEqual([
    [1, 2],
    [1, 2],
  ]);
  const back = replaced(second, "select 0");
  expect([idsOf(back), logOf(back), back.currentVersionId]).toEqual([[1, 2], [1, 2, 1], 1]);
});

test("the newest versions stay, and the log from the last that is gone", () => {
  let view = made({ "version.history.num-entries": "2" });
  for (const sql of ["select 1", "select 2", "select 3"]) view = replaced(view, sql);
  expect([idsOf(view), logOf(view)]).toEqual([
    [3, 4],
    [3, 4],
  ]);
  const zero = { action: "set-properties", updates: { "version.history.num-entries": "0" } };
  expect(() => updated(view, zero)).toThrow("must be positive but was 0");
});

test("what is not known of a view is kept", () => {
  const json = { ...JSON.parse(viewJson(made())), "new-field": { a: 1 } };
  const view = parseView(JSON.stringify(json), "v.metadata.json");
  expect(JSON.parse(viewJson(replaced(view, "select 1")))["new-field"]).toEqual({ a: 1 });
});

test("two queries of one dialect, a schema or a version that is not there are refused", () => {
  const [one] = version("select 1").representations as readonly JsonObject[];
  const twice = { ...version("select 1"), representations: [one ?? {}, one ?? {}] };
  const add = (added: JsonObject) => ({ action: "add-view-version", "view-version": added });
  expect(() => updated(made(), add(twice))).toThrow(
    "Invalid view version: Cannot add multiple queries for dialect spark",
  );
  expect(() => updated(made(), add({ ...version("select 1"), "schema-id": 7 }))).toThrow(
    "schema: 7",
  );
  const unknown = { action: "set-current-view-version", "view-version-id": 9 };
  expect(() => updated(made(), unknown)).toThrow("unknown version: 9");
  expect(() => parseViewUpdate({ action: "add-spec" })).toThrow("add-spec is not known of views");
});
