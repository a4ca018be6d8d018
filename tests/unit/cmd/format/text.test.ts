/** Every cell prints as DuckDB itself casts it: the oracle is the engine. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { cellText } from "../../../../cmd/format/text.ts";
import { resultFromDuckDB } from "../../../../sql/query/result.ts";

let connection: DuckDBConnection;

beforeAll(async () => {
  const instance = await DuckDBInstance.create(":memory:");
  connection = await instance.connect();
});
afterAll(() => connection.closeSync());

async function ours(expression: string, values: string[], timezone: string) {
  const result = resultFromDuckDB(await connection.stream(`select ${expression}`, values));
  for await (const chunk of result.chunks()) {
    return result.columns.map((column, index) =>
      cellText(column.type, timezone)(chunk.columns[index]?.[0] ?? null),
    );
  }
  return [];
}

async function theirs(expression: string, values: string[]): Promise<unknown[]> {
  const sql = `select columns(*)::varchar from (select ${expression})`;
  return (await connection.runAndReadAll(sql, values)).getRows()[0] ?? [];
}

const LITERALS = [
  "1::tinyint",
  "'-9223372036854775808'::bigint",
  "170141183460469231731687303715884105727::hugeint",
  "12345678901234567890123456789::bignum",
  "true",
  "null",
  "1e20::double, 1.0::double, 0.1::float, 'nan'::double, 1e15::double, 1e16::double, -0.0::double",
  "123456789.123::float, 1e-7::double, 5e-324::double, 3.4028235e38::float, 1.5e-5::double",
  "34126552::float, 1049483.75::float, 16777216::float, 33554432::float, 1.17549435e-38::float",
  "0.0001::double, 0.00001::float, '-inf'::float, 9007199254740993::double, 16777216::float",
  "12.50::decimal(10,2), -0.5::decimal(4,3), 7::decimal(38,0), 0.001::decimal(38,37)",
  "date '2020-02-29', '1992-01-01 (BC)'::date, date '12345-01-01', 'infinity'::date",
  "time '00:00:00', time '01:02:03.000004', timetz '10:00:00-03:30', time_ns '01:02:03.123456789'",
  "timestamp '2020-01-01 01:02:03.100', timestamp '1969-12-31 23:59:59.999999'",
  "timestamp '290000-01-01 00:00:00.5', timestamp '0001-01-01', timestamp_ns '1700-01-01 00:00:00.1'",
  "timestamp_s '2020-01-01 01:02:03', timestamp_ms '2020-01-01 01:02:03.12'",
  "timestamp_ns '2020-01-01 00:00:00.123456789', 'infinity'::timestamp",
  "interval '-1 month 3 days -2 hours', interval '14 months', interval 0 day, interval '30 hours'",
  "''::blob, '\\x27\\x5C\\x22\\x7F'::blob, 'abc\\xC3'::blob",
  "'101'::bit, 'a,b'::enum('a,b'), '{\"a\": [1]}'::json, uuid '7e0c4b4c-8f2c-4b52-8c56-0f3f4b1f9a55'",
  "['a', 'b c', null, '', 'NULL', 'x''y', 'a,b', '[q', ' z', '\"x\"', 'a\\b', 'a:b', '(p', 'q=1']",
  "{'k a': 'v w', 'n': null, 'd': date '2020-01-01', 'm': map {'a': 1, 'x y': 2}, 'q''s': 'it''s \\'}",
  "[timestamp '2020-01-01 01:02:03'], ['\\x00'::blob], [interval '1 day'], [[1.50, null], []]",
  "map {[1, 2]: {'a': 1.0::double}}, row(1, 'a b', 'c,d'), array['a,b', 'c'], [{'a': 'x,y'}]",
  "union_value(k := 'a,b'), [union_value(k := 'a,b')], ['{\"a\":1}'::json], [true, null]",
];

for (const literal of LITERALS) {
  test(`as DuckDB casts ${literal}`, async () => {
    await connection.run("set TimeZone = 'UTC'");
    expect(await ours(literal, [], "UTC")).toEqual((await theirs(literal, [])) as string[]);
  });
}

for (const zone of ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu"]) {
  test(`instants are shown in ${zone}`, async () => {
    await connection.run(`set TimeZone = '${zone}'`);
    const literal =
      "timestamptz '2020-07-01 00:00:00+00', timestamptz '2026-03-29 00:59:59.5+00', " +
      "timestamptz '2026-03-29 01:00:00+00', timestamptz '1969-12-31 23:00:00+00', " +
      "'-infinity'::timestamptz, [timestamptz '2020-01-01 00:00:00+00']";
    expect(await ours(literal, [], zone)).toEqual((await theirs(literal, [])) as string[]);
  });
}

test("any double, text in a list, and moment prints as DuckDB casts it", async () => {
  await connection.run("set TimeZone = 'UTC'");
  const moment = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
  await fc.assert(
    fc.asyncProperty(
      fc.double(),
      fc.float(),
      fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
      moment,
      async (double, float, text, micros) => {
        const values = [String(double), String(float), text, String(micros)];
        const expression =
          "$1::double, $2::float, [$3::varchar], {'a': $3::varchar}, make_timestamp($4::bigint)";
        expect(await ours(expression, values, "UTC")).toEqual(
          (await theirs(expression, values)) as string[],
        );
      },
    ),
    { numRuns: 500 },
  );
});
