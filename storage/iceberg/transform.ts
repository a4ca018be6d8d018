/** Partition transforms. Iceberg spec, "Partition Transforms". */

import { assert, unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { PartitionValue, Transform, Type } from "../../core/table/types.ts";
import { bucketHash, canBucket } from "./bucket-hash.ts";
import { civilDate, floorDivide, MICROS_PER_DAY, MICROS_PER_HOUR } from "./calendar.ts";
import type { SingleValue } from "./single-value.ts";
import { typeText } from "./type.ts";

/** A transform read; one of a later format is `unknown`: it still counts as a partition, nothing is pruned by it. */
export type ParsedTransform =
  | { readonly kind: "identity" | "void" | TimeTransform }
  | { readonly kind: "bucket"; readonly count: number }
  | { readonly kind: "truncate"; readonly width: number }
  | { readonly kind: "unknown"; readonly text: string };

export type TimeTransform = "year" | "month" | "day" | "hour";

const INT: Type = { kind: "primitive", name: "int" };
const DATE: Type = { kind: "primitive", name: "date" };
const STRING: Type = { kind: "primitive", name: "string" };
const PARAMETER_MAX = 0x7fffffff;

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
      `partition transform ${transformText(transform)} of a ${typeText(source)}`,
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
