/** Partition folders. */

import { describe, expect, test } from "bun:test";
import { partitionSpec } from "../../../../core/table/partition.ts";
import type { PartitionValue, Schema } from "../../../../core/table/types.ts";
import { partitionColumns, partitionPath } from "../../../../storage/iceberg/partition.ts";
import { primitive } from "./memory-files.ts";

const SCHEMA: Schema = {
  schemaId: 0,
  fields: [
    { id: 1, name: "id", required: true, type: primitive("long") },
    { id: 2, name: "name", required: false, type: primitive("string") },
    { id: 3, name: "_ingested_at", required: false, type: primitive("timestamptz") },
    { id: 4, name: "id_bucket", required: false, type: primitive("int") },
  ],
};

function path(texts: readonly string[], values: readonly PartitionValue[]): string {
  return partitionPath(partitionColumns(partitionSpec(texts, SCHEMA), [SCHEMA]), values);
}

describe("folder", () => {
  test("is encoded as URLEncoder does", () => {
    expect(path(["name"], ["a b/c%*~é"])).toBe("name=a+b%2Fc%25*%7E%C3%A9");
    expect(path(["name", "day(_ingested_at)"], [null, 17_486])).toBe(
      "name=null/_ingested_at_day=2017-11-16",
    );
    expect(path(["hour(_ingested_at)", "month(_ingested_at)"], [-1, -1])).toBe(
      "_ingested_at_hour=1969-12-31-23/_ingested_at_month=1969-12",
    );
  });

  test("fits a file system, and different values stay apart", () => {
    const [a, b] = [`${"é".repeat(200)}a`, `${"é".repeat(200)}b`];
    const first = path(["name"], [a]);
    expect(first.length).toBeLessThanOrEqual(255);
    expect(path(["name"], [b])).not.toBe(first);
    expect(first).not.toMatch(/%[0-9A-F]?(-|$)/);
  });
});
