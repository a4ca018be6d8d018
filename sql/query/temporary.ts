/** Temporary tables and views that a session's user made. */

import type { DuckDB } from "../duckdb/duckdb.ts";

/** Their columns by their names, in lower case; what statements of ours made for themselves is not among them. */
export async function temporaryColumns(
  db: DuckDB,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = await db.rows(
    "SELECT lower(t.name) AS name, coalesce(list(c.column_name ORDER BY c.column_index), []) AS columns FROM " +
      "(SELECT table_name AS name FROM duckdb_tables() WHERE temporary UNION ALL " +
      "SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal) AS t " +
      "LEFT JOIN duckdb_columns() AS c ON c.table_name = t.name AND c.database_name = 'temp' " +
      "GROUP BY 1 ORDER BY 1",
  );
  return new Map(
    found.flatMap(({ name, columns }) => {
      const isScratch = /^lake_(system|table)_\d+$/.test(String(name));
      const names = Array.isArray(columns) ? columns.map(String) : [];
      return isScratch ? [] : [[String(name), names] as const];
    }),
  );
}
