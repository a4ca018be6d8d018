/** Table metadata: everything a `metadata.json` says, typed, and nothing of it lost across a rewrite. */

import type { JsonObject } from "../../core/base/json.ts";
import type {
  FieldId,
  PartitionSpec,
  Schema,
  Snapshot,
  SortOrder,
  Table,
  TableName,
} from "../../core/table/types.ts";

/** A snapshot as recorded; `extra` holds the fields that we do not know, or that only v1 and v3 have. */
export interface RecordedSnapshot extends Snapshot {
  readonly extra: JsonObject;
}

/** A branch or a tag with its retention fields. Iceberg spec, "Snapshot References". */
export interface SnapshotRef {
  readonly kind: "branch" | "tag";
  readonly snapshotId: bigint;
  readonly minSnapshotsToKeep?: number;
  readonly maxSnapshotAgeMs?: number;
  readonly maxRefAgeMs?: number;
}

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

/** Reads a metadata file, plain or gzip. Throws `corrupt`, or `unsupported` above format version 3. */
export function parseMetadata(_bytes: Uint8Array | string, _location: string): TableMetadata {
  throw new Error("not yet");
}

/** The bytes of a metadata file; gzip when the table's property asks for it. */
export function serializeMetadata(_metadata: TableMetadata): Uint8Array {
  throw new Error("not yet");
}

/** What the core decides on. */
export function toTable(_version: TableVersion, _name: TableName): Table {
  throw new Error("not yet");
}
