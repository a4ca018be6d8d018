/** The shape of a query: what it reads, whether a delta of one input is enough, what makes it unrepeatable. */

import { LakeError } from "../../core/base/errors.ts";
import type { TableRef } from "../../core/engine.ts";
import type { Analysis, AnalyzeRequest, FollowedInput } from "../../core/model/analysis.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { FUNCTION_FACTS } from "../duckdb/functions.ts";
import {
  conditionQuery,
  isQuery,
  type Node,
  parseSelect,
  type Statement,
  visitNodes,
  visitTables,
} from "../syntax/ast.ts";
import { changesCallIn } from "../syntax/changes-call.ts";
import { clocksIn, type FoundRef, findTables, refKey } from "../syntax/table-ref.ts";
import type { WorkerContext } from "../worker/context.ts";
import { columnUse } from "./column-use.ts";
import { combinationOf } from "./combination.ts";
import { type Followed, keyedWay } from "./keyed.ts";
import { outlineOf } from "./outline.ts";
import { renamedCtes, writtenOutputs } from "./row-keys.ts";
import { type Route, type Way, wayTo } from "./shape.ts";
import { nondeterminismOf } from "./ties.ts";
import { topRowsOf } from "./top-rows.ts";

/** Analyses one SELECT, or a set of them, with conditions on its rows. Throws `sql`, `unsupported` as parsing does. */
export async function analyze(context: WorkerContext, request: AnalyzeRequest): Promise<Analysis> {
  const db = await context.open({ allowedPaths: [], allowedFolders: [], threads: 1 });
  return analyzeSql(db, request.sql, request.conditions);
}

/** As `analyze`, on an open connection. */
export async function analyzeSql(
  db: DuckDB,
  sql: string,
  conditions: AnalyzeRequest["conditions"] = [],
): Promise<Analysis> {
  const statement = await parseSelect(db, sql);
  const found = await findTables(db, statement, refuseComputed);
  refuseChanges(found);
  const reasons: string[] = [];
  const drivers: string[] = [];
  for (const ref of distinct(found)) {
    const way = wayOf(statement, found, ref);
    if (way.kind === "found") drivers.push(ref.name);
    if (way.kind === "blocked") reasons.push(`${way.reason} (${ref.name})`);
  }
  if (drivers.length === 0 && reasons.length === 0) reasons.push("it reads no table of the lake");
  const followed = distinct(found).map((ref) => followedOf(statement, found, ref));
  const own = await parsedConditions(db, conditions);
  const queries = [statement.query, ...own.map(({ query }) => query)];
  const causes = queries.flatMap((query) => nondeterminismOf(query, FUNCTION_FACTS));
  const blocked = own.flatMap(({ name, query }) => beyondItsRow(name, query));
  return {
    tables: found.map(({ ref }) => ref),
    notIncremental: [...(drivers.length > 0 ? [] : new Set(reasons)), ...blocked],
    drivers,
    followed,
    beyondRows: blocked,
    combines:
      combinationOf(statement.query, FUNCTION_FACTS) !== null ||
      topRowsOf(statement.query, FUNCTION_FACTS) !== null,
    notDeterministic: [...new Set(causes)],
    clock: [...new Set(queries.flatMap((query) => clocksIn(query)))],
    outputs: writtenOutputs(statement.query),
    columns: columnUse(queries),
    outline: outlineOf(statement.query, FUNCTION_FACTS),
  };
}

/** Conditions as queries; one that does not parse is named by the run that evaluates it. */
async function parsedConditions(
  db: DuckDB,
  conditions: AnalyzeRequest["conditions"],
): Promise<{ readonly name: string; readonly query: Node }[]> {
  const parsed: { name: string; query: Node }[] = [];
  for (const { name, sql } of conditions) {
    try {
      parsed.push({ name, query: (await parseSelect(db, conditionQuery(sql))).query });
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
    }
  }
  return parsed;
}

/** Why a condition says more of a row than the row itself does. */
function beyondItsRow(name: string, query: Node): string[] {
  const reasons = new Set<string>();
  visitNodes(query, (node) => {
    if (node.class === "WINDOW") reasons.add("looks at other rows");
    if (node !== query && isQuery(node)) reasons.add("has a subquery");
    return true;
  });
  return [...reasons].map((reason) => `its ${name} ${reason}`);
}

/** The way from a parsed statement to one of its references. */
export function wayOf(statement: Statement, found: readonly FoundNode[], driver: TableRef): Way {
  if (isOfMoment(driver)) return { kind: "blocked", reason: OF_MOMENT };
  const way = wayTo(statement.query, routeTo(statement, found, driver));
  return way.kind === "absent" ? { kind: "blocked", reason: "it is not read" } : way;
}

/** How a change of one of its references is followed to the output of a parsed statement. */
export function keyedWayOf(
  statement: Statement,
  found: readonly FoundNode[],
  ref: TableRef,
): Followed {
  if (isOfMoment(ref)) return { kind: "blocked", reason: OF_MOMENT };
  return keyedWay(statement.query, routeTo(statement, found, ref));
}

type FoundNode = Pick<FoundRef, "node" | "ref">;

const OF_MOMENT = "it is read as of a fixed moment";

function isOfMoment({ at, name }: TableRef): boolean {
  return at !== null || name.includes("@");
}

function followedOf(
  statement: Statement,
  found: readonly FoundNode[],
  ref: TableRef,
): FollowedInput {
  const way = keyedWayOf(statement, found, ref);
  const none = { name: ref.name, keys: [], isFree: false, isKept: false, isGrouped: false };
  if (way.kind === "absent") return { ...none, blocked: "it is not read" };
  if (way.kind === "blocked") return { ...none, blocked: way.reason };
  const { keys, isFree, turns, around } = way.way;
  const tops = topRowsOf(statement.query, FUNCTION_FACTS);
  return {
    name: ref.name,
    keys: [...keys.keys()],
    isFree,
    isKept: turns.length === 0,
    isGrouped: !isFree && (around.length === 0 || tops?.ranked === way.way.select),
    blocked: null,
  };
}

function routeTo(statement: Statement, found: readonly FoundNode[], driver: TableRef): Route {
  const key = refKey(driver);
  const driverNodes = new Set(
    found.filter(({ ref }) => refKey(ref) === key).map(({ node }) => node),
  );
  const cteByTable = new Map<Node, Node>();
  visitTables(statement.query, (table, cte) => {
    if (cte !== null) cteByTable.set(table, cte);
  });
  const renamed = renamedCtes(statement.query);
  return {
    isDriver: (table) => driverNodes.has(table),
    cteOf: (table) => cteByTable.get(table) ?? null,
    isRenamed: (cte) => renamed.has(cte),
    facts: FUNCTION_FACTS,
    countByCte: new Map(),
  };
}

/** What changed between two versions is over: a model of it would never have anything to do. */
function refuseChanges(found: readonly FoundNode[]): void {
  if (found.every(({ ref }) => changesCallIn(ref.name) === null)) return;
  throw new LakeError("unsupported", "a model cannot read lake.changes", {
    hint: "read the table itself: models go on from what changes in it by themselves",
  });
}

/** A model means the same whenever it runs: `AT (TIMESTAMP => now())` would not. */
async function refuseComputed(): Promise<never> {
  throw new LakeError("unsupported", "AT in a model needs a moment that is written out", {
    hint: "write it as a text, such as AT (TIMESTAMP => '2026-01-31 09:00'), or name a tag or a version",
  });
}

function distinct(found: readonly FoundRef[]): TableRef[] {
  const refByKey = new Map(found.map(({ ref }) => [refKey(ref), ref]));
  return [...refByKey.values()];
}
