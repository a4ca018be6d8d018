/** Tables of an SQLite file, read by SQLite itself in the reader's own process. */

import { constants, Database, SQLiteError, type Statement } from "bun:sqlite";
import { errorText, LakeError } from "../../../core/base/errors.ts";
import type { WireType } from "../../../core/ingest/wire-type.ts";
import { typeTextOf } from "../postgres/wire-types.ts";
import {
  absent,
  type PageAsk,
  type PageRow,
  type PullDatabase,
  type PulledTable,
  type RowTexts,
} from "./database.ts";

type Value = string | bigint | number | Uint8Array | null;
type Stored = Readonly<Record<string, Value>>;

const LOAD_ROWS = 1_000;
const BUSY_MS = 10_000;
/** What finds a row of a table without a key. */
const ROWID = "rowid";

/** The types as PostgreSQL numbers them: that is how their texts are read. */
const BIGINT = 20;
const TEXT = 25;
const DOUBLE = 701;
const BYTES = 17;
const NUMERIC = 1700;
/** numeric's typmod: precision and scale above 4. */
const TYPMOD_HEAD = 4;

export class SqliteDatabase implements PullDatabase {
  readonly dialect = "pull";
  readonly #database: Database;
  readonly #path: string;

  private constructor(database: Database, path: string) {
    this.#database = database;
    this.#path = path;
  }

  static open(url: string, projectRoot: string): SqliteDatabase {
    const named = url.replace(/^sqlite:(?:\/\/(?=\/))?/, "");
    const path = named.startsWith("/") ? named : `${projectRoot}/${named}`;
    try {
      const flags = constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_NOMUTEX;
      const database = new Database(path, flags);
      database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
      // A file that is no database says so at its first use.
      database.query("SELECT count(*) FROM sqlite_schema").get();
      return new SqliteDatabase(database, path);
    } catch (thrown) {
      throw failed(thrown, "open", path);
    }
  }

  async describe(name: string): Promise<PulledTable> {
    const [schema, table] = partsOf(name);
    const rows = this.#rows(
      `SELECT name, type, "notnull" AS required, pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid`,
      [table, schema],
    );
    if (rows.length === 0) throw absent(name, this.#path);
    const keyed = rows.filter(({ pk }) => Number(pk) > 0);
    const key = keyed.sort((a, b) => Number(a.pk) - Number(b.pk)).map((row) => `${row.name}`);
    const indexed = this.#rows(
      `SELECT i.name FROM pragma_index_list(?, ?) AS l, pragma_index_info(l.name, ?) AS i WHERE i.seqno = 0`,
      [table, schema, schema],
    );
    return {
      name,
      columns: rows.map((row) => {
        const wire = wireOf(`${row.type}`);
        const column = `${row.name}`;
        return { name: column, type: typeTextOf(wire), wire, key: key.includes(column) };
      }),
      key: key.length === 0 ? this.#rowid(schema, table) : key,
      nullable: new Set(
        rows.filter((row) => Number(row.required) === 0).map((row) => `${row.name}`),
      ),
      indexed: new Set([...indexed.map((row) => `${row.name}`), ...key.slice(0, 1)]),
    };
  }

  /** A view and a table without rowid have none. */
  #rowid(schema: string, table: string): readonly string[] {
    try {
      this.#rows(`SELECT ${ROWID} FROM ${quoted(schema)}.${quoted(table)} LIMIT 1`, []);
      return [ROWID];
    } catch {
      return [];
    }
  }

  async page(table: PulledTable, ask: PageAsk): Promise<readonly PageRow[]> {
    const order = ask.hasCursor ? [ask.cursor, ...ask.key] : [...ask.key];
    const names = order.map(quoted);
    const values: Value[] = [];
    const conditions = [`${quoted(ask.cursor)} IS ${ask.hasCursor ? "NOT " : ""}NULL`];
    if (ask.after !== null) {
      values.push(...ask.after.map(untagged));
      conditions.push(`(${names.join(", ")}) > (${names.map(() => "?").join(", ")})`);
    } else if (ask.from !== null && ask.hasCursor) {
      values.push(/^-?\d+$/.test(ask.from) ? BigInt(ask.from) : ask.from);
      conditions.push(`${quoted(ask.cursor)} >= ?`);
    }
    const sql = `SELECT ${columnsOf(table)}, ${quoted(ask.cursor)}, ${names.join(", ")}
      FROM ${tableOf(table.name)} WHERE ${conditions.join(" AND ")}
      ORDER BY ${names.join(", ")} LIMIT ${ask.rows}`;
    const width = table.columns.length;
    return this.#asked(sql, (statement) => statement.values(...values)).map((row) => ({
      values: textsOf(table, row.slice(0, width)),
      cursor: textOf(row[width] ?? null),
      at: row.slice(width + 1).map(tagged),
    }));
  }

  /** One statement sees one state of the file. */
  async all(table: PulledTable, onRows: (rows: readonly RowTexts[]) => Promise<void>) {
    const order = table.key.length === 0 ? "" : ` ORDER BY ${table.key.map(quoted).join(", ")}`;
    const sql = `SELECT ${columnsOf(table)} FROM ${tableOf(table.name)}${order}`;
    let rows: RowTexts[] = [];
    try {
      const statement = this.#database.query<Stored, []>(sql);
      statement.safeIntegers(true);
      for (const row of statement.iterate()) {
        rows.push(
          textsOf(
            table,
            table.columns.map(({ name }) => row[name] ?? null),
          ),
        );
        if (rows.length < LOAD_ROWS) continue;
        await onRows(rows);
        rows = [];
      }
    } catch (thrown) {
      throw failed(thrown, `read rows of ${table.name} in`, this.#path);
    }
    if (rows.length > 0) await onRows(rows);
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  #rows(sql: string, values: readonly Value[]): readonly Stored[] {
    return this.#asked(sql, (statement) => statement.all(...values));
  }

  #asked<T>(sql: string, ask: (statement: Statement<Stored, Value[]>) => T): T {
    try {
      const statement = this.#database.query<Stored, Value[]>(sql);
      statement.safeIntegers(true);
      return ask(statement);
    } catch (thrown) {
      throw failed(thrown, "read", this.#path);
    }
  }
}

function failed(thrown: unknown, doing: string, path: string): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const isBusy = thrown instanceof SQLiteError && /BUSY|LOCKED/.test(thrown.code ?? "");
  return new LakeError(isBusy ? "io" : "config", `cannot ${doing} ${path}: ${errorText(thrown)}`, {
    hint: isBusy ? "it is tried again" : "correct url: of the source, or the file's permissions",
    scope: "source",
    cause: thrown,
  });
}

function partsOf(name: string): readonly [schema: string, table: string] {
  const [first = "", second] = name.split(".");
  return second === undefined ? ["main", first] : [first, second];
}

function tableOf(name: string): string {
  return partsOf(name).map(quoted).join(".");
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function columnsOf({ columns }: PulledTable): string {
  return columns.map(({ name }) => quoted(name)).join(", ");
}

/** By the words of the declared type. SQLite, "Datatypes", 3.1; what counts time or decides is told apart before. */
function wireOf(declared: string): WireType {
  const words = declared.toUpperCase();
  const type = (oid: number, typmod = -1): WireType => ({
    oid,
    typmod,
    name: declared === "" ? "any" : declared.toLowerCase(),
    kind: "base",
  });
  if (/INT|BOOL/.test(words)) return type(BIGINT);
  if (/CHAR|CLOB|TEXT|DATE|TIME/.test(words)) return type(TEXT);
  if (/BLOB/.test(words)) return type(BYTES);
  if (/REAL|FLOA|DOUB/.test(words)) return type(DOUBLE);
  const [, precision, scale = "0"] = /\((\d{1,2})(?:\s*,\s*(\d{1,2}))?\)/.exec(words) ?? [];
  if (precision === undefined) return type(TEXT);
  return type(NUMERIC, Number(precision) * 2 ** 16 + Number(scale) + TYPMOD_HEAD);
}

function textsOf({ columns }: PulledTable, row: readonly Value[]): RowTexts {
  return row.map((value, index) => {
    const isBytes = columns[index]?.wire.oid === BYTES && typeof value === "string";
    return isBytes ? hex(new TextEncoder().encode(value)) : textOf(value);
  });
}

/** As PostgreSQL writes it. */
function textOf(value: Value): string | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return hex(value);
  return Object.is(value, -0) ? "-0" : String(value);
}

function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes).toString("hex")}`;
}

/** A value with its type in front: SQLite sorts by type first. */
function tagged(value: Value): string {
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString("hex")}`;
  if (typeof value === "bigint") return `i${value}`;
  return typeof value === "number" ? `r${value}` : `t${value ?? ""}`;
}

function untagged(text: string): Value {
  const rest = text.slice(1);
  if (text.startsWith("i")) return BigInt(rest);
  if (text.startsWith("r")) return Number(rest);
  return text.startsWith("b") ? new Uint8Array(Buffer.from(rest, "hex")) : rest;
}
