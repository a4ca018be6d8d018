/** Data files that hold the same bytes: an unchanged query writes what it wrote before, in the same order. */

import { type FileHandle, open } from "node:fs/promises";
import type { ScanFile } from "../../core/table/types.ts";

const CHUNK_BYTES = 1024 * 1024;
/** Files of one length that are tried for one file: small tables have many alike. */
const CANDIDATES_MAX = 4;

/**
 * Paths, as recorded, of the files on both sides that have a twin on the other; no file is the twin of two. Only files
 * of one length are read, up to the first difference.
 */
export async function twins(
  before: readonly ScanFile[],
  after: readonly ScanFile[],
): Promise<ReadonlySet<string>> {
  const byShape = Map.groupBy(before, shapeOf);
  const found = new Set<string>();
  for (const one of after) {
    const alike = byShape.get(shapeOf(one)) ?? [];
    const free = alike.filter((old) => !found.has(old.file.path)).slice(0, CANDIDATES_MAX);
    for (const old of free) {
      if (!(await sameBytes(old.localPath, one.localPath))) continue;
      found.add(old.file.path).add(one.file.path);
      break;
    }
  }
  return found;
}

function shapeOf({ file }: ScanFile): string {
  return `${file.sizeBytes} bytes, ${file.recordCount} rows`;
}

async function sameBytes(a: string, b: string): Promise<boolean> {
  await using one = await open(a);
  await using other = await open(b);
  const own = Buffer.allocUnsafe(CHUNK_BYTES);
  const theirs = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; ; ) {
    const [length, otherLength] = await Promise.all([fill(one, own, at), fill(other, theirs, at)]);
    if (length !== otherLength) return false;
    if (own.compare(theirs, 0, length, 0, length) !== 0) return false;
    if (length < CHUNK_BYTES) return true;
    at += length;
  }
}

/** Bytes from a position on, fewer than asked for only at the end of the file. */
async function fill(file: FileHandle, into: Buffer, at: number): Promise<number> {
  let length = 0;
  while (length < into.length) {
    const { bytesRead } = await file.read(into, length, into.length - length, at + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}
