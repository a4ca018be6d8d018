/** Tables as Iceberg means them: schemas, partitions, snapshots, data files, and what a scan is. */

import type { Json } from "../base/json.ts";
import type { Corrected } from "./correction.ts";

/** `namespace.name`, such as `bronze.orders`. Split with core/table/name.ts. */
export type TableName = string;
export type FieldId = number;

export type PrimitiveName =
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "date"
  | "time"
  | "timestamp"
  | "timestamptz"
  | "string"
  | "uuid"
  | "binary";

/** An Iceberg type. Iceberg spec, "Schemas and Data Types". */
export type Type =
  | {
      readonly kind: "primitive";
      readonly name: PrimitiveName;
      /** Of what is learned: no value was seen here, and `string` is a placeholder. core/table/type-text.ts. */
      readonly awaits?: "value" | "object";
    }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly kind: "fixed"; readonly length: number }
  | { readonly kind: "struct"; readonly fields: readonly Field[] }
  | {
      readonly kind: "list";
      readonly elementId: FieldId;
      readonly elementRequired: boolean;
      readonly element: Type;
    }
  | {
      readonly kind: "map";
      readonly keyId: FieldId;
      readonly key: Type;
      readonly valueId: FieldId;
      readonly valueRequired: boolean;
      readonly value: Type;
    };

export interface Field {
  readonly id: FieldId;
  readonly name: string;
  readonly required: boolean;
  readonly type: Type;
  readonly doc?: string;
  /** Format v3: the value of rows that were there before the column, as JSON. */
  readonly initialDefault?: Json;
  /** Format v3: the value of rows that are written without one. */
  readonly writeDefault?: Json;
}

export interface Schema {
  readonly schemaId: number;
  readonly fields: readonly Field[];
  readonly identifierFieldIds?: readonly FieldId[];
}

/** A column before it has an id: what a file, a query or a contract says. Nested ids are 0. */
export interface Column {
  readonly name: string;
  readonly type: Type;
  readonly doc?: string;
}

/** Iceberg spec, "Partition Transforms"; spelled as in metadata: `bucket[16]`, `truncate[4]`. */
export type Transform = string;

export interface PartitionField {
  readonly sourceId: FieldId;
  readonly fieldId: FieldId;
  readonly name: string;
  readonly transform: Transform;
}

export interface PartitionSpec {
  readonly specId: number;
  readonly fields: readonly PartitionField[];
}

export interface SortField {
  readonly transform: Transform;
  readonly sourceId: FieldId;
  readonly direction: "asc" | "desc";
  readonly nullOrder: "nulls-first" | "nulls-last";
}

export interface SortOrder {
  readonly orderId: number;
  readonly fields: readonly SortField[];
}

export type Operation = "append" | "replace" | "overwrite" | "delete";

export interface Snapshot {
  readonly snapshotId: bigint;
  readonly parentId: bigint | null;
  readonly sequenceNumber: bigint;
  readonly timestampMs: number;
  readonly manifestList: string;
  readonly operation: Operation;
  /** All of the summary but `operation`; values are strings, as in the format. */
  readonly summary: Readonly<Record<string, string>>;
  readonly schemaId: number | null;
}

/**
 * One value of a partition tuple in the transform's result type: int kinds (int, date, year, …) as
 * number, long, timestamps and decimals (unscaled) as bigint, string as string, boolean, binary,
 * fixed and uuid as bytes.
 */
export type PartitionValue = null | boolean | number | bigint | string | Uint8Array;

/** Metrics of one column of one file. Bounds are Iceberg's binary single values (App. D). */
export interface ColumnMetrics {
  readonly sizeBytes?: bigint;
  readonly valueCount?: bigint;
  readonly nullCount?: bigint;
  readonly nanCount?: bigint;
  readonly lower?: Uint8Array;
  readonly upper?: Uint8Array;
}

export interface DataFile {
  readonly content: "data" | "position-deletes" | "equality-deletes";
  /** As recorded: `file:///…`; compared byte by byte, never re-normalised. */
  readonly path: string;
  readonly format: string;
  readonly specId: number;
  readonly partition: readonly PartitionValue[];
  readonly recordCount: bigint;
  readonly sizeBytes: bigint;
  readonly metrics: ReadonlyMap<FieldId, ColumnMetrics>;
  readonly splitOffsets: readonly bigint[] | null;
  readonly sortOrderId: number | null;
  readonly equalityIds: readonly FieldId[] | null;
  readonly referencedDataFile: string | null;
  /** Of a deletion vector: where it is in its file, which may hold several. */
  readonly blob?: FileBlob;
  /** Format v3, of data: the id of its first row; absent until inherited, and in tables that number no rows. */
  readonly firstRowId?: bigint;
  /** Null until inherited from the manifest list. */
  readonly dataSequenceNumber: bigint | null;
  readonly fileSequenceNumber: bigint | null;
  /** The snapshot that added it; null until inherited. */
  readonly snapshotId: bigint | null;
}

/** A part of a file. */
export interface FileBlob {
  readonly offset: bigint;
  readonly sizeBytes: bigint;
}

/** A table at one pinned snapshot: which files, which deletes, which schema. Goes down to sql. */
export interface Scan {
  readonly table: TableName;
  readonly uuid: string;
  /** Null for a table without a snapshot. */
  readonly snapshotId: bigint | null;
  readonly sequenceNumber: bigint;
  readonly schema: Schema;
  readonly files: readonly ScanFile[];
  readonly deletes: readonly DataFile[];
  /** Names of columns in files without field ids; absent where the table maps none. */
  readonly names?: readonly NamedField[];
  /** Through which corrections its rows are read; absent: as they are stored. */
  readonly corrected?: Corrected;
  /** Rows have ids that stay with them, and what is deleted is said by deletion vectors: format v3. */
  readonly hasLineage?: boolean;
}

/** A name by which a column is found. */
export interface NamedField {
  readonly name: string;
  readonly id: FieldId;
  /** Of what is in it: fields, or the element of a list, the key and value of a map. */
  readonly inside: readonly NamedField[];
}

/** A data file with the absolute local path to open, under the root the lake is opened at. */
export interface ScanFile {
  readonly localPath: string;
  readonly file: DataFile;
}

/** Everything known of a table's current metadata that the core decides on. */
export interface Table {
  readonly name: TableName;
  readonly uuid: string;
  readonly location: string;
  readonly metadataLocation: string;
  readonly formatVersion: number;
  readonly schema: Schema;
  readonly schemas: readonly Schema[];
  readonly lastColumnId: FieldId;
  readonly spec: PartitionSpec;
  readonly specs: readonly PartitionSpec[];
  readonly sortOrder: SortOrder;
  readonly properties: Readonly<Record<string, string>>;
  readonly current: Snapshot | null;
  readonly snapshots: readonly Snapshot[];
  readonly snapshotLog: readonly { readonly snapshotId: bigint; readonly timestampMs: number }[];
  readonly refs: ReadonlyMap<
    string,
    { readonly kind: "branch" | "tag"; readonly snapshotId: bigint }
  >;
  readonly lastUpdatedMs: number;
  readonly lastSequenceNumber: bigint;
}
