/** Shorthand for the columns and values of system tables. */

import type { Column, PrimitiveName, Type } from "../../core/table/types.ts";

/** `columns("name string", "size_bytes long")`; `map` is a map from string to string. */
export function columns(...texts: readonly string[]): readonly Column[] {
  return texts.map((text) => {
    const [name = "", type = "string"] = text.split(" ");
    return { name, type: typeOf(type) };
  });
}

export function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

const STRING: Type = { kind: "primitive", name: "string" };
const PRIMITIVES: readonly PrimitiveName[] = ["boolean", "int", "long", "string", "timestamptz"];

function typeOf(text: string): Type {
  const primitive = PRIMITIVES.find((name) => name === text);
  if (primitive !== undefined) return { kind: "primitive", name: primitive };
  return { kind: "map", keyId: 0, key: STRING, valueId: 0, valueRequired: false, value: STRING };
}
