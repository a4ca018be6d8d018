/** Ids of rows, given to manifests when a snapshot is made of them. Iceberg spec, "Row Lineage". */

import type { JsonObject } from "../../core/base/json.ts";
import type { ManifestFile, ManifestListHeader } from "./manifest.ts";
import type { TableMetadata } from "./metadata.ts";

/** The id that the next row of a table of format v3 gets. */
export function nextRowId({ extra }: Pick<TableMetadata, "extra">): bigint {
  return BigInt(String(extra["next-row-id"] ?? 0));
}

/** Manifests with ids for their rows, and what a list and a snapshot say of it. */
export interface RowIds {
  readonly list: readonly ManifestFile[];
  readonly header: Pick<ManifestListHeader, "firstRowId">;
  readonly extra: JsonObject;
}

/**
 * Gives each data manifest that has no row ids yet those that follow: room for all of its rows, also for those of files
 * that have ids. Delete manifests have none, nor have tables before v3. Java: ManifestListWriter.V3Writer.
 */
export function withRowIds(
  list: readonly ManifestFile[],
  metadata: Pick<TableMetadata, "extra" | "formatVersion">,
): RowIds {
  if (metadata.formatVersion < 3) return { list, header: {}, extra: {} };
  const first = nextRowId(metadata);
  let next = first;
  const given = list.map((file) => {
    if (file.content !== "data" || file.firstRowId !== undefined) return file;
    const firstRowId = next;
    next += (file.addedRows ?? 0n) + (file.existingRows ?? 0n);
    return { ...file, firstRowId };
  });
  const extra = { "first-row-id": first, "added-rows": next - first };
  return { list: given, header: { firstRowId: first }, extra };
}
