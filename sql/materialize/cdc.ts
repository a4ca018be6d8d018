/**
 * A change feed applied to its table. What a key comes to is a function of all its changes in their order, and of
 * nothing else. A change that is later than all that was seen goes on from the row that is stored; for a key that a
 * change came to too late, and for a table that was emptied, the feed itself is read again.
 */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Binding, MaterializeMode, MaterializeRequest } from "../../core/engine.ts";
import { FEED } from "../../core/ingest/feed.ts";
import { END_COLUMN, START_COLUMN, trackedColumns } from "../../core/model/feed.ts";
import { isHidden, PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import type { Field } from "../../core/table/types.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn, quoteIdentifier, quoteLiteral } from "../syntax/quote.ts";
import { KEYS, rowsOfKeys } from "./changed-rows.ts";
import { expressionSql, type Needed } from "./expectations.ts";
import { LOSERS, NO_FILES, type Published, publish } from "./publish.ts";
import { type Counts, countChanges, keyList, leaveEqualRows } from "./replace.ts";
import {
  type Computed,
  columnList,
  computedRows,
  type Staging,
  type StoredTable,
  storedSql,
} from "./rows.ts";
import { boundRows } from "./size.ts";

export type Feed = MaterializeMode & { readonly kind: "cdc" };

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
/** The place of a change among those of its key and sequence, and whether it is their last. */
const NTH = ownColumn("nth");
const IS_LAST = ownColumn("is last");
/** The place of a change among those of its key, as one value. */
const PLACE = ownColumn("at");
const EPOCH = ownColumn("epoch");
const BEGINS = ownColumn("begins");
const LATE = ownColumn("late");
/** Temporary tables: where the table was last emptied; ties. */
const EMPTIED = "temp.lake_emptied";
const TIES = "temp.lake_ties";

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
  const changes = `SELECT ${items.join(", ")} FROM (${computed.sql})`;
  return { ...computed, sql: withLeftKeys(feed, changes) };
}

/**
 * The changes of a feed as it lands, and what they leave behind: an update that gave its row another key is a delete of
 * the key that it had.
 */
function withLeftKeys(feed: Feed, changes: string): string {
  const moved = movedKeys(feed);
  if (moved === null) return changes;
  const keys = moved.pairs.map(({ own, was }) => `${was} AS ${own}`).join(", ");
  const left =
    `SELECT * REPLACE (${keys}, ${DELETE} AS ${OPERATION}) FROM changes ` +
    `WHERE ${IS_UPSERT} AND ${moved.isMoved}`;
  return `WITH changes AS (${changes}) SELECT * FROM changes UNION ALL ${left}`;
}

/** How a feed says that a row has another key than before; null where it does not say what was before. */
function movedKeys({ key, events, rule }: Feed) {
  if (rule.loads !== null) return null;
  const before = events.fields.find(({ name }) => name.toLowerCase() === FEED.before);
  if (before?.type.kind !== "struct") return null;
  const fields = new Map(before.type.fields.map(({ name }) => [name.toLowerCase(), name]));
  if (key.some((name) => !fields.has(name.toLowerCase()))) return null;
  const old = quoteIdentifier(before.name);
  const pairs = key.map((name) => {
    const field = quoteIdentifier(fields.get(name.toLowerCase()) ?? name);
    return { own: quoteIdentifier(name), was: `${old}.${field}` };
  });
  const isOther = pairs.map(({ own, was }) => `${was} IS DISTINCT FROM ${own}`).join(" OR ");
  const isKnown = pairs.map(({ was }) => `${was} IS NOT NULL`).join(" AND ");
  return { pairs, isMoved: `${isKnown} AND (${isOther})` };
}

/** What a change cannot do without: a key to be about, and a place in the order. */
export function feedNeeds(feed: Feed): readonly Needed[] {
  const { key, rule } = feed;
  return [
    ...unknownValues(feed),
    ...key.map((column): Needed => {
      const isNull = `(${OPERATION} <> ${TRUNCATE} AND ${quoteIdentifier(column)} IS NULL)`;
      return { reason: "key", column, isNull };
    }),
    ...rule.sequenceBy.map((column, index): Needed => {
      return { reason: "sequence", column, isNull: `${partName(index)} IS NULL` };
    }),
    ...[rule.loads?.updatedAt ?? []].flat().map((column): Needed => {
      return { reason: "sequence", column, isNull: `${quoteIdentifier(column)} IS NULL` };
    }),
  ];
}

/** A row that got another key brings all of its values along: those that were not sent stand under the old one. */
function unknownValues(feed: Feed): Needed[] {
  const moved = movedKeys(feed);
  const unchanged = unchangedColumn(feed);
  if (moved === null || unchanged === null) return [];
  const isNull = `coalesce(${IS_UPSERT} AND len(${unchanged}) > 0 AND ${moved.isMoved}, FALSE)`;
  return [{ reason: "unchanged", column: FEED.unchanged, isNull }];
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
  const { fills, emptied, hasLate } = await traitsOf(db, feed, accepted);
  if (feed.history === null) {
    const due = staged(await sinceEmptied(db, feed, accepted), 1);
    const rows = await stateSql(db, request, feed, due, fills);
    const data = await staging.write(rows, "data", { schema, spec });
    const none = { deletes: NO_FILES, replaced: [], rowsUpdated: 0n, rowsDeleted: 0n };
    return { data, ...none, rowsInserted: data.rows, sequence };
  }
  const target: StoredTable = { scan: feed.target, schema, spec };
  // All that ever came is read again.
  if (emptied || hasLate) staging.readMore(boundRows(feed.history));
  if (emptied) staging.carryInFiles();
  await collectKeys(db, feed, accepted, emptied);
  const late = emptied || hasLate;
  const found = await findStored(db, staging, request, target, feed, { emptied, late, fills });
  const parts: string[] = [];
  if (!emptied) {
    const later = `(FROM ${KEYS} WHERE NOT ${LATE})`;
    const due = `SELECT a.* FROM (${accepted}) AS a SEMI JOIN ${later} AS k USING (${keyList(feed.key)})`;
    const stored = `SELECT * FROM (${found.old}) WHERE NOT ${LATE}`;
    const before = found.goesOn && storedEvents(request, feed, stored);
    const events = before ? `${before} UNION ALL BY NAME ${staged(due, 1)}` : staged(due, 1);
    parts.push(await staging.keep(await stateSql(db, request, feed, events, fills)));
  }
  if (late) {
    const all = await feedRows(db, request, feed, feed.history ?? []);
    const wanted = emptied ? all.sql : ofLateKeys(feed, all.sql);
    const again = await staging.keep(accept(wanted));
    const counting = staged(await sinceEmptied(db, feed, again), 1);
    const { fills: fillsAgain } = await traitsOf(db, feed, again);
    parts.push(await staging.keep(await stateSql(db, request, feed, counting, fillsAgain)));
  }
  const rows = parts.length === 1 ? parts[0] : await staging.keep(parts.join(" UNION ALL "));
  const added = await leaveSame(db, staging, target, must(rows, "changes come to rows"), found);
  const counts = await countChanges(db, feed.key, added, [found.old ?? [], found.beaten].flat());
  const { rewrittenRowsMax } = request;
  const published = await publish(db, staging, target, added, {
    name: "data",
    rewrittenRowsMax,
    ...(feed.rule.scd === 1 ? { key: feed.key } : {}),
  });
  return { ...published, ...counts, sequence };
}

/** Fills LOSERS with the rows that leave; answers those that come. */
async function leaveSame(
  db: DuckDB,
  staging: Staging,
  target: StoredTable,
  rows: string,
  { old, beaten }: Found,
): Promise<string> {
  const places = `SELECT ${FILE_COLUMN}, ${POSITION_COLUMN} FROM (${beaten})`;
  if (old === null) {
    await db.run(`CREATE OR REPLACE TEMP TABLE lake_losers AS ${places}`);
    return rows;
  }
  const added = await leaveEqualRows(db, staging, target, rows, old);
  await db.run(`INSERT INTO ${LOSERS} ${places}`);
  return added;
}

interface Found {
  /** A SELECT of stored rows that the new ones are to be compared with, with their places; null: there is none. */
  readonly old: string | null;
  /** A SELECT of keys and places of stored rows that leave in any case. */
  readonly beaten: string;
  /** Whether the changes of keys that none came to too late go on from rows of `old`. */
  readonly goesOn: boolean;
}

/**
 * Stored rows of the keys that changes came to. What a later change does away with as a whole is found by its key
 * alone, without its values; versions that have ended are as they are, unless a change came too late.
 */
async function findStored(
  db: DuckDB,
  staging: Staging,
  request: MaterializeRequest,
  target: StoredTable,
  feed: Feed,
  {
    emptied,
    late,
    fills,
  }: { readonly emptied: boolean; readonly late: boolean; readonly fills: boolean },
): Promise<Found> {
  const keys = keyList(feed.key);
  const columns = columnList(target.schema.fields);
  const places = `${FILE_COLUMN}, ${POSITION_COLUMN}`;
  const { keyIndexes: indexes, rewrittenRowsMax: indexedRowsMin } = request;
  const wanted = { target, key: feed.key, indexes, indexedRowsMin, staging };
  const ofKeys = async (what: string, where: string) => {
    const items = `${what}, ${places}, k.${LATE}`;
    return staging.keepPlaced(await rowsOfKeys(db, wanted, items, where, what === keys));
  };
  const nowhere = `NULL::VARCHAR AS ${FILE_COLUMN}, NULL::BIGINT AS ${POSITION_COLUMN}`;
  const none = `SELECT ${keys}, ${nowhere} FROM ${KEYS} WHERE FALSE`;
  if (emptied) {
    const all = `SELECT *, TRUE AS ${LATE} FROM (${await storedSql(db, target)})`;
    return { old: await staging.keepPlaced(all), beaten: none, goesOn: false };
  }
  const { scd } = feed.rule;
  if (scd === 1 && !fills) {
    const beaten = await ofKeys(keys, `NOT k.${LATE}`);
    const old = late ? await ofKeys(columns, `k.${LATE}`) : null;
    return { old, beaten, goesOn: false };
  }
  const isOpen = scd === 1 ? "TRUE" : `${quoteIdentifier(END_COLUMN)} IS NULL`;
  const old = await ofKeys(columns, `k.${LATE} OR ${isOpen}`);
  return { old, beaten: none, goesOn: true };
}

/**
 * A SELECT of the table's rows that changes come to; all of the changes of their keys that count. `fills` when values
 * of some are to be taken from those before them.
 */
async function stateSql(
  db: DuckDB,
  request: MaterializeRequest,
  feed: Feed,
  events: string,
  fills: boolean,
): Promise<string> {
  const { rule } = feed;
  const once = await onceSql(db, feed, events);
  const filled = fills ? filledSql(request, feed, once) : once;
  const last = `SELECT * FROM (${filled}) WHERE ${IS_LAST}`;
  if (rule.scd === 2) return versionsSql(request, feed, last);
  const columns = columnList(request.schema.fields);
  const greatest = fills ? ofWindow(feed, last) : ofGroups(feed, last);
  return `SELECT ${columns} FROM (${greatest}) WHERE ${IS_UPSERT}`;
}

/** The last change of each key, of changes that each have a sequence of their own. */
function ofWindow(feed: Feed, changes: string): string {
  const order = placesOf(feed).map((one) => `${one} DESC`);
  const places = `PARTITION BY ${keyList(feed.key)} ORDER BY ${order.join(", ")}`;
  return `SELECT * FROM (${changes}) QUALIFY row_number() OVER (${places}) = 1`;
}

/** The same, of changes that cost little to read twice: no row is sorted, and only the last ones are held. */
function ofGroups(feed: Feed, changes: string): string {
  const keys = keyList(feed.key);
  const fields = [STAGE, ...partNames(feed)].map((name, index) => `p${index} := ${name}`);
  const [part] = partNames(feed);
  const isOne = feed.sequence.length === 1;
  const place = isOne ? part : `struct_pack(${fields.join(", ")})`;
  const placed = `SELECT *, ${place} AS ${PLACE} FROM (${changes})`;
  const last = `SELECT ${keys}, max(${PLACE}) AS ${PLACE} FROM (${placed}) GROUP BY ${keys}`;
  return `SELECT c.* FROM (${placed}) AS c SEMI JOIN (${last}) AS l USING (${keys}, ${PLACE})`;
}

/**
 * Changes with their place among those of their key and sequence: where they first stood in what landed, since what is
 * delivered again is the same change. The row as a whole decides between rows of one source row. Few changes share
 * their sequence, so only those are compared.
 */
async function onceSql(db: DuckDB, feed: Feed, events: string): Promise<string> {
  const same = [...feed.key.map(quoteIdentifier), ...partNames(feed)].join(", ");
  const [ties] = await db.rows(
    `CREATE OR REPLACE TEMP TABLE lake_ties AS SELECT ${same} FROM (${events}) GROUP BY ${same} HAVING count(*) > 1`,
  );
  const alone = (rows: string) => `SELECT *, 0 AS ${NTH}, TRUE AS ${IS_LAST} FROM (${rows})`;
  if (String(ties?.Count) === "0") return alone(events);
  const whole = `row(${columnList(feed.events.fields.filter((field) => !isHidden(field.name)))})`;
  const order = [...landedNames(feed), whole].map((one) => `${one} ASC NULLS FIRST`).join(", ");
  const tied = `SELECT * FROM (${events}) SEMI JOIN ${TIES} USING (${same})`;
  const first = `row_number() OVER (PARTITION BY ${same}, ${whole} ORDER BY ${order}) = 1`;
  const nth = `row_number() OVER (PARTITION BY ${same} ORDER BY ${order})`;
  const isLast = `lead(${STAGE}) OVER (PARTITION BY ${same} ORDER BY ${order}) IS NULL`;
  return (
    `${alone(`SELECT * FROM (${events}) ANTI JOIN ${TIES} USING (${same})`)} UNION ALL ` +
    `SELECT *, ${nth} AS ${NTH}, ${isLast} AS ${IS_LAST} FROM (SELECT * FROM (${tied}) QUALIFY ${first})`
  );
}

/** The column that names those whose values were not sent, for they did not change; null where a feed has none. */
function unchangedColumn({ events }: Feed): string | null {
  const found = events.fields.find(({ name }) => name.toLowerCase() === FEED.unchanged);
  return found?.type.kind === "list" ? quoteIdentifier(found.name) : null;
}

/** What of some changes decides how they are applied. */
interface Traits {
  /** Some leave values out that their keys had before: most feeds never do, and then none is looked for. */
  readonly fills: boolean;
  readonly emptied: boolean;
  /** Something may have been seen behind some of them. */
  readonly hasLate: boolean;
}

async function traitsOf(db: DuckDB, feed: Feed, accepted: string): Promise<Traits> {
  const unchanged = unchangedColumn(feed);
  const isUnsent = unchanged === null ? "FALSE" : `len(${unchanged}) > 0`;
  const isTruncate = `${OPERATION} = ${TRUNCATE}`;
  const counts = [isUnsent, isTruncate, `NOT ${isTruncate} AND ${lateSql(feed)}`].map(
    (condition, index) => `count(*) FILTER (${condition}) AS n${index}`,
  );
  const [row] = await db.rows(`SELECT ${counts.join(", ")} FROM (${accepted})`);
  const isAny = (index: number): boolean => String(row?.[`n${index}`]) !== "0";
  return {
    fills: feed.rule.ignoreNullUpdates || isAny(0),
    emptied: isAny(1),
    hasLate: isAny(2),
  };
}

/**
 * Values that were not sent, replaced by the last that the key had since it was last deleted: NULLs, where they stand
 * for that, and what the change itself says is unchanged.
 */
function filledSql(request: MaterializeRequest, feed: Feed, once: string): string {
  const keys = keyList(feed.key);
  const order = `ORDER BY ${placesOf(feed).join(", ")} ROWS UNBOUNDED PRECEDING`;
  const unchanged = unchangedColumn(feed);
  const filled = valueColumns(request, feed).map(({ name }) => {
    const own = quoteIdentifier(name);
    const over = `OVER (PARTITION BY ${keys}, ${EPOCH} ${order})`;
    if (feed.rule.ignoreNullUpdates) {
      return `last_value(CASE WHEN ${IS_UPSERT} THEN ${own} END IGNORE NULLS) ${over} AS ${own}`;
    }
    const isSent = `NOT coalesce(list_contains(${unchanged}, ${quoteLiteral(name)}), FALSE)`;
    const sent = `CASE WHEN ${IS_UPSERT} AND ${isSent} THEN {v: ${own}} END`;
    return `(last_value(${sent} IGNORE NULLS) ${over}).v AS ${own}`;
  });
  if (filled.length === 0) return once;
  const deletes = `sum(${OPERATION}) OVER (PARTITION BY ${keys} ${order})`;
  return `SELECT * REPLACE (${filled.join(", ")}) FROM (SELECT *, ${deletes} AS ${EPOCH} FROM (${once}))`;
}

/**
 * Versions of changes that each have a sequence of their own: those that follow each other without a change of a
 * tracked column are one version, with the values of the last of them.
 */
function versionsSql(request: MaterializeRequest, feed: Feed, changes: string): string {
  const tracked = trackedColumns(feed.rule, feed.key, request.schema).map(quoteIdentifier);
  const isOther = tracked.map((name) => `${name} IS DISTINCT FROM lag(${name}) OVER w`);
  const places = `PARTITION BY ${keyList(feed.key)} ORDER BY ${placesOf(feed).join(", ")}`;
  const begins =
    `SELECT *, CASE WHEN ${OPERATION} IS DISTINCT FROM lag(${OPERATION}) OVER w THEN TRUE ` +
    `WHEN ${OPERATION} = ${DELETE} THEN FALSE ELSE ${isOther.join(" OR ") || "FALSE"} END AS ${BEGINS} ` +
    `FROM (${changes}) WINDOW w AS (${places})`;
  const value = intervalSql(feed);
  const begun = `last_value(CASE WHEN ${BEGINS} THEN ${value} END IGNORE NULLS)`;
  const start = `${begun} OVER (${places} ROWS UNBOUNDED PRECEDING)`;
  const interval =
    `SELECT *, ${start} AS ${quoteIdentifier(START_COLUMN)}, ` +
    `lead(${value}) OVER (${places}) AS ${quoteIdentifier(END_COLUMN)} FROM (${begins}) ` +
    `QUALIFY ${IS_UPSERT} AND coalesce(lead(${BEGINS}) OVER (${places}), TRUE)`;
  const items = request.schema.fields.map(({ name, type }) => {
    return `CAST(${quoteIdentifier(name)} AS ${duckDBType(type)}) AS ${quoteIdentifier(name)}`;
  });
  return `SELECT ${items.join(", ")} FROM (${interval})`;
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
  const own = storedColumns(request, feed);
  const start = quoteIdentifier(START_COLUMN);
  const parts = feed.sequence.map(({ name, type }, index) => {
    const field = feed.sequence.length === 1 ? start : `${start}.${quoteIdentifier(name)}`;
    const value = feed.rule.scd === 1 ? "NULL" : field;
    return `CAST(${value} AS ${duckDBType(type)}) AS ${partName(index)}`;
  });
  const items = [...own, ...parts, `${UPSERT} AS ${OPERATION}`, `0 AS ${STAGE}`];
  return `SELECT ${items.join(", ")} FROM (${stored})`;
}

/** The columns of rows of the feed, out of rows of the table; NULL for what it does not hold. */
export function storedColumns(request: MaterializeRequest, { events }: Feed): string[] {
  const held = new Set(request.schema.fields.map((field) => field.name.toLowerCase()));
  return events.fields.map(({ name, type }) => {
    const column = quoteIdentifier(name);
    const value = held.has(name.toLowerCase()) ? column : "NULL";
    return `CAST(${value} AS ${duckDBType(type)}) AS ${column}`;
  });
}

function staged(events: string, stage: number): string {
  return `SELECT *, ${stage} AS ${STAGE} FROM (${events})`;
}

const LANDED = ["_batch", "_source_file", "_row"];

/** What says where a change stands in what landed. */
export function landedNames({ events }: Feed): string[] {
  const own = events.fields.map((field) => field.name);
  return LANDED.filter((name) => own.includes(name));
}

/** What says where a change stands among those of its key. */
function placesOf(feed: Feed): string[] {
  return [STAGE, ...partNames(feed), NTH];
}

export function partNames({ sequence }: Feed): string[] {
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
  const fields = [...partNames(feed), ...landedNames(feed)].map(
    (name, index) => `p${index} := ${name}`,
  );
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
export function lateSql(feed: Feed): string {
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
export async function greatestSequence(
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
