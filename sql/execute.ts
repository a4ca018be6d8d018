/** Runs one statement that is ready for the engine: rows as a result, or a count of what it wrote. */

import type { DuckDB } from "./duckdb.ts";
import { type ResultSet, resultFromDuckDB } from "./result.ts";

export interface Executed {
  /** Null for statements that answer with no rows. */
  readonly result: ResultSet | null;
  /** Rows written; null when it wrote none or says nothing. */
  readonly rowsChanged: number | null;
}

/** DuckDB's kinds of result (duckdb.h, duckdb_result_type). */
const CHANGED_ROWS = 1;
const QUERY_RESULT = 3;

export interface ExecuteHooks {
  /**
   * Called when an interrupt would be seen from now on: DuckDB forgets one that comes before. Throws when there
   * was one.
   */
  beforeRun(): void;
  /** Turns what the engine throws, now or half-way, into what the caller throws. */
  mapError(thrown: unknown): unknown;
}

/** Runs a statement; its rows stream. */
export async function execute(db: DuckDB, sql: string, hooks: ExecuteHooks): Promise<Executed> {
  const mapError = (thrown: unknown) => hooks.mapError(thrown);
  try {
    const pending = await db.native.startStream(sql);
    hooks.beforeRun();
    const native = await pending.getResult();
    if (Number(native.returnType) === QUERY_RESULT) {
      return { result: mappedErrors(resultFromDuckDB(native), mapError), rowsChanged: null };
    }
    const rows = await native.getRows();
    const isCount = Number(native.returnType) === CHANGED_ROWS;
    return { result: null, rowsChanged: isCount ? Number(rows[0]?.[0] ?? 0) : null };
  } catch (thrown) {
    throw mapError(thrown);
  }
}

/** The result with what reading it throws turned into something else. */
export function mappedErrors(result: ResultSet, mapError: (thrown: unknown) => unknown): ResultSet {
  return {
    columns: result.columns,
    async *chunks() {
      try {
        yield* result.chunks();
      } catch (thrown) {
        throw mapError(thrown);
      }
    },
  };
}
