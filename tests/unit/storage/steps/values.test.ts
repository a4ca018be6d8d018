/** Values of a step in TypeScript: what it is given and gives back is the same value, and what is none is refused. */

import { expect, test } from "bun:test";
import { RecordBatch } from "apache-arrow";
import { freshSchema } from "../../../../core/table/evolution.ts";
import type { Type } from "../../../../core/table/types.ts";
import { rowsToArrow } from "../../../../storage/parquet/columns.ts";
import { storedValue, valueReaders, wholeVector } from "../../../../storage/steps/values.ts";

const TIMESTAMP: Type = { kind: "primitive", name: "timestamp" };
const DATE: Type = { kind: "primitive", name: "date" };

/** A stored value as a step sees it. */
function seen(value: bigint | number, type: Type): unknown {
  const table = rowsToArrow(freshSchema([{ name: "v", type }], new Set()), [{ v: value }]);
  const [batch] = table.batches;
  if (!(batch instanceof RecordBatch)) throw new Error("no batch");
  const [reader] = valueReaders(batch.schema);
  return reader?.read(wholeVector(batch.getChildAt(0))?.get(0));
}

const MOMENTS = [
  "1969-12-31 23:59:59.999999",
  "0001-01-01 00:00:00",
  "2024-02-29 12:00:00.000001",
  "9999-12-31 23:59:59.999999",
];

test("timestamps: the very microsecond, also far away", () => {
  for (const text of MOMENTS) {
    const micros = storedValue(text, TIMESTAMP);
    expect(seen(micros as bigint, TIMESTAMP)).toBe(text); // parse: a timestamp
  }
});

test("dates: before 1970 and at the ends", () => {
  for (const text of ["0001-01-01", "1582-10-15", "1969-12-31", "9999-12-31"]) {
    expect(seen(storedValue(text, DATE) as number, DATE)).toBe(text); // parse: a date
  }
});

test("days that no calendar has are no values", () => {
  const given = ["2024-02-30", "2023-02-29", "2024-13-01"];
  expect(given.map((text) => storedValue(text, DATE))).toEqual(given.map(() => undefined));
  const times = given.map((text) => storedValue(`${text} 00:00:00`, TIMESTAMP));
  expect(times).toEqual(given.map(() => undefined));
  expect(storedValue(new Date(Number.NaN), TIMESTAMP)).toBeUndefined();
});
