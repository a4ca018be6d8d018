/** A folder for the temporary files of one request. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs with the caller's folder, or with one of our own that is removed afterwards. */
export async function withWorkFolder<T>(
  given: string | null,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  if (given !== null) return work(given);
  const folder = await mkdtemp(join(tmpdir(), "lake-inspect-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
