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
  const { inspect, inspectFirst } = await readerOf(prepared.dialect.format);
  const first = sampled && prepared.sizeBytes > SMALL_BYTES ? inspectFirst?.(prepared, read) : null;
  if (first !== null && first !== undefined) return { columns: first, guessed: true };
  return { columns: await inspect(db, prepared, read), guessed: false };
}
