/** Entries of manifests: a data file and what happened to it, to and from Avro records. */

import { LakeError } from "../../core/base/errors.ts";
import type {
  ColumnMetrics,
  DataFile,
  FieldId,
  PartitionValue,
  Type,
} from "../../core/table/types.ts";
import type { AvroRecord, AvroValue } from "../avro/schema.ts";
import { partitionKey } from "./manifest-schema.ts";
import type { PartitionColumn } from "./partition.ts";
import { decimalByteSize, decimalBytes, decodeDecimal } from "./single-value.ts";

export interface ManifestEntry {
  readonly status: EntryStatus;
  /** The snapshot that added the file, or that deleted it; null until inherited. */
  readonly snapshotId: bigint | null;
  readonly file: DataFile;
}

export type EntryStatus = "existing" | "added" | "deleted";

/** What entries inherit from their manifest's row in the manifest list. Iceberg spec, "Sequence Number Inheritance". */
export interface Inherited {
  readonly snapshotId: bigint;
  readonly sequenceNumber: bigint;
  readonly specId: number;
}

const STATUSES: readonly EntryStatus[] = ["existing", "added", "deleted"];
const CONTENTS: readonly DataFile["content"][] = ["data", "position-deletes", "equality-deletes"];

/** An entry as its Avro record under `manifestEntrySchema(columns)`. */
export function entryToRecord(
  entry: ManifestEntry,
  columns: readonly PartitionColumn[],
): AvroRecord {
  return {
    status: STATUSES.indexOf(entry.status),
    snapshot_id: entry.snapshotId,
    sequence_number: entry.file.dataSequenceNumber,
    file_sequence_number: entry.file.fileSequenceNumber,
    data_file: fileToRecord(entry.file, columns),
  };
}

/** An Avro record, read with `bindById`, as an entry; numbers that it leaves out are inherited. */
export function entryFromRecord(
  record: AvroRecord,
  columns: readonly PartitionColumn[],
  inherited: Inherited,
): ManifestEntry {
  const status = STATUSES[Number(record.status)];
  const file = record.data_file as AvroRecord | null; // parse: id 2 is a record in every version
  if (status === undefined || file === null) {
    throw new LakeError("corrupt", "a manifest entry has no status or no file");
  }
  const snapshotId = asLong(record.snapshot_id) ?? inherited.snapshotId;
  const inherits = status === "added" || inherited.sequenceNumber === 0n;
  const fallback = inherits ? inherited.sequenceNumber : null;
  return {
    status,
    snapshotId,
    file: {
      ...fileFromRecord(file, columns, inherited.specId),
      dataSequenceNumber: asLong(record.sequence_number) ?? fallback,
      fileSequenceNumber: asLong(record.file_sequence_number) ?? fallback,
      snapshotId: status === "deleted" ? null : snapshotId,
    },
  };
}

function fileToRecord(file: DataFile, columns: readonly PartitionColumn[]): AvroRecord {
  const partition: Record<string, AvroValue> = {};
  columns.forEach((column, index) => {
    const value = file.partition[index] ?? null;
    partition[partitionKey(column)] = partitionToAvro(column.resultType, value);
  });
  return {
    content: CONTENTS.indexOf(file.content),
    file_path: file.path,
    file_format: file.format.toUpperCase(),
    partition,
    record_count: file.recordCount,
    file_size_in_bytes: file.sizeBytes,
    ...metricsToRecord(file.metrics),
    split_offsets:
      file.splitOffsets === null || file.splitOffsets.length === 0 ? null : file.splitOffsets,
    equality_ids: file.equalityIds,
    sort_order_id: file.sortOrderId,
    referenced_data_file: file.referencedDataFile,
  };
}

function metricsToRecord(metrics: ReadonlyMap<FieldId, ColumnMetrics>): AvroRecord {
  if (metrics.size === 0) return {};
  const sizes: AvroRecord[] = [];
  const values: AvroRecord[] = [];
  const nulls: AvroRecord[] = [];
  const nans: AvroRecord[] = [];
  const lowers: AvroRecord[] = [];
  const uppers: AvroRecord[] = [];
  for (const [key, column] of metrics) {
    if (column.sizeBytes !== undefined) sizes.push({ key, value: column.sizeBytes });
    if (column.valueCount !== undefined) values.push({ key, value: column.valueCount });
    if (column.nullCount !== undefined) nulls.push({ key, value: column.nullCount });
    if (column.nanCount !== undefined) nans.push({ key, value: column.nanCount });
    if (column.lower !== undefined) lowers.push({ key, value: column.lower });
    if (column.upper !== undefined) uppers.push({ key, value: column.upper });
  }
  return {
    column_sizes: sizes,
    value_counts: values,
    null_value_counts: nulls,
    nan_value_counts: nans,
    lower_bounds: lowers,
    upper_bounds: uppers,
  };
}

function fileFromRecord(
  record: AvroRecord,
  columns: readonly PartitionColumn[],
  specId: number,
): Omit<DataFile, "dataSequenceNumber" | "fileSequenceNumber" | "snapshotId"> {
  const { file_path: path, file_format: format, record_count: recordCount } = record;
  const content = CONTENTS[Number(record.content ?? 0)];
  if (typeof path !== "string" || typeof recordCount !== "bigint" || content === undefined) {
    throw new LakeError("corrupt", "a manifest entry has no path, record count or known content");
  }
  const partition = (record.partition ?? {}) as AvroRecord; // parse: id 102 is a record
  return {
    content,
    path,
    format: typeof format === "string" ? format.toLowerCase() : "parquet",
    specId,
    partition: columns.map((column) => {
      const value =
        partition[`#${column.field.fieldId}`] ?? partition[partitionKey(column)] ?? null;
      return partitionFromAvro(column.resultType, value);
    }),
    recordCount,
    sizeBytes: asLong(record.file_size_in_bytes) ?? 0n,
    metrics: metricsFromRecord(record),
    splitOffsets: asList(record.split_offsets) as readonly bigint[] | null, // parse: id 133 is a long
    sortOrderId: typeof record.sort_order_id === "number" ? record.sort_order_id : null,
    equalityIds: asList(record.equality_ids) as readonly number[] | null, // parse: id 136 is an int
    referencedDataFile:
      typeof record.referenced_data_file === "string" ? record.referenced_data_file : null,
  };
}

type MutableMetrics = { -readonly [Key in keyof ColumnMetrics]: ColumnMetrics[Key] };
type MetricPair = { readonly key: number; readonly value: bigint & Uint8Array };

function metricsFromRecord(record: AvroRecord): ReadonlyMap<FieldId, ColumnMetrics> {
  const metrics = new Map<FieldId, MutableMetrics>();
  const collect = (list: AvroValue | undefined, name: keyof ColumnMetrics): void => {
    if (!Array.isArray(list)) return;
    for (const pair of list as readonly MetricPair[]) {
      // parse: pairs by the ids of the map
      let column = metrics.get(pair.key);
      if (column === undefined) {
        column = {};
        metrics.set(pair.key, column);
      }
      column[name] = pair.value;
    }
  };
  collect(record.column_sizes, "sizeBytes");
  collect(record.value_counts, "valueCount");
  collect(record.null_value_counts, "nullCount");
  collect(record.nan_value_counts, "nanCount");
  collect(record.lower_bounds, "lower");
  collect(record.upper_bounds, "upper");
  return metrics;
}

function partitionToAvro(type: Type, value: PartitionValue): AvroValue {
  if (value === null) return null;
  if (type.kind === "decimal" && typeof value === "bigint") {
    return decimalBytes(value, decimalByteSize(type.precision));
  }
  return value;
}

/** Partition values may have been written before their column was promoted: ints for longs. */
function partitionFromAvro(type: Type, value: AvroValue): PartitionValue {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (value instanceof Uint8Array) {
    return type.kind === "decimal" ? decodeDecimal(value) : value;
  }
  const isLong =
    type.kind === "primitive" && ["long", "time", "timestamp", "timestamptz"].includes(type.name);
  if (typeof value === "number") return isLong ? BigInt(value) : value;
  if (typeof value === "bigint") return isLong || type.kind === "decimal" ? value : Number(value);
  throw new LakeError("corrupt", "a partition value is not a scalar");
}

function asLong(value: AvroValue | undefined): bigint | null {
  if (typeof value === "bigint") return value;
  return typeof value === "number" ? BigInt(value) : null;
}

function asList(value: AvroValue | undefined): readonly AvroValue[] | null {
  return Array.isArray(value) ? value : null;
}
