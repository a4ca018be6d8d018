/** What a file holds: every column with the narrowest type that holds each of its values exactly. */

import type { ObservedColumn } from "../../core/engine.ts";
import type { ReadOptions } from "../../core/ingest/contract.ts";
import type { DuckDB } from "../duckdb/duckdb.ts";
import { SMALL_BYTES } from "./format.ts";
import { readerOf } from "./formats.ts";
import type { Prepared } from "./prepared.ts";

export interface Looked {
  readonly columns: readonly ObservedColumn[];
  /** Only the first rows were looked at. */
  readonly guessed: boolean;
}

/**
 * Reads the file to its end; only the first rows of a large text file when `sampled`. Rows that will be quarantined
 * teach nothing.
 */
export async function inspectFile(
  db: DuckDB,
  prepared: Prepared,
  read: ReadOptions,
  sampled: boolean,
): Promise<Looked> {
  const { inspect, inspectFirst, looks } = await readerOf(prepared.dialect.format);
  const early = sampled && prepared.sizeBytes > SMALL_BYTES ? inspectFirst?.(prepared, read) : null;
  const guessed = early !== null && early !== undefined;
  const columns = guessed ? early : await inspect(db, prepared, read);
  const isText = columns.some(({ isFigures }) => isFigures === true);
  return {
    columns: isText ? ((await looks?.(prepared, read, columns)) ?? columns) : columns,
    guessed,
  };
}
