/** Ids of rows, given to manifests when a snapshot is made of them. Iceberg spec, "Row Lineage". */

import type { JsonObject } from "../../core/base/json.ts";
import type { ManifestFile, ManifestListHeader } from "./manifest.ts";
import { nextRowId, type TableMetadata } from "./metadata.ts";

/** Manifests with ids for their rows, and what a list and a snapshot say of it. */
export interface RowIds {
  readonly list: readonly ManifestFile[];
  readonly header: Pick<ManifestListHeader, "firstRowId">;
  readonly extra: JsonObject;
}

/**
 * Gives each data manifest that has no row ids yet those that follow: room for all of its rows, also for those of files
 * that have ids. Delete manifests have none. Java: ManifestListWriter.V3Writer.
 */
export function giveRowIds(
  list: readonly ManifestFile[],
  metadata: Pick<TableMetadata, "extra">,
): RowIds {
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
