/** Snapshots as metadata JSON records them. */

import { isJsonObject, type JsonObject, stringifyJson } from "../../core/base/json.ts";
import type { Operation, Snapshot } from "../../core/table/types.ts";
import { longField, numberField, stringsField, unknownFields } from "./metadata-json.ts";

/** A snapshot as recorded; `extra` holds the fields that we do not know, or that only v1 and v3 have. */
export interface RecordedSnapshot extends Snapshot {
  readonly extra: JsonObject;
}

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
