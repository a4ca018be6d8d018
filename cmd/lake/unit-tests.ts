/** Unit tests of models: what each gives is put in place of tables, and the query is run beside no lake. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LakeError, type Place } from "../../core/base/errors.ts";
import { momentMs } from "../../core/base/moment.ts";
import { nearestWord, suggestion } from "../../core/base/suggest.ts";
import { parseTypeText } from "../../core/config/type-text.ts";
import { type Literal, literalOf } from "../../core/config/variables.ts";
import type { TableRef } from "../../core/engine.ts";
import type { Model, ModelKind } from "../../core/model/model.ts";
import { analyzeRequest, type ModelNode } from "../../core/model/node.ts";
import { modelNameOf, parseModel } from "../../core/model/parse.ts";
import type { GivenRows, UnitTest } from "../../core/model/unit-test.ts";
import type { Variable } from "../../core/model/variables.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { TableName } from "../../core/table/types.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { duckDBType } from "../../sql/duckdb/types.ts";
import { quoteLiteral } from "../../sql/syntax/quote.ts";
import {
  type GivenTable,
  runUnit,
  type UnitInput,
  type UnitResult,
} from "../../sql/unit/unit-test.ts";
import type { Session } from "../open.ts";
import { contextOf } from "../project/test-files.ts";
import type { ProjectGraph } from "./models.ts";
import { momentsOf } from "./moments.ts";

const THIS = "this";

/** What is wrong with a unit test, as far as can be said without running it. */
export function unitProblems(graph: ProjectGraph, unit: UnitTest): LakeError[] {
  const node = nodeOf(graph, unit);
  if (node === null) {
    const names = graph.nodes.map(({ model }) => model.name);
    const near = nearestWord(unit.model, names);
    const hint =
      near === null ? suggestion(unit.model, names, "models") : `did you mean "${near}"?`;
    return [wrong(`there is no model "${unit.model}"`, hint, unit.modelPlace)];
  }
  const problems: LakeError[] = [];
  const read = readBy(graph, node, unit);
  const given = new Set<TableName>();
  for (const one of unit.given) {
    for (const [column, type] of one.columns) {
      const parsed = parseTypeText(type);
      if (parsed.kind === "type") continue;
      problems.push(wrong(`${column}: ${parsed.reason}`, "write a type: bigint, text", one.place));
    }
    if (one.input === THIS) {
      if (!KEPT.includes(node.model.kind)) problems.push(noThis(node.model, one.place));
      continue;
    }
    const name = inputOf(read, one.input);
    if (name !== null) given.add(name);
    else {
      const near = nearestWord(one.input, read);
      const hint =
        near === null ? suggestion(one.input, read, "inputs") : `did you mean "${near}"?`;
      problems.push(wrong(`${node.model.name} does not read "${one.input}"`, hint, one.place));
    }
  }
  for (const name of read) {
    if (given.has(name)) continue;
    const hint = `give its rows, or none: ${name}: []`;
    problems.push(
      wrong(`no rows of ${name} are given, which ${node.model.name} reads`, hint, unit.place),
    );
  }
  return problems;
}

/** Runs one. Throws what its SQL throws. */
export async function runUnitTest(
  session: Session,
  graph: ProjectGraph,
  unit: UnitTest,
  limit: number,
): Promise<{
  readonly state: "pass" | "fail";
  readonly rows: bigint;
  readonly sample: readonly string[];
}> {
  const node = nodeOf(graph, unit);
  if (node === null)
    throw wrong(`there is no model "${unit.model}"`, "see: tarn ls", unit.modelPlace);
  const own = await withVariables(session, unit, node);
  const read = readBy(graph, node, unit);
  const tables = new Map<TableName, GivenTable>();
  let before: GivenTable | null = null;
  for (const one of unit.given) {
    const name = one.input === THIS ? node.model.name : inputOf(read, one.input);
    const table = await tableFrom(session, name, one);
    if (one.input === THIS) before = table;
    else if (name !== null) tables.set(name, table);
  }
  const result = await withTempFolder(async (tempFolder) => {
    const { threads, memoryBytes, timezone } = session.settings;
    const nothing = { allowedPaths: [], allowedFolders: [], lockdown: true };
    await using db = await openDuckDB({ threads, memoryBytes, timezone, tempFolder, ...nothing });
    const inputs = inputsOf(graph, own.analysis.tables, tables);
    const job = { model: own.model, inputs, before, expected: unit.expected };
    return await runUnit(db, { ...job, runTimeMs: timeOf(session, unit) });
  }).catch((thrown: unknown) => {
    throw placedIn(unit, thrown);
  });
  const rows = BigInt(result.differences.length);
  return { state: rows === 0n ? "pass" : "fail", rows, sample: differenceTable(result, limit) };
}

/** What is wrong with the rows of a test, and not with the query, stands in the test. */
function placedIn(unit: UnitTest, thrown: unknown): unknown {
  if (!(thrown instanceof LakeError) || thrown.place !== null) return thrown;
  return new LakeError(thrown.code, thrown.message, {
    ...(thrown.hint === null ? {} : { hint: thrown.hint }),
    ...(thrown.page === null ? {} : { page: thrown.page }),
    place: thrown.code === "config" ? unit.expectPlace : unit.place,
    cause: thrown,
  });
}

function wrong(message: string, hint: string, place: Place): LakeError {
  return new LakeError("config", message, { hint, place, page: "T0120" });
}

function nodeOf(graph: ProjectGraph, unit: UnitTest): ModelNode | null {
  const name = tableOf(graph, unit.model);
  return graph.nodes.find(({ model }) => model.name === name) ?? null;
}

function tableOf(graph: ProjectGraph, written: string): TableName | null {
  try {
    return graph.names.tableOf({ name: written, at: null, offset: null });
  } catch (thrown) {
    if (thrown instanceof LakeError) return null;
    throw thrown;
  }
}

/** Kinds of which it is said what becomes of rows that were there. */
const KEPT: readonly ModelKind[] = ["append", "merge", "delete_insert"];

function noThis({ kind }: Model, place: Place): LakeError {
  const hint = `${KEPT.join(", ")} take it; of other kinds expect the rows of the query`;
  return wrong(`"this" means nothing for kind ${kind} in a unit test`, hint, place);
}

/** Of what the model reads, the table of that name, or the only one with that last name. */
function inputOf(read: ReadonlySet<TableName>, written: string): TableName | null {
  const lower = written.toLowerCase();
  if (read.has(lower)) return lower;
  const [only, ...others] = [...read].filter((name) => name.endsWith(`.${lower}`));
  return others.length > 0 ? null : (only ?? null);
}

/** Tables that a model reads in the end, through views; views whose rows are given stand for what they read. */
function readBy(graph: ProjectGraph, node: ModelNode, unit: UnitTest): ReadonlySet<TableName> {
  const read = new Set<TableName>();
  const given = new Set(unit.given.map(({ input }) => tableOf(graph, input)));
  const visit = (refs: readonly TableRef[]): void => {
    for (const ref of refs) {
      const name = graph.names.tableOf(ref);
      const view = graph.names.view(name);
      if (view === null || given.has(name)) read.add(name);
      else visit(view.analysis.tables);
    }
  };
  visit(node.analysis.tables);
  return read;
}

function inputsOf(
  graph: ProjectGraph,
  refs: readonly TableRef[],
  tables: ReadonlyMap<TableName, GivenTable>,
): UnitInput[] {
  return refs.flatMap((ref): UnitInput[] => {
    const name = graph.names.tableOf(ref);
    const table = tables.get(name);
    // A moment of rows that are given is no other one.
    const plain = { ...ref, at: null };
    if (table !== undefined) return [{ kind: "rows", ref: plain, table }];
    const view = graph.names.view(name);
    if (view === null) return [];
    const inputs = inputsOf(graph, view.analysis.tables, tables);
    return [{ kind: "view", ref: plain, sql: view.model.sql, inputs }];
  });
}

/** Its rows with the types that the lake knows, or that are said. */
async function tableFrom(
  session: Session,
  name: TableName | null,
  given: GivenRows,
): Promise<GivenTable> {
  const table = name === null ? null : await session.catalog.load(name);
  const fields = table?.schema.fields ?? [];
  const named = new Set(given.rows.flatMap((row) => Object.keys(row)));
  const types = new Map(
    fields
      .filter((field) => !isHidden(field.name) || named.has(field.name))
      .map((field) => [field.name, duckDBType(field.type)] as const),
  );
  for (const [column, text] of given.columns) {
    const parsed = parseTypeText(text);
    if (parsed.kind === "type") types.set(column, duckDBType(parsed.type));
  }
  return { rows: given.rows, types };
}

/** The model with the variables of the test. */
async function withVariables(
  session: Session,
  unit: UnitTest,
  node: ModelNode,
): Promise<ModelNode> {
  if (unit.vars.size === 0) return node;
  const variables = new Map<string, Variable>(session.config.variables);
  for (const [name, value] of unit.vars) {
    const known = variables.get(name);
    const literal: Literal =
      known === undefined
        ? { wrong: `there is no variable "${name}"` }
        : literalOf(value, known.type, quoteLiteral, known.item);
    if ("wrong" in literal)
      throw wrong(`vars: ${literal.wrong}`, "see vars: of tarn.yaml", unit.place);
    variables.set(name, literal);
  }
  const { file, text } = node.model;
  const { config, project } = session;
  const parsed = parseModel(
    file,
    text,
    contextOf({ config, macros: project.macros }, variables),
    modelNameOf(node.model.name),
  );
  if (parsed.model === null) throw new AggregateError(parsed.errors);
  return {
    model: parsed.model,
    analysis: await session.ports.engine.analyze(analyzeRequest(parsed.model)),
  };
}

function timeOf(session: Session, unit: UnitTest): number {
  if (unit.now === null) return session.ports.clock.nowMs();
  const ms = momentMs(unit.now, momentsOf(session));
  if (ms !== null) return ms;
  throw wrong(`"${unit.now}" is no moment`, "write now: 2026-01-31T10:00:00Z", unit.place);
}

/** What was expected and is not there, and what is there and was not expected, as a table. */
function differenceTable({ columns, differences }: UnitResult, limit: number): string[] {
  const shown = differences.slice(0, Math.max(limit, 1) * 2);
  const cells = [columns, ...shown.map(({ values }) => values.map((value) => value ?? "NULL"))];
  const widths = columns.map((_, nth) => Math.max(...cells.map((row) => (row[nth] ?? "").length)));
  const lineOf = (sign: string, row: readonly string[]): string =>
    `${sign} ${row.map((cell, nth) => cell.padEnd(widths[nth] ?? 0)).join("  ")}`.trimEnd();
  const lines = shown.map(({ sign }, nth) => lineOf(sign, cells[nth + 1] ?? []));
  const rest = differences.length - shown.length;
  const more = rest > 0 ? [`  … and ${rest} more`] : [];
  return [lineOf(" ", columns), ...lines, ...more];
}

async function withTempFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "lake-test-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
