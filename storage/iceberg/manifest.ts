/** Manifests: the files of a table under one spec, with what happened to each. Iceberg spec, "Manifests". */

import { LakeError } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import type { PartitionSpec, Schema } from "../../core/table/types.ts";
import { readAvro, writeAvro } from "../avro/container.ts";
import type { AvroRecord } from "../avro/schema.ts";
import {
  type EntryStatus,
  entryFromRecord,
  entryToRecord,
  type ManifestEntry,
} from "./manifest-entry.ts";
import type { ManifestFile } from "./manifest-list.ts";
import { bindById, manifestEntrySchema } from "./manifest-schema.ts";
import { partitionColumns, partitionFieldsToJson } from "./partition.ts";
import { summarizePartitions } from "./partition-summary.ts";
import { schemaText } from "./schema.ts";

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
}

/** The bytes of a v2 manifest, and its row for the manifest list, its sequence numbers still open. */
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
    ["format-version", "2"],
    ["content", input.content],
  ]);
  const records = entries.map((entry) => entryToRecord(entry, columns));
  const bytes = writeAvro(manifestEntrySchema(columns), metadata, records);
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
  return file.records.map(read);
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
