/** Which delete files touch which data files. Iceberg spec, "Scan Planning". */

import type { DataFile, PartitionSpec } from "../../core/table/types.ts";
import { decodeSingleValue } from "./single-value.ts";

/** Reserved id of a position delete's `file_path`. Iceberg spec, "Reserved Field IDs". */
const FILE_PATH_ID = 2147483546;

/**
 * The delete files that may delete a row of at least one of `files`, in their order. Which rows of which file is
 * for the reader: position deletes name it, equality deletes hold for files with a smaller sequence number.
 */
export function applicableDeletes(
  files: readonly DataFile[],
  deletes: readonly DataFile[],
  specs: readonly PartitionSpec[],
): readonly DataFile[] {
  if (deletes.length === 0) return [];
  const paths = new Map(files.map((file) => [file.path, file]));
  const oldestByPartition = new Map<string, bigint>();
  let oldest: bigint | null = null;
  for (const file of files) {
    const number = file.dataSequenceNumber ?? 0n;
    const key = partitionKey(file);
    const known = oldestByPartition.get(key);
    if (known === undefined || number < known) oldestByPartition.set(key, number);
    if (oldest === null || number < oldest) oldest = number;
  }
  const globalSpecs = new Set(
    specs.filter((spec) => spec.fields.length === 0).map((spec) => spec.specId),
  );
  return deletes.filter((file) => {
    const number = file.dataSequenceNumber ?? 0n;
    if (file.content === "equality-deletes") {
      const isGlobal = globalSpecs.has(file.specId);
      const least = isGlobal ? oldest : (oldestByPartition.get(partitionKey(file)) ?? null);
      return least !== null && least < number;
    }
    const target = targetPath(file);
    const data = target === null ? undefined : paths.get(target);
    if (target !== null) return data !== undefined && (data.dataSequenceNumber ?? 0n) <= number;
    const least = oldestByPartition.get(partitionKey(file)) ?? null;
    return least !== null && least <= number;
  });
}

/** The one data file that position deletes are about, when the entry says so. Spark says it by equal bounds. */
export function targetPath(file: DataFile): string | null {
  if (file.referencedDataFile !== null) return file.referencedDataFile;
  const bounds = file.metrics.get(FILE_PATH_ID);
  if (bounds?.lower === undefined || bounds.upper === undefined) return null;
  const decode = (bytes: Uint8Array): unknown =>
    decodeSingleValue({ kind: "primitive", name: "string" }, bytes);
  const lower = decode(bounds.lower);
  return lower === decode(bounds.upper) && typeof lower === "string" ? lower : null;
}

function partitionKey(file: DataFile): string {
  const parts = file.partition.map((value) => `${typeof value}:${String(value)}`);
  return [String(file.specId), ...parts].join("\u0000");
}
