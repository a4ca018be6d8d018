/** Partition specs from what a user wrote: names, ids, and what is refused before a table is made. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../../core/base/errors.ts";
import { freshSchema } from "../../../../core/table/evolution.ts";
import {
  fittingPartitions,
  nextSpec,
  partitionSpec,
  UNPARTITIONED,
} from "../../../../core/table/partition.ts";
import { primitive } from "../../../support/any-type.ts";

const SCHEMA = freshSchema(
  [
    { name: "id", type: primitive("long") },
    { name: "at", type: primitive("timestamptz") },
    { name: "day", type: primitive("date") },
    { name: "city", type: primitive("string") },
    { name: "at_day", type: primitive("string") },
    {
      name: "parts",
      type: { kind: "list", elementId: 0, elementRequired: false, element: primitive("long") },
    },
  ],
  new Set(),
);

test("names end in the transform, ids start at 1000", () => {
  const spec = partitionSpec(["hour(at)", "city", "bucket(16, id)", "truncate(2, city)"], SCHEMA);
  expect(
    spec.fields.map(
      (field) => `${field.fieldId} ${field.name} ${field.transform} ${field.sourceId}`,
    ),
  ).toEqual([
    "1000 at_hour hour 2",
    "1001 city identity 4",
    "1002 id_bucket bucket[16] 1",
    "1003 city_trunc truncate[2] 4",
  ]);
  expect(partitionSpec([], SCHEMA)).toBe(UNPARTITIONED);
});

test("what no table can have is refused by name", () => {
  const wrong = [
    ["nothing"],
    ["day(city)"],
    ["hour(day)"],
    ["truncate(4, at)"],
    ["parts"],
    ["city", "city"],
    ["bucket(4, id)", "bucket(8, id)"],
    ["day(at)"],
  ];
  for (const texts of wrong) expect(() => partitionSpec(texts, SCHEMA)).toThrow(LakeError);
});

test("a table's next spec takes up what it had, and numbers only what is new", () => {
  const first = partitionSpec(["hour(at)", "city"], SCHEMA);
  const second = nextSpec([first], ["city", "bucket(4, id)"], SCHEMA);
  expect(second).toEqual({
    specId: 1,
    fields: [
      { sourceId: 4, fieldId: 1001, name: "city", transform: "identity" },
      { sourceId: 1, fieldId: 1002, name: "id_bucket", transform: "bucket[4]" },
    ],
  });
  expect(nextSpec([first, second], ["hour(at)", "city"], SCHEMA)).toBe(first);
  expect(nextSpec([first, second], [], SCHEMA)).toEqual({ specId: 2, fields: [] });
  expect(nextSpec([first, second], ["bucket(4, id)", "city"], SCHEMA).specId).toBe(2);
});

test("what the columns do not have as they are is told apart, what is no column is thrown", () => {
  const asked = fittingPartitions(["day(city)", "city", "day(at)", "month(day)"], SCHEMA);
  expect(asked.fitting).toEqual(["city", "month(day)"]);
  expect(asked.unfit.map((error) => error.message)).toEqual([
    'partition "day(city)": city is string',
    'partition "day(at)" would be called at_day too',
  ]);
  expect(() => fittingPartitions(["city", "nothing"], SCHEMA)).toThrow('names no column "nothing"');
});
