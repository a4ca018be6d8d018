/** Parquet: every physical type lands as it is or as its text; what does not fit is set aside, row by row. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { oldId } from "../../../../../sql/decode/fixes.ts";
import { openDuckDB } from "../../../../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../../../../sql/syntax/quote.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

/** The bytes of a Parquet file with the rows of a query. */
async function parquet(query: string): Promise<Uint8Array> {
  await using folder = await tempFolder();
  const path = join(folder.path, "x.parquet");
  await using db = await openDuckDB({
    threads: 1,
    memoryBytes: 1e9,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  });
  await db.run(`COPY (${query}) TO ${quoteLiteral(path)} (FORMAT parquet)`);
  return readFileSync(path);
}

test("types are the file's own, and text where Iceberg has no such type", async () => {
  await using h = await Harness.open();
  const bytes = await parquet(`SELECT 1::TINYINT AS i8, 1::UINTEGER AS u32,
    18446744073709551615::UBIGINT AS u64, 1.5::FLOAT AS f, 1.10::DECIMAL(5,2) AS d, 'x' AS s,
    DATE '2024-01-02' AS day, TIMESTAMP '2024-01-01 00:00:00' AS ts,
    TIMESTAMPTZ '2024-01-01 00:00:00+00' AS tz, [1, 2]::BIGINT[] AS l,
    {'a': 1::BIGINT, 'b': 'y'} AS st, INTERVAL 1 DAY AS iv,
    '2024-01-01 00:00:00.123456789'::TIMESTAMP_NS AS ns,
    '2024-01-01 00:00:00.123456'::TIMESTAMP_NS AS us`);
  expect(await h.types(bytes, "x.parquet")).toEqual({
    i8: "int",
    u32: "long",
    u64: "decimal(20,0)",
    f: "float",
    d: "decimal(5,2)",
    s: "string",
    day: "date",
    ts: "timestamp",
    tz: "timestamptz",
    l: "[long]",
    st: "{a:long,b:string}",
    iv: "string",
    ns: "string",
    us: "timestamp",
  });
});

test("a declared type takes exactly the values it holds", async () => {
  await using h = await Harness.open();
  const bytes = await parquet(`SELECT * FROM (VALUES (1.0, 19.99, '7'), (1.5, 1.00, '8'),
    (2.0, 19.999, '007')) t(id, price, code)`);
  const types = { id: T.long, price: T.decimal(10, 2), code: T.long };
  const { decoded, rows, rejects } = await h.decode([h.file("x.parquet", bytes)], types);
  expect(rows).toEqual([{ id: 1n, price: "19.99", code: 7n }]);
  expect(rejects.map((row) => [row.position, row.reason, row.column_name])).toEqual([
    ["row 2", "type", "id"],
    ["row 3", "type", "price"],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 3, rowsLanded: 1, rowsQuarantined: 2 });
});

test("misfits and unknown columns are reported with the type that holds them", async () => {
  await using h = await Harness.open();
  const bytes = await parquet("SELECT 3000000000::BIGINT AS a, 'x' AS b");
  const more = { onMisfit: "report", onUnknown: "report" } as const;
  const { decoded } = await h.decode([h.file("x.parquet", bytes)], { a: T.int }, more);
  expect(decoded.files[0]?.misfits.map((column) => column.name).sort()).toEqual(["a", "b"]);
  expect(decoded.data.rows).toBe(0n);
});

test("a broken file is unreadable and the others land", async () => {
  await using h = await Harness.open();
  const good = await parquet("SELECT 1::BIGINT AS a");
  const files = [
    h.file("cut.parquet", good.subarray(0, good.length - 20)),
    h.file("good.parquet", good),
    h.file("text.parquet", "not parquet"),
  ];
  const { decoded, rows } = await h.decode(files, { a: T.long });
  expect(rows).toEqual([{ a: 1n }]);
  expect(decoded.files.map((file) => file.fault !== null)).toEqual([true, false, true]);
});

test("unknown fields are rescued as JSON, missing ones are NULL, required ones set aside", async () => {
  await using h = await Harness.open();
  const bytes = await parquet("SELECT * FROM (VALUES (1::BIGINT, 'x'), (NULL, 'y')) t(a, extra)");
  const { rows } = await h.decode(
    [h.file("x.parquet", bytes)],
    { a: T.long, z: T.string },
    {
      onUnknown: "rescue",
    },
  );
  expect(rows).toEqual([
    { a: 1n, z: null, _rescued: '{"extra":"x"}' },
    { a: null, z: null, _rescued: '{"extra":"y"}' },
  ]);
  const required = [{ source: "a", name: "a", required: true, expression: null }];
  const strict = await h.decode(
    [h.file("x.parquet", bytes)],
    { a: T.long },
    {
      onUnknown: "rescue",
      columns: required,
    },
  );
  expect(strict.rejects.map((row) => row.reason)).toEqual(["required"]);
});

test("fixes stand in the place of their rows, whatever the columns are called", async () => {
  await using h = await Harness.open();
  const bytes = await parquet(
    `SELECT * FROM (VALUES ('1', 1.5::DOUBLE, 'p', 8), ('x', 2.5, 'q', NULL), ('3', 3.5, 'r', 9),
      ('y', 4.5, 's', 8), ('z', 5.5, 't', 8)) t(place, c0, lake, more)`,
  );
  const file = h.file("x.parquet", bytes);
  const types = { place: T.long, c0: T.double, lake: T.string };
  const rescue = { onUnknown: "rescue" } as const;
  const first = await h.decode([file], types, rescue);
  const texts = ['{"place":2,"c0":2.5,"lake":"Q","more":7}', '{"place":"no"}', null];
  const fixes = first.rejects.map((row, index) => ({
    id: oldId(file.sha256, String(row.position)),
    raw: texts[index] ?? null,
    place: null,
  }));
  const second = await h.decode([file], types, { ...rescue, fixes });
  expect(second.rows).toEqual([
    { place: 1n, c0: 1.5, lake: "p", _rescued: '{"more":8}' },
    { place: 2n, c0: 2.5, lake: "Q", _rescued: '{"more":7}' },
    { place: 3n, c0: 3.5, lake: "r", _rescued: '{"more":9}' },
  ]);
  expect(second.rejects.map((row) => [row.position, row.raw])).toEqual([["row 4", texts[1]]]);
  expect(second.decoded.files[0]).toMatchObject({ rowsIn: 4, rowsLanded: 3, rowsQuarantined: 1 });
});
