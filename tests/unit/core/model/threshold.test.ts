/** Thresholds: how they are written, and what so many rows come to. */

import { expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import { statusOf, thresholdFrom } from "../../../../core/model/threshold.ts";

test("a threshold is a sign and a count", () => {
  const cases = ["> 10", ">=2", "!= 0", "<>0", "==3", "10", "> x", "=> 1", "> -1", ""];
  const wanted = [">", ">=", "!=", "!=", "=", null, null, null, null, null];
  const found: readonly (string | null)[] = cases.map((text) => thresholdFrom(text)?.op ?? null);
  expect(found).toEqual(wanted);
});

test("rows pass, warn or fail by their thresholds", () => {
  const over = (text: string) => must(thresholdFrom(text), text);
  const cases = [
    [0n, true, {}, "pass"],
    [1n, true, {}, "fail"],
    [1n, false, {}, "warn"],
    [3n, true, { errorIf: over("> 3") }, "warn"],
    [4n, true, { errorIf: over("> 3") }, "fail"],
    [4n, false, { errorIf: over("> 3") }, "fail"],
    [4n, false, { warnIf: over("> 4") }, "pass"],
    [5n, false, { warnIf: over("> 4") }, "warn"],
    [2n, true, { warnIf: over("> 2"), errorIf: over(">= 5") }, "pass"],
    [0n, true, { errorIf: over("= 0") }, "fail"],
    [7n, true, { errorIf: over("< 8"), warnIf: over("<= 8") }, "fail"],
  ] as const;
  for (const [rows, mayFail, thresholds, wanted] of cases) {
    expect([rows, wanted]).toEqual([rows, statusOf(rows, mayFail, thresholds)]);
  }
});
