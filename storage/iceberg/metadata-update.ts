/** Changes to table metadata, each a pure function from one metadata to the next. */

import { assert } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { METADATA_LOG_MAX } from "../../core/limits.ts";
import type { TableSpec } from "../../core/table/commit.ts";
import type { Schema } from "../../core/table/types.ts";
import { type TableMetadata, type TableVersion, usesGzip } from "./metadata.ts";
import { PARTITION_ID_START } from "./partition.ts";
import { MAIN } from "./ref.ts";
import { checkSchema, highestId, sameSchema } from "./schema.ts";
import type { RecordedSnapshot } from "./snapshot.ts";

/** Java: TableProperties.RESERVED_PROPERTIES. They are fields of the metadata, never properties. */
const RESERVED_PROPERTIES: ReadonlySet<string> = new Set([
  "format-version",
  "uuid",
  "snapshot-count",
  "current-snapshot-summary",
  "current-snapshot-id",
  "current-snapshot-timestamp-ms",
  "current-schema",
  "default-partition-spec",
  "default-sort-order",
]);

/** Metadata of a table without rows, in format v2. Ids in `spec` are kept: data files bear them already. */
export function createMetadata(
  spec: TableSpec,
  uuid: string,
  location: string,
  nowMs: number,
): TableMetadata {
  checkSchema(spec.schema);
  const empty: TableMetadata = {
    formatVersion: 2,
    uuid,
    location,
    lastSequenceNumber: 0n,
    lastUpdatedMs: nowMs,
    lastColumnId: highestId(spec.schema),
    currentSchemaId: spec.schema.schemaId,
    schemas: [spec.schema],
    foreignSchemas: [],
    defaultSpecId: spec.spec.specId,
    specs: [spec.spec],
    lastPartitionId: Math.max(
      PARTITION_ID_START - 1,
      ...spec.spec.fields.map((field) => field.fieldId),
    ),
    defaultSortOrderId: spec.sortOrder.orderId,
    sortOrders: [spec.sortOrder],
    properties: {},
    currentSnapshotId: null,
    refs: new Map(),
    snapshots: [],
    statistics: [],
    partitionStatistics: [],
    snapshotLog: [],
    metadataLog: [],
    extra: {},
  };
  return withProperties(empty, spec.properties);
}

/** Metadata whose current schema is this one; an equal earlier schema is taken up again under its id. */
export function withSchema(metadata: TableMetadata, schema: Schema): TableMetadata {
  checkSchema(schema);
  const known = metadata.schemas.find((candidate) => sameSchema(candidate, schema));
  const lastColumnId = Math.max(metadata.lastColumnId, highestId(schema));
  if (known !== undefined) return { ...metadata, lastColumnId, currentSchemaId: known.schemaId };
  const ids = [
    ...metadata.schemas.map((candidate) => candidate.schemaId),
    ...metadata.foreignSchemas.map((json) => Number(json["schema-id"] ?? 0)),
  ];
  const schemaId = Math.max(-1, ...ids) + 1;
  return {
    ...metadata,
    lastColumnId,
    currentSchemaId: schemaId,
    schemas: [...metadata.schemas, { ...schema, schemaId }],
  };
}

/** Metadata with properties set, or removed where null. Throws `usage` for reserved names. */
export function withProperties(
  metadata: TableMetadata,
  changes: Readonly<Record<string, string | null>>,
): TableMetadata {
  const properties = new Map(Object.entries(metadata.properties));
  for (const [key, value] of Object.entries(changes)) {
    if (RESERVED_PROPERTIES.has(key)) {
      throw new LakeError("usage", `${key} cannot be set as a table property`, {
        hint: "it is part of the table's metadata; leave it out",
      });
    }
    if (value === null) properties.delete(key);
    else properties.set(key, value);
  }
  return { ...metadata, properties: Object.fromEntries(properties) };
}

/** Metadata whose main is at a new snapshot. */
export function withSnapshot(metadata: TableMetadata, snapshot: RecordedSnapshot): TableMetadata {
  const { snapshotId, timestampMs, sequenceNumber } = snapshot;
  const known = metadata.snapshots.some((other) => other.snapshotId === snapshotId);
  assert(!known, "a new snapshot has an id of its own");
  const main = { ...metadata.refs.get(MAIN), kind: "branch" as const, snapshotId };
  return {
    ...metadata,
    lastSequenceNumber: sequenceNumber,
    currentSnapshotId: snapshotId,
    refs: new Map([...metadata.refs, [MAIN, main]]),
    snapshots: [...metadata.snapshots, snapshot],
    snapshotLog: [...metadata.snapshotLog, { timestampMs, snapshotId }],
  };
}

/**
 * Metadata without some snapshots. The snapshot log loses everything before the last gap that this makes, as
 * time travel across it would be wrong. Java: TableMetadata.updateSnapshotLog.
 */
export function withoutSnapshots(
  metadata: TableMetadata,
  dropped: readonly bigint[],
): TableMetadata {
  if (dropped.length === 0) return metadata;
  const gone = new Set(dropped);
  for (const ref of metadata.refs.values()) {
    assert(!gone.has(ref.snapshotId), "retention keeps what a branch or a tag names");
  }
  const snapshots = metadata.snapshots.filter((snapshot) => !gone.has(snapshot.snapshotId));
  const kept = new Set(snapshots.map((snapshot) => snapshot.snapshotId));
  const gap = metadata.snapshotLog.findLastIndex((entry) => !kept.has(entry.snapshotId));
  const isKept = (json: { readonly [key: string]: unknown }): boolean =>
    !gone.has(BigInt(String(json["snapshot-id"] ?? 0)));
  return {
    ...metadata,
    snapshots,
    snapshotLog: metadata.snapshotLog.slice(gap + 1),
    statistics: metadata.statistics.filter(isKept),
    partitionStatistics: metadata.partitionStatistics.filter(isKept),
  };
}

/** The next version's metadata log, and the files that fell out of it. */
export function advanceMetadataLog(
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

/** Recorded location of the folder of a table's metadata. */
export function metadataFolder(metadata: Pick<TableMetadata, "location">): string {
  return `${metadata.location.replace(/\/+$/, "")}/metadata`;
}

/** Recorded location of the folder of a table's data. */
export function dataFolder(metadata: Pick<TableMetadata, "location">): string {
  return `${metadata.location.replace(/\/+$/, "")}/data`;
}
