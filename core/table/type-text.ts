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

/** Equal but for field ids. */
export function sameType(a: Type, b: Type): boolean {
  return typeToText(a) === typeToText(b);
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
