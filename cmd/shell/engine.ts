/** The engine of `tarn sql` as it is where no flag and no setting says otherwise, and its opening before all else. */

import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { type DuckDBOptions, openEarly } from "../../sql/duckdb/duckdb.ts";

/**
 * Half of a cold query is DuckDB opening in a thread of its own: it begins before everything else is loaded. A second
 * call does nothing.
 */
export function openEngineEarly(): void {
  openEarly(usualOptions());
}

/** The engine of one person's own shell, in their own process: it may open their files. DESIGN, decision 4. */
export function usualOptions(): DuckDBOptions {
  return {
    threads: availableParallelism(),
    memoryBytes: Math.floor(totalmem() / 2),
    tempFolder: join(tmpdir(), `lake-sql-${process.getuid?.() ?? 0}-${process.pid}`),
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  };
}
