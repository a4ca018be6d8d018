/**
 * The Avro schemas of manifests and manifest lists, by Java's names and the spec's ids: some readers bind by one,
 * some by the other. Iceberg spec, "Manifests", "Manifest Lists", Appendix A "Avro".
 */

import { AssertionError, unreachable } from "../../core/base/assert.ts";
import { isAvroPrimitive } from "../../core/base/avro.ts";
import type { Type } from "../../core/table/types.ts";
import type { FieldBinding } from "../avro/values.ts";
import { type AvroField, type AvroRecordSchema, type AvroSchema, isUnion } from "../avro/values.ts";
import type { PartitionColumn } from "./partition.ts";
import { decimalByteSize } from "./single-value.ts";

/** Formats that manifests are written in. */
export type ManifestVersion = 2 | 3;

const SUMMARY_FIELDS: readonly AvroField[] = [
  required(509, "contains_null", "boolean", "True if any file has a null partition value"),
  optional(518, "contains_nan", "boolean", "True if any file has a nan partition value"),
  optional(510, "lower_bound", "bytes", "Partition lower bound for all files"),
  optional(511, "upper_bound", "bytes", "Partition upper bound for all files"),
];

const MANIFEST_FILE_FIELDS: readonly AvroField[] = [
  required(500, "manifest_path", "string", "Location URI with FS scheme"),
  required(501, "manifest_length", "long", "Total file size in bytes"),
  required(502, "partition_spec_id", "int", "Spec ID used to write"),
  required(517, "content", "int", "Contents of the manifest: 0=data, 1=deletes"),
  required(515, "sequence_number", "long", "Sequence number when the manifest was added"),
  required(516, "min_sequence_number", "long", "Lowest sequence number in the manifest"),
  required(503, "added_snapshot_id", "long", "Snapshot ID that added the manifest"),
  required(504, "added_files_count", "int", "Added entry count"),
  required(505, "existing_files_count", "int", "Existing entry count"),
  required(506, "deleted_files_count", "int", "Deleted entry count"),
  required(512, "added_rows_count", "long", "Added rows count"),
  required(513, "existing_rows_count", "long", "Existing rows count"),
  required(514, "deleted_rows_count", "long", "Deleted rows count"),
  optional(
    507,
    "partitions",
    {
      type: "array",
      items: { type: "record", name: "r508", fields: SUMMARY_FIELDS },
      "element-id": 508,
    },
    "Summary for each partition",
  ),
  optional(519, "key_metadata", "bytes", "Encryption key metadata blob"),
];

const FIRST_ROW_FIELD = optional(
  520,
  "first_row_id",
  "long",
  "Starting row ID to assign to new rows in ADDED data files",
);

/** A row of a manifest list, of formats v2 and v3. */
export const MANIFEST_FILE_SCHEMA: AvroRecordSchema = {
  type: "record",
  name: "manifest_file",
  fields: MANIFEST_FILE_FIELDS,
};

export const MANIFEST_FILE_SCHEMA_V3: AvroRecordSchema = {
  ...MANIFEST_FILE_SCHEMA,
  fields: [...MANIFEST_FILE_FIELDS, FIRST_ROW_FIELD],
};

const DATA_FILE_FIELDS_BEFORE: readonly AvroField[] = [
  required(
    134,
    "content",
    "int",
    "Contents of the file: 0=data, 1=position deletes, 2=equality deletes",
  ),
  required(100, "file_path", "string", "Location URI with FS scheme"),
  required(101, "file_format", "string", "File format name: avro, orc, or parquet"),
];

const DATA_FILE_FIELDS_AFTER: readonly AvroField[] = [
  required(103, "record_count", "long", "Number of records in the file"),
  required(104, "file_size_in_bytes", "long", "Total file size in bytes"),
  optional(108, "column_sizes", intMap(117, 118, "long"), "Map of column id to total size on disk"),
  optional(
    109,
    "value_counts",
    intMap(119, 120, "long"),
    "Map of column id to total count, including null and NaN",
  ),
  optional(
    110,
    "null_value_counts",
    intMap(121, 122, "long"),
    "Map of column id to null value count",
  ),
  optional(
    137,
    "nan_value_counts",
    intMap(138, 139, "long"),
    "Map of column id to number of NaN values in the column",
  ),
  optional(125, "lower_bounds", intMap(126, 127, "bytes"), "Map of column id to lower bound"),
  optional(128, "upper_bounds", intMap(129, 130, "bytes"), "Map of column id to upper bound"),
  optional(131, "key_metadata", "bytes", "Encryption key metadata blob"),
  optional(
    132,
    "split_offsets",
    { type: "array", items: "long", "element-id": 133 },
    "Splittable offsets",
  ),
  optional(
    135,
    "equality_ids",
    { type: "array", items: "int", "element-id": 136 },
    "Equality comparison field IDs",
  ),
  optional(140, "sort_order_id", "int", "Sort order ID"),
  optional(
    143,
    "referenced_data_file",
    "string",
    "Fully qualified location (URI with FS scheme) of a data file that all deletes reference",
  ),
];

/** What format v3 has besides, in the order of Java's V3Metadata. */
const FIRST_ROW_ID_FIELD = optional(
  142,
  "first_row_id",
  "long",
  "Starting row ID to assign to new rows",
);
const BLOB_FIELDS: readonly AvroField[] = [
  optional(144, "content_offset", "long", "The offset in the file where the content starts"),
  optional(
    145,
    "content_size_in_bytes",
    "long",
    "The length of referenced content stored in the file",
  ),
];

/** A manifest's entry under a spec. */
export function manifestEntrySchema(
  columns: readonly PartitionColumn[],
  formatVersion: ManifestVersion = 2,
): AvroRecordSchema {
  const partition: AvroField = required(
    102,
    "partition",
    { type: "record", name: "r102", fields: partitionFields(columns) },
    "Partition data tuple, schema based on the partition spec",
  );
  const plain = [...DATA_FILE_FIELDS_BEFORE, partition, ...DATA_FILE_FIELDS_AFTER];
  const isReferenced = (field: AvroField): boolean => field["field-id"] === 143;
  const fields =
    formatVersion === 2
      ? plain
      : [
          ...plain.filter((field) => !isReferenced(field)),
          FIRST_ROW_ID_FIELD,
          ...plain.filter(isReferenced),
          ...BLOB_FIELDS,
        ];
  return {
    type: "record",
    name: "manifest_entry",
    fields: [
      required(0, "status", "int"),
      optional(1, "snapshot_id", "long"),
      optional(3, "sequence_number", "long"),
      optional(4, "file_sequence_number", "long"),
      required(2, "data_file", { type: "record", name: "r2", fields }),
    ],
  };
}

/** The property that a partition value is under in a decoded or encoded entry. */
export function partitionKey(column: PartitionColumn): string {
  return avroName(column.field.name);
}

/** Data file fields that are rarely looked at, and many bytes: they stay encoded until they are. */
export const METRIC_FIELDS = [
  "column_sizes",
  "value_counts",
  "null_value_counts",
  "nan_value_counts",
  "lower_bounds",
  "upper_bounds",
] as const;

/**
 * Binds a foreign file's fields: by id where there is one, by name in files of writers that left ids out.
 * Partition fields are `#<field id>`; what we do not use is skipped. Metrics are `AvroRaw` when they are encoded
 * exactly as we encode them, so that they can be written again as they are.
 */
export const bindById: FieldBinding = (field) => {
  const id = field["field-id"];
  const name =
    id === undefined ? field.name : (NAMES_BY_ID.get(id) ?? (id >= 1000 ? `#${id}` : null));
  if (name === null) return null;
  const shape = METRIC_SHAPES.get(name);
  return { name, raw: shape !== undefined && shape === shapeOf(field.type) };
};

/** A name that Avro takes: other characters as `_x2D`, a leading digit after `_`. Java: AvroSchemaUtil. */
export function avroName(name: string): string {
  let safe = "";
  for (const char of name) {
    if (/[\p{L}\p{Nd}_]/u.test(char))
      safe += safe === "" && /\p{Nd}/u.test(char) ? `_${char}` : char;
    else for (let at = 0; at < char.length; at++) safe += `_x${hex(char.charCodeAt(at))}`;
  }
  return safe;
}

const NAMES_BY_ID: ReadonlyMap<number, string> = new Map(
  [
    ...manifestEntrySchema([]).fields,
    ...DATA_FILE_FIELDS_BEFORE,
    ...DATA_FILE_FIELDS_AFTER,
    FIRST_ROW_ID_FIELD,
    ...BLOB_FIELDS,
    ...MANIFEST_FILE_SCHEMA_V3.fields,
    ...SUMMARY_FIELDS,
    required(102, "partition", "null"),
    ...[117, 119, 121, 138, 126, 129].map((id) => required(id, "key", "int")),
    ...[118, 120, 122, 139, 127, 130].map((id) => required(id, "value", "long")),
  ].map((field) => [field["field-id"] ?? -1, field.name]),
);

const METRIC_SHAPES: ReadonlyMap<string, string> = new Map(
  DATA_FILE_FIELDS_AFTER.filter((field) => METRIC_FIELDS.some((name) => name === field.name)).map(
    (field) => [field.name, shapeOf(field.type)],
  ),
);

/** What decides the encoding of a schema, names and attributes left out. */
function shapeOf(schema: AvroSchema): string {
  if (typeof schema === "string") return schema;
  if (isUnion(schema)) return `(${schema.map(shapeOf).join("|")})`;
  if (schema.type === "array") return `[${shapeOf(schema.items)}]`;
  if (schema.type === "record") {
    return `{${schema.fields.map((field) => shapeOf(field.type)).join(",")}}`;
  }
  return isAvroPrimitive(schema.type) ? schema.type : JSON.stringify(schema);
}

function partitionFields(columns: readonly PartitionColumn[]): readonly AvroField[] {
  const declared = new Set<string>();
  return columns.map((column) => {
    const name = avroName(column.field.name);
    const type = avroType(column.resultType, declared);
    const original = name === column.field.name ? {} : { "iceberg-field-name": column.field.name };
    return { ...optional(column.field.fieldId, name, type), ...original };
  });
}

function avroType(type: Type, declared: Set<string>): AvroSchema {
  switch (type.kind) {
    case "primitive":
      switch (type.name) {
        case "boolean":
        case "int":
        case "long":
        case "float":
        case "double":
        case "string":
          return type.name;
        case "binary":
          return "bytes";
        case "date":
          return { type: "int", logicalType: "date" };
        case "time":
          return { type: "long", logicalType: "time-micros" };
        case "timestamp":
        case "timestamptz": {
          const isUtc = type.name === "timestamptz";
          return { type: "long", logicalType: "timestamp-micros", "adjust-to-utc": isUtc };
        }
        case "uuid":
          return fixed({ name: "uuid_fixed", size: 16, logicalType: "uuid" }, declared);
        default:
          return unreachable(type.name);
      }
    case "decimal": {
      const { precision, scale } = type;
      const name = `decimal_${precision}_${scale}`;
      const size = decimalByteSize(precision);
      return fixed({ name, size, logicalType: "decimal", precision, scale }, declared);
    }
    case "fixed":
      return fixed({ name: `fixed_${type.length}`, size: type.length }, declared);
    case "struct":
    case "list":
    case "map":
      throw new AssertionError("nested types are no partition values");
    default:
      return unreachable(type);
  }
}

/** A named type in full the first time; Avro wants its name alone from then on. */
function fixed(
  schema: { readonly name: string; readonly size: number; readonly [key: string]: string | number },
  declared: Set<string>,
): AvroSchema {
  if (declared.has(schema.name)) return schema.name;
  declared.add(schema.name);
  return { type: "fixed", ...schema };
}

function required(id: number, name: string, type: AvroSchema, doc?: string): AvroField {
  return { name, type, ...(doc === undefined ? {} : { doc }), "field-id": id };
}

function optional(id: number, name: string, type: AvroSchema, doc?: string): AvroField {
  const documented = doc === undefined ? {} : { doc };
  return { name, type: ["null", type], ...documented, default: null, "field-id": id };
}

/** A map with integer keys: an array of pairs, as Avro's own maps have only string keys. */
function intMap(keyId: number, valueId: number, value: AvroSchema): AvroSchema {
  return {
    type: "array",
    items: {
      type: "record",
      name: `k${keyId}_v${valueId}`,
      fields: [required(keyId, "key", "int"), required(valueId, "value", value)],
    },
    logicalType: "map",
  };
}

function hex(unit: number): string {
  return unit.toString(16).toUpperCase();
}
