/** Files in memory behind the read half of FileIO, and the shapes that Iceberg tests share. */

import { LakeError } from "../../../../core/base/errors.ts";
import type { FileIO } from "../../../../core/ports.ts";
import type { TableChange } from "../../../../core/table/commit.ts";
import type {
  DataFile,
  PartitionSpec,
  PartitionValue,
  PrimitiveName,
  Schema,
  Type,
} from "../../../../core/table/types.ts";
import type { TableVersion } from "../../../../storage/iceberg/metadata.ts";
import { ManifestStore, relativePath } from "../../../../storage/iceberg/recorded-files.ts";
import {
  type NewFile,
  prepare,
  type Staged,
  stage,
} from "../../../../storage/iceberg/transaction.ts";

export const ROOT = "/lake";
export const LOCATION = "file:///lake/bronze/orders-0a1b2c3d";
export const UUID = "0a1b2c3d-0000-4000-8000-000000000001";

export function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}

export const SCHEMA: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: "id", required: true, type: primitive("long") },
    { id: 2, name: "name", required: false, type: primitive("string") },
    { id: 3, name: "day", required: false, type: primitive("date") },
  ],
};

export const UNPARTITIONED: PartitionSpec = { specId: 0, fields: [] };
export const BY_DAY: PartitionSpec = {
  specId: 0,
  fields: [{ sourceId: 3, fieldId: 1000, name: "day", transform: "identity" }],
};

/** A lake in memory: what was put is what is read. */
export class MemoryLake {
  readonly filesByPath = new Map<string, Uint8Array>();
  readonly reads: string[] = [];
  #snapshots = 0;

  put(files: readonly NewFile[]): void {
    for (const { location, bytes } of files)
      this.filesByPath.set(relativePath(location, ROOT), bytes);
  }

  /** A store that has read nothing yet. */
  manifests(): ManifestStore {
    const read = async (path: string): Promise<Uint8Array> => {
      this.reads.push(path);
      const bytes = this.filesByPath.get(path);
      if (bytes === undefined) throw new LakeError("not-found", `${path} is not there`);
      return bytes;
    };
    const files: Pick<FileIO, "root" | "read"> = { root: ROOT, read };
    return new ManifestStore(files as FileIO, ROOT); // parse: the store only reads
  }

  /** One commit, prepared and staged on the same base, through fresh reads. */
  async commit(
    base: TableVersion | null,
    change: TableChange,
    options: { readonly nowMs?: number; readonly drop?: readonly bigint[] } = {},
  ): Promise<Staged> {
    const number = ++this.#snapshots;
    const prepared = await prepare({
      base,
      change,
      location: LOCATION,
      snapshotId: 1000n + BigInt(number),
      commitUuid: `commit-${number}`,
      manifests: this.manifests(),
    });
    this.put(prepared.files);
    const staged = await stage(prepared, {
      base,
      attempt: 1,
      metadataUuid: `metadata-${number}`,
      nowMs: options.nowMs ?? 1_000_000 + number,
      engine: { "engine-name": "test" },
      dropSnapshots: options.drop ?? [],
    });
    this.put(staged.files);
    return staged;
  }
}

export function dataFile(
  name: string,
  partition: readonly PartitionValue[] = [],
  more: Partial<DataFile> = {},
): DataFile {
  return {
    content: "data",
    path: `${LOCATION}/data/${name}.parquet`,
    format: "parquet",
    specId: 0,
    partition,
    recordCount: 10n,
    sizeBytes: 100n,
    metrics: new Map(),
    splitOffsets: [4n],
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: null,
    dataSequenceNumber: null,
    fileSequenceNumber: null,
    snapshotId: null,
    ...more,
  };
}

export function change(more: Partial<TableChange> = {}): TableChange {
  return {
    table: "bronze.orders",
    uuid: UUID,
    create: null,
    base: null,
    schema: null,
    operation: "append",
    added: [],
    removed: [],
    summary: {},
    ...more,
  };
}

export function creation(spec: PartitionSpec, added: readonly DataFile[]): TableChange {
  const create = { schema: SCHEMA, spec, sortOrder: { orderId: 0, fields: [] }, properties: {} };
  return change({ create, added });
}
