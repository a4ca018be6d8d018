/**
 * Manifests (the files of a table under one spec, with what happened to each) and the list that says which of them make
 * up a snapshot, to and from Avro records. Iceberg spec, "Manifests" and "Manifest Lists".
 */

import { assert } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import type {
  ColumnMetrics,
  DataFile,
  FieldId,
  FileBlob,
  PartitionSpec,
  PartitionValue,
  Schema,
  Type,
} from "../../core/table/types.ts";
import type { ByteWriter } from "../avro/bytes.ts";
import { readAvro, writeAvro } from "../avro/container.ts";
import { AvroRaw, type AvroRecord, type AvroValue, type AvroWrite } from "../avro/values.ts";
import {
  bindById,
  MANIFEST_FILE_SCHEMA,
  MANIFEST_FILE_SCHEMA_V3,
  type ManifestVersion,
  METRIC_FIELDS,
  manifestEntrySchema,
  partitionKey,
} from "./manifest-schema.ts";
import { type PartitionColumn, partitionColumns, partitionFieldsToJson } from "./partition.ts";
import { schemaText } from "./schema.ts";
import {
  compareSingleValues,
  decimalByteSize,
  decimalBytes,
  decodeDecimal,
  encodeSingleValue,
  type SingleValue,
} from "./single-value.ts";

export interface ManifestInput {
  /** Recorded location that the bytes will have. */
  readonly location: string;
  readonly content: ManifestFile["content"];
  /** Schema of the table. */
  readonly schema: Schema;
  /** Every schema of the table, to find the types of dropped partition sources. */
  readonly schemas: readonly Schema[];
  readonly spec: PartitionSpec;
  /** The snapshot that adds the manifest. */
  readonly snapshotId: bigint;
  readonly entries: readonly ManifestEntry[];
  readonly formatVersion: ManifestVersion;
}

/** A row of a manifest list. Counts are null only in files of v1 writers that left them out. */
export interface ManifestFile {
  /** Recorded location. */
  readonly path: string;
  readonly lengthBytes: bigint;
  readonly specId: number;
  readonly content: "data" | "deletes";
  /** Null until the snapshot that adds it has its number. */
  readonly sequenceNumber: bigint | null;
  /** Of its live entries; null when one of them has still to get the new snapshot's number. */
  readonly minSequenceNumber: bigint | null;
  readonly addedSnapshotId: bigint;
  readonly addedFiles: number | null;
  readonly existingFiles: number | null;
  readonly deletedFiles: number | null;
  readonly addedRows: bigint | null;
  readonly existingRows: bigint | null;
  readonly deletedRows: bigint | null;
  /** Null when not known. */
  readonly partitions: readonly PartitionSummary[] | null;
  /** Format v3, of data: the id of the first row whose file has none of its own; absent until it is given. */
  readonly firstRowId?: bigint;
}

export interface ManifestListHeader {
  readonly snapshotId: bigint;
  readonly parentId: bigint | null;
  readonly sequenceNumber: bigint;
  /** Format v3: the first row id that the snapshot gives; absent in v2. */
  readonly firstRowId?: bigint;
}

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

/** Iceberg spec, "Manifest Lists", field 507. Bounds are single values in the transform's result type, uncut. */
export interface PartitionSummary {
  readonly containsNull: boolean;
  /** Null when not known. */
  readonly containsNan: boolean | null;
  readonly lower: Uint8Array | null;
  readonly upper: Uint8Array | null;
}

const STATUSES: readonly EntryStatus[] = ["existing", "added", "deleted"];
const CONTENTS: readonly DataFile["content"][] = ["data", "position-deletes", "equality-deletes"];

/** Records of files that were read, whose metrics are still encoded: written again as they are. */
const RAW_METRICS = new WeakMap<DataFile, AvroRecord>();
const NO_BYTES = new Uint8Array();

/** The bytes of a manifest, and its row for the manifest list, its sequence numbers still open. */
export function writeManifest(input: ManifestInput): {
  readonly bytes: Uint8Array;
  readonly file: ManifestFile;
} {
  const { spec, entries } = input;
  const columns = partitionColumns(spec, [input.schema, ...input.schemas]);
  const metadata = new Map([
    ["schema", schemaText(input.schema)],
    ["schema-id", String(input.schema.schemaId)],
    ["partition-spec", stringifyJson(partitionFieldsToJson(spec))],
    ["partition-spec-id", String(spec.specId)],
    ["format-version", String(input.formatVersion)],
    ["content", input.content],
  ]);
  const records = entries.map((entry) => entryToRecord(entry, columns));
  const schema = manifestEntrySchema(columns, input.formatVersion);
  const bytes = writeAvro(schema, metadata, records);
  const file: ManifestFile = {
    path: input.location,
    lengthBytes: BigInt(bytes.length),
    specId: spec.specId,
    content: input.content,
    sequenceNumber: null,
    minSequenceNumber: minSequenceNumber(entries),
    addedSnapshotId: input.snapshotId,
    addedFiles: countOf(entries, "added"),
    existingFiles: countOf(entries, "existing"),
    deletedFiles: countOf(entries, "deleted"),
    addedRows: rowsOf(entries, "added"),
    existingRows: rowsOf(entries, "existing"),
    deletedRows: rowsOf(entries, "deleted"),
    partitions: summarizePartitions(
      columns,
      entries.map((entry) => entry.file.partition),
    ),
  };
  return { bytes, file };
}

/**
 * Reads the entries of a manifest of format v1 to v3, deleted ones included, with everything that they inherit
 * from `manifest`. Throws `corrupt`.
 */
export function readManifest(
  bytes: Uint8Array,
  manifest: ManifestFile,
  specs: readonly PartitionSpec[],
  schemas: readonly Schema[],
): readonly ManifestEntry[] {
  const file = readAvro(bytes, manifest.path, bindById);
  const specId = Number(file.metadata.get("partition-spec-id") ?? manifest.specId);
  const spec = specs.find((candidate) => candidate.specId === specId);
  if (spec === undefined) {
    throw new LakeError("corrupt", `${manifest.path}: the table has no spec ${specId}`, {
      hint: "the metadata and the manifest do not belong together; restore the table's metadata",
    });
  }
  const columns = partitionColumns(spec, schemas);
  const inherited = {
    snapshotId: manifest.addedSnapshotId,
    sequenceNumber: manifest.sequenceNumber ?? 0n,
    specId,
  };
  const read = (record: AvroRecord): ManifestEntry => entryFromRecord(record, columns, inherited);
  return withRowIds(file.records.map(read), manifest);
}

/**
 * Files without a row id of their own follow each other from that of their manifest; where it has none, no file has.
 * Iceberg spec, "First Row ID Inheritance".
 */
function withRowIds(
  entries: readonly ManifestEntry[],
  { content, firstRowId }: ManifestFile,
): readonly ManifestEntry[] {
  if (content !== "data") return entries;
  let next = firstRowId;
  for (const { status, file } of entries) {
    if (next === undefined) Reflect.deleteProperty(file, "firstRowId");
    else if (status !== "deleted" && file.firstRowId === undefined) {
      // The object is this reader's own; its metrics are behind a getter, which a copy would open.
      Object.assign(file, { firstRowId: next });
      next += file.recordCount;
    }
  }
  return entries;
}

/** The bytes of a manifest list, of format v3 where it gives row ids. Sequence numbers must be assigned. */
export function writeManifestList(
  header: ManifestListHeader,
  manifests: readonly ManifestFile[],
): Uint8Array {
  const metadata = new Map([
    ["snapshot-id", String(header.snapshotId)],
    ["parent-snapshot-id", String(header.parentId)],
    ["sequence-number", String(header.sequenceNumber)],
    ...(header.firstRowId === undefined
      ? [["format-version", "2"] as const]
      : [["first-row-id", String(header.firstRowId)] as const, ["format-version", "3"] as const]),
  ]);
  const schema = header.firstRowId === undefined ? MANIFEST_FILE_SCHEMA : MANIFEST_FILE_SCHEMA_V3;
  return writeAvro(schema, metadata, manifests.map(toRecord));
}

/** Reads a manifest list of format v1 to v3. `location` stands in errors. Throws `corrupt`. */
export function readManifestList(bytes: Uint8Array, location: string): readonly ManifestFile[] {
  return readAvro(bytes, location, bindById).records.map((record) => fromRecord(record, location));
}

/** Whether a manifest has entries of live files; true when its counts are not known. */
export function hasLiveFiles(manifest: ManifestFile): boolean {
  return manifest.addedFiles !== 0 || manifest.existingFiles !== 0;
}

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

/** One summary per partition column over the tuples of a manifest's entries. */
export function summarizePartitions(
  columns: readonly PartitionColumn[],
  tuples: readonly (readonly PartitionValue[])[],
): readonly PartitionSummary[] {
  return columns.map((column, index) => {
    let containsNull = false;
    let containsNan = false;
    let lower: SingleValue | null = null;
    let upper: SingleValue | null = null;
    for (const tuple of tuples) {
      const value = tuple[index] ?? null;
      if (value === null) containsNull = true;
      else if (Number.isNaN(value)) containsNan = true;
      else {
        if (lower === null || compareSingleValues(value, lower) < 0) lower = value;
        if (upper === null || compareSingleValues(value, upper) > 0) upper = value;
      }
    }
    const encode = (value: SingleValue | null): Uint8Array | null =>
      value === null ? null : encodeSingleValue(column.resultType, value);
    return { containsNull, containsNan, lower: encode(lower), upper: encode(upper) };
  });
}

/** Null when no live entry has its number yet: the new snapshot's is then the least. Java: ManifestWriter. */
function minSequenceNumber(entries: readonly ManifestEntry[]): bigint | null {
  let least: bigint | null = null;
  for (const { status, file } of entries) {
    const number = file.dataSequenceNumber;
    if (status === "deleted" || number === null) continue;
    if (least === null || number < least) least = number;
  }
  return least;
}

function countOf(entries: readonly ManifestEntry[], status: EntryStatus): number {
  return entries.filter((entry) => entry.status === status).length;
}

function rowsOf(entries: readonly ManifestEntry[], status: EntryStatus): bigint {
  return entries.reduce(
    (rows, entry) => (entry.status === status ? rows + entry.file.recordCount : rows),
    0n,
  );
}

function toRecord(manifest: ManifestFile): AvroRecord {
  const { sequenceNumber, minSequenceNumber } = manifest;
  assert(sequenceNumber !== null && minSequenceNumber !== null, "sequence numbers are assigned");
  return {
    manifest_path: manifest.path,
    manifest_length: manifest.lengthBytes,
    partition_spec_id: manifest.specId,
    content: manifest.content === "data" ? 0 : 1,
    sequence_number: sequenceNumber,
    min_sequence_number: minSequenceNumber,
    added_snapshot_id: manifest.addedSnapshotId,
    added_files_count: manifest.addedFiles,
    existing_files_count: manifest.existingFiles,
    deleted_files_count: manifest.deletedFiles,
    added_rows_count: manifest.addedRows,
    existing_rows_count: manifest.existingRows,
    deleted_rows_count: manifest.deletedRows,
    partitions:
      manifest.partitions?.map((summary) => ({
        contains_null: summary.containsNull,
        contains_nan: summary.containsNan,
        lower_bound: summary.lower,
        upper_bound: summary.upper,
      })) ?? null,
    key_metadata: null,
    first_row_id: manifest.firstRowId ?? null,
  };
}

function fromRecord(record: AvroRecord, location: string): ManifestFile {
  const { manifest_path: path, manifest_length: lengthBytes, partition_spec_id: specId } = record;
  if (typeof path !== "string" || typeof specId !== "number") {
    throw new LakeError("corrupt", `${location}: a manifest has no path or no spec`, {
      hint: "the manifest list is damaged; restore the file from a copy",
    });
  }
  return {
    path,
    lengthBytes: typeof lengthBytes === "bigint" ? lengthBytes : 0n,
    specId,
    content: record.content === 1 ? "deletes" : "data",
    sequenceNumber: long(record.sequence_number) ?? 0n,
    minSequenceNumber: long(record.min_sequence_number) ?? 0n,
    addedSnapshotId: long(record.added_snapshot_id) ?? -1n,
    addedFiles: int(record.added_files_count),
    existingFiles: int(record.existing_files_count),
    deletedFiles: int(record.deleted_files_count),
    addedRows: long(record.added_rows_count),
    existingRows: long(record.existing_rows_count),
    deletedRows: long(record.deleted_rows_count),
    partitions: summaries(record.partitions),
    ...firstRow(record.first_row_id),
  };
}

function summaries(value: AvroValue | undefined): readonly PartitionSummary[] | null {
  if (!Array.isArray(value)) return null;
  return value.map((item: AvroRecord) => ({
    containsNull: item.contains_null !== false,
    containsNan: typeof item.contains_nan === "boolean" ? item.contains_nan : null,
    lower: item.lower_bound instanceof Uint8Array ? item.lower_bound : null,
    upper: item.upper_bound instanceof Uint8Array ? item.upper_bound : null,
  }));
}

function firstRow(value: AvroValue | undefined): { readonly firstRowId?: bigint } {
  return typeof value === "bigint" ? { firstRowId: value } : {};
}

function long(value: AvroValue | undefined): bigint | null {
  return typeof value === "bigint" ? value : null;
}

function int(value: AvroValue | undefined): number | null {
  return typeof value === "number" ? value : null;
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
    first_row_id: file.firstRowId ?? null,
    referenced_data_file: file.referencedDataFile,
    content_offset: file.blob?.offset ?? null,
    content_size_in_bytes: file.blob?.sizeBytes ?? null,
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
    ...firstRow(record.first_row_id),
    ...blobOf(record),
  };
  if (record.column_sizes instanceof AvroRaw) RAW_METRICS.set(dataFile, record);
  return dataFile;
}

function blobOf(record: AvroRecord): { readonly blob?: FileBlob } {
  const offset = asLong(record.content_offset);
  const sizeBytes = asLong(record.content_size_in_bytes);
  return offset === null || sizeBytes === null ? {} : { blob: { offset, sizeBytes } };
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
