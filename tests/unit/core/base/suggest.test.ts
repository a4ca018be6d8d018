/** Suggestions: typing mistakes are near, other words are not. */

import { expect, test } from "bun:test";
import {
  editDistance,
  nearestWord,
  nearestWords,
  suggestion,
} from "../../../../core/base/suggest.ts";

test("editDistance counts a swap of neighbours once", () => {
  expect([
    editDistance("fromat", "format"),
    editDistance("", "abc"),
    editDistance("kitten", "sitting"),
  ]).toEqual([1, 3, 3]);
});

test("nearestWords puts the nearest first and leaves strangers out", () => {
  const known = ["account", "amounts", "amount", "city"];
  expect([nearestWords("amounr", known), nearestWords("amuonrs", known)]).toEqual([
    ["amount"],
    ["amounts"],
  ]);
});

test("nearestWord knows the right layer for the right last name", () => {
  expect(nearestWord("bronze.customers", ["silver.customers", "bronze.orders"])).toBe(
    "silver.customers",
  );
});

test("suggestion lists what is known when nothing is near", () => {
  expect(suggestion("zzz", ["path", "into"], "keys here")).toBe("known keys here: path, into");
});
