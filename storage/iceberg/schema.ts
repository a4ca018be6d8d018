/** Types and schemas: their JSON, their ids, and how to find a column in one. Iceberg spec, Appendix C. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  parseJson,
  sameJson,
  stringifyJson,
} from "../../core/base/json.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type {
  Field,
  FieldId,
  NamedField,
  PrimitiveName,
  Schema,
  Type,
} from "../../core/table/types.ts";

/** A column of any depth, and how it hangs in its schema. */
export interface SchemaColumn {
  readonly id: FieldId;
  /** Names from the top, dot-joined: `address.city`, `tags.element`, `props.key`. */
  readonly path: string;
  readonly type: Type;
  readonly required: boolean;
  /** Below a list or a map: has no bounds and cannot be partitioned by. */
  readonly repeated: boolean;
}

const PRIMITIVES: ReadonlySet<string> = new Set<PrimitiveName>([
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "date",
  "time",
  "timestamp",
  "timestamptz",
  "string",
  "uuid",
  "binary",
]);
const DECIMAL = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/;
const FIXED = /^fixed\[\s*(\d+)\s*\]$/;
const DECIMAL_PRECISION_MAX = 38;

const FIELD_ID_MAX = 2147483447;
const TEXTS = new WeakMap<Schema, string>();
const INDEXES = new WeakMap<Schema, ReadonlyMap<FieldId, SchemaColumn>>();

/** Reads a type. Throws `unsupported` for a type of a later format, `corrupt` for what is none. */
export function parseType(json: Json, depth = 0): Type {
  if (depth > TYPE_DEPTH_MAX) {
    throw new LakeError("unsupported", `the schema nests deeper than ${TYPE_DEPTH_MAX} levels`);
  }
  if (typeof json === "string") return parseScalar(json);
  if (!isJsonObject(json)) throw notAType(json);
  switch (json.type) {
    case "struct":
      return { kind: "struct", fields: parseFields(json.fields ?? null, depth + 1) };
    case "list":
      return {
        kind: "list",
        elementId: idOf(json["element-id"]),
        elementRequired: json["element-required"] === true,
        element: parseType(json.element ?? null, depth + 1),
      };
    case "map":
      return {
        kind: "map",
        keyId: idOf(json["key-id"]),
        key: parseType(json.key ?? null, depth + 1),
        valueId: idOf(json["value-id"]),
        valueRequired: json["value-required"] === true,
        value: parseType(json.value ?? null, depth + 1),
      };
    default:
      throw notAType(json);
  }
}

/** Reads the `fields` of a struct. Throws as `parseType`. */
export function parseFields(json: Json, depth = 0): readonly Field[] {
  if (!Array.isArray(json)) throw notAType(json);
  return json.map((item: Json): Field => {
    if (!isJsonObject(item) || typeof item.name !== "string") throw notAType(item);
    const doc = item.doc;
    const initialDefault = item["initial-default"] ?? null;
    const writeDefault = item["write-default"] ?? null;
    return {
      id: idOf(item.id),
      name: item.name,
      required: item.required === true,
      type: parseType(item.type ?? null, depth + 1),
      ...(typeof doc === "string" ? { doc } : {}),
      ...(initialDefault === null ? {} : { initialDefault }),
      ...(writeDefault === null ? {} : { writeDefault }),
    };
  });
}

/** Throws `unsupported` for a schema whose rows would be read as null where they have the default of a column. */
export function refuseDefaults(schema: Schema): void {
  const withDefault = (fields: readonly Field[]): Field | null => {
    for (const field of fields) {
      if (field.initialDefault !== undefined) return field;
      const inside = withDefault(fieldsInside(field.type));
      if (inside !== null) return inside;
    }
    return null;
  };
  const found = withDefault(schema.fields);
  if (found === null) return;
  throw new LakeError("unsupported", `column ${found.name} has a default value (format v3)`, {
    hint: "its earlier rows cannot be read right yet; rewrite the table without the default",
  });
}

function fieldsInside(type: Type): readonly Field[] {
  switch (type.kind) {
    case "struct":
      return type.fields;
    case "list":
      return fieldsInside(type.element);
    case "map":
      return [...fieldsInside(type.key), ...fieldsInside(type.value)];
    default:
      return [];
  }
}

/** A type as metadata JSON: `decimal(9, 2)` with the space, which older Java readers insist on. */
export function typeToJson(type: Type): Json {
  switch (type.kind) {
    case "primitive":
    case "decimal":
    case "fixed":
      return typeToText(type);
    case "struct":
      return { type: "struct", fields: fieldsToJson(type.fields) };
    case "list":
      return {
        type: "list",
        "element-id": type.elementId,
        element: typeToJson(type.element),
        "element-required": type.elementRequired,
      };
    case "map":
      return {
        type: "map",
        "key-id": type.keyId,
        key: typeToJson(type.key),
        "value-id": type.valueId,
        value: typeToJson(type.value),
        "value-required": type.valueRequired,
      };
    default:
      return unreachable(type);
  }
}

/** The fields of a struct as metadata JSON. */
export function fieldsToJson(fields: readonly Field[]): Json {
  return fields.map((field) => ({
    id: field.id,
    name: field.name,
    required: field.required,
    type: typeToJson(field.type),
    ...(field.doc === undefined ? {} : { doc: field.doc }),
    ...(field.initialDefault === undefined ? {} : { "initial-default": field.initialDefault }),
    ...(field.writeDefault === undefined ? {} : { "write-default": field.writeDefault }),
  }));
}

/** Whether two types are the same, ids, names, nullability and docs included. */
export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case "primitive":
      return b.kind === "primitive" && a.name === b.name;
    case "decimal":
      return b.kind === "decimal" && a.precision === b.precision && a.scale === b.scale;
    case "fixed":
      return b.kind === "fixed" && a.length === b.length;
    case "struct":
      return b.kind === "struct" && sameFields(a.fields, b.fields);
    case "list":
      return (
        b.kind === "list" &&
        a.elementId === b.elementId &&
        a.elementRequired === b.elementRequired &&
        sameType(a.element, b.element)
      );
    case "map":
      return (
        b.kind === "map" &&
        a.keyId === b.keyId &&
        a.valueId === b.valueId &&
        a.valueRequired === b.valueRequired &&
        sameType(a.key, b.key) &&
        sameType(a.value, b.value)
      );
    default:
      return unreachable(a);
  }
}

/** Whether two field lists are the same, in order. */
export function sameFields(a: readonly Field[], b: readonly Field[]): boolean {
  return (
    a.length === b.length &&
    a.every((field, index) => {
      const other = b[index];
      return (
        other !== undefined &&
        field.id === other.id &&
        field.name === other.name &&
        field.required === other.required &&
        field.doc === other.doc &&
        sameJson(field.initialDefault ?? null, other.initialDefault ?? null) &&
        sameJson(field.writeDefault ?? null, other.writeDefault ?? null) &&
        sameType(field.type, other.type)
      );
    })
  );
}

/** Reads a schema. Unknown attributes stay with it: `schemaText` of the same object gives them back. */
export function parseSchema(json: Json): Schema {
  if (!isJsonObject(json)) throw new LakeError("corrupt", "a schema is not a JSON object");
  const schemaId = json["schema-id"];
  const identifiers = json["identifier-field-ids"];
  const schema: Schema = {
    schemaId: typeof schemaId === "number" ? schemaId : 0,
    fields: parseFields(json.fields ?? null),
    ...(Array.isArray(identifiers) && identifiers.length > 0
      ? { identifierFieldIds: identifiers.filter((id) => typeof id === "number") }
      : {}),
  };
  TEXTS.set(schema, stringifyJson({ ...json, "schema-id": schema.schemaId }));
  return schema;
}

/** Schema as metadata JSON, in Java's key order. */
export function schemaToJson(schema: Schema): JsonObject {
  const identifiers = schema.identifierFieldIds ?? [];
  return {
    type: "struct",
    "schema-id": schema.schemaId,
    ...(identifiers.length > 0 ? { "identifier-field-ids": identifiers } : {}),
    fields: fieldsToJson(schema.fields),
  };
}

/** The JSON text of a schema, made once per object; one that was read keeps its unknown attributes. */
export function schemaText(schema: Schema): string {
  const known = TEXTS.get(schema);
  if (known !== undefined) return known;
  const text = stringifyJson(schemaToJson(schema));
  TEXTS.set(schema, text);
  return text;
}

/** Every column of a schema by id, nested ones included; computed once per schema object. */
export function columnsById(schema: Schema): ReadonlyMap<FieldId, SchemaColumn> {
  const known = INDEXES.get(schema);
  if (known !== undefined) return known;
  const columns = new Map<FieldId, SchemaColumn>();
  for (const field of schema.fields) addColumn(columns, fieldColumn(field, ""));
  INDEXES.set(schema, columns);
  return columns;
}

/** The column with an id, at any depth. */
export function findColumn(schema: Schema, id: FieldId): SchemaColumn | null {
  return columnsById(schema).get(id) ?? null;
}

/** The greatest id in a schema; 0 when it has no column. */
export function highestId(schema: Schema): FieldId {
  return columnsById(schema)
    .keys()
    .reduce((highest, id) => Math.max(highest, id), 0);
}

/** Whether two schemas are the same but for their schema id. */
export function sameSchema(a: Schema, b: Schema): boolean {
  const [left, right] = [a.identifierFieldIds ?? [], b.identifierFieldIds ?? []];
  return (
    left.length === right.length &&
    left.every((id) => right.includes(id)) &&
    sameFields(a.fields, b.fields)
  );
}

/**
 * Checks a schema that is about to be recorded: ids positive, unique and below the reserved ones, rows identified by
 * required columns that are no floats. Throws `schema`. Iceberg spec, "Reserved Field IDs" and "Identifier Field IDs".
 */
export function checkSchema(schema: Schema): void {
  const seen = new Set<FieldId>();
  const check = (column: SchemaColumn): void => {
    if (column.id < 1 || column.id > FIELD_ID_MAX || seen.has(column.id)) {
      throw new LakeError("schema", `column ${column.path} has no id of its own: ${column.id}`, {
        hint: "assign fresh ids before committing a schema",
      });
    }
    seen.add(column.id);
    for (const child of childColumns(column)) check(child);
  };
  for (const field of schema.fields) check(fieldColumn(field, ""));
  for (const id of schema.identifierFieldIds ?? []) checkIdentifier(schema, id);
}

function parseScalar(text: string): Type {
  if (PRIMITIVES.has(text)) {
    return { kind: "primitive", name: text as PrimitiveName }; // parse: a member of PRIMITIVES
  }
  const decimal = DECIMAL.exec(text);
  if (decimal !== null) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])];
    if (precision < 1 || precision > DECIMAL_PRECISION_MAX || scale > precision) {
      throw new LakeError("corrupt", `type ${text}: precision is 1 to 38, scale at most precision`);
    }
    return { kind: "decimal", precision, scale };
  }
  const fixed = FIXED.exec(text);
  if (fixed !== null) return { kind: "fixed", length: Number(fixed[1]) };
  throw new LakeError("unsupported", `Iceberg type ${text} is not known here`, {
    hint: "types of format v3 (timestamp_ns, variant, geometry, unknown) cannot be read yet",
  });
}

function idOf(json: Json | undefined): number {
  if (typeof json !== "number" || !Number.isInteger(json)) throw notAType(json ?? null);
  return json;
}

function notAType(json: Json): LakeError {
  const shown = typeof json === "string" ? json : (JSON.stringify(json, bigintText) ?? "nothing");
  return new LakeError("corrupt", `not an Iceberg type: ${shown.slice(0, 80)}`);
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function checkIdentifier(schema: Schema, id: FieldId): void {
  const column = findColumn(schema, id);
  const above = [...columnsById(schema).values()].filter(
    (one) => column?.path.startsWith(`${one.path}.`) === true,
  );
  const name = column?.type.kind === "primitive" ? column.type.name : "";
  const isFit =
    column?.repeated === false &&
    ["primitive", "decimal", "fixed"].includes(column.type.kind) &&
    !["float", "double"].includes(name) &&
    [column, ...above].every((one) => one.required);
  if (isFit) return;
  throw new LakeError("schema", `${column?.path ?? `column ${id}`} cannot identify rows`, {
    hint: "take required columns outside of lists and maps, and no float or double",
  });
}

function addColumn(columns: Map<FieldId, SchemaColumn>, column: SchemaColumn): void {
  columns.set(column.id, column);
  for (const child of childColumns(column)) addColumn(columns, child);
}

function fieldColumn(field: Field, prefix: string): SchemaColumn {
  return {
    id: field.id,
    path: prefix + field.name,
    type: field.type,
    required: field.required,
    repeated: false,
  };
}

function childColumns(column: SchemaColumn): readonly SchemaColumn[] {
  const { type, path } = column;
  if (type.kind === "struct") {
    return type.fields.map((field) => ({
      ...fieldColumn(field, `${path}.`),
      repeated: column.repeated,
    }));
  }
  const below = { repeated: true };
  if (type.kind === "list") {
    const { elementId: id, element, elementRequired: required } = type;
    return [{ id, path: `${path}.element`, type: element, required, ...below }];
  }
  if (type.kind === "map") {
    const { keyId, key, valueId, value, valueRequired } = type;
    return [
      { id: keyId, path: `${path}.key`, type: key, required: true, ...below },
      { id: valueId, path: `${path}.value`, type: value, required: valueRequired, ...below },
    ];
  }
  return [];
}

/** The property of a table that names columns of files without field ids. */
export const NAME_MAPPING = "schema.name-mapping.default";

/** Names of columns, each with its id; null where the table has none. Throws `corrupt`. */
export function parseNameMapping(text: string | undefined): readonly NamedField[] | null {
  if (text === undefined) return null;
  let json: Json;
  try {
    json = parseJson(text);
  } catch (thrown) {
    throw noMapping(thrown);
  }
  return namesIn(json);
}

function namesIn(json: Json): readonly NamedField[] {
  if (!Array.isArray(json)) throw noMapping(null);
  return json.flatMap((entry: Json) => {
    if (!isJsonObject(entry) || !Array.isArray(entry.names)) throw noMapping(null);
    const id = entry["field-id"];
    if (typeof id !== "number") return [];
    const inside = namesIn(entry.fields ?? []);
    return entry.names.flatMap((name: Json) =>
      typeof name === "string" ? [{ name, id, inside }] : [],
    );
  });
}

function noMapping(cause: unknown): LakeError {
  return new LakeError("corrupt", `the property ${NAME_MAPPING} of the table is no name mapping`, {
    hint: "set it to what its writer meant, or take it out: alter table … reset (…)",
    cause,
  });
}
