/** A Parquet file of somebody else's as a data file of a table, without a byte of it written anew. */

import { open } from "node:fs/promises";
import { LakeError } from "../../core/base/errors.ts";
import { counted } from "../../core/base/quantity.ts";
import type {
  DataFile,
  NamedField,
  PartitionValue,
  Schema,
  Table,
} from "../../core/table/types.ts";
import { limitMetrics } from "../iceberg/metrics.ts";
import { applyTransform, partitionColumns } from "../iceberg/partition.ts";
import { findColumn } from "../iceberg/schema.ts";
import { decodeSingleValue } from "../iceberg/single-value.ts";
import { type DataFileMetrics, readDataFileMetrics } from "../parquet/footer.ts";

/**
 * What its footer says of it, as the table's; `shown` stands in errors. Throws `input` for one that cannot be of the
 * table, `corrupt`.
 */
export async function describeFile(
  { path, shown }: { readonly path: string; readonly shown: string },
  table: Pick<Table, "schema" | "spec" | "properties">,
  names: readonly NamedField[],
): Promise<Omit<DataFile, "path">> {
  const { schema, spec, properties } = table;
  const handle = await open(path, "r");
  let found: DataFileMetrics;
  try {
    const { size: sizeBytes } = await handle.stat();
    const read = async (start: number, end: number): Promise<Uint8Array> => {
      const buffer = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, start);
      return buffer.subarray(0, bytesRead);
    };
    found = await readDataFileMetrics({ name: shown, sizeBytes, read }, schema, names);
  } finally {
    await handle.close();
  }
  checkRequired(shown, schema, found);
  return {
    content: "data",
    format: "PARQUET",
    specId: spec.specId,
    partition: partitionOf(shown, table, found),
    recordCount: found.recordCount,
    sizeBytes: found.sizeBytes,
    metrics: limitMetrics(found.metrics, schema, properties),
    splitOffsets: found.splitOffsets,
    sortOrderId: null,
    equalityIds: null,
    referencedDataFile: null,
    dataSequenceNumber: null,
    fileSequenceNumber: null,
    snapshotId: null,
  };
}

function checkRequired(
  path: string,
  schema: Schema,
  { metrics, recordCount }: DataFileMetrics,
): void {
  for (const { id, name, required } of schema.fields) {
    if (!required || recordCount === 0n || metrics.get(id)?.nullCount === 0n) continue;
    throw new LakeError("input", `${path}: ${name} may not be absent, and is or may be there`, {
      hint: `leave it out, or let it be absent: alter table … alter column ${name} drop not null`,
    });
  }
}

/** All rows of a file are of one partition, which its bounds have to prove. */
function partitionOf(
  path: string,
  { schema, spec }: Pick<Table, "schema" | "spec">,
  { metrics, recordCount }: DataFileMetrics,
): readonly PartitionValue[] {
  return partitionColumns(spec, [schema]).map((column): PartitionValue => {
    const source = findColumn(schema, column.field.sourceId);
    const known = metrics.get(column.field.sourceId) ?? {};
    const { lower, upper, nullCount } = known;
    if (source !== null && nullCount === recordCount) return null;
    if (source !== null && nullCount === 0n && lower !== undefined && upper !== undefined) {
      const [least, most] = [lower, upper].map((bytes) => {
        const value = decodeSingleValue(source.type, bytes);
        return value === null ? null : applyTransform(column.transform, source.type, value);
      });
      const isOne = least !== undefined && most !== undefined && sameValue(least, most);
      // A bucket of two ends says nothing of what is between them.
      const isSure = column.transform.kind !== "bucket" || sameBytes(lower, upper);
      if (isOne && isSure && least !== null) return least;
    }
    throw new LakeError(
      "input",
      `${path} holds ${counted(recordCount, "row")} of more than one ${column.field.name}`,
      {
        hint: "the table is partitioned by it: split the file, or write its rows anew: insert into … from the file",
      },
    );
  });
}

function sameValue(a: PartitionValue, b: PartitionValue): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? sameBytes(a, b) : a === b;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
