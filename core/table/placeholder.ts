/** Places of a type at which no value was seen: texts for now, that take the type of the first values that come. */

import { STRING, sameType } from "./type-text.ts";
import type { Type } from "./types.ts";

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
