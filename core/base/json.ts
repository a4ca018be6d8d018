/**
 * JSON that keeps 64-bit integers exact, both ways, and typed reads from what we or other engines have stored as JSON:
 * whatever is missing or of another kind is `corrupt`.
 */

import { LakeError } from "./errors.ts";

export type Json = null | boolean | number | bigint | string | JsonArray | JsonObject;
export type JsonArray = readonly Json[];
export interface JsonObject {
  readonly [key: string]: Json;
}

/**
 * Keys whose value is a 64-bit integer in the Iceberg formats: always `bigint`, never "bigint when
 * large". Iceberg spec, "Table Metadata and Snapshots".
 */
const LONG_KEYS: ReadonlySet<string> = new Set([
  "snapshot-id",
  "parent-snapshot-id",
  "current-snapshot-id",
  "source-snapshot-id",
  "sequence-number",
  "last-sequence-number",
  "first-row-id",
  "next-row-id",
  "added-rows",
]);

/** Parses JSON; long keys and integers beyond 2^53 become `bigint`. Throws SyntaxError. */
export function parseJson(text: string): Json {
  const revive = (key: string, value: unknown, context?: SourceContext): unknown => {
    if (typeof value !== "number") return value;
    const source = context?.source ?? String(value);
    if (!/^-?\d+$/.test(source)) return value;
    return LONG_KEYS.has(key) || !Number.isSafeInteger(value) ? BigInt(source) : value;
  };
  return JSON.parse(text, revive) as Json; // parse: the result of JSON.parse is Json by definition
}

/** Writes JSON in one line, or indented; `bigint` as a bare integer. */
export function stringifyJson(value: Json, indent?: number): string {
  const raw = JSON as unknown as RawJson; // parse: JSON.rawJSON is not in the library types yet
  return JSON.stringify(
    value,
    (_key, item: unknown) => (typeof item === "bigint" ? raw.rawJSON(item.toString()) : item),
    indent,
  );
}

/** True for a plain JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Equal as JSON: the order of an object's keys says nothing. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) {
    const others: readonly unknown[] = b;
    return a.length === b.length && a.every((item, index) => sameJson(item, others[index]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return Object.is(a, b);
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}

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

interface SourceContext {
  readonly source?: string;
}

interface RawJson {
  rawJSON(text: string): unknown;
}

function missing(key: string, wanted: string): LakeError {
  return new LakeError("corrupt", `"${key}" is not ${wanted}`);
}

/** The value under a name; undefined for names such as `constructor` that every object inherits. */
export function own<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
