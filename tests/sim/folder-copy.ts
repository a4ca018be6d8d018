/** A folder in memory, to start many runs from the same state. */

import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

interface Entry {
  /** Relative. */
  readonly path: string;
  /** Null for a folder. */
  readonly bytes: Uint8Array | null;
  readonly modified: Date;
}

export type FolderCopy = readonly Entry[];

export function copyFolder(folder: string): FolderCopy {
  const paths = readdirSync(folder, { recursive: true }).map(String).sort();
  return paths.map((path) => {
    const full = join(folder, path);
    const stat = lstatSync(full);
    const bytes = stat.isDirectory() ? null : new Uint8Array(readFileSync(full));
    return { path, bytes, modified: stat.mtime };
  });
}

/** Makes the folder what it was. */
export function restoreFolder(folder: string, copy: FolderCopy): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const { path, bytes, modified } of copy) {
    const full = join(folder, path);
    if (bytes === null) mkdirSync(full, { mode: 0o700 });
    else {
      writeFileSync(full, bytes, { mode: 0o600 });
      utimesSync(full, modified, modified);
    }
  }
}
