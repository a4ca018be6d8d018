/** Which type holds the values of two others exactly: the lattice that learned contracts climb. */

import { awaited, firstType, STRING, sameType } from "../table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../table/types.ts";

const PRECISION_MAX = 38;
/** Digits before the point that a long may need. */
const LONG_DIGITS = 19;

/** The narrowest type that holds every value of both; string when nothing else does. */
export function widen(a: Type, b: Type): Type {
  if (sameType(a, b)) return a;
  if (awaited(a) !== null) return firstType(a, b);
  if (awaited(b) !== null) return firstType(b, a);
  if (a.kind === "struct" && b.kind === "struct") return widenStructs(a.fields, b.fields);
  if (a.kind === "list" && b.kind === "list") {
    return { ...a, elementRequired: false, element: widen(a.element, b.element) };
  }
  if (a.kind === "map" && b.kind === "map" && sameType(a.key, b.key)) {
    return { ...a, valueRequired: false, value: widen(a.value, b.value) };
  }
  return widenNumbers(a, b) ?? widenTimes(a, b) ?? STRING;
}

function widenStructs(a: readonly Field[], b: readonly Field[]): Type {
  const bByName = new Map(b.map((field) => [field.name, field]));
  const aNames = new Set(a.map((field) => field.name));
  const fields = a.map((field) => {
    const other = bByName.get(field.name);
    return other === undefined ? field : { ...field, type: widen(field.type, other.type) };
  });
  return { kind: "struct", fields: [...fields, ...b.filter((field) => !aNames.has(field.name))] };
}

function widenNumbers(a: Type, b: Type): Type | null {
  if (isNamed(a, "float") || isNamed(b, "float")) {
    const other = isNamed(a, "float") ? b : a;
    return isNamed(other, "double") || isNamed(other, "int")
      ? { kind: "primitive", name: "double" }
      : null;
  }
  if (isNamed(a, "int") && isNamed(b, "long")) return b;
  if (isNamed(a, "long") && isNamed(b, "int")) return a;
  // Integers up to 2^53 are exact as double; whether these are is proved where values are decoded.
  if (isNamed(a, "double") && isInteger(b)) return a;
  if (isNamed(b, "double") && isInteger(a)) return b;
  const left = asDecimal(a);
  const right = asDecimal(b);
  if (left === null || right === null) return null;
  const scale = Math.max(left.scale, right.scale);
  const digits = Math.max(left.precision - left.scale, right.precision - right.scale);
  if (digits + scale > PRECISION_MAX) return null;
  // No digit more than both need: a wider one could leave no room for the next scale.
  return { kind: "decimal", precision: digits + scale, scale };
}

/**
 * A date is not widened to a timestamp with a zone: the zone would be a guess. A timestamp and a
 * timestamptz have only their text in common.
 */
function widenTimes(a: Type, b: Type): Type | null {
  const names = [a, b].map((type) => (type.kind === "primitive" ? type.name : null));
  if (names.includes("date") && names.includes("timestamp")) {
    return { kind: "primitive", name: "timestamp" };
  }
  return null;
}

function asDecimal(type: Type): { precision: number; scale: number } | null {
  if (type.kind === "decimal") return type;
  // A learned decimal(18, s) after longs: the longs that were seen decide, and they fit or the
  // decoder reports them; 38 digits hold any long beside 18 decimals.
  return isInteger(type) ? { precision: LONG_DIGITS, scale: 0 } : null;
}

function isInteger(type: Type): boolean {
  return isNamed(type, "int") || isNamed(type, "long");
}

function isNamed(type: Type, name: PrimitiveName): boolean {
  return type.kind === "primitive" && type.name === name;
}
