/** Runs of small numbers: no broken one is longer than what its page has left. */

import { expect, test } from "bun:test";
import { readRuns } from "../../../../../sql/decode/parquet/runs.ts";

function read(bytes: readonly number[], width: number, count: number): number[] {
  return [...readRuns(Uint8Array.from(bytes), width, count)];
}

test("readRuns repeats a number, and reads eight of them side by side", () => {
  expect(read([6, 2, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010], 3, 11)).toEqual([
    2, 2, 2, 0, 1, 2, 3, 4, 5, 6, 7,
  ]);
});

test("readRuns reads numbers of 1 to 32 bits", () => {
  for (let width = 1; width <= 32; width++) {
    const numbers = Array.from(
      { length: 8 },
      (_, index) => (2 ** width - 1 - index * 7) % 2 ** width,
    );
    const wanted = numbers.map((number) => Math.abs(number));
    const all = wanted.reduce((sum, each, at) => sum + (BigInt(each) << BigInt(at * width)), 0n);
    const bytes = Array.from({ length: width }, (_, at) => Number((all >> BigInt(8 * at)) & 255n));
    expect(read([3, ...bytes], width, 8)).toEqual(wanted);
  }
});

test("readRuns takes no more of a group than is wanted, nor bytes that are cut behind it", () => {
  expect(read([5, 0xff], 1, 7)).toEqual([1, 1, 1, 1, 1, 1, 1]);
});

test("readRuns reads nothing where all numbers have no bits", () => {
  expect(read([], 0, 3)).toEqual([0, 0, 0]);
});

const BROKEN: readonly (readonly [why: string, bytes: readonly number[], width: number])[] = [
  ["a repeated number that goes on beyond the page", [18, 1], 1],
  ["too few numbers", [4, 1], 1],
  ["a cut group", [5], 1],
  ["a number of more bits than all", [16, 2], 1],
  ["a width that nobody writes", [16, 0], 33],
  ["a length that is no number", [255, 255, 255, 255, 255, 255, 255, 255, 255, 1], 1],
];

for (const [why, bytes, width] of BROKEN) {
  test(`readRuns refuses ${why}`, () => {
    expect(() => read(bytes, width, 8)).toThrow(RangeError);
  });
}
