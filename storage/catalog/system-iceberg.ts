/** System tables made of Iceberg metadata, with the names of Iceberg's own metadata tables. */

import type { Json } from "../../core/base/json.ts";
import type { PartitionValue, TableName } from "../../core/table/types.ts";
import type { ManifestFile } from "../iceberg/manifest.ts";
import { currentSnapshot, type TableMetadata, type TableVersion } from "../iceberg/metadata.ts";
import { partitionColumns, partitionPath } from "../iceberg/partition.ts";
import { currentVersion } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { int, long, text } from "./database.ts";
import { partsOf, readPointers } from "./history.ts";
import { readable } from "./publish.ts";
import { columns, iso, type SystemTableMaker } from "./system-column.ts";

const CONTENT_NUMBERS = { data: 0, "position-deletes": 1, "equality-deletes": 2 } as const;

/** Rows of one table version; `prefix` holds its two name columns. */
type RowsOf = (
  version: TableVersion,
  prefix: readonly Json[],
  context: CatalogContext,
) => Json[][] | Promise<Json[][]>;

export const SYSTEM_TABLES_OF_ICEBERG: Readonly<Record<string, SystemTableMaker>> = {
  tables: {
    columns: columns(
      "table_schema",
      "table_name",
      "table_uuid",
      "location",
      "format_version int",
      "snapshot_id long",
      "sequence_number long",
      "record_count long",
      "file_count long",
      "size_bytes long",
      "last_updated_at timestamptz",
      "metadata_location",
      "properties map",
    ),
    read: ofEach(tableRow),
  },
  maintenance: {
    columns: columns(
      "table_schema",
      "table_name",
      "file_count long",
      "size_bytes long",
      "delete_file_count long",
      "deleted_record_count long",
      "snapshot_count long",
      "maintained_at timestamptz",
      "commit_number long",
      "message",
    ),
    read: ofEach(maintenanceRow),
  },
  snapshots: {
    columns: columns(
      "table_schema",
      "table_name",
      "committed_at timestamptz",
      "snapshot_id long",
      "parent_id long",
      "sequence_number long",
      "operation",
      "manifest_list",
      "summary map",
    ),
    read: ofEach(({ metadata }, prefix) =>
      metadata.snapshots.map((snapshot) => [
        ...prefix,
        iso(snapshot.timestampMs),
        snapshot.snapshotId,
        snapshot.parentId,
        snapshot.sequenceNumber,
        snapshot.operation,
        snapshot.manifestList,
        snapshot.summary,
      ]),
    ),
  },
  history: {
    columns: columns(
      "table_schema",
      "table_name",
      "made_current_at timestamptz",
      "snapshot_id long",
      "parent_id long",
      "is_current_ancestor boolean",
    ),
    read: ofEach(historyRows),
  },
  refs: {
    columns: columns(
      "table_schema",
      "table_name",
      "name",
      "type",
      "snapshot_id long",
      "max_reference_age_in_ms long",
      "min_snapshots_to_keep int",
      "max_snapshot_age_in_ms long",
    ),
    read: ofEach(({ metadata }, prefix) =>
      [...metadata.refs].map(([name, ref]) => [
        ...prefix,
        name,
        ref.kind.toUpperCase(),
        ref.snapshotId,
        ref.maxRefAgeMs ?? null,
        ref.minSnapshotsToKeep ?? null,
        ref.maxSnapshotAgeMs ?? null,
      ]),
    ),
  },
  manifests: {
    columns: columns(
      "table_schema",
      "table_name",
      "content int",
      "path",
      "length long",
      "partition_spec_id int",
      "added_snapshot_id long",
      "added_data_files_count int",
      "existing_data_files_count int",
      "deleted_data_files_count int",
      "added_delete_files_count int",
      "existing_delete_files_count int",
      "deleted_delete_files_count int",
    ),
    read: ofEach(manifestRows),
  },
  files: {
    columns: columns(
      "table_schema",
      "table_name",
      "content int",
      "file_path",
      "file_format",
      "spec_id int",
      "partition",
      "record_count long",
      "file_size_in_bytes long",
      "sort_order_id int",
      "data_sequence_number long",
      "added_snapshot_id long",
    ),
    read: ofEach(fileRows),
  },
};

/** Reads the asked table, or all in order of name. */
function ofEach(rowsOf: RowsOf): SystemTableMaker["read"] {
  return async (context, only) => {
    const { store } = context;
    const pointers = await store.read(() => readPointers(store));
    const rows: Json[][] = [];
    for (const { name } of pointers) {
      if (only !== null && only !== name) continue;
      const version = await (only === null
        ? readable(currentVersion(context, name))
        : currentVersion(context, name));
      if (version === null) continue;
      for (const row of await rowsOf(version, prefixOf(name), context)) rows.push(row);
    }
    return rows;
  };
}

function prefixOf(name: TableName): readonly Json[] {
  const { namespace, table } = partsOf(name);
  return [namespace, table];
}

/** Of a snapshot's summary; null where it does not say, 0 for a table without one. */
function totalIn(metadata: TableMetadata, key: string): bigint | null {
  const current = currentSnapshot(metadata);
  const text = current === null ? "0" : current.summary[key];
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : null;
}

async function maintenanceRow(
  { metadata }: TableVersion,
  prefix: readonly Json[],
  { store }: CatalogContext,
): Promise<Json[][]> {
  const sql = `SELECT c.number, c.time_ms, c.message FROM lake_commits c
    JOIN lake_commit_tables t ON t.commit_number = c.number
    WHERE c.kind = 'maintain' AND t.table_uuid = ? ORDER BY c.number DESC LIMIT 1`;
  const last = await store.read(() => store.db.get(sql, metadata.uuid));
  const row = [
    ...prefix,
    totalIn(metadata, "total-data-files"),
    totalIn(metadata, "total-files-size"),
    totalIn(metadata, "total-delete-files"),
    totalIn(metadata, "total-position-deletes"),
    BigInt(metadata.snapshots.length),
    last === null ? null : iso(int(last, "time_ms")),
    last === null ? null : long(last, "number"),
    last === null ? null : text(last, "message"),
  ];
  return [row];
}

function tableRow({ metadata, metadataLocation }: TableVersion, prefix: readonly Json[]): Json[][] {
  const current = currentSnapshot(metadata);
  const total = (key: string): bigint | null => totalIn(metadata, key);
  const row = [
    ...prefix,
    metadata.uuid,
    metadata.location,
    metadata.formatVersion,
    current?.snapshotId ?? null,
    current?.sequenceNumber ?? null,
    total("total-records"),
    total("total-data-files"),
    total("total-files-size"),
    iso(metadata.lastUpdatedMs),
    metadataLocation,
    metadata.properties,
  ];
  return [row];
}

function historyRows({ metadata }: TableVersion, prefix: readonly Json[]): Json[][] {
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]));
  const ancestors = new Set<bigint>();
  for (let id = metadata.currentSnapshotId; id !== null && !ancestors.has(id); ) {
    ancestors.add(id);
    id = byId.get(id)?.parentId ?? null;
  }
  return metadata.snapshotLog.map((entry) => [
    ...prefix,
    iso(entry.timestampMs),
    entry.snapshotId,
    byId.get(entry.snapshotId)?.parentId ?? null,
    ancestors.has(entry.snapshotId),
  ]);
}

async function manifestRows(
  { metadata }: TableVersion,
  prefix: readonly Json[],
  context: CatalogContext,
): Promise<Json[][]> {
  const manifests = await context.manifests.list(currentSnapshot(metadata));
  return manifests.map((manifest) => [
    ...prefix,
    manifest.content === "data" ? 0 : 1,
    manifest.path,
    manifest.lengthBytes,
    manifest.specId,
    manifest.addedSnapshotId,
    ...counts(manifest, "data"),
    ...counts(manifest, "deletes"),
  ]);
}

function counts(manifest: ManifestFile, content: ManifestFile["content"]): Json[] {
  if (manifest.content !== content) return [0, 0, 0];
  return [manifest.addedFiles, manifest.existingFiles, manifest.deletedFiles];
}

async function fileRows(
  { metadata }: TableVersion,
  prefix: readonly Json[],
  context: CatalogContext,
): Promise<Json[][]> {
  const rows: Json[][] = [];
  for (const manifest of await context.manifests.list(currentSnapshot(metadata))) {
    for (const { status, file } of await context.manifests.entries(manifest, metadata)) {
      if (status === "deleted") continue;
      rows.push([
        ...prefix,
        CONTENT_NUMBERS[file.content],
        file.path,
        file.format,
        file.specId,
        partitionOf(metadata, file.specId, file.partition),
        file.recordCount,
        file.sizeBytes,
        file.sortOrderId,
        file.dataSequenceNumber,
        file.snapshotId,
      ]);
    }
  }
  return rows;
}

/** As it reads in a folder's name; null when unpartitioned. */
function partitionOf(
  metadata: TableMetadata,
  specId: number,
  values: readonly PartitionValue[],
): string | null {
  const spec = metadata.specs.find((one) => one.specId === specId);
  if (spec === undefined || spec.fields.length === 0) return null;
  return partitionPath(partitionColumns(spec, metadata.schemas), values);
}
