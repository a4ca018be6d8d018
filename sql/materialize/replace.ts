/** What a run puts in the place of rows: by key, or for a replay of a range what its rows contribute to. */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type {
  MaterializeMode,
  MaterializeRequest,
  RangeScope,
  TableRef,
  Winners,
} from "../../core/engine.ts";
import { isHidden } from "../../core/table/system-columns.ts";
import type { Scan, Schema } from "../../core/table/types.ts";
import { scopeSql } from "../bind/range.ts";
import { ALL_HIDDEN, FILE_COLUMN, POSITION_COLUMN, scanSql } from "../bind/scan.ts";
import { whereUneven } from "../diff/hashes.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn, quoteIdentifier } from "../syntax/quote.ts";
import { refKey } from "../syntax/table-ref.ts";
import { LOSERS, NO_FILES, type Published, publish } from "./publish.ts";
import {
  type Computed,
  columnList,
  computedRows,
  PLACE_COLUMN,
  type Staging,
  type StoredTable,
  storedSql,
} from "./rows.ts";

export interface Counts {
  readonly rowsInserted: bigint;
  readonly rowsUpdated: bigint;
  readonly rowsDeleted: bigint;
}

type Merge = MaterializeMode & { readonly kind: "merge" };

const WINNERS = "temp.lake_winners";
/** How a row stands among those of its key, and whether the table had the key before. */
const RANK = ownColumn("rank");
const KNOWN = ownColumn("known");
const DELIVERY_COLUMNS = ["_batch", "_source_file"] as const;
const ORDER_COLUMNS = [...DELIVERY_COLUMNS, "_row"] as const;

/** Merges accepted rows (a SELECT of the schema's columns, keys not NULL) into the target. */
export async function merge(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Merge,
  accepted: string,
): Promise<Published & Counts> {
  const { schema, spec } = request;
  const target: StoredTable = { scan: mode.target, schema, spec };
  const best = winnersSql(accepted, schema, mode);
  if (mode.target.files.length === 0) {
    const data = await staging.write(best, "data", target);
    const none = { deletes: NO_FILES, replaced: [], rowsUpdated: 0n, rowsDeleted: 0n };
    return { data, ...none, rowsInserted: data.rows };
  }
  const incoming = await staging.keep(best);
  await rankAgainstStored(db, target, mode, incoming);
  const keys = keyList(mode.key);
  const columns = columnList(schema.fields, "i");
  const added = `SELECT ${columns} FROM (${incoming}) AS i SEMI JOIN ${WINNERS} AS w USING (${keys})`;
  const { rewrittenRowsMax } = request;
  const published = await publish(db, staging, target, added, {
    name: "data",
    rewrittenRowsMax,
    ...(mode.keepsMany === true ? {} : { key: mode.key }),
  });
  if (mode.keepsMany === true) return { ...published, ...(await countRows(db, added)) };
  const [counts] = await db.rows(
    `SELECT count(*) FILTER (NOT ${KNOWN}) AS inserted, count(*) FILTER (${KNOWN}) AS updated FROM ${WINNERS}`,
  );
  return {
    ...published,
    rowsInserted: BigInt(String(counts?.inserted)),
    rowsUpdated: BigInt(String(counts?.updated)),
    rowsDeleted: 0n,
  };
}

/** The rows that are added and LOSERS: as far as they go, one stands in the place of one. */
async function countRows(db: DuckDB, added: string): Promise<Counts> {
  const [row] = await db.rows(
    `SELECT (SELECT count(*) FROM (${added})) AS added, (SELECT count(*) FROM ${LOSERS}) AS removed`,
  );
  const [rowsInserted, rowsDeleted] = [BigInt(String(row?.added)), BigInt(String(row?.removed))];
  return asUpdates({ rowsInserted, rowsUpdated: 0n, rowsDeleted });
}

/** A row of a key that was there is another row, and no row more and one less. */
export function asUpdates({ rowsInserted, rowsUpdated, rowsDeleted }: Counts): Counts {
  const both = rowsInserted < rowsDeleted ? rowsInserted : rowsDeleted;
  return {
    rowsInserted: rowsInserted - both,
    rowsUpdated: rowsUpdated + both,
    rowsDeleted: rowsDeleted - both,
  };
}

/** The winning row, or rows, of every key. */
export function winnersSql(rows: string, schema: Schema, mode: Winners): string {
  const newest = newestSql(rows, schema, mode);
  const { deletedWhen = null } = mode;
  return deletedWhen === null
    ? newest
    : `SELECT * FROM (${newest}) WHERE (${deletedWhen}) IS NOT TRUE`;
}

function newestSql(rows: string, schema: Schema, mode: Winners): string {
  const columns = columnList(schema.fields);
  const keys = keyList(mode.key);
  if (mode.keepsMany === true) {
    const order = deliverySql(schema, mode.latestBy);
    if (order === null) return `SELECT ${columns} FROM (${rows})`;
    return `SELECT ${columns} FROM (${rows}) QUALIFY rank() OVER (PARTITION BY ${keys} ORDER BY ${order}) = 1`;
  }
  return (
    `SELECT ${columns} FROM (${rows}) QUALIFY ` +
    `row_number() OVER (PARTITION BY ${keys} ORDER BY ${orderSql(schema, mode.latestBy)}) = 1`
  );
}

/** What rows that came together have in common, the newest first; null where nothing says what is newer. */
function deliverySql(schema: Schema, latestBy: readonly string[]): string | null {
  const has = (name: string) => schema.fields.some((field) => field.name === name);
  const names = latestBy.length > 0 ? latestBy : DELIVERY_COLUMNS.filter(has);
  if (names.length === 0) return null;
  return names.map((name) => `${quoteIdentifier(name)} DESC NULLS LAST`).join(", ");
}

export function keyList(key: readonly string[]): string {
  return key.map(quoteIdentifier).join(", ");
}

/** The greatest first, NULL lowest. The row as a whole decides between rows of one source row. */
function orderSql(schema: Schema, latestBy: readonly string[]): string {
  const has = (name: string) => schema.fields.some((field) => field.name === name);
  const order = [...latestBy, ...ORDER_COLUMNS.filter(has)].map(
    (name) => `${quoteIdentifier(name)} DESC NULLS LAST`,
  );
  return [...order, `${rowSql(schema)} DESC`].join(", ");
}

/** The visible columns as one comparable value. */
function rowSql(schema: Schema): string {
  return `row(${columnList(schema.fields.filter((field) => !isHidden(field.name)))})`;
}

/** Fills LOSERS with stored rows that are beaten and WINNERS with the keys of incoming rows that win. */
async function rankAgainstStored(
  db: DuckDB,
  target: StoredTable,
  mode: Merge,
  incoming: string,
): Promise<void> {
  const keys = keyList(mode.key);
  const columns = columnList(target.schema.fields);
  const stored = await storedSql(db, target);
  // Rows that came together stay together, wherever they stand.
  const rank =
    mode.keepsMany === true
      ? `rank() OVER (PARTITION BY ${keys} ORDER BY ${deliverySql(target.schema, mode.latestBy) ?? "NULL"})`
      : `row_number() OVER (PARTITION BY ${keys} ORDER BY ${orderSql(target.schema, mode.latestBy)},
         ${FILE_COLUMN} NULLS LAST, ${POSITION_COLUMN})`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_ranked AS
     SELECT ${keys}, ${FILE_COLUMN}, ${POSITION_COLUMN}, ${rank} AS ${RANK},
       count(${FILE_COLUMN}) OVER (PARTITION BY ${keys}) > 0 AS ${KNOWN}
     FROM (
       SELECT ${columns}, NULL::VARCHAR AS ${FILE_COLUMN}, NULL::BIGINT AS ${POSITION_COLUMN} FROM (${incoming})
       UNION ALL
       SELECT ${columns}, ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${stored}) SEMI JOIN (${incoming}) USING (${keys}))`,
  );
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_losers AS SELECT ${FILE_COLUMN}, ${POSITION_COLUMN}
     FROM temp.lake_ranked WHERE ${RANK} > 1 AND ${FILE_COLUMN} IS NOT NULL`,
  );
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_winners AS SELECT DISTINCT ${keys}, ${KNOWN}
     FROM temp.lake_ranked WHERE ${RANK} = 1 AND ${FILE_COLUMN} IS NULL`,
  );
}

type Replace = MaterializeMode & { readonly kind: "replace" };

export interface Recomputed {
  readonly computed: Computed;
  /** A condition over rows with provenance, called `lake_row`: true for those whose source row is in the range. */
  readonly inScope: string;
}

const INGESTED = "_ingested_at";
const PLACE = ["_batch", "_source_file", "_row"] as const;
/** Temporary tables: source rows of the range, keys that it touches. */
const SCOPE = "temp.lake_scope";
export const KEYS = "temp.lake_keys";
const SIDE = ownColumn("side");
const OURS = ownColumn("ours");
const THEIRS = ownColumn("theirs");
const COPY = ownColumn("copy");
/** Temporary table: rows that one side has more often, with how often and the place of an old one. */
const UNEVEN = "temp.lake_uneven";

/**
 * The rows to compute again: those of the range, or with a key all rows of every key that the range touches now or
 * touched before. Throws `unsupported` for a model whose rows do not carry their source.
 */
export async function scopedRows(
  db: DuckDB,
  request: MaterializeRequest,
  mode: Replace,
): Promise<Recomputed> {
  const driver = request.driver;
  if (driver === null) {
    throw new LakeError(
      "unsupported",
      `rows of ${request.model} do not carry the source rows they came from`,
      {
        hint: `replay it whole: tarn replay ${request.model}`,
        context: { model: request.model },
      },
    );
  }
  const inScope = await prepareScope(db, request, mode.scope, driver);
  const inRange = await computedRows(db, request, limitTo(driver, inScope));
  if (mode.key.length === 0) return { computed: inRange, inScope };
  const target: StoredTable = { scan: mode.target, schema: request.schema, spec: request.spec };
  await findKeys(db, mode, target, inRange, inScope);
  const all = await computedRows(db, request);
  const keys = keyList(mode.key);
  const noKey = mode.key.map((key) => `${quoteIdentifier(key)} IS NULL`).join(" OR ");
  const touched =
    `SELECT ${columnList(request.schema.fields, "q")} FROM (${all.sql}) AS q SEMI JOIN ${KEYS} AS k USING (${keys}) ` +
    `UNION ALL SELECT ${columnList(request.schema.fields)} FROM (${inRange.sql}) WHERE ${noKey}`;
  return { computed: { sql: touched, locate: all.locate }, inScope };
}

/** Puts accepted rows in the place of the stored ones that they stand for; equal rows are left alone. */
export async function replaceRows(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  mode: Replace,
  accepted: string,
  { inScope }: Recomputed,
): Promise<Published & Counts> {
  const target: StoredTable = { scan: mode.target, schema: request.schema, spec: request.spec };
  const isKeyed = mode.key.length > 0;
  const rows = await staging.keep(isKeyed ? winnersSql(accepted, request.schema, mode) : accepted);
  const stored = await storedSql(db, target);
  const old = await staging.keepPlaced(
    isKeyed
      ? `SELECT t.* FROM (${stored}) AS t SEMI JOIN ${KEYS} AS k USING (${keyList(mode.key)})`
      : `SELECT * FROM (${stored}) AS lake_row WHERE ${inScope}`,
  );
  const added = await leaveEqualRows(db, staging, target, rows, old);
  const counts = await countChanges(db, mode.key, added, [old]);
  return { ...(await publish(db, staging, target, added)), ...counts };
}

/** Answers the condition, over rows with provenance, that their source row is in the range. */
async function prepareScope(
  db: DuckDB,
  request: MaterializeRequest,
  scope: RangeScope,
  driver: TableRef,
): Promise<string> {
  const scan = driverScan(request, driver);
  const column = scan.schema.fields.find((field) => sameName(field.name, scope.column));
  const within = scopeSql(scope, scan.schema, driver.name);
  // One batch has one such instant, so it says for stored rows too where they came from.
  if (column?.name === INGESTED) return within;
  await collectScope(db, scan, driver, within);
  const same = PLACE.map((name) => `s.${name} IS NOT DISTINCT FROM lake_row.${name}`);
  return `EXISTS (SELECT 1 FROM ${SCOPE} AS s WHERE ${same.join(" AND ")})`;
}

/** Source rows are told apart by their places; without one a part of a file cannot be replayed alone. */
async function collectScope(
  db: DuckDB,
  scan: Scan,
  driver: TableRef,
  within: string,
): Promise<void> {
  const rows = await scanSql(db, scan, { hidden: ALL_HIDDEN });
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_scope AS SELECT DISTINCT ${PLACE.join(", ")} FROM (${rows}) WHERE ${within}`,
  );
  const [lost] = await db.rows(`SELECT count(*) AS n FROM ${SCOPE} WHERE _row IS NULL`);
  if (String(lost?.n) === "0") return;
  throw new LakeError(
    "unsupported",
    `rows of ${driver.name} have lost their places in their files`,
    {
      hint: "replay by _ingested_at instead, or replay everything: another writer has rewritten the table",
      context: { table: driver.name },
    },
  );
}

function limitTo(driver: TableRef, condition: string): (ref: TableRef, sql: string) => string {
  const key = refKey(driver);
  return (ref, sql) =>
    refKey(ref) === key ? `SELECT * FROM (${sql}) AS lake_row WHERE ${condition}` : sql;
}

async function findKeys(
  db: DuckDB,
  mode: Replace,
  target: StoredTable,
  inRange: Computed,
  inScope: string,
): Promise<void> {
  const keys = keyList(mode.key);
  const notNull = mode.key.map((key) => `${quoteIdentifier(key)} IS NOT NULL`).join(" AND ");
  const stored = await storedSql(db, target);
  try {
    await db.run(
      `CREATE OR REPLACE TEMP TABLE lake_keys AS
       SELECT ${keys} FROM (${inRange.sql}) WHERE ${notNull}
       UNION SELECT ${keys} FROM (${stored}) AS lake_row WHERE ${inScope}`,
    );
  } catch (thrown) {
    throw inRange.locate(thrown);
  }
}

/**
 * Pairs equal rows of the new and the old, copy by copy. Fills LOSERS with the places of the old ones that found no
 * equal, and answers a SELECT of the new ones that found none.
 */
export async function leaveEqualRows(
  db: DuckDB,
  staging: Staging,
  target: StoredTable,
  rows: string,
  old: string,
): Promise<string> {
  const names = target.schema.fields.map((field) => quoteIdentifier(field.name));
  const columns = names.join(", ");
  const valued = target.schema.fields.map(({ name, type }) => ({
    sql: quoteIdentifier(name),
    type,
  }));
  const where = await whereUneven(db, { ours: rows, theirs: old, columns: valued });
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_uneven AS
     SELECT ${columns}, count(*) FILTER (${SIDE} > 0) AS ${OURS},
       count(*) FILTER (${SIDE} < 0) AS ${THEIRS}, max(${PLACE_COLUMN}) AS ${PLACE_COLUMN}
     FROM (SELECT ${columns}, 1 AS ${SIDE}, NULL::BIGINT AS ${PLACE_COLUMN} FROM (${rows}) WHERE ${where}
       UNION ALL SELECT ${columns}, -1, ${PLACE_COLUMN} FROM (${old}) WHERE ${where})
     GROUP BY ${columns} HAVING ${OURS} <> ${THEIRS}`,
  );
  const places = `${FILE_COLUMN}, ${POSITION_COLUMN}`;
  const single = `SELECT ${PLACE_COLUMN} FROM ${UNEVEN} WHERE ${THEIRS} = 1 AND ${OURS} = 0`;
  // Of equal copies the last ones leave.
  const same = names.map((name) => `u.${name} IS NOT DISTINCT FROM o.${name}`).join(" AND ");
  const copies = `SELECT ${places} FROM (SELECT o.${FILE_COLUMN}, o.${POSITION_COLUMN}, u.${OURS}, row_number() OVER (
       PARTITION BY u.${PLACE_COLUMN} ORDER BY o.${FILE_COLUMN}, o.${POSITION_COLUMN}) AS ${COPY}
     FROM (${old}) AS o JOIN (SELECT * FROM ${UNEVEN} WHERE ${THEIRS} > 1 AND ${THEIRS} > ${OURS}) AS u
       ON ${same}) WHERE ${COPY} > ${OURS}`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_losers AS
     SELECT ${places} FROM (${old}) AS o SEMI JOIN (${single}) AS u USING (${PLACE_COLUMN}) UNION ALL ${copies}`,
  );
  return staging.keep(
    `SELECT ${columns} FROM (SELECT *, unnest(range(${OURS} - ${THEIRS})) FROM ${UNEVEN}
     WHERE ${OURS} > ${THEIRS})`,
  );
}

/** How many rows and keys the added rows and LOSERS, which are places in the rows of `olds`, come to. */
export async function countChanges(
  db: DuckDB,
  key: readonly string[],
  added: string,
  olds: readonly string[],
): Promise<Counts> {
  const keys = keyList(key);
  const what = key.length === 0 ? "*" : keys;
  const removed = olds
    .map(
      (old) =>
        `SELECT ${what} FROM (${old}) SEMI JOIN ${LOSERS} USING (${FILE_COLUMN}, ${POSITION_COLUMN})`,
    )
    .join(" UNION ALL ");
  const both =
    key.length === 0
      ? "0"
      : `(SELECT count(*) FROM (SELECT ${keys} FROM (${added}) INTERSECT (${removed})))`;
  const [row] = await db.rows(
    `SELECT (SELECT count(*) FROM (${added})) AS added,
       (SELECT count(*) FROM ${LOSERS}) AS removed, ${both} AS updated`,
  );
  const count = (name: string) => BigInt(String(row?.[name] ?? 0));
  const updated = count("updated");
  return {
    rowsInserted: count("added") - updated,
    rowsUpdated: updated,
    rowsDeleted: count("removed") - updated,
  };
}

function driverScan(request: MaterializeRequest, driver: TableRef): Scan {
  const key = refKey(driver);
  const binding = must(
    request.bindings.find((candidate) => refKey(candidate.ref) === key),
    "the driver of a run is one of its bindings",
  );
  if (binding.kind === "scan") return binding.scan;
  throw new LakeError("unsupported", `${driver.name} is a view, whose rows have no places`, {
    hint: "make the view a table (kind: full), or replay everything",
    context: { table: driver.name },
  });
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
