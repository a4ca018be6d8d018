/** From a table change to the files of a commit: manifests prepared once, metadata staged per attempt. */

import { assert, must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { TableChange } from "../../core/table/commit.ts";
import type { DataFile, PartitionSpec, Schema, Snapshot } from "../../core/table/types.ts";
import { writeManifest } from "./manifest.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import { hasLiveFiles, type ManifestFile, writeManifestList } from "./manifest-list.ts";
import { mergeManifests, mergeRule } from "./manifest-merge.ts";
import type { ManifestStore } from "./manifest-store.ts";
import {
  currentSchema,
  currentSnapshot,
  serializeMetadata,
  type TableMetadata,
  type TableVersion,
} from "./metadata.ts";
import {
  advanceMetadataLog,
  createMetadata,
  metadataFolder,
  nextMetadataLocation,
  withoutSnapshots,
  withProperties,
  withSchema,
  withSnapshot,
} from "./metadata-update.ts";
import type { RecordedSnapshot } from "./snapshot.ts";
import { summarize } from "./snapshot-summary.ts";

/** A file to be written before the commit; the location is recorded (`file:///…`) and new. */
export interface NewFile {
  readonly location: string;
  readonly bytes: Uint8Array;
}

export interface PrepareInput {
  readonly base: TableVersion | null;
  readonly change: TableChange;
  /** Recorded location of a table that the change creates; an existing one has its own. */
  readonly location: string;
  /** From Random.int63, not of a snapshot of the table. */
  readonly snapshotId: bigint;
  readonly commitUuid: string;
  readonly manifests: ManifestStore;
}

/** What of a commit survives a moved base: the manifests of its files. */
export interface Prepared {
  readonly input: PrepareInput;
  /** To be durable before `stage`'s files are named by anything. */
  readonly files: readonly NewFile[];
  /** Manifests of the added files, newest first. */
  readonly created: readonly CreatedManifest[];
  /** Manifests that stand in for one of the base, by its location. */
  readonly rewritten: ReadonlyMap<string, CreatedManifest>;
  /** The files that `change.removed` names. */
  readonly removed: readonly DataFile[];
  /** Gives the next location of a manifest of this commit. */
  readonly nextManifestLocation: () => string;
}

/** A manifest of this commit: what the list says of it, and what it holds. */
export interface CreatedManifest {
  readonly file: ManifestFile;
  readonly entries: readonly ManifestEntry[];
}

export interface StageInput {
  /** The table now; the same as in `prepare`, or a later version when `canStage` says so. */
  readonly base: TableVersion | null;
  /** From 1. */
  readonly attempt: number;
  /** Names this attempt's metadata file. */
  readonly metadataUuid: string;
  readonly nowMs: number;
  /** Summary entries of the writer: engine-name, engine-version, … */
  readonly engine: Readonly<Record<string, string>>;
  /** Snapshots that retention takes out of the metadata with this commit; never refs or the current one. */
  readonly dropSnapshots: readonly bigint[];
}

/** One attempt: its files must be durable before the catalog's pointer moves to `metadataLocation`. */
export interface Staged {
  readonly metadata: TableMetadata;
  readonly metadataLocation: string;
  /** The new snapshot; null when the change made none. */
  readonly snapshot: Snapshot | null;
  readonly files: readonly NewFile[];
  readonly obsolete: Obsolete;
}

/** Recorded locations that the new metadata no longer names; unlinked later, by the caller. */
export interface Obsolete {
  readonly metadataFiles: readonly string[];
  readonly manifestLists: readonly string[];
}

export interface MetadataStageInput {
  readonly metadataUuid: string;
  readonly nowMs: number;
  readonly dropSnapshots: readonly bigint[];
}

/**
 * Whether a change prepared on one version can be staged on another: always when nothing moved, otherwise only
 * when it appends (or touches properties only) and leaves the schema alone.
 */
export function canStage(
  change: TableChange,
  prepared: TableVersion | null,
  now: TableVersion | null,
): boolean {
  if (prepared === null || now === null) return prepared === now;
  if (prepared.metadata.uuid !== now.metadata.uuid) return false;
  const isFree = change.operation === null || change.operation === "append";
  if (!isFree && change.base !== now.metadata.currentSnapshotId) return false;
  if (prepared.metadataLocation === now.metadataLocation) return true;
  const sameColumns =
    prepared.metadata.lastColumnId === now.metadata.lastColumnId &&
    prepared.metadata.currentSchemaId === now.metadata.currentSchemaId;
  return isFree && (change.schema === null || sameColumns);
}

/**
 * Makes (in memory) the manifests of a change: added files without sequence numbers, and the base's manifests
 * that hold removed files, rewritten. Throws `conflict` when the base moved or a removed file is not live, and
 * `unsupported` for tables of another format than v2.
 */
export async function prepare(input: PrepareInput): Promise<Prepared> {
  const { base, change } = input;
  checkChange(input);
  const folder = metadataFolder(base?.metadata ?? { location: input.location });
  let count = 0;
  const nextManifestLocation = (): string => `${folder}/${input.commitUuid}-m${count++}.avro`;
  const context = manifestContext(input);
  const files: NewFile[] = [];
  const write = (
    content: ManifestFile["content"],
    specId: number,
    entries: readonly ManifestEntry[],
  ): CreatedManifest => {
    const location = nextManifestLocation();
    const spec = specOf(context.specs, specId);
    const snapshotId = input.snapshotId;
    const made = writeManifest({ ...context, location, content, spec, snapshotId, entries });
    files.push({ location, bytes: made.bytes });
    return { file: made.file, entries };
  };
  const rewritten = new Map<string, CreatedManifest>();
  const removed: DataFile[] = [];
  if (base !== null && change.removed.length > 0) {
    const wanted = new Set(change.removed);
    for (const manifest of await input.manifests.list(currentSnapshot(base.metadata))) {
      if (!hasLiveFiles(manifest)) continue;
      const entries = await input.manifests.entries(manifest, base.metadata);
      const hit = entries.filter(
        (entry) => entry.status !== "deleted" && wanted.has(entry.file.path),
      );
      if (hit.length === 0) continue;
      const filtered = filterEntries(entries, wanted, input.snapshotId);
      rewritten.set(manifest.path, write(manifest.content, manifest.specId, filtered));
      removed.push(...hit.map((entry) => entry.file));
    }
    checkRemoved(change, removed);
  }
  const created = groupAdded(change.added).map(({ content, specId, added }) => {
    const entries = added.map((file) => addedEntry(file, input.snapshotId));
    return write(content, specId, entries);
  });
  return { input, files, created, rewritten, removed, nextManifestLocation };
}

/**
 * Makes one attempt's manifest list and metadata on `input.base`; manifests that it merges are among its files.
 * Throws `conflict` unless `canStage`.
 */
export async function stage(prepared: Prepared, input: StageInput): Promise<Staged> {
  const { change, location } = prepared.input;
  if (!canStage(change, prepared.input.base, input.base)) throw movedBase(change);
  const { base } = input;
  const start =
    base?.metadata ??
    createMetadata(must(change.create, "a new table's spec"), change.uuid, location, input.nowMs);
  const withColumns = change.schema === null ? start : withSchema(start, change.schema);
  const described = withProperties(withColumns, change.properties ?? {});
  if (change.operation === null) return finish(base, described, input, null, []);
  const { snapshot, files } = await stageSnapshot(prepared, input, described);
  return finish(base, withSnapshot(described, snapshot), input, snapshot, files);
}

/** A commit that changes metadata only (refs, properties, retention): `next` made from `base.metadata`. */
export function stageMetadata(
  base: TableVersion,
  next: TableMetadata,
  input: MetadataStageInput,
): Staged {
  return finish(base, next, input, null, []);
}

/** Metadata's last touches: retention, logs, time, name. */
function finish(
  base: TableVersion | null,
  next: TableMetadata,
  input: MetadataStageInput,
  snapshot: RecordedSnapshot | null,
  files: readonly NewFile[],
): Staged {
  const gone = new Set(input.dropSnapshots);
  const dropped = next.snapshots.filter((old) => gone.has(old.snapshotId));
  const kept = withoutSnapshots(next, input.dropSnapshots);
  const log = base === null ? null : advanceMetadataLog(base, kept);
  const metadata: TableMetadata = {
    ...kept,
    lastUpdatedMs: snapshot?.timestampMs ?? Math.max(input.nowMs, next.lastUpdatedMs),
    metadataLog: log?.metadataLog ?? [],
  };
  const metadataLocation = nextMetadataLocation(base, metadata, input.metadataUuid);
  return {
    metadata,
    metadataLocation,
    snapshot,
    files: [...files, { location: metadataLocation, bytes: serializeMetadata(metadata) }],
    obsolete: {
      metadataFiles: log?.dropped ?? [],
      manifestLists: dropped.map((old) => old.manifestList).filter((list) => list !== ""),
    },
  };
}

/** The snapshot and its manifest list, on the table as it is now. */
async function stageSnapshot(
  prepared: Prepared,
  input: StageInput,
  metadata: TableMetadata,
): Promise<{ readonly snapshot: RecordedSnapshot; readonly files: readonly NewFile[] }> {
  const { change, snapshotId, commitUuid, manifests } = prepared.input;
  const parent = currentSnapshot(metadata);
  const before = (await manifests.list(parent)).filter(hasLiveFiles);
  const unmerged = [
    ...prepared.created.map((made) => made.file),
    ...before.map((file) => prepared.rewritten.get(file.path)?.file ?? file),
  ];
  const files: NewFile[] = [];
  const own = new Map(
    [...prepared.created, ...prepared.rewritten.values()].map((made) => [made.file.path, made]),
  );
  const merged = await mergeManifests(unmerged, mergeRule(metadata.properties), {
    snapshotId,
    entries: async (file) => own.get(file.path)?.entries ?? manifests.entries(file, metadata),
    write: (content, specId, entries) => {
      const made = writeManifest({
        location: prepared.nextManifestLocation(),
        content,
        schema: currentSchema(metadata),
        schemas: metadata.schemas,
        spec: specOf(metadata.specs, specId),
        snapshotId,
        entries,
      });
      files.push({ location: made.file.path, bytes: made.bytes });
      return made.file;
    },
  });
  const sequenceNumber = metadata.lastSequenceNumber + 1n;
  const list = merged.map((file) => ({
    ...file,
    sequenceNumber: file.sequenceNumber ?? sequenceNumber,
    minSequenceNumber: file.minSequenceNumber ?? sequenceNumber,
  }));
  const parentId = parent?.snapshotId ?? null;
  const bytes = writeManifestList({ snapshotId, parentId, sequenceNumber }, list);
  const name = `snap-${snapshotId}-${input.attempt}-${commitUuid}.avro`;
  const manifestList = `${metadataFolder(metadata)}/${name}`;
  manifests.rememberList(manifestList, list, bytes.length);
  const kept = new Set(before.map((file) => file.path));
  const manifestsKept = list.filter((file) => kept.has(file.path)).length;
  const changes = {
    added: change.added,
    removed: prepared.removed,
    manifestsCreated: list.length - manifestsKept,
    manifestsKept,
    manifestsReplaced: before.length - manifestsKept,
  };
  const snapshot: RecordedSnapshot = {
    snapshotId,
    parentId,
    sequenceNumber,
    timestampMs: Math.max(input.nowMs, metadata.lastUpdatedMs),
    manifestList,
    operation: must(change.operation, "a snapshot has an operation"),
    summary: { ...change.summary, ...summarize(changes, parent), ...input.engine },
    schemaId: metadata.currentSchemaId,
    extra: {},
  };
  return { snapshot, files: [...files, { location: manifestList, bytes }] };
}

/** Live entries as existing, removed ones as deleted by this snapshot; what was deleted before is gone. */
function filterEntries(
  entries: readonly ManifestEntry[],
  removed: ReadonlySet<string>,
  snapshotId: bigint,
): readonly ManifestEntry[] {
  return entries
    .filter((entry) => entry.status !== "deleted")
    .map((entry): ManifestEntry => {
      return removed.has(entry.file.path)
        ? { ...entry, status: "deleted", snapshotId }
        : { ...entry, status: "existing" };
    });
}

/** A file that keeps the age of rows it was compacted from says its data sequence number; others inherit it. */
function addedEntry(file: DataFile, snapshotId: bigint): ManifestEntry {
  return { status: "added", snapshotId, file: { ...file, fileSequenceNumber: null } };
}

function groupAdded(added: readonly DataFile[]): readonly {
  readonly content: ManifestFile["content"];
  readonly specId: number;
  readonly added: readonly DataFile[];
}[] {
  const groups = Map.groupBy(
    added,
    (file) => `${file.content === "data" ? "data" : "deletes"} ${file.specId}`,
  );
  return [...groups.values()].map((files) => {
    const first = must(files[0], "a group has a file");
    return {
      content: first.content === "data" ? "data" : "deletes",
      specId: first.specId,
      added: files,
    };
  });
}

/** The schemas and specs that manifests of this commit are written under. */
function manifestContext(input: PrepareInput): {
  readonly schema: Schema;
  readonly schemas: readonly Schema[];
  readonly specs: readonly PartitionSpec[];
} {
  const { base, change } = input;
  if (base === null) {
    const { schema, spec } = must(change.create, "a new table's spec");
    return { schema, schemas: [schema], specs: [spec] };
  }
  const { metadata } = base;
  const next = change.schema === null ? metadata : withSchema(metadata, change.schema);
  return { schema: currentSchema(next), schemas: next.schemas, specs: metadata.specs };
}

function specOf(specs: readonly PartitionSpec[], specId: number): PartitionSpec {
  const spec = specs.find((candidate) => candidate.specId === specId);
  return must(spec, `spec ${specId} is among the table's`);
}

function checkChange(input: PrepareInput): void {
  const { base, change } = input;
  assert((base === null) === (change.create !== null), "a table is created once");
  assert(
    change.operation !== null || change.added.length + change.removed.length === 0,
    "files change in a snapshot",
  );
  assert(change.operation !== "append" || change.removed.length === 0, "an append removes nothing");
  if (base === null) return;
  if (!canStage(change, base, base)) throw movedBase(change);
  const writes = change.operation !== null || change.schema !== null;
  if (base.metadata.formatVersion !== 2 && writes) {
    throw new LakeError(
      "unsupported",
      `${change.table} is an Iceberg v${base.metadata.formatVersion} table: read only here`,
      { hint: "write it with the engine that owns it, or copy it into a new table" },
    );
  }
}

function checkRemoved(change: TableChange, removed: readonly DataFile[]): void {
  const found = new Set(removed.map((file) => file.path));
  const missing = change.removed.find((path) => !found.has(path));
  if (missing === undefined) return;
  throw new LakeError("conflict", `${change.table}: ${missing} is not a live file of the table`, {
    hint: "another commit removed it first; plan the change again on the current snapshot",
  });
}

function movedBase(change: TableChange): LakeError {
  return new LakeError("conflict", `${change.table} changed since this commit was planned`, {
    hint: "plan the change again on the current snapshot",
  });
}
