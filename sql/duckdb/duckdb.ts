/**
 * A thin wrapper of DuckDB: opened locked down, plain values in and out, errors as LakeError. The settings that shut an
 * instance in come in the order that makes them hold. robustness.md S17, 5.3.
 */

import type { DuckDBConnection, DuckDBInstance, DuckDBResult, DuckDBValue } from "@duckdb/node-api";
import { LakeError } from "../../core/base/errors.ts";
import { escapeGlob, quoteList, quoteLiteral } from "../syntax/quote.ts";
import { duckDBError } from "./error.ts";
import { loadDuckDB, newInstance } from "./native.ts";
import { fromNative, type Param, type SqlValue, toNative } from "./types.ts";

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

export type { Param, SqlValue } from "./types.ts";

/** An instance that nobody has used yet, and can be opened once. */
export interface FreshInstance {
  readonly instance: DuckDBInstance;
  readonly connection: DuckDBConnection;
  readonly applied: Applied;
}

export interface DuckDBOptions {
  readonly threads: number;
  /** DuckDB's own accounting; not a bound on the process (robustness.md F5). */
  readonly memoryBytes: number;
  /** Private folder for spilling; null: never spills. */
  readonly tempFolder: string | null;
  /** Bytes that may be spilled; DuckDB's default is 90 % of the disk. */
  readonly tempBytesMax?: number;
  /** Exact files that may be opened. Absolute. */
  readonly allowedPaths: readonly string[];
  /** Folders whose files may be opened, for reading and writing. Absolute. */
  readonly allowedFolders: readonly string[];
  /** False only for the owner's own shell: any path may be opened, settings may be changed. */
  readonly lockdown: boolean;
  /** UTC when absent. */
  readonly timezone?: string;
}

/** What an instance was opened with: settings by name. */
export type Applied = ReadonlyMap<string, string>;

/** Default of the bound on spilled bytes. DuckDB's own is 90 % of the disk. */
const TEMP_BYTES_MAX = 64 * 1024 ** 3;

/** What holds for every instance, whatever is asked of it. `home_directory` is never set. */
const FIXED: readonly Setting[] = [
  flag("allow_persistent_secrets", "false"),
  flag("autoinstall_known_extensions", "false"),
  flag("autoload_known_extensions", "false"),
  flag("allow_community_extensions", "false"),
  flag("allow_unsigned_extensions", "false"),
  flag("preserve_insertion_order", "true"),
  flag("errors_as_json", "true"),
];

/** For what is opened ahead of its first request. */
const UNKNOWN: DuckDBOptions = {
  threads: 1,
  memoryBytes: 64 * 1024 ** 2,
  tempFolder: null,
  allowedPaths: [],
  allowedFolders: [],
  lockdown: false,
};

let openedEarly: Promise<FreshInstance> | null = null;

/**
 * The part of opening that can be done early, with what is known of the options. Loads the native library at the first
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

/** Opens an in-memory instance, made now or before, and one connection to it. */
export async function openDuckDB(options: DuckDBOptions, early?: FreshInstance): Promise<DuckDB> {
  checkOptions(options);
  const { instance, connection, applied } = early ?? (await createInstance(options));
  try {
    await lockDown(connection, options, applied);
    return new Connection(instance, connection, true);
  } catch (thrown) {
    instance.closeSync();
    throw duckDBError(thrown, null);
  }
}

/** Options for a new instance: all that does not need a statement, and of `given` what is known already. */
export function openingOptions(given: Partial<DuckDBOptions>): Applied {
  const settings = [...FIXED, ...settingsOf({ ...UNKNOWN, ...given })];
  return new Map(settings.flatMap(({ name, option }) => (option === null ? [] : [[name, option]])));
}

/** Sets what the instance was not opened with; then reads back and throws `internal` when a setting did not take. */
export async function lockDown(
  connection: DuckDBConnection,
  options: DuckDBOptions,
  applied: Applied,
): Promise<void> {
  const settings = settingsOf(options);
  const missing = settings.filter(
    ({ name, option }) => option === null || applied.get(name) !== option,
  );
  const statements = missing.map(({ name, sql }) => `SET GLOBAL ${name} = ${sql};`);
  await connection.run(statements.join("\n"));
  const checked = [...FIXED, ...settings].filter(({ expected }) => expected !== null);
  const columns = checked.map(({ name }) => `current_setting(${quoteLiteral(name)})::VARCHAR`);
  const result = await connection.run(`SELECT ${columns.join(", ")}`);
  const [values = []] = await result.getRows();
  for (const [index, { name, expected }] of checked.entries()) {
    const actual = String(values[index]);
    if (actual !== expected) {
      throw new LakeError("internal", `the SQL engine's setting ${name} is ${actual}`, {
        hint: "report this: the engine may not be the version that this program was built for",
        context: { name, actual, expected: expected ?? "" },
      });
    }
  }
}

/** Starts to open one, with what is likely; what fails is thrown by `takeEarly`. */
export function openEarly(likely: Partial<DuckDBOptions>): void {
  openedEarly ??= createInstance(likely);
  openedEarly.catch(() => {});
}

/** The instance, once; null when none was opened early. Throws LakeError `io` when the library cannot be loaded. */
export async function takeEarly(): Promise<FreshInstance | null> {
  const taken = openedEarly;
  openedEarly = null;
  return taken;
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

interface Setting {
  readonly name: string;
  readonly sql: string;
  /** The same as the option of a new instance; null where only a statement can say it. */
  readonly option: string | null;
  /** What it must read as afterwards; null for what DuckDB spells in its own way. */
  readonly expected: string | null;
}

function flag(name: string, value: "true" | "false"): Setting {
  return { name, sql: value, option: value, expected: value };
}

function value(name: string, text: string, expected: string | null): Setting {
  return { name, sql: quoteLiteral(text), option: text, expected };
}

/** Order matters: paths before external access goes, the lock last. */
function settingsOf(options: DuckDBOptions): readonly Setting[] {
  const threads = String(options.threads);
  const tempFolder = options.tempFolder ?? "";
  const zone = value("TimeZone", options.timezone ?? "UTC", null);
  const settings: Setting[] = [
    value("threads", threads, threads),
    value("memory_limit", `${options.memoryBytes}B`, null),
    // It comes with an extension, which a new instance does not have yet.
    { ...zone, option: null },
    value("temp_directory", tempFolder, tempFolder),
    value("max_temp_directory_size", `${tempBytesMax(options)}B`, null),
  ];
  if (!options.lockdown) return settings;
  const statement = (name: string, sql: string, expected: string | null): Setting => {
    return { name, sql, option: null, expected };
  };
  return [
    ...settings,
    statement("allowed_paths", quoteList(withEscaped(options.allowedPaths)), null),
    statement("allowed_directories", quoteList(withEscaped(options.allowedFolders)), null),
    statement("enable_external_access", "false", "false"),
    statement("lock_configuration", "true", "true"),
  ];
}

function tempBytesMax(options: DuckDBOptions): number {
  return options.tempFolder === null ? 0 : (options.tempBytesMax ?? TEMP_BYTES_MAX);
}

/** A path and the pattern that `quoteFilePath` makes of it: DuckDB compares the text before it expands. */
function withEscaped(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const escaped = escapeGlob(path);
    return escaped === path ? [path] : [path, escaped];
  });
}
