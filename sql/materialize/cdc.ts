/**
 * A change feed applied to its table. What a key comes to is a function of all its changes in their order, and of
 * nothing else. A change that is later than all that was seen goes on from the row that is stored; for a key that a
 * change came to too late, and for a table that was emptied, the feed itself is read again.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { Binding, MaterializeMode, MaterializeRequest } from "../../core/engine.ts";
import { END_COLUMN, START_COLUMN, trackedColumns } from "../../core/model/cdc.ts";
import { isHidden, PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import type { Field } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { expressionSql, type Needed } from "./expectations.ts";
import { type Counts, countChanges, keyList, leaveEqualRows } from "./replace.ts";
import {
  type Computed,
  columnList,
  computedRows,
  type Published,
  publish,
  type Staging,
  type StoredTable,
  storedSql,
} from "./rows.ts";

type Feed = MaterializeMode & { readonly kind: "cdc" };

export interface Applied extends Published, Counts {
  readonly sequence: readonly string[] | null;
}

/** What a row does. */
const OPERATION = ownColumn("operation");
const UPSERT = 0;
const DELETE = 1;
const TRUNCATE = 2;
/** 0 for what is stored, 1 for changes. */
const STAGE = ownColumn("stage");
/** The place of a change among those of its key, from 1. */
const PLACE = ownColumn("nth");
const EPOCH = ownColumn("epoch");
const BEGINS = ownColumn("begins");
const RUN = ownColumn("run");
const LATE = ownColumn("late");
/** Temporary tables: keys of the changes, and whether one came too late; where the table was last emptied. */
const KEYS = "temp.lake_feed_keys";
const EMPTIED = "temp.lake_emptied";

/** True for rows that give a key its values: those that expectations are about. */
export const IS_UPSERT = `${OPERATION} = ${UPSERT}`;

/** The rows of the feed with what they do and where they stand in the order, of some bindings. */
export async function feedRows(
  db: DuckDB,
  request: MaterializeRequest,
  feed: Feed,
  bindings: readonly Binding[] = request.bindings,
): Promise<Computed> {
  const rows = { ...request, bindings, schema: feed.events };
  const computed = await computedRows(db, rows);
  const { deleteWhen, truncateWhen, sequenceBy } = feed.rule;
  const names = feed.events.fields.map((field) => field.name);
  const bound = async (setting: string, sql: string) => {
    try {
      return await expressionSql(db, sql, request.runTimeMs, names);
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
      throw new LakeError("sql", `${setting} cannot be evaluated: ${thrown.message}`, {
        hint: "it is said over the columns that the query gives",
        cause: thrown,
      });
    }
  };
  const isTruncate = truncateWhen && (await bound("apply_as_truncate", truncateWhen));
  const isDelete = deleteWhen && (await bound("apply_as_delete", deleteWhen));
  const cases = [
    ...(isTruncate === null ? [] : [`WHEN (${isTruncate}) THEN ${TRUNCATE}`]),
    ...(isDelete === null ? [] : [`WHEN (${isDelete}) THEN ${DELETE}`]),
  ];
  const operation = cases.length === 0 ? UPSERT : `CASE ${cases.join(" ")} ELSE ${UPSERT} END`;
  const parts: string[] = [];
  for (const [index, sql] of sequenceBy.entries()) {
    const column = feed.sequence[index];
    if (column === undefined) continue;
    const part = await bound("sequence_by", sql);
    parts.push(`CAST((${part}) AS ${duckDBType(column.type)}) AS ${partName(index)}`);
  }
  const items = ["*", `${operation} AS ${OPERATION}`, ...parts];
  return { ...computed, sql: `SELECT ${items.join(", ")} FROM (${computed.sql})` };
}

/** What a change cannot do without: a key to be about, and a place in the order. */
export function feedNeeds({ key, rule }: Feed): readonly Needed[] {
  return [
    ...key.map((column): Needed => {
      const isNull = `(${OPERATION} <> ${TRUNCATE} AND ${quoteIdentifier(column)} IS NULL)`;
      return { reason: "key", column, isNull };
    }),
    ...rule.sequenceBy.map((column, index): Needed => {
      return { reason: "sequence", column, isNull: `${partName(index)} IS NULL` };
    }),
  ];
}

/**
 * Applies accepted changes (a SELECT of `feedRows`) to the table. `accept` gives the accepted rows among those of
 * another SELECT of `feedRows`.
 */
export async function applyFeed(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  feed: Feed,
  accepted: string,
  accept: (rows: string) => string,
): Promise<Applied> {
  const { schema, spec } = request;
  const sequence = await greatestSequence(db, feed, accepted);
  if (feed.history === null) {
    const rows = stateSql(request, feed, staged(await sinceEmptied(db, feed, accepted), 1));
    const data = await staging.write(rows, "data", { schema, spec });
    const none = { replaced: [], rowsUpdated: 0n, rowsDeleted: 0n };
    return { data, ...none, rowsInserted: data.rows, sequence };
  }
  const target: StoredTable = { scan: feed.target, schema, spec };
  const emptied = await isEmptied(db, accepted);
  await collectKeys(db, feed, accepted, emptied);
  const keys = keyList(feed.key);
  const stored = await storedSql(db, target);
  // Versions that have ended are as they are, unless a change came too late.
  const isOpen = feed.rule.scd === 1 ? "TRUE" : `t.${quoteIdentifier(END_COLUMN)} IS NULL`;
  const own =
    `SELECT t.*, k.${LATE} FROM (${stored}) AS t JOIN ${KEYS} AS k USING (${keys}) ` +
    `WHERE k.${LATE} OR ${isOpen}`;
  const old = await staging.keepPlaced(
    emptied ? `SELECT *, TRUE AS ${LATE} FROM (${stored})` : own,
  );
  const parts: string[] = [];
  if (!emptied) {
    const before = storedEvents(request, feed, `SELECT * FROM (${old}) WHERE NOT ${LATE}`);
    const due = `SELECT a.* FROM (${accepted}) AS a SEMI JOIN (FROM ${KEYS} WHERE NOT ${LATE}) AS k USING (${keys})`;
    const events = `${before} UNION ALL BY NAME ${staged(due, 1)}`;
    parts.push(stateSql(request, feed, events));
  }
  if (emptied || (await hasLate(db))) {
    const all = await feedRows(db, request, feed, feed.history);
    const wanted = emptied ? all.sql : ofLateKeys(feed, all.sql);
    const again = await staging.keep(accept(wanted));
    parts.push(stateSql(request, feed, staged(await sinceEmptied(db, feed, again), 1)));
  }
  const rows = await staging.keep(parts.join(" UNION ALL "));
  const added = await leaveEqualRows(db, staging, target, rows, old);
  const counts = await countChanges(db, feed.key, added, old);
  return { ...(await publish(db, staging, target, added)), ...counts, sequence };
}

/** A SELECT of the table's rows that changes come to; all of the changes of their keys that count. */
function stateSql(request: MaterializeRequest, feed: Feed, events: string): string {
  const { rule } = feed;
  const keys = keyList(feed.key);
  const last = (rows: string) => {
    const nth = `row_number() OVER (PARTITION BY ${keys} ORDER BY ${PLACE} DESC)`;
    const columns = columnList(request.schema.fields);
    return `SELECT ${columns} FROM (SELECT * FROM (${rows}) QUALIFY ${nth} = 1) WHERE ${IS_UPSERT}`;
  };
  if (rule.scd === 1 && !rule.ignoreNullUpdates) {
    const order = [STAGE, ...partNames(feed)].map((one) => `${one} DESC`).join(", ");
    const greatest = `SELECT * FROM (${events}) QUALIFY rank() OVER (PARTITION BY ${keys} ORDER BY ${order}) = 1`;
    return last(placedSql(feed, greatest));
  }
  const placed = placedSql(feed, events);
  const filled = rule.ignoreNullUpdates ? filledSql(request, feed, placed) : placed;
  return rule.scd === 2 ? versionsSql(request, feed, filled) : last(filled);
}

/**
 * Changes numbered in their order: by sequence, and for changes of one sequence by where they first stood in what
 * landed, since what is delivered again is the same change. The row as a whole decides between rows of one source row.
 */
function placedSql(feed: Feed, events: string): string {
  const keys = keyList(feed.key);
  const row = `row(${columnList(feed.events.fields.filter((field) => !isHidden(field.name)))})`;
  const ordered = [STAGE, ...placeNames(feed), row]
    .map((one) => `${one} ASC NULLS FIRST`)
    .join(", ");
  const same = [keys, ...partNames(feed), row].join(", ");
  const once = `SELECT * FROM (${events}) QUALIFY row_number() OVER (PARTITION BY ${same} ORDER BY ${ordered}) = 1`;
  return `SELECT *, row_number() OVER (PARTITION BY ${keys} ORDER BY ${ordered}) AS ${PLACE} FROM (${once})`;
}

/** NULLs replaced by the last value that the key had since it was last deleted. */
function filledSql(request: MaterializeRequest, feed: Feed, placed: string): string {
  const keys = keyList(feed.key);
  const filled = valueColumns(request, feed).map(({ name }) => {
    const own = quoteIdentifier(name);
    const value = `last_value(CASE WHEN ${IS_UPSERT} THEN ${own} END IGNORE NULLS)`;
    return `${value} OVER (PARTITION BY ${keys}, ${EPOCH} ORDER BY ${PLACE} ROWS UNBOUNDED PRECEDING) AS ${own}`;
  });
  if (filled.length === 0) return placed;
  const deletes = `sum(${OPERATION}) OVER (PARTITION BY ${keys} ORDER BY ${PLACE} ROWS UNBOUNDED PRECEDING)`;
  return `SELECT * REPLACE (${filled.join(", ")}) FROM (SELECT *, ${deletes} AS ${EPOCH} FROM (${placed}))`;
}

/**
 * Changes of one sequence are one change. Those that follow each other without a change of a tracked column are one
 * version, with the values of the last of them.
 */
function versionsSql(request: MaterializeRequest, feed: Feed, placed: string): string {
  const { rule } = feed;
  const keys = keyList(feed.key);
  const parts = partNames(feed);
  const places = `PARTITION BY ${keys} ORDER BY ${PLACE}`;
  const tracked = trackedColumns(rule, feed.key, request.schema).map(quoteIdentifier);
  const isOther = tracked.map((name) => `${name} IS DISTINCT FROM lag(${name}) OVER w`);
  const same = [keys, ...parts].join(", ");
  const last = `row_number() OVER (PARTITION BY ${same} ORDER BY ${PLACE} DESC) = 1`;
  const distinct = `SELECT * FROM (${placed}) QUALIFY ${last}`;
  const begins =
    `SELECT *, CASE WHEN ${OPERATION} IS DISTINCT FROM lag(${OPERATION}) OVER w THEN 1 ` +
    `WHEN ${OPERATION} = ${DELETE} THEN 0 WHEN ${isOther.join(" OR ") || "FALSE"} THEN 1 ELSE 0 END ` +
    `AS ${BEGINS} FROM (${distinct}) WINDOW w AS (${places})`;
  const runs = `SELECT *, sum(${BEGINS}) OVER (${places} ROWS UNBOUNDED PRECEDING) AS ${RUN} FROM (${begins})`;
  const start = parts.map((part) => `first_value(${part}) OVER r AS ${part}`).join(", ");
  const started =
    `SELECT * REPLACE (${start}) FROM (${runs}) WINDOW r AS (PARTITION BY ${keys}, ${RUN} ORDER BY ${PLACE}) ` +
    `QUALIFY row_number() OVER (PARTITION BY ${keys}, ${RUN} ORDER BY ${PLACE} DESC) = 1`;
  const value = intervalSql(feed);
  const interval =
    `SELECT *, ${value} AS ${quoteIdentifier(START_COLUMN)}, ` +
    `lead(${value}) OVER (PARTITION BY ${keys} ORDER BY ${RUN}) AS ${quoteIdentifier(END_COLUMN)} FROM (${started})`;
  const items = request.schema.fields.map(({ name, type }) => {
    return `CAST(${quoteIdentifier(name)} AS ${duckDBType(type)}) AS ${quoteIdentifier(name)}`;
  });
  return `SELECT ${items.join(", ")} FROM (${interval}) WHERE ${IS_UPSERT}`;
}

/** The sequence of a change as the value of START_COLUMN. */
function intervalSql({ sequence }: Feed): string {
  if (sequence.length === 1) return partName(0);
  const fields = sequence.map(
    ({ name }, index) => `${quoteIdentifier(name)} := ${partName(index)}`,
  );
  return `struct_pack(${fields.join(", ")})`;
}

/** Stored rows as the changes that would have made them, before all others. */
function storedEvents(request: MaterializeRequest, feed: Feed, stored: string): string {
  const held = new Set(request.schema.fields.map((field) => field.name.toLowerCase()));
  const own = feed.events.fields.map(({ name, type }) => {
    const column = quoteIdentifier(name);
    const value = held.has(name.toLowerCase()) ? column : "NULL";
    return `CAST(${value} AS ${duckDBType(type)}) AS ${column}`;
  });
  const start = quoteIdentifier(START_COLUMN);
  const parts = feed.sequence.map(({ name, type }, index) => {
    const field = feed.sequence.length === 1 ? start : `${start}.${quoteIdentifier(name)}`;
    const value = feed.rule.scd === 1 ? "NULL" : field;
    return `CAST(${value} AS ${duckDBType(type)}) AS ${partName(index)}`;
  });
  const items = [...own, ...parts, `${UPSERT} AS ${OPERATION}`, `0 AS ${STAGE}`];
  return `SELECT ${items.join(", ")} FROM (${stored})`;
}

function staged(events: string, stage: number): string {
  return `SELECT *, ${stage} AS ${STAGE} FROM (${events})`;
}

const PLACES = ["_batch", "_source_file", "_row"];

/** What says where a change stands among all. */
function placeNames(feed: Feed): string[] {
  const own = feed.events.fields.map((field) => field.name);
  return [...partNames(feed), ...PLACES.filter((name) => own.includes(name))];
}

function partNames({ sequence }: Feed): string[] {
  return sequence.map((_, index) => partName(index));
}

/** Changes of keys that one came to too late, and what empties the table. */
function ofLateKeys({ key, rule }: Feed, rows: string): string {
  const keys = keyList(key);
  const own = `SELECT a.* FROM (${rows}) AS a SEMI JOIN (FROM ${KEYS} WHERE ${LATE}) AS k USING (${keys})`;
  if (rule.truncateWhen === null) return own;
  return `${own} UNION ALL SELECT * FROM (${rows}) WHERE ${OPERATION} = ${TRUNCATE}`;
}

/** Changes behind the last that emptied the table. */
async function sinceEmptied(db: DuckDB, feed: Feed, events: string): Promise<string> {
  if (feed.rule.truncateWhen === null) return events;
  const fields = placeNames(feed).map((name, index) => `p${index} := ${name}`);
  const place = `struct_pack(${fields.join(", ")})`;
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_emptied AS SELECT ${place} AS place FROM (${events})
     WHERE ${OPERATION} = ${TRUNCATE} ORDER BY place DESC LIMIT 1`,
  );
  return (
    `SELECT * FROM (${events}) WHERE ${OPERATION} <> ${TRUNCATE} AND ` +
    `coalesce(${place} > (SELECT place FROM ${EMPTIED}), TRUE)`
  );
}

async function isEmptied(db: DuckDB, accepted: string): Promise<boolean> {
  const sql = `SELECT count(*) AS n FROM (${accepted}) WHERE ${OPERATION} = ${TRUNCATE}`;
  const [row] = await db.rows(sql);
  return String(row?.n) !== "0";
}

async function hasLate(db: DuckDB): Promise<boolean> {
  const [row] = await db.rows(`SELECT count(*) AS n FROM ${KEYS} WHERE ${LATE}`);
  return String(row?.n) !== "0";
}

async function collectKeys(
  db: DuckDB,
  feed: Feed,
  accepted: string,
  emptied: boolean,
): Promise<void> {
  const keys = keyList(feed.key);
  const late = emptied ? "TRUE" : lateSql(feed);
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS SELECT ${keys}, bool_or(${late}) AS ${LATE}
     FROM (${accepted}) WHERE ${OPERATION} <> ${TRUNCATE} GROUP BY ${keys}`,
  );
}

/** True for a change that something may have been seen behind. */
function lateSql(feed: Feed): string {
  const { since, sequence } = feed;
  if (since === null) return "FALSE";
  if (since.length !== sequence.length) return "TRUE";
  return `row(${partNames(feed).join(", ")}) <= row(${seenSql(sequence, since).join(", ")})`;
}

function seenSql(sequence: Feed["sequence"], since: readonly string[]): string[] {
  return sequence.map(
    ({ type }, index) => `CAST(${quoteLiteral(since[index] ?? "")} AS ${duckDBType(type)})`,
  );
}

/** The greatest sequence seen by now, as text; empty when a text does not say it exactly. */
async function greatestSequence(
  db: DuckDB,
  feed: Feed,
  accepted: string,
): Promise<readonly string[] | null> {
  const { sequence, since } = feed;
  if (since !== null && since.length !== sequence.length) return [];
  const parts = partNames(feed);
  const seen = since === null ? "" : ` UNION ALL SELECT ${seenSql(sequence, since).join(", ")}`;
  const texts = sequence.map(({ type }, index) => {
    const part = partName(index);
    const text = `CAST(${part} AS VARCHAR)`;
    return `CASE WHEN CAST(${text} AS ${duckDBType(type)}) = ${part} THEN ${text} END AS t${index}`;
  });
  const order = parts.map((part) => `${part} DESC`).join(", ");
  const [row] = await db.rows(
    `SELECT ${texts.join(", ")} FROM (SELECT ${parts.join(", ")} FROM (${accepted})${seen}) ORDER BY ${order} LIMIT 1`,
  );
  if (row === undefined) return null;
  const values = sequence.map((_, index) => row[`t${index}`]);
  return values.every((value) => typeof value === "string") ? values.map(String) : [];
}

/** Columns of the table that a change gives a value of. */
function valueColumns(request: MaterializeRequest, { key }: Feed): readonly Field[] {
  const own = [...key, START_COLUMN, END_COLUMN, ...PROVENANCE_COLUMNS.map(({ name }) => name)];
  const names = new Set(own.map((name) => name.toLowerCase()));
  return request.schema.fields.filter(({ name }) => !names.has(name.toLowerCase()));
}

function partName(index: number): string {
  return ownColumn(`sequence ${index}`);
}
