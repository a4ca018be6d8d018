/** Queries of our own commands, run in their own process like a user's. */

import type { Json } from "../core/base/json.ts";
import { QuerySession } from "../sql/query.ts";
import type { Session } from "./open.ts";
import { lakeResolver } from "./resolver.ts";
import { openShellEngine } from "./shell-engine.ts";

/** All rows of one query over the lake as JSON values by column name; for answers of a bounded size. */
export async function lakeRows(session: Session, sql: string): Promise<Record<string, Json>[]> {
  const query = new QuerySession({
    open: () => openShellEngine(session.settings),
    resolver: lakeResolver(session),
    timezone: session.config.timezone,
    writablePath: (path) => path,
  });
  try {
    const rows: Record<string, Json>[] = [];
    for await (const { result } of query.run(sql)) {
      if (result === null) continue;
      const names = result.columns.map((column) => column.name);
      for await (const chunk of result.chunks()) {
        for (let at = 0; at < chunk.rowCount; at++) {
          const cells = names.map((name, index) => [name, jsonValue(chunk.columns[index]?.[at])]);
          rows.push(Object.fromEntries(cells));
        }
      }
    }
    return rows;
  } finally {
    await query.close();
  }
}

function jsonValue(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  return typeof value === "bigint" ? value : String(value);
}
