/** Table metadata: everything a `metadata.json` says, typed, and nothing of it lost across a rewrite. */

import { Buffer } from "node:buffer";
import { must } from "../../core/base/assert.ts";
import { errorText, LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type JsonObject,
  longField,
  numberField,
  objectsField,
  parseJson,
  stringField,
  stringifyJson,
  stringsField,
  unknownFields,
} from "../../core/base/json.ts";
import { METADATA_BYTES_MAX } from "../../core/limits.ts";
import type {
  FieldId,
  PartitionSpec,
  Schema,
  SortOrder,
  Table,
  TableName,
} from "../../core/table/types.ts";
import { PARTITION_ID_START, parsePartitionFields, specToJson } from "./partition.ts";
import { parseSchema, schemaText } from "./schema.ts";
import {
  parseRefs,
  parseSnapshot,
  type RecordedSnapshot,
  refsText,
  type SnapshotRef,
  snapshotText,
} from "./snapshot.ts";

export type { RecordedSnapshot, SnapshotRef };

export interface SnapshotLogEntry {
  readonly snapshotId: bigint;
  readonly timestampMs: number;
}

export interface MetadataLogEntry {
  readonly timestampMs: number;
  /** Recorded location of an earlier metadata file. */
  readonly metadataFile: string;
}

/** Iceberg spec, "Table Metadata Fields". Plain data: a change is a new object. */
export interface TableMetadata {
  readonly formatVersion: 1 | 2 | 3;
  readonly uuid: string;
  /** Recorded location, `file:///…`. */
  readonly location: string;
  readonly lastSequenceNumber: bigint;
  readonly lastUpdatedMs: number;
  readonly lastColumnId: FieldId;
  readonly currentSchemaId: number;
  /** Those that our types can say; always holds the current one. */
  readonly schemas: readonly Schema[];
  /** Earlier schemas with types that we do not know, kept as they are. */
  readonly foreignSchemas: readonly JsonObject[];
  readonly defaultSpecId: number;
  readonly specs: readonly PartitionSpec[];
  readonly lastPartitionId: number;
  readonly defaultSortOrderId: number;
  readonly sortOrders: readonly SortOrder[];
  readonly properties: Readonly<Record<string, string>>;
  readonly currentSnapshotId: bigint | null;
  readonly refs: ReadonlyMap<string, SnapshotRef>;
  readonly snapshots: readonly RecordedSnapshot[];
  readonly statistics: readonly JsonObject[];
  readonly partitionStatistics: readonly JsonObject[];
  readonly snapshotLog: readonly SnapshotLogEntry[];
  readonly metadataLog: readonly MetadataLogEntry[];
  /** Top-level fields that we do not know, and those that only v3 has. */
  readonly extra: JsonObject;
}

/** A table as the catalog's pointer names it. */
export interface TableVersion {
  readonly metadata: TableMetadata;
  /** Recorded location of the metadata file. */
  readonly metadataLocation: string;
}

/** Loaded at its first use: importing it is a tenth of a cold start, and most starts decompress nothing. */
const zlib = () => process.getBuiltinModule("node:zlib");
/** Order id 0 is reserved for it. Iceberg spec, "Sort Orders". */
export const NO_SORT_ORDER: SortOrder = { orderId: 0, fields: [] };

export const FORMAT_VERSION_MAX = 3;
const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  "format-version",
  "table-uuid",
  "location",
  "last-sequence-number",
  "last-updated-ms",
  "last-column-id",
  "current-schema-id",
  "schemas",
  "schema",
  "default-spec-id",
  "partition-specs",
  "partition-spec",
  "last-partition-id",
  "default-sort-order-id",
  "sort-orders",
  "properties",
  "current-snapshot-id",
  "refs",
  "snapshots",
  "statistics",
  "partition-statistics",
  "snapshot-log",
  "metadata-log",
]);

/**
 * Reads a metadata file, plain or gzip by its first bytes; `location` stands in errors. Throws `corrupt`, or
 * `unsupported` above format version 3 and for a current schema that our types cannot say.
 */
export function parseMetadata(bytes: Uint8Array | string, location: string): TableMetadata {
  try {
    const json = parseJson(metadataText(bytes));
    if (!isJsonObject(json)) throw new LakeError("corrupt", "not a JSON object");
    const metadata = fromJson(json);
    checkMetadata(metadata);
    return metadata;
  } catch (cause) {
    const known = cause instanceof LakeError ? cause : null;
    throw new LakeError(known?.code ?? "corrupt", `${location}: ${errorText(cause)}`, {
      hint: known?.hint ?? "the table metadata is damaged; restore the file from a copy",
      cause,
    });
  }
}

/** The bytes of a metadata file, gzip when `usesGzip`. Key order is Java's. */
export function serializeMetadata(metadata: TableMetadata): Uint8Array {
  const bytes = Buffer.from(metadataJson(metadata), "utf8");
  return usesGzip(metadata) ? zlib().gzipSync(bytes) : bytes;
}

/** Whether the table's property asks for gzip metadata; its files are then `….gz.metadata.json`. */
export function usesGzip(metadata: TableMetadata): boolean {
  return metadata.properties["write.metadata.compression-codec"]?.toLowerCase() === "gzip";
}

/** The schema that new files are written under. */
export function currentSchema(metadata: TableMetadata): Schema {
  const found = metadata.schemas.find((schema) => schema.schemaId === metadata.currentSchemaId);
  return must(found, "the current schema is among the schemas");
}

/** The spec that new files are written under. */
export function defaultSpec(metadata: TableMetadata): PartitionSpec {
  const found = metadata.specs.find((spec) => spec.specId === metadata.defaultSpecId);
  return must(found, "the default spec is among the specs");
}

/** The head of main, or null. */
export function currentSnapshot(metadata: TableMetadata): RecordedSnapshot | null {
  return findSnapshot(metadata, metadata.currentSnapshotId);
}

export function findSnapshot(metadata: TableMetadata, id: bigint | null): RecordedSnapshot | null {
  return metadata.snapshots.find((snapshot) => snapshot.snapshotId === id) ?? null;
}

/** The id that the next row of a table of format v3 gets. */
export function nextRowId({ extra }: Pick<TableMetadata, "extra">): bigint {
  return BigInt(String(extra["next-row-id"] ?? 0));
}

/** What the core decides on. */
export function toTable(version: TableVersion, name: TableName): Table {
  const { metadata, metadataLocation } = version;
  const sortOrder = metadata.sortOrders.find(
    (order) => order.orderId === metadata.defaultSortOrderId,
  );
  return {
    name,
    uuid: metadata.uuid,
    location: metadata.location,
    metadataLocation,
    formatVersion: metadata.formatVersion,
    schema: currentSchema(metadata),
    schemas: metadata.schemas,
    lastColumnId: metadata.lastColumnId,
    spec: defaultSpec(metadata),
    specs: metadata.specs,
    sortOrder: sortOrder ?? NO_SORT_ORDER,
    properties: metadata.properties,
    current: currentSnapshot(metadata),
    snapshots: metadata.snapshots,
    snapshotLog: metadata.snapshotLog,
    refs: metadata.refs,
    lastUpdatedMs: metadata.lastUpdatedMs,
    lastSequenceNumber: metadata.lastSequenceNumber,
  };
}

/** Reads one sort order. Throws `corrupt`. */
export function parseSortOrder(order: JsonObject): SortOrder {
  return {
    orderId: numberField(order, "order-id", 0),
    fields: objectsField(order, "fields").map((field) => ({
      transform: stringField(field, "transform"),
      sourceId: numberField(field, "source-id", 0),
      direction: field.direction === "desc" ? ("desc" as const) : ("asc" as const),
      nullOrder:
        field["null-order"] === "nulls-last" ? ("nulls-last" as const) : ("nulls-first" as const),
    })),
  };
}

/** A sort order as metadata JSON, in Java's key order. */
export function sortOrderToJson(order: SortOrder): JsonObject {
  return {
    "order-id": order.orderId,
    fields: order.fields.map((field) => ({
      transform: field.transform,
      "source-id": field.sourceId,
      direction: field.direction,
      "null-order": field.nullOrder,
    })),
  };
}

/** The JSON of a metadata file, unpacked where it is. */
export function metadataText(bytes: Uint8Array | string): string {
  if (typeof bytes === "string") return bytes;
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = isGzip ? zlib().gunzipSync(bytes, { maxOutputLength: METADATA_BYTES_MAX }) : bytes;
  return new TextDecoder("utf-8", { fatal: true }).decode(plain);
}

function fromJson(json: JsonObject): TableMetadata {
  const formatVersion = numberField(json, "format-version");
  if (formatVersion !== 1 && formatVersion !== 2 && formatVersion !== 3) {
    throw new LakeError("unsupported", `Iceberg format version ${formatVersion}`, {
      hint: `this build reads versions 1 to ${FORMAT_VERSION_MAX}; use a newer one`,
    });
  }
  const specs = parseSpecs(json);
  const current = longField(json, "current-snapshot-id");
  const currentSnapshotId = current === -1n ? null : current;
  return {
    formatVersion,
    uuid: typeof json["table-uuid"] === "string" ? json["table-uuid"] : "",
    location: stringField(json, "location"),
    lastSequenceNumber: longField(json, "last-sequence-number") ?? 0n,
    lastUpdatedMs: numberField(json, "last-updated-ms"),
    lastColumnId: numberField(json, "last-column-id"),
    ...parseSchemas(json),
    defaultSpecId: numberField(json, "default-spec-id", specs[0]?.specId ?? 0),
    specs,
    lastPartitionId: numberField(json, "last-partition-id", highestPartitionId(specs)),
    defaultSortOrderId: numberField(json, "default-sort-order-id", 0),
    sortOrders: parseSortOrders(json),
    properties: stringsField(json, "properties"),
    currentSnapshotId,
    refs: parseRefs(json, currentSnapshotId),
    snapshots: objectsField(json, "snapshots").map(parseSnapshot),
    statistics: objectsField(json, "statistics"),
    partitionStatistics: objectsField(json, "partition-statistics"),
    snapshotLog: objectsField(json, "snapshot-log").map((entry) => ({
      snapshotId: longField(entry, "snapshot-id") ?? -1n,
      timestampMs: numberField(entry, "timestamp-ms"),
    })),
    metadataLog: objectsField(json, "metadata-log").map((entry) => ({
      timestampMs: numberField(entry, "timestamp-ms"),
      metadataFile: stringField(entry, "metadata-file"),
    })),
    extra: unknownFields(json, KNOWN_FIELDS),
  };
}

function parseSchemas(
  json: JsonObject,
): Pick<TableMetadata, "currentSchemaId" | "schemas" | "foreignSchemas"> {
  const listed = objectsField(json, "schemas");
  const all = listed.length > 0 ? listed : isJsonObject(json.schema) ? [json.schema] : [];
  const currentSchemaId = numberField(json, "current-schema-id", schemaIdOf(all[0]));
  const schemas: Schema[] = [];
  const foreignSchemas: JsonObject[] = [];
  for (const item of all) {
    try {
      schemas.push(parseSchema(item));
    } catch (cause) {
      const isForeign = cause instanceof LakeError && cause.code === "unsupported";
      if (!isForeign || schemaIdOf(item) === currentSchemaId) throw cause;
      foreignSchemas.push(item);
    }
  }
  return { currentSchemaId, schemas, foreignSchemas };
}

function schemaIdOf(json: JsonObject | undefined): number {
  const id = json?.["schema-id"];
  return typeof id === "number" ? id : 0;
}

function parseSpecs(json: JsonObject): readonly PartitionSpec[] {
  const listed = objectsField(json, "partition-specs");
  if (listed.length > 0) {
    return listed.map((item) => ({
      specId: numberField(item, "spec-id"),
      fields: parsePartitionFields(item.fields ?? null),
    }));
  }
  return [{ specId: 0, fields: parsePartitionFields(json["partition-spec"] ?? []) }];
}

/** A v1 file without sort orders is unsorted. */
function parseSortOrders(json: JsonObject): readonly SortOrder[] {
  const orders = objectsField(json, "sort-orders").map(parseSortOrder);
  return orders.length > 0 ? orders : [NO_SORT_ORDER];
}

function highestPartitionId(specs: readonly PartitionSpec[]): number {
  const ids = specs.flatMap((spec) => spec.fields.map((field) => field.fieldId));
  return ids.reduce((highest, id) => Math.max(highest, id), PARTITION_ID_START - 1);
}

function checkMetadata(metadata: TableMetadata): void {
  const problem = [
    metadata.schemas.some((schema) => schema.schemaId === metadata.currentSchemaId)
      ? null
      : `current schema ${metadata.currentSchemaId} is not among the schemas`,
    metadata.specs.some((spec) => spec.specId === metadata.defaultSpecId)
      ? null
      : `default spec ${metadata.defaultSpecId} is not among the specs`,
    metadata.currentSnapshotId === null || currentSnapshot(metadata) !== null
      ? null
      : `current snapshot ${metadata.currentSnapshotId} is not among the snapshots`,
    (metadata.refs.get("main")?.snapshotId ?? null) === metadata.currentSnapshotId
      ? null
      : "branch main is not at the current snapshot",
  ].find((text) => text !== null);
  if (problem !== undefined && problem !== null) throw new LakeError("corrupt", problem);
}

/** The JSON of a metadata file, in Java's key order. */
export function metadataJson(metadata: TableMetadata): string {
  const schemas = [
    ...metadata.schemas.map(schemaText),
    ...metadata.foreignSchemas.map((json) => stringifyJson(json)),
  ];
  const { "next-row-id": nextRowId, ...extra } = metadata.extra;
  const empty = metadata.formatVersion >= 3 ? "null" : "-1";
  const parts = [
    `"format-version":${metadata.formatVersion}`,
    ...(metadata.uuid === "" ? [] : [`"table-uuid":${JSON.stringify(metadata.uuid)}`]),
    `"location":${JSON.stringify(metadata.location)}`,
    ...(metadata.formatVersion === 1
      ? []
      : [`"last-sequence-number":${metadata.lastSequenceNumber}`]),
    `"last-updated-ms":${metadata.lastUpdatedMs}`,
    `"last-column-id":${metadata.lastColumnId}`,
    `"current-schema-id":${metadata.currentSchemaId}`,
    ...v1Fields(metadata),
    `"schemas":[${schemas.join(",")}]`,
    `"default-spec-id":${metadata.defaultSpecId}`,
    `"partition-specs":${stringifyJson(metadata.specs.map(specToJson))}`,
    `"last-partition-id":${metadata.lastPartitionId}`,
    `"default-sort-order-id":${metadata.defaultSortOrderId}`,
    `"sort-orders":${stringifyJson(metadata.sortOrders.map(sortOrderToJson))}`,
    `"properties":${JSON.stringify(metadata.properties)}`,
    `"current-snapshot-id":${metadata.currentSnapshotId ?? empty}`,
    ...(nextRowId === undefined ? [] : [`"next-row-id":${stringifyJson(nextRowId)}`]),
    `"refs":${refsText(metadata.refs)}`,
    `"snapshots":[${metadata.snapshots.map(snapshotText).join(",")}]`,
    `"statistics":${stringifyJson(metadata.statistics)}`,
    `"partition-statistics":${stringifyJson(metadata.partitionStatistics)}`,
    `"snapshot-log":[${metadata.snapshotLog
      .map((entry) => `{"timestamp-ms":${entry.timestampMs},"snapshot-id":${entry.snapshotId}}`)
      .join(",")}]`,
    `"metadata-log":${JSON.stringify(
      metadata.metadataLog.map((entry) => ({
        "timestamp-ms": entry.timestampMs,
        "metadata-file": entry.metadataFile,
      })),
    )}`,
    ...Object.entries(extra).map(
      ([key, value]) => `${JSON.stringify(key)}:${stringifyJson(value)}`,
    ),
  ];
  return `{${parts.join(",")}}`;
}

/** What readers of the first format look for: one schema, one spec. Iceberg spec, "Table Metadata Fields". */
function v1Fields(metadata: TableMetadata): readonly string[] {
  if (metadata.formatVersion !== 1) return [];
  const { fields } = specToJson(defaultSpec(metadata));
  return [
    `"schema":${schemaText(currentSchema(metadata))}`,
    `"partition-spec":${stringifyJson(fields ?? [])}`,
  ];
}
