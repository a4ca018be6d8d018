/** Arbitrary types for property tests, as contracts and files have them: nested ids are 0. */

import fc from "fast-check";
import type { PrimitiveName, Type } from "../../core/table/types.ts";

const NAMES = [
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
] as const;

export function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}

/** Types without parts. */
export function plainType(): fc.Arbitrary<Type> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...NAMES).map(primitive) },
    { weight: 2, arbitrary: decimalType() },
  );
}

/** Decimals with up to 38 digits. */
export function decimalType(): fc.Arbitrary<Type> {
  return fc
    .integer({ min: 1, max: 38 })
    .chain((precision) =>
      fc
        .integer({ min: 0, max: precision })
        .map((scale): Type => ({ kind: "decimal", precision, scale })),
    );
}

/** Types of any shape, at most three deep. */
export function anyType(): fc.Arbitrary<Type> {
  const { type } = fc.letrec<{ type: Type }>((tie) => ({
    type: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      plainType(),
      fc
        .uniqueArray(fc.record({ name: fc.constantFrom("x", "y", "z"), type: tie("type") }), {
          selector: (part) => part.name,
          minLength: 1,
          maxLength: 3,
        })
        .map((parts): Type => {
          const fields = parts.map(({ name, type: part }) => ({
            id: 0,
            name,
            required: false,
            type: part,
          }));
          return { kind: "struct", fields };
        }),
      tie("type").map(
        (element): Type => ({
          kind: "list",
          elementId: 0,
          elementRequired: false,
          element,
        }),
      ),
      tie("type").map(
        (value): Type => ({
          kind: "map",
          keyId: 0,
          key: primitive("string"),
          valueId: 0,
          valueRequired: false,
          value,
        }),
      ),
    ),
  }));
  return type;
}
