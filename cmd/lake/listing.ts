/** The tables and models that there are. */

import { LakeError } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { goneTables } from "../../core/model/run-store.ts";
import type { Selection } from "../../core/model/select.ts";
import { liveRows } from "../../core/table/live.ts";
import { isSeedTable } from "../../core/table/name.ts";
import type { Snapshot, TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export interface Listed {
  readonly name: TableName;
  /**
   * The kind of its model; `seed` of a file of the project, `table` where rows land otherwise; `iceberg view` of a
   * query that other engines keep.
   */
  readonly kind: string;
  /** Null where nothing is built. */
  readonly rows: bigint | null;
  readonly updatedMs: number | null;
  /** Null for what is no table yet, and for a view. */
  readonly snapshotCount: number | null;
  /** What used to write it, and is not in the project any more. */
  readonly gone: "model" | "source" | null;
}

export const ICEBERG_VIEW = "iceberg view";

export interface ListedSnapshot {
  readonly snapshot: Snapshot;
  /** Branches and tags of the table that stand on it. */
  readonly refs: readonly string[];
}

/** What of the listing is selected; all of it where nothing is said. */
export async function selectedListing(
  session: Session,
  { select, exclude }: Selection,
): Promise<readonly Listed[]> {
  const listed = await listingOf(session);
  if (select.length + exclude.length === 0) return listed;
  const { chosenModels, validGraph } = await import("./models.ts");
  const graph = await validGraph(session);
  const chosen = await chosenModels(session.catalog, graph, select, exclude);
  return listed.filter(({ name }) => chosen?.has(name) === true);
}

/** Tables of the lake, and models that have none yet, by name. */
export async function listingOf(session: Session): Promise<readonly Listed[]> {
  const kindByName = new Map<TableName, string>(
    session.project.models.map((model) => [model.name, model.kind]),
  );
  const gone = await goneOf(session);
  const listed: Listed[] = [];
  for (const { name } of await session.catalog.tables()) {
    const table = await session.catalog.load(name);
    const current = table?.current ?? null;
    const model = kindByName.get(name) ?? null;
    const kind = model ?? (isSeedTable(name) ? "seed" : "table");
    // A table that was made empty is there; a model that never ran is not.
    const isThere = table !== null && (current !== null || model === null);
    const rows = isThere ? (current === null ? 0n : liveRows(current)) : null;
    const updatedMs = isThere ? (current?.timestampMs ?? table.lastUpdatedMs) : null;
    const snapshotCount = table?.snapshots.length ?? 0;
    listed.push({ name, kind, rows, updatedMs, snapshotCount, gone: gone.get(name) ?? null });
    kindByName.delete(name);
  }
  for (const [name, kind] of kindByName) {
    listed.push({ name, kind, rows: null, updatedMs: null, snapshotCount: null, gone: null });
  }
  const nothing = { rows: null, updatedMs: null, snapshotCount: null, gone: null };
  const views = await session.catalog.views();
  listed.push(...views.map((name) => ({ name, kind: ICEBERG_VIEW, ...nothing })));
  return listed.sort((a, b) => compareCodePoints(a.name, b.name));
}

/** Of a project with errors nobody knows what it makes. */
async function goneOf(session: Session): Promise<ReadonlyMap<TableName, "model" | "source">> {
  const { catalog, config, project, root } = session;
  if (project.errors.length > 0) return new Map();
  const { sourceTables } = await import("./drops.ts");
  const { streamTables } = await import("./sources.ts");
  return goneTables(catalog, [
    ...project.models.map(({ name }) => name),
    ...(await sourceTables(root, config)).keys(),
    ...(await streamTables(session)).map(({ into }) => into),
  ]);
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
