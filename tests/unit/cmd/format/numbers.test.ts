/** Numbers, durations, sizes and ages as people read them. */

import { expect, test } from "bun:test";
import { aboutCount, agoText, bytesText, durationText } from "../../../../cmd/format/numbers.ts";
import { counted, thousands } from "../../../../core/base/quantity.ts";

test("counts", () => {
  expect([0, 999, 1000, 1204110, -1234].map(thousands)).toEqual([
    "0",
    "999",
    "1,000",
    "1,204,110",
    "-1,234",
  ]);
  expect(thousands(12345678901234567890n)).toBe("12,345,678,901,234,567,890");
  expect([0, 1, 2].map((n) => counted(n, "row"))).toEqual(["0 rows", "1 row", "2 rows"]);
  expect([31204, 1_200_000, 14_190_000, 999_999, 3e9].map(aboutCount)).toEqual([
    "31,204",
    "1.2M",
    "14.2M",
    "1M",
    "3B",
  ]);
});

test("durations", () => {
  expect(
    [0.42, 2, 14.2, 830, 3100, 12_080, 59_999, 134_000, 8_040_000, 360_000_000].map(durationText),
  ).toEqual([
    "0.4 ms",
    "2 ms",
    "14 ms",
    "830 ms",
    "3.10 s",
    "12.1 s",
    "1 m",
    "2 m 14 s",
    "2 h 14 m",
    "4 d 4 h",
  ]);
});

test("sizes and ages", () => {
  expect([812, 999, 1000, 41_234_567, 1.1e9].map(bytesText)).toEqual([
    "812 B",
    "999 B",
    "1 KB",
    "41 MB",
    "1.1 GB",
  ]);
  expect([200, 4000, 180_000, 7_300_000, 2e8].map(agoText)).toEqual([
    "just now",
    "4 s ago",
    "3 min ago",
    "2 h ago",
    "2 d ago",
  ]);
});
