/** Whether the columns and types that a set of models count on are there, found out without a row of data. */

import { LakeError, type Place } from "../base/errors.ts";
import type { MomentContext } from "../base/moment.ts";
import { nearestWord, suggestion } from "../base/suggest.ts";
import { declaredTypeText } from "../config/type-text.ts";
import type { Binding, DescribeRequest, TableRef } from "../engine.ts";
import { isQuarantineTable } from "../ingest/quarantine.ts";
import type { Catalog, SqlEngine } from "../ports.ts";
import { freshSchema } from "../table/evolution.ts";
import { fittingPartitions, parsePartitionText } from "../table/partition.ts";
import { isReserved, PROVENANCE_COLUMNS } from "../table/system-columns.ts";
import type { Column, Schema, TableName } from "../table/types.ts";
import { contractErrors } from "./contract.ts";
import { cdcColumns, cdcConditions, dropSequence, sequenceQuery } from "./feed.ts";
import { ANSWER_TYPES } from "./lookup.ts";
import type { Expectation, Model, SetTest } from "./model.ts";
import type { ModelNode } from "./node.ts";
import { emptyScan, type Names, NOTHING_ASIDE } from "./pins.ts";
import { settingPlace } from "./setting-place.ts";
import { canBeFollowed, checkColumns, reservedColumn } from "./validate.ts";
import { inFile } from "./variables.ts";

export interface ColumnPorts {
  readonly catalog: Pick<Catalog, "load">;
  readonly engine: Pick<SqlEngine, "describe">;
}

export interface Judged {
  readonly errors: readonly LakeError[];
  /** True, and worth saying, but no reason to stop. */
  readonly warnings: readonly LakeError[];
}

/**
 * Queries and settings that do not bind: a column that is not there, a type that a function does not take; with
 * their places.
 * Models are described in dependency order over the columns that the others will have, tables over those they have;
 * what reads a table that is not there yet, or something that cannot be described, is not judged.
 */
export async function judgeColumns(
  ports: ColumnPorts,
  names: Names,
  nodes: readonly ModelNode[],
  settings: MomentContext,
): Promise<Judged> {
  const modelNames = new Set(nodes.map((node) => node.model.name));
  const schemaByModel = new Map<TableName, Schema>();
  const errors: LakeError[] = [];
  const warnings: LakeError[] = [];
  const schemaOf = async (ref: TableRef): Promise<Schema | null> => {
    const name = names.tableOf(ref);
    if (modelNames.has(name)) return schemaByModel.get(name) ?? null;
    const known = (await ports.catalog.load(name))?.schema;
    return known ?? (isQuarantineTable(name) ? NOTHING_ASIDE : null);
  };
  for (const node of nodes) {
    const { model } = node;
    const bindings: Binding[] = [];
    for (const ref of node.analysis.tables) {
      const schema = await schemaOf(ref);
      if (schema === null) break;
      bindings.push({ kind: "scan", ref, scan: emptyScan(names.tableOf(ref), schema) });
    }
    if (bindings.length < node.analysis.tables.length) continue;
    const { timezone, nowMs: runTimeMs } = settings;
    const asked = { sql: model.sql, bindings, timezone, runTimeMs, driver: null };
    let request = asked;
    try {
      if (model.step !== null || model.lookup !== null) {
        const given = await ports.engine.describe(asked);
        const sql = declaredQuery(model, given.columns);
        // What a program gives is not known before it ran.
        if (sql === null) continue;
        request = { ...asked, sql };
      }
      const { columns } = await ports.engine.describe(request);
      const held = await tableColumns(ports, model, request, columns, errors);
      schemaByModel.set(model.name, withProvenance(held));
      errors.push(...checkColumns(model, columns, held), ...contractErrors(model, held));
      warnings.push(...unfitPartitions(model, held));
      const reserved = reservedColumn(model, columns, canBeFollowed(node));
      if (reserved !== null) errors.push(reserved);
    } catch (thrown) {
      const error = bindingError(node, thrown);
      if (error !== null) errors.push(error);
      continue;
    }
    for (const expectation of model.expectations) {
      const error = await conditionError(ports, node, request, expectation);
      if (error !== null) errors.push(error);
    }
    for (const test of model.tests) {
      if (test.kind !== "relationships") continue;
      const schema = await schemaOf({ name: test.to, at: null, offset: null });
      const error = schema === null ? null : missingField(model, test, schema);
      if (error !== null) errors.push(error);
    }
  }
  return { errors, warnings };
}

/** A query of the columns that a program, or answers, are to have; null where nobody says. */
function declaredQuery({ contract, lookup, key }: Model, given: readonly Column[]): string | null {
  const isKey = (name: string): boolean =>
    key.some((one) => one.toLowerCase() === name.toLowerCase());
  const asked = given
    .filter(({ name }) => isKey(name))
    .map(({ name, type }) => [name, type] as const);
  const answered = [...(lookup?.columns ?? [])].filter(([name]) => !isKey(name));
  const columns =
    lookup === null ? [...(contract ?? [])] : [...asked, ...answered, ...ANSWER_TYPES];
  if (columns.length === 0) return null;
  const nulls = columns.map(
    ([name, type]) => `CAST(NULL AS ${declaredTypeText(type)}) AS ${quoted(name)}`,
  );
  return `SELECT ${nulls.join(", ")}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * The columns of the table: of a change feed other ones than its query gives. Conditions and expressions of its
 * settings that do not bind go to `errors`.
 */
async function tableColumns(
  ports: ColumnPorts,
  model: Model,
  request: DescribeRequest,
  columns: readonly Column[],
  errors: LakeError[],
): Promise<readonly Column[]> {
  const { cdc } = model;
  if (cdc === null) return columns;
  for (const { name, sql } of cdcConditions(cdc)) {
    const error = await expressionError(ports, model, request, { setting: name, sql });
    if (error !== null) errors.push(error);
  }
  try {
    const sql = sequenceQuery(model.sql, cdc);
    const told = dropSequence(cdc);
    const sequence = told ?? (await ports.engine.describe({ ...request, sql })).columns;
    return cdcColumns({ ...model, cdc }, columns, sequence).table;
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    // A sequence that does not bind is said above.
    if (thrown.code === "schema") errors.push(atFront(model, thrown));
    return columns;
  }
}

function atFront(model: Model, { code, message, hint }: LakeError): LakeError {
  const place = settingPlace(model, "scd");
  return new LakeError(code, message, { ...(hint === null ? {} : { hint }), place, page: "T0206" });
}

/** A condition is described as it will stand in the run: behind the columns that the model gives. */
async function conditionError(
  ports: ColumnPorts,
  node: ModelNode,
  request: DescribeRequest,
  { sql, column }: Expectation,
): Promise<LakeError | null> {
  if (column !== undefined) return null;
  return expressionError(ports, node.model, request, { setting: "expect", sql });
}

/** Why an expression over the columns that the query gives does not bind; null when it does. */
async function expressionError(
  ports: ColumnPorts,
  model: Model,
  request: DescribeRequest,
  { setting, sql }: { readonly setting: string; readonly sql: string },
): Promise<LakeError | null> {
  const condition = `SELECT (${sql}\n) AS holds FROM (${model.sql}\n)`;
  try {
    await ports.engine.describe({ ...request, sql: condition });
    return null;
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    const missing = /column "([^"]+)"/i.exec(thrown.message)?.[1] ?? null;
    // Rows of incremental models carry them, described or not.
    if (thrown.code !== "sql" || (missing !== null && isReserved(missing))) return null;
    const place = missing === null ? lineOf(model, sql) : settingPlace(model, missing, setting);
    return new LakeError("sql", `${setting}: ${thrown.message}`, {
      hint: thrown.hint ?? "it is said over the columns that the query gives",
      place,
      page: "T0203",
      cause: thrown,
    });
  }
}

/** The line of the front comment that ends in a condition, or in its first line. */
function lineOf(model: Model, condition: string): Place {
  const [first = ""] = condition.trim().split("\n");
  const lines = model.text.split("\n").slice(0, model.sqlLine - 1);
  const index = lines.findIndex((line) => line.trimEnd().endsWith(first));
  const column = Math.max(0, lines[index]?.lastIndexOf(first) ?? 0) + 1;
  return { file: model.file, line: Math.max(0, index) + 1, column, length: first.length };
}

function missingField(
  model: Model,
  { field, to }: SetTest & { kind: "relationships" },
  schema: Schema,
): LakeError | null {
  const names = schema.fields.map((one) => one.name).filter((name) => !isReserved(name));
  if (schema.fields.some((one) => one.name.toLowerCase() === field.toLowerCase())) return null;
  const near = nearestWord(field, names);
  return new LakeError("schema", `relationships names "${field}", which ${to} does not have`, {
    hint: near === null ? suggestion(field, names, "columns") : `did you mean "${near}"?`,
    place: settingPlace(model, field, "relationships"),
    page: "T0203",
  });
}

function unfitPartitions(model: Model, columns: readonly Column[]): LakeError[] {
  const names = new Set(columns.map((column) => column.name));
  // What is no column at all is an error, and said as one.
  const known = model.partition.filter((text) => {
    const parsed = parsePartitionText(text);
    return parsed.kind === "partition" && names.has(parsed.partition.column);
  });
  const { unfit } = fittingPartitions(known, withProvenance(columns));
  return unfit.map((error) => {
    const place = settingPlace(model, String(error.context.unfit ?? ""), "partition");
    const hint = error.hint ?? "name another column";
    return new LakeError(error.code, `${error.message}: it is not kept`, { hint, place });
  });
}

/** Incremental models carry them; to take them for there is to judge too little rather than too much. */
function withProvenance(columns: readonly Column[]): Schema {
  const own = columns.filter((column) => !isReserved(column.name));
  return freshSchema([...own, ...PROVENANCE_COLUMNS], new Set());
}

/** Why a query does not bind to these columns; null for what may be otherwise in the run. */
function bindingError({ model, analysis }: ModelNode, thrown: unknown): LakeError | null {
  if (!(thrown instanceof LakeError)) throw thrown;
  // Tables of another moment have the columns of then, and what cannot be described may still be computed.
  const isMoved = analysis.tables.some((ref) => ref.at !== null || ref.name.includes("@"));
  if (thrown.code !== "sql" || isMoved) return null;
  const place = thrown.place ?? callPlace(model.sql, thrown.message);
  return new LakeError("sql", thrown.message, {
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    place: inFile(model, { length: 1, ...(place ?? { line: 1, column: 1 }) }),
    ...(thrown.context.subtype === "COLUMN_NOT_FOUND" ? { page: "T0203" } : {}),
    cause: thrown,
  });
}

/** Where the only call of the function stands that a message names; null where there are several, or none. */
function callPlace(sql: string, message: string): Omit<Place, "file"> | null {
  const name = /^(?:there is no function |\w+ Function with name )(\w+)/.exec(message)?.[1];
  if (name === undefined) return null;
  const [call, ...others] = sql.matchAll(new RegExp(`\\b${name}\\s*\\(`, "gi"));
  if (call === undefined || others.length > 0) return null;
  const before = sql.slice(0, call.index).split("\n");
  const column = (before.at(-1) ?? "").length + 1;
  return { line: before.length, column, length: name.length };
}
