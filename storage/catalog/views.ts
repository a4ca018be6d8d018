/**
 * Views of other engines: metadata in a folder of their own, a pointer beside those of tables, no history and no rows
 * of ours. A commit that loses its race is made again on what the view is then.
 */

import { LakeError } from "../../core/base/errors.ts";
import type { JsonObject } from "../../core/base/json.ts";
import { untilFirst } from "../../core/table/publish.ts";
import type { TableName } from "../../core/table/types.ts";
import { relativePath } from "../iceberg/recorded-files.ts";
import {
  applyViewUpdates,
  parseView,
  type ViewMetadata,
  type ViewUpdate,
  viewJson,
} from "../iceberg/view.ts";
import { newTableLocation, writeFiles } from "./commit.ts";
import type { CatalogContext } from "./context.ts";
import { partsOf, readPointer } from "./history.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";
import { namespaceExists } from "./namespaces.ts";
import { noSuchNamespace, noSuchView, refusal } from "./refusal.ts";
import { insideLake, type Places } from "./table-place.ts";
import { isView, readViewPointer } from "./view-pointers.ts";

export interface LoadedView {
  readonly metadataLocation: string;
  /** JSON of the metadata, as it is stored. */
  readonly metadata: string;
}

export interface AskedView {
  readonly schema: JsonObject;
  readonly version: JsonObject;
  readonly location: string | null;
  readonly properties: Readonly<Record<string, string>>;
}

const METADATA_PATH = "write.metadata.path";

export async function loadView(context: CatalogContext, name: TableName): Promise<LoadedView> {
  const { store } = context;
  const metadataLocation = await store.look(() => readViewPointer(store, name));
  if (metadataLocation === null) throw noSuchView(name);
  return await stored(context, metadataLocation);
}

export async function createView(
  context: CatalogContext,
  name: TableName,
  asked: AskedView,
  places: Places,
): Promise<LoadedView> {
  const { store, clock, random } = context;
  const { namespace } = partsOf(name);
  if (!(await namespaceExists(store, namespace))) throw noSuchNamespace(namespace);
  await store.read(() => refuseTaken(store, name));
  const uuid = random.uuid();
  const location = asked.location ?? newTableLocation(context, name, uuid);
  const updates: ViewUpdate[] = [
    { kind: "assign-uuid", uuid },
    { kind: "set-location", location },
    { kind: "set-properties", properties: asked.properties },
    { kind: "add-schema", schema: asked.schema },
    { kind: "add-view-version", version: { ...asked.version, "version-id": 1, "schema-id": -1 } },
    { kind: "set-current-view-version", versionId: -1 },
  ];
  const view = worded(() => applyViewUpdates(null, updates, { nowMs: clock.nowMs() }));
  const made = await write(context, name, null, view, places);
  await insert(store, name, made.metadataLocation);
  return made;
}

/** Makes a view of metadata that is in the lake already. */
export async function registerView(
  context: CatalogContext,
  name: TableName,
  metadataLocation: string,
): Promise<LoadedView> {
  const { store } = context;
  const { namespace } = partsOf(name);
  if (!(await namespaceExists(store, namespace))) throw noSuchNamespace(namespace);
  await store.read(() => refuseTaken(store, name));
  const loaded = await stored(context, metadataLocation);
  await insert(store, name, metadataLocation);
  return loaded;
}

async function insert(store: LakeStore, name: TableName, location: string): Promise<void> {
  const { namespace, table } = partsOf(name);
  const sql = `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name,
    metadata_location, previous_metadata_location, iceberg_type) VALUES (?, ?, ?, ?, NULL, 'VIEW')`;
  await store.write(() => {
    refuseTaken(store, name);
    store.db.run(sql, CATALOG_NAME, namespace, table, location);
  });
}

/** Applies updates to the view as it is when they come to be written. */
export async function commitView(
  context: CatalogContext,
  name: TableName,
  uuids: readonly string[],
  updates: readonly ViewUpdate[],
  places: Places,
): Promise<LoadedView> {
  const { store, clock } = context;
  const done = await untilFirst(async () => {
    const base = await loadView(context, name);
    const before = parseView(base.metadata, base.metadataLocation);
    const other = uuids.find((uuid) => uuid.toLowerCase() !== before.uuid.toLowerCase());
    if (other !== undefined) {
      const why = `view UUID does not match: expected ${before.uuid} != ${other}`;
      throw refusal("CommitFailedException", `Requirement failed: ${why}`);
    }
    const view = worded(() => applyViewUpdates(before, updates, { nowMs: clock.nowMs() }));
    if (viewJson(view) === base.metadata) return base;
    const made = await write(context, name, base.metadataLocation, view, places);
    return (await swap(store, name, base, made)) ? made : null;
  }, context);
  if (done !== null) return done;
  throw refusal("CommitFailedException", `${name} keeps being changed by other writers`);
}

export async function dropView(context: CatalogContext, name: TableName): Promise<void> {
  const { store } = context;
  const { namespace, table } = partsOf(name);
  await store.write(() => {
    const sql = `DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ?
      AND table_name = ? AND iceberg_type = 'VIEW'`;
    if (store.db.run(sql, CATALOG_NAME, namespace, table) === 0) throw noSuchView(name);
  });
}

async function swap(
  store: LakeStore,
  name: TableName,
  base: LoadedView,
  made: LoadedView,
): Promise<boolean> {
  const { namespace, table } = partsOf(name);
  const sql = `UPDATE iceberg_tables SET metadata_location = ?1, previous_metadata_location = ?2
    WHERE catalog_name = ?3 AND table_namespace = ?4 AND table_name = ?5
      AND metadata_location = ?2 AND iceberg_type = 'VIEW'`;
  const { metadataLocation: now } = made;
  const { metadataLocation: old } = base;
  return await store.write(() => store.db.run(sql, now, old, CATALOG_NAME, namespace, table) === 1);
}

/** What is written and not named by a pointer is of no use and is found by nobody. */
async function write(
  context: CatalogContext,
  name: TableName,
  base: string | null,
  view: ViewMetadata,
  places: Places,
): Promise<LoadedView> {
  const folder = homeOf(context, name, base, view, places);
  const before = /\/(\d+)-[^/]*$/.exec(base ?? "")?.[1];
  const number = before === undefined ? 0 : Number(before) + 1;
  const file = `${String(number).padStart(5, "0")}-${context.random.uuid()}.metadata.json`;
  const metadataLocation = `${folder}/${file}`;
  const metadata = viewJson(view);
  const bytes = new TextEncoder().encode(metadata);
  await writeFiles(context, [{ location: metadataLocation, bytes }]);
  return { metadataLocation, metadata };
}

/** The folder of a view's metadata, which is in the lake wherever the view says that it is. */
function homeOf(
  context: CatalogContext,
  name: TableName,
  base: string | null,
  view: ViewMetadata,
  places: Places,
): string {
  const asked = view.properties[METADATA_PATH] ?? null;
  for (const path of [view.location, ...(asked === null ? [] : [asked])]) {
    const isAllowed = places === "anywhere" && path === view.location;
    if (isAllowed || isPlace(context.store, path)) continue;
    const text = `${path} is no folder of the lake ${context.store.recordedRoot}`;
    throw refusal("BadRequestException", `Invalid location: ${text}`);
  }
  if (asked !== null) return asked.replace(/\/+$/, "");
  if (isPlace(context.store, view.location)) {
    return `${view.location.replace(/\/+$/, "")}/metadata`;
  }
  if (base !== null && isPlace(context.store, base)) return base.slice(0, base.lastIndexOf("/"));
  return `${newTableLocation(context, name, view.uuid)}/metadata`;
}

/** True for a folder that may hold what other engines keep: none of the lake's own. */
function isPlace(store: LakeStore, location: string): boolean {
  const [first, second] = insideLake(store, location)?.split("/") ?? [];
  if (first === undefined || second === undefined || second === "") return false;
  return first !== "" && !first.startsWith(".") && !OWN_FOLDERS.has(first);
}

const OWN_FOLDERS: ReadonlySet<string> = new Set(["originals", "streams"]);

/** In the caller's transaction. */
function refuseTaken(store: LakeStore, name: TableName): void {
  if (isView(store, name)) throw viewExists(name);
  if (readPointer(store, name) === null) return;
  throw refusal("AlreadyExistsException", `Table with same name already exists: ${name}`);
}

function viewExists(name: TableName): LakeError {
  return refusal("AlreadyExistsException", `View already exists: ${name}`);
}

/** Throws for what is not there, or no view. */
async function stored(
  { io, store }: CatalogContext,
  metadataLocation: string,
): Promise<LoadedView> {
  try {
    const bytes = await io.read(relativePath(metadataLocation, store.recordedRoot));
    return { metadataLocation, metadata: viewJson(parseView(bytes, metadataLocation)) };
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.code !== "not-found") throw thrown;
    const message = `Failed to open input stream for file: ${metadataLocation}`;
    throw refusal("NotFoundException", message, thrown);
  }
}

/** Java's builder refuses the same as an argument that is none. */
function worded<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof LakeError)) throw thrown;
    throw refusal("IllegalArgumentException", thrown.message, thrown);
  }
}
