/** Runs one statement that is ready for the engine: rows as a result, or a count of what it wrote. */

import type { DuckDB } from "../duckdb/duckdb.ts";
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

/** One statement's answer. */
export interface QueryResult extends Executed {
  /** The statement as written. */
  readonly sql: string;
  /** Tables of the lake that were read, with their sequence numbers: `silver.orders@5`. */
  readonly tables: readonly string[];
  readonly notes: readonly string[];
}

export interface ExecuteHooks {
  /** True when the statement was called off while it was being prepared. */
  isCancelled(): boolean;
  /** Turns what the engine throws, now or half-way, into what the caller throws. */
  mapError(thrown: unknown): unknown;
  /** Is told of every call into the engine: a connection must not be closed under one. */
  track<T>(call: Promise<T>): Promise<T>;
}

/** Runs a statement; its rows stream. */
export async function execute(db: DuckDB, sql: string, hooks: ExecuteHooks): Promise<Executed> {
  const mapError = (thrown: unknown) => hooks.mapError(thrown);
  try {
    const pending = await hooks.track(db.native.startStream(sql));
    // DuckDB forgets an interrupt that comes before this point, and a statement that was started and is then
    // dropped blocks the next one: so it is run, and interrupted at once.
    if (hooks.isCancelled()) db.interrupt();
    const native = await hooks.track(pending.getResult());
    if (Number(native.returnType) === QUERY_RESULT) {
      return {
        result: mappedErrors(resultFromDuckDB(native, hooks.track), mapError),
        rowsChanged: null,
      };
    }
    const rows = await hooks.track(native.getRows());
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
