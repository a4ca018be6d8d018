/**
 * Namespaces as Iceberg's SQL catalogs keep them: rows of their own, and those that a table or a namespace below them
 * implies. Levels are joined by dots. iceberg.md 3.3.
 */

import { compareCodePoints } from "../../core/base/order.ts";
import { isNamePart } from "../../core/table/name.ts";
import { recordedLocation } from "../iceberg/recorded-files.ts";
import { type LakeDatabase, text } from "./database.ts";
import { CATALOG_NAME, type LakeStore } from "./lake-store.ts";
import { noSuchNamespace, refusal } from "./refusal.ts";

export type Properties = Readonly<Record<string, string>>;

/** Java's and PyIceberg's row that says no more than that a namespace is there. */
const EXISTS = "exists";
/** Namespace of the system tables, which no other may take. */
const SYSTEM = "lake";
const VALUE_CHARS_MAX = 1000;
const KEY_CHARS_MAX = 255;

/** The name of a namespace from its levels. Throws where one cannot be made of them. */
export function namespaceOf(levels: readonly string[]): string {
  const wrong = levels.find((level) => !isNamePart(level));
  if (levels.length > 0 && wrong === undefined && levels[0] !== SYSTEM) return levels.join(".");
  const why = levels.length === 0 ? "it has no level" : `"${wrong ?? SYSTEM}" cannot be a level`;
  throw refusal("BadRequestException", `Invalid namespace: ${why}`);
}

/** Names of all namespaces directly below `parent`, or of the first level. Throws where there is no `parent`. */
export async function listNamespaces(
  store: LakeStore,
  parent: string | null,
): Promise<readonly string[]> {
  const sql = `SELECT namespace AS name FROM iceberg_namespace_properties WHERE catalog_name = ?1
    UNION SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?1`;
  const names = await store.look(() =>
    store.db.all(sql, CATALOG_NAME).map((row) => text(row, "name")),
  );
  const above = parent === null ? "" : `${parent}.`;
  const isThere = parent === null || names.some((name) => `${name}.`.startsWith(above));
  if (!isThere) throw noSuchNamespace(parent ?? "");
  const below = names.filter((name) => name !== "" && name.startsWith(above) && name !== parent);
  const children = below.map((name) => above + (name.slice(above.length).split(".")[0] ?? ""));
  return [...new Set(children)].sort(compareCodePoints);
}

/** In the caller's transaction. */
export function hasNamespace(db: LakeDatabase, namespace: string): boolean {
  const here = (column: string): string =>
    `(${column} = ?2 OR substr(${column}, 1, length(?2) + 1) = ?2 || '.')`;
  const sql = `SELECT 1 FROM iceberg_namespace_properties
      WHERE catalog_name = ?1 AND ${here("namespace")}
    UNION ALL SELECT 1 FROM iceberg_tables
      WHERE catalog_name = ?1 AND ${here("table_namespace")} LIMIT 1`;
  return db.get(sql, CATALOG_NAME, namespace) !== null;
}

export async function namespaceExists(store: LakeStore, namespace: string): Promise<boolean> {
  return await store.look(() => hasNamespace(store.db, namespace));
}

/** Its properties, and where its tables lie. Throws where there is none. */
export async function loadNamespace(store: LakeStore, namespace: string): Promise<Properties> {
  const sql = `SELECT property_key, property_value FROM iceberg_namespace_properties
    WHERE catalog_name = ? AND namespace = ? ORDER BY property_key`;
  return await store.read(() => {
    if (!hasNamespace(store.db, namespace)) throw noSuchNamespace(namespace);
    const rows = store.db.all(sql, CATALOG_NAME, namespace);
    const known = rows.map((row) => [text(row, "property_key"), text(row, "property_value")]);
    const location = recordedLocation(`${store.recordedRoot}/${namespace}`);
    return {
      location,
      ...Object.fromEntries(known.filter(([key]) => key !== EXISTS)),
    };
  });
}

/** Makes one. Throws where it is there. */
export async function createNamespace(
  store: LakeStore,
  namespace: string,
  properties: Properties,
): Promise<void> {
  checkProperties(properties);
  await store.write(() => {
    if (hasNamespace(store.db, namespace)) {
      throw refusal("AlreadyExistsException", `Namespace already exists: ${namespace}`);
    }
    setProperties(store.db, namespace, { ...properties, [EXISTS]: "true" });
  });
}

/** Removes one that nothing is in. */
export async function dropNamespace(store: LakeStore, namespace: string): Promise<void> {
  await store.write(() => {
    const { db } = store;
    if (!hasNamespace(db, namespace)) throw noSuchNamespace(namespace);
    const inside = `SELECT iceberg_type AS kind FROM iceberg_tables
      WHERE catalog_name = ? AND table_namespace = ?`;
    const rows = db.all(inside, CATALOG_NAME, namespace);
    const views = rows.filter((row) => row.kind === "VIEW").length;
    const tables = rows.length - views;
    const refuse = (what: string): Error =>
      refusal("NamespaceNotEmptyException", `Namespace ${namespace} is not empty. ${what}`);
    if (tables > 0) throw refuse(`Contains ${tables} table(s).`);
    if (views > 0) throw refuse(`Contains ${views} view(s).`);
    const sql = "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?";
    db.run(sql, CATALOG_NAME, namespace);
    if (hasNamespace(db, namespace)) throw refuse("Contains other namespaces.");
  });
}

export interface UpdatedProperties {
  readonly updated: readonly string[];
  readonly removed: readonly string[];
  readonly missing: readonly string[];
}

/** Sets and removes properties in one transaction. Throws where a key is in both. */
export async function updateNamespace(
  store: LakeStore,
  namespace: string,
  updates: Properties,
  removals: readonly string[],
): Promise<UpdatedProperties> {
  const both = removals.filter((key) => Object.hasOwn(updates, key));
  if (both.length > 0) {
    const text = `Invalid namespace update: cannot simultaneously set and remove keys: [${both.join(", ")}]`;
    throw refusal("UnprocessableEntityException", text);
  }
  checkProperties(updates);
  return await store.write(() => {
    const { db } = store;
    if (!hasNamespace(db, namespace)) throw noSuchNamespace(namespace);
    setProperties(db, namespace, updates);
    const sql = `DELETE FROM iceberg_namespace_properties
      WHERE catalog_name = ? AND namespace = ? AND property_key = ?`;
    const asked = [...new Set(removals)].filter((key) => key !== EXISTS);
    const removed = asked.filter((key) => db.run(sql, CATALOG_NAME, namespace, key) === 1);
    const missing = asked.filter((key) => !removed.includes(key));
    // What only its properties told of is there still.
    setProperties(db, namespace, { [EXISTS]: "true" });
    return { updated: Object.keys(updates), removed, missing };
  });
}

/** In the caller's transaction. */
function setProperties(db: LakeDatabase, namespace: string, properties: Properties): void {
  const sql = `INSERT OR REPLACE INTO iceberg_namespace_properties
    (catalog_name, namespace, property_key, property_value) VALUES (?, ?, ?, ?)`;
  for (const [key, value] of Object.entries(properties)) {
    db.run(sql, CATALOG_NAME, namespace, key, value);
  }
}

function checkProperties(properties: Properties): void {
  for (const [key, value] of Object.entries(properties)) {
    if (key === EXISTS) {
      throw refusal("IllegalArgumentException", `Cannot set reserved property: ${EXISTS}`);
    }
    // What other catalogs' columns take. iceberg.md 3.1.
    if (key.length <= KEY_CHARS_MAX && value.length <= VALUE_CHARS_MAX) continue;
    const bounds = `a key has at most ${KEY_CHARS_MAX} characters, a value ${VALUE_CHARS_MAX}`;
    throw refusal("BadRequestException", `Invalid property ${key.slice(0, 40)}: ${bounds}`);
  }
}
