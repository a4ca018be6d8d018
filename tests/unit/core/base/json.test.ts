/** JSON with exact 64-bit integers, both ways. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Json, parseJson, stringifyJson } from "../../../../core/base/json.ts";
import { compareCodePoints } from "../../../../core/base/order.ts";

test("long keys are always bigint, other integers only where a double would bend them", () => {
  expect(parseJson('{"snapshot-id":7,"x":7,"y":9007199254740993,"z":1.5,"w":1e3}')).toEqual({
    "snapshot-id": 7n,
    x: 7,
    y: 9007199254740993n,
    z: 1.5,
    w: 1000,
  });
  expect(parseJson("[-9223372036854775808]")).toEqual([-9223372036854775808n]);
});

test("bigint is written bare, without quotes and without loss", () => {
  expect(stringifyJson({ id: 9223372036854775807n, list: [1n, "1"] })).toBe(
    '{"id":9223372036854775807,"list":[1,"1"]}',
  );
});

test("what is written is read back", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.boolean(),
    fc.constant(null),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("tree")),
      fc.dictionary(fc.string(), tie("tree")),
    ),
  }));
  const plain = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? `${item}` : item)),
    );
  fc.assert(
    fc.property(tree, (value) => {
      const text = stringifyJson(value as Json); // parse: the generator makes JSON values
      const again = stringifyJson(parseJson(text));
      expect(again).toBe(text);
      expect(plain(parseJson(text))).toBeDefined();
    }),
  );
});

test("text is ordered by code point", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
      const [left, right] = [[...a], [...b]].map((all) =>
        all.map((one) => one.codePointAt(0) ?? 0),
      );
      expect(Math.sign(compareCodePoints(a, b))).toBe(byElements(left ?? [], right ?? []));
    }),
  );
  expect(compareCodePoints("\u{1F600}", "\uFF5E")).toBeGreaterThan(0);
});

function byElements(a: readonly number[], b: readonly number[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right === undefined) return 1;
    if (left !== right) return Math.sign(left - right);
  }
  return a.length === b.length ? 0 : -1;
}
