/** Entries of manifests: a data file and what happened to it, to and from Avro records. */

import { LakeError } from "../../core/base/errors.ts";
import type {
  ColumnMetrics,
  DataFile,
  FieldId,
  PartitionValue,
  Type,
} from "../../core/table/types.ts";
import type { ByteWriter } from "../avro/bytes.ts";
import { AvroRaw, type AvroRecord, type AvroValue, type AvroWrite } from "../avro/schema.ts";
import { METRIC_FIELDS, partitionKey } from "./manifest-schema.ts";
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

/** Records of files that were read, whose metrics are still encoded: written again as they are. */
const RAW_METRICS = new WeakMap<DataFile, AvroRecord>();
const NO_BYTES = new Uint8Array();

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
    file: fileFromRecord(file, columns, {
      specId: inherited.specId,
      dataSequenceNumber: asLong(record.sequence_number) ?? fallback,
      fileSequenceNumber: asLong(record.file_sequence_number) ?? fallback,
      snapshotId: status === "deleted" ? null : snapshotId,
    }),
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
    ...metricsRecord(file),
    split_offsets:
      file.splitOffsets === null || file.splitOffsets.length === 0 ? null : file.splitOffsets,
    equality_ids: file.equalityIds,
    sort_order_id: file.sortOrderId,
    referenced_data_file: file.referencedDataFile,
  };
}

function metricsRecord(file: DataFile): AvroRecord {
  const read = RAW_METRICS.get(file);
  return read === undefined ? metricsToRecord(file.metrics) : rawMetrics(read);
}

/** Each map writes itself, pair by pair: there are many, and an object for each would cost more. */
function metricsToRecord(metrics: ReadonlyMap<FieldId, ColumnMetrics>): AvroRecord {
  if (metrics.size === 0) return {};
  const longs = (name: "sizeBytes" | "valueCount" | "nullCount" | "nanCount"): AvroWrite =>
    pairs(metrics, name, (writer, column) => writer.long(column[name] ?? 0n));
  const bounds = (name: "lower" | "upper"): AvroWrite =>
    pairs(metrics, name, (writer, column) => writer.bytes(column[name] ?? NO_BYTES));
  return {
    column_sizes: longs("sizeBytes"),
    value_counts: longs("valueCount"),
    null_value_counts: longs("nullCount"),
    nan_value_counts: longs("nanCount"),
    lower_bounds: bounds("lower"),
    upper_bounds: bounds("upper"),
  };
}

/** The second branch of `["null", map]`, the map an array of one block. */
function pairs(
  metrics: ReadonlyMap<FieldId, ColumnMetrics>,
  name: keyof ColumnMetrics,
  write: (writer: ByteWriter, column: ColumnMetrics) => void,
): AvroWrite {
  return (writer) => {
    writer.byte(2);
    let count = 0;
    for (const column of metrics.values()) if (column[name] !== undefined) count++;
    if (count > 0) {
      writer.int(count);
      for (const [key, column] of metrics) {
        if (column[name] === undefined) continue;
        writer.int(key);
        write(writer, column);
      }
    }
    writer.byte(0);
  };
}

function fileFromRecord(
  record: AvroRecord,
  columns: readonly PartitionColumn[],
  known: Pick<DataFile, "specId" | "dataSequenceNumber" | "fileSequenceNumber" | "snapshotId">,
): DataFile {
  const { file_path: path, file_format: format, record_count: recordCount } = record;
  const content = CONTENTS[Number(record.content ?? 0)];
  if (typeof path !== "string" || typeof recordCount !== "bigint" || content === undefined) {
    throw new LakeError("corrupt", "a manifest entry has no path, record count or known content");
  }
  const partition = (record.partition ?? {}) as AvroRecord; // parse: id 102 is a record
  let metrics: DataFile["metrics"] | null = null;
  const dataFile: DataFile = {
    content,
    path,
    format: typeof format === "string" ? format.toLowerCase() : "parquet",
    specId: known.specId,
    partition: columns.map((column) => {
      const value =
        partition[`#${column.field.fieldId}`] ?? partition[partitionKey(column)] ?? null;
      return partitionFromAvro(column.resultType, value);
    }),
    recordCount,
    sizeBytes: asLong(record.file_size_in_bytes) ?? 0n,
    /** Decoded when first asked for: most are never looked at. */
    get metrics() {
      metrics ??= metricsFromRecord(record);
      return metrics;
    },
    splitOffsets: asList(record.split_offsets) as readonly bigint[] | null, // parse: id 133 is a long
    sortOrderId: typeof record.sort_order_id === "number" ? record.sort_order_id : null,
    equalityIds: asList(record.equality_ids) as readonly number[] | null, // parse: id 136 is an int
    referencedDataFile:
      typeof record.referenced_data_file === "string" ? record.referenced_data_file : null,
    dataSequenceNumber: known.dataSequenceNumber,
    fileSequenceNumber: known.fileSequenceNumber,
    snapshotId: known.snapshotId,
  };
  if (record.column_sizes instanceof AvroRaw) RAW_METRICS.set(dataFile, record);
  return dataFile;
}

/** Metrics as they came, when all of them came encoded as we encode them. */
function rawMetrics(record: AvroRecord): AvroRecord {
  const writes: Record<string, AvroWrite | null> = {};
  for (const name of METRIC_FIELDS) {
    const value = record[name] ?? null;
    if (value instanceof AvroRaw) writes[name] = (writer) => value.writeTo(writer);
    else if (value === null) writes[name] = null;
    else return metricsToRecord(metricsFromRecord(record));
  }
  return writes;
}

type MutableMetrics = { -readonly [Key in keyof ColumnMetrics]: ColumnMetrics[Key] };
type MetricPair = { readonly key: number; readonly value: bigint & Uint8Array };

function metricsFromRecord(record: AvroRecord): ReadonlyMap<FieldId, ColumnMetrics> {
  const metrics = new Map<FieldId, MutableMetrics>();
  const collect = (value: AvroValue | undefined, name: keyof ColumnMetrics): void => {
    const list = value instanceof AvroRaw ? value.decode() : value;
    if (!Array.isArray(list)) return;
    const pairs = list as readonly MetricPair[]; // parse: pairs by the ids of the map
    for (const pair of pairs) {
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
