/** Single values in binary and in JSON. */

import { describe, expect, test } from "bun:test";
import type { Type } from "../../../../core/table/types.ts";
import {
  compareSingleValues,
  decodeSingleValue,
  encodeDecimal,
  encodeSingleValue,
  singleValueFromJson,
  singleValueToJson,
} from "../../../../storage/iceberg/single-value.ts";
import { primitive } from "./memory-files.ts";

const DECIMAL: Type = { kind: "decimal", precision: 38, scale: 2 };

describe("binary", () => {
  test("decimals take the least number of bytes", () => {
    expect([...encodeDecimal(0n)]).toEqual([0]);
    expect([...encodeDecimal(127n)]).toEqual([127]);
    expect([...encodeDecimal(128n)]).toEqual([0, 128]);
    expect([...encodeDecimal(-128n)]).toEqual([128]);
    expect([...encodeDecimal(-129n)]).toEqual([255, 127]);
    expect(encodeDecimal(10n ** 38n - 1n)).toHaveLength(16);
    expect(decodeSingleValue(DECIMAL, encodeDecimal(-(10n ** 37n)))).toBe(-(10n ** 37n));
  });

  test("numbers are little-endian, as in the spec", () => {
    expect([...encodeSingleValue(primitive("int"), 1)]).toEqual([1, 0, 0, 0]);
    expect([...encodeSingleValue(primitive("long"), -2n)]).toEqual([254, ...Array(7).fill(255)]);
    expect([...encodeSingleValue(primitive("boolean"), true)]).toEqual([1]);
  });

  test("decodes what was written before a promotion by its length", () => {
    expect(decodeSingleValue(primitive("long"), encodeSingleValue(primitive("int"), -5))).toBe(-5n);
    expect(decodeSingleValue(primitive("double"), encodeSingleValue(primitive("float"), 1.5))).toBe(
      1.5,
    );
    expect(
      decodeSingleValue(primitive("timestamp"), encodeSingleValue(primitive("date"), -1)),
    ).toBe(-86_400_000_000n);
  });

  test("bytes of another type are no value", () => {
    expect(decodeSingleValue(primitive("int"), Uint8Array.of(1, 2))).toBeNull();
    expect(decodeSingleValue(primitive("uuid"), Uint8Array.of(1))).toBeNull();
    expect(decodeSingleValue(DECIMAL, new Uint8Array())).toBeNull();
  });
});

test("order is by code point, unsigned bytes, and signed zero", () => {
  expect(compareSingleValues("\u{1F600}", "\uFF5E")).toBeGreaterThan(0);
  expect(compareSingleValues(Uint8Array.of(128), Uint8Array.of(127))).toBeGreaterThan(0);
  expect(compareSingleValues(-0, 0)).toBeLessThan(0);
  expect(compareSingleValues(Number.NaN, Number.POSITIVE_INFINITY)).toBeGreaterThan(0);
  expect(compareSingleValues(2n, 10n)).toBeLessThan(0);
});

describe("JSON", () => {
  test("is as in the spec's Appendix D, both ways", () => {
    const uuid = Uint8Array.from(Buffer.from("f79c3e09677c4bbda4793f349cb785e7", "hex"));
    const cases: readonly [Type, Parameters<typeof singleValueToJson>[1], unknown][] = [
      [primitive("date"), 17_486, "2017-11-16"],
      [primitive("date"), -1, "1969-12-31"],
      [primitive("time"), 81_068_123_456n, "22:31:08.123456"],
      [primitive("timestamp"), 1_510_871_468_123_456n, "2017-11-16T22:31:08.123456"],
      [primitive("timestamptz"), 1_510_871_468_123_456n, "2017-11-16T22:31:08.123456+00:00"],
      [primitive("uuid"), uuid, "f79c3e09-677c-4bbd-a479-3f349cb785e7"],
      [{ kind: "fixed", length: 4 }, Uint8Array.of(0, 1, 2, 255), "000102ff"],
      [DECIMAL, 1420n, "14.20"],
      [DECIMAL, -5n, "-0.05"],
      [primitive("long"), 34n, 34n],
    ];
    for (const [type, value, json] of cases) {
      const made = singleValueToJson(type, value);
      expect(made as unknown).toEqual(json); // parse: compared as data
      expect(singleValueFromJson(type, made)).toEqual(value);
    }
  });

  test("refuses what is no value of the type", () => {
    expect(() => singleValueFromJson(primitive("date"), "2017-02-30")).toThrow("is not a date");
    expect(() => singleValueFromJson(primitive("timestamptz"), "2017-11-16T00:00:00")).toThrow();
    expect(() => singleValueFromJson(DECIMAL, "1.2")).toThrow();
    expect(() => singleValueFromJson(primitive("int"), 2 ** 31)).toThrow();
  });
});
