/** DuckDB in the process of a command: for the owner's own statements, which may open any file. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunSettings } from "../../core/model/target.ts";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";

/** An instance that spills into a private folder. */
export function openShellEngine(
  settings: Pick<RunSettings, "threads" | "memoryBytes" | "timezone">,
): Promise<DuckDB> {
  return openDuckDB({
    threads: settings.threads,
    memoryBytes: settings.memoryBytes,
    tempFolder: mkdtempSync(join(tmpdir(), "lake-sql-")),
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
    timezone: settings.timezone,
  });
}
