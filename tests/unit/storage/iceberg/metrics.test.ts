/** Bounds as they are recorded: cut, raised, left out. */

import { describe, expect, test } from "bun:test";
import type { ColumnMetrics, Schema } from "../../../../core/table/types.ts";
import {
  floatBound,
  limitMetrics,
  metricsModes,
  truncateLower,
  truncateUpper,
} from "../../../../storage/iceberg/metrics.ts";
import { primitive } from "./memory-files.ts";

const STRING = primitive("string");
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : new TextDecoder().decode(bytes);

describe("text bounds", () => {
  test("are cut by code points and raised", () => {
    expect(read(truncateLower(STRING, text("a😀bc"), 2))).toBe("a😀");
    expect(read(truncateUpper(STRING, text("a😀bc"), 2))).toBe("a😁");
    expect(read(truncateUpper(STRING, text("ab"), 2))).toBe("ab");
    expect(read(truncateUpper(STRING, text("a\u{10ffff}x"), 2))).toBe("b");
    expect(read(truncateUpper(STRING, text("\u{d7ff}x"), 1))).toBe("\u{e000}");
    expect(truncateUpper(STRING, text("\u{10ffff}x"), 1)).toBeNull();
  });

  test("of bytes likewise", () => {
    const binary = primitive("binary");
    expect([...(truncateUpper(binary, Uint8Array.of(1, 255, 3), 2) ?? [])]).toEqual([2]);
    expect(truncateUpper(binary, Uint8Array.of(255, 255, 3), 2)).toBeNull();
  });

  test("of numbers are never cut", () => {
    const long = new Uint8Array(8).fill(3);
    expect(truncateUpper(primitive("long"), long, 2)).toBe(long);
  });
});

test("NaN is no bound, and a zero is both zeros", () => {
  expect(floatBound(Number.NaN, "lower")).toBeNull();
  expect(Object.is(floatBound(0, "lower"), -0)).toBe(true);
  expect(Object.is(floatBound(-0, "upper"), 0)).toBe(true);
});

describe("modes", () => {
  const schema: Schema = {
    schemaId: 0,
    fields: Array.from({ length: 120 }, (_, index) => ({
      id: index + 1,
      name: `c${index}`,
      required: false,
      type: STRING,
    })),
  };
  const whole: ColumnMetrics = {
    sizeBytes: 1n,
    valueCount: 2n,
    nullCount: 0n,
    lower: text("a".repeat(20)),
    upper: text("b".repeat(20)),
  };

  test("by default the first hundred columns have bounds of sixteen characters", () => {
    const limited = limitMetrics(
      new Map([
        [1, whole],
        [101, whole],
      ]),
      schema,
      {},
    );
    expect(read(limited.get(1)?.lower ?? null)).toBe("a".repeat(16));
    expect(read(limited.get(1)?.upper ?? null)).toBe(`${"b".repeat(15)}c`);
    expect(limited.has(101)).toBe(false);
  });

  test("properties rule", () => {
    const properties = {
      "write.metadata.metrics.default": "counts",
      "write.metadata.metrics.column.c1": "full",
      "write.metadata.metrics.column.c2": "truncate(3)",
    };
    const limited = limitMetrics(
      new Map([
        [1, whole],
        [2, whole],
        [3, whole],
      ]),
      schema,
      properties,
    );
    expect(limited.get(1)).toEqual({ sizeBytes: 1n, valueCount: 2n, nullCount: 0n });
    expect(limited.get(2)).toEqual(whole);
    expect(read(limited.get(3)?.upper ?? null)).toBe("bbc");
    expect(metricsModes(schema, properties).get(120)).toEqual({ kind: "counts" });
  });
});
