/** Watermarks: the least of the inputs that are waited for, and which of them holds it back. */

import { expect, test } from "bun:test";
import { cursorFromText, cursorToText } from "../../../../core/model/cursor.ts";
import { isIdle, standingOf, watermarkOf } from "../../../../core/model/watermark.ts";

const input = (seenUs: bigint | null, delayUs = 0n, isIdle = false) => ({
  seenUs,
  delayUs,
  isIdle,
});

test("the watermark is the least of inputs that are waited for, each less its delay", () => {
  expect(watermarkOf([input(10n), input(20n, 15n)])).toBe(5n);
  expect(watermarkOf([input(-10n), input(20n)])).toBe(-10n);
  expect(watermarkOf([input(10n, 0n, true), input(20n)])).toBe(20n);
  expect(watermarkOf([])).toBeNull();
});

test("an input that has seen nothing holds all back, unless it is idle", () => {
  expect(watermarkOf([input(null), input(20n)])).toBeNull();
  expect(watermarkOf([input(null, 0n, true), input(20n)])).toBe(20n);
});

test("where all are idle nobody is waited for: the greatest counts", () => {
  expect(watermarkOf([input(10n, 0n, true), input(20n, 0n, true), input(null, 0n, true)])).toBe(
    20n,
  );
});

test("an input is idle once nothing came for its timeout, and never without one", () => {
  expect(isIdle({ idleTimeoutMs: 10, cameMs: 90 }, 99)).toBe(false);
  expect(isIdle({ idleTimeoutMs: 10, cameMs: 90 }, 100)).toBe(true);
  expect(isIdle({ idleTimeoutMs: 10, cameMs: null }, 0)).toBe(true);
  expect(isIdle({ idleTimeoutMs: null, cameMs: 0 }, 1e15)).toBe(false);
});

const state = {
  us: -7n,
  beforeUs: null,
  lateRows: 3n,
  inputs: [
    ["a", 10n, null],
    ["b", 5n, null],
    ["c", 1n, 10],
  ].map(([table, seenUs, idleTimeoutMs]) => ({
    ...{ table: String(table), column: "at", delayMs: 0, cameMs: 0 },
    ...{ seenUs: seenUs as bigint, idleTimeoutMs: idleTimeoutMs as number | null },
    ...{ futureRows: 2n, furthestUs: 2n ** 62n },
  })),
};

test("the input that holds a watermark back is named, and none that is idle", () => {
  expect(standingOf(state, 5).map(({ holdsBack }) => holdsBack)).toEqual([false, false, true]);
  expect(standingOf(state, 50).map(({ holdsBack }) => holdsBack)).toEqual([false, true, false]);
});

test("a cursor keeps where event time stands, times of any size", () => {
  const nowhere = { inputs: new Map(), moments: new Map(), restored: null, sequence: null };
  const text = cursorToText({ hash: "h", timezone: "UTC", ...nowhere, watermark: state });
  expect(cursorFromText(text)?.watermark).toEqual(state);
});
