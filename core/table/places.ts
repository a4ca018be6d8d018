/** Places of a type that await one, each by the way to it, so that they can be kept beside the type. */

import { awaited, EMPTY_OBJECT, NOTHING } from "./type-text.ts";
import type { Type } from "./types.ts";

/** The way to a place: names of fields, `element` and `value`; the type itself has none. */
export interface Place {
  readonly way: readonly string[];
  readonly awaits: "value" | "object";
}

export function placesOf(type: Type): readonly Place[] {
  const places: Place[] = [];
  const visit = (inner: Type, way: readonly string[]): void => {
    if (inner.kind === "struct") for (const f of inner.fields) visit(f.type, [...way, f.name]);
    if (inner.kind === "list") visit(inner.element, [...way, "element"]);
    if (inner.kind === "map") visit(inner.value, [...way, "value"]);
    const expected = awaited(inner);
    if (expected !== null) places.push({ way, awaits: expected });
  };
  visit(type, []);
  return places;
}

/** The type with these places in it; null where it has no such way. */
export function withPlaces(type: Type, places: readonly Place[]): Type | null {
  return places.reduce(
    (before: Type | null, { way, awaits }) =>
      before === null ? null : withPlace(before, way, awaits === "object" ? EMPTY_OBJECT : NOTHING),
    type,
  );
}

function withPlace(type: Type, way: readonly string[], place: Type): Type | null {
  const [step, ...rest] = way;
  if (step === undefined) return place;
  if (type.kind === "list") {
    const element = withPlace(type.element, rest, place);
    return element === null ? null : { ...type, element };
  }
  if (type.kind === "map") {
    const value = withPlace(type.value, rest, place);
    return value === null ? null : { ...type, value };
  }
  if (type.kind !== "struct") return null;
  const inner = type.fields.find(({ name }) => name === step);
  const next = inner === undefined ? null : withPlace(inner.type, rest, place);
  if (next === null) return null;
  const fields = type.fields.map((field) => (field === inner ? { ...field, type: next } : field));
  return { ...type, fields };
}
