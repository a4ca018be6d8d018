/** What a table holds at a snapshot: all of its files, and how many rows are left of them. */

import type { DataFile, Scan, Snapshot } from "./types.ts";

/** All files of a scan: data, and what deletes rows of it. */
export function everyFile(scan: Scan): readonly DataFile[] {
  return [...scan.files.map(({ file }) => file), ...scan.deletes];
}

/** What tells a file of a table from all others: its path, and of a deletion vector its place in it. */
export function fileKey({ path, blob }: Pick<DataFile, "path" | "blob">): string {
  return blob === undefined ? path : `${path}#${blob.offset}`;
}

/** True of an entry that is a deletion vector: a Puffin file holds deletes in no other form. */
export function isVector(file: Pick<DataFile, "content" | "format">): boolean {
  return file.content === "position-deletes" && file.format.toLowerCase() === "puffin";
}

/**
 * Rows at a snapshot, as its summary says; null when it does not say. Exact where each row is deleted by position once,
 * as we do; equality deletes of other engines are not counted.
 */
export function liveRows({ summary }: Pick<Snapshot, "summary">): bigint | null {
  const records = countIn(summary, "total-records");
  if (records === null) return null;
  const live = records - (countIn(summary, "total-position-deletes") ?? 0n);
  return live < 0n ? records : live;
}

/** Rows that a snapshot took out, with their files or by position; null when it does not say. */
export function deletedRows({ summary }: Pick<Snapshot, "summary">): bigint | null {
  const records = countIn(summary, "deleted-records");
  const added = countIn(summary, "added-position-deletes") ?? 0n;
  const removed = countIn(summary, "removed-position-deletes") ?? 0n;
  if (records === null && added === removed) return null;
  const deleted = (records ?? 0n) + added - removed;
  return deleted < 0n ? 0n : deleted;
}

function countIn(summary: Snapshot["summary"], key: string): bigint | null {
  const text = summary[key];
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : null;
}
