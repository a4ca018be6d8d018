/** Laws of widening: it never narrows, the order of files does not matter, and once wide enough is wide enough. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { widen } from "../../../../core/ingest/contract-rules.ts";
import { sameType, typeToText } from "../../../../core/table/type-text.ts";
import type { Type } from "../../../../core/table/types.ts";
import { anyType, decimalType, primitive } from "../../../support/any-type.ts";

/** Parts by name: the order in which files bring them is not a difference. */
function canonical(type: Type): string {
  switch (type.kind) {
    case "struct": {
      const parts = type.fields.map((field) => `${field.name}:${canonical(field.type)}`);
      return `{${parts.sort().join(",")}}`;
    }
    case "list":
      return `[${canonical(type.element)}]`;
    case "map":
      return `<${canonical(type.key)},${canonical(type.value)}>`;
    default:
      return typeToText(type);
  }
}

/** Whether every value of `from` is, or prints as, a value of `to`. Doubles take integers on proof by the decoder. */
function holds(to: Type, from: Type): boolean {
  if (sameType(to, from) || canonical(to) === "string") return true;
  if (to.kind === "decimal" && from.kind === "decimal") {
    return to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale;
  }
  if (to.kind === "struct" && from.kind === "struct") {
    return from.fields.every((field) => {
      const part = to.fields.find((candidate) => candidate.name === field.name);
      return part !== undefined && holds(part.type, field.type);
    });
  }
  if (to.kind === "list" && from.kind === "list") return holds(to.element, from.element);
  if (to.kind === "map" && from.kind === "map") {
    return sameType(to.key, from.key) && holds(to.value, from.value);
  }
  const [wide, narrow] = [canonical(to), canonical(from)];
  const digits = narrow === "int" ? 10 : narrow === "long" ? 19 : null;
  if (to.kind === "decimal" && digits !== null) return to.precision - to.scale >= digits;
  const steps: Readonly<Record<string, readonly string[]>> = {
    long: ["int"],
    double: ["float", "int", "long"],
    timestamp: ["date"],
  };
  return steps[wide]?.includes(narrow) === true;
}

test("the wider type holds every value of both", () => {
  fc.assert(
    fc.property(anyType(), anyType(), (a, b) => {
      const wide = widen(a, b);
      expect([holds(wide, a), holds(wide, b)]).toEqual([true, true]);
    }),
  );
});

test("idempotent, commutative, and absorbing what it was made of", () => {
  fc.assert(
    fc.property(anyType(), anyType(), (a, b) => {
      const wide = widen(a, b);
      expect(canonical(widen(a, a))).toBe(canonical(a));
      expect(canonical(widen(b, a))).toBe(canonical(wide));
      expect(canonical(widen(wide, a))).toBe(canonical(wide));
      expect(canonical(widen(b, wide))).toBe(canonical(wide));
    }),
  );
});

test("integers and decimals come to one type in any order of files", () => {
  const number = fc.oneof(
    decimalType(),
    fc.constantFrom(primitive("int"), primitive("long"), primitive("string")),
  );
  fc.assert(
    fc.property(number, number, number, (a, b, c) => {
      expect(canonical(widen(widen(a, b), c))).toBe(canonical(widen(a, widen(b, c))));
    }),
  );
});

test("pairs that files bring", () => {
  const decimal = (precision: number, scale: number): Type => ({
    kind: "decimal",
    precision,
    scale,
  });
  const cases: readonly (readonly [Type, Type, string])[] = [
    [primitive("int"), primitive("long"), "long"],
    [primitive("long"), decimal(18, 2), "decimal(21, 2)"],
    [decimal(18, 2), decimal(18, 9), "decimal(25, 9)"],
    [decimal(38, 0), decimal(18, 2), "string"],
    [primitive("float"), primitive("int"), "double"],
    [primitive("float"), primitive("long"), "string"],
    [primitive("double"), decimal(18, 2), "string"],
    [primitive("date"), primitive("timestamp"), "timestamp"],
    [primitive("date"), primitive("timestamptz"), "string"],
    [primitive("timestamp"), primitive("timestamptz"), "string"],
    [primitive("boolean"), primitive("long"), "string"],
    [primitive("uuid"), primitive("string"), "string"],
  ];
  for (const [a, b, wide] of cases) expect(typeToText(widen(a, b))).toBe(wide);
});
