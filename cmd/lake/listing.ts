/** The tables and models that there are. */

import { LakeError } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { liveRows } from "../../core/table/live.ts";
import type { Snapshot, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export interface Listed {
  readonly name: TableName;
  /** The kind of its model; `table` where rows land. */
  readonly kind: string;
  /** Null where nothing is built. */
  readonly rows: bigint | null;
  readonly updatedMs: number | null;
  /** Null for what is no table yet, and for a view. */
  readonly snapshotCount: number | null;
}

export interface ListedSnapshot {
  readonly snapshot: Snapshot;
  /** Branches and tags of the table that stand on it. */
  readonly refs: readonly string[];
}

/** Tables of the lake, and models that have none yet, by name. */
export async function listingOf(session: Session): Promise<readonly Listed[]> {
  const kindByName = new Map<TableName, string>(
    session.project.models.map((model) => [model.name, model.kind]),
  );
  const listed: Listed[] = [];
  for (const { name } of await session.catalog.tables()) {
    const table = await session.catalog.load(name);
    const current = table?.current ?? null;
    const rows = current === null ? null : liveRows(current);
    const kind = kindByName.get(name) ?? "table";
    const updatedMs = current?.timestampMs ?? null;
    listed.push({ name, kind, rows, updatedMs, snapshotCount: table?.snapshots.length ?? 0 });
    kindByName.delete(name);
  }
  for (const [name, kind] of kindByName) {
    listed.push({ name, kind, rows: null, updatedMs: null, snapshotCount: null });
  }
  return listed.sort((a, b) => compareCodePoints(a.name, b.name));
}

/** The snapshots that a table keeps, newest first. Throws `not-found`. */
export async function snapshotsOf(
  session: Session,
  name: string,
): Promise<readonly ListedSnapshot[]> {
  const table = await session.catalog.load(await session.tableName(name));
  if (table === null) {
    throw new LakeError("not-found", `${name} has no snapshots yet`, { hint: "run: tarn build" });
  }
  const newest = [...table.snapshots].sort((a, b) =>
    a.sequenceNumber < b.sequenceNumber ? 1 : -1,
  );
  return newest.map((snapshot) => {
    const refs = [...table.refs].filter(([, ref]) => ref.snapshotId === snapshot.snapshotId);
    return { snapshot, refs: refs.map(([ref]) => ref) };
  });
}
