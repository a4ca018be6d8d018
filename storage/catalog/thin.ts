/** Retention inside a commit: what of a table's snapshots leaves its metadata now. */

import { CURSOR_LAG_SNAPSHOTS_MAX } from "../../core/limits.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { Fact } from "../../core/table/commit.ts";
import { DEFAULT_RETENTION, snapshotsToDrop } from "../../core/table/retention.ts";
import type { TableMetadata, TableVersion } from "../iceberg/metadata.ts";
import type { CatalogContext } from "./context.ts";
import { text } from "./row.ts";

/** Ids of snapshots that a commit on `base` takes out; `facts` are those that move with it. */
export async function snapshotsToThin(
  context: CatalogContext,
  base: TableVersion,
  facts: readonly Fact[],
): Promise<bigint[]> {
  const { metadata } = base;
  const rules = { ...DEFAULT_RETENTION, ageMaxMs: context.snapshotsAgeMaxMs };
  const nowMs = context.clock.nowMs();
  const { ageMaxMs } = rules;
  const isAged = metadata.snapshots.some(
    (snapshot) => ageMaxMs !== null && snapshot.timestampMs < nowMs - ageMaxMs,
  );
  // No young table of a few snapshots pays for reading the cursors.
  const fewEnough = Math.min(SNAPSHOTS_ALWAYS_KEPT, rules.snapshotsMax);
  if (!isAged && metadata.snapshots.length < fewEnough) return [];
  const cursors = await readCursors(context, facts);
  const protectedIds = new Set([...metadata.refs.values()].map((ref) => ref.snapshotId));
  if (metadata.currentSnapshotId !== null) protectedIds.add(metadata.currentSnapshotId);
  for (const id of namedMoments(metadata, cursors)) protectedIds.add(id);
  return snapshotsToDrop({
    snapshots: metadata.snapshots,
    protectedIds,
    oldestCursor: oldestCursor(metadata, cursors, nowMs - context.cursorLagMs),
    nowMs,
    rules,
  });
}

/** Below this many no pace is fast enough to thin. */
const SNAPSHOTS_ALWAYS_KEPT = 60;

/** Texts of all model cursors as they will be after the commit. */
async function readCursors(context: CatalogContext, facts: readonly Fact[]): Promise<string[]> {
  const { store } = context;
  const sql = "SELECT name, value FROM lake_facts WHERE kind = 'cursor'";
  const rows = await store.read(() => store.db.all(sql));
  const valueByName = new Map(rows.map((row) => [text(row, "name"), text(row, "value")]));
  for (const fact of facts) {
    if (fact.kind !== "cursor") continue;
    if (fact.becomes === null) valueByName.delete(fact.name);
    else valueByName.set(fact.name, fact.becomes);
  }
  return [...valueByName.values()];
}

/** Snapshots that models read by name, as of a version or a time that they write out. */
function namedMoments(metadata: TableMetadata, cursors: readonly string[]): bigint[] {
  return cursors.flatMap((cursor) =>
    [...(cursorFromText(cursor)?.moments.values() ?? [])].flatMap(({ uuid, snapshotId }) =>
      uuid === metadata.uuid && snapshotId !== null ? [snapshotId] : [],
    ),
  );
}

/** The least sequence number that a model still reads from; one that lags too far does not count. */
function oldestCursor(
  metadata: TableMetadata,
  cursors: readonly string[],
  sinceMs: number,
): bigint | null {
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]));
  const least = metadata.lastSequenceNumber - BigInt(CURSOR_LAG_SNAPSHOTS_MAX);
  let oldest: bigint | null = null;
  for (const cursorText of cursors) {
    for (const input of cursorFromText(cursorText)?.inputs.values() ?? []) {
      if (input.uuid !== metadata.uuid || input.snapshotId === null) continue;
      const snapshot = byId.get(input.snapshotId);
      if (snapshot === undefined || snapshot.timestampMs < sinceMs) continue;
      const { sequenceNumber } = snapshot;
      if (sequenceNumber < least) continue;
      if (oldest === null || sequenceNumber < oldest) oldest = sequenceNumber;
    }
  }
  return oldest;
}
