/** Iceberg types and their spelling in metadata JSON. Iceberg spec, Appendix C, "Schemas". */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { isJsonObject, type Json } from "../../core/base/json.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import type { Field, PrimitiveName, Type } from "../../core/table/types.ts";

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
    if (item["initial-default"] !== undefined && item["initial-default"] !== null) {
      throw new LakeError("unsupported", `column ${item.name} has a default value (format v3)`, {
        hint: "its earlier rows cannot be read right yet; rewrite the table without the default",
      });
    }
    return {
      id: idOf(item.id),
      name: item.name,
      required: item.required === true,
      type: parseType(item.type ?? null, depth + 1),
      ...(typeof doc === "string" ? { doc } : {}),
    };
  });
}

/** A type as metadata JSON: `decimal(9, 2)` with the space, which older Java readers insist on. */
export function typeToJson(type: Type): Json {
  switch (type.kind) {
    case "primitive":
    case "decimal":
    case "fixed":
      return typeText(type);
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
  }));
}

/** A type as a person writes it: `list<struct<a: int>>`; scalars exactly as in metadata. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "primitive":
      return type.name;
    case "decimal":
      return `decimal(${type.precision}, ${type.scale})`;
    case "fixed":
      return `fixed[${type.length}]`;
    case "struct": {
      const fields = type.fields.map((field) => `${field.name}: ${typeText(field.type)}`);
      return `struct<${fields.join(", ")}>`;
    }
    case "list":
      return `list<${typeText(type.element)}>`;
    case "map":
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
    default:
      return unreachable(type);
  }
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
        sameType(field.type, other.type)
      );
    })
  );
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
