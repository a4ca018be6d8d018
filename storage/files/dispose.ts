/** What happens to a drop once it is landed, where the source says other than keep. */

import { mkdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join, parse } from "node:path";
import { ioError, systemCode } from "../../core/base/io-error.ts";
import { realDisk } from "../disk/durable.ts";

/** Beside the drop; a leading dot keeps it out of the listing. */
const LANDED_FOLDER = ".landed";
const VERSIONS_MAX = 10_000;

/** Moves or deletes a drop that is still what was claimed; one that changed since stays. Absent is fine. */
export async function disposeDrop(
  absolute: string,
  claimed: { readonly sizeBytes: number; readonly modifiedMs: number },
  how: "move" | "delete",
): Promise<void> {
  try {
    const now = await realDisk.stat(absolute);
    if (now === null || now.kind !== "file") return;
    const same = now.sizeBytes === claimed.sizeBytes && now.modifiedMs === claimed.modifiedMs;
    if (!same) return;
    if (how === "delete") return await unlink(absolute);
    const folder = join(dirname(absolute), LANDED_FOLDER);
    await mkdir(folder, { recursive: true });
    await rename(absolute, await freeName(folder, basename(absolute)));
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return;
    throw ioError(thrown, how, absolute);
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
