/**
 * Models that go on from what their table holds: the query of a run says what comes, and a rule how it comes into the
 * table. Its rows depend on when runs were; a run in full is the query of all rows.
 */

import { must } from "../base/assert.ts";
import { LakeError } from "../base/errors.ts";
import type { Column, Schema } from "../table/types.ts";
import type { Increment, Model } from "./model.ts";
import type { RunPorts, RunSettings } from "./model-table.ts";
import type { ModelNode } from "./node.ts";
import { type BindJob, bindAll } from "./pins.ts";

/** A model with its increment, which is part of what it means. */
export function withIncrement(
  model: Model,
  increment: Increment | null,
  sha256: (text: string) => string,
): Model {
  if (increment === null) return model;
  const hash = sha256(JSON.stringify([model.hash, increment]));
  const { onSchemaChange } = increment;
  return { ...model, increment, onSchemaChange, hash };
}

export interface IncrementJob {
  readonly node: ModelNode;
  readonly bind: BindJob;
  readonly settings: RunSettings;
  readonly runTimeMs: number;
}

/** The model with the query of its next run for its own. Throws `sql`, `schema`. */
export async function incrementNode(
  { engine }: Pick<RunPorts, "engine">,
  { node, bind, settings, runTimeMs }: IncrementJob,
): Promise<ModelNode> {
  const { model } = node;
  const increment = must(model.increment, "the run goes on from what the table holds");
  const pin = await bind.pins.get(model.name);
  const held = must(pin, "there is a table to go on from").table.schema;
  const { tables } = await engine.analyze({ sql: increment.sql, conditions: [] });
  let sql = increment.sql;
  if (increment.how !== "whole") {
    const bindings = await bindAll(bind, tables);
    const { timezone } = settings;
    const described = await engine.describe({ sql, bindings, timezone, runTimeMs, driver: null });
    sql = wholeAfter({ increment, name: model.name, held, given: described.columns });
  }
  const analysis = await engine.analyze({ sql, conditions: [] });
  return { model: { ...model, sql }, analysis: { ...node.analysis, tables: analysis.tables } };
}

export interface IncrementQuery {
  readonly increment: Increment;
  /** The model's table. */
  readonly name: string;
  /** Columns of the table. */
  readonly held: Schema;
  /** Columns of what comes. */
  readonly given: readonly Column[];
}

/** Names of the parts of the query, which no table has. */
const COMING = "coming_rows";
const HELD = "held_rows";

/**
 * The query whose rows are the table after the run. Throws `schema` where what comes has not the columns that the table
 * has to have.
 */
export function wholeAfter(query: IncrementQuery): string {
  const { increment, name, given, held } = query;
  const table = name.split(".").map(identifier).join(".");
  if (increment.how === "whole") return increment.sql;
  const names = held.fields.map(({ name }) => name);
  checkColumns(query, names);
  const isSynced = increment.onSchemaChange === "sync_all_columns";
  const kept = isSynced
    ? names.filter((name) => given.some((one) => sameName(one.name, name)))
    : names;
  const stays = staysOf(query);
  return (
    `WITH ${COMING} AS MATERIALIZED (\n${increment.sql}\n)\n` +
    `SELECT ${list(kept, HELD)} FROM ${table} AS ${HELD}${stays}\n` +
    `UNION ALL BY NAME\n${comingOf(query)}`
  );
}

/** Which rows of the table stay. */
function staysOf(query: IncrementQuery): string {
  const { increment } = query;
  if (increment.how === "append" || increment.key.length === 0) return "";
  const pairs = increment.key.map(
    (key) => `${COMING}.${identifier(key)} = ${HELD}.${identifier(key)}`,
  );
  return ` WHERE NOT EXISTS (SELECT 1 FROM ${COMING} WHERE ${pairs.join(" AND ")})`;
}

/** The rows that come, where a merge updates some columns alone with the table's values in the others. */
function comingOf(query: IncrementQuery): string {
  const { increment, name, given, held } = query;
  const table = name.split(".").map(identifier).join(".");
  const { updates, excluded, key } = increment;
  const isPartly = increment.how === "merge" && updates.length + excluded.length > 0;
  if (!isPartly) return `SELECT * FROM ${COMING}`;
  const isUpdated = (name: string): boolean =>
    updates.length > 0
      ? updates.some((one) => sameName(one, name))
      : !excluded.some((one) => sameName(one, name));
  const pairs = key.map((one) => `${COMING}.${identifier(one)} = ${HELD}.${identifier(one)}`);
  const columns = given.map(({ name }) => {
    const coming = `${COMING}.${identifier(name)}`;
    const isHeld = held.fields.some((field) => sameName(field.name, name));
    if (isUpdated(name) || !isHeld) return coming;
    const one = identifier(name);
    return `CASE WHEN ${HELD}.${FOUND} THEN ${HELD}.${one} ELSE ${coming} END AS ${one}`;
  });
  return (
    `SELECT ${columns.join(", ")} FROM ${COMING} LEFT JOIN ` +
    `(SELECT *, TRUE AS ${FOUND} FROM ${table}) AS ${HELD} ON ${pairs.join(" AND ")}`
  );
}

const FOUND = "held_row_found";

function checkColumns(
  { increment, name: table, given }: IncrementQuery,
  names: readonly string[],
): void {
  const { onSchemaChange } = increment;
  const missing = names.find((held) => !given.some((one) => sameName(one.name, held)));
  const extra = given.find((one) => !names.some((held) => sameName(held, one.name)));
  const isWrong =
    (onSchemaChange === "ignore" && missing !== undefined) ||
    (onSchemaChange === "fail" && (missing !== undefined || extra !== undefined));
  if (!isWrong) return;
  const what =
    missing === undefined
      ? `the query of ${table} gives a column ${extra?.name} that the table has not`
      : `the query of ${table} gives no column ${missing} any more`;
  throw new LakeError("schema", what, {
    hint: "compute the table anew with --full, or say on_schema_change: append_new_columns or sync_all_columns",
    page: "T0209",
  });
}

function list(names: readonly string[], of: string): string {
  return names.map((name) => `${of}.${identifier(name)}`).join(", ");
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
