/** Schemas: their JSON, their ids, and how to find a column in one. */

import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json, type JsonObject, stringifyJson } from "../../core/base/json.ts";
import type { Field, FieldId, Schema, Type } from "../../core/table/types.ts";
import { fieldsToJson, parseFields, sameFields } from "./type.ts";

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

const FIELD_ID_MAX = 2147483447;
const TEXTS = new WeakMap<Schema, string>();
const INDEXES = new WeakMap<Schema, ReadonlyMap<FieldId, SchemaColumn>>();

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
