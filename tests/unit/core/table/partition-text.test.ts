/** Partition texts: every transform, both orders of the number, and what is none. */

import { expect, test } from "bun:test";
import { parsePartitionText } from "../../../../core/table/partition.ts";

function read(text: string): string {
  const result = parsePartitionText(text);
  return result.kind === "invalid"
    ? "invalid"
    : `${result.partition.transform} of ${result.partition.column}`;
}

test("transforms are read as Spark, Trino and people write them", () => {
  const texts = [
    "day(_ingested_at)",
    "days(ts)",
    "bucket(16, id)",
    "bucket(id, 16)",
    '"my col"',
    "truncate(4, name)",
  ];
  expect(texts.map(read)).toEqual([
    "day of _ingested_at",
    "day of ts",
    "bucket[16] of id",
    "bucket[16] of id",
    "identity of my col",
    "truncate[4] of name",
  ]);
});

test("what is no transform is refused", () => {
  const texts = ["", "week(ts)", "bucket(id)", "bucket(0, id)", "day(4, ts)", "day()", "lower(x"];
  expect(texts.map(read)).toEqual(texts.map(() => "invalid"));
});
