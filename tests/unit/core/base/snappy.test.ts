/** Blocks of Snappy: what is broken ends where it is found. */

import { expect, test } from "bun:test";
import { snappyBlock } from "../../../../core/base/snappy.ts";

function plain(packed: readonly number[], bytesMax: number): string | null {
  const bytes = snappyBlock(Uint8Array.from(packed), bytesMax);
  return bytes === null ? null : Buffer.from(bytes).toString();
}

const TEXT = (text: string): number[] => [...Buffer.from(text)];

test("snappyBlock copies literals, and what stood before, also over itself", () => {
  const packed = [12, 2 << 2, ...TEXT("abc"), 0b000_001_01, 3, (3 << 2) | 2, 1, 0];
  expect(plain(packed, 12)).toBe("abcabcabbbbb");
});

test("snappyBlock takes a long literal by the length behind its tag", () => {
  const text = "lake ".repeat(60);
  const packed = [0xac, 2, 61 << 2, 299 & 255, 299 >> 8, ...TEXT(text)];
  expect(plain(packed, 300)).toBe(text);
});

test("snappyBlock makes nothing of a block that is larger than it may be", () => {
  expect(plain([12, 2 << 2, ...TEXT("abc")], 11)).toBeNull();
});

const BROKEN: readonly (readonly [why: string, packed: readonly number[]])[] = [
  ["a literal that is cut", [4, 3 << 2, ...TEXT("abc")]],
  ["a literal of more than there can be", [4, 63 << 2, 255, 255, 255, 127, ...TEXT("abcd")]],
  ["more than it says", [3, 4 << 2, ...TEXT("abcde")]],
  ["less than it says", [4, 2 << 2, ...TEXT("abc")]],
  ["a copy from before its begin", [4, 0, ...TEXT("a"), 0b000_000_01, 2]],
  ["a copy of nothing", [4, 0, ...TEXT("a"), 0b000_000_01, 0]],
];

for (const [why, packed] of BROKEN) {
  test(`snappyBlock refuses ${why}`, () => {
    expect(() => plain(packed, 4)).toThrow(RangeError);
  });
}
