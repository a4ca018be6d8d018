/**
 * Rows compared by hashes: a hash of a value that tells apart what DuckDB's own does not (NULL, `[]`, `{}` and a
 * struct of NULLs; 0 and -1 of 128 bits), and where two sets of rows can differ, found by sums of them: most replays
 * change few rows, or none.
 */

import type { Type } from "../../core/table/types.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { ownColumn, quoteLiteral } from "../syntax/quote.ts";

/** A column, or a part of one, as SQL. */
export interface Valued {
  readonly sql: string;
  readonly type: Type;
}

/** One hash of all values of a row. Equal rows have equal ones; DuckDB combines parts without regard to nesting. */
export function fingerprint(columns: readonly Valued[]): string {
  return `hash(${columns.map(({ sql, type }) => partOf(type, sql, 0)).join(", ")})`;
}

/** What stands for a value in a hash: itself, or for a nested one its shape and the hashes of its parts. */
function partOf(type: Type, sql: string, depth: number): string {
  switch (type.kind) {
    case "struct": {
      const parts = type.fields.map((field) =>
        partOf(field.type, `struct_extract(${sql}, ${quoteLiteral(field.name)})`, depth),
      );
      return `hash(${[`${sql} IS NULL`, ...parts].join(", ")})`;
    }
    case "list":
      return listPart(type.element, sql, `${sql} IS NULL`, depth);
    case "map": {
      const keys = listPart(type.key, `map_keys(${sql})`, `${sql} IS NULL`, depth);
      return `hash(${keys}, ${listPart(type.value, `map_values(${sql})`, `${sql} IS NULL`, depth)})`;
    }
    case "decimal":
      // The halves of 128 bits are hashed and put together by XOR: 0.00 and -0.01 are both 0.
      return type.precision > WIDE_ABOVE ? `hash(${sql}, ${sql} < 0)` : sql;
    default:
      return sql;
  }
}

/** Digits of a decimal that DuckDB holds in 64 bits. */
const WIDE_ABOVE = 18;

function listPart(element: Type, sql: string, isNull: string, depth: number): string {
  const each = `e${depth}`;
  const inner = partOf(element, each, depth + 1);
  const hashes = `list_transform(${sql}, lambda ${each}: hash(${inner}))`;
  return `hash(${isNull}, len(${sql}), ${hashes})`;
}

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
