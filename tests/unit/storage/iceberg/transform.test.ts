/** Partition transforms against the spec's examples. */

import { describe, expect, test } from "bun:test";
import type { PartitionValue, Type } from "../../../../core/table/types.ts";
import {
  applyTransform,
  bucketHash,
  parseTransform,
  transformResultType,
  transformText,
} from "../../../../storage/iceberg/partition.ts";
import { civilDate, dayNumber, timestampText } from "../../../../storage/iceberg/single-value.ts";
import { primitive } from "./memory-files.ts";

const DATE_2017 = dayNumber({ year: 2017, month: 11, day: 16 });
const TIME = ((22n * 60n + 31n) * 60n + 8n) * 1_000_000n;
const TIMESTAMP = BigInt(DATE_2017) * 86_400_000_000n + TIME;

function apply(text: string, type: Type, value: PartitionValue): PartitionValue {
  return applyTransform(parseTransform(text), type, value);
}

describe("bucket", () => {
  test("hashes as the spec's Appendix B does", () => {
    const decimal: Type = { kind: "decimal", precision: 9, scale: 2 };
    const uuid = Uint8Array.from(Buffer.from("f79c3e09677c4bbda4793f349cb785e7", "hex"));
    expect(bucketHash(primitive("int"), 34)).toBe(2017239379);
    expect(bucketHash(primitive("long"), 34n)).toBe(2017239379);
    expect(bucketHash(decimal, 1420n)).toBe(-500754589);
    expect(bucketHash(primitive("date"), DATE_2017)).toBe(-653330422);
    expect(bucketHash(primitive("time"), TIME)).toBe(-662762989);
    expect(bucketHash(primitive("timestamp"), TIMESTAMP)).toBe(-2047944441);
    expect(bucketHash(primitive("timestamptz"), TIMESTAMP + 1n)).toBe(-1207196810);
    expect(bucketHash(primitive("string"), "iceberg")).toBe(1210000089);
    expect(bucketHash(primitive("uuid"), uuid)).toBe(1488055340);
    expect(bucketHash(primitive("binary"), Uint8Array.of(0, 1, 2, 3))).toBe(-188683207);
  });

  test("is the hash without its sign, modulo the count", () => {
    expect(apply("bucket[16]", primitive("long"), 34n)).toBe(2017239379 % 16);
    expect(apply("bucket[100]", primitive("date"), DATE_2017)).toBe(
      (-653330422 & 0x7fffffff) % 100,
    );
    expect(apply("bucket[16]", primitive("long"), null)).toBeNull();
  });
});

describe("truncate", () => {
  test("floors negative numbers", () => {
    expect(apply("truncate[10]", primitive("int"), -1)).toBe(-10);
    expect(apply("truncate[10]", primitive("long"), -11n)).toBe(-20n);
    expect(apply("truncate[50]", { kind: "decimal", precision: 9, scale: 2 }, 1065n)).toBe(1050n);
  });

  test("counts code points, not UTF-16 units", () => {
    expect(apply("truncate[3]", primitive("string"), "a😀b😀")).toBe("a😀b");
    expect(apply("truncate[3]", primitive("string"), "ab")).toBe("ab");
  });
});

describe("time", () => {
  test("floors before 1970", () => {
    const before = -1n;
    expect(apply("year", primitive("timestamp"), before)).toBe(-1);
    expect(apply("month", primitive("timestamp"), before)).toBe(-1);
    expect(apply("day", primitive("timestamp"), before)).toBe(-1);
    expect(apply("hour", primitive("timestamp"), before)).toBe(-1);
    expect(apply("month", primitive("date"), DATE_2017)).toBe(47 * 12 + 10);
    expect(apply("year", primitive("date"), DATE_2017)).toBe(47);
  });

  test("the calendar is its own inverse over ten thousand years", () => {
    for (let day = -3_000_000; day < 3_000_000; day += 997) {
      expect(dayNumber(civilDate(day))).toBe(day);
    }
    expect(timestampText(TIMESTAMP)).toBe("2017-11-16T22:31:08");
    expect(timestampText(-1n)).toBe("1969-12-31T23:59:59.999999");
  });
});

test("spellings round trip, and what is not known stays as it is", () => {
  for (const text of [
    "identity",
    "bucket[16]",
    "truncate[4]",
    "day",
    "void",
    "zorder[a]",
    "bucket[0]",
  ]) {
    expect(transformText(parseTransform(text))).toBe(text);
  }
  expect(parseTransform("zorder[a]").kind).toBe("unknown");
  expect(transformResultType(parseTransform("day"), primitive("timestamp"))).toEqual(
    primitive("date"),
  );
  expect(() => apply("zorder[a]", primitive("int"), 1)).toThrow(/zorder/);
  expect(apply("void", primitive("int"), 1)).toBeNull();
});
