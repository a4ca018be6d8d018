/**
 * Where the tables of other engines lie: each in a folder of its own below its namespace's, as ours do. DESIGN,
 * decision 1. Where the lake lets them lie anywhere, what the catalog writes of them is in the lake all the same.
 */

import type { LakeError } from "../../core/base/errors.ts";
import { isNamePart } from "../../core/table/name.ts";
import type { TableName } from "../../core/table/types.ts";
import type { TableMetadata, TableVersion } from "../iceberg/metadata.ts";
import { absolutePath, insideRoot, metadataFolder } from "../iceberg/recorded-files.ts";
import { newTableLocation } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { partsOf } from "./history.ts";
import type { LakeStore } from "./lake-store.ts";
import { refusal } from "./refusal.ts";

/** `lake`: a path that leads out of the lake is refused. `anywhere`: other engines may put files where they like. */
export type Places = "lake" | "anywhere";

/** Properties that tell writers to put files elsewhere. Java: TableProperties. */
const PATH_PROPERTIES = [
  "write.data.path",
  "write.metadata.path",
  "write.object-storage.path",
  "write.folder-storage.path",
] as const;

/**
 * The location of a table that is made now: what was asked for, or a folder with a name of its own. Throws where it is
 * outside of the lake, deeper or higher than a table's folder, or another table's.
 */
export async function placeOf(
  context: CatalogContext,
  name: TableName,
  uuid: string,
  asked: string | null,
  places: Places,
): Promise<string> {
  const own = newTableLocation(context, name, uuid);
  if (asked === null) return own;
  const location = asked.replace(/(?<=[^/])\/+$/, "");
  if (location === own) return own;
  const inside = insideLake(context.store, location);
  if (inside === null) {
    if (places === "anywhere") return location;
    throw outside(location, context.store);
  }
  const { namespace } = partsOf(name);
  const folder = inside.startsWith(`${namespace}/`) ? inside.slice(namespace.length + 1) : "";
  if (!isNamePart(folder.replaceAll(".", "_")) || folder.startsWith(".")) {
    const text = `a table of ${namespace} lies in a folder directly below ${context.store.recordedRoot}/${namespace}`;
    throw refusal("BadRequestException", `Invalid location ${location}: ${text}`);
  }
  if (await isTaken(context.store, location)) {
    throw refusal("BadRequestException", `Invalid location ${location}: another table has it`);
  }
  return location;
}

/** Throws where a table that is there would move, or name files outside of the lake. */
export function checkPlaces(
  context: CatalogContext,
  base: TableVersion | null,
  next: TableMetadata,
  places: Places,
): void {
  if (places === "anywhere") return;
  const { store } = context;
  if (base !== null && base.metadata.location !== next.location) {
    const text = `Cannot move the table to ${next.location}: a table stays where it was made`;
    throw refusal("BadRequestException", text);
  }
  const known = new Set(base?.metadata.snapshots.map((one) => one.snapshotId));
  const lists = next.snapshots.filter((one) => !known.has(one.snapshotId));
  const statistics = [...next.statistics, ...next.partitionStatistics].map(
    (one) => one["statistics-path"],
  );
  const named = [
    ...lists.map((one) => one.manifestList).filter((path) => path !== ""),
    ...statistics.filter((path) => typeof path === "string"),
    ...PATH_PROPERTIES.flatMap((key) => next.properties[key] ?? []),
  ];
  for (const path of named) if (insideLake(store, path) === null) throw outside(path, store);
}

/** The folder that the catalog writes a table's metadata into. */
export function metadataHome(
  context: CatalogContext,
  name: TableName,
  base: TableVersion | null,
  next: TableMetadata,
): string {
  if (insideLake(context.store, next.location) !== null) return metadataFolder(next);
  if (base !== null) return base.metadataLocation.slice(0, base.metadataLocation.lastIndexOf("/"));
  return metadataFolder({ location: newTableLocation(context, name, next.uuid) });
}

/** The path below the lake's root; null outside of it. */
export function insideLake(store: LakeStore, location: string): string | null {
  return insideRoot(location, store.recordedRoot);
}

function outside(path: string, store: LakeStore): LakeError {
  const text = `${path} lies outside of the lake ${store.recordedRoot}`;
  return refusal("BadRequestException", `Invalid location: ${text}`);
}

/** By the metadata of tables and views that are there, or were. */
async function isTaken(store: LakeStore, location: string): Promise<boolean> {
  // As each of the other engines writes one path. iceberg.md 3.3.
  const path = `${absolutePath(location)}/`;
  const starts = ["file://", "file:", ""]
    .map(
      (scheme) => `substr(metadata_location, 1, length(?1) + ${scheme.length}) = '${scheme}' || ?1`,
    )
    .join(" OR ");
  const sql = `SELECT 1 FROM iceberg_tables WHERE ${starts}
    UNION ALL SELECT 1 FROM lake_commit_tables WHERE ${starts} LIMIT 1`;
  return (await store.look(() => store.db.get(sql, path))) !== null;
}
