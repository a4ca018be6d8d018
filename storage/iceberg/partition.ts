/** Partition specs: their JSON, and the folders of partitions. */

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
import { findColumn } from "./schema.ts";
import type { SingleValue } from "./single-value.ts";
import { singleValueToJson } from "./single-value-json.ts";
import { type ParsedTransform, parseTransform, transformResultType } from "./transform.ts";

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
  for (const schema of schemas) {
    const column = findColumn(schema, id);
    if (column !== null) return column.type;
  }
  return TEXT;
}

/** The source of a partition field; v3 may say `source-ids`, and a transform of one source is all that we know. */
export function soleSource(item: JsonObject): FieldId | null {
  const id = item["source-id"];
  if (typeof id === "number") return id;
  const ids = item["source-ids"];
  return Array.isArray(ids) && typeof ids[0] === "number" ? ids[0] : null;
}
