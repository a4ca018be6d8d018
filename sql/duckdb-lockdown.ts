/** The settings that shut a DuckDB instance in, in the order that makes them hold. robustness.md S17, 5.3. */

import type { DuckDBConnection } from "@duckdb/node-api";
import { LakeError } from "../core/base/errors.ts";
import type { DuckDBOptions } from "./duckdb.ts";
import { escapeGlob, quoteList, quoteLiteral } from "./quote.ts";

/** Default of the bound on spilled bytes. DuckDB's own is 90 % of the disk. */
const TEMP_BYTES_MAX = 64 * 1024 ** 3;

type Setting = readonly [name: string, sql: string, readBack: string | null];

/** What holds for every instance, whatever is asked of it. `home_directory` is never set. */
const FIXED: readonly Setting[] = [
  ["allow_persistent_secrets", "false", "false"],
  ["autoinstall_known_extensions", "false", "false"],
  ["autoload_known_extensions", "false", "false"],
  ["allow_community_extensions", "false", "false"],
  ["allow_unsigned_extensions", "false", "false"],
  ["preserve_insertion_order", "true", "true"],
  ["errors_as_json", "true", "true"],
];

/** The first half, which needs no options. */
export async function applyFixedSettings(connection: DuckDBConnection): Promise<void> {
  await apply(connection, FIXED);
}

/** The second half; then reads everything back and throws `internal` when a setting did not take. */
export async function lockDown(
  connection: DuckDBConnection,
  options: DuckDBOptions,
): Promise<void> {
  const settings = settingsOf(options);
  await apply(connection, settings);
  const result = await connection.run("SELECT name, value FROM duckdb_settings()");
  const valuesByName = new Map<string, unknown>();
  for (const [name, value] of await result.getRows()) valuesByName.set(String(name), value);
  for (const [name, , expected] of [...FIXED, ...settings]) {
    const actual = String(valuesByName.get(name));
    if (expected !== null && actual !== expected) {
      throw new LakeError("internal", `the SQL engine's setting ${name} is ${actual}`, {
        hint: "report this: the engine may not be the version that this program was built for",
        context: { name, actual, expected },
      });
    }
  }
}

async function apply(connection: DuckDBConnection, settings: readonly Setting[]): Promise<void> {
  const statements = settings.map(([name, sql]) => `SET GLOBAL ${name} = ${sql};`);
  await connection.run(statements.join("\n"));
}

/** Order matters: paths before external access goes, the lock last. */
function settingsOf(options: DuckDBOptions): readonly Setting[] {
  const settings: Setting[] = [
    ["threads", quoteLiteral(options.threads), String(options.threads)],
    ["memory_limit", quoteLiteral(`${options.memoryBytes}B`), null],
    ["TimeZone", quoteLiteral(options.timezone ?? "UTC"), null],
    ["temp_directory", quoteLiteral(options.tempFolder ?? ""), options.tempFolder ?? ""],
    ["max_temp_directory_size", quoteLiteral(`${tempBytesMax(options)}B`), null],
  ];
  if (!options.lockdown) return settings;
  return [
    ...settings,
    ["allowed_paths", quoteList(withEscaped(options.allowedPaths)), null],
    ["allowed_directories", quoteList(withEscaped(options.allowedFolders)), null],
    ["enable_external_access", "false", "false"],
    ["lock_configuration", "true", "true"],
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
