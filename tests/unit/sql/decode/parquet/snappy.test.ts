/** Snappy blocks of Parquet pages: what is broken ends where it is found. */

import { expect, test } from "bun:test";
import { snappyBlock } from "../../../../../sql/decode/parquet/snappy.ts";

const TEXT = (text: string): number[] => [...Buffer.from(text)];

test("snappyBlock copies literals, and what stood before, also over itself", () => {
  const packed = [12, 2 << 2, ...TEXT("abc"), 0b000_001_01, 3, (3 << 2) | 2, 1, 0];
  expect(Buffer.from(snappyBlock(Uint8Array.from(packed), 12)).toString()).toBe("abcabcabbbbb");
});

test("snappyBlock takes a long literal by the length behind its tag", () => {
  const text = "lake ".repeat(60);
  const packed = [0xac, 2, 61 << 2, 299 & 255, 299 >> 8, ...TEXT(text)];
  expect(Buffer.from(snappyBlock(Uint8Array.from(packed), 300)).toString()).toBe(text);
});

const BROKEN: readonly (readonly [why: string, packed: readonly number[]])[] = [
  ["another length than the page's", [3, 2 << 2, ...TEXT("abc")]],
  ["a literal that is cut", [4, 3 << 2, ...TEXT("abc")]],
  ["a literal of more than there can be", [4, 63 << 2, 255, 255, 255, 127, ...TEXT("abcd")]],
  ["more than it says", [4, 4 << 2, ...TEXT("abcde")]],
  ["less than it says", [4, 2 << 2, ...TEXT("abc")]],
  ["a copy from before its begin", [4, 0, ...TEXT("a"), 0b000_000_01, 2]],
  ["a copy of nothing", [5, 0, ...TEXT("a"), 0b000_000_01, 0]],
];

for (const [why, packed] of BROKEN) {
  test(`snappyBlock refuses ${why}`, () => {
    expect(() => snappyBlock(Uint8Array.from(packed), 4)).toThrow(RangeError);
  });
}
