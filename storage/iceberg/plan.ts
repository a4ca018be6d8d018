/** From a snapshot to the files that a query must read. */

import { LakeError } from "../../core/base/errors.ts";
import type { Delta, ScanFilter } from "../../core/ports.ts";
import type {
  DataFile,
  Scan,
  ScanFile,
  Schema,
  Snapshot,
  TableName,
} from "../../core/table/types.ts";
import { applicableDeletes } from "./delete-index.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import { hasLiveFiles, type ManifestFile } from "./manifest-list.ts";
import type { ManifestStore } from "./manifest-store.ts";
import { currentSchema, findSnapshot, type TableMetadata } from "./metadata.ts";
import { makePruner } from "./pruning.ts";

export interface PlanInput {
  readonly table: TableName;
  readonly metadata: TableMetadata;
  readonly manifests: ManifestStore;
}

/** The scan of a table at a snapshot; null = no rows. Files that cannot match `filter` may be left out. */
export async function planScan(
  input: PlanInput,
  snapshot: Snapshot | null,
  filter: ScanFilter = [],
): Promise<Scan> {
  const { metadata } = input;
  const schema = schemaAt(metadata, snapshot);
  const pruner = makePruner(filter, schema, metadata.specs, metadata.schemas);
  const files: DataFile[] = [];
  const deletes: DataFile[] = [];
  for (const manifest of await input.manifests.list(snapshot)) {
    if (!hasLiveFiles(manifest)) continue;
    const isData = manifest.content === "data";
    if (isData && !pruner.keepsManifest(manifest)) continue;
    for (const entry of await input.manifests.entries(manifest, metadata)) {
      if (entry.status === "deleted") continue;
      if (entry.file.content !== "data") deletes.push(entry.file);
      else if (filter.length === 0 || pruner.keepsFile(entry.file)) files.push(entry.file);
    }
  }
  return {
    ...scanHead(input, snapshot, schema),
    files: files.map((file) => toScanFile(input, file)),
    deletes: applicableDeletes(files, deletes, metadata.specs),
  };
}

/** Files of the append snapshots in (after, to], or why there is no exact delta. DESIGN, Settled. */
export async function planDelta(
  input: PlanInput,
  after: bigint | null,
  to: Snapshot | null,
): Promise<Delta> {
  if ((to?.snapshotId ?? null) === after) return { kind: "none" };
  if (to === null) return full("the table has no snapshot any more");
  const walked = walkBack(input.metadata, after, to);
  if (walked.kind === "full") return walked;
  if (walked.appends.length === 0) return { kind: "none" };
  const files: DataFile[] = [];
  for (const snapshot of walked.appends) {
    const added = await addedFiles(input, snapshot);
    if (added === null) return full(`snapshot ${snapshot.snapshotId} also deleted rows`);
    files.push(...added);
  }
  const schema = schemaAt(input.metadata, to);
  const scan: Scan = {
    ...scanHead(input, to, schema),
    files: files.map((file) => toScanFile(input, file)),
    deletes: [],
  };
  return { kind: "append", scan, snapshots: walked.appends.length };
}

/** Live entries of a snapshot, data files and delete files, for system tables and maintenance. */
export async function liveEntries(
  input: Omit<PlanInput, "table">,
  snapshot: Snapshot | null,
): Promise<readonly ManifestEntry[]> {
  const live: ManifestEntry[] = [];
  for (const manifest of await input.manifests.list(snapshot)) {
    if (!hasLiveFiles(manifest)) continue;
    for (const entry of await input.manifests.entries(manifest, input.metadata)) {
      if (entry.status !== "deleted") live.push(entry);
    }
  }
  return live;
}

/** The columns of a table at a snapshot: today's for the current one, its own for earlier ones. */
export function schemaAt(metadata: TableMetadata, snapshot: Snapshot | null): Schema {
  const id = snapshot?.schemaId ?? null;
  if (snapshot === null || id === null || snapshot.snapshotId === metadata.currentSnapshotId) {
    return currentSchema(metadata);
  }
  const schema = metadata.schemas.find((candidate) => candidate.schemaId === id);
  if (schema !== undefined) return schema;
  throw new LakeError("unsupported", `snapshot ${snapshot.snapshotId} has columns of format v3`, {
    hint: "read a later snapshot, whose columns have types that are known here",
  });
}

type Walk =
  | { readonly kind: "appends"; readonly appends: readonly Snapshot[] }
  | Extract<Delta, { kind: "full" }>;

/** The append snapshots in (after, to], oldest first. */
function walkBack(metadata: TableMetadata, after: bigint | null, to: Snapshot): Walk {
  const appends: Snapshot[] = [];
  let current: Snapshot = to;
  for (;;) {
    if (current.operation === "append") appends.push(current);
    else if (current.operation !== "replace") {
      return full(
        `snapshot ${current.snapshotId} (${current.operation}) changed rows that were there before`,
      );
    }
    if (current.parentId === after) return { kind: "appends", appends: appends.toReversed() };
    const parent = findSnapshot(metadata, current.parentId);
    if (parent === null) {
      return full(
        current.parentId === null
          ? `snapshot ${after} is not in the history of snapshot ${to.snapshotId}: rolled back`
          : `snapshot ${current.parentId}, on the way to ${to.snapshotId}, is no longer kept`,
      );
    }
    current = parent;
  }
}

/** Data files that a snapshot added; null when it also has deletes of its own. */
async function addedFiles(
  input: PlanInput,
  snapshot: Snapshot,
): Promise<readonly DataFile[] | null> {
  const added: DataFile[] = [];
  const isOwn = (manifest: ManifestFile): boolean =>
    manifest.addedSnapshotId === snapshot.snapshotId && manifest.addedFiles !== 0;
  for (const manifest of (await input.manifests.list(snapshot)).filter(isOwn)) {
    for (const entry of await input.manifests.entries(manifest, input.metadata)) {
      if (entry.status !== "added" || entry.snapshotId !== snapshot.snapshotId) continue;
      if (entry.file.content !== "data") return null;
      added.push(entry.file);
    }
  }
  return added;
}

function scanHead(
  input: PlanInput,
  snapshot: Snapshot | null,
  schema: Schema,
): Omit<Scan, "files" | "deletes"> {
  return {
    table: input.table,
    uuid: input.metadata.uuid,
    snapshotId: snapshot?.snapshotId ?? null,
    sequenceNumber: snapshot?.sequenceNumber ?? 0n,
    schema,
  };
}

function toScanFile(input: PlanInput, file: DataFile): ScanFile {
  return { localPath: input.manifests.localPath(file.path), file };
}

function full(reason: string): Extract<Delta, { kind: "full" }> {
  return { kind: "full", reason };
}
