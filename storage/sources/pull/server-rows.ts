/** Rows of tables that are pulled from a server, counted and summed by it, as those of its log are. */

import type { CountAsk, CountedTable } from "../../../core/ingest/reconcile.ts";
import type { CountedBy } from "../compared-columns.ts";
import { Charsets, catalogTable } from "../mysql/catalog.ts";
import {
  databaseOf,
  Connection as MysqlConnection,
  targetOf as mysqlTarget,
  quoteTable,
} from "../mysql/connection.ts";
import * as mysql from "../mysql/reconcile.ts";
import { Connection as PostgresConnection, targetOf } from "../postgres/connection.ts";
import * as postgres from "../postgres/reconcile.ts";
import { tableOf } from "./postgres.ts";
import type { RowCounter } from "./row-counter.ts";
import type { PullSettings } from "./settings.ts";

const URL_ALONE = { host: null, port: null, database: null, user: null, password: null } as const;

export class PostgresCounter implements RowCounter {
  readonly #reader: PostgresConnection;

  private constructor(reader: PostgresConnection) {
    this.#reader = reader;
  }

  static async open(
    { url, tls, tls_ca }: PullSettings,
    projectRoot: string,
  ): Promise<PostgresCounter> {
    const target = await targetOf({ ...URL_ALONE, url, tls, tls_ca }, projectRoot);
    return new PostgresCounter(await PostgresConnection.open(target, "plain"));
  }

  count(ask: CountAsk, by: CountedBy) {
    return postgres.countTable(this.#reader, ask, tableOf(ask.table), by);
  }

  rowsOf(table: CountedTable, window: string) {
    return postgres.rowsIn(this.#reader, table, tableOf(table.table), window);
  }

  valuesOf(table: CountedTable, window: string, keys: readonly string[]) {
    return postgres.valuesIn(this.#reader, table, tableOf(table.table), window, keys);
  }

  async close(): Promise<void> {
    await this.#reader.close();
  }
}

export class MysqlCounter implements RowCounter {
  readonly #reader: MysqlConnection;
  readonly #charsets: Charsets;
  readonly #database: string;

  private constructor(reader: MysqlConnection, charsets: Charsets, database: string) {
    this.#reader = reader;
    this.#charsets = charsets;
    this.#database = database;
  }

  static async open(
    { url, tls, tls_ca }: PullSettings,
    projectRoot: string,
  ): Promise<MysqlCounter> {
    const given = { ...URL_ALONE, url, tls, tls_ca };
    const reader = await MysqlConnection.open(await mysqlTarget(given, projectRoot));
    try {
      return new MysqlCounter(reader, await Charsets.of(reader), databaseOf(given) ?? "");
    } catch (thrown) {
      reader.destroy();
      throw thrown;
    }
  }

  async count(ask: CountAsk, by: CountedBy) {
    const { schema, table } = this.#place(ask.table);
    const found = await catalogTable(this.#reader, schema, table);
    if (found === null) return "it is not there";
    return await mysql.countTable(this.#reader, ask, found, this.#charsets, quoteTable(found), by);
  }

  rowsOf(table: CountedTable, window: string) {
    return mysql.rowsIn(this.#reader, table, quoteTable(this.#place(table.table)), window);
  }

  valuesOf(table: CountedTable, window: string, keys: readonly string[]) {
    return mysql.valuesIn(this.#reader, table, quoteTable(this.#place(table.table)), window, keys);
  }

  async close(): Promise<void> {
    this.#reader.destroy();
  }

  #place(name: string): { readonly schema: string; readonly table: string } {
    const [first = "", second] = name.split(".");
    return second === undefined
      ? { schema: this.#database, table: first }
      : { schema: first, table: second };
  }
}
