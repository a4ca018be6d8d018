/** The summary of a snapshot: what it added and removed, and the totals after it. Java: SnapshotSummary. */

import type { DataFile, Snapshot } from "../../core/table/types.ts";

export interface FileChanges {
  readonly added: readonly DataFile[];
  readonly removed: readonly DataFile[];
  readonly manifestsCreated: number;
  readonly manifestsKept: number;
  readonly manifestsReplaced: number;
}

interface Counts {
  dataFiles: bigint;
  deleteFiles: bigint;
  positionDeleteFiles: bigint;
  equalityDeleteFiles: bigint;
  records: bigint;
  sizeBytes: bigint;
  positionDeletes: bigint;
  equalityDeletes: bigint;
}

/** Summary entries in Java's names and order: zero changes are left out, totals are always there. */
export function summarize(
  changes: FileChanges,
  parent: Snapshot | null,
): Readonly<Record<string, string>> {
  const added = count(changes.added);
  const removed = count(changes.removed);
  const summary: Record<string, string> = {
    "manifests-created": String(changes.manifestsCreated),
    "manifests-kept": String(changes.manifestsKept),
    "manifests-replaced": String(changes.manifestsReplaced),
  };
  const put = (key: string, value: bigint): void => {
    if (value > 0n) summary[key] = String(value);
  };
  put("added-data-files", added.dataFiles);
  put("deleted-data-files", removed.dataFiles);
  put("added-delete-files", added.deleteFiles);
  put("added-position-delete-files", added.positionDeleteFiles);
  put("added-equality-delete-files", added.equalityDeleteFiles);
  put("removed-delete-files", removed.deleteFiles);
  put("removed-position-delete-files", removed.positionDeleteFiles);
  put("removed-equality-delete-files", removed.equalityDeleteFiles);
  put("added-records", added.records);
  put("deleted-records", removed.records);
  put("added-files-size", added.sizeBytes);
  put("removed-files-size", removed.sizeBytes);
  put("added-position-deletes", added.positionDeletes);
  put("removed-position-deletes", removed.positionDeletes);
  put("added-equality-deletes", added.equalityDeletes);
  put("removed-equality-deletes", removed.equalityDeletes);
  summary["changed-partition-count"] = String(changedPartitions(changes));
  const total = (key: string, plus: bigint, minus: bigint): void => {
    const before = totalBefore(parent, key);
    const after = before === null ? null : before + plus - minus;
    if (after !== null && after >= 0n) summary[key] = String(after);
  };
  total("total-records", added.records, removed.records);
  total("total-files-size", added.sizeBytes, removed.sizeBytes);
  total("total-data-files", added.dataFiles, removed.dataFiles);
  total("total-delete-files", added.deleteFiles, removed.deleteFiles);
  total("total-position-deletes", added.positionDeletes, removed.positionDeletes);
  total("total-equality-deletes", added.equalityDeletes, removed.equalityDeletes);
  return summary;
}

function count(files: readonly DataFile[]): Counts {
  const counts: Counts = {
    dataFiles: 0n,
    deleteFiles: 0n,
    positionDeleteFiles: 0n,
    equalityDeleteFiles: 0n,
    records: 0n,
    sizeBytes: 0n,
    positionDeletes: 0n,
    equalityDeletes: 0n,
  };
  for (const file of files) {
    counts.sizeBytes += file.sizeBytes;
    if (file.content === "data") {
      counts.dataFiles++;
      counts.records += file.recordCount;
      continue;
    }
    counts.deleteFiles++;
    if (file.content === "position-deletes") {
      counts.positionDeleteFiles++;
      counts.positionDeletes += file.recordCount;
    } else {
      counts.equalityDeleteFiles++;
      counts.equalityDeletes += file.recordCount;
    }
  }
  return counts;
}

/** Null when the parent does not say: a total that starts in the middle would be wrong for ever. */
function totalBefore(parent: Snapshot | null, key: string): bigint | null {
  if (parent === null) return 0n;
  const text = parent.summary[key];
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : null;
}

function changedPartitions(changes: FileChanges): number {
  const tuples = [...changes.added, ...changes.removed].map((file) =>
    [file.specId, ...file.partition].map((value) => `${typeof value}:${value}`).join("\u0000"),
  );
  return new Set(tuples).size;
}
