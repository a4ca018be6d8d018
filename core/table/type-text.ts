/** Types as people read and write them: `decimal(10, 2)`, `struct<a: long>`, and comparisons of types. */

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
