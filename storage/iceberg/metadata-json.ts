/** Typed reads from the JSON of table metadata; whatever is missing or of another kind is `corrupt`. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, type JsonArray, type JsonObject } from "../../core/base/json.ts";

/** The object's fields that are not in `known`. */
export function unknownFields(json: JsonObject, known: ReadonlySet<string>): JsonObject {
  return Object.fromEntries(Object.entries(json).filter(([key]) => !known.has(key)));
}

export function stringField(json: JsonObject, key: string): string {
  const value = json[key];
  if (typeof value !== "string") throw missing(key, "a string");
  return value;
}

/** An integer that fits a double: counts, ids of fields, milliseconds. */
export function numberField(json: JsonObject, key: string, fallback?: number): number {
  const value = json[key];
  if (typeof value === "number" && Number.isInteger(value)) return value;
  if (typeof value === "bigint") return Number(value);
  if (fallback !== undefined && (value === undefined || value === null)) return fallback;
  throw missing(key, "an integer");
}

/** A 64-bit integer; null when absent. */
export function longField(json: JsonObject, key: string): bigint | null {
  const value = json[key];
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (value === undefined || value === null) return null;
  throw missing(key, "an integer");
}

/** A list; absent and null are empty, as some writers have it. */
export function listField(json: JsonObject, key: string): JsonArray {
  const value = json[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw missing(key, "a list");
  return value;
}

export function objectField(json: JsonObject, key: string): JsonObject {
  const value = json[key];
  if (!isJsonObject(value)) throw missing(key, "an object");
  return value;
}

/** A list of objects; absent and null are empty. */
export function objectsField(json: JsonObject, key: string): readonly JsonObject[] {
  return listField(json, key).map((item) => {
    if (!isJsonObject(item)) throw missing(key, "a list of objects");
    return item;
  });
}

/** A map of strings; absent and null are empty. */
export function stringsField(json: JsonObject, key: string): Readonly<Record<string, string>> {
  const value: Json = json[key] ?? {};
  if (!isJsonObject(value)) throw missing(key, "an object");
  const strings: [string, string][] = [];
  for (const [name, item] of Object.entries(value)) {
    if (typeof item !== "string") throw missing(`${key}.${name}`, "a string");
    strings.push([name, item]);
  }
  return Object.fromEntries(strings);
}

function missing(key: string, wanted: string): LakeError {
  return new LakeError("corrupt", `"${key}" is not ${wanted}`);
}
