/**
 * Partitioning: transforms, the JSON of specs, and the folders of partitions. Iceberg spec, "Partition Transforms", and
 * Appendix B for the hash of buckets: Murmur3, 32 bit, x86 variant.
 */

import { Buffer } from "node:buffer";
import { AssertionError, assert, unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../core/base/json.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type {
  FieldId,
  PartitionField,
  PartitionSpec,
  PartitionValue,
  Schema,
  Transform,
  Type,
} from "../../core/table/types.ts";
import { findColumn } from "./schema.ts";
import {
  civilDate,
  dateText,
  encodeDecimal,
  floorDivide,
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  type SingleValue,
  singleValueToJson,
  timestampText,
  yearText,
} from "./single-value.ts";

/** A partition field with everything that reading, writing and pruning by it takes. */
export interface PartitionColumn {
  readonly field: PartitionField;
  readonly transform: ParsedTransform;
  readonly sourceType: Type;
  readonly resultType: Type;
}

/** A transform read; one of a later format is `unknown`: it still counts as a partition, nothing is pruned by it. */
export type ParsedTransform =
  | { readonly kind: "identity" | "void" | TimeTransform }
  | { readonly kind: "bucket"; readonly count: number }
  | { readonly kind: "truncate"; readonly width: number }
  | { readonly kind: "unknown"; readonly text: string };

export type TimeTransform = "year" | "month" | "day" | "hour";

/** Partition field ids start here. Iceberg spec, "Partition Specs". */
export const PARTITION_ID_START = 1000;

const TEXT: Type = { kind: "primitive", name: "string" };
const NAME_BYTES_MAX = 255;

const INT: Type = { kind: "primitive", name: "int" };
const DATE: Type = { kind: "primitive", name: "date" };
const STRING: Type = { kind: "primitive", name: "string" };
const PARAMETER_MAX = 0x7fffffff;

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

/** Reads the fields of a spec; v1 fields may lack ids, which then count from 1000. */
export function parsePartitionFields(json: Json): readonly PartitionField[] {
  if (!Array.isArray(json)) throw new LakeError("corrupt", "partition fields are not a JSON array");
  return json.map((item: Json, index) => {
    const { name, transform } = isJsonObject(item) ? item : {};
    const sourceId = isJsonObject(item) ? soleSource(item) : null;
    if (typeof name !== "string" || typeof transform !== "string" || sourceId === null) {
      throw new LakeError("corrupt", `partition field ${index} lacks name, transform or source-id`);
    }
    const fieldId = isJsonObject(item) ? item["field-id"] : null;
    return {
      sourceId,
      fieldId: typeof fieldId === "number" ? fieldId : PARTITION_ID_START + index,
      name,
      transform,
    };
  });
}

/** Fields of a spec as metadata JSON. */
export function partitionFieldsToJson(spec: PartitionSpec): readonly JsonObject[] {
  return spec.fields.map(partitionFieldToJson);
}

/** One field, in Java's key order; one that the table has yet to number goes without its id. */
export function partitionFieldToJson(
  field: Omit<PartitionField, "fieldId"> & { readonly fieldId: FieldId | null },
): JsonObject {
  const { name, transform, sourceId, fieldId } = field;
  const id = fieldId === null ? {} : { "field-id": fieldId };
  return { name, transform, "source-id": sourceId, ...id };
}

/** A spec as metadata JSON. */
export function specToJson(spec: PartitionSpec): JsonObject {
  return { "spec-id": spec.specId, fields: partitionFieldsToJson(spec) };
}

/** The fields of a spec bound to the columns of a schema; a dropped source column counts as text. */
export function partitionColumns(
  spec: PartitionSpec,
  schemas: readonly Schema[],
): readonly PartitionColumn[] {
  return spec.fields.map((field) => {
    const sourceType = sourceTypeOf(field.sourceId, schemas);
    const transform = parseTransform(field.transform);
    return { field, transform, sourceType, resultType: transformResultType(transform, sourceType) };
  });
}

/**
 * Folder of a partition, `ts_day=2017-11-16/id_bucket=3`; empty when unpartitioned. Only for people: readers
 * never parse it. Values are encoded as Java's URLEncoder does, names are cut to what a file system takes.
 */
export function partitionPath(
  columns: readonly PartitionColumn[],
  values: readonly PartitionValue[],
): string {
  return columns
    .map((column, index) => {
      const text = partitionText(column, values[index] ?? null);
      return shorten(`${urlEncode(column.field.name)}=${urlEncode(text)}`);
    })
    .join("/");
}

/** A partition value as people read it: `2017-11`, `null`, `14.20`. Java: Transform.toHumanString. */
export function partitionText(column: PartitionColumn, value: PartitionValue): string {
  if (value === null) return "null";
  const ordinal = Number(typeof value === "number" ? value : 0);
  switch (column.transform.kind) {
    case "year":
      return yearText(1970 + ordinal);
    case "month": {
      const month = ((ordinal % 12) + 12) % 12;
      return `${yearText(1970 + (ordinal - month) / 12)}-${String(month + 1).padStart(2, "0")}`;
    }
    case "day":
      return dateText(ordinal);
    case "hour":
      return timestampText(BigInt(ordinal) * 3_600_000_000n)
        .slice(0, -":00:00".length)
        .replace("T", "-");
    default:
      return scalarText(column.resultType, value);
  }
}

/** `application/x-www-form-urlencoded` of UTF-8, as java.net.URLEncoder. */
export function urlEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll("%20", "+")
    .replace(/[!'()~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The source of a partition field; v3 may say `source-ids`, and a transform of one source is all that we know. */
export function soleSource(item: JsonObject): FieldId | null {
  const id = item["source-id"];
  if (typeof id === "number") return id;
  const ids = item["source-ids"];
  return Array.isArray(ids) && typeof ids[0] === "number" ? ids[0] : null;
}

/** Reads a transform as metadata spells it: `bucket[16]`. */
export function parseTransform(text: Transform): ParsedTransform {
  const parts = /^(bucket|truncate)\[(\d+)\]$/.exec(text);
  const parameter = Number(parts?.[2]);
  if (parts !== null && parameter >= 1 && parameter <= PARAMETER_MAX) {
    return parts[1] === "bucket"
      ? { kind: "bucket", count: parameter }
      : { kind: "truncate", width: parameter };
  }
  switch (text) {
    case "identity":
    case "void":
    case "year":
    case "month":
    case "day":
    case "hour":
      return { kind: text };
    default:
      return { kind: "unknown", text };
  }
}

/** A transform as metadata spells it. */
export function transformText(transform: ParsedTransform): Transform {
  switch (transform.kind) {
    case "bucket":
      return `bucket[${transform.count}]`;
    case "truncate":
      return `truncate[${transform.width}]`;
    case "unknown":
      return transform.text;
    default:
      return transform.kind;
  }
}

/** The type of a transform's results; the spec reads results of unknown transforms as text. */
export function transformResultType(transform: ParsedTransform, source: Type): Type {
  switch (transform.kind) {
    case "identity":
    case "truncate":
    case "void":
      return source;
    case "bucket":
    case "year":
    case "month":
    case "hour":
      return INT;
    case "day":
      return DATE;
    case "unknown":
      return STRING;
    default:
      return unreachable(transform);
  }
}

/** True when a transform is defined for values of a type. */
export function transformAccepts(transform: ParsedTransform, source: Type): boolean {
  const name = source.kind === "primitive" ? source.name : source.kind;
  switch (transform.kind) {
    case "identity":
    case "void":
      return name !== "struct" && name !== "list" && name !== "map";
    case "bucket":
      return canBucket(source);
    case "truncate":
      return ["int", "long", "decimal", "string", "binary"].includes(name);
    case "year":
    case "month":
    case "day":
      return ["date", "timestamp", "timestamptz"].includes(name);
    case "hour":
      return ["timestamp", "timestamptz"].includes(name);
    case "unknown":
      return false;
    default:
      return unreachable(transform);
  }
}

/** The partition value of a column value. Throws `unsupported` for an unknown transform or a wrong type. */
export function applyTransform(
  transform: ParsedTransform,
  source: Type,
  value: PartitionValue,
): PartitionValue {
  if (!transformAccepts(transform, source)) {
    throw new LakeError(
      "unsupported",
      `partition transform ${transformText(transform)} of a ${typeToText(source)}`,
      { hint: "write to this table with an engine that knows the transform" },
    );
  }
  if (value === null) return null;
  switch (transform.kind) {
    case "identity":
      return value;
    case "void":
    case "unknown":
      return null;
    case "bucket":
      return (bucketHash(source, value) & 0x7fffffff) % transform.count;
    case "truncate":
      return truncate(value, transform.width);
    case "year":
    case "month":
    case "day":
    case "hour":
      return timeOrdinal(transform.kind, value);
    default:
      return unreachable(transform);
  }
}

/** The first `count` code points of a text. */
export function firstCodePoints(text: string, count: number): string {
  if (text.length <= count) return text;
  let end = 0;
  for (let taken = 0; taken < count && end < text.length; taken++) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

/** Hash of a value as a signed 32-bit number. Types that cannot be bucketed are an assertion. */
export function bucketHash(type: Type, value: SingleValue): number {
  return murmur3(hashedBytes(type, value));
}

/** Murmur3 x86 32 with seed 0, as a signed 32-bit number. */
export function murmur3(bytes: Uint8Array): number {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks = bytes.length >> 2;
  let hash = 0;
  for (let block = 0; block < blocks; block++) {
    hash ^= scramble(data.getInt32(block * 4, true));
    hash = Math.imul(rotate(hash, 13), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let index = bytes.length - 1; index >= blocks * 4; index--) {
    tail = (tail << 8) | (bytes[index] ?? 0);
  }
  if (bytes.length % 4 !== 0) hash ^= scramble(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** True for types whose values have a bucket hash. */
export function canBucket(type: Type): boolean {
  if (type.kind === "decimal" || type.kind === "fixed") return true;
  return (
    type.kind === "primitive" &&
    type.name !== "boolean" &&
    type.name !== "float" &&
    type.name !== "double"
  );
}

function scalarText(type: Type, value: SingleValue): string {
  if (value instanceof Uint8Array && (type.kind === "fixed" || isNamed(type, "binary"))) {
    return Buffer.from(value).toString("base64");
  }
  return String(singleValueToJson(type, value));
}

function isNamed(type: Type, name: string): boolean {
  return type.kind === "primitive" && type.name === name;
}

/** A folder name of at most 255 bytes; what is cut is told apart by a hash of the whole. */
function shorten(encoded: string): string {
  if (encoded.length <= NAME_BYTES_MAX) return encoded;
  const hash = (murmur3(Buffer.from(encoded)) >>> 0).toString(16).padStart(8, "0");
  const kept = encoded.slice(0, NAME_BYTES_MAX - hash.length - 1).replace(/%[0-9A-F]?$/, "");
  return `${kept}-${hash}`;
}

function sourceTypeOf(id: FieldId, schemas: readonly Schema[]): Type {
  // The newest that has it: types only grow, and a column that is gone had its widest last.
  for (const schema of schemas.toReversed()) {
    const column = findColumn(schema, id);
    if (column !== null) return column.type;
  }
  return TEXT;
}

function truncate(value: SingleValue, width: number): SingleValue {
  switch (typeof value) {
    case "string":
      return firstCodePoints(value, width);
    case "number":
      return (Math.floor(value / width) * width) | 0; // wraps below the least int, as Java does
    case "bigint":
      return floorDivide(value, BigInt(width)) * BigInt(width);
    case "object":
      return value.slice(0, width);
    case "boolean":
      return value;
    default:
      return unreachable(value);
  }
}

/** Years, months, days or hours from 1970, rounded down. A number is a date, a bigint microseconds. */
function timeOrdinal(unit: TimeTransform, value: SingleValue): number {
  assert(typeof value === "number" || typeof value === "bigint", "dates are numbers or bigints");
  if (unit === "hour") return Number(floorDivide(BigInt(value), MICROS_PER_HOUR));
  const days = typeof value === "number" ? value : Number(floorDivide(value, MICROS_PER_DAY));
  if (unit === "day") return days;
  const { year, month } = civilDate(days);
  return unit === "year" ? year - 1970 : (year - 1970) * 12 + month - 1;
}

/** An int hashes as the long of its value, so that promotion keeps buckets. */
function hashedBytes(type: Type, value: SingleValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (type.kind === "decimal") {
    assert(typeof value === "bigint", "a bigint stands for decimal");
    return encodeDecimal(value);
  }
  switch (typeof value) {
    case "number":
    case "bigint": {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    }
    case "boolean":
      throw new AssertionError("booleans are not bucketed");
    default:
      return unreachable(value);
  }
}

function scramble(block: number): number {
  return Math.imul(rotate(Math.imul(block, C1), 15), C2);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
