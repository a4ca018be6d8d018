/**
 * What must hold of a model's result: conditions that are evaluated once a row and route it, the rows that are set
 * aside as rows of its quarantine table, and tests of the result as a whole. semantics.md, 5.2.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { Binding, MaterializeRequest, Written } from "../../core/engine.ts";
import type { QuarantineReason } from "../../core/ingest/quarantine.ts";
import { RAW_TEXT_CHARS_MAX } from "../../core/limits.ts";
import type { Expectation, SetTest } from "../../core/model/model.ts";
import type { TestOutcome } from "../../core/model/run-store.ts";
import { statusOf } from "../../core/model/threshold.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Field, Scan, Type } from "../../core/table/types.ts";
import { type RowKeys, rowKeys } from "../analysis/row-keys.ts";
import { orderTies, tiesOf } from "../analysis/ties.ts";
import { bindSelect } from "../bind/bind.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB, Row } from "../duckdb/duckdb.ts";
import { FUNCTION_FACTS } from "../duckdb/functions.ts";
import { duckDBType } from "../duckdb/types.ts";
import {
  columnRef,
  conditionQuery,
  listAt,
  nodeAt,
  parseSelect,
  printStatement,
} from "../syntax/ast.ts";
import {
  ownColumn,
  quoteIdentifier,
  quoteLiteral,
  quoteQualified,
  refuseOwnText,
} from "../syntax/quote.ts";
import { pinTime } from "../syntax/table-ref.ts";
import { publish } from "./publish.ts";
import { KEYS } from "./replace.ts";
import { columnList, type Staging, storedSql } from "./rows.ts";

/** Flags over rows, ready to stand in a SELECT. */
export interface Flags {
  /** `<condition> AS <flag>, …`: true where the row violates; empty when there is no expectation. */
  readonly columns: readonly string[];
  readonly expectations: readonly Expectation[];
}

/** Where a row goes: one of the three. */
export const ROUTE_COLUMN = ownColumn("route");
export const KEEP = 0;
export const DROP = 1;
export const QUARANTINE = 2;

/** What a row cannot be without, and goes to quarantine for. */
export interface Needed {
  readonly reason: "key" | "sequence" | "unchanged";
  /** As it is called in the reason. */
  readonly column: string;
  /** A condition over the rows. */
  readonly isNull: string;
}

/** Columns that name a row. */
export function neededKeys(keys: readonly string[]): readonly Needed[] {
  return keys.map((column) => {
    return { reason: "key", column, isNull: `${quoteIdentifier(column)} IS NULL` };
  });
}

/**
 * The conditions as SQL, each parsed alone, with `now()` as the run time and ties between rows in the order of their
 * columns; `about` limits them to rows that they are about. Throws `sql` naming the expectation.
 */
export async function flagsOf(
  db: DuckDB,
  { expectations, runTimeMs, schema }: MaterializeRequest,
  about: string | null = null,
): Promise<Flags> {
  const names = schema.fields.map((field) => field.name);
  const columns: string[] = [];
  for (const [index, expectation] of expectations.entries()) {
    const condition = await conditionSql(db, expectation, runTimeMs, names);
    const onNull = expectation.onNull === "violate" ? "TRUE" : "FALSE";
    const violates = `coalesce(NOT CAST((${condition}) AS BOOLEAN), ${onNull})`;
    const flag = about === null ? violates : `CASE WHEN ${about} THEN ${violates} ELSE FALSE END`;
    columns.push(`${flag} AS ${flagName(index)}`);
  }
  return { columns, expectations };
}

/** True when some rows go elsewhere than into the table. */
export function routes(expectations: readonly Expectation[]): boolean {
  return expectations.some(({ action }) => action === "drop" || action === "quarantine");
}

/**
 * Where a row goes, over the flags: quarantine before drop before keep. A row without what it needs is always
 * quarantined. `fail` stops the run as a whole, and `warn` only counts.
 */
export function routeSql(flags: Flags, needs: readonly Needed[]): string {
  const anyOf = (action: Expectation["action"]) =>
    flags.expectations.flatMap((one, index) => (one.action === action ? [flagName(index)] : []));
  const lacks = needs.map((need) => need.isNull);
  const quarantine = [...lacks, ...anyOf("quarantine")].join(" OR ");
  const drop = anyOf("drop").join(" OR ");
  const cases = [
    ...(quarantine === "" ? [] : [`WHEN ${quarantine} THEN ${QUARANTINE}`]),
    ...(drop === "" ? [] : [`WHEN ${drop} THEN ${DROP}`]),
  ];
  return cases.length === 0 ? String(KEEP) : `CASE ${cases.join(" ")} ELSE ${KEEP} END`;
}

/** Aggregates that count each flag, to stand in a SELECT over rows with flags. */
export function countsSql(flags: Flags): string[] {
  return flags.expectations.map((_, index) => `count(*) FILTER (${flagName(index)}) AS n${index}`);
}

/** Names of the violated expectations of a row, joined, as SQL. */
export function violatedNamesSql(flags: Flags): string {
  const names = flags.expectations.map(
    ({ name }, index) => `CASE WHEN ${flagName(index)} THEN ${quoteLiteral(name)} END`,
  );
  return names.length === 0 ? "NULL::VARCHAR" : `concat_ws(', ', ${names.join(", ")})`;
}

/** Outcomes from the counts that `countsSql` gave. */
export function outcomesOf(flags: Flags, counts: Row): TestOutcome[] {
  return flags.expectations.map(({ name, action, thresholds = {} }, index) => {
    const rows = BigInt(String(counts[`n${index}`] ?? 0));
    return { name, status: statusOf(rows, action === "fail", thresholds), rows, action };
  });
}

export function flagName(index: number): string {
  return ownColumn(`violates ${index}`);
}

/** A failure of one condition names the expectation and not the statement around it. */
export function expectationError(thrown: unknown, expectations: readonly Expectation[]): unknown {
  if (!(thrown instanceof LakeError) || thrown.code !== "sql") return thrown;
  const names = expectations.map(({ name }) => name).join(", ");
  return new LakeError("sql", `an expectation (${names}) cannot be evaluated: ${thrown.message}`, {
    hint: "an expectation is a condition over the columns that the model gives",
    cause: thrown,
  });
}

/** Binds each condition over the rows; throws naming the first that does not bind. */
export async function checkFlags(db: DuckDB, flags: Flags, rows: string): Promise<void> {
  for (const [index, expectation] of flags.expectations.entries()) {
    try {
      await db.rows(`DESCRIBE SELECT ${flags.columns[index]} FROM (${rows})`);
    } catch (thrown) {
      throw expectationError(thrown, [expectation]);
    }
  }
}

async function conditionSql(
  db: DuckDB,
  expectation: Expectation,
  runTimeMs: number,
  names: readonly string[],
): Promise<string> {
  try {
    return await expressionSql(db, expectation.sql, runTimeMs, names);
  } catch (thrown) {
    throw expectationError(thrown, [expectation]);
  }
}

/** An expression over rows with columns of these names, parsed alone. Throws `sql` for what is none. */
export async function expressionSql(
  db: DuckDB,
  sql: string,
  runTimeMs: number,
  names: readonly string[],
): Promise<string> {
  refuseOwnText(sql);
  const statement = await parseSelect(db, conditionQuery(sql));
  const items = listAt(statement.query, "select_list");
  const from = nodeAt(statement.query, "from_table");
  if (items.length !== 1 || from?.type !== "EMPTY")
    throw new LakeError("sql", "it is no condition");
  const keys = rowKeys(statement.query, () => null);
  const rows = (): RowKeys => ({ places: [], columns: names.map((name) => columnRef([name])) });
  await orderTies(db, statement.query, tiesOf(statement.query, FUNCTION_FACTS), (select) =>
    select === statement.query ? rows() : keys(select),
  );
  await pinTime(db, statement.query, runTimeMs, new Set());
  const [item] = items;
  if (typeof item === "object" && item !== null && !Array.isArray(item)) item.alias = "";
  return (await printStatement(db, statement)).slice("SELECT ".length);
}

const JSON_COLUMN = ownColumn("json");

/**
 * A SELECT of the quarantine's columns over `rows`, which have the schema's columns and the flags. The id is that of
 * the row's visible columns, so the same row keeps its id from run to run.
 */
export function rejectsSql(
  request: MaterializeRequest,
  rows: string,
  flags: Flags,
  needs: readonly Needed[],
): string {
  const values = rejectValues(request, flags, needs);
  const items = request.rejectSchema.fields.map((field) => {
    const value = values.get(field.name) ?? "NULL";
    return `CAST(${value} AS ${duckDBType(field.type)}) AS ${quoteIdentifier(field.name)}`;
  });
  const json = rowJson(request.schema.fields.filter((field) => !isHidden(field.name)));
  return `SELECT ${items.join(", ")} FROM (SELECT *, ${json} AS ${JSON_COLUMN} FROM (${rows}))`;
}

/** By the names of QUARANTINE_COLUMNS; what a model does not know stays NULL. */
function rejectValues(
  request: MaterializeRequest,
  flags: Flags,
  needs: readonly Needed[],
): ReadonlyMap<string, string> {
  const has = (name: string) => request.schema.fields.some((field) => field.name === name);
  const reason = (one: QuarantineReason) => quoteLiteral(one);
  // Names of what is NULL, or NULL.
  const lacking = (of: readonly Needed[]) => {
    const names = of.map((one) => `CASE WHEN ${one.isNull} THEN ${quoteLiteral(one.column)} END`);
    return names.length === 0 ? "NULL" : `nullif(concat_ws(', ', ${names.join(", ")}), '')`;
  };
  const noKey = lacking(needs.filter((need) => need.reason === "key"));
  const noSequence = lacking(needs.filter((need) => need.reason === "sequence"));
  const notSent = lacking(needs.filter((need) => need.reason === "unchanged"));
  const isFollowed = request.driver !== null && has("_batch") && has("_ingested_at");
  const runTime = quoteLiteral({ kind: "timestamptz", micros: BigInt(request.runTimeMs) * 1000n });
  return new Map([
    ["id", `sha256(${quoteLiteral(`${request.model}:`)} || ${JSON_COLUMN})`],
    ["source", quoteLiteral(request.model)],
    ["file", has("_source_file") ? "_source_file" : "NULL"],
    ["position", has("_row") ? "'row ' || _row" : "NULL"],
    ["column_name", lacking(needs)],
    [
      "reason",
      `CASE WHEN ${noKey} IS NOT NULL THEN ${reason("key")}
         WHEN ${noSequence} IS NOT NULL THEN ${reason("sequence")}
         WHEN ${notSent} IS NOT NULL THEN ${reason("unchanged")} ELSE ${reason("expectation")} END`,
    ],
    [
      "message",
      `concat_ws('; ', 'NULL in key ' || ${noKey}, 'NULL in sequence ' || ${noSequence},
         'under its new key nothing is known of what ' || ${notSent} || ' names',
         nullif(${violatedNamesSql(flags)}, ''))`,
    ],
    ["raw", `left(${JSON_COLUMN}, ${RAW_TEXT_CHARS_MAX})`],
    ["_batch", isFollowed ? "_batch" : quoteLiteral(request.run)],
    ["_ingested_at", isFollowed ? "_ingested_at" : runTime],
  ]);
}

/** A row as a JSON object: decimals and numbers that JSON cannot hold exactly as text. */
function rowJson(fields: readonly Field[]): string {
  const pairs = fields.map((field) => {
    const own = quoteIdentifier(field.name);
    return `${quoteLiteral(field.name)}, ${jsonValue(field.type, own)}`;
  });
  return `json_object(${pairs.join(", ")})::VARCHAR`;
}

/** The value of a column in the JSON of its row. */
export function jsonValue(type: Type, own: string): string {
  if (type.kind === "decimal") return `${own}::VARCHAR`;
  const isFloat = type.kind === "primitive" && (type.name === "double" || type.name === "float");
  if (!isFloat) return own;
  return `CASE WHEN isfinite(${own}) THEN to_json(${own}) ELSE to_json(${own}::VARCHAR) END`;
}

export interface SetAside {
  readonly rejects: Written;
  /** Recorded paths of quarantine files that the rejects replace. */
  readonly replaced: readonly string[];
  /** Rows that this run set aside. */
  readonly rows: bigint;
}

const NO_PARTITIONS = { specId: 0, fields: [] };
/** Columns that name the run, where a row has no source row to name. */
const OF_THE_RUN: ReadonlySet<string> = new Set(["_batch", "_ingested_at"]);

/**
 * Writes `fresh`, a SELECT of the quarantine's columns. With `rejectTarget` it stands in for the rows of before that
 * the replay computed again, and nothing is written when they are the same. `inScope` is the range, over rows with
 * provenance called `lake_row`.
 */
export async function setAside(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  fresh: string,
  inScope: string,
): Promise<SetAside> {
  const { rejectTarget: scan, rejectSchema: schema } = request;
  if (scan === null || scan.files.length === 0) {
    const rejects = await staging.write(fresh, "rejects", { schema, spec: NO_PARTITIONS });
    return { rejects, replaced: [], rows: rejects.rows };
  }
  const rows = await staging.keep(fresh);
  const target = { scan, schema, spec: NO_PARTITIONS };
  const old = await staging.keep(await againSql(db, request, scan, rows, inScope));
  const [counts = {}] = await db.rows(asideCountsSql(request, rows, old));
  const count = BigInt(String(counts.fresh));
  if (String(counts.different) === "0") {
    return { rejects: { files: [], rows: 0n }, replaced: [], rows: count };
  }
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_losers AS SELECT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${old})`,
  );
  const { data, replaced } = await publish(db, staging, target, rows, {
    name: "rejects",
    rewrittenRowsMax: null,
  });
  return { rejects: data, replaced, rows: count };
}

/** Rows of before that are said anew: all, or those of the range and of the keys that it touches. */
async function againSql(
  db: DuckDB,
  request: MaterializeRequest,
  scan: Scan,
  rows: string,
  inScope: string,
): Promise<string> {
  const stored = await storedSql(db, { scan, schema: request.rejectSchema, spec: NO_PARTITIONS });
  if (request.mode.kind !== "replace") return stored;
  const placed =
    `SELECT *, file AS _source_file, ` +
    `TRY_CAST(regexp_extract(position, '^row (\\d+)$', 1) AS BIGINT) AS _row FROM (${stored})`;
  const again = [
    `(${inScope})`,
    // Whatever is set aside now is not to be there twice.
    `EXISTS (SELECT 1 FROM (${rows}) AS f WHERE f.id = lake_row.id AND f._batch IS NOT DISTINCT FROM lake_row._batch
       AND f.file IS NOT DISTINCT FROM lake_row.file AND f.position IS NOT DISTINCT FROM lake_row.position)`,
    ...keyCondition(request, request.mode.key),
  ];
  return `SELECT * EXCLUDE (_source_file, _row) FROM (${placed}) AS lake_row WHERE ${again.join(" OR ")}`;
}

/** True for rows whose key is computed again; the key is in the JSON of the row, unless that was cut. */
function keyCondition(request: MaterializeRequest, key: readonly string[]): string[] {
  if (key.length === 0) return [];
  const names = new Set(key.map((name) => name.toLowerCase()));
  const fields = request.schema.fields.filter((field) => names.has(field.name.toLowerCase()));
  const stored = fields.map(({ name }) => {
    const pointer = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return `${quoteLiteral(name)}, json_extract(raw, ${quoteLiteral(pointer)})`;
  });
  const touched = fields.map(
    ({ name, type }) => `${quoteLiteral(name)}, ${jsonValue(type, quoteIdentifier(name))}`,
  );
  return [
    `(json_valid(raw) AND CASE WHEN json_valid(raw) THEN json_object(${stored.join(", ")})::VARCHAR END
       IN (SELECT json_object(${touched.join(", ")})::VARCHAR FROM ${KEYS}))`,
  ];
}

/** How many rows are set aside, and how many are so on one side only. */
function asideCountsSql(request: MaterializeRequest, rows: string, old: string): string {
  const compared = request.rejectSchema.fields.filter(
    (field) => request.driver !== null || !OF_THE_RUN.has(field.name),
  );
  const columns = columnList(compared);
  const less = (a: string, b: string) =>
    `(SELECT ${columns} FROM (${a}) EXCEPT ALL SELECT ${columns} FROM (${b}))`;
  return (
    `SELECT (SELECT count(*) FROM (${rows})) AS fresh, ` +
    `(SELECT count(*) FROM (${less(rows, old)} UNION ALL ${less(old, rows)})) AS different`
  );
}

/**
 * Runs the tests. `staged` and `kept` are SELECTs of the rows written by this run and of those that stay in the
 * table (null: none). A column that is no column of the model is LakeError `sql`.
 */
export async function runSetTests(
  db: DuckDB,
  request: MaterializeRequest,
  staged: string | null,
  kept: string | null,
): Promise<TestOutcome[]> {
  const outcomes: TestOutcome[] = [];
  for (const test of request.tests) {
    checkColumns(request, test);
    const rows = staged === null ? 0n : await violations(db, request, test, staged, kept);
    const status = statusOf(rows, test.severity === "fail", test.thresholds ?? {});
    outcomes.push({ name: testName(test), status, rows, action: test.severity });
  }
  return outcomes;
}

export function testName(test: SetTest): string {
  return test.kind === "unique"
    ? `unique(${test.columns.join(", ")})`
    : `relationships(${test.column} -> ${test.to}.${test.field})`;
}

/** Rows too many for `unique`, rows without a match for `relationships`; NULL is neither. */
async function violations(
  db: DuckDB,
  request: MaterializeRequest,
  test: SetTest,
  staged: string,
  kept: string | null,
): Promise<bigint> {
  const sql =
    test.kind === "unique"
      ? uniqueSql(test.columns, staged, kept)
      : await relationshipSql(db, request, test, staged);
  const rows = await db.rows(sql);
  return BigInt(String(rows[0]?.n ?? 0));
}

/** Kept rows count only where the run wrote their key: they were tested when they came. */
function uniqueSql(columns: readonly string[], staged: string, kept: string | null): string {
  const names = columns.map(quoteIdentifier);
  const list = names.join(", ");
  const notNull = names.map((name) => `${name} IS NOT NULL`).join(" AND ");
  const own = `SELECT ${list} FROM (${staged}) WHERE ${notNull}`;
  const others =
    kept === null
      ? ""
      : ` UNION ALL SELECT ${list} FROM (${kept}) AS k SEMI JOIN (${own}) AS s USING (${list})`;
  const groups = `SELECT count(*) AS c FROM (${own}${others}) GROUP BY ${list}`;
  return `SELECT coalesce(sum(c - 1), 0)::BIGINT AS n FROM (${groups})`;
}

async function relationshipSql(
  db: DuckDB,
  request: MaterializeRequest,
  test: SetTest & { readonly kind: "relationships" },
  staged: string,
): Promise<string> {
  const parent = request.testBindings.find((binding) => binding.ref.name === test.to);
  if (parent === undefined) {
    throw new LakeError("not-found", `the test ${testName(test)} names a table that is not there`, {
      hint: "list the tables with: tarn ls",
      context: { table: test.to },
    });
  }
  const values = await parentSql(db, request, parent, test.field);
  const column = quoteIdentifier(test.column);
  return (
    `SELECT count(*) AS n FROM (SELECT ${column} AS v FROM (${staged})) AS c ANTI JOIN (${values}) AS p ON p.v = c.v ` +
    "WHERE c.v IS NOT NULL"
  );
}

async function parentSql(
  db: DuckDB,
  request: MaterializeRequest,
  parent: Binding,
  field: string,
): Promise<string> {
  const table = quoteQualified(parent.ref.name.split("."));
  const sql = `SELECT p.${quoteIdentifier(field)} AS v FROM ${table} AS p`;
  return (await bindSelect(db, sql, [parent], { runTimeMs: request.runTimeMs })).sql;
}

function checkColumns(request: MaterializeRequest, test: SetTest): void {
  const names = test.kind === "unique" ? test.columns : [test.column];
  const known = new Set(request.schema.fields.map((field) => field.name.toLowerCase()));
  const unknown = names.find((name) => !known.has(name.toLowerCase()));
  if (unknown === undefined) return;
  throw new LakeError(
    "sql",
    `the test ${testName(test)} names ${unknown}, which ${request.model} does not give`,
    {
      hint: `columns are: ${request.schema.fields.map((field) => field.name).join(", ")}`,
      context: { model: request.model, column: unknown },
    },
  );
}
