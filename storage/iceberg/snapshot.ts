/** Snapshots as metadata JSON records them, the branches and tags that name them, and what a summary says. */

import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type JsonObject,
  longField,
  numberField,
  stringifyJson,
  stringsField,
  unknownFields,
} from "../../core/base/json.ts";
import { isVector } from "../../core/table/live.ts";
import type { DataFile, Operation, Snapshot } from "../../core/table/types.ts";

/** A snapshot as recorded; `extra` holds the fields that we do not know, or that only v1 and v3 have. */
export interface RecordedSnapshot extends Snapshot {
  readonly extra: JsonObject;
}

/** A branch or a tag with its retention fields. */
export interface SnapshotRef {
  readonly kind: "branch" | "tag";
  readonly snapshotId: bigint;
  readonly minSnapshotsToKeep?: number;
  readonly maxSnapshotAgeMs?: number;
  readonly maxRefAgeMs?: number;
}

export interface FileChanges {
  readonly added: readonly DataFile[];
  readonly removed: readonly DataFile[];
  readonly manifestsCreated: number;
  readonly manifestsKept: number;
  readonly manifestsReplaced: number;
}

export const MAIN = "main";

const OPERATIONS: ReadonlySet<string> = new Set(["append", "replace", "overwrite", "delete"]);
const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  "sequence-number",
  "snapshot-id",
  "parent-snapshot-id",
  "timestamp-ms",
  "summary",
  "manifest-list",
  "schema-id",
]);
/** The JSON as it was read, until its text is asked for; then the text. */
const TEXTS = new WeakMap<RecordedSnapshot, string | JsonObject>();

/**
 * Reads a snapshot of any format version. An operation that is missing or unknown counts as `overwrite`, the one
 * that promises nothing; the snapshot is written back as it was.
 */
export function parseSnapshot(json: JsonObject): RecordedSnapshot {
  const summary = { ...stringsField(json, "summary") };
  const operation = summary.operation;
  delete summary.operation;
  const { "manifest-list": manifestList, "schema-id": schemaId } = json;
  const snapshot: RecordedSnapshot = {
    snapshotId: longField(json, "snapshot-id") ?? -1n,
    parentId: parentOf(json),
    sequenceNumber: longField(json, "sequence-number") ?? 0n,
    timestampMs: numberField(json, "timestamp-ms"),
    manifestList: typeof manifestList === "string" ? manifestList : "",
    operation: isOperation(operation) ? operation : "overwrite",
    summary,
    schemaId: typeof schemaId === "number" ? schemaId : null,
    extra: unknownFields(json, KNOWN_FIELDS),
  };
  TEXTS.set(snapshot, json);
  return snapshot;
}

/** A snapshot as JSON text in Java's key order, made once per object. */
export function snapshotText(snapshot: RecordedSnapshot): string {
  const known = TEXTS.get(snapshot);
  if (typeof known === "string") return known;
  const text = stringifyJson(known ?? snapshotToJson(snapshot));
  TEXTS.set(snapshot, text);
  return text;
}

/** Manifests that an early v1 snapshot names itself, without a manifest list. */
export function inlineManifests(snapshot: Snapshot): readonly string[] {
  const extra = "extra" in snapshot ? snapshot.extra : null;
  const manifests = isJsonObject(extra) ? extra.manifests : null;
  return Array.isArray(manifests) ? manifests.filter((path) => typeof path === "string") : [];
}

/** Reads `refs`; a file without them has main at its current snapshot. */
export function parseRefs(
  json: JsonObject,
  currentSnapshotId: bigint | null,
): ReadonlyMap<string, SnapshotRef> {
  const refs = new Map<string, SnapshotRef>();
  const listed = json.refs;
  if (isJsonObject(listed)) {
    for (const [name, ref] of Object.entries(listed)) {
      if (isJsonObject(ref)) refs.set(name, parseRef(name, ref));
    }
  }
  if (currentSnapshotId !== null && !refs.has(MAIN)) {
    refs.set(MAIN, { kind: "branch", snapshotId: currentSnapshotId });
  }
  return refs;
}

/** `refs` as JSON text. */
export function refsText(refs: ReadonlyMap<string, SnapshotRef>): string {
  return stringifyJson(Object.fromEntries([...refs].map(([name, ref]) => [name, refToJson(ref)])));
}

/** A reference as metadata JSON. */
export function refToJson(ref: SnapshotRef): JsonObject {
  return {
    "snapshot-id": ref.snapshotId,
    type: ref.kind,
    ...optional("min-snapshots-to-keep", ref.minSnapshotsToKeep),
    ...optional("max-snapshot-age-ms", ref.maxSnapshotAgeMs),
    ...optional("max-ref-age-ms", ref.maxRefAgeMs),
  };
}

/** Reads one reference. Throws `corrupt`. */
export function parseRef(name: string, json: JsonObject): SnapshotRef {
  const snapshotId = longField(json, "snapshot-id");
  const kind = json.type;
  if (snapshotId === null || (kind !== "branch" && kind !== "tag")) {
    throw new LakeError("corrupt", `reference ${name} is neither a branch nor a tag`);
  }
  const retention = (key: string): number | undefined =>
    json[key] === undefined || json[key] === null ? undefined : numberField(json, key);
  const minSnapshotsToKeep = retention("min-snapshots-to-keep");
  const maxSnapshotAgeMs = retention("max-snapshot-age-ms");
  const maxRefAgeMs = retention("max-ref-age-ms");
  return {
    kind,
    snapshotId,
    ...(minSnapshotsToKeep === undefined ? {} : { minSnapshotsToKeep }),
    ...(maxSnapshotAgeMs === undefined ? {} : { maxSnapshotAgeMs }),
    ...(maxRefAgeMs === undefined ? {} : { maxRefAgeMs }),
  };
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
  put("added-dvs", added.vectors);
  put("added-equality-delete-files", added.equalityDeleteFiles);
  put("removed-delete-files", removed.deleteFiles);
  put("removed-position-delete-files", removed.positionDeleteFiles);
  put("removed-dvs", removed.vectors);
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

function snapshotToJson(snapshot: RecordedSnapshot): JsonObject {
  return {
    "sequence-number": snapshot.sequenceNumber,
    "snapshot-id": snapshot.snapshotId,
    ...(snapshot.parentId === null ? {} : { "parent-snapshot-id": snapshot.parentId }),
    "timestamp-ms": snapshot.timestampMs,
    summary: { operation: snapshot.operation, ...snapshot.summary },
    "manifest-list": snapshot.manifestList,
    ...(snapshot.schemaId === null ? {} : { "schema-id": snapshot.schemaId }),
    ...snapshot.extra,
  };
}

function isOperation(text: string | undefined): text is Operation {
  return text !== undefined && OPERATIONS.has(text);
}

function parentOf(json: JsonObject): bigint | null {
  const parent = longField(json, "parent-snapshot-id");
  return parent === -1n ? null : parent;
}

function optional(key: string, value: number | undefined): JsonObject {
  return value === undefined ? {} : { [key]: value };
}

/** What a set of files comes to. */
interface Counts {
  dataFiles: bigint;
  deleteFiles: bigint;
  positionDeleteFiles: bigint;
  vectors: bigint;
  equalityDeleteFiles: bigint;
  records: bigint;
  sizeBytes: bigint;
  positionDeletes: bigint;
  equalityDeletes: bigint;
}

function count(files: readonly DataFile[]): Counts {
  const counts: Counts = {
    dataFiles: 0n,
    deleteFiles: 0n,
    positionDeleteFiles: 0n,
    vectors: 0n,
    equalityDeleteFiles: 0n,
    records: 0n,
    sizeBytes: 0n,
    positionDeletes: 0n,
    equalityDeletes: 0n,
  };
  for (const file of files) {
    // Several vectors may be in one file: of each its own part. Java: ScanTaskUtil.contentSizeInBytes.
    counts.sizeBytes += file.blob?.sizeBytes ?? file.sizeBytes;
    if (file.content === "data") {
      counts.dataFiles++;
      counts.records += file.recordCount;
      continue;
    }
    counts.deleteFiles++;
    if (file.content === "position-deletes") {
      if (isVector(file)) counts.vectors++;
      else counts.positionDeleteFiles++;
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
