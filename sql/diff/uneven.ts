/** Where two sets of rows can differ, found by sums over hashes: most replays change few rows, or none. */

import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn } from "../syntax/quote.ts";
import { fingerprint, type Valued } from "./fingerprint.ts";

/** Parts that the rows are dealt to by their hash. A changed row makes one or two of them be looked at. */
const BUCKET_BITS = 14;
const BUCKETS = 2 ** BUCKET_BITS;
const HASH_BITS = 64;
/** Above this share of differing parts nothing is gained by leaving the others out. */
const SHARE_MAX = 0.25;

export interface Sides {
  /** SELECTs of the same columns of the same types, and more. */
  readonly ours: string;
  readonly theirs: string;
  readonly columns: readonly Valued[];
}

/**
 * A condition over the columns that holds for every row that one side has more often than the other. Parts are equal
 * when as many rows hash to the same sum in 128 bits: two different rows of one 64-bit hash would pass for equal.
 */
export async function whereUneven(db: DuckDB, { ours, theirs, columns }: Sides): Promise<string> {
  const own = ownColumn("hash");
  const bucket = `(${own} >> ${HASH_BITS - BUCKET_BITS})::USMALLINT`;
  const hash = fingerprint(columns);
  // Each side is summed by itself: a small hash table is faster than a sign carried through both.
  const side = (sql: string) =>
    `SELECT ${bucket} AS bucket, count(*) AS rows, sum(${own}::HUGEINT) AS hashes
     FROM (SELECT ${hash} AS ${own} FROM (${sql})) GROUP BY bucket`;
  const rows = await db.rows(
    `SELECT bucket FROM (${side(ours)}) AS o FULL JOIN (${side(theirs)}) AS t USING (bucket)
     WHERE o.rows IS DISTINCT FROM t.rows OR o.hashes IS DISTINCT FROM t.hashes`,
  );
  if (rows.length === 0) return "FALSE";
  if (rows.length > BUCKETS * SHARE_MAX) return "TRUE";
  const buckets = rows.map((row) => String(row.bucket)).join(", ");
  return `${hash} >> ${HASH_BITS - BUCKET_BITS} IN (${buckets})`;
}
