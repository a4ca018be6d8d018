/** JSON that keeps 64-bit integers exact, both ways. */

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

interface SourceContext {
  readonly source?: string;
}

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

interface RawJson {
  rawJSON(text: string): unknown;
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
