/** Which files a table's metadata still names: what may never be unlinked. */

import { relativePath } from "../iceberg/location.ts";
import type { TableMetadata, TableVersion } from "../iceberg/metadata.ts";
import type { CatalogContext } from "./context.ts";

/** How deep to look: metadata files and manifest lists, their manifests, or the data files too. */
export type Depth = "lists" | "manifests" | "data";

/** Paths relative to the root. Throws when anything named cannot be read: then nothing may be removed. */
export async function reachablePaths(
  context: CatalogContext,
  version: TableVersion,
  depth: Depth,
): Promise<Set<string>> {
  const { metadata } = version;
  const root = context.store.recordedRoot;
  const paths = new Set<string>();
  const add = (location: string): void => {
    paths.add(relativePath(location, root));
  };
  add(version.metadataLocation);
  for (const entry of metadata.metadataLog) add(entry.metadataFile);
  for (const location of statisticsFiles(metadata)) add(location);
  const seen = new Set<string>();
  for (const snapshot of metadata.snapshots) {
    if (snapshot.manifestList !== "") add(snapshot.manifestList);
    if (depth === "lists") continue;
    for (const manifest of await context.manifests.list(snapshot)) {
      if (seen.has(manifest.path)) continue;
      seen.add(manifest.path);
      add(manifest.path);
      if (depth === "manifests") continue;
      for (const entry of await context.manifests.entries(manifest, metadata)) {
        // A deleted entry's file may be live in an earlier snapshot, which names it itself.
        if (entry.status !== "deleted") add(entry.file.path);
      }
    }
  }
  return paths;
}

function statisticsFiles(metadata: TableMetadata): string[] {
  return [...metadata.statistics, ...metadata.partitionStatistics].flatMap((entry) => {
    const path = entry["statistics-path"];
    return typeof path === "string" ? [path] : [];
  });
}
