/** From a table change to the files of a commit: manifests prepared once, metadata staged per attempt. */

import { assert, must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { METADATA_LOG_MAX } from "../../core/limits.ts";
import type { TableChange } from "../../core/table/commit.ts";
import { fileKey, isVector } from "../../core/table/live.ts";
import type { DataFile, PartitionSpec, Schema, Snapshot } from "../../core/table/types.ts";
import {
  hasLiveFiles,
  type ManifestEntry,
  type ManifestFile,
  writeManifest,
  writeManifestList,
} from "./manifest.ts";
import type { MergeContext } from "./manifest-merge.ts";
import type { ManifestVersion } from "./manifest-schema.ts";
import {
  currentSchema,
  currentSnapshot,
  serializeMetadata,
  type TableMetadata,
  type TableVersion,
  usesGzip,
} from "./metadata.ts";
import { applyUpdates, checkRequirements, LAST_ADDED } from "./metadata-update.ts";
import { type ManifestStore, metadataFolder } from "./recorded-files.ts";
import type { RowIds } from "./row-ids.ts";
import { MAIN, type RecordedSnapshot, summarize } from "./snapshot.ts";
import type { Requirement, TableCommit, Update } from "./table-commit.ts";

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
  /** References that are older than they say they may be. */
  readonly dropRefs?: readonly string[];
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

/** What names a version's file and gives its time. */
export type VersionInput = Pick<StageInput, "metadataUuid" | "nowMs">;

/**
 * What must hold where a change is staged. Nothing may have come between for anything but an append and a change of
 * properties, which are staged again on what they find; what was prepared under a schema needs it still.
 */
export function requirementsOf(
  change: TableChange,
  prepared: TableVersion | null,
): readonly Requirement[] {
  if (change.create !== null) return [{ kind: "assert-create" }];
  const requirements: Requirement[] = [{ kind: "assert-table-uuid", uuid: change.uuid }];
  if (change.branch !== undefined) {
    // One that is not there yet begins where it was looked at.
    const isThere = prepared?.metadata.refs.has(change.branch) ?? false;
    const snapshotId = isThere ? change.base : null;
    requirements.push({ kind: "assert-ref-snapshot-id", ref: change.branch, snapshotId });
    return requirements;
  }
  const isFree = change.operation === null || change.operation === "append";
  if (!isFree || change.onMoved === "conflict") {
    // A replace is prepared again on what was appended; `canStage` says that it was no more.
    const isAgain = isPutOnTop(change) && prepared !== null;
    const snapshotId = isAgain ? prepared.metadata.currentSnapshotId : change.base;
    requirements.push({ kind: "assert-ref-snapshot-id", ref: MAIN, snapshotId });
  }
  const { schema, spec } = change;
  if (schema !== null) {
    requirements.push({ kind: "assert-current-schema-id", schemaId: schema.schemaId });
    if (prepared !== null) {
      const { lastColumnId: fieldId } = prepared.metadata;
      requirements.push({ kind: "assert-last-assigned-field-id", fieldId });
    }
  }
  if (spec !== undefined && prepared !== null) {
    const { defaultSpecId: specId, lastPartitionId: partitionId } = prepared.metadata;
    requirements.push({ kind: "assert-default-spec-id", specId });
    requirements.push({ kind: "assert-last-assigned-partition-id", partitionId });
  }
  return requirements;
}

/**
 * Whether a change prepared on one version can be staged on another, or on the one itself; a `replace` after it was
 * prepared again.
 */
export function canStage(
  change: TableChange,
  prepared: TableVersion | null,
  now: TableVersion | null,
): boolean {
  if (isPutOnTop(change)) {
    if (now === null || !isAppendedTo(now.metadata, change.base)) return false;
    const others = requirementsOf(change, prepared).filter(
      ({ kind }) => kind !== "assert-ref-snapshot-id",
    );
    return checkRequirements(now.metadata, others) === null;
  }
  // Before it is prepared, what is there now says whether the branch is.
  const known = change.branch === undefined ? prepared : (prepared ?? now);
  return checkRequirements(now?.metadata ?? null, requirementsOf(change, known)) === null;
}

/** Files that stand in for others go on top of what is appended meanwhile: it takes nothing of them away. */
export function isPutOnTop({ operation, onMoved }: TableChange): boolean {
  return operation === "replace" && onMoved !== "conflict";
}

/** True when nothing but appends came since a snapshot, which may be the current one. */
function isAppendedTo(metadata: TableMetadata, since: bigint | null): boolean {
  const byId = new Map(metadata.snapshots.map((one) => [one.snapshotId, one]));
  let id = metadata.currentSnapshotId;
  while (id !== since) {
    const snapshot = id === null ? undefined : byId.get(id);
    if (snapshot?.operation !== "append") return false;
    id = snapshot.parentId;
  }
  return true;
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
    for (const manifest of await input.manifests.list(parentOf(change, base.metadata))) {
      if (!hasLiveFiles(manifest)) continue;
      const entries = await input.manifests.entries(manifest, base.metadata);
      const hit = entries.filter(({ status, file }) => {
        // A deletion vector leaves with its data file. Iceberg spec, "Deletion Vectors".
        const isAlone = isVector(file) && wanted.has(file.referencedDataFile ?? "");
        return status !== "deleted" && (isAlone || wanted.has(fileKey(file)));
      });
      if (hit.length === 0) continue;
      const leaving = new Set(hit.map(({ file }) => fileKey(file)));
      const filtered = filterEntries(entries, leaving, input.snapshotId);
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
  const { change } = prepared.input;
  const { base } = input;
  const requirements = requirementsOf(change, prepared.input.base);
  const updates: Update[] = [...describingUpdates(prepared.input)];
  const files: NewFile[] = [];
  if (change.operation !== null) {
    refuseUnmet(base, requirements, change.table);
    const described = describe(prepared.input, base?.metadata ?? null, input.nowMs);
    const made = await stageSnapshot(prepared, input, described);
    const { snapshot } = made;
    const name = change.branch ?? MAIN;
    const ref = { ...described.refs.get(name), kind: "branch" as const };
    updates.push({ kind: "add-snapshot", snapshot });
    const { snapshotId } = snapshot;
    updates.push({ kind: "set-snapshot-ref", name, ref: { ...ref, snapshotId } });
    const schemaId = base?.metadata.currentSchemaId;
    // Columns that a branch alone has are those of its snapshot, and no others.
    if (change.branch !== undefined && change.schema !== null && schemaId !== undefined) {
      updates.push({ kind: "set-current-schema", schemaId });
    }
    files.push(...made.files);
  }
  const { dropSnapshots: snapshotIds, dropRefs = [] } = input;
  for (const name of dropRefs) updates.push({ kind: "remove-snapshot-ref", name });
  if (snapshotIds.length > 0) updates.push({ kind: "remove-snapshots", snapshotIds });
  const staged = stageCommit(base, { requirements, updates }, input, change.table);
  return { ...staged, files: [...files, ...staged.files] };
}

/**
 * The next version of a table's metadata: the only way from one to the next, for whatever changes. Throws `conflict`
 * when a requirement does not hold, and what `applyUpdates` throws. `name` stands in errors.
 */
export function stageCommit(
  base: TableVersion | null,
  commit: TableCommit,
  input: VersionInput,
  name: string,
): Staged {
  refuseUnmet(base, commit.requirements, name);
  const next = applyUpdates(base?.metadata ?? null, commit.updates, { nowMs: input.nowMs });
  const log = base === null ? null : advanceMetadataLog(base, next);
  const metadata: TableMetadata = { ...next, metadataLog: log?.metadataLog ?? [] };
  const metadataLocation = nextMetadataLocation(base, metadata, input.metadataUuid);
  const kept = new Set(next.snapshots.map((snapshot) => snapshot.snapshotId));
  const dropped = base?.metadata.snapshots.filter((old) => !kept.has(old.snapshotId)) ?? [];
  const added = commit.updates.findLast((update) => update.kind === "add-snapshot");
  return {
    metadata,
    metadataLocation,
    snapshot: added?.snapshot ?? null,
    files: [{ location: metadataLocation, bytes: serializeMetadata(metadata) }],
    obsolete: {
      metadataFiles: log?.dropped ?? [],
      manifestLists: dropped.map((old) => old.manifestList).filter((list) => list !== ""),
    },
  };
}

/** Location of the next metadata file, `00012-<uuid>.metadata.json`; 0 when there is none before it. */
export function nextMetadataLocation(
  base: TableVersion | null,
  next: TableMetadata,
  uuid: string,
): string {
  const name = base?.metadataLocation.split("/").at(-1) ?? "";
  const before = /^(\d+)-/.exec(name)?.[1];
  const version = before === undefined ? 0 : Number(before) + 1;
  const suffix = usesGzip(next) ? ".gz.metadata.json" : ".metadata.json";
  return `${metadataFolder(next)}/${String(version).padStart(5, "0")}-${uuid}${suffix}`;
}

function refuseUnmet(
  base: TableVersion | null,
  requirements: readonly Requirement[],
  name: string,
): void {
  const reason = checkRequirements(base?.metadata ?? null, requirements);
  if (reason !== null) throw movedBase(name, reason);
}

/** All of a change but its files: the table as the snapshot finds it. */
function describingUpdates({ change, location }: PrepareInput): readonly Update[] {
  const { create } = change;
  const updates: Update[] = [];
  const schema = create?.schema ?? change.schema;
  const spec = create?.spec ?? change.spec;
  if (create !== null) {
    updates.push({ kind: "assign-uuid", uuid: change.uuid });
    updates.push({ kind: "upgrade-format-version", formatVersion: create.formatVersion ?? 2 });
    updates.push({ kind: "set-location", location });
  } else if (change.formatVersion !== undefined) {
    updates.push({ kind: "upgrade-format-version", formatVersion: change.formatVersion });
  }
  if (schema !== null) {
    const { lastColumnId } = change;
    updates.push({
      kind: "add-schema",
      schema,
      ...(lastColumnId === undefined ? {} : { lastColumnId }),
    });
    updates.push({ kind: "set-current-schema", schemaId: LAST_ADDED });
  }
  if (spec !== undefined) {
    updates.push({ kind: "add-spec", spec });
    updates.push({ kind: "set-default-spec", specId: LAST_ADDED });
  }
  const sortOrder = create?.sortOrder ?? change.sortOrder;
  if (sortOrder !== undefined) {
    updates.push({ kind: "add-sort-order", sortOrder });
    updates.push({ kind: "set-default-sort-order", orderId: LAST_ADDED });
  }
  const properties = Object.entries({ ...create?.properties, ...change.properties });
  const set = properties.flatMap(([key, value]) => (value === null ? [] : [[key, value]]));
  const names = properties.flatMap(([key, value]) => (value === null ? [key] : []));
  if (set.length > 0) updates.push({ kind: "set-properties", properties: Object.fromEntries(set) });
  if (names.length > 0) updates.push({ kind: "remove-properties", names });
  return updates;
}

/** The table as a change describes it, without its files. */
function describe(input: PrepareInput, base: TableMetadata | null, nowMs: number): TableMetadata {
  const { change } = input;
  const described = applyUpdates(base, describingUpdates(input), { nowMs });
  const { defaultSpecId } = described;
  const wanted = change.create?.spec.specId ?? change.spec?.specId ?? defaultSpecId;
  // Data files bear the id of the spec that they were written under.
  if (wanted === defaultSpecId) return described;
  throw movedBase(change.table, `partition spec ${wanted} came to be ${defaultSpecId}`);
}

/** The next version's metadata log, and the files that fell out of it. */
function advanceMetadataLog(
  base: TableVersion,
  next: TableMetadata,
): { readonly metadataLog: TableMetadata["metadataLog"]; readonly dropped: readonly string[] } {
  const entry = { timestampMs: base.metadata.lastUpdatedMs, metadataFile: base.metadataLocation };
  const log = [...next.metadataLog, entry];
  const text = next.properties["write.metadata.previous-versions-max"] ?? "";
  const keep = /^\d+$/.test(text) ? Math.max(1, Number(text)) : METADATA_LOG_MAX;
  const cut = Math.max(0, log.length - keep);
  return {
    metadataLog: log.slice(cut),
    dropped: log.slice(0, cut).map((old) => old.metadataFile),
  };
}

/** Maintenance leaves as few manifests as may be; other commits write them again only when they are many. */
async function mergedBy(
  { properties }: TableMetadata,
  { operation }: TableChange,
  manifests: readonly ManifestFile[],
  context: MergeContext,
): Promise<readonly ManifestFile[]> {
  if (manifests.length < 2) return manifests;
  const { mergeManifests, mergeRule, wholeRule } = await import("./manifest-merge.ts");
  const rule = mergeRule(properties);
  const whole = operation === "replace" ? wholeRule(rule) : rule;
  return await mergeManifests(manifests, whole, context);
}

/** The snapshot and its manifest list, on the table as it is now. */
async function stageSnapshot(
  prepared: Prepared,
  input: StageInput,
  metadata: TableMetadata,
): Promise<{ readonly snapshot: RecordedSnapshot; readonly files: readonly NewFile[] }> {
  const { change, snapshotId, commitUuid, manifests } = prepared.input;
  const parent = parentOf(change, metadata);
  const before = (await manifests.list(parent)).filter(hasLiveFiles);
  const unmerged = [
    ...prepared.created.map((made) => made.file),
    ...before.map((file) => prepared.rewritten.get(file.path)?.file ?? file),
  ];
  const files: NewFile[] = [];
  const own = new Map(
    [...prepared.created, ...prepared.rewritten.values()].map((made) => [made.file.path, made]),
  );
  const context: MergeContext = {
    snapshotId,
    entries: async (file) => own.get(file.path)?.entries ?? manifests.lastEntries(file, metadata),
    write: (content, specId, entries) => {
      const made = writeManifest({
        location: prepared.nextManifestLocation(),
        content,
        schema: currentSchema(metadata),
        schemas: metadata.schemas,
        spec: specOf(metadata.specs, specId),
        snapshotId,
        entries,
        formatVersion: manifestVersion(metadata),
      });
      files.push({ location: made.file.path, bytes: made.bytes });
      return made.file;
    },
  };
  // The first manifest of a table has nothing to be merged with.
  const merged =
    unmerged.length < 2 ? unmerged : await mergedBy(metadata, change, unmerged, context);
  const sequenceNumber = metadata.lastSequenceNumber + 1n;
  const unassigned = merged.map((file) => numbered(file, sequenceNumber));
  const { list, header, extra } = await withRowIds(unassigned, metadata);
  const parentId = parent?.snapshotId ?? null;
  const bytes = writeManifestList({ snapshotId, parentId, sequenceNumber, ...header }, list);
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
    extra,
  };
  return { snapshot, files: [...files, { location: manifestList, bytes }] };
}

/** What a change is put upon: the head of `main`, or the snapshot of its branch that was looked at. */
function parentOf({ branch, base }: TableChange, metadata: TableMetadata): RecordedSnapshot | null {
  if (branch === undefined) return currentSnapshot(metadata);
  return metadata.snapshots.find(({ snapshotId }) => snapshotId === base) ?? null;
}

/** With numbers of its own: those that it is born with are those of its snapshot. What has them stays one object. */
function numbered(file: ManifestFile, number: bigint): ManifestFile {
  const { sequenceNumber, minSequenceNumber } = file;
  if (sequenceNumber !== null && minSequenceNumber !== null) return file;
  return {
    ...file,
    sequenceNumber: sequenceNumber ?? number,
    minSequenceNumber: minSequenceNumber ?? number,
  };
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
      return removed.has(fileKey(entry.file))
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
  readonly formatVersion: ManifestVersion;
} {
  const described = describe(input, input.base?.metadata ?? null, 0);
  const { schemas, specs } = described;
  const formatVersion = manifestVersion(described);
  return { schema: currentSchema(described), schemas, specs, formatVersion };
}

function manifestVersion({ formatVersion }: TableMetadata): ManifestVersion {
  assert(formatVersion !== 1, "tables of format v1 are not written");
  return formatVersion;
}

async function withRowIds(list: readonly ManifestFile[], metadata: TableMetadata): Promise<RowIds> {
  if (metadata.formatVersion < 3) return { list, header: {}, extra: {} };
  const { giveRowIds } = await import("./row-ids.ts");
  return giveRowIds(list, metadata);
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
  refuseUnmet(base, requirementsOf(change, base), change.table);
  assert(change.branch === undefined || !isPutOnTop(change), "files are made one on main");
  if (isPutOnTop(change) && !isAppendedTo(base.metadata, change.base)) {
    throw movedBase(change.table, "more than appends came in between");
  }
  const { schema, spec, sortOrder } = change;
  const describes = schema !== null || spec !== undefined || sortOrder !== undefined;
  const writes = change.operation !== null || describes;
  if (base.metadata.formatVersion === 1 && writes) {
    throw new LakeError(
      "unsupported",
      `${change.table} is an Iceberg v${base.metadata.formatVersion} table: read only here`,
      {
        hint: `upgrade it first: alter table ${change.table} set ('format-version' = '2')`,
      },
    );
  }
}

function checkRemoved(change: TableChange, removed: readonly DataFile[]): void {
  const found = new Set(removed.map(fileKey));
  const missing = change.removed.find((path) => !found.has(path));
  if (missing === undefined) return;
  throw new LakeError("conflict", `${change.table}: ${missing} is not a live file of the table`, {
    hint: "another commit removed it first; plan the change again on the current snapshot",
  });
}

function movedBase(table: string, reason: string): LakeError {
  return new LakeError("conflict", `${table} changed since this commit was planned`, {
    hint: "plan the change again on the current snapshot",
    cause: new Error(reason),
  });
}
