/** Tables of a PostgreSQL database, asked for by plain statements: a role that may read them is enough. */

import { Connection, quoteName, type Row, targetOf } from "../postgres/connection.ts";
import { TypeCatalog, typeTextOf } from "../postgres/wire-types.ts";
import {
  absent,
  type PageAsk,
  type PageRow,
  type PullDatabase,
  type PulledTable,
  type RowTexts,
} from "./database.ts";
import type { PullSettings } from "./settings.ts";

const FETCH_ROWS = 1_000;
const PUBLIC = "public";

export class PostgresDatabase implements PullDatabase {
  readonly dialect = "pull";
  readonly #connection: Connection;
  readonly #types: TypeCatalog;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.#types = new TypeCatalog(connection);
  }

  static async open(settings: PullSettings, projectRoot: string): Promise<PostgresDatabase> {
    const { url, tls, tls_ca } = settings;
    const parts = { host: null, port: null, database: null, user: null, password: null };
    const target = await targetOf({ ...parts, url, tls, tls_ca }, projectRoot);
    return new PostgresDatabase(await Connection.open(target, "plain"));
  }

  async describe(name: string): Promise<PulledTable> {
    const doing = `read the columns of ${name}`;
    const [schema, table] = partsOf(name);
    const [found] = await this.#connection.rows(
      `SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
      doing,
      [schema, table],
    );
    if (found === undefined) throw absent(name, this.#connection.target.database);
    const oid = `${found[0]}`;
    const rows = await this.#connection.rows(
      `SELECT a.attname, a.atttypid, a.atttypmod, a.attnotnull,
          coalesce((SELECT array_position(i.indkey::int2[], a.attnum) FROM pg_index i
            WHERE i.indrelid = a.attrelid AND i.indisprimary), -1),
          EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisvalid AND i.indkey[0] = a.attnum)
        FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
      doing,
      [oid],
    );
    this.#types.forget();
    const wires = await this.#types.typesOf(
      rows.map((row) => ({ typeOid: Number(row[1]), typmod: Number(row[2]) })),
    );
    const keyed = rows.filter((row) => Number(row[4]) >= 0);
    const key = keyed.sort((a, b) => Number(a[4]) - Number(b[4])).map(([column]) => `${column}`);
    return {
      name,
      columns: wires.map((wire, index) => {
        const column = `${rows[index]?.[0]}`;
        return { name: column, type: typeTextOf(wire), wire, key: key.includes(column) };
      }),
      key,
      nullable: namesOf(rows.filter((row) => row[3] === "f")),
      indexed: namesOf(rows.filter((row) => row[5] === "t")),
    };
  }

  async page(table: PulledTable, ask: PageAsk): Promise<readonly PageRow[]> {
    const order = ask.hasCursor ? [ask.cursor, ...ask.key] : ask.key;
    const names = order.map(quoteName);
    const values: string[] = [];
    const parameter = (value: string): string => `$${values.push(value)}`;
    const conditions = [`${quoteName(ask.cursor)} IS ${ask.hasCursor ? "NOT " : ""}NULL`];
    if (ask.after !== null) {
      conditions.push(`(${names.join(", ")}) > (${ask.after.map(parameter).join(", ")})`);
    } else if (ask.from !== null && ask.hasCursor) {
      conditions.push(`${quoteName(ask.cursor)} >= ${parameter(ask.from)}`);
    }
    const sql = `SELECT ${columnsOf(table)}, ${quoteName(ask.cursor)}, ${names.join(", ")}
      FROM ${tableOf(table.name)} WHERE ${conditions.join(" AND ")}
      ORDER BY ${names.join(", ")} LIMIT ${ask.rows}`;
    const rows = await this.#connection.rows(sql, `read rows of ${table.name}`, values);
    const width = table.columns.length;
    return rows.map((row) => ({
      values: row.slice(0, width),
      cursor: row[width] ?? null,
      at: row.slice(width + 1).map((value) => value ?? ""),
    }));
  }

  async all(table: PulledTable, onRows: (rows: readonly RowTexts[]) => Promise<void>) {
    const connection = this.#connection;
    const doing = `read all rows of ${table.name}`;
    const order = table.key.length === 0 ? "" : ` ORDER BY ${table.key.map(quoteName).join(", ")}`;
    await connection.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", doing);
    try {
      await connection.rows(
        `DECLARE load NO SCROLL CURSOR FOR SELECT ${columnsOf(table)} FROM ${tableOf(table.name)}${order}`,
        doing,
      );
      for (let isMore = true; isMore; ) {
        const rows = await connection.rows(`FETCH ${FETCH_ROWS} FROM load`, doing);
        if (rows.length > 0) await onRows(rows);
        isMore = rows.length === FETCH_ROWS;
      }
    } finally {
      await connection.rows("ROLLBACK", doing);
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

function partsOf(name: string): readonly [schema: string, table: string] {
  const [first = "", second] = name.split(".");
  return second === undefined ? [PUBLIC, first] : [first, second];
}

/** As statements call it. */
export function tableOf(name: string): string {
  return partsOf(name).map(quoteName).join(".");
}

function columnsOf({ columns }: PulledTable): string {
  return columns.map(({ name }) => quoteName(name)).join(", ");
}

function namesOf(rows: readonly Row[]): ReadonlySet<string> {
  return new Set(rows.map(([name]) => `${name}`));
}
