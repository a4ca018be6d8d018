/** A thin wrapper of DuckDB: opened locked down, plain values in and out, errors as LakeError. */

import type { DuckDBConnection, DuckDBInstance, DuckDBResult, DuckDBValue } from "@duckdb/node-api";
import { LakeError } from "../../core/base/errors.ts";
import { duckDBError } from "./error.ts";
import { type Applied, type DuckDBOptions, lockDown, openingOptions } from "./lockdown.ts";
import { loadDuckDB, newInstance } from "./native.ts";
import { fromNative, type Param, type SqlValue, toNative } from "./value.ts";

export type Row = Readonly<Record<string, SqlValue>>;

export interface SqlColumn {
  readonly name: string;
  /** DuckDB's spelling, such as `DECIMAL(10,2)` or `STRUCT("a" INTEGER)`. */
  readonly type: string;
}

/** Rows as they are computed, a few thousand at a time; column order is kept, names may repeat. */
export interface SqlStream extends AsyncIterable<readonly (readonly SqlValue[])[]> {
  readonly columns: readonly SqlColumn[];
}

/** One connection. Statements of one connection run one after the other. */
export interface DuckDB extends AsyncDisposable {
  /** Runs statements (several when there are no params); the number of rows changed by the last. */
  run(sql: string, params?: readonly Param[]): Promise<number>;
  /** All rows as objects; for results of a bounded size. */
  rows(sql: string, params?: readonly Param[]): Promise<Row[]>;
  stream(sql: string, params?: readonly Param[]): Promise<SqlStream>;
  /** Stops the running statement, which then throws `sql`; DuckDB may take long to notice. */
  interrupt(): void;
  /** Another connection to the same instance; closing it leaves this one open. */
  connect(): Promise<DuckDB>;
  /** The connection beneath, for what this wrapper does not cover (progress, statement splitting). */
  readonly native: DuckDBConnection;
  /** Closes the connection, and the instance with the connection that opened it. */
  close(): Promise<void>;
}

export type { DuckDBOptions } from "./lockdown.ts";
export type { Param, SqlValue } from "./value.ts";

/** An instance that nobody has used yet, and can be opened once. */
export interface FreshInstance {
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
  readonly applied: Applied;
}

/**
 * The part of opening that can be done ahead, with what is known of the options. Loads the native library at the first
 * call.
 */
export async function createInstance(known: Partial<DuckDBOptions>): Promise<FreshInstance> {
  let instance: DuckDBInstance | null = null;
  try {
    const applied = openingOptions(known);
    // As options, so that the first statement cannot pull in an extension.
    instance = await newInstance(applied);
    return { instance, connection: await instance.connect(), applied };
  } catch (thrown) {
    instance?.closeSync();
    throw duckDBError(thrown, null);
  }
}

/** Opens an in-memory instance, made now or ahead, and one connection to it. */
export async function openDuckDB(options: DuckDBOptions, ahead?: FreshInstance): Promise<DuckDB> {
  checkOptions(options);
  const { instance, connection, applied } = ahead ?? (await createInstance(options));
  try {
    await lockDown(connection, options, applied);
    return new Connection(instance, connection, true);
  } catch (thrown) {
    instance.closeSync();
    throw duckDBError(thrown, null);
  }
}

class Connection implements DuckDB {
  readonly native: DuckDBConnection;
  #instance: DuckDBInstance;
  #ownsInstance: boolean;
  #open = true;

  constructor(instance: DuckDBInstance, connection: DuckDBConnection, ownsInstance: boolean) {
    this.#instance = instance;
    this.native = connection;
    this.#ownsInstance = ownsInstance;
  }

  async run(sql: string, params: readonly Param[] = []): Promise<number> {
    const result = await this.#execute(sql, params);
    return result.rowsChanged;
  }

  async rows(sql: string, params: readonly Param[] = []): Promise<Row[]> {
    const api = await loadDuckDB();
    const result = await this.#execute(sql, params);
    const names = result.deduplicatedColumnNames();
    const rows = await guarded(sql, () => result.getRows());
    return rows.map((values) => toRow(names, values, (value) => fromNative(api, value)));
  }

  async stream(sql: string, params: readonly Param[] = []): Promise<SqlStream> {
    const api = await loadDuckDB();
    const { values, types } = toNative(api, params);
    const result = await guarded(sql, () => this.native.stream(sql, values, types));
    return streamOf(sql, result, (value) => fromNative(api, value));
  }

  interrupt(): void {
    this.native.interrupt();
  }

  async connect(): Promise<DuckDB> {
    const connection = await guarded(null, () => this.#instance.connect());
    return new Connection(this.#instance, connection, false);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.native.closeSync();
    if (this.#ownsInstance) this.#instance.closeSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #execute(sql: string, params: readonly Param[]): Promise<DuckDBResult> {
    if (params.length === 0) return guarded(sql, () => this.native.run(sql));
    const { values, types } = toNative(await loadDuckDB(), params);
    return guarded(sql, () => this.native.run(sql, values, types));
  }
}

async function guarded<T>(sql: string | null, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    throw duckDBError(thrown, sql);
  }
}

function toRow(
  names: readonly string[],
  values: readonly DuckDBValue[],
  convert: (value: DuckDBValue) => SqlValue,
): Row {
  return Object.fromEntries(names.map((name, index) => [name, convert(values[index] ?? null)]));
}

function streamOf(
  sql: string,
  result: DuckDBResult,
  convert: (value: DuckDBValue) => SqlValue,
): SqlStream {
  const types = result.columnTypes();
  const columns = result.columnNames().map((name, index) => ({ name, type: String(types[index]) }));
  async function* batches() {
    for (;;) {
      const chunk = await guarded(sql, () => result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk.getRows().map((row) => row.map(convert));
    }
  }
  return { columns, [Symbol.asyncIterator]: batches };
}

function checkOptions(options: DuckDBOptions): void {
  for (const path of [...options.allowedPaths, ...options.allowedFolders]) {
    if (!path.startsWith("/") || path.split("/").includes("..")) {
      throw new LakeError("internal", `${path} is not an absolute path without ..`, {
        hint: "report this: a path must be resolved before the SQL engine sees it",
      });
    }
  }
}
