/** Laws of the Iceberg codecs: what is written is read, and bounds keep order. */

import { test } from "bun:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { Type } from "../../core/table/types.ts";
import { readAvro, writeAvro } from "../../storage/avro/container.ts";
import type { AvroSchema } from "../../storage/avro/values.ts";
import { truncateLower, truncateUpper } from "../../storage/iceberg/metrics.ts";
import {
  compareSingleValues,
  decodeSingleValue,
  encodeSingleValue,
  type SingleValue,
  singleValueFromJson,
  singleValueToJson,
} from "../../storage/iceberg/single-value.ts";

const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;
const long = fc.bigInt({ min: LONG_MIN, max: LONG_MAX });
const text = fc.string({ unit: "binary" });
const bytes = fc.uint8Array({ maxLength: 40 });
const STRING: Type = { kind: "primitive", name: "string" };

const typed: fc.Arbitrary<readonly [Type, SingleValue, SingleValue]> = fc.oneof(
  pair({ kind: "primitive", name: "boolean" }, fc.boolean()),
  pair({ kind: "primitive", name: "int" }, fc.integer()),
  pair({ kind: "primitive", name: "date" }, fc.integer({ min: -10_000_000, max: 10_000_000 })),
  pair({ kind: "primitive", name: "long" }, long),
  pair({ kind: "primitive", name: "timestamp" }, long),
  pair({ kind: "primitive", name: "timestamptz" }, long),
  pair({ kind: "primitive", name: "time" }, fc.bigInt({ min: 0n, max: 86_399_999_999n })),
  pair({ kind: "primitive", name: "double" }, fc.double({ noNaN: true, noDefaultInfinity: true })),
  pair(STRING, text),
  pair({ kind: "primitive", name: "binary" }, bytes),
  pair({ kind: "primitive", name: "uuid" }, fc.uint8Array({ minLength: 16, maxLength: 16 })),
  pair(
    { kind: "decimal", precision: 38, scale: 4 },
    fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }),
  ),
);

function pair(
  type: Type,
  values: fc.Arbitrary<SingleValue>,
): fc.Arbitrary<readonly [Type, SingleValue, SingleValue]> {
  return fc.tuple(fc.constant(type), values, values);
}

test("single values are read back, in binary and in JSON", () => {
  fc.assert(
    fc.property(typed, ([type, value]) => {
      const binary = decodeSingleValue(type, encodeSingleValue(type, value));
      const json = singleValueFromJson(type, singleValueToJson(type, value));
      return isDeepStrictEqual(binary, value) && isDeepStrictEqual(json, value);
    }),
  );
});

test("encoded text and bytes are ordered as their values", () => {
  fc.assert(
    fc.property(typed, ([type, a, b]) => {
      if (type.kind !== "primitive" || !["string", "binary", "uuid"].includes(type.name))
        return true;
      const order = Buffer.compare(encodeSingleValue(type, a), encodeSingleValue(type, b));
      return Math.sign(order) === Math.sign(compareSingleValues(a, b));
    }),
  );
});

test("cut bounds enclose the whole", () => {
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 8 }), (value, length) => {
      const whole = encodeSingleValue(STRING, value);
      const upper = truncateUpper(STRING, whole, length);
      return (
        Buffer.compare(truncateLower(STRING, whole, length), whole) <= 0 &&
        (upper === null || Buffer.compare(upper, whole) >= 0)
      );
    }),
  );
});

test("Avro records are read back", () => {
  const schema: AvroSchema = {
    type: "record",
    name: "row",
    fields: [
      { name: "l", type: "long" },
      { name: "i", type: "int" },
      { name: "s", type: ["null", "string"] },
      { name: "b", type: "bytes" },
      { name: "d", type: "double" },
      { name: "list", type: { type: "array", items: ["null", "long"] } },
      { name: "flag", type: "boolean" },
    ],
  };
  const record = fc.record({
    l: long,
    i: fc.integer(),
    s: fc.option(text),
    b: bytes,
    d: fc.double(),
    list: fc.array(fc.option(long)),
    flag: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(record), (records) => {
      const plain = records.map((item) => ({ ...item }));
      return isDeepStrictEqual(readAvro(writeAvro(schema, new Map(), plain), "x").records, plain);
    }),
  );
});
