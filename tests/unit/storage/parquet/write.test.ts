/** Rows born in JavaScript as Parquet: every type at its edges is read back by another reader, ids included. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { parquetMetadataAsync } from "hyparquet";
import type { Row } from "../../../../core/ports.ts";
import type { Schema, Type } from "../../../../core/table/types.ts";
import { rowFiles } from "../../../../storage/parquet/write.ts";
import { primitive } from "../../../support/any-type.ts";
import { tempFolder } from "../../../support/temp-folder.ts";
import { openTestDuckDB } from "../../../support/test-lake.ts";

const TYPES: Readonly<Record<string, Type>> = {
  text: primitive("string"),
  flag: primitive("boolean"),
  small: primitive("int"),
  big: primitive("long"),
  single: primitive("float"),
  real: primitive("double"),
  day: primitive("date"),
  at: primitive("timestamp"),
  instant: primitive("timestamptz"),
  exact: { kind: "decimal", precision: 38, scale: 4 },
};
const SCHEMA: Schema = {
  schemaId: 0,
  fields: Object.entries(TYPES).map(([name, type], index) => ({
    id: index + 11,
    name,
    required: false,
    type,
  })),
};
const NULLS: Row = Object.fromEntries(Object.keys(TYPES).map((name) => [name, null]));
const ROWS: readonly Row[] = [
  {
    text: "Bø \u{1F600} \u0000",
    flag: true,
    small: -(2 ** 31),
    big: 2n ** 63n - 1n,
    single: 1.5,
    real: Number.MIN_VALUE,
    day: -719_162,
    at: -1n,
    instant: 1_763_600_000_000_001n,
    exact: -(10n ** 38n) + 1n,
  },
  NULLS,
  { ...NULLS, text: "", flag: false, big: -(2n ** 63n), exact: 10n ** 38n - 1n },
  {},
];

test("values, NULLs and field ids", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/rows.parquet`;
  const staged = await rowFiles.write(path, SCHEMA, ROWS);
  expect(staged.rows).toBe(4n);
  const bytes = readFileSync(path);
  expect(staged.sizeBytes).toBe(BigInt(bytes.length));
  const metadata = await parquetMetadataAsync({
    byteLength: bytes.length,
    slice: (start, end) => Uint8Array.from(bytes.subarray(start, end)).buffer,
  });
  expect(metadata.schema.slice(1).map((element) => element.field_id)).toEqual(
    SCHEMA.fields.map((field) => field.id),
  );
  const db = await openTestDuckDB();
  const result = await db.rows(
    `SELECT text, flag, small, big::VARCHAR, single, real::VARCHAR, day::VARCHAR, "at"::VARCHAR,
       epoch_us(instant)::VARCHAR, exact::VARCHAR FROM read_parquet('${path}')`,
  );
  await db.close();
  expect(result.map((row) => Object.values(row))).toEqual([
    [
      "Bø \u{1F600} \u0000",
      true,
      -2147483648,
      "9223372036854775807",
      1.5,
      "5e-324",
      "0001-01-01",
      "1969-12-31 23:59:59.999999",
      "1763600000000001",
      "-9999999999999999999999999999999999.9999",
    ],
    Array(10).fill(null),
    [
      "",
      false,
      null,
      "-9223372036854775808",
      null,
      null,
      null,
      null,
      null,
      "9999999999999999999999999999999999.9999",
    ],
    Array(10).fill(null),
  ]);
});

test("no rows are a file too; a name that is taken and types without a form are refused", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/none.parquet`;
  expect((await rowFiles.write(path, SCHEMA, [])).rows).toBe(0n);
  expect(rowFiles.write(path, SCHEMA, [])).rejects.toThrow("cannot write");
  const fields = [{ id: 1, name: "b", required: false, type: primitive("binary") }];
  const binary: Schema = { schemaId: 0, fields };
  expect(rowFiles.write(`${path}2`, binary, [{ b: null }])).rejects.toThrow("binary");
});
