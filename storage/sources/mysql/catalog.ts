/** What the server's own catalog says: tables that are wanted, their columns and keys, charsets, foreign keys. */

import { compileGlob, hasWildcard } from "../../../core/base/glob.ts";
import { UTF8_CHARSETS } from "../../../core/ingest/charset-text.ts";
import type { WireType } from "../../../core/ingest/wire-type.ts";
import { refusal } from "../source-failure.ts";
import type { ReadableTable } from "../table-states.ts";
import { type Connection, quoteTable, quoteText } from "./connection.ts";
import { isMissing } from "./failure.ts";

export interface CatalogColumn {
  readonly name: string;
  /** Such as `varchar`. */
  readonly dataType: string;
  /** Such as `varchar(20)`. */
  readonly columnType: string;
  readonly charset: string | null;
  /** Of seconds. */
  readonly decimals: number | null;
  readonly key: boolean;
}

export interface CatalogTable extends ReadableTable {
  /** `BASE TABLE`, `SEQUENCE`, `SYSTEM VERSIONED` and others. */
  readonly type: string;
  readonly engine: string;
  readonly columns: readonly CatalogColumn[];
}

/** A foreign key whose rows the server changes by itself, of which the log says nothing. */
export interface Cascade {
  /** `schema.table`, as those below. */
  readonly parent: string;
  readonly child: string;
  readonly onDelete: boolean;
  readonly onUpdate: boolean;
  /** Of the parent: what the child's rows refer to. */
  readonly columns: readonly string[];
}

const NAMES_SHOWN_MAX = 10;
/** Databases of the server itself. */
const OWN_DATABASES = "('mysql', 'information_schema', 'performance_schema', 'sys')";
const READABLE = "BASE TABLE";

/** Tells wanted tables by name: those of the database when nothing is named. */
export function tableChoice(
  patterns: readonly string[],
  database: string | null,
): (schema: string, table: string) => boolean {
  if (patterns.length === 0) return (schema) => schema === database;
  const globs = patterns.map((pattern) => {
    const dot = pattern.indexOf(".");
    const path = dot === -1 ? `${database ?? "*"}/${pattern}` : pattern.replace(".", "/");
    const compiled = compileGlob(path);
    if (compiled.kind === "glob") return compiled.glob;
    throw refusal("config", `tables: "${pattern}": ${compiled.reason}`, "write shop.orders");
  });
  return (schema, table) => globs.some((glob) => glob.matches(`${schema}/${table}`));
}

/** Those of the patterns that are names, with their database. */
export function namedTables(
  patterns: readonly string[],
  database: string | null,
): readonly string[] {
  return patterns
    .filter((pattern) => !hasWildcard(pattern))
    .filter((name) => name.includes(".") || database !== null)
    .map((name) => (name.includes(".") ? name : `${database}.${name}`));
}

/** Tables that are wanted and there, whatever they are. Throws `not-found` when there are none. */
export async function wantedTables(
  control: Connection,
  patterns: readonly string[],
  database: string | null,
): Promise<readonly CatalogTable[]> {
  const choice = tableChoice(patterns, database);
  const rows = await control.rows(
    `SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, coalesce(ENGINE, '') FROM information_schema.TABLES
      WHERE TABLE_SCHEMA NOT IN ${OWN_DATABASES} AND TABLE_TYPE NOT LIKE '%VIEW'
      ORDER BY TABLE_SCHEMA, TABLE_NAME`,
    "list the tables",
  );
  const wanted = rows.filter(([schema, table]) => choice(`${schema}`, `${table}`));
  if (wanted.length === 0) throw noTables(patterns, database, rows);
  const columns = await columnsOf(
    control,
    wanted.map(([schema]) => `${schema}`),
  );
  return wanted.map(([schema, table, type, engine]) => ({
    schema: `${schema}`,
    table: `${table}`,
    oid: 1,
    member: "1",
    type: `${type}`,
    engine: `${engine}`,
    columns: columns.get(`${schema}.${table}`) ?? [],
  }));
}

/** A table as it is now; null when there is none. */
export async function catalogTable(
  control: Connection,
  schema: string,
  table: string,
): Promise<CatalogTable | null> {
  const [row] = await control.rows(
    `SELECT TABLE_TYPE, coalesce(ENGINE, '') FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(table)}`,
    "look for a table",
  );
  if (row === undefined) return null;
  const columns = await columnsOf(control, [schema], table);
  return {
    schema,
    table,
    oid: 1,
    member: "1",
    type: `${row[0]}`,
    engine: `${row[1]}`,
    columns: columns.get(`${schema}.${table}`) ?? [],
  };
}

/** True for one that is read: no sequence, and none that keeps its own history. */
export function isReadable({ type }: CatalogTable): boolean {
  return type === READABLE;
}

async function columnsOf(
  control: Connection,
  schemas: readonly string[],
  table: string | null = null,
): Promise<ReadonlyMap<string, readonly CatalogColumn[]>> {
  const list = [...new Set(schemas)].map(quoteText).join(", ");
  const one = table === null ? "" : ` AND TABLE_NAME = ${quoteText(table)}`;
  const rows = await control.rows(
    `SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, lower(DATA_TYPE), lower(COLUMN_TYPE), CHARACTER_SET_NAME,
        DATETIME_PRECISION, COLUMN_KEY = 'PRI' FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA IN (${list})${one} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`,
    "read the columns of tables",
  );
  const byTable = new Map<string, CatalogColumn[]>();
  for (const [schema, name, column, dataType, columnType, charset, decimals, key] of rows) {
    const columns = byTable.get(`${schema}.${name}`) ?? [];
    byTable.set(`${schema}.${name}`, columns);
    columns.push({
      name: `${column}`,
      dataType: `${dataType}`,
      columnType: `${columnType}`,
      charset: charset ?? null,
      decimals: decimals === null || decimals === undefined ? null : Number(decimals),
      key: key === "1",
    });
  }
  return byTable;
}

const NAME = "`((?:[^`]|``)+)`";
/** As the server writes it, each in a line of its own. */
const FOREIGN_KEY = new RegExp(
  String.raw`FOREIGN KEY \([^)]*\) REFERENCES (?:${NAME}\.)?${NAME} \(([^)]*)\)(.*)$`,
  "gm",
);

/**
 * Foreign keys of tables by which the server deletes, empties or changes their rows by itself. They are read out of the
 * tables' definitions: the views of foreign keys are empty for a user who may only read.
 */
export async function cascadesOf(
  control: Connection,
  tables: readonly CatalogTable[],
): Promise<readonly Cascade[]> {
  const cascades: Cascade[] = [];
  for (const { schema, table } of tables) {
    const sql = `SHOW CREATE TABLE ${quoteTable({ schema, table })}`;
    const asked = control.rows(sql, `read the foreign keys of ${schema}.${table}`);
    // It may be gone since it was listed.
    const [row] = await asked.catch((thrown: unknown) =>
      isMissing(thrown) ? [] : Promise.reject(thrown),
    );
    for (const [, other, parent, columns, rest] of `${row?.[1]}`.matchAll(FOREIGN_KEY)) {
      const plain = (name: string | undefined) => `${name}`.replaceAll("``", "`");
      const acts = (what: string) => new RegExp(`ON ${what} (?:CASCADE|SET )`).test(`${rest}`);
      cascades.push({
        parent: `${other === undefined ? schema : plain(other)}.${plain(parent)}`,
        child: `${schema}.${table}`,
        onDelete: acts("DELETE"),
        onUpdate: acts("UPDATE"),
        columns: [...`${columns}`.matchAll(new RegExp(NAME, "g"))].map(([, name]) => plain(name)),
      });
    }
  }
  return cascades.filter(({ onDelete, onUpdate }) => onDelete || onUpdate);
}

/** Charsets of the server: by the numbers that the log has of collations, and their letters. */
export class Charsets {
  readonly #byCollation: ReadonlyMap<number, string>;
  readonly #alphabets: ReadonlyMap<string, string>;

  private constructor(byCollation: Map<number, string>, alphabets: Map<string, string>) {
    this.#byCollation = byCollation;
    this.#alphabets = alphabets;
  }

  static async of(control: Connection): Promise<Charsets> {
    const doing = "read the charsets of the server";
    const from = control.isMariaDb
      ? "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
      : "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS";
    const plain = "SELECT ID, CHARACTER_SET_NAME FROM information_schema.COLLATIONS";
    // Before MariaDB 10.10 only the collations themselves have numbers.
    const rows = await control.rows(from, doing).catch(() => control.rows(plain, doing));
    const byCollation = new Map(
      rows.flatMap(([id, name]): [number, string][] =>
        id === null || name === null ? [] : [[Number(id), `${name}`]],
      ),
    );
    const single = await control.rows(
      "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE MAXLEN = 1",
      doing,
    );
    const names = single
      .map(([name]) => `${name}`)
      .filter((name) => name !== "binary" && !UTF8_CHARSETS.has(name));
    const bytes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
    const columns = names.map((name) => `CONVERT(_${name} X'${bytes.join("")}' USING utf8mb4)`);
    const [row] = await control.rows(`SELECT ${columns.join(", ")}`, doing);
    const alphabets = new Map(names.map((name, at) => [name, withoutGuesses(row?.[at] ?? "")]));
    return new Charsets(byCollation, alphabets);
  }

  /** The charset of a collation by its number; null for none. */
  ofCollation(collation: number | null): string | null {
    return collation === null ? null : (this.#byCollation.get(collation) ?? null);
  }

  alphabet(charset: string): string | undefined {
    return this.#alphabets.get(charset);
  }

  /** A type of texts with what their bytes are. */
  word(type: WireType, collation: number | null): WireType {
    return this.wordOf(type, this.ofCollation(collation));
  }

  wordOf(type: WireType, charset: string | null): WireType {
    if (charset === null) return type;
    const alphabet = this.alphabet(charset);
    return { ...type, charset, ...(alphabet === undefined ? {} : { alphabet }) };
  }
}

const QUESTION = 0x3f;

/** A byte that stands for nothing is written as a question mark. */
function withoutGuesses(text: string): string {
  const letters = [...text].map((letter, byte) =>
    letter === "?" && byte !== QUESTION ? "\ufffd" : letter,
  );
  return letters.join("");
}

function noTables(
  patterns: readonly string[],
  database: string | null,
  rows: readonly (readonly (string | null)[])[],
): Error {
  if (patterns.length === 0 && database === null) {
    return refusal(
      "config",
      "nothing says which tables are wanted",
      "give database, or tables with their databases: [shop.orders]",
    );
  }
  const named =
    patterns.length === 0
      ? `there is no table in database ${database}`
      : `no table is called ${patterns.join(", ")}`;
  const there = rows.slice(0, NAMES_SHOWN_MAX).map(([schema, table]) => `${schema}.${table}`);
  return refusal("not-found", named, `there are: ${there.join(", ") || "none"}`);
}
