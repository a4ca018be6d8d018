/**
 * When each landing of a lake came how far, by the times of the files that it left: when each was written (`mtime`)
 * and when it got its name (`ctime`). They are as fine as the clock of the file system, some milliseconds.
 */

import type { Database } from "bun:sqlite";
import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { localPath } from "../tests/crash/walk.ts";

/** Milliseconds of the system's clock. */
export interface LandingSteps {
  readonly commit: number;
  /** The segment is whole. */
  readonly sealed: number;
  /** Its rows are a data file. */
  readonly decoded: number;
  /** The data file has its name. */
  readonly adopted: number;
  /** The segment has its name among the originals. */
  readonly kept: number;
  readonly metadataWritten: number;
  /** The metadata is synced, and has its name. */
  readonly metadataNamed: number;
}

export const STEPS = [
  "sealed",
  "decoded",
  "adopted",
  "kept",
  "metadataWritten",
  "metadataNamed",
] as const satisfies readonly (keyof LandingSteps)[];

/** Of the landings of one table behind a commit that left one segment and one data file each, oldest first. */
export function landingSteps(
  database: Database,
  project: string,
  table: string,
  after: number,
): LandingSteps[] {
  const landed = database
    .query<{ commit: number; metadata: string; original: string }, [string, number]>(
      `select t.commit_number as "commit", t.metadata_location as metadata, f.original
       from lake_commit_tables t join lake_batches b on b.commit_number = t.commit_number
         join lake_files f on f.batch = b.batch
       where t.table_name = ? and t.commit_number > ? order by t.commit_number`,
    )
    .all(table, after);
  const [first] = landed;
  if (first === undefined) return [];
  const data = join(dirname(dirname(localPath(first.metadata))), "data");
  const files = readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)))
    .sort((a, b) => a.mtimeMs - b.mtimeMs)
    .slice(-landed.length);
  return landed.flatMap(({ commit, metadata, original }, index) => {
    const written = files[index];
    const named = statSync(localPath(metadata), { throwIfNoEntry: false });
    const segment = statSync(join(project, "warehouse", original), { throwIfNoEntry: false });
    if (written === undefined || named === undefined || segment === undefined) return [];
    return {
      commit,
      sealed: segment.mtimeMs,
      decoded: written.mtimeMs,
      adopted: written.ctimeMs,
      kept: segment.ctimeMs,
      metadataWritten: named.mtimeMs,
      metadataNamed: named.ctimeMs,
    };
  });
}
