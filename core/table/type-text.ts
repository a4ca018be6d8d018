/**
 * Types as people read and write them: `decimal(10, 2)`, `struct<a: long>`; comparisons of types; and places of a
 * type at which no value was seen, which are texts until the first values come.
 */

import { unreachable } from "../base/assert.ts";
import type { Type } from "./types.ts";

export const STRING: Type = { kind: "primitive", name: "string" };
export const LONG: Type = { kind: "primitive", name: "long" };

/** The type in Iceberg's words, for messages and for comparing; ids are left out. */
export function typeToText(type: Type): string {
  switch (type.kind) {
    case "primitive":
      return type.name;
    case "decimal":
      return `decimal(${type.precision}, ${type.scale})`;
    case "fixed":
      return `fixed[${type.length}]`;
    case "struct":
      return `struct<${type.fields.map((f) => `${f.name}: ${typeToText(f.type)}`).join(", ")}>`;
    case "list":
      return `list<${typeToText(type.element)}>`;
    case "map":
      return `map<${typeToText(type.key)}, ${typeToText(type.value)}>`;
    default:
      return unreachable(type);
  }
}

/** Equal but for field ids; a placeholder for a type is no string. */
export function sameType(a: Type, b: Type): boolean {
  if (a.kind === "struct" && b.kind === "struct") {
    // Not by their text: a name may hold what separates fields there.
    if (a.fields.length !== b.fields.length) return false;
    return a.fields.every((field, index) => {
      const other = b.fields[index];
      return other !== undefined && field.name === other.name && sameType(field.type, other.type);
    });
  }
  if (a.kind === "list" && b.kind === "list") return sameType(a.element, b.element);
  if (a.kind === "map" && b.kind === "map") {
    return sameType(a.key, b.key) && sameType(a.value, b.value);
  }
  if (a.kind === "primitive" && b.kind === "primitive" && a.awaits !== b.awaits) return false;
  return a.kind === b.kind && typeToText(a) === typeToText(b);
}

/** Promotions that keep a column's id. Iceberg spec, "Schema Evolution" (v2). */
export function isPromotion(from: Type, to: Type): boolean {
  if (from.kind === "primitive" && to.kind === "primitive") {
    return (
      (from.name === "int" && to.name === "long") || (from.name === "float" && to.name === "double")
    );
  }
  if (from.kind === "decimal" && to.kind === "decimal") {
    return from.scale === to.scale && to.precision > from.precision;
  }
  return false;
}

/** Nothing but NULL was seen. */
export const NOTHING: Type = { kind: "primitive", name: "string", awaits: "value" };
/** Nothing but NULL and objects without a key were seen. */
export const EMPTY_OBJECT: Type = { kind: "primitive", name: "string", awaits: "object" };
/** How an object without a key stands in a text. */
export const EMPTY_OBJECT_TEXT = "{}";

/** What a place awaits; null where it has a type. */
export function awaited(type: Type): "value" | "object" | null {
  return type.kind === "primitive" ? (type.awaits ?? null) : null;
}

export function hasPlaceholder(type: Type): boolean {
  switch (type.kind) {
    case "struct":
      return type.fields.some((field) => hasPlaceholder(field.type));
    case "list":
      return hasPlaceholder(type.element);
    case "map":
      return hasPlaceholder(type.value);
    default:
      return awaited(type) !== null;
  }
}

/** The type that a table has meanwhile. */
export function withoutPlaceholders(type: Type): Type {
  switch (type.kind) {
    case "struct":
      return {
        ...type,
        fields: type.fields.map((field) => ({ ...field, type: withoutPlaceholders(field.type) })),
      };
    case "list":
      return { ...type, element: withoutPlaceholders(type.element) };
    case "map":
      return { ...type, value: withoutPlaceholders(type.value) };
    default:
      return awaited(type) === null ? type : STRING;
  }
}

/** The type of a place that awaited one, after it saw values of `seen`. */
export function firstType(place: Type, seen: Type): Type {
  const expected = awaited(place);
  if (expected === null || awaited(seen) === "value") return place;
  if (expected === "value" || awaited(seen) === "object") return seen;
  return seen.kind === "struct" || seen.kind === "map" ? seen : STRING;
}

/** `known` with its places filled from `seen`, and nothing else of it changed. */
export function filled(known: Type, seen: Type): Type {
  if (awaited(known) !== null) return firstType(known, seen);
  if (known.kind === "list" && seen.kind === "list") {
    return { ...known, element: filled(known.element, seen.element) };
  }
  if (known.kind === "map" && seen.kind === "map") {
    return { ...known, value: filled(known.value, seen.value) };
  }
  if (known.kind !== "struct" || seen.kind !== "struct") return known;
  const seenByName = new Map(seen.fields.map((field) => [field.name, field.type]));
  return {
    ...known,
    fields: known.fields.map((field) => {
      const type = seenByName.get(field.name);
      return type === undefined ? field : { ...field, type: filled(field.type, type) };
    }),
  };
}

/** Whether nothing but places that awaited a type changed. */
export function isOnlyFilled(before: Type, after: Type): boolean {
  return sameType(filled(before, after), after);
}
