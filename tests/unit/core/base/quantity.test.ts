/** Sizes and durations as people write them. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration, parseSize } from "../../../../core/base/quantity.ts";

test("parseSize tells MB from MiB", () => {
  const read = ["64MB", "1.5GiB", "4096", "4_096 kb", "0.5KiB", "12b"].map(parseSize);
  expect(read).toEqual([64e6, 1.5 * 2 ** 30, 4_096, 4_096e3, 512, 12]);
});

test("parseSize refuses other units and signs", () => {
  const texts = ["", "MB", "-1MB", "1XB", "1MB2", "9".repeat(20), "1,5GB"];
  expect(texts.map(parseSize)).toEqual(texts.map(() => null));
});

test("parseDuration reads every unit and sums of them", () => {
  const read = ["200ms", "2s", "5m", "2h", "14d", "1w", "1h30m", "1.5s", " 2 S ", "0"].map(
    parseDuration,
  );
  const hour = 3_600_000;
  const wanted = [
    200,
    2_000,
    300_000,
    2 * hour,
    336 * hour,
    168 * hour,
    1.5 * hour,
    1_500,
    2_000,
    0,
  ];
  expect(read).toEqual(wanted);
});

test("parseDuration refuses what has no unit, a wrong order or anything else", () => {
  const read = ["", "5", "s", "5 years", "1m1h", "1h1h", "-5s", "1e3s", "∞", `${"9".repeat(30)}d`];
  expect(read.map(parseDuration)).toEqual(read.map(() => null));
});

test("formatDuration is read back exactly", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (durationMs) => {
      expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
    }),
  );
});
