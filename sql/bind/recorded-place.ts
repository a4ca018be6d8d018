/** Where files of a scan are, and how old. */

import type { DataFile, Scan } from "../../core/table/types.ts";

/**
 * Where a recorded path is opened. It is recorded under the root that the table was written at, which the data files
 * tell: the lake may have been moved since.
 */
export function localPath(scan: Scan, recorded: string): string {
  const plain = withoutScheme(recorded);
  const [first] = scan.files;
  if (first === undefined) return plain;
  const before = withoutScheme(first.file.path);
  const now = first.localPath;
  let same = 0;
  while (same < before.length && same < now.length && before.at(-1 - same) === now.at(-1 - same)) {
    same++;
  }
  const oldRoot = before.slice(0, before.length - same);
  const newRoot = now.slice(0, now.length - same);
  return plain.startsWith(oldRoot) ? newRoot + plain.slice(oldRoot.length) : plain;
}

/** The data sequence number; 0 of files of before there were any. */
export function sequenceOf(file: DataFile): bigint {
  return file.dataSequenceNumber ?? 0n;
}

function withoutScheme(path: string): string {
  return path.replace(/^file:(?:\/\/(?:localhost)?)?(?=\/)/, "");
}
