/** What happens to a drop once it is landed, where the source says other than keep. */

import { mkdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ioError } from "./io-error.ts";
import { realDisk, systemCode } from "./real-disk.ts";

/** Beside the drop; a leading dot keeps it out of the listing. */
const LANDED_FOLDER = ".landed";

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
    await rename(absolute, join(folder, basename(absolute)));
  } catch (thrown) {
    if (systemCode(thrown) === "ENOENT") return;
    throw ioError(thrown, how, absolute);
  }
}
