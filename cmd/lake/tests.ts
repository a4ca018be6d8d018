/** The tests of a project, run over the lake as it is: what must hold of tables, and unit tests of models. */

import { errorText, LakeError, type Place } from "../../core/base/errors.ts";
import type { Expectation, Model, SetTest } from "../../core/model/model.ts";
import { asksForState, type Selection, select } from "../../core/model/select.ts";
import type { QueryTest } from "../../core/model/test-file.ts";
import { statusOf, type Thresholds } from "../../core/model/threshold.ts";
import type { UnitTest } from "../../core/model/unit-test.ts";
import { inFile } from "../../core/model/variables.ts";
import type { TableName } from "../../core/table/types.ts";
import { testName } from "../../sql/materialize/expectations.ts";
import { quoteIdentifier, quoteQualified } from "../../sql/syntax/quote.ts";
import type { Session } from "../open.ts";
import { loadTests, readQueryTest } from "../project/test-files.ts";
import { type ProjectGraph, validGraph } from "./models.ts";

export type TestType = "generic" | "singular" | "unit";

/** A test that can be run. */
export interface LakeTest {
  readonly name: string;
  readonly type: TestType;
  readonly tags: readonly string[];
  readonly description: string | null;
  /** Tables that it is about: the model's, or those that its query reads. */
  readonly about: readonly TableName[];
  readonly run: () => Promise<Pick<TestResult, "state" | "rows" | "sample">>;
  /** Where an error of its SQL stands. */
  readonly locate: (place: Pick<Place, "line" | "column" | "length">) => Place | null;
}

export interface TestResult {
  readonly name: string;
  readonly type: TestType;
  readonly about: readonly TableName[];
  readonly state: "pass" | "warn" | "fail" | "error";
  /** Rows that it found; those that differ, of a unit test. */
  readonly rows: bigint;
  /** A few of them. */
  readonly sample: readonly string[];
  /** What could not be run; null for the others. */
  readonly error: LakeError | null;
}

export interface TestRequest extends Selection {
  /** Rows that are shown of each. */
  readonly limit: number;
}

/** Runs what is selected, each told as it is done. Throws what is wrong with models and tests, all of it at once. */
export async function runTests(
  session: Session,
  request: TestRequest,
  { signal, onDone }: { readonly signal: AbortSignal; readonly onDone: (done: TestResult) => void },
): Promise<readonly TestResult[]> {
  const graph = await validGraph(session);
  const tests = await chosenTests(
    session,
    graph,
    await allTests(session, graph, request.limit),
    request,
  );
  const results: TestResult[] = [];
  for (const test of tests) {
    if (signal.aborted) break;
    const { name, type, about } = test;
    const nothing = { rows: 0n, sample: [] };
    let result: TestResult;
    try {
      result = { name, type, about, error: null, ...(await test.run()) };
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      result = { name, type, about, state: "error", ...nothing, error: placed(test, thrown) };
    }
    results.push(result);
    onDone(result);
  }
  return results;
}

/**
 * Queries of tests/ as they are written now: those of `files`, else all. Throws what is wrong with them, all of it at
 * once, and `not-found` for a file that there is none of.
 */
export function readTests(session: Session, files: readonly string[]): readonly QueryTest[] {
  const { root, config, project } = session;
  if (files.length > 0)
    return files.map((file) => readQueryTest(root, { config, macros: project.macros }, file));
  const { queries, errors } = loadTests(root, { ...project, config }, []);
  if (errors.length > 0) throw new AggregateError(errors);
  return queries;
}

/** What is wrong with tests, as far as can be said without running them. */
export async function testErrors(session: Session, graph: ProjectGraph): Promise<LakeError[]> {
  const { root, config, project } = session;
  const loaded = loadTests(root, { ...project, config }, graph.request.models);
  const errors = [...loaded.errors];
  for (const test of [...loaded.queries, ...loaded.uses]) {
    try {
      await aboutOf(session, graph, test);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      errors.push(thrown);
    }
  }
  const { unitProblems } = await import("./unit-tests.ts");
  for (const unit of loaded.units) errors.push(...unitProblems(graph, unit));
  return errors;
}

/** Names of tests by the tables that they are about; none where something is wrong with them, which `check` tells. */
export async function testsAbout(
  session: Session,
  graph: ProjectGraph,
): Promise<ReadonlyMap<TableName, readonly string[]>> {
  const found = new Map<TableName, string[]>();
  try {
    for (const { name, about } of await allTests(session, graph, 0)) {
      for (const table of about) found.set(table, [...(found.get(table) ?? []), name]);
    }
  } catch (thrown) {
    if (!(thrown instanceof LakeError || thrown instanceof AggregateError)) throw thrown;
  }
  return found;
}

async function allTests(
  session: Session,
  graph: ProjectGraph,
  limit: number,
): Promise<readonly LakeTest[]> {
  const { root, config, project } = session;
  const loaded = loadTests(root, { ...project, config }, graph.request.models);
  const { unitProblems, runUnitTest } = await import("./unit-tests.ts");
  const errors = [...loaded.errors, ...loaded.units.flatMap((unit) => unitProblems(graph, unit))];
  if (errors.length > 0) throw new AggregateError(errors);
  const tests: LakeTest[] = loaded.units.map((unit) =>
    unitTest(graph, unit, () => runUnitTest(session, graph, unit, limit)),
  );
  for (const { model } of graph.nodes) {
    for (const one of model.expectations) tests.push(expectationTest(session, model, one, limit));
    for (const one of model.tests) tests.push(setTest(session, model, one, limit));
  }
  for (const test of [...loaded.uses, ...loaded.queries]) {
    tests.push(await queryTest(session, graph, test, limit));
  }
  return tests;
}

function unitTest(graph: ProjectGraph, unit: UnitTest, run: LakeTest["run"]): LakeTest {
  const { name, tags, description } = unit;
  const about = [graph.names.tableOf({ name: unit.model, at: null, offset: null })];
  const model = graph.request.models.find((one) => one.name === about[0]);
  const locate = (place: Pick<Place, "line" | "column" | "length">): Place | null =>
    model === undefined ? null : inFile(model, place);
  return { name, type: "unit", tags, description, about, run, locate };
}

const nowhere = (): null => null;

function expectationTest(
  session: Session,
  model: Model,
  { name, sql, onNull, action, thresholds = {} }: Expectation,
  limit: number,
): LakeTest {
  const violated = onNull === "violate" ? "TRUE" : "FALSE";
  const where = `coalesce(NOT CAST((${sql}\n) AS BOOLEAN), ${violated})`;
  const found = `SELECT * FROM ${tableSql(model.name)} WHERE ${where}`;
  const run = () => ran(session, found, { mayFail: action === "fail", thresholds, limit });
  return { name, type: "generic", ...of(model), run, locate: nowhere };
}

function setTest(session: Session, model: Model, test: SetTest, limit: number): LakeTest {
  const table = tableSql(model.name);
  const { severity, thresholds = {} } = test;
  const run = () =>
    ran(session, foundBy(test, table), { mayFail: severity === "fail", thresholds, limit });
  return { name: testName(test), type: "generic", ...of(model), run, locate: nowhere };
}

/** Rows that are too many, or that point nowhere; NULL is neither. */
function foundBy(test: SetTest, table: string): string {
  if (test.kind === "unique") {
    const columns = test.columns.map(quoteIdentifier);
    const there = columns.map((column) => `${column} IS NOT NULL`).join(" AND ");
    return (
      `SELECT * FROM ${table} WHERE ${there} ` +
      `QUALIFY row_number() OVER (PARTITION BY ${columns.join(", ")}) > 1`
    );
  }
  const own = `own_rows.${quoteIdentifier(test.column)}`;
  const other = `other_rows.${quoteIdentifier(test.field)}`;
  return (
    `SELECT * FROM ${table} AS own_rows WHERE ${own} IS NOT NULL AND NOT EXISTS ` +
    `(SELECT 1 FROM ${tableSql(test.to)} AS other_rows WHERE ${other} = ${own})`
  );
}

async function queryTest(
  session: Session,
  graph: ProjectGraph,
  test: QueryTest,
  limit: number,
): Promise<LakeTest> {
  const { name, tags, description, model, severity, thresholds } = test;
  const about = model === null ? await aboutOf(session, graph, test) : [model.name];
  const type = (test.isGeneric ?? model !== null) ? "generic" : "singular";
  const options = { mayFail: severity === "fail", thresholds, limit };
  const run = () => ran(session, test.sql, options);
  return { name, type, tags, description, about, run, locate: (place) => inFile(test, place) };
}

/** Tables that its query reads. Throws `sql`, `not-found` with the place in the file. */
async function aboutOf(
  session: Session,
  graph: ProjectGraph,
  test: QueryTest,
): Promise<readonly TableName[]> {
  const { placeAt } = await import("../../core/config/place.ts");
  try {
    const { tables } = await session.ports.engine.analyze({ sql: test.sql, conditions: [] });
    return tables.map((ref) => {
      try {
        return graph.names.tableOf(ref);
      } catch (thrown) {
        if (!(thrown instanceof LakeError) || ref.offset === null) throw thrown;
        const span = { offset: ref.offset, length: ref.name.length };
        throw withPlace(thrown, inFile(test, placeAt(test.sql, test.file, span)));
      }
    });
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.place?.file === test.file) throw thrown;
    throw withPlace(
      thrown,
      inFile(test, { length: 1, ...(thrown.place ?? { line: 1, column: 1 }) }),
    );
  }
}

function placed(test: LakeTest, error: LakeError): LakeError {
  if (error.place === null || error.place.file !== "") return error;
  const place = test.locate(error.place);
  return place === null ? withPlace(error, null) : withPlace(error, place);
}

function withPlace(error: LakeError, place: Place | null): LakeError {
  return new LakeError(error.code, errorText(error), {
    ...(error.hint === null ? {} : { hint: error.hint }),
    ...(error.page === null ? {} : { page: error.page }),
    ...(place === null ? {} : { place }),
    cause: error,
  });
}

function of(model: Model): Pick<LakeTest, "tags" | "description" | "about"> {
  return { tags: [], description: null, about: [model.name] };
}

function tableSql(name: TableName): string {
  return quoteQualified(name.split("."));
}

interface RunOptions {
  readonly mayFail: boolean;
  readonly thresholds: Thresholds;
  readonly limit: number;
}

async function ran(session: Session, sql: string, { mayFail, thresholds, limit }: RunOptions) {
  const { eachResult } = await import("./query.ts");
  const { jsonRows } = await import("../format/json.ts");
  let rows = 0n;
  const sample: string[] = [];
  await eachResult(session, sql, async (result) => {
    const write = jsonRows(result.columns, "js", session.config.timezone);
    for await (const chunk of result.chunks()) {
      rows += BigInt(chunk.rowCount);
      if (sample.length < limit) sample.push(...[...write(chunk)].slice(0, limit - sample.length));
    }
  });
  return { state: statusOf(rows, mayFail, thresholds), rows, sample };
}

/** By names and types of tests, by their tags, and by the tables that they are about. */
async function chosenTests(
  session: Session,
  graph: ProjectGraph,
  tests: readonly LakeTest[],
  { select: selectors, exclude }: Selection,
): Promise<readonly LakeTest[]> {
  const isAsked = asksForState([...selectors, ...exclude]);
  const { lakeState } = await import("./lake-state.ts");
  const state = isAsked ? await lakeState(session.catalog, graph) : null;
  const { models, sources } = graph.request;
  const input = { graph: graph.graph, models, sources, state };
  const ofAtom = (atom: string): ReadonlySet<LakeTest> => {
    const own = ownTests(tests, atom);
    try {
      const tables = new Set(select([atom], input));
      return new Set([
        ...own,
        ...tests.filter(({ about }) => about.some((name) => tables.has(name))),
      ]);
    } catch (thrown) {
      if (own.size > 0) return own;
      throw thrown;
    }
  };
  const unionOf = (some: readonly string[]): ReadonlySet<LakeTest> => {
    // Names of tests may have blanks in them.
    const isName = (selector: string): boolean => tests.some(({ name }) => name === selector);
    const terms = some
      .flatMap((selector) => (isName(selector) ? [selector] : selector.split(/\s+/)))
      .filter(Boolean);
    return new Set(
      terms.flatMap((term) => {
        const [first, ...others] = term.split(/,(?![^{}]*\})/).map(ofAtom);
        return [...(first ?? [])].filter((test) => others.every((other) => other.has(test)));
      }),
    );
  };
  const chosen = selectors.length === 0 ? new Set(tests) : unionOf(selectors);
  const without = unionOf(exclude);
  return tests.filter((test) => chosen.has(test) && !without.has(test));
}

/** Tests that a selector names themselves. */
function ownTests(tests: readonly LakeTest[], atom: string): ReadonlySet<LakeTest> {
  const [, method = "", value = ""] = /^(test_type|test_name|tag):(.+)$/.exec(atom) ?? [];
  const types = value === "data" ? ["generic", "singular"] : [value];
  return new Set(
    tests.filter(({ name, type, tags }) => {
      if (method === "test_type") return types.includes(type);
      if (method === "tag") return tags.includes(value);
      return name === (method === "test_name" ? value : atom);
    }),
  );
}
