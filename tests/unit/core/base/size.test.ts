/** Sizes: powers of ten, powers of two, and what is none. */

import { expect, test } from "bun:test";
import { parseSize } from "../../../../core/base/size.ts";

test("parseSize tells MB from MiB", () => {
  const read = ["64MB", "1.5GiB", "4096", "4_096 kb", "0.5KiB", "12b"].map(parseSize);
  expect(read).toEqual([64e6, 1.5 * 2 ** 30, 4_096, 4_096e3, 512, 12]);
});

test("parseSize refuses other units and signs", () => {
  const texts = ["", "MB", "-1MB", "1XB", "1MB2", "9".repeat(20), "1,5GB"];
  expect(texts.map(parseSize)).toEqual(texts.map(() => null));
});
