/**
 * What changes of inputs come to, by the keys that they touch: rows of those keys are computed again from all of the
 * input's rows of the keys, or put together from the stored groups and those of the new rows alone.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { MaterializeRequest, TableRef } from "../../core/engine.ts";
import { KEYED_REMADE_ROWS, KEYED_SHARE_MAX, KEYED_SHARE_ROWS } from "../../core/limits.ts";
import { PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import { sameType } from "../../core/table/type-text.ts";
import type { Column, Field, Schema } from "../../core/table/types.ts";
import { keyedWayOf } from "../analysis/analyze.ts";
import { combinationOf } from "../analysis/combination.ts";
import { columnsOf } from "../analysis/describe.ts";
import { describedKey } from "../analysis/described-key.ts";
import type { KeyedWay } from "../analysis/keyed.ts";
import { CARRIED_COLUMNS, carryProvenance } from "../analysis/provenance.ts";
import { type BoundRef, bindSelect } from "../bind/bind.ts";
import { FILE_COLUMN, POSITION_COLUMN, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { FUNCTION_FACTS } from "../duckdb/functions.ts";
import { duckDBType } from "../duckdb/types.ts";
import {
  isNode,
  type Node,
  nodeAt,
  nodesAt,
  parseExpression,
  parseSelect,
  type Statement,
  subqueryOf,
  textAt,
} from "../syntax/ast.ts";
import { quoteIdentifier } from "../syntax/quote.ts";
import { refKey } from "../syntax/table-ref.ts";
import { KEYS, rowsOfKeys } from "./changed-rows.ts";
import { differenceSql } from "./difference.ts";
import {
  isCoarse,
  isTouchedSql,
  type Keyed,
  type KeyPart,
  keyName,
  keyParts,
  typedKey,
  withItems,
} from "./key-parts.ts";
import { LOSERS, type Published, publish } from "./publish.ts";
import {
  asUpdates,
  type Counts,
  countChanges,
  keyList,
  leaveEqualRows,
  winnersSql,
} from "./replace.ts";
import {
  type Computed,
  columnList,
  computedRows,
  type Staging,
  type StoredTable,
  storedSql,
} from "./rows.ts";
import { lookBack, timeColumn, touchedSql } from "./window-time.ts";

/** What to put in the place of which rows; or why that is not to be worked out by keys. */
export type KeyedRows =
  | {
      readonly kind: "rows";
      readonly computed: Computed;
      readonly old: string;
      /** Each of the old rows is another one now. */
      readonly isCombined: boolean;
    }
  | { readonly kind: "retreat"; readonly reason: string };

/** The rows of the keys that are touched, as they are to be; and as they are stored, with their places. */
export async function keyedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
): Promise<KeyedRows> {
  if (mode.combines) {
    const combined = await combinedRows(db, staging, request, mode);
    if (combined !== null) return combined;
  }
  if (mode.key.length === 0) return retreat("its one row is more than a sum of others");
  const touched = await touchedKeys(db, request, mode);
  if (touched.kind === "retreat") return touched;
  staging.carryInFiles();
  if (request.windows != null) {
    const { windowedRows } = await import("./windows.ts");
    const computed = await windowedRows(db, staging, request, true);
    const old = await oldRows(db, staging, request, mode, false);
    return { kind: "rows", computed, old, isCombined: false };
  }
  const computed = await computedRows(db, request, null, (statement, refs) =>
    onlyTouched(db, request, mode, statement, refs, touched.hasNull),
  );
  const isOneOfMany = touched.ways.some((way) => way.isOneOfMany);
  const keys = keyParts(mode, request);
  const sql = isOneOfMany
    ? `SELECT * FROM (${computed.sql}) AS q WHERE ${isTouchedSql(keys, touched.hasNull)}`
    : computed.sql;
  const old = await oldRows(db, staging, request, mode, touched.hasNull);
  return { kind: "rows", computed: { ...computed, sql }, old, isCombined: false };
}

/** Puts accepted rows in the place of the stored ones of their keys; equal rows are left alone. */
export async function replaceKeyed(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
  accepted: string,
  { old, isCombined }: Pick<KeyedRows & { kind: "rows" }, "old" | "isCombined">,
): Promise<Published & Counts> {
  const { schema, spec, rewrittenRowsMax } = request;
  const target: StoredTable = { scan: mode.target, schema, spec };
  const options = { name: "data", rewrittenRowsMax, remadeRowsMin: KEYED_REMADE_ROWS };
  if (isCombined) {
    await db.run(
      `CREATE OR REPLACE TEMP TABLE lake_losers AS SELECT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${old})`,
    );
    const [row] = await db.rows(
      `SELECT (SELECT count(*) FROM (${accepted})) AS now, (SELECT count(*) FROM ${LOSERS}) AS was`,
    );
    const [now, was] = [BigInt(String(row?.now)), BigInt(String(row?.was))];
    const counts = { rowsInserted: now, rowsUpdated: 0n, rowsDeleted: was };
    return { ...(await publish(db, staging, target, accepted, options)), ...asUpdates(counts) };
  }
  const { winners } = mode;
  const rows =
    winners === null ? accepted : await staging.keep(winnersSql(accepted, schema, winners));
  const added = await leaveEqualRows(db, staging, target, rows, old);
  const isMany = mode.key.length === 0 || isCoarse(mode, request) || winners?.keepsMany === true;
  const key = isMany || isOfRows(mode.key) ? [] : mode.key;
  const changes = await countChanges(db, key, added, [old]);
  const counts = isMany ? asUpdates(changes) : changes;
  return { ...(await publish(db, staging, target, added, options)), ...counts };
}

const PROVENANCE: readonly string[] = PROVENANCE_COLUMNS.map(({ name }) => name);

function isOfRows(key: readonly string[]): boolean {
  return key.some((name) => PROVENANCE.includes(name));
}

function retreat(reason: string): { readonly kind: "retreat"; readonly reason: string } {
  return { kind: "retreat", reason };
}

type Touched =
  | { readonly kind: "keys"; readonly ways: readonly KeyedWay[]; readonly hasNull: boolean }
  | { readonly kind: "retreat"; readonly reason: string };

/** Fills KEYS with the keys of what came and what left, under the types of the table. */
async function touchedKeys(db: DuckDB, request: MaterializeRequest, mode: Keyed): Promise<Touched> {
  const fields = keyParts(mode, request);
  const { windows = null } = request;
  const ways: KeyedWay[] = [];
  const parts: string[] = [];
  for (const [index, change] of mode.changes.entries()) {
    const { ref } = change;
    const schema = schemaOf(request, ref);
    const moment = windows === null ? null : timeColumn(windows, ref.name, schema.fields);
    if (moment !== null) {
      const rows = await differenceSql(db, change, schema, new Set());
      parts.push(`SELECT ${moment} AS ${quoteIdentifier(keyName(0))} FROM (${rows})`);
      continue;
    }
    for (let padded = 0, isSkipped = false; !isSkipped; padded++) {
      const bound = await bindSelect(db, request.sql, request.bindings, {
        runTimeMs: request.runTimeMs,
        orderTies: true,
        read: (other, hidden) => rowsBetween(db, request, mode, index, other, hidden),
        rewrite: async (statement, refs) => {
          const way = await keysOnly(db, request, statement, refs, ref, fields, padded);
          isSkipped = way === null;
          if (way !== null && padded === 0) ways.push(way);
        },
      });
      if (!isSkipped) parts.push(`SELECT * FROM (${bound.sql})`);
    }
  }
  const names = fields.map((part, index) => {
    return `${part.sql(typedKey(part, index))} AS ${quoteIdentifier(part.name)}`;
  });
  const all = `SELECT DISTINCT ${names.join(", ")} FROM (${parts.join(" UNION ALL ")})`;
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_feed_keys AS ${all}`);
  if (windows !== null) await lookBack(db, windows, mode.key[0] ?? "");
  return limited(db, request, mode, ways);
}

/** Keys without a value are no keys of a merge; and so many keys are as good as all. */
async function limited(
  db: DuckDB,
  request: MaterializeRequest,
  mode: Keyed,
  ways: readonly KeyedWay[],
): Promise<Touched> {
  const isNull = mode.key.map((name) => `${quoteIdentifier(name)} IS NULL`).join(" OR ");
  const [row] = await db.rows(
    `SELECT count(*) AS n, count(*) FILTER (${isNull}) AS nulls FROM ${KEYS}`,
  );
  const hasNull = Number(row?.nulls) > 0;
  const isNeeded = mode.winners !== null || isOfRows(mode.key);
  if (hasNull && isNeeded) return retreat("rows without a key changed");
  const rows = mode.target.files.reduce((sum, { file }) => sum + Number(file.recordCount), 0);
  const share = Number(row?.n) / rows;
  if (!isCoarse(mode, request) && rows > KEYED_SHARE_ROWS && share > KEYED_SHARE_MAX) {
    return retreat(`${Math.round(Math.min(1, share) * 100)} % of its keys changed`);
  }
  return { kind: "keys", ways, hasNull };
}

/**
 * The rows of one reference while the keys of the change at `index` are worked out: of the changed input what came and
 * left, of those before it what is there now, of those behind it what was there. So each difference is met once.
 */
export function rowsBetween(
  db: DuckDB,
  request: MaterializeRequest,
  mode: Keyed,
  index: number,
  ref: TableRef,
  hidden: ReadonlySet<string>,
): Promise<string> | null {
  const key = refKey(ref);
  const place = mode.changes.findIndex((change) => refKey(change.ref) === key);
  const change = mode.changes[place];
  if (change === undefined || place < index) return null;
  const schema = schemaOf(request, ref);
  if (place > index) return scanSql(db, change.before, { hidden, schema });
  return differenceSql(db, change, schema, hidden);
}

function schemaOf(request: MaterializeRequest, ref: TableRef): Schema {
  const key = refKey(ref);
  const binding = request.bindings.find((one) => refKey(one.ref) === key);
  if (binding?.kind === "scan") return binding.scan.schema;
  throw new LakeError("internal", `${ref.name} is bound to no files`);
}

/**
 * Makes the statement ask for the keys of its rows and nothing else. The bits of `padded` say at which joins on the way
 * rows are filled up with NULLs. Answers null where there are fewer joins that do so. With `isPartial` fields are left
 * out that are no keys.
 */
export async function keysOnly(
  db: DuckDB,
  request: MaterializeRequest,
  statement: Statement,
  refs: readonly BoundRef[],
  ref: TableRef,
  fields: readonly KeyPart[],
  padded: number,
  isPartial = false,
): Promise<KeyedWay | null> {
  const way = foundWay(statement, refs, ref);
  const pads = way.turns.filter(({ kind }) => kind === "pad");
  if (padded >= 2 ** pads.length) return null;
  if (isOfRows(fields.map(({ name }) => name)) && request.driver !== null)
    carryProvenance(request.driver)(statement, refs);
  const told = isPartial ? fields.filter(({ name }) => way.keys.has(name.toLowerCase())) : fields;
  const items = keyItems(statement, way, told);
  for (const turn of way.turns) {
    if (turn.kind === "ask") askPlainly(turn.condition, turn.subquery);
    else if (turn.kind === "match") turn.join.join_type = "SEMI";
    else if (padded & (1 << pads.indexOf(turn))) await padOnly(db, turn.join);
    else turn.join.join_type = "INNER";
  }
  const { query } = statement;
  const entries = [query, ...way.around.filter((one) => one !== query), way.select]
    .filter((one, index, all) => all.indexOf(one) === index)
    .flatMap((one) => nodesAt(nodeAt(one, "cte_map"), "map"));
  const names = entries.map((entry) => textAt(entry, "key").toLowerCase());
  if (new Set(names).size < names.length) {
    throw new LakeError("sql", "two parts of the query have one name");
  }
  const select: Node = {
    ...way.select,
    cte_map: { map: entries },
    select_list: items.map((item, index) => ({ ...item, alias: keyName(index) })),
    group_expressions: [],
    group_sets: [],
    aggregate_handling: "STANDARD_HANDLING",
    having: null,
    qualify: null,
    modifiers: [],
  };
  for (const key of Object.keys(query)) delete query[key];
  Object.assign(query, select);
  return way;
}

function foundWay(statement: Statement, refs: readonly BoundRef[], ref: TableRef): KeyedWay {
  const followed = keyedWayOf(statement, refs, ref);
  if (followed.kind === "found") return followed.way;
  throw new LakeError("internal", `changes of ${ref.name} cannot be followed by keys`);
}

/** The key columns as expressions over the FROM of the way's SELECT. */
function keyItems(statement: Statement, way: KeyedWay, fields: readonly KeyPart[]): Node[] {
  const carried = isOfRows(fields.map(({ name }) => name)) ? carriedItems(statement) : null;
  return fields.map(({ name }) => {
    const item = carried?.get(name) ?? way.keys.get(name.toLowerCase());
    return must(item, "a key is an expression over the rows of its input");
  });
}

/** The columns that say which of the driver's rows a row comes from, as the outermost FROM has them. */
function carriedItems({ query }: Statement): ReadonlyMap<string, Node> {
  const items = nodesAt(query, "select_list");
  const found = PROVENANCE.map((name, index) => {
    const item = items.find((one) => textAt(one, "alias") === CARRIED_COLUMNS[index]);
    return [name, must(item, "rows carry where they come from")] as const;
  });
  return new Map(found);
}

/** Makes a condition ask whether the subquery answers at all. */
function askPlainly(condition: Node, subquery: Node): void {
  if (condition === subquery) return;
  for (const key of Object.keys(condition)) delete condition[key];
  Object.assign(condition, subquery);
}

/** The rows of the left side that match, with NULLs for the right side's columns. */
async function padOnly(db: DuckDB, join: Node): Promise<void> {
  const [left, right] = [join.left ?? null, must(nodeAt(join, "right"), "a join has a right side")];
  const matching: Node = { ...join, join_type: "SEMI", left, right };
  join.left = matching;
  join.right = await emptied(db, right);
}

/** A table reference without a row, under the same name. */
async function emptied(db: DuckDB, source: Node): Promise<Node> {
  const statement = await parseSelect(db, "FROM (SELECT * FROM lake_part WHERE FALSE)");
  const found = must(nodeAt(statement.query, "from_table"), "a FROM has a table");
  const inner = must(subqueryOf(found), "a subquery has a query");
  inner.from_table = source;
  found.alias = textAt(source, "alias") || textAt(source, "table_name");
  return found;
}

/** Leaves of the rows that each changed input comes into only those of KEYS. */
async function onlyTouched(
  db: DuckDB,
  request: MaterializeRequest,
  mode: Keyed,
  statement: Statement,
  refs: readonly BoundRef[],
  hasNull: boolean,
): Promise<void> {
  const fields = keyParts(mode, request);
  const done = new Set<Node>();
  for (const { ref } of mode.changes) {
    const way = foundWay(statement, refs, ref);
    if (done.has(way.select)) continue;
    done.add(way.select);
    const items = keyItems(statement, way, fields);
    const condition = await parseExpression(
      db,
      isTouchedSql(fields, hasNull, fields.map(typedKey)),
    );
    const filled = withItems(condition, items);
    const { where_clause: where } = way.select;
    way.select.where_clause = isNode(where)
      ? {
          class: "CONJUNCTION",
          type: "CONJUNCTION_AND",
          alias: "",
          query_location: 0,
          children: [where, filled],
        }
      : filled;
  }
}

/** The stored rows of KEYS, with their places, kept once. */
async function oldRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
  hasNull: boolean,
): Promise<string> {
  const target: StoredTable = { scan: mode.target, schema: request.schema, spec: request.spec };
  const fields = keyParts(mode, request);
  if (fields.length === 0) return staging.keepPlaced(await storedSql(db, target));
  if (request.windows != null) {
    const [name = ""] = fields.map((one) => one.name);
    const isTouched = await touchedSql(db, request.windows, name);
    const stored = await storedSql(db, target);
    return staging.keepPlaced(
      `SELECT t.* FROM (${stored}) AS t WHERE ${isTouched(quoteIdentifier(name))}`,
    );
  }
  if (hasNull || isCoarse(mode, request)) {
    const stored = await storedSql(db, target);
    return staging.keepPlaced(
      `SELECT t.* FROM (${stored}) AS t WHERE ${isTouchedSql(fields, hasNull)}`,
    );
  }
  const { keyIndexes: indexes, rewrittenRowsMax: indexedRowsMin } = request;
  const key = fields.map(({ name }) => name);
  const wanted = { target, key, indexes, indexedRowsMin, staging };
  const what = `${columnList(target.schema.fields)}, ${FILE_COLUMN}, ${POSITION_COLUMN}`;
  return staging.keepPlaced(await rowsOfKeys(db, wanted, what, "TRUE", false));
}

/** Groups of the added rows put together with the stored ones; null where results alone do not say enough. */
async function combinedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
): Promise<KeyedRows | null> {
  const [change] = mode.changes;
  if (change === undefined) return null;
  let by = new Map<string, string | null>();
  let isCounted = false;
  const bound = await bindSelect(db, request.sql, request.bindings, {
    runTimeMs: request.runTimeMs,
    orderTies: true,
    read: (ref, hidden) =>
      refKey(ref) === refKey(change.ref)
        ? scanSql(db, change.added, { hidden, schema: schemaOf(request, ref) })
        : null,
    rewrite: (statement) => {
      const combined = combinationOf(statement.query, FUNCTION_FACTS) ?? [];
      by = new Map(combined.map(({ name, by: how }) => [name.toLowerCase(), how]));
      isCounted = combined.some(({ plain }) => isCountOfAll(plain));
      const items = combined.map(({ name, plain }) => ({ ...plain, alias: name }));
      statement.query.select_list = items;
    },
  });
  const { fields } = request.schema;
  const given = await combinedColumns(db, request, bound.sql);
  const typeByName = new Map(given.map(({ name, type }) => [name.toLowerCase(), type]));
  const isAdded = fields.every(({ name, type }) => {
    const how = by.get(name.toLowerCase());
    const own = typeByName.get(name.toLowerCase());
    if (how === undefined || own === undefined) return false;
    return how === null || (how === "sum" ? sumsExactly(own, type) : isAsStored(how, own, type));
  });
  if (!isAdded || given.length !== fields.length) return null;
  const typed = fields.map(({ name, type }) => {
    return `CAST(${quoteIdentifier(name)} AS ${duckDBType(type)}) AS ${quoteIdentifier(name)}`;
  });
  let fresh: string;
  try {
    fresh = await staging.keep(`SELECT ${typed.join(", ")} FROM (${bound.sql})`);
  } catch (thrown) {
    throw bound.locate(thrown);
  }
  const keys = keyParts(mode, request);
  let hasNull = false;
  if (keys.length > 0) {
    await db.run(
      `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS SELECT DISTINCT ${keyList(mode.key)} FROM (${fresh})`,
    );
    const touched = await limited(db, request, mode, []);
    if (touched.kind === "retreat") return touched;
    hasNull = touched.hasNull;
  }
  const old = await oldRows(db, staging, request, mode, hasNull);
  const columns = columnList(fields);
  const items = fields.map(({ name, type }) => {
    const column = quoteIdentifier(name);
    const how = by.get(name.toLowerCase()) ?? null;
    return how === null ? column : `CAST(${how}(${column}) AS ${duckDBType(type)}) AS ${column}`;
  });
  const groups = fields
    .filter(({ name }) => (by.get(name.toLowerCase()) ?? null) === null)
    .map(({ name }) => quoteIdentifier(name));
  const both = `SELECT ${columns} FROM (${old}) UNION ALL SELECT ${columns} FROM (${fresh})`;
  const grouping = groups.length === 0 ? "" : ` GROUP BY ${groups.join(", ")}`;
  const sql = `SELECT ${items.join(", ")} FROM (${both})${grouping}`;
  const computed = { sql, locate: (thrown: unknown) => thrown };
  return { kind: "rows", computed, old, isCombined: isCounted };
}

/** A row more is another count, whatever it holds. */
function isCountOfAll(call: Node): boolean {
  return textAt(call, "function_name").toLowerCase() === "count_star" && !isNode(call.filter);
}

/** Columns of queries whose sums have no casts around them, by what they depend on. */
const COMBINED = new Map<string, readonly Column[]>();
const COMBINED_MAX = 1_000;

async function combinedColumns(
  db: DuckDB,
  request: MaterializeRequest,
  sql: string,
): Promise<readonly Column[]> {
  const key = describedKey(request);
  const known = COMBINED.get(key);
  if (known !== undefined) return known;
  const columns = await comparableColumns(db, sql);
  if (COMBINED.size >= COMBINED_MAX) COMBINED.clear();
  COMBINED.set(key, columns);
  return columns;
}

/** None where a type is none of a table's, or is compared by another order than its texts. */
async function comparableColumns(db: DuckDB, sql: string): Promise<readonly Column[]> {
  const types = await db.rows(`SELECT column_type FROM (DESCRIBE ${sql})`);
  if (types.some(({ column_type: type }) => String(type).includes("ENUM("))) return [];
  try {
    return await columnsOf(db, sql);
  } catch (thrown) {
    if (thrown instanceof LakeError && thrown.code === "schema") return [];
    throw thrown;
  }
}

/** Whether what is stored of a least or a greatest value, or of bits, is in the order, and the bits, that it is of. */
function isAsStored(how: string, own: Field["type"], stored: Field["type"]): boolean {
  if (!sameType(own, stored) && !sumsExactly(own, stored)) return false;
  return (
    !how.startsWith("bit_") || (own.kind === "primitive" && ["int", "long"].includes(own.name))
  );
}

/** Whether sums of a type, kept as the table's type, lose nothing that a sum over all would have. */
function sumsExactly(own: Field["type"], stored: Field["type"]): boolean {
  if (stored.kind === "primitive" && stored.name === "double") {
    return own.kind === "primitive" && own.name === "double";
  }
  const scaleOf = (type: Field["type"]): number | null => {
    if (type.kind === "decimal") return type.scale;
    return type.kind === "primitive" && (type.name === "int" || type.name === "long") ? 0 : null;
  };
  const [from, to] = [scaleOf(own), scaleOf(stored)];
  return from !== null && to !== null && from <= to;
}
