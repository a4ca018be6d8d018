/** Folders in which statements work out what they write: they are kept as long as their process is alive. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../sql/duckdb/native-unpack.ts";
import { STAGING_FOLDER } from "../../storage/disk/local.ts";

const OWNER_ONLY = 0o700;

/** A new folder of this process. Absolute. */
export function newStatementFolder(warehouse: string, uuid: string): string {
  const folder = join(warehouse, STAGING_FOLDER, `sql-${process.pid}-${uuid}`);
  mkdirSync(folder, { recursive: true, mode: OWNER_ONLY });
  return folder;
}

/** Whether the process that a folder was made by is alive. */
export function isLiving(name: string): boolean {
  const pid = /^sql-(\d+)-/.exec(name)?.[1];
  return pid !== undefined && isAlive(Number(pid));
}
