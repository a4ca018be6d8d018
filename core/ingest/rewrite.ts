/** Rewrites of earlier rows: for a wider type, or without the rows of files that others stand in for. */

import type { RewriteRequest, StagedFile } from "../engine.ts";
import type { SqlEngine } from "../ports.ts";
import type { Evolution } from "../table/evolution.ts";
import type { Scan } from "../table/types.ts";
import type { LandingTable } from "./bronze-table.ts";
import type { FileRef } from "./ledger.ts";

export interface RewriteJob {
  readonly scan: Scan;
  readonly target: LandingTable;
  readonly staging: string;
  readonly memoryBytes: number;
  readonly threads: number;
  readonly timeMs: number;
}

/** Rows that leave: all that a file landed in a batch, or the last ones of them. */
export interface LeavingRows extends FileRef {
  readonly lastRows?: number;
}

export interface Rewritten {
  readonly files: readonly StagedFile[];
  /** Recorded paths that the files stand in for. */
  readonly removed: readonly string[];
}

const NOTHING: Rewritten = { files: [], removed: [] };

/** Every earlier row under the new schema, retyped columns by exact cast. */
export async function rewriteForSchema(
  engine: SqlEngine,
  job: RewriteJob,
  retyped: Evolution["retyped"],
): Promise<Rewritten> {
  return rewrite(engine, job, retyped, []);
}

/**
 * Every earlier row but those that came from `files`. Rows of other batches, of other sources and of other engines
 * stay, and so do the data files that hold only such rows.
 */
export async function rowsWithoutFiles(
  engine: SqlEngine,
  job: RewriteJob,
  files: readonly LeavingRows[],
  retyped: Evolution["retyped"],
): Promise<Rewritten> {
  return rewrite(engine, job, retyped, files);
}

/** The rows of a quarantine table but those that came from `files`. */
export async function asideWithoutFiles(
  engine: SqlEngine,
  job: RewriteJob,
  files: readonly LeavingRows[],
): Promise<Rewritten> {
  return rewrite(engine, job, [], files, "file");
}

async function rewrite(
  engine: SqlEngine,
  job: RewriteJob,
  retyped: Evolution["retyped"],
  without: readonly LeavingRows[],
  fileColumn: RewriteRequest["fileColumn"] = "_source_file",
): Promise<Rewritten> {
  const paths = job.scan.files.map((file) => file.file.path);
  if (paths.length === 0 || (retyped.length === 0 && without.length === 0)) return NOTHING;
  const request: RewriteRequest = {
    scan: job.scan,
    paths,
    schema: job.target.schema,
    casts: Object.fromEntries(retyped.map((column) => [column.name, column.from.name])),
    without: without.map(({ batch, file, lastRows }) =>
      lastRows === undefined ? { batch, file } : { batch, file, lastRows },
    ),
    fileColumn,
    spec: job.target.spec,
    staging: job.staging,
    memoryBytes: job.memoryBytes,
    threads: job.threads,
  };
  const written = await engine.rewrite(request);
  return { files: written.files, removed: written.replaced };
}
