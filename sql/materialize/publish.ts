/**
 * How a run takes rows out of a table and puts others in. What is left of a small file is written again with the new
 * rows; of a large one the rows that leave are named by a position delete, until a good part of it is gone.
 */

import type { StagedFile, Written } from "../../core/engine.ts";
import {
  DEAD_SHARE_MAX,
  DELETE_FILES_MAX,
  REWRITTEN_TIMES_ADDED,
  SMALL_DATA_FILES_MAX,
} from "../../core/limits.ts";
import { fileKey, isVector } from "../../core/table/live.ts";
import {
  isLineage,
  POSITION_DELETES,
  ROW_ID_ID,
  withLineage,
} from "../../core/table/system-columns.ts";
import type { DataFile, PartitionValue, ScanFile } from "../../core/table/types.ts";
import { deadRowsSql } from "../bind/deletes.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn, quoteIdentifier, quoteList } from "../syntax/quote.ts";
import { DeadRows } from "./dead-rows.ts";
import { columnList, type Staging, type StoredTable, storedSql } from "./rows.ts";

/** Temporary table of the stored rows that leave: FILE_COLUMN and POSITION_COLUMN. */
export const LOSERS = "temp.lake_losers";
/** Temporary table of rows that are gone: `local`, the path of their file, and `pos`. */
const MARKS = "temp.lake_marks";

export interface Published {
  readonly data: Written;
  /** Position deletes. */
  readonly deletes: Written;
  /** Recorded paths of data and delete files that leave the table. */
  readonly replaced: readonly string[];
}

export interface PublishOptions {
  /** What the files are called in the staging folder. */
  readonly name: string;
  /** Data files of at most so many rows are written again when they lose rows; null: all are. */
  readonly rewrittenRowsMax: number | null;
  /** Files of so few of them are written again whatever is written anyway; absent: 0. */
  readonly remadeRowsMin?: number;
  /** Local paths of files that are written again when they lose a row, however large: no delete can name them yet. */
  readonly unpublished?: ReadonlySet<string>;
  /** Part of a large file's rows from which on it is written again. */
  readonly deadShareMax?: number;
  /** The new rows are rows of before with other values: among their columns is the id that each has. */
  readonly keepsIds?: boolean;
  /** Columns that tell rows apart: a new row of the key of one that leaves is that row, with other values. */
  readonly key?: readonly string[];
}

const WHOLE: PublishOptions = { name: "data", rewrittenRowsMax: null };
export const NO_FILES: Written = { files: [], rows: 0n };

/** Writes the new rows and what makes the rows of LOSERS leave. A file that loses no row is left alone. */
export async function publish(
  db: DuckDB,
  staging: Staging,
  target: StoredTable,
  addedSql: string,
  options: PublishOptions = WHOLE,
): Promise<Published> {
  const lost = await lostRows(db);
  const rows = await rewrittenRows(db, addedSql, options);
  const loss = await lossOf(db, target, lost, rows, options);
  const { key = [] } = options;
  const isFollowed = target.scan.hasLineage === true && key.length > 0 && lost.size > 0;
  const keepsIds = options.keepsIds === true || isFollowed;
  const added = isFollowed ? await identifiedSql(db, target, addedSql, key, lost) : addedSql;
  // Rows that are only written again stay the rows that they are.
  const isKept = loss.rewritten.size > 0 || keepsIds;
  const schema = isKept ? withLineage(target.schema, target.scan) : target.schema;
  const columns = schema.fields.map((field) => {
    const name = quoteIdentifier(field.name);
    return isLineage(field) && !keepsIds ? `NULL::BIGINT AS ${name}` : name;
  });
  const parts = [`SELECT ${columns.join(", ")} FROM (${added})`];
  if (loss.rewritten.size > 0) {
    const stored = await storedSql(db, { ...target, schema }, loss.rewritten);
    parts.unshift(`SELECT ${columnList(schema.fields, "t")} FROM (${leftOf(stored)}) AS t`);
  }
  const data = await staging.write(parts.join(" UNION ALL "), options.name, { ...target, schema });
  const deletes =
    target.scan.hasLineage === true
      ? await writeVectors(db, staging, target, loss)
      : await writeMarks(db, staging, target, loss);
  const files = target.scan.files.filter((file) => loss.rewritten.has(file.localPath));
  const replaced = [...files.map(({ file }) => file), ...loss.deletes].map(fileKey);
  return { data, deletes, replaced };
}

/** A SELECT of the stored rows that stay where they are; null when there are none. */
export async function keptSql(
  db: DuckDB,
  target: StoredTable,
  { replaced, deletes }: Published,
): Promise<string | null> {
  const gone = new Set(replaced);
  const kept = target.scan.files.filter((file) => !gone.has(file.file.path));
  if (kept.length === 0) return null;
  const stored = await storedSql(db, target, new Set(kept.map((file) => file.localPath)));
  return deletes.rows === 0n ? stored : leftOf(stored);
}

/** No column of a key is called so. */
const KEPT_ID = ownColumn("kept_id");

/** New rows, each with the id of the row that leaves under its key. */
async function identifiedSql(
  db: DuckDB,
  target: StoredTable,
  addedSql: string,
  key: readonly string[],
  lost: ReadonlyMap<string, number>,
): Promise<string> {
  const schema = withLineage(target.schema, target.scan);
  const stored = await storedSql(db, { ...target, schema }, new Set(lost.keys()));
  const places = [FILE_COLUMN, POSITION_COLUMN].map((name) => `l.${name} = t.${name}`);
  const keys = key.map(quoteIdentifier);
  const own = keys.map((name) => `t.${name}`).join(", ");
  const ids =
    `SELECT ${own}, min(t._row_id) AS ${KEPT_ID} FROM (${stored}) AS t ` +
    `SEMI JOIN ${LOSERS} AS l ON ${places.join(" AND ")} GROUP BY ALL`;
  const same = keys.map((name) => `i.${name} IS NOT DISTINCT FROM a.${name}`).join(" AND ");
  const items = schema.fields.filter(isLineage).map(({ id, name }) => {
    return `${id === ROW_ID_ID ? `i.${KEPT_ID}` : "NULL::BIGINT"} AS ${quoteIdentifier(name)}`;
  });
  return `SELECT a.*, ${items.join(", ")} FROM (${addedSql}) AS a LEFT JOIN (${ids}) AS i ON ${same}`;
}

interface Small {
  /** Rows of a file that is small, of which a table is not to have many. */
  readonly small: number;
  /** Rows of a file that is written again as soon as it loses one. */
  readonly remade: number;
}

/** What a run does with the files that lose rows. */
interface Loss {
  /** Local paths of data files whose rows that are left are written again. */
  readonly rewritten: ReadonlySet<string>;
  /** Data files that rows are marked in. */
  readonly marked: readonly ScanFile[];
  /** Delete files that leave, because their files do or because what they say is said again. */
  readonly deletes: readonly DataFile[];
  /** Marks of before are said again with the new ones. */
  readonly isFolded: boolean;
}

/** Rows of a file that is written again when it loses some: not many times what is written anyway. */
async function rewrittenRows(
  db: DuckDB,
  addedSql: string,
  { rewrittenRowsMax, remadeRowsMin = 0 }: PublishOptions,
): Promise<Small | null> {
  if (rewrittenRowsMax === null) return null;
  const [row] = await db.rows(`SELECT count(*) AS n FROM (${addedSql})`);
  return {
    small: rewrittenRowsMax,
    remade: Math.min(
      rewrittenRowsMax,
      Math.max(remadeRowsMin, Number(row?.n) * REWRITTEN_TIMES_ADDED),
    ),
  };
}

async function lostRows(db: DuckDB): Promise<ReadonlyMap<string, number>> {
  const sql = `SELECT ${FILE_COLUMN} AS path, count(*) AS n FROM ${LOSERS} GROUP BY ALL`;
  const rows = await db.rows(sql);
  return new Map(rows.map((row) => [String(row.path), Number(row.n)]));
}

async function lossOf(
  db: DuckDB,
  { scan, spec }: StoredTable,
  lost: ReadonlyMap<string, number>,
  rows: Small | null,
  { unpublished = new Set(), deadShareMax = DEAD_SHARE_MAX }: Partial<PublishOptions>,
): Promise<Loss> {
  const own = scan.deletes.filter((file) => file.content === "position-deletes");
  const isWhole = rows === null || own.length < scan.deletes.length;
  if (isWhole) {
    return { rewritten: new Set(lost.keys()), marked: [], deletes: [], isFolded: false };
  }
  const isSmall = ({ file }: ScanFile) => file.recordCount <= BigInt(rows.small);
  const isTiny = ({ file }: ScanFile) => file.recordCount <= BigInt(rows.remade);
  const isOver = (one: ScanFile, dead: number) =>
    dead > Number(one.file.recordCount) * deadShareMax;
  const isOther = ({ file }: ScanFile) => file.specId !== spec.specId;
  const lostOf = (one: ScanFile) => lost.get(one.localPath) ?? 0;
  // What is marked in a file that is written again is not to be counted any more.
  const isRemade = (one: ScanFile) =>
    lostOf(one) > 0 && (isTiny(one) || isOther(one) || unpublished.has(one.localPath));
  const isCrowded = lost.size > 0 && scan.files.filter(isSmall).length >= SMALL_DATA_FILES_MAX;
  if (scan.hasLineage === true) {
    const dead = await vectorDead(db, scan, own, lost.size > 0);
    const rewritten = scan.files.filter((one) => {
      const all = lostOf(one) + (dead.get(one.localPath) ?? 0);
      return isRemade(one) || (lostOf(one) > 0 && isOver(one, all)) || (isCrowded && isSmall(one));
    });
    return vectorLoss(scan, own, lost, rewritten, dead);
  }
  const isMuch = scan.files.some(
    (one) => lostOf(one) > 0 && !isTiny(one) && (isOther(one) || isOver(one, lostOf(one))),
  );
  const isFolded = own.length > 0 && (isMuch || own.length >= DELETE_FILES_MAX);
  const deadByPath = isFolded ? await deadRows(db, scan, own) : new Map<string, number>();
  const rewritten = scan.files.filter((one) => {
    const dead = lostOf(one) + (deadByPath.get(one.localPath) ?? 0);
    // A delete file is of one partition of one spec, as are the files that it is about.
    return isRemade(one) || isOver(one, dead) || (isCrowded && isSmall(one));
  });
  const paths = new Set(rewritten.map((one) => one.localPath));
  const deletes = isFolded ? own : await touching(db, scan, own, paths);
  const said = isFolded ? deadByPath : await deadRows(db, scan, deletes);
  const marked = scan.files.filter(
    (one) => !paths.has(one.localPath) && (lostOf(one) > 0 || said.has(one.localPath)),
  );
  return { rewritten: paths, marked, deletes, isFolded: deletes.length > 0 };
}

/**
 * How many rows of each data file are gone by now: as the vectors say, and where rows are lost, also as position
 * deletes of before the table was upgraded do.
 */
async function vectorDead(
  db: DuckDB,
  scan: StoredTable["scan"],
  own: readonly DataFile[],
  loses: boolean,
): Promise<ReadonlyMap<string, number>> {
  const older = own.filter((file) => !isVector(file));
  const dead = new Map(loses ? await deadRows(db, scan, older) : []);
  const localByPath = new Map(scan.files.map(({ file, localPath }) => [file.path, localPath]));
  for (const file of own) {
    const local = isVector(file) ? localByPath.get(file.referencedDataFile ?? "") : undefined;
    if (local !== undefined) dead.set(local, Number(file.recordCount));
  }
  return dead;
}

/**
 * A data file has one vector, which says all that is gone of it: that of before leaves. So do position deletes of
 * before the table was upgraded, together: what they say of other files is said by vectors then.
 */
function vectorLoss(
  scan: StoredTable["scan"],
  own: readonly DataFile[],
  lost: ReadonlyMap<string, number>,
  rewritten: readonly ScanFile[],
  dead: ReadonlyMap<string, number>,
): Loss {
  const paths = new Set(rewritten.map((one) => one.localPath));
  const older = own.filter((file) => !isVector(file));
  const isFolded = older.length > 0 && lost.size > 0;
  const vectors = new Map(own.filter(isVector).map((file) => [file.referencedDataFile, file]));
  const marked = scan.files.filter(({ localPath, file }) => {
    const isSaid = isFolded && dead.has(localPath) && !vectors.has(file.path);
    return !paths.has(localPath) && ((lost.get(localPath) ?? 0) > 0 || isSaid);
  });
  const leaving = [...rewritten, ...marked].flatMap(({ file }) => vectors.get(file.path) ?? []);
  return {
    rewritten: paths,
    marked,
    deletes: isFolded ? [...leaving, ...older] : leaving,
    isFolded: true,
  };
}

/** Those delete files that speak of rewritten files: rows are deleted once, or listings count them wrong. */
async function touching(
  db: DuckDB,
  scan: StoredTable["scan"],
  own: readonly DataFile[],
  rewritten: ReadonlySet<string>,
): Promise<readonly DataFile[]> {
  if (own.length === 0 || rewritten.size === 0) return [];
  const files = scan.files.filter((one) => rewritten.has(one.localPath));
  const dead = await DeadRows.of(db, scan, own);
  if (dead !== null) return dead.touching(files);
  const each = own.map(
    (file, index) => `SELECT ${index} AS place FROM (${deadRowsSql({ ...scan, files }, [file])})`,
  );
  const rows = await db.rows(`SELECT DISTINCT place FROM (${each.join(" UNION ALL ")})`);
  const places = new Set(rows.map((row) => Number(row.place)));
  return own.filter((_, index) => places.has(index));
}

/** How many rows of each data file are gone by now, by its local path. */
async function deadRows(
  db: DuckDB,
  scan: StoredTable["scan"],
  own: readonly DataFile[],
): Promise<ReadonlyMap<string, number>> {
  if (own.length === 0) return new Map();
  const dead = await DeadRows.of(db, scan, own);
  if (dead !== null) {
    const counted = scan.files.map((file) => [file.localPath, dead.count(file)] as const);
    return new Map(counted.filter(([, count]) => count > 0));
  }
  const rows = await db.rows(
    `SELECT local, count(DISTINCT pos) AS n FROM (${deadRowsSql(scan, own)}) GROUP BY local`,
  );
  return new Map(rows.map((row) => [String(row.local), Number(row.n)]));
}

/** One position delete file for each partition that marked files are of. */
async function writeMarks(
  db: DuckDB,
  staging: Staging,
  { scan, spec }: StoredTable,
  loss: Loss,
): Promise<Written> {
  if (loss.marked.length === 0) return NO_FILES;
  const lost = `SELECT ${FILE_COLUMN} AS local, ${POSITION_COLUMN} AS pos FROM ${LOSERS}`;
  const before = loss.isFolded ? ` UNION ${deadRowsSql(scan, loss.deletes)}` : "";
  await db.run(`CREATE OR REPLACE TEMP TABLE lake_marks AS ${lost}${before}`);
  const files: StagedFile[] = [];
  const groups = Map.groupBy(loss.marked, ({ file }) => tupleText(file.partition));
  for (const [index, group] of [...groups.values()].entries()) {
    const paths = quoteList(group.map((one) => one.localPath));
    const recorded = quoteList(group.map(({ file }) => file.path));
    const named = `SELECT unnest(${paths}) AS local, unnest(${recorded}) AS file_path`;
    const sql = `SELECT file_path, pos FROM ${MARKS} JOIN (${named}) USING (local) ORDER BY file_path, pos`;
    const target = { schema: POSITION_DELETES, spec: { specId: spec.specId, fields: [] } };
    const { files: made } = await staging.write(sql, `deletes-${index}`, target);
    const partition = group[0]?.file.partition ?? [];
    files.push(...made.map((file) => ({ ...file, partition })));
  }
  return { files, rows: files.reduce((sum, file) => sum + file.rows, 0n) };
}

/** One deletion vector for each marked file, with all that is gone of it. */
async function writeVectors(
  db: DuckDB,
  staging: Staging,
  { scan }: StoredTable,
  { marked }: Loss,
): Promise<Written> {
  if (marked.length === 0) return NO_FILES;
  const { writeVectorFile } = await import("../write/vectors.ts");
  const own = scan.deletes.filter((file) => file.content === "position-deletes");
  const paths = quoteList(marked.map((one) => one.localPath));
  const lost =
    `SELECT ${FILE_COLUMN} AS local, ${POSITION_COLUMN} AS pos FROM ${LOSERS} ` +
    `WHERE ${FILE_COLUMN} IN (SELECT unnest(${paths}))`;
  const before = deadRowsSql({ ...scan, files: marked }, own);
  return await writeVectorFile(db, `${lost} UNION ALL ${before}`, marked, staging.kept("puffin"));
}

/** A partition's values as a text that tells them apart. */
function tupleText(partition: readonly PartitionValue[]): string {
  return JSON.stringify(partition, (_key, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
}

/** A SELECT of those of the stored rows that are not in LOSERS. */
function leftOf(stored: string): string {
  const same = [FILE_COLUMN, POSITION_COLUMN].map((name) => `l.${name} = t.${name}`).join(" AND ");
  return `SELECT t.* FROM (${stored}) AS t ANTI JOIN ${LOSERS} AS l ON ${same}`;
}
