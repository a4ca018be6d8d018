/** Queries of our own commands, run in their own process like a user's. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isJsonObject, type Json, parseJson } from "../../core/base/json.ts";
import type { RunSettings } from "../../core/model/model-table.ts";
import { type DuckDB, openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { QuerySession } from "../../sql/query/query.ts";
import type { ResultSet } from "../../sql/query/result.ts";
import { jsonRows } from "../format/json.ts";
import type { Session } from "../open.ts";
import { lakeLookup } from "./table-lookup.ts";

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

/**
 * All rows of one query over the lake as JSON values by column name, as `--format json` prints them; for answers of
 * a bounded size.
 */
export async function lakeRows(session: Session, sql: string): Promise<Record<string, Json>[]> {
  const rows: Record<string, Json>[] = [];
  await eachResult(session, sql, async (result) => {
    const write = jsonRows(result.columns, "js", session.config.timezone);
    for await (const chunk of result.chunks()) {
      for (const text of write(chunk)) {
        const row = parseJson(text);
        if (isJsonObject(row)) rows.push({ ...row });
      }
    }
  });
  return rows;
}

/** Runs a query over the lake and hands on each result that has columns. */
export async function eachResult(
  session: Session,
  sql: string,
  take: (result: ResultSet) => Promise<void>,
): Promise<void> {
  const query = new QuerySession({
    open: () => openShellEngine(session.settings),
    lookup: lakeLookup(session),
    timezone: session.config.timezone,
    writablePath: (path) => path,
  });
  try {
    for await (const { result } of query.run(sql)) if (result !== null) await take(result);
  } finally {
    await query.close();
  }
}
