/** Manifest lists: which manifests make up a snapshot. Iceberg spec, "Manifest Lists". */

import { assert } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { readAvro, writeAvro } from "../avro/container.ts";
import type { AvroRecord, AvroValue } from "../avro/schema.ts";
import { bindById, MANIFEST_FILE_SCHEMA } from "./manifest-schema.ts";
import type { PartitionSummary } from "./partition-summary.ts";

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
}

export interface ManifestListHeader {
  readonly snapshotId: bigint;
  readonly parentId: bigint | null;
  readonly sequenceNumber: bigint;
}

/** The bytes of a v2 manifest list. Sequence numbers must be assigned. */
export function writeManifestList(
  header: ManifestListHeader,
  manifests: readonly ManifestFile[],
): Uint8Array {
  const metadata = new Map([
    ["snapshot-id", String(header.snapshotId)],
    ["parent-snapshot-id", String(header.parentId)],
    ["sequence-number", String(header.sequenceNumber)],
    ["format-version", "2"],
  ]);
  return writeAvro(MANIFEST_FILE_SCHEMA, metadata, manifests.map(toRecord));
}

/** Reads a manifest list of format v1 to v3. `location` stands in errors. Throws `corrupt`. */
export function readManifestList(bytes: Uint8Array, location: string): readonly ManifestFile[] {
  return readAvro(bytes, location, bindById).records.map((record) => fromRecord(record, location));
}

/** Whether a manifest has entries of live files; true when its counts are not known. */
export function hasLiveFiles(manifest: ManifestFile): boolean {
  return manifest.addedFiles !== 0 || manifest.existingFiles !== 0;
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

function long(value: AvroValue | undefined): bigint | null {
  return typeof value === "bigint" ? value : null;
}

function int(value: AvroValue | undefined): number | null {
  return typeof value === "number" ? value : null;
}
