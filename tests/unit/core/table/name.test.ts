/** Names of tables: two parts, and parts made of whatever a file is called. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../../../core/base/errors.ts";
import { isNamePart, namePartFrom, splitName } from "../../../../core/table/name.ts";

test("exactly two parts", () => {
  expect(splitName("silver.orders")).toEqual({ namespace: "silver", table: "orders" });
  for (const text of ["orders", "a.b.c", "a.", ".b", "."]) {
    expect(() => splitName(text)).toThrow(LakeError);
  }
});

test("any file name makes a name that a table can have, and the same one again", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme", minLength: 60 })),
      (text) => {
        const name = namePartFrom(text);
        expect(isNamePart(name)).toBe(true);
        expect(namePartFrom(name)).toBe(name);
      },
    ),
  );
});

test("letters of any script with their marks; long names are cut and told apart", () => {
  expect(namePartFrom("Sales (2026) – Öl")).toBe("sales_2026_öl");
  expect(namePartFrom("हिन्दी")).toBe("हिन्दी");
  expect(namePartFrom("???")).toBe("unnamed");
  const long = "x".repeat(300);
  expect(namePartFrom(`${long}a`)).not.toBe(namePartFrom(`${long}b`));
});
