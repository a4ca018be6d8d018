/** Data files from staging into a table: moved, made durable, and described by their own footers. */

import { counted } from "../../core/base/count.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { StagedFile } from "../../core/engine.ts";
import type { AdoptTarget, FileStat } from "../../core/ports.ts";
import type { DataFile } from "../../core/table/types.ts";
import { mapBounded } from "../disk/durable.ts";
import { dataFolder, relativePath } from "../iceberg/location.ts";
import { limitMetrics } from "../iceberg/metrics.ts";
import { partitionColumns, partitionPath } from "../iceberg/partition.ts";
import { readDataFileMetrics } from "../parquet/footer.ts";
import { currentVersion, newTableLocation } from "./commit.ts";
import type { CatalogContext } from "./context.ts";

/**
 * Moves staged Parquet files to `<table>/data/[partition/]<uuid>.parquet`. Nothing names them until a commit does;
 * an attempt that dies leaves orphans. Throws `corrupt` when a footer does not match what was staged.
 */
export async function adoptFiles(
  context: CatalogContext,
  target: AdoptTarget,
  staged: readonly StagedFile[],
): Promise<DataFile[]> {
  context.store.checkWritable();
  if (staged.length === 0) return [];
  const { location, properties } = await tableOf(context, target);
  const folder = dataFolder({ location });
  const columns = partitionColumns(target.spec, [target.schema]);
  const root = context.store.recordedRoot;
  const planned = staged.map((file) => {
    const partition = partitionPath(columns, file.partition);
    const name = `${context.random.uuid()}.parquet`;
    const recorded = [folder, ...(partition === "" ? [] : [partition]), name].join("/");
    return { file, recorded, path: relativePath(recorded, root) };
  });
  const stats = await context.io.adoptAll(
    planned.map(({ file, path }) => ({ staged: file.path, to: path })),
  );
  return await mapBounded(planned, FOOTERS_AT_ONCE, async ({ file, recorded, path }, index) => {
    const { sizeBytes } = stats[index] ?? { sizeBytes: Number(file.sizeBytes) };
    return await describe(context, target, properties, { file, recorded, path, sizeBytes });
  });
}

/** Footers read at a time. */
const FOOTERS_AT_ONCE = 8;

interface Adopted {
  readonly file: StagedFile;
  readonly recorded: string;
  readonly path: string;
  readonly sizeBytes: FileStat["sizeBytes"];
}

async function tableOf(
  context: CatalogContext,
  target: AdoptTarget,
): Promise<{ location: string; properties: Readonly<Record<string, string>> }> {
  const version = await currentVersion(context, target.name);
  if (version !== null && version.metadata.uuid === target.uuid) return version.metadata;
  return { location: newTableLocation(context, target.name, target.uuid), properties: {} };
}

async function describe(
  context: CatalogContext,
  target: AdoptTarget,
  properties: Readonly<Record<string, string>>,
  adopted: Adopted,
): Promise<DataFile> {
  const { file, path, sizeBytes } = adopted;
  const read = (start: number, end: number): Promise<Uint8Array> =>
    context.io.readRange(path, start, end - start);
  const found = await readDataFileMetrics({ name: path, sizeBytes, read }, target.schema);
  if (found.recordCount !== file.rows) {
    throw new LakeError(
      "corrupt",
      `${path} holds ${counted(found.recordCount, "row")} where its writer counted ${file.rows}`,
      { hint: "nothing was committed; the work is done again from its source" },
    );
  }
  return {
    content: "data",
    path: adopted.recorded,
    format: "PARQUET",
    specId: target.spec.specId,
    partition: file.partition,
    recordCount: found.recordCount,
    sizeBytes: found.sizeBytes,
    metrics: limitMetrics(found.metrics, target.schema, properties),
    splitOffsets: found.splitOffsets,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: null,
    dataSequenceNumber: null,
    fileSequenceNumber: null,
    snapshotId: null,
  };
}
