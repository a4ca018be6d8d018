/** Runs a model: its query, its expectations, its merge or replay, its tests, into staged Parquet files. */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type {
  InputChange,
  Materialized,
  MaterializeMode,
  MaterializeRequest,
  Written,
} from "../../core/engine.ts";
import type { Closed } from "../../core/model/closing-request.ts";
import type { TestOutcome } from "../../core/model/run-store.ts";
import { bindingPaths } from "../analysis/describe.ts";
import { pathsOf, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import type { WorkerContext } from "../worker/context.ts";
import { applyFeed, feedNeeds, feedRows, IS_UPSERT } from "./cdc.ts";
import {
  checkFlags,
  countsSql,
  DROP,
  expectationError,
  expressionSql,
  type Flags,
  flagsOf,
  KEEP,
  type Needed,
  neededKeys,
  outcomesOf,
  QUARANTINE,
  ROUTE_COLUMN,
  rejectsSql,
  routeSql,
  routes,
  runSetTests,
  type SetAside,
  setAside,
} from "./expectations.ts";
import { applyLoads } from "./loads.ts";
import { keptSql, NO_FILES, type Published } from "./publish.ts";
import { type Counts, merge, type Recomputed, replaceRows, scopedRows } from "./replace.ts";
import { type Computed, columnList, computedRows, Staging, writtenSql } from "./rows.ts";
import { isFew, isSmall, MoreRows } from "./size.ts";

const NONE_ASIDE: SetAside = { rejects: NO_FILES, replaced: [], rows: 0n };

/** Rows with their flags and their way, kept once. */
interface Routed {
  /** A SELECT of the schema's columns, the flags and ROUTE_COLUMN. */
  readonly sql: string;
  readonly outcomes: readonly TestOutcome[];
  readonly rowsIn: bigint;
  readonly rowsDropped: bigint;
  readonly rowsAside: bigint;
}

/**
 * Materializes a model. Nothing is named by any table yet: the answer says which files would come and which would
 * go, and `stop` says when they must not. Throws `sql` for a query that fails, `schema` for columns that do not
 * fit, `unsupported` when the driver's rows cannot be followed.
 */
export async function materialize(
  context: WorkerContext,
  request: MaterializeRequest,
): Promise<Materialized> {
  checkKeys(request);
  try {
    return await materializeWith(context, request, isFew(request));
  } catch (thrown) {
    if (!(thrown instanceof MoreRows)) throw thrown;
    return await materializeWith(context, request, false);
  }
}

async function materializeWith(
  context: WorkerContext,
  asked: MaterializeRequest,
  few: boolean,
): Promise<Materialized> {
  const db = await context.open({
    allowedPaths: requestPaths(asked),
    allowedFolders: [asked.staging],
    threads: asked.threads,
    isFew: few,
    timezone: asked.timezone,
  });
  const request = await withDeletes(db, asked);
  await using staging = new Staging(db, request.staging, { isSmall: isSmall(request), isFew: few });
  const flags = await flagsOf(db, ofRows(request), request.mode.kind === "cdc" ? IS_UPSERT : null);
  const wasAside = (request.rejectTarget?.files.length ?? 0) > 0;
  const isClosing = (request.closing ?? null) !== null;
  const isDirect =
    request.mode.kind === "rows" && !routes(request.expectations) && !wasAside && !isClosing;
  const work = isDirect ? materializeDirectly : materializeRouted;
  // Awaited here, because the work files go when this returns.
  return await work(db, staging, request, flags);
}

/** With the condition of deleted keys as SQL. Throws `sql` naming the setting. */
async function withDeletes(db: DuckDB, request: MaterializeRequest): Promise<MaterializeRequest> {
  const { mode } = request;
  const winners = mode.kind === "keyed" ? mode.winners : isWinning(mode) ? mode : null;
  const condition = winners?.deletedWhen ?? null;
  if (condition === null) return request;
  const { fields } = request.schema;
  const names = fields.map(({ name }) => name);
  const nulls = fields.map(
    ({ name, type }) => `NULL::${duckDBType(type)} AS ${quoteIdentifier(name)}`,
  );
  let deletedWhen: string;
  try {
    deletedWhen = await expressionSql(db, condition, request.runTimeMs, names);
    // What its names mean is found now, and told by its name.
    await db.rows(
      `DESCRIBE SELECT CAST((${deletedWhen}) AS BOOLEAN) FROM (SELECT ${nulls.join(", ")})`,
    );
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    throw new LakeError("sql", `deleted_when cannot be evaluated: ${thrown.message}`, {
      hint: "it is said over the columns that the query gives",
      cause: thrown,
    });
  }
  if (mode.kind === "keyed") {
    const bound = mode.winners === null ? null : { ...mode.winners, deletedWhen };
    return { ...request, mode: { ...mode, winners: bound } };
  }
  return isWinning(mode) ? { ...request, mode: { ...mode, deletedWhen } } : request;
}

function isWinning(mode: MaterializeMode): mode is MaterializeMode & { kind: "merge" | "replace" } {
  return mode.kind === "merge" || mode.kind === "replace";
}

/** Every row goes into the table: written as it is computed, counted where it was written. */
async function materializeDirectly(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  flags: Flags,
): Promise<Materialized> {
  const computed = await allRows(db, staging, request);
  let data: Written;
  try {
    data = await staging.write(computed.sql, "data", request);
  } catch (thrown) {
    throw computed.locate(thrown);
  }
  const staged = writtenSql(data);
  const outcomes = await countFlags(db, flags, staged);
  const tests = await runSetTests(db, request, staged, await appendedTo(db, request));
  return {
    ...summary([...outcomes, ...tests], data, NONE_ASIDE, computed.note),
    deletes: NO_FILES,
    replaced: [],
    rowsIn: data.rows,
    rowsInserted: data.rows,
    rowsUpdated: 0n,
    rowsDeleted: 0n,
    rowsDropped: 0n,
    sequence: null,
  };
}

async function materializeRouted(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  flags: Flags,
): Promise<Materialized> {
  const needs = needsOf(request);
  const rows = await routedRows(db, staging, request, flags, needs);
  if (rows.kind === "retreat") return retreated(rows.reason);
  const { recomputed, routed } = rows;
  const stop = stopOf(routed.outcomes);
  if (stop !== null) return stopped(routed, stop);
  const kept = `SELECT * FROM (${routed.sql}) WHERE ${ROUTE_COLUMN} = ${KEEP}`;
  const accept = (rows: string) =>
    `SELECT * FROM (${wayOf(flags, needs, rows)}) WHERE ${ROUTE_COLUMN} = ${KEEP}`;
  const published = await publishMode(db, staging, request, { kept, accept, recomputed });
  const rejected = `SELECT * FROM (${routed.sql}) WHERE ${ROUTE_COLUMN} = ${QUARANTINE}`;
  const fresh = rejectsSql(ofRows(request), rejected, flags, needs);
  const isNone = routed.rowsAside === 0n && (request.rejectTarget?.files.length ?? 0) === 0;
  const aside = isNone
    ? NONE_ASIDE
    : await setAside(db, staging, request, fresh, recomputed.inScope);
  const closed = await closedWith(db, staging, request, recomputed);
  const others =
    request.mode.kind === "rows"
      ? await appendedTo(db, request)
      : await keptSql(db, targetOf(request, request.mode.target), published);
  const tests = await runSetTests(db, request, writtenSql(published.data), others);
  return {
    ...summary([...routed.outcomes, ...tests], published.data, aside, recomputed.computed.note),
    deletes: published.deletes,
    replaced: published.replaced,
    rowsIn: routed.rowsIn,
    rowsInserted: published.rowsInserted,
    rowsUpdated: published.rowsUpdated,
    rowsDeleted: published.rowsDeleted,
    rowsDropped: routed.rowsDropped,
    sequence: published.sequence,
    closed,
  };
}

/** The request as the query's rows have it: those of a change feed have other columns than its table. */
function ofRows(request: MaterializeRequest): MaterializeRequest {
  return request.mode.kind === "cdc" ? { ...request, schema: request.mode.events } : request;
}

function needsOf({ mode }: MaterializeRequest): readonly Needed[] {
  if (mode.kind === "cdc") return feedNeeds(mode);
  if (mode.kind === "keyed") return neededKeys(mode.winners?.key ?? []);
  return mode.kind === "rows" ? [] : neededKeys(mode.key);
}

type Rows = Recomputed & {
  readonly kind: "rows";
  /** Of a run by keys: the rows that it replaces. */
  readonly old: string | null;
  readonly isCombined: boolean;
  readonly closed?: Closed;
};
type ModeRows = Rows | { readonly kind: "retreat"; readonly reason: string };

const NOTHING_OLD = { old: null, isCombined: false } as const;

async function rowsOfMode(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
): Promise<ModeRows> {
  const { mode, closing = null } = request;
  if (closing !== null) {
    const { closedRows } = await import("./closing.ts");
    const rows = await closedRows(db, staging, request, closing);
    return { kind: "rows", ...rows, inScope: "TRUE", isCombined: false };
  }
  if (mode.kind === "keyed") {
    const { keyedRows } = await import("./keyed.ts");
    const keyed = await keyedRows(db, staging, request, mode);
    return keyed.kind === "retreat" ? keyed : { ...keyed, inScope: "TRUE" };
  }
  if (mode.kind === "replace") {
    return { kind: "rows", ...(await scopedRows(db, request, mode)), ...NOTHING_OLD };
  }
  const computed =
    mode.kind === "cdc" ? feedRows(db, request, mode) : allRows(db, staging, request);
  return { kind: "rows", computed: await computed, inScope: "TRUE", ...NOTHING_OLD };
}

/** All rows of the query: over all rows of its inputs, or over those of each window of them. */
async function allRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
): Promise<Computed> {
  if (request.windows == null) return computedRows(db, request);
  const { windowedRows } = await import("./windows.ts");
  return windowedRows(db, staging, request, false);
}

/** What became of windows that close, with the rows that are late for them. */
async function closedWith(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  { closed }: Rows,
): Promise<NonNullable<Materialized["closed"]> | null> {
  const { closing = null } = request;
  if (closing === null || closed === undefined) return null;
  const { writeLate } = await import("./closing.ts");
  return { ...closed, late: await writeLate(db, staging, closing, closed) };
}

type RoutedRows =
  | { readonly kind: "rows"; readonly recomputed: Rows; readonly routed: Routed }
  | { readonly kind: "retreat"; readonly reason: string };

async function routedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  flags: Flags,
  needs: readonly Needed[],
): Promise<RoutedRows> {
  try {
    const recomputed = await rowsOfMode(db, staging, request);
    if (recomputed.kind === "retreat") return recomputed;
    const routed = await route(db, staging, flags, needs, recomputed);
    return { kind: "rows", recomputed, routed };
  } catch (thrown) {
    // A part of a query may be wrong where the whole is not: what its names mean, which rows a cast meets.
    const isOfPart = request.mode.kind === "keyed" && thrown instanceof LakeError;
    if (!isOfPart || !["sql", "unsupported"].includes(thrown.code)) throw thrown;
    return { kind: "retreat", reason: "its keys cannot be asked for by themselves" };
  }
}

interface Accepted {
  /** A SELECT of the rows to keep, with all that was computed of them. */
  readonly kept: string;
  /** The same of a SELECT of other rows. */
  readonly accept: (rows: string) => string;
  readonly recomputed: Rows;
}

async function publishMode(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  { kept, accept, recomputed }: Accepted,
): Promise<Published & Counts & Pick<Materialized, "sequence">> {
  const { mode } = request;
  const accepted = `SELECT ${columnList(request.schema.fields)} FROM (${kept})`;
  const sequence = null;
  switch (mode.kind) {
    case "rows": {
      const data = await staging.write(accepted, "data", request);
      const none = { deletes: NO_FILES, replaced: [], rowsUpdated: 0n, rowsDeleted: 0n };
      return { data, ...none, rowsInserted: data.rows, sequence };
    }
    case "merge":
      return { ...(await merge(db, staging, request, mode, accepted)), sequence };
    case "replace": {
      const replaced = await replaceRows(db, staging, request, mode, accepted, recomputed);
      return { ...replaced, sequence };
    }
    case "keyed": {
      const { replaceKeyed } = await import("./keyed.ts");
      const old = must(recomputed.old, "a run by keys knows the rows that it replaces");
      const replaced = await replaceKeyed(db, staging, request, mode, accepted, {
        old,
        isCombined: recomputed.isCombined,
      });
      return { ...replaced, sequence };
    }
    case "cdc":
      return mode.rule.loads === null
        ? applyFeed(db, staging, request, mode, kept, accept)
        : applyLoads(db, staging, request, mode, kept, accept);
  }
}

/** Rows with their flags and their way. */
function wayOf(flags: Flags, needs: readonly Needed[], rows: string): string {
  const flagged = `SELECT ${["*", ...flags.columns].join(", ")} FROM (${rows})`;
  return `SELECT *, ${routeSql(flags, needs)} AS ${ROUTE_COLUMN} FROM (${flagged}) AS lake_row`;
}

/** Evaluates the query and every flag once. */
async function route(
  db: DuckDB,
  staging: Staging,
  flags: Flags,
  needs: readonly Needed[],
  { computed }: Recomputed,
): Promise<Routed> {
  let sql: string;
  try {
    sql = await staging.keep(wayOf(flags, needs, computed.sql));
  } catch (thrown) {
    await checkFlags(db, flags, computed.sql);
    throw computed.locate(thrown);
  }
  const counts = [
    "count(*) AS rows_in",
    `count(*) FILTER (${ROUTE_COLUMN} = ${DROP}) AS dropped`,
    `count(*) FILTER (${ROUTE_COLUMN} = ${QUARANTINE}) AS aside`,
    ...countsSql(flags),
  ];
  const [row = {}] = await db.rows(`SELECT ${counts.join(", ")} FROM (${sql})`);
  return {
    sql,
    outcomes: outcomesOf(flags, row),
    rowsIn: BigInt(String(row.rows_in)),
    rowsDropped: BigInt(String(row.dropped)),
    rowsAside: BigInt(String(row.aside)),
  };
}

async function countFlags(db: DuckDB, flags: Flags, staged: string | null): Promise<TestOutcome[]> {
  if (staged === null || flags.columns.length === 0) return outcomesOf(flags, {});
  try {
    const rows = await db.rows(
      `SELECT ${countsSql(flags).join(", ")} FROM (SELECT ${flags.columns.join(", ")} FROM (${staged}))`,
    );
    return outcomesOf(flags, rows[0] ?? {});
  } catch (thrown) {
    await checkFlags(db, flags, staged);
    throw expectationError(thrown, flags.expectations);
  }
}

/** The rows that an append is added to: the binding of the model's own name. */
async function appendedTo(db: DuckDB, request: MaterializeRequest): Promise<string | null> {
  const own = request.testBindings.find((binding) => binding.ref.name === request.model);
  if (own?.kind !== "scan" || own.scan.files.length === 0) return null;
  return scanSql(db, own.scan, { hidden: new Set(), schema: request.schema });
}

function targetOf(request: MaterializeRequest, scan: Parameters<typeof pathsOf>[0]) {
  return { scan, schema: request.schema, spec: request.spec };
}

function summary(
  tests: readonly TestOutcome[],
  data: Written,
  aside: SetAside,
  note: string | null = null,
) {
  return {
    data,
    rejects: aside.rejects.rows === 0n ? null : aside.rejects,
    rejectsReplaced: aside.replaced,
    rowsQuarantined: aside.rows,
    tests,
    stop: stopOf(tests),
    note,
    retreat: null,
  };
}

function retreated(reason: string): Materialized {
  const none = { rowsInserted: 0n, rowsUpdated: 0n, rowsDeleted: 0n, rowsDropped: 0n };
  const nothing = { deletes: NO_FILES, replaced: [], rowsIn: 0n, sequence: null };
  return { ...summary([], NO_FILES, NONE_ASIDE), ...nothing, ...none, retreat: reason };
}

function stopped(routed: Routed, stop: string): Materialized {
  return {
    ...summary(routed.outcomes, NO_FILES, NONE_ASIDE),
    deletes: NO_FILES,
    replaced: [],
    rowsIn: routed.rowsIn,
    rowsInserted: 0n,
    rowsUpdated: 0n,
    rowsDeleted: 0n,
    rowsDropped: routed.rowsDropped,
    sequence: null,
    stop,
  };
}

function stopOf(tests: readonly TestOutcome[]): string | null {
  const failed = tests.filter((test) => test.status === "fail");
  if (failed.length === 0) return null;
  const parts = failed.map(({ name, rows }) => `${name} (${counted(rows, "row")})`);
  return `${parts.join(", ")} failed`;
}

function checkKeys(request: MaterializeRequest): void {
  const { mode } = request;
  if (mode.kind === "rows") return;
  const { fields } = ofRows(request).schema;
  const known = new Set(fields.map((field) => field.name.toLowerCase()));
  const named = isWinning(mode) ? [...mode.key, ...mode.latestBy] : mode.key;
  const unknown = named.find((name) => !known.has(name.toLowerCase()));
  if (unknown === undefined) return;
  throw new LakeError(
    "sql",
    `${request.model}: its query gives no column ${unknown}, which it is merged by`,
    {
      hint: `columns are: ${fields.map((field) => field.name).join(", ")}`,
      context: { model: request.model, column: unknown },
    },
  );
}

function requestPaths(request: MaterializeRequest): string[] {
  const target = request.mode.kind === "rows" ? [] : pathsOf(request.mode.target);
  const aside = request.rejectTarget === null ? [] : pathsOf(request.rejectTarget);
  const history = request.mode.kind === "cdc" ? (request.mode.history ?? []) : [];
  const changes = request.mode.kind === "keyed" ? request.mode.changes.flatMap(changePaths) : [];
  const bound = [...request.bindings, ...request.testBindings, ...history];
  const inputs = [...new Set([...bindingPaths(bound), ...closingPaths(request)])];
  return [...inputs, ...target, ...aside, ...changes];
}

function closingPaths({ closing = null }: MaterializeRequest): string[] {
  if (closing === null) return [];
  const late = closing.lateTarget === null ? [] : pathsOf(closing.lateTarget);
  return [...closing.inputs.flatMap(({ fresh }) => pathsOf(fresh)), ...late];
}

function changePaths({ before, removed, added, marked }: InputChange): string[] {
  const scans = [before, removed, added, ...(marked === null ? [] : [marked.before, marked.after])];
  return scans.flatMap(pathsOf);
}
