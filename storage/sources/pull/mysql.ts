/** Tables of a MariaDB or MySQL database, asked for by plain statements: a user who may read them is enough. */

import { type CatalogTable, Charsets, catalogTable } from "../mysql/catalog.ts";
import {
  Connection,
  databaseOf,
  quoteName,
  quoteTable,
  quoteText,
  targetOf,
} from "../mysql/connection.ts";
import { selectedColumn } from "../mysql/snapshot.ts";
import { landsAs, wireOfCatalog } from "../mysql/types.ts";
import {
  absent,
  type PageAsk,
  type PageRow,
  type PullDatabase,
  type PulledTable,
  type RowTexts,
} from "./database.ts";
import type { PullSettings } from "./settings.ts";

type Column = CatalogTable["columns"][number];

const LOAD_ROWS = 1_000;
const NUMBERS: ReadonlySet<string> = new Set([
  ...["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year"],
]);
/** They are ordered by their numbers, and compared as texts unless they are asked for as numbers. */
const NUMBERED: ReadonlySet<string> = new Set(["enum", "set", "bit"]);
const BYTES: ReadonlySet<string> = new Set([
  ...["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"],
]);

export class MysqlDatabase implements PullDatabase {
  readonly dialect = "mysql";
  readonly #connection: Connection;
  readonly #charsets: Charsets;
  readonly #database: string;
  /** As they were described last, by the names of the settings. */
  readonly #tables = new Map<string, CatalogTable>();

  private constructor(connection: Connection, charsets: Charsets, database: string) {
    this.#connection = connection;
    this.#charsets = charsets;
    this.#database = database;
  }

  static async open(settings: PullSettings, projectRoot: string): Promise<MysqlDatabase> {
    const { url, tls, tls_ca } = settings;
    const parts = { host: null, port: null, database: null, user: null, password: null };
    const given = { ...parts, url, tls, tls_ca };
    const connection = await Connection.open(await targetOf(given, projectRoot));
    try {
      const charsets = await Charsets.of(connection);
      return new MysqlDatabase(connection, charsets, databaseOf(given) ?? "");
    } catch (thrown) {
      connection.destroy();
      throw thrown;
    }
  }

  async describe(name: string): Promise<PulledTable> {
    const [first = "", second] = name.split(".");
    const [schema, table] = second === undefined ? [this.#database, first] : [first, second];
    const found = await catalogTable(this.#connection, schema, table);
    if (found === null) throw absent(name, this.#database);
    this.#tables.set(name, found);
    const of = `TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(table)}`;
    const doing = `read the keys of ${name}`;
    const keyed = await this.#connection.rows(
      `SELECT COLUMN_NAME, INDEX_NAME = 'PRIMARY', SEQ_IN_INDEX = 1 FROM information_schema.STATISTICS
        WHERE ${of} ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
      doing,
    );
    const nullable = await this.#connection.rows(
      `SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE ${of} AND IS_NULLABLE = 'YES'`,
      doing,
    );
    const key = keyed.filter((row) => row[1] === "1").map(([column]) => `${column}`);
    return {
      name,
      columns: found.columns.map((column) => {
        const wire = wireOfCatalog(column, this.#charsets);
        return { name: column.name, type: landsAs(wire), wire, key: column.key };
      }),
      key,
      nullable: new Set(nullable.map(([column]) => `${column}`)),
      indexed: new Set(keyed.filter((row) => row[2] === "1").map(([column]) => `${column}`)),
    };
  }

  async page(table: PulledTable, ask: PageAsk): Promise<readonly PageRow[]> {
    const known = this.#known(table);
    const columnOf = (name: string): Column | undefined =>
      known.columns.find((column) => column.name === name);
    const order = (ask.hasCursor ? [ask.cursor, ...ask.key] : ask.key).map((name) => ({
      sorted: sortedBy(name, columnOf(name)),
      told: toldAs(name, columnOf(name)),
      literal: (text: string) => literalOf(text, columnOf(name)),
    }));
    const conditions = [`${quoteName(ask.cursor)} IS ${ask.hasCursor ? "NOT " : ""}NULL`];
    if (ask.after !== null) {
      const values = order.map(({ literal }, at) => literal(ask.after?.[at] ?? ""));
      conditions.push(
        behind(
          order.map(({ sorted }) => sorted),
          values,
        ),
      );
    } else if (ask.from !== null && ask.hasCursor) {
      conditions.push(`${order[0]?.sorted} >= ${order[0]?.literal(ask.from)}`);
    }
    const cursor = toldAs(ask.cursor, columnOf(ask.cursor));
    const told = [cursor, ...order.map((one) => one.told)];
    const rows = await this.#rows(
      `SELECT ${known.columns.map(selectedColumn).join(", ")}, ${told.join(", ")}
        FROM ${quoteTable(known)} WHERE ${conditions.join(" AND ")}
        ORDER BY ${order.map(({ sorted }) => sorted).join(", ")} LIMIT ${ask.rows}`,
      `read rows of ${table.name}`,
    );
    const width = known.columns.length;
    return rows.map((row) => {
      const texts = row.slice(width).map((value) => (value === null ? null : utf8Of(value)));
      const [text = null, ...at] = texts;
      return { values: row.slice(0, width), cursor: text, at: at.map((value) => value ?? "") };
    });
  }

  /** One statement sees one state of the table. */
  async all(table: PulledTable, onRows: (rows: readonly RowTexts[]) => Promise<void>) {
    const known = this.#known(table);
    const order = table.key.length === 0 ? "" : ` ORDER BY ${table.key.map(quoteName).join(", ")}`;
    const columns = known.columns.map(selectedColumn).join(", ");
    await this.#rows(
      `SELECT ${columns} FROM ${quoteTable(known)}${order}`,
      `read all rows of ${table.name}`,
      onRows,
    );
  }

  async close(): Promise<void> {
    this.#connection.destroy();
  }

  #known({ name }: PulledTable): CatalogTable {
    const known = this.#tables.get(name);
    if (known === undefined) throw absent(name, this.#database);
    return known;
  }

  /** Rows as bytes of their own charsets, a character each; those that nobody takes are answered. */
  async #rows(
    sql: string,
    doing: string,
    onRows: ((rows: readonly RowTexts[]) => Promise<void>) | null = null,
  ): Promise<readonly RowTexts[]> {
    let rows: RowTexts[] = [];
    await this.#connection.rows("SET character_set_results = NULL", doing);
    await this.#connection.eachValues(sql, doing, (values) => {
      rows.push(
        values.map((value) => (value === null ? null : Buffer.from(value).toString("latin1"))),
      );
      if (onRows === null || rows.length < LOAD_ROWS) return null;
      const full = rows;
      rows = [];
      return onRows(full);
    });
    await this.#connection.rows("SET character_set_results = utf8mb4", doing);
    if (onRows === null) return rows;
    if (rows.length > 0) await onRows(rows);
    return [];
  }
}

function sortedBy(name: string, column: Column | undefined): string {
  return NUMBERED.has(column?.dataType ?? "") ? `${quoteName(name)} + 0` : quoteName(name);
}

/** A text of the value from which `literalOf` makes it again. */
function toldAs(name: string, column: Column | undefined): string {
  const type = column?.dataType ?? "";
  if (BYTES.has(type)) return `HEX(${quoteName(name)})`;
  if (NUMBERED.has(type)) return `CAST(${quoteName(name)} + 0 AS CHAR)`;
  const value = type === "float" ? `${quoteName(name)} + 0e0` : quoteName(name);
  return `CONVERT(CAST(${value} AS CHAR) USING utf8mb4)`;
}

function literalOf(text: string, column: Column | undefined): string {
  const type = column?.dataType ?? "";
  if (BYTES.has(type)) return `x'${text.replaceAll(/[^0-9A-Fa-f]/g, "")}'`;
  const isNumber = NUMBERS.has(type) || NUMBERED.has(type);
  return isNumber && /^-?[\d.]+(?:e[+-]?\d+)?$/i.test(text) ? text : quoteText(text);
}

/** Behind a row in the order of columns; the first one says so alone, so that an index of it is used. */
function behind(columns: readonly string[], values: readonly string[]): string {
  const [first = ""] = columns;
  const ways = columns.map((column, at) => {
    const equal = columns.slice(0, at).map((one, index) => `${one} = ${values[index]}`);
    return `(${[...equal, `${column} > ${values[at]}`].join(" AND ")})`;
  });
  return `${first} >= ${values[0]} AND (${ways.join(" OR ")})`;
}

function utf8Of(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
