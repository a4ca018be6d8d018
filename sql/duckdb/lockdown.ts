/** The settings that shut a DuckDB instance in, in the order that makes them hold. robustness.md S17, 5.3. */

import type { DuckDBConnection } from "@duckdb/node-api";
import { LakeError } from "../../core/base/errors.ts";
import { escapeGlob, quoteList, quoteLiteral } from "../syntax/quote.ts";

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

/** Default of the bound on spilled bytes. DuckDB's own is 90 % of the disk. */
const TEMP_BYTES_MAX = 64 * 1024 ** 3;

interface Setting {
  readonly name: string;
  readonly sql: string;
  /** The same as the option of a new instance; null where only a statement can say it. */
  readonly option: string | null;
  /** What it must read as afterwards; null for what DuckDB spells in its own way. */
  readonly expected: string | null;
}

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

/** What an instance was opened with: settings by name. */
export type Applied = ReadonlyMap<string, string>;

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

/** For what is opened ahead of its first request. */
const UNKNOWN: DuckDBOptions = {
  threads: 1,
  memoryBytes: 64 * 1024 ** 2,
  tempFolder: null,
  allowedPaths: [],
  allowedFolders: [],
  lockdown: false,
};

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
