/** Views of a moved lake, and the places that its namespaces name: written anew for the folder it lies in. */

import type { FileIO, Random } from "../../core/ports.ts";
import { insideRoot, recordedLocation, relativePath } from "../iceberg/recorded-files.ts";
import { parseView, type ViewMetadata, viewJson } from "../iceberg/view.ts";
import { text } from "./database.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";

export interface MovedView {
  readonly from: string;
  readonly to: string;
}

/** Where a view's metadata is kept, if not below its location. */
const METADATA_PATH = "write.metadata.path";

/** Writes the metadata of each view anew. Nothing names it yet. */
export async function moveViews(
  store: LakeStore,
  io: FileIO,
  random: Random,
): Promise<readonly MovedView[]> {
  const sql = `SELECT metadata_location FROM iceberg_tables
    WHERE catalog_name = ? AND iceberg_type = 'VIEW' AND metadata_location IS NOT NULL`;
  const rows = await store.read(() => store.db.all(sql, CATALOG_NAME));
  const moved: MovedView[] = [];
  for (const row of rows) {
    const from = text(row, "metadata_location");
    const path = relativePath(from, store.recordedRoot);
    const view = parseView(await io.read(path), from);
    const name = path.slice(path.lastIndexOf("/") + 1).replace(/^(\d+)-.*$/, `$1-${random.uuid()}`);
    const folder = path.slice(0, path.lastIndexOf("/"));
    const file = `${folder}/${name.replace(/(\.metadata\.json)?$/, ".metadata.json")}`;
    const bytes = new TextEncoder().encode(viewJson(movedView(store, view)));
    await io.createAll([{ path: file, bytes }]);
    moved.push({ from, to: recordedLocation(`${store.root}/${file}`) });
  }
  return moved;
}

/** In the transaction that moves the tables. */
export function publishViews(store: LakeStore, views: readonly MovedView[]): void {
  const { db } = store;
  for (const { from, to } of views) {
    const sql = `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL
      WHERE catalog_name = ? AND iceberg_type = 'VIEW' AND metadata_location = ?`;
    db.run(sql, to, CATALOG_NAME, from);
  }
  const named = `SELECT namespace, property_value FROM iceberg_namespace_properties
    WHERE catalog_name = ? AND property_key = 'location'`;
  for (const row of db.all(named, CATALOG_NAME)) {
    const sql = `UPDATE iceberg_namespace_properties SET property_value = ?
      WHERE catalog_name = ? AND property_key = 'location' AND namespace = ?`;
    const location = movedLocation(store, text(row, "property_value"));
    db.run(sql, location, CATALOG_NAME, text(row, "namespace"));
  }
}

function movedView(store: LakeStore, view: ViewMetadata): ViewMetadata {
  const path = view.properties[METADATA_PATH];
  const properties =
    path === undefined
      ? view.properties
      : { ...view.properties, [METADATA_PATH]: movedLocation(store, path) };
  return { ...view, location: movedLocation(store, view.location), properties };
}

/** What lies elsewhere has not moved. */
function movedLocation(store: LakeStore, location: string): string {
  const inside = insideRoot(location, store.recordedRoot);
  return inside === null ? location : recordedLocation(`${store.root}/${inside}`);
}
