/**
 * The stored rows of the keys that changes came to. Small files are looked through; in large ones an index of keys says
 * where they stand.
 */

import { closeSync, openSync, readdirSync, readSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { assert } from "../../core/base/assert.ts";
import type { KeyIndexes } from "../../core/engine.ts";
import { ROW_INDEX_FILE_BYTES_MAX } from "../../core/limits.ts";
import type { Field, Scan, ScanFile, Schema, Type } from "../../core/table/types.ts";
import { deadRowsSql } from "../bind/deletes.ts";
import { FILE_COLUMN, POSITION_COLUMN } from "../bind/scan.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { duckDBType } from "../duckdb/types.ts";
import { ownColumn, quoteIdentifier } from "../syntax/quote.ts";
import { DeadRows } from "./dead-rows.ts";
import {
  type KeyIndexOf,
  type KeyShape,
  keyShape,
  makeKeyIndex,
  openKeyIndex,
  type Places,
  type WantedKey,
  wantedKeys,
} from "./key-index.ts";
import { keyList } from "./replace.ts";
import { type Staging, type StoredTable, storedSql } from "./rows.ts";

/** Which rows of which keys. */
export interface RowsWanted {
  readonly target: StoredTable;
  readonly key: readonly string[];
  /** Files of more rows may have an index; null: none has. */
  readonly indexes: KeyIndexes | null;
  readonly indexedRowsMin: number;
  /** Where indexes are written before they are whole. */
  readonly staging: Staging;
  /** Indexes hold whole rows, which are asked for again and again. */
  readonly holdsRows?: boolean;
  /** False: only those indexes are looked into that are there. */
  readonly makesIndexes?: boolean;
}

/** Temporary table of the keys, each once. */
export const KEYS = "temp.lake_feed_keys";
/** Keys numbered from 0; where they stand. */
const WANTED = "temp.lake_wanted";
const PLACES = "temp.lake_places";
/** Rows that an index holds, by the number of their key. */
const FOUND = "temp.lake_found";
const VALUES = ownColumn("values");
const NTH = ownColumn("nth");
const LOCAL = ownColumn("local");
const POS = ownColumn("pos");
/** Places in one statement. */
const PLACES_AT_ONCE = 100_000;
const ROWS_AT_ONCE = 10_000;
/** What a data file ends in tells it from another of its name. */
const TAIL_BYTES = 4096;

/**
 * SELECTs of `what` of the stored rows (columns, FILE_COLUMN and POSITION_COLUMN) of KEYS (as `k`) for which `where` is
 * true, to be read once. With `keysOnly` they name no column of a row but the key's.
 */
export async function rowsOfKeys(
  db: DuckDB,
  wanted: RowsWanted,
  what: string,
  where: string,
  keysOnly: boolean,
): Promise<string> {
  const { target, key } = wanted;
  const { scan } = target;
  const marks = scan.deletes.filter((file) => file.content === "position-deletes");
  // Few of many rows: what is deleted by position is left out of those that are found, and not looked up for each.
  const isPlain = marks.length === scan.deletes.length;
  const read = isPlain ? { ...target, scan: { ...scan, deletes: [] } } : target;
  const dead = isPlain && marks.length > 0 ? await DeadRows.of(db, scan, marks) : null;
  const indexed = isPlain ? await placesByIndex(db, { ...wanted, target: read }, dead) : NOTHING;
  const rest = scan.files.filter((file) => !indexed.looked.has(file.localPath));
  const found: string[] = [];
  if (rest.length > 0 || indexed.found.size === 0) {
    const stored = await storedSql(db, read, new Set(rest.map((file) => file.localPath)));
    found.push(
      `SELECT ${what} FROM (${stored}) AS t JOIN ${KEYS} AS k USING (${keyList(key)}) WHERE ${where}`,
    );
  }
  if (indexed.found.size > 0 && keysOnly) {
    const places =
      `SELECT ${LOCAL} AS ${FILE_COLUMN}, ${POS} AS ${POSITION_COLUMN}, k.* ` +
      `FROM ${PLACES} JOIN ${WANTED} AS k USING (${NTH})`;
    found.push(`SELECT ${what} FROM (${places}) AS k WHERE ${where}`);
  } else if (indexed.found.size > 0 && indexed.isHeld) {
    found.push(`SELECT ${what} FROM (${heldRows(target, key)}) AS k WHERE ${where}`);
  } else if (indexed.found.size > 0) {
    const stored = await storedSql(db, read, indexed.found);
    const place = `p.${LOCAL} = t.${FILE_COLUMN} AND p.${POS} = t.${POSITION_COLUMN}`;
    found.push(
      `SELECT ${what} FROM (SELECT t.* FROM (${stored}) AS t SEMI JOIN ${PLACES} AS p ON ${place}) AS t ` +
        `JOIN ${KEYS} AS k USING (${keyList(key)}) WHERE ${where}`,
    );
  }
  const all = found.join(" UNION ALL ");
  // What an index said was looked up already.
  const left = dead === null ? marks : dead.touching(rest);
  if (!isPlain || left.length === 0) return all;
  return (
    `SELECT f.* FROM (${all}) AS f ANTI JOIN (${deadRowsSql(scan, left)}) AS p ` +
    `ON p.local = f.${FILE_COLUMN} AND p.pos = f.${POSITION_COLUMN}`
  );
}

interface Indexing {
  readonly indexes: KeyIndexes;
  readonly shape: KeyShape;
  /** Its version: another one may have another hash. */
  readonly engine: string;
  /** Where it is made; null: it is not. */
  readonly temporary: string | null;
}

interface Indexed {
  /** Local paths of files that an index answered for; of those among them where some key stands. */
  readonly looked: ReadonlySet<string>;
  readonly found: ReadonlySet<string>;
  /** FOUND has the rows themselves, and PLACES nothing. */
  readonly isHeld: boolean;
}

const NOTHING: Indexed = { looked: new Set(), found: new Set(), isHeld: false };

/** Fills WANTED and PLACES, as far as indexes know them. */
async function placesByIndex(
  db: DuckDB,
  {
    target,
    key,
    indexes,
    indexedRowsMin,
    staging,
    holdsRows = false,
    makesIndexes = true,
  }: RowsWanted,
  dead: DeadRows | null,
): Promise<Indexed> {
  const large = target.scan.files.filter(({ file }) => file.recordCount > indexedRowsMin);
  const isSmall = large.every(({ file }) => file.sizeBytes <= ROW_INDEX_FILE_BYTES_MAX);
  const values = holdsRows && isSmall ? heldValues(target.schema, key) : null;
  const shape = keyShape(target.schema, key, values);
  if (indexes === null || shape === null || large.length === 0) return NOTHING;
  const [row] = await db.rows(`SELECT count(*) AS n, version() AS engine FROM ${KEYS}`);
  const rowCount = large.reduce((sum, { file }) => sum + Number(file.recordCount), 0);
  const lookups = Number(row?.n) * large.length;
  if (lookups * indexes.lookupRows > rowCount) return NOTHING;
  const keys = await numberKeys(db, target, key, shape);
  await db.run(
    values === null
      ? `CREATE OR REPLACE TEMP TABLE lake_places (${LOCAL} VARCHAR, ${POS} BIGINT, ${NTH} BIGINT)`
      : `CREATE OR REPLACE TEMP TABLE lake_found
         (${LOCAL} VARCHAR, ${POS} BIGINT, ${NTH} BIGINT, ${VALUES} VARCHAR[])`,
  );
  removeOthers(indexes.folder, target.scan);
  const looked = new Set<string>();
  const found = new Set<string>();
  for (const file of large) {
    const temporary = makesIndexes ? staging.path("keys") : null;
    const of = { indexes, shape, engine: String(row?.engine), temporary };
    const all = await placesIn(db, of, target, key, file, keys);
    if (all === null) continue;
    const places = dead === null ? all : livingIn(all, file, dead);
    looked.add(file.localPath);
    if (places.nths.length > 0) found.add(file.localPath);
    await (values === null ? insertPlaces(db, file, places) : insertRows(db, file, places));
  }
  return { looked, found, isHeld: values !== null };
}

function livingIn(places: Places, file: ScanFile, dead: DeadRows): Places {
  const { nths, positions, values } = places;
  const living = positions.flatMap((position, at) => (dead.has(file, position) ? [] : [at]));
  if (living.length === positions.length) return places;
  const of = <T>(all: readonly T[]): T[] =>
    living.flatMap((at) => {
      const one = all[at];
      return one === undefined ? [] : [one];
    });
  return { nths: of(nths), positions: of(positions), values: of(values) };
}

/** Null when the file is to be looked through: an index that cannot be made or read is no reason to fail. */
async function placesIn(
  db: DuckDB,
  { indexes, shape, engine, temporary }: Indexing,
  target: StoredTable,
  key: readonly string[],
  file: ScanFile,
  keys: readonly WantedKey[],
): Promise<Places | null> {
  const { localPath } = file;
  const path = join(indexes.folder, indexName(localPath));
  try {
    const of = { ...indexed(file, shape, engine), path, temporary: temporary ?? "" };
    let index = openKeyIndex(of);
    if (index === null && temporary !== null) {
      const stored = await storedSql(db, target, new Set([localPath]));
      const known = key.map((name) => `${quoteIdentifier(name)} IS NOT NULL`).join(" AND ");
      await makeKeyIndex(db, of, `SELECT * FROM (${stored}) WHERE ${known}`, POSITION_COLUMN);
      index = openKeyIndex(of);
    }
    try {
      return index?.find(keys) ?? null;
    } finally {
      index?.close();
    }
  } catch {
    rmSync(path, { force: true });
    return null;
  }
}

/** Fills WANTED; answers its keys in their order. */
async function numberKeys(
  db: DuckDB,
  { schema }: StoredTable,
  key: readonly string[],
  shape: KeyShape,
): Promise<WantedKey[]> {
  // Under the types of the table, as they are compared.
  const typed = schema.fields
    .filter((field) => key.some((name) => name.toLowerCase() === field.name.toLowerCase()))
    .map(({ name, type }) => {
      return `${quoteIdentifier(name)}::${duckDBType(type)} AS ${quoteIdentifier(name)}`;
    });
  await db.run(
    `CREATE OR REPLACE TEMP TABLE lake_wanted AS
     SELECT * REPLACE (${typed.join(", ")}), row_number() OVER () - 1 AS ${NTH} FROM ${KEYS}`,
  );
  return wantedKeys(db, shape, `(FROM ${WANTED} ORDER BY ${NTH})`);
}

async function insertPlaces(db: DuckDB, { localPath }: ScanFile, places: Places): Promise<void> {
  const numbers = (index: number) => `unnest(string_split($${index}, ',')::BIGINT[])`;
  for (let at = 0; at < places.nths.length; at += PLACES_AT_ONCE) {
    const [positions, nths] = [places.positions, places.nths].map((all) =>
      all.slice(at, at + PLACES_AT_ONCE).join(","),
    );
    await db.run(`INSERT INTO ${PLACES} SELECT $1, ${numbers(2)}, ${numbers(3)}`, [
      localPath,
      positions ?? "",
      nths ?? "",
    ]);
  }
}

async function insertRows(db: DuckDB, { localPath }: ScanFile, places: Places): Promise<void> {
  const numbers = (index: number) => `unnest(string_split($${index}, ',')::BIGINT[])`;
  for (let at = 0; at < places.nths.length; at += ROWS_AT_ONCE) {
    const [positions = [], nths = []] = [places.positions, places.nths].map((all) =>
      all.slice(at, at + ROWS_AT_ONCE),
    );
    const values = `[${places.values.slice(at, at + ROWS_AT_ONCE).join(",")}]`;
    await db.run(
      `INSERT INTO ${FOUND} SELECT $1, ${numbers(2)}, ${numbers(3)}, unnest(from_json($4, '[["VARCHAR"]]'))`,
      [localPath, positions.join(","), nths.join(","), values],
    );
  }
}

/** The columns of FOUND as those of the stored rows, with their places. */
function heldRows({ schema }: StoredTable, key: readonly string[]): string {
  const others = otherFields(schema, key);
  const items = schema.fields.map((field) => {
    const name = quoteIdentifier(field.name);
    const at = others.indexOf(field);
    return at < 0 ? `w.${name}` : `${heldValue(field.type, `f.${VALUES}[${at + 1}]`)} AS ${name}`;
  });
  const places = `f.${LOCAL} AS ${FILE_COLUMN}, f.${POS} AS ${POSITION_COLUMN}`;
  return `SELECT ${items.join(", ")}, ${places} FROM ${FOUND} AS f JOIN ${WANTED} AS w USING (${NTH})`;
}

function otherFields({ fields }: Schema, key: readonly string[]): readonly Field[] {
  const names = new Set(key.map((name) => name.toLowerCase()));
  return fields.filter(({ name }) => !names.has(name.toLowerCase()));
}

/** A list of the texts of all columns but the key's, as SQL of a text; null where some have none that says all. */
function heldValues(schema: Schema, key: readonly string[]): string | null {
  const texts = otherFields(schema, key).map(({ name, type }) =>
    textOf(type, quoteIdentifier(name)),
  );
  const known = texts.filter((text) => text !== null);
  if (known.length < texts.length || known.length === 0) return null;
  return `to_json([${known.join(", ")}])::VARCHAR`;
}

/** A value as a text that is cast back to the same; null where there is none. */
function textOf(type: Type, value: string): string | null {
  if (type.kind === "fixed") return `hex(${value})`;
  if (type.kind === "decimal") return `${value}::VARCHAR`;
  if (type.kind !== "primitive") return null;
  if (type.name === "binary") return `hex(${value})`;
  // Its text depends on the session's zone.
  if (type.name === "timestamptz") return `epoch_us(${value})::VARCHAR`;
  return TEXTS.has(type.name) ? `${value}::VARCHAR` : null;
}

const TEXTS: ReadonlySet<string> = new Set(
  "boolean int long float double date time timestamp string uuid".split(" "),
);

function heldValue(type: Type, text: string): string {
  const name = type.kind === "primitive" ? type.name : type.kind;
  if (name === "fixed" || name === "binary") return `unhex(${text})`;
  if (name === "timestamptz") return `make_timestamptz(${text}::BIGINT)`;
  return `CAST(${text} AS ${duckDBType(type)})`;
}

/** What an index of a file is to say of itself. */
function indexed(
  { localPath, file }: ScanFile,
  shape: KeyShape,
  engine: string,
): Omit<KeyIndexOf, "path" | "temporary"> {
  const tail = tailOf(localPath, Number(file.sizeBytes));
  const rows = Number(file.recordCount);
  const identity = JSON.stringify([1, engine, basename(localPath), rows, tail, shape.text]);
  return { shape, identity, rows };
}

function indexName(localPath: string): string {
  return `${basename(localPath)}.keys`;
}

/** The sum of the end of a file, where a Parquet file says what it holds. Throws when it is not as long as it was. */
function tailOf(path: string, sizeBytes: number): number {
  const fd = openSync(path, "r");
  try {
    const bytes = new Uint8Array(TAIL_BYTES + 1);
    const from = Math.max(0, sizeBytes - TAIL_BYTES);
    const read = readSync(fd, bytes, 0, bytes.length, from);
    assert(read === sizeBytes - from, "a data file is as long as it was");
    return Bun.hash.crc32(bytes.subarray(0, read));
  } finally {
    closeSync(fd);
  }
}

/** Indexes of files that the table does not have any more, and what a run that died left behind. */
function removeOthers(folder: string, { files }: Scan): void {
  const own = new Set(files.map(({ localPath }) => indexName(localPath)));
  try {
    for (const name of readdirSync(folder)) {
      if (!own.has(name)) rmSync(join(folder, name), { force: true });
    }
  } catch {
    // There is none yet, or it cannot be read: then it cannot be used either.
  }
}
