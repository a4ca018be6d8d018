/** Which snapshots of a grown table leave with a commit: what cursors, references and models by name need stays. */

import { CURSOR_LAG_SNAPSHOTS_MAX } from "../../core/limits.ts";
import { cursorFromText } from "../../core/model/cursor.ts";
import type { Fact } from "../../core/table/commit.ts";
import { keptByRefs } from "../../core/table/kept-refs.ts";
import { DEFAULT_RETENTION, snapshotsToDrop } from "../../core/table/retention.ts";
import type { TableMetadata } from "../iceberg/metadata.ts";
import type { CatalogContext } from "./context.ts";
import { text } from "./database.ts";

/** Ids of snapshots that leave; `facts` are those that move with the commit. */
export async function thinned(
  context: CatalogContext,
  metadata: TableMetadata,
  facts: readonly Fact[],
): Promise<bigint[]> {
  const nowMs = context.clock.nowMs();
  const cursors = await readCursors(context, facts);
  const protectedIds = new Set(keptByRefs(metadata, nowMs).kept);
  if (metadata.currentSnapshotId !== null) protectedIds.add(metadata.currentSnapshotId);
  for (const id of namedMoments(metadata, cursors)) protectedIds.add(id);
  return snapshotsToDrop({
    snapshots: metadata.snapshots,
    protectedIds,
    oldestCursor: oldestCursor(metadata, cursors, nowMs - context.cursorLagMs),
    nowMs,
    rules: { ...DEFAULT_RETENTION, ageMaxMs: context.snapshotsAgeMaxMs },
  });
}

/** Texts of all model cursors as they will be after the commit. */
async function readCursors(context: CatalogContext, facts: readonly Fact[]): Promise<string[]> {
  const { store } = context;
  const sql = "SELECT name, value FROM lake_facts WHERE kind = 'cursor'";
  const rows = await store.look(() => store.db.all(sql));
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
  const behindSince = leftBehind(metadata);
  let oldest: bigint | null = null;
  for (const cursorText of cursors) {
    for (const input of cursorFromText(cursorText)?.inputs.values() ?? []) {
      if (input.uuid !== metadata.uuid || input.snapshotId === null) continue;
      const snapshot = byId.get(input.snapshotId);
      if (snapshot === undefined) continue;
      if ((behindSince.get(snapshot.snapshotId) ?? snapshot.timestampMs) < sinceMs) continue;
      const { sequenceNumber } = snapshot;
      if (sequenceNumber < least) continue;
      if (oldest === null || sequenceNumber < oldest) oldest = sequenceNumber;
    }
  }
  return oldest;
}

/** When the first rows came that whoever stands on a snapshot has not seen; never, where only files were made one. */
function leftBehind(metadata: TableMetadata): ReadonlyMap<bigint, number> {
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]));
  const since = new Map<bigint, number>();
  let cameMs = Number.POSITIVE_INFINITY;
  for (let id = metadata.currentSnapshotId; id !== null && !since.has(id); ) {
    since.set(id, cameMs);
    const snapshot = byId.get(id);
    if (snapshot === undefined) break;
    if (snapshot.operation !== "replace") cameMs = snapshot.timestampMs;
    id = snapshot.parentId;
  }
  return since;
}
