/** What folders of a path say. */

import { expect, test } from "bun:test";
import { folderValues, partitionOf } from "../../../../core/ingest/folders.ts";

const SAID: readonly (readonly [string, readonly (readonly [string, string | null])[]])[] = [
  ["drops/s/a.csv", []],
  ["drops/s/day=1/a=b.csv", [["day", "1"]]],
  ["drops/s/=x/a.csv", []],
  ["drops/s/k=a=b/a.csv", [["k", "a=b"]]],
  [
    "drops/s/k=/x=__HIVE_DEFAULT_PARTITION__/a.csv",
    [
      ["k", null],
      ["x", null],
    ],
  ],
  ["drops/s/the%20day=S%C3%A3o%2FB/a.csv", [["the day", "São/B"]]],
  ["drops/s/k=100%/a.csv", [["k", "100%"]]],
  ["drops/s/k=%ff/a.csv", [["k", "%ff"]]],
  [
    "k=1/k=2/a.csv",
    [
      ["k", "1"],
      ["k", "2"],
    ],
  ],
];

test("folderValues says keys and values as they were before they were escaped", () => {
  const found = SAID.map(([file]) => folderValues(file).map(({ name, text }) => [name, text]));
  expect(JSON.stringify(found)).toBe(JSON.stringify(SAID.map(([, said]) => said)));
});

test("partitionOf keeps folders as they stand, so that no two of them are one", () => {
  const files = ["s/k=%41/a", "s/k=A/a", "s/k=A/b", "s/x/a"];
  expect(files.map(partitionOf)).toEqual(["k=%41", "k=A", "k=A", ""]);
});
