/** Rows from a pipe, spooled to a private file so that they can be claimed like any drop. */

import { createWriteStream } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { LakeError } from "../../core/base/errors.ts";

/** Copies stdin to a file named after the table, so that it lands under that name; returns its path. */
export async function spoolStdin(
  into: string | undefined,
  format: string | null,
  signal: AbortSignal,
): Promise<string> {
  if (process.stdin.isTTY === true) {
    throw new LakeError("usage", "load - reads rows from a pipe, and there is none", {
      hint: "cat rows.csv | tarn load - --into orders --as csv",
    });
  }
  if (into === undefined) {
    throw new LakeError("usage", "rows from stdin need --into", {
      hint: "tarn load - --into orders --as csv",
    });
  }
  const folder = await mkdtemp(join(tmpdir(), "lake-stdin-"));
  const name = into.replace(/^bronze\./, "");
  const path = join(folder, `${name}-${Date.now()}.${format ?? "txt"}`);
  await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }), { signal });
  return path;
}
