/** Cursors as texts: which is the greater, and what is some time before in the same form. */

import { expect, test } from "bun:test";
import { earlier, greater, isLess } from "../../../../storage/sources/cursor.ts";

test.each([
  ["2026-11-01 10:00:00", 3_600_000, "2026-11-01 09:00:00.000"],
  ["2026-11-01 10:00:00.123456+00", 60_000, "2026-11-01 09:59:00.000+00"],
  ["2026-11-01T10:00:00Z", 1, "2026-11-01T09:59:59.999Z"],
  ["2026-11-01T10:00:00+05:30", 60_000, "2026-11-01T09:59:00.000+05:30"],
  ["2026-11-01 10:00", 60_000, "2026-11-01 09:59:00.000"],
  ["2026-11-01", 86_400_000, "2026-10-31"],
  ["1764000000", 1_500, "1763999998"],
  ["1764000000123", 1_500, "1763999998623"],
  ["01JDKX", 60_000, "01JDKX"],
  ["2026-11-01 10:00:00.5", 0, "2026-11-01 10:00:00.5"],
])("%s, %d ms before, is %s wherever the machine is", (mark, byMs, wanted) => {
  expect(earlier(mark, byMs)).toBe(wanted);
});

test("numbers are compared as numbers, of any size, and instants of one form as texts", () => {
  expect(isLess("9", "10")).toBe(true);
  expect(isLess("9007199254740993", "9007199254740992")).toBe(false);
  expect(isLess("1.5", "1.25")).toBe(false);
  expect(isLess("2026-11-01 10:00:00", "2026-11-01 10:00:00.5")).toBe(true);
  expect(greater(null, "3")).toBe("3");
  expect(greater("12", "3")).toBe("12");
});
