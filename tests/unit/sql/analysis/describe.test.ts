/** The columns of a query: names, types, and what is refused. */

import { expect, test } from "bun:test";
import { describe } from "../../../../sql/analysis/describe.ts";
import { icebergType, isLossless, typeText } from "../../../../sql/duckdb/types.ts";
import { Bench, scanBinding, scanOf, schemaOf, simpleType } from "../../../support/lake-scan.ts";

async function columns(
  bench: Bench,
  sql: string,
  bindings = [] as ReturnType<typeof scanBinding>[],
) {
  const described = await describe(bench.context(), {
    sql,
    bindings,
    timezone: "UTC",
    runTimeMs: 0,
    driver: null,
  });
  return described.columns.map((column) => `${column.name}: ${typeText(column.type)}`);
}

test("types come as Iceberg's, small and unsigned ones widened", async () => {
  await using bench = await Bench.open();
  const sql = `SELECT 1::TINYINT a, 1::UINTEGER b, 1::UBIGINT c, 1::HUGEINT d, 1.5::FLOAT e, 'x'::ENUM('x') f,
    '{}'::JSON g, {'a b': 1, c: [1.25::DECIMAL(5,2)]} h, MAP {'k': DATE '2026-01-01'} i, [1, 2]::INT[2] j,
    now() k, TIMESTAMP_S '2026-01-01 00:00:00' l, uuid() m, ''::BLOB n, TIME '12:00' o, true p, count(*) AS q`;
  expect(await columns(bench, sql)).toEqual([
    "a: int",
    "b: long",
    "c: decimal(20,0)",
    "d: decimal(38,0)",
    "e: float",
    "f: string",
    "g: string",
    "h: struct<a b: int, c: list<decimal(5,2)>>",
    "i: map<string, date>",
    "j: list<int>",
    "k: timestamptz",
    "l: timestamp",
    "m: uuid",
    "n: binary",
    "o: time",
    "p: boolean",
    "q: long",
  ]);
});

test("types that would lose something say which cast to write", async () => {
  await using bench = await Bench.open();
  for (const [sql, cast] of [
    ["SELECT INTERVAL 1 DAY AS x", '"x"::VARCHAR'],
    ["SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS x", '"x"::TIMESTAMP'],
    ["SELECT TIMETZ '12:00+01' AS x", '"x"::VARCHAR'],
    ["SELECT [INTERVAL 1 DAY] AS x", '"x"::VARCHAR'],
  ] as const) {
    expect(columns(bench, sql)).rejects.toMatchObject({
      code: "schema",
      hint: expect.stringContaining(cast),
    });
  }
});

test("two columns of one name are refused, unknown columns are pointed at", async () => {
  await using bench = await Bench.open();
  const scan = scanOf("bronze.t", schemaOf({ id: "long", _source_file: "string" }), []);
  const binding = scanBinding("bronze.t", scan);
  expect(await columns(bench, "SELECT *, 1 AS one FROM bronze.t", [binding])).toEqual([
    "id: long",
    "one: int",
  ]);
  expect(columns(bench, "SELECT id, ID FROM bronze.t", [binding])).rejects.toMatchObject({
    code: "sql",
    message: "the query gives two columns called id",
  });
  expect(columns(bench, "SELECT iid FROM bronze.t", [binding])).rejects.toMatchObject({
    code: "sql",
    place: { line: 1, column: 8 },
  });
});

test("widening is lossless, narrowing is not", () => {
  const lossless = (from: string, to: string) => isLossless(icebergType(from, "c"), simpleType(to));
  expect(lossless("INTEGER", "long")).toBe(true);
  expect(lossless("BIGINT", "int")).toBe(false);
  expect(lossless("BIGINT", "double")).toBe(false);
  expect(lossless("DOUBLE", "decimal(10,2)")).toBe(false);
  expect(lossless("DECIMAL(5,2)", "decimal(10,2)")).toBe(true);
  expect(lossless("DECIMAL(5,3)", "decimal(10,2)")).toBe(false);
  expect(lossless("INTEGER", "decimal(12,2)")).toBe(true);
  expect(lossless("TIMESTAMP", "timestamptz")).toBe(false);
});
