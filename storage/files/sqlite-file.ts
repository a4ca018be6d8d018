/** An SQLite file of somebody else's, read as of one moment. */

import { constants, Database } from "bun:sqlite";
import { errorText, LakeError } from "../../core/base/errors.ts";

export type SqliteValue = string | bigint | number | Uint8Array | null;

export interface SqliteColumn {
  readonly name: string;
  /** As it was declared; a column holds values of any type all the same. */
  readonly declared: string;
}

/** How many values of a column are of each of SQLite's own types. */
export interface SqliteCounts {
  readonly whole: number;
  readonly real: number;
  readonly text: number;
  readonly blob: number;
  /** Whole numbers that a double cannot hold. */
  readonly large: number;
  readonly least: number;
  readonly most: number;
}

const BUSY_MS = 10_000;
const REPLACEMENT = "\uFFFD";

export class SqliteFile implements Disposable {
  readonly #database: Database;

  /** Throws `input` for what is none, or is damaged. */
  static open(path: string): SqliteFile {
    try {
      const database = new Database(path, constants.SQLITE_OPEN_READONLY);
      database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
      database.run("BEGIN");
      database.query("SELECT count(*) FROM sqlite_schema").get();
      return new SqliteFile(database);
    } catch (thrown) {
      throw new LakeError("input", `${path} cannot be read: ${errorText(thrown)}`, {
        hint: "copy it with: sqlite3 FILE '.backup COPY', and import the copy",
        cause: thrown,
      });
    }
  }

  private constructor(database: Database) {
    this.#database = database;
  }

  /** Tables, views and virtual tables, without those that SQLite makes for itself. */
  tables(): readonly { readonly name: string; readonly type: string }[] {
    const sql = "SELECT name, type FROM pragma_table_list WHERE schema = 'main' ORDER BY name";
    const rows = this.#all<{ name: string; type: string }>(sql);
    return rows.filter(({ name, type }) => !name.startsWith("sqlite_") && type !== "shadow");
  }

  columns(table: string): readonly SqliteColumn[] {
    const sql = `SELECT name, type AS declared FROM pragma_table_xinfo(?, 'main')
      WHERE hidden <> 1 ORDER BY cid`;
    return this.#all<SqliteColumn>(sql, table);
  }

  counts(table: string, column: string): SqliteCounts | null {
    const c = quoted(column);
    const whole = `typeof(${c}) = 'integer'`;
    const sql = `SELECT total(${whole}) AS whole, total(typeof(${c}) = 'real') AS real,
      total(typeof(${c}) = 'text') AS text, total(typeof(${c}) = 'blob') AS blob,
      total(${whole} AND (${c} > 9007199254740992 OR ${c} < -9007199254740992)) AS large,
      coalesce(min(CASE WHEN ${whole} THEN ${c} END), 0.0) AS least,
      coalesce(max(CASE WHEN ${whole} THEN ${c} END), 0.0) AS most
      FROM main.${quoted(table)}`;
    return this.#all<SqliteCounts>(sql)[0] ?? null;
  }

  /** Rows in the order of the file, whole numbers as bigint. */
  *rows(table: string, columns: readonly SqliteColumn[]): Generator<readonly SqliteValue[]> {
    const names = columns.map(({ name }) => quoted(name)).join(", ");
    const statement = this.#database.query(`SELECT ${names} FROM main.${quoted(table)}`);
    statement.safeIntegers(true);
    // parse: values of SQLite, by the names of the columns
    for (const row of statement.iterate() as Iterable<Record<string, SqliteValue>>) // parse: see above
      yield columns.map(({ name }) => row[name] ?? null);
  }

  /** Why a text that was read is not the one that is stored; null where it is. */
  faultOf(table: string, column: string, value: string): string | null {
    if (value.includes("\0")) return "with a zero character";
    if (!value.includes(REPLACEMENT)) return null;
    // Bytes that are no text are read as a mark in their place.
    const c = quoted(column);
    const sql = `SELECT count(*) AS n FROM main.${quoted(table)}
      WHERE typeof(${c}) = 'text' AND CAST(${c} AS BLOB) = CAST(? AS BLOB)`;
    const [found] = this.#all<{ n: number }>(sql, value);
    return Number(found?.n ?? 0) > 0 ? null : "whose bytes are no UTF-8";
  }

  [Symbol.dispose](): void {
    this.#database.close(false);
  }

  #all<T>(sql: string, ...values: readonly string[]): readonly T[] {
    // parse: the columns that the statement names
    return this.#database.query(sql).all(...values) as T[]; // parse: see above
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
