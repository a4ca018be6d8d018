/** Where two sets of rows can differ, found by sums over hashes: most replays change few rows, or none. */

import type { DuckDB } from "./duckdb.ts";

/** Parts that the rows are dealt to by their hash. A changed row makes one or two of them be looked at. */
const BUCKETS = 65_536;
/** Above this share of differing parts nothing is gained by leaving the others out. */
const SHARE_MAX = 0.25;

export interface Sides {
  /** SELECTs of the same columns of the same types, and more. */
  readonly ours: string;
  readonly theirs: string;
  /** The columns, quoted. */
  readonly columns: readonly string[];
}

/**
 * A condition over the columns that holds for every row that one side has more often than the other. Parts are equal
 * when as many rows hash to the same sum in 128 bits: two different rows of one 64-bit hash would pass for equal.
 */
export async function whereUneven(db: DuckDB, { ours, theirs, columns }: Sides): Promise<string> {
  const hash = `hash(${columns.join(", ")})`;
  const side = (sql: string, sign: string) =>
    `SELECT ${hash} AS lake_hash, ${sign} AS lake_side FROM (${sql})`;
  const rows = await db.rows(
    `SELECT lake_hash % ${BUCKETS} AS bucket
     FROM (${side(ours, "1")} UNION ALL ${side(theirs, "-1")})
     GROUP BY bucket HAVING sum(lake_side) <> 0 OR sum(lake_side * lake_hash::HUGEINT) <> 0`,
  );
  if (rows.length === 0) return "FALSE";
  if (rows.length > BUCKETS * SHARE_MAX) return "TRUE";
  const buckets = rows.map((row) => String(row.bucket)).join(", ");
  return `${hash} % ${BUCKETS} IN (${buckets})`;
}
