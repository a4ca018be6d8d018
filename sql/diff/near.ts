/** Doubles that differ by no more than the order of a sum can make them differ. DESIGN, decision 9. */

import type { Type } from "../../core/table/types.ts";
import { duckDBType } from "../duckdb/types.ts";
import { quoteLiteral } from "../syntax/quote.ts";

/** Of the greater of two values. */
const RELATIVE = "1e-9";

/** Whether a value of the type holds a floating number anywhere. */
export function hasFloats(type: Type): boolean {
  switch (type.kind) {
    case "primitive":
      return isFloat(type);
    case "struct":
      return type.fields.some((field) => hasFloats(field.type));
    case "list":
      return hasFloats(type.element);
    case "map":
      return hasFloats(type.key) || hasFloats(type.value);
    default:
      return false;
  }
}

/** A condition: two values of one type are the same, floating numbers in them within RELATIVE. Never NULL. */
export function nearSql(type: Type, a: string, b: string, depth = 0): string {
  if (!hasFloats(type)) return `${a} IS NOT DISTINCT FROM ${b}`;
  const parts = (conditions: readonly string[]): string =>
    `CASE WHEN ${a} IS NULL OR ${b} IS NULL THEN ${a} IS NULL AND ${b} IS NULL ELSE ${conditions.join(" AND ")} END`;
  switch (type.kind) {
    case "struct":
      return parts(
        type.fields.map((field) => {
          const part = (of: string) => `struct_extract(${of}, ${quoteLiteral(field.name)})`;
          return nearSql(field.type, part(a), part(b), depth);
        }),
      );
    case "list":
      return parts(listParts(type.element, a, b, depth));
    case "map":
      return parts([
        ...listParts(type.key, `map_keys(${a})`, `map_keys(${b})`, depth),
        ...listParts(type.value, `map_values(${a})`, `map_values(${b})`, depth),
      ]);
    default:
      return parts([
        `(${a} = ${b} OR abs(${a} - ${b}) <= ${RELATIVE} * greatest(abs(${a}), abs(${b})))`,
      ]);
  }
}

/** A value to order by in which numbers that are near are mostly equal; NULL where there is none. */
export function roundedSql(type: Type, sql: string): string {
  return `TRY_CAST(${sql} AS ${duckDBType(rounded(type))})`;
}

function listParts(element: Type, a: string, b: string, depth: number): string[] {
  const at = `i${depth}`;
  const each = nearSql(
    element,
    `list_extract(${a}, ${at})`,
    `list_extract(${b}, ${at})`,
    depth + 1,
  );
  const all = `list_transform(range(1, len(${a}) + 1), lambda ${at}: ${each})`;
  return [`len(${a}) = len(${b})`, `coalesce(list_aggregate(${all}, 'bool_and'), TRUE)`];
}

function rounded(type: Type): Type {
  switch (type.kind) {
    case "primitive":
      return isFloat(type) ? { kind: "primitive", name: "float" } : type;
    case "struct":
      return { ...type, fields: type.fields.map((f) => ({ ...f, type: rounded(f.type) })) };
    case "list":
      return { ...type, element: rounded(type.element) };
    case "map":
      return { ...type, key: rounded(type.key), value: rounded(type.value) };
    default:
      return type;
  }
}

function isFloat(type: Type): boolean {
  return type.kind === "primitive" && (type.name === "double" || type.name === "float");
}
