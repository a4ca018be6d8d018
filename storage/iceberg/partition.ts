/** Partition specs: their JSON, how a person writes them, and the folders of partitions. */

import { Buffer } from "node:buffer";
import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, type JsonObject } from "../../core/base/json.ts";
import type {
  FieldId,
  PartitionField,
  PartitionSpec,
  PartitionValue,
  Schema,
  Type,
} from "../../core/table/types.ts";
import { murmur3 } from "./bucket-hash.ts";
import { dateText, timestampText, yearText } from "./calendar.ts";
import { findColumn, findColumnByPath } from "./schema.ts";
import type { SingleValue } from "./single-value.ts";
import { singleValueToJson } from "./single-value-json.ts";
import {
  type ParsedTransform,
  parseTransform,
  transformAccepts,
  transformResultType,
  transformText,
} from "./transform.ts";
import { typeText } from "./type.ts";

/** A partition field with everything that reading, writing and pruning by it takes. */
export interface PartitionColumn {
  readonly field: PartitionField;
  readonly transform: ParsedTransform;
  readonly sourceType: Type;
  readonly resultType: Type;
}

/** Partition field ids start here. Iceberg spec, "Partition Specs". */
export const PARTITION_ID_START = 1000;

const TEXT: Type = { kind: "primitive", name: "string" };
const NAME_BYTES_MAX = 255;
const NAME_SUFFIXES: Readonly<Record<ParsedTransform["kind"], string>> = {
  identity: "",
  void: "_null",
  year: "_year",
  month: "_month",
  day: "_day",
  hour: "_hour",
  bucket: "_bucket",
  truncate: "_trunc",
  unknown: "_unknown",
};

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

/** Fields of a spec as metadata JSON, in Java's key order. */
export function partitionFieldsToJson(spec: PartitionSpec): readonly JsonObject[] {
  return spec.fields.map((field) => ({
    name: field.name,
    transform: field.transform,
    "source-id": field.sourceId,
    "field-id": field.fieldId,
  }));
}

/** A spec as metadata JSON. */
export function specToJson(spec: PartitionSpec): JsonObject {
  return { "spec-id": spec.specId, fields: partitionFieldsToJson(spec) };
}

/**
 * The spec that texts such as `day(_ingested_at)`, `bucket(16, id)`, `truncate(4, name)` or a bare column say.
 * Field names are Java's (`id_bucket`). Throws `config` with what is wrong with which text.
 */
export function buildSpec(texts: readonly string[], schema: Schema, specId = 0): PartitionSpec {
  const names = new Set<string>();
  const fields = texts.map((text, index): PartitionField => {
    const { transform, column } = parseFieldText(text);
    const source = findColumnByPath(schema, column);
    if (source === null || source.repeated) {
      throw new LakeError("config", `partition ${text}: there is no column ${column}`, {
        hint: `columns are ${schema.fields.map((field) => field.name).join(", ")}`,
      });
    }
    if (!transformAccepts(transform, source.type)) {
      const what = `${transform.kind} is not defined for ${typeText(source.type)}`;
      throw new LakeError("config", `partition ${text}: ${what}`, {
        hint: "dates and timestamps take year, month, day, hour; others identity, bucket, truncate",
      });
    }
    const taken = (name: string): boolean =>
      names.has(name) ||
      (transform.kind !== "identity" && schema.fields.some((field) => field.name === name));
    const name = freeName(source.path + NAME_SUFFIXES[transform.kind], transform, taken);
    names.add(name);
    return {
      sourceId: source.id,
      fieldId: PARTITION_ID_START + index,
      name,
      transform: transformText(transform),
    };
  });
  return { specId, fields };
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

function parseFieldText(text: string): { transform: ParsedTransform; column: string } {
  const call = /^\s*(\w+)\s*\(([^()]*)\)\s*$/.exec(text);
  if (call === null) return { transform: { kind: "identity" }, column: unquote(text) };
  const name = (call[1] ?? "").toLowerCase().replace(/^(year|month|day|hour)s$/, "$1");
  const args = (call[2] ?? "").split(",").map(unquote);
  const parameter = args.length === 2 ? args.find((arg) => /^\d+$/.test(arg)) : undefined;
  const column = args.length === 2 ? args.find((arg) => arg !== parameter) : args[0];
  const wantsParameter = name === "bucket" || name === "truncate";
  const transform = parseTransform(parameter === undefined ? name : `${name}[${parameter}]`);
  if (
    transform.kind === "unknown" ||
    column === undefined ||
    column === "" ||
    args.length !== (wantsParameter ? 2 : 1)
  ) {
    throw new LakeError("config", `partition ${text}: not a partition transform`, {
      hint: "write a column, year(c), month(c), day(c), hour(c), bucket(16, c) or truncate(4, c)",
    });
  }
  return { transform, column };
}

function unquote(text: string): string {
  const trimmed = text.trim();
  return /^".*"$/.test(trimmed) ? trimmed.slice(1, -1).replaceAll('""', '"') : trimmed;
}

function freeName(
  wanted: string,
  transform: ParsedTransform,
  taken: (name: string) => boolean,
): string {
  if (!taken(wanted)) return wanted;
  const parameter =
    transform.kind === "bucket"
      ? transform.count
      : transform.kind === "truncate"
        ? transform.width
        : 2;
  for (let number = parameter; ; number++) {
    if (!taken(`${wanted}_${number}`)) return `${wanted}_${number}`;
  }
}

function sourceTypeOf(id: FieldId, schemas: readonly Schema[]): Type {
  for (const schema of schemas) {
    const column = findColumn(schema, id);
    if (column !== null) return column.type;
  }
  return TEXT;
}

/** v3 may say `source-ids`; a transform of one source is all that we know. */
function soleSource(item: JsonObject): FieldId | null {
  const id = item["source-id"];
  if (typeof id === "number") return id;
  const ids = item["source-ids"];
  return Array.isArray(ids) && typeof ids[0] === "number" ? ids[0] : null;
}
