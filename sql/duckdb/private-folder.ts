/** Folders that must be ours alone, because what lies there is executed or trusted. */

import { lstatSync, mkdirSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";

/** Makes the folder, or checks that it is a real one of ours that nobody else can write to. Throws `io`. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = lstatSync(path);
  if (stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0) return;
  throw new LakeError("io", `${path} is not a folder that only you can write to`, {
    hint: `remove it, or run: chmod 700 ${path}`,
    context: { folder: path },
  });
}
