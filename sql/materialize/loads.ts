/**
 * Full loads applied to their table of versions: what a key comes to follows from what each load has of it, in the
 * order of the loads. Loads that are later than all that were seen go on from the versions that hold; else all are read
 * again.
 */

import { must } from "../../core/base/assert.ts";
import type { MaterializeRequest } from "../../core/engine.ts";
import {
  DELETED_COLUMN,
  END_COLUMN,
  type FullLoads,
  START_COLUMN,
  trackedColumns,
} from "../../core/model/feed.ts";
import { isHidden, PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn, quoteIdentifier } from "../syntax/quote.ts";
import {
  type Applied,
  type Feed,
  feedRows,
  greatestSequence,
  landedNames,
  lateSql,
  partNames,
  storedColumns,
} from "./cdc.ts";
import { NO_FILES, publish } from "./publish.ts";
import { countChanges, keyList, leaveEqualRows } from "./replace.ts";
import { columnList, type Staging, type StoredTable, storedSql } from "./rows.ts";

/** 0 for versions that are stored, 1 for rows of loads. */
const STAGE = ownColumn("stage");
/** The number of a load from 1, of the one before and behind it that has the key, and of the last. */
const LOAD = ownColumn("load");
const BEFORE = ownColumn("before");
const BEHIND = ownColumn("behind");
/** Where a stored version began; when a version that the row begins does. */
const STORED_START = ownColumn("stored start");
const STARTS = ownColumn("starts");
/** The key was not in the load before; the row begins a version; which one of its key; when the key was gone. */
const COMES = ownColumn("comes");
const STAY = ownColumn("stay");
const BEGINS = ownColumn("begins");
const VERSION = ownColumn("version");
const GONE = ownColumn("gone");
const LOADS = "temp.lake_loads";
const START = quoteIdentifier(START_COLUMN);
const END = quoteIdentifier(END_COLUMN);
const NEXT = ownColumn("next");

/** Applies accepted rows of loads, as `applyFeed` does changes. */
export async function applyLoads(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  feed: Feed,
  accepted: string,
  accept: (rows: string) => string,
): Promise<Applied> {
  const { schema, spec, rewrittenRowsMax } = request;
  const target: StoredTable = { scan: feed.target, schema, spec };
  const sequence = await greatestSequence(db, feed, accepted);
  if (feed.history === null) {
    const data = await staging.write(
      await versionsSql(db, request, feed, accepted, null),
      "data",
      target,
    );
    const none = { deletes: NO_FILES, replaced: [], rowsUpdated: 0n, rowsDeleted: 0n };
    return { data, ...none, rowsInserted: data.rows, sequence };
  }
  const stored = await storedSql(db, target);
  const isAgain = await readsAgain(db, feed, accepted, stored);
  const old = await staging.keepPlaced(
    isAgain ? stored : `SELECT * FROM (${stored}) WHERE ${END} IS NULL`,
  );
  let versions: string;
  if (isAgain) {
    const all = await feedRows(db, request, feed, feed.history);
    const rows = await staging.keep(accept(all.sql));
    versions = await versionsSql(db, request, feed, rows, null);
  } else versions = await versionsSql(db, request, feed, accepted, old);
  const rows = await staging.keep(versions);
  const added = await leaveEqualRows(db, staging, target, rows, old);
  const counts = await countChanges(db, feed.key, added, [old]);
  const published = await publish(db, staging, target, added, { name: "data", rewrittenRowsMax });
  return { ...published, ...counts, sequence };
}

/** True when versions that have ended say something of what comes now. */
async function readsAgain(
  db: DuckDB,
  feed: Feed,
  accepted: string,
  stored: string,
): Promise<boolean> {
  const { updatedAt, hardDeletes } = loadsOf(feed);
  if (hardDeletes === "new_record") return true;
  const late = `SELECT count(*) AS n FROM (${accepted}) WHERE ${lateSql(feed)}`;
  const [row] = await db.rows(late);
  if (String(row?.n) !== "0") return true;
  if (updatedAt === null || hardDeletes === "ignore") return false;
  // One that comes again begins behind its last version, whatever it says.
  const keys = keyList(feed.key);
  const open = `(SELECT * FROM (${stored}) WHERE ${END} IS NULL)`;
  const [back] = await db.rows(
    `SELECT count(*) AS n FROM (SELECT ${keys} FROM (${accepted}) ANTI JOIN ${open} USING (${keys}))
     SEMI JOIN (${stored}) USING (${keys})`,
  );
  return String(back?.n) !== "0";
}

/** Versions of rows of loads; with `open`, of what follows the stored versions that hold. */
async function versionsSql(
  db: DuckDB,
  request: MaterializeRequest,
  feed: Feed,
  loads: string,
  open: string | null,
): Promise<string> {
  const rows = await numberedSql(db, request, feed, loads, open);
  const keys = keyList(feed.key);
  const { updatedAt, hardDeletes } = loadsOf(feed);
  const places = `PARTITION BY ${keys} ORDER BY ${LOAD}`;
  const goesOn = hardDeletes === "ignore";
  const soFar = `OVER (${places} ROWS UNBOUNDED PRECEDING)`;
  const times = (condition: string) => `sum(CASE WHEN ${condition} THEN 1 ELSE 0 END) ${soFar}`;
  const around =
    `SELECT *, lag(${LOAD}) OVER w AS ${BEFORE}, lead(${LOAD}) OVER w AS ${BEHIND} ` +
    `FROM (${rows}) WINDOW w AS (${places})`;
  const comes = `${BEFORE} IS NULL${goesOn ? "" : ` OR ${BEFORE} < ${LOAD} - 1`}`;
  const known = `SELECT *, (${comes}) AS ${COMES} FROM (${around})`;
  const moment = (load: string) => `(SELECT moment FROM ${LOADS} AS l WHERE l.nth = ${load})`;
  const stay = `SELECT *, ${times(COMES)} AS ${STAY} FROM (${known})`;
  const begins = `SELECT *, (${COMES} OR ${beginsSql(request, feed, places)}) AS ${BEGINS} FROM (${stay})`;
  const isLast = `${BEHIND} IS NULL${goesOn ? "" : ` OR ${BEHIND} > ${LOAD} + 1`}`;
  const gone = goesOn ? "NULL" : `CASE WHEN ${isLast} THEN ${moment(`${LOAD} + 1`)} END`;
  const own = updatedAt === null ? moment(LOAD) : quoteIdentifier(updatedAt);
  // It says that it changed while it was gone, or before: it holds from where it is there again.
  const behind =
    updatedAt === null || goesOn
      ? own
      : `CASE WHEN ${COMES} AND ${BEFORE} IS NOT NULL AND ${own} <= ${moment(`${BEFORE} + 1`)} ` +
        `THEN ${moment(LOAD)} ELSE ${own} END`;
  const type = duckDBType(must(startField(request), "versions have a start").type);
  const timed =
    `SELECT *, CAST(coalesce(${STORED_START}, ${behind}) AS ${type}) AS ${STARTS}, ` +
    `CAST(${gone} AS ${type}) AS ${GONE}, ${times(BEGINS)} AS ${VERSION} FROM (${begins})`;
  return endedSql(request, feed, timed);
}

/** One row a version: where it began and ended, and with new_record those that say that the key was gone. */
function endedSql(request: MaterializeRequest, feed: Feed, timed: string): string {
  const keys = keyList(feed.key);
  const { updatedAt, hardDeletes } = loadsOf(feed);
  const tracked = new Set(trackedColumns(feed.rule, feed.key, request.schema));
  const whole = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING";
  const versioned = `PARTITION BY ${keys}, ${VERSION} ORDER BY ${LOAD} ${whole}`;
  const places = PROVENANCE_COLUMNS.map(({ name }) => name);
  const fixed = new Set([...feed.key, ...places].map((name) => name.toLowerCase()));
  const later = feed.events.fields
    .map(({ name }) => name)
    .filter((name) => updatedAt === null && !tracked.has(name) && !fixed.has(name.toLowerCase()))
    .map((name) => `last_value(${quoteIdentifier(name)}) OVER v AS ${quoteIdentifier(name)}`);
  const replaced = [...later, `last_value(${GONE}) OVER v AS ${GONE}`].join(", ");
  const one =
    `SELECT * REPLACE (${replaced}) FROM (${timed}) WINDOW v AS (${versioned}) ` +
    `QUALIFY row_number() OVER (PARTITION BY ${keys}, ${VERSION} ORDER BY ${LOAD}) = 1`;
  const next = `lead(${STARTS}) OVER (PARTITION BY ${keys} ORDER BY ${VERSION})`;
  // A clock behind that of the source: nothing ends before it began.
  const until = `CASE WHEN ${GONE} IS NULL THEN ${next} ELSE greatest(${GONE}, ${STARTS}) END`;
  const isMarked = hardDeletes === "new_record";
  const versions = `SELECT *, ${STARTS} AS ${START}, ${until} AS ${END}, ${next} AS ${NEXT} FROM (${one})`;
  const select = (from: string, deleted: string, start: string, end: string) => {
    const items = request.schema.fields.map(({ name, type }) => {
      const column = quoteIdentifier(name);
      const value =
        name === START_COLUMN
          ? start
          : name === END_COLUMN
            ? end
            : name === DELETED_COLUMN.name && isMarked
              ? deleted
              : column;
      return `CAST(${value} AS ${duckDBType(type)}) AS ${column}`;
    });
    return `SELECT ${items.join(", ")} FROM (${from})`;
  };
  const held = select(versions, "FALSE", START, END);
  if (!isMarked) return held;
  const ended = `SELECT * FROM (${versions}) WHERE ${GONE} IS NOT NULL`;
  return `${held} UNION ALL ${select(ended, "TRUE", END, NEXT)}`;
}

/** Whether a row that follows another one of its key begins a version. */
function beginsSql(request: MaterializeRequest, feed: Feed, places: string): string {
  const { updatedAt } = loadsOf(feed);
  if (updatedAt !== null) {
    const own = quoteIdentifier(updatedAt);
    const stay = `PARTITION BY ${keyList(feed.key)}, ${STAY} ORDER BY ${LOAD}`;
    const before = `OVER (${stay} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`;
    return `coalesce(${own} > max(${own}) ${before}, FALSE)`;
  }
  const tracked = trackedColumns(feed.rule, feed.key, request.schema).map(quoteIdentifier);
  const isOther = tracked.map((name) => `${name} IS DISTINCT FROM lag(${name}) OVER (${places})`);
  return isOther.join(" OR ") || "FALSE";
}

/** One row for each key of each load, with the load's number; of several the one that landed last. */
async function numberedSql(
  db: DuckDB,
  request: MaterializeRequest,
  feed: Feed,
  loads: string,
  open: string | null,
): Promise<string> {
  const parts = partNames(feed);
  const startType = duckDBType(must(startField(request), "versions have a start").type);
  const fresh = `SELECT *, 1 AS ${STAGE}, NULL::${startType} AS ${STORED_START} FROM (${loads})`;
  const all =
    open === null ? fresh : `${fresh} UNION ALL BY NAME ${storedRows(request, feed, open)}`;
  const order = [STAGE, ...parts].join(", ");
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_loads AS
     SELECT ${order}, ${parts[0]} AS moment, row_number() OVER (ORDER BY ${order}) AS nth
     FROM (SELECT DISTINCT ${order} FROM (${all}))`,
  );
  const same = [STAGE, ...parts].map((name) => `l.${name} IS NOT DISTINCT FROM r.${name}`);
  const numbered = `SELECT r.*, l.nth AS ${LOAD} FROM (${all}) AS r JOIN ${LOADS} AS l ON ${same.join(" AND ")}`;
  const whole = `row(${columnList(feed.events.fields.filter((field) => !isHidden(field.name)))})`;
  const landed = [...landedNames(feed), whole].map((one) => `${one} DESC NULLS LAST`).join(", ");
  const places = `PARTITION BY ${keyList(feed.key)}, ${LOAD} ORDER BY ${landed}`;
  return `SELECT * FROM (${numbered}) QUALIFY row_number() OVER (${places}) = 1`;
}

/** Versions that hold, as rows of a load before all others. */
function storedRows(request: MaterializeRequest, feed: Feed, open: string): string {
  const own = storedColumns(request, feed);
  const parts = feed.sequence.map(
    ({ type }, index) => `NULL::${duckDBType(type)} AS ${partNames(feed)[index]}`,
  );
  return `SELECT ${[...own, ...parts, `0 AS ${STAGE}`, `${START} AS ${STORED_START}`].join(", ")} FROM (${open})`;
}

function startField({ schema }: MaterializeRequest) {
  return schema.fields.find((field) => field.name === START_COLUMN);
}

function loadsOf(feed: Feed): FullLoads {
  return must(feed.rule.loads, "the rows are of loads");
}
