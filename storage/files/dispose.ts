/** What happens to a drop once it is landed, where the source says other than keep. */

import { mkdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join, parse } from "node:path";
import { ioError, systemCode } from "../../core/base/errors.ts";
import { realDisk } from "../disk/durable.ts";
import { readThrough } from "./claim.ts";

/** Beside the drop; a leading dot keeps it out of the listing. */
const LANDED_FOLDER = ".landed";
const VERSIONS_MAX = 10_000;

/** What a drop was when it was claimed. */
export interface ClaimedDrop {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly inode: string;
  readonly changedNs?: bigint;
}

/**
 * Moves or deletes a drop that is still the very one that was claimed. One that changed since, or another one under its
 * name, stays, whatever its size and time are. Absent is fine.
 */
export async function disposeDrop(
  absolute: string,
  claimed: ClaimedDrop,
  how: "move" | "delete",
): Promise<void> {
  try {
    if (!(await isClaimed(absolute, claimed))) return;
    if (how === "delete") return await unlink(absolute);
    const folder = join(dirname(absolute), LANDED_FOLDER);
    await mkdir(folder, { recursive: true });
    await rename(absolute, await freeName(folder, basename(absolute)));
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return;
    throw ioError(thrown, how, absolute);
  }
}

/** By inode, size and times; where only the time of its last change differs (a chmod, a link), by its bytes. */
async function isClaimed(absolute: string, claimed: ClaimedDrop): Promise<boolean> {
  const now = await realDisk.stat(absolute);
  const same =
    now !== null &&
    now.kind === "file" &&
    now.inode === claimed.inode &&
    now.sizeBytes === claimed.sizeBytes &&
    now.modifiedMs === claimed.modifiedMs;
  if (!same || now.changedNs === claimed.changedNs) return same;
  const file = await realDisk.open(absolute);
  try {
    const { sha256 } = await readThrough(file, now.sizeBytes, async () => {});
    const after = await file.stat();
    const isSteady = after.inode === now.inode && after.changedNs === now.changedNs;
    return isSteady && sha256 === claimed.sha256;
  } finally {
    await file.close();
  }
}

/** An earlier version under the same name is not written over. */
async function freeName(folder: string, name: string): Promise<string> {
  const { name: stem, ext } = parse(name);
  for (let count = 1; count < VERSIONS_MAX; count++) {
    const path = join(folder, count === 1 ? name : `${stem}.${count}${ext}`);
    if ((await realDisk.stat(path)) === null) return path;
  }
  return join(folder, name);
}
