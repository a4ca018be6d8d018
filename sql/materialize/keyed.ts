/**
 * What changes of inputs come to, by the keys that they touch: rows of those keys are computed again from all of the
 * input's rows of the keys, or put together from the stored groups and those of the new rows alone.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { MaterializeRequest, TableRef } from "../../core/engine.ts";
import { KEYED_REMADE_ROWS } from "../../core/limits.ts";
import type { Schema } from "../../core/table/types.ts";
import { keyedWayOf } from "../analysis/analyze.ts";
import type { KeyedWay } from "../analysis/keyed.ts";
import { CARRIED_COLUMNS, carryProvenance } from "../analysis/provenance.ts";
import { type BoundRef, bindSelect } from "../bind/bind.ts";
import { FILE_COLUMN, POSITION_COLUMN, scanSql } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
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
import { type CombinedRows, combinedRows } from "./combined.ts";
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
import { asUpdates, type Counts, countChanges, leaveEqualRows, winnersSql } from "./replace.ts";
import { computedRows, type Staging, type StoredTable } from "./rows.ts";
import { boundRows } from "./size.ts";
import {
  isOfRows,
  type KeyedRows,
  limited,
  oldRows,
  PROVENANCE,
  type Retreat,
  retreat,
} from "./stored-keys.ts";
import { lookBack, timeColumn } from "./window-time.ts";

/** The rows of the keys that are touched, as they are to be; and as they are stored, with their places. */
export async function keyedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
): Promise<KeyedRows> {
  const combined = mode.combines ? await combinedRows(db, staging, request, mode) : null;
  if (combined !== null && combined.kind !== "ties") return combined;
  staging.readMore(boundRows(request.bindings));
  if (combined !== null) return tiedRows(db, staging, request, mode, combined);
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

/** Rows put together, and those of the keys that are in KEYS from all of the inputs' rows of them. */
async function tiedRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Keyed,
  { others, old, hasNull }: CombinedRows & { kind: "ties" },
): Promise<KeyedRows> {
  staging.carryInFiles();
  const computed = await computedRows(db, request, null, (statement, refs) =>
    onlyTouched(db, request, mode, statement, refs, hasNull),
  );
  const sql = `SELECT * FROM (${computed.sql}) UNION ALL SELECT * FROM (${others})`;
  return { kind: "rows", computed: { ...computed, sql }, old, isCombined: false };
}

type Touched =
  | { readonly kind: "keys"; readonly ways: readonly KeyedWay[]; readonly hasNull: boolean }
  | Retreat;

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
  const bounds = await limited(db, request, mode);
  return bounds.kind === "keys" ? { ...bounds, ways } : bounds;
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
