/** Queries of our own commands, run in their own process like a user's. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isJsonObject, type Json, parseJson } from "../../core/base/json.ts";
import { openDuckDB } from "../../sql/duckdb/duckdb.ts";
import { QuerySession } from "../../sql/query/query.ts";
import type { ResultSet } from "../../sql/query/result.ts";
import { jsonRows } from "../format/json.ts";
import type { Session } from "../open.ts";
import { lakeLookup } from "./table-lookup.ts";

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

/** Runs a query over the lake, as of a moment or a branch, and hands on each result that has columns. */
export async function eachResult(
  session: Session,
  sql: string,
  take: (result: ResultSet) => Promise<void>,
  asOf: string | null = null,
): Promise<void> {
  const { threads, memoryBytes, timezone } = session.settings;
  const shared = { threads, memoryBytes, timezone, allowedPaths: [], allowedFolders: [] };
  const tempFolder = mkdtempSync(join(tmpdir(), "lake-sql-"));
  const query = new QuerySession({
    open: () => openDuckDB({ ...shared, tempFolder, lockdown: false }),
    lookup: lakeLookup(session),
    timezone: session.config.timezone,
    writablePath: (path) => path,
  });
  query.asOf = asOf;
  try {
    for await (const { result } of query.run(sql)) if (result !== null) await take(result);
  } finally {
    await query.close();
    rmSync(tempFolder, { recursive: true, force: true });
  }
}
