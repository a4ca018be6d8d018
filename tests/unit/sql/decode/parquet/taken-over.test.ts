/** Parquet files whose pages become a data file's: the same rows, and the same said of them, as written anew. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Schema } from "../../../../../core/table/types.ts";
import { ParquetFile } from "../../../../../sql/decode/made/parquet-file.ts";
import { leavesOf } from "../../../../../sql/decode/made/part-leaves.ts";
import { type DuckDB, openDuckDB } from "../../../../../sql/duckdb/duckdb.ts";
import { quoteLiteral } from "../../../../../sql/syntax/quote.ts";
import { readDataFileMetrics } from "../../../../../storage/parquet/footer.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

const ROWS = 30_000;
const TYPES = {
  id: T.long,
  small: T.int,
  flag: T.boolean,
  f: { kind: "primitive", name: "float" },
  d: T.double,
  zero: T.double,
  nan: T.double,
  price: T.decimal(9, 2),
  mid: T.decimal(18, 3),
  wide: T.decimal(38, 5),
  day: T.date,
  at: { kind: "primitive", name: "time" },
  ts: T.timestamp,
  tz: T.timestamptz,
  s: T.string,
  long_text: T.string,
  b: { kind: "primitive", name: "binary" },
  u: { kind: "primitive", name: "uuid" },
  nothing: T.string,
} as const;
const QUERY = `SELECT i::BIGINT - 7 AS id, (i % 100 - 50)::INTEGER AS small,
    CASE WHEN i % 5 > 0 THEN i % 2 = 0 END AS flag, (i / 7)::FLOAT AS f, i / 3 AS d,
    CASE WHEN i % 2 = 0 THEN -0.0 ELSE 0.0 END::DOUBLE AS zero,
    CASE WHEN i % 9 = 0 THEN 'NaN' ELSE '1' END::DOUBLE AS nan,
    (i - 15000)::DECIMAL(9,2) AS price, (i * 1000003 - 5)::DECIMAL(18,3) AS mid,
    i::DECIMAL(38,5) AS wide, DATE '1969-06-01' + (i % 1000)::INTEGER AS day,
    TIME '00:00:00.000001' + to_seconds(i % 80000) AS at,
    TIMESTAMP '1969-12-31 23:00:00.000001' + to_seconds(i) AS ts,
    TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_seconds(i) AS tz,
    CASE WHEN i % 3 > 0 THEN 'k' || (i % 50) || chr(233) END AS s,
    repeat('x', 300) || (i % 4) AS long_text, encode('b' || i % 20) AS b,
    md5(i::VARCHAR)::UUID AS u, NULL::VARCHAR AS nothing
  FROM range(${ROWS}) t(i)`;
const GROUPS = "ROW_GROUP_SIZE 12288";

async function engine(): Promise<DuckDB> {
  return openDuckDB({
    threads: 1,
    memoryBytes: 1e9,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  });
}

async function parquet(options: string, query = QUERY): Promise<Uint8Array> {
  await using folder = await tempFolder();
  const path = join(folder.path, "x.parquet");
  await using db = await engine();
  await db.run(`COPY (${query}) TO ${quoteLiteral(path)} (FORMAT parquet, ${options})`);
  return readFileSync(path);
}

/** Lands a file; what the data file's footer says, its codec of the first column, its rows. */
async function landed(bytes: Uint8Array, types: Parameters<Harness["request"]>[1] = TYPES) {
  await using h = await Harness.open();
  const request = h.request([h.file("x.parquet", bytes)], types);
  const { decoded, rows } = await h.run(request);
  const path = decoded.data.files[0]?.path ?? "";
  if (path === "")
    return { decoded, rows, codec: null, metrics: null, left: readdirSync(request.staging) };
  const metrics = await footer(path, request.schema);
  await using db = await engine();
  const [chunk] = await db.rows(
    `SELECT compression FROM parquet_metadata(${quoteLiteral(path)}) LIMIT 1`,
  );
  const [system] = await db.rows(
    `SELECT count(*) AS n, count(DISTINCT _batch) AS batches, any_value(_batch) AS batch,
      any_value(_source_file) AS file FROM read_parquet(${quoteLiteral(path)})`,
  );
  expect(system).toEqual({
    n: BigInt(rows.length),
    batches: 1n,
    batch: "batch-1",
    file: "x.parquet",
  });
  return { decoded, rows, codec: chunk?.compression, metrics, left: [] };
}

async function footer(path: string, schema: Schema) {
  const bytes = readFileSync(path);
  const source = {
    name: path,
    sizeBytes: bytes.length,
    read: async (start: number, end: number) => bytes.subarray(start, end),
  };
  const { metrics, recordCount, keyValue } = await readDataFileMetrics(source, schema);
  const told = [...metrics].map(([id, { lower, upper, nullCount, valueCount }]) => [
    schema.fields.find((field) => field.id === id)?.name,
    { lower, upper, nullCount, valueCount },
  ]);
  return { recordCount, keyValue, columns: Object.fromEntries(told) };
}

test("what is taken over is what would have been written", async () => {
  const anew = await landed(await parquet(`COMPRESSION uncompressed, ${GROUPS}`));
  expect(anew.codec).toBe("ZSTD");
  for (const codec of ["SNAPPY", "GZIP"]) {
    const taken = await landed(await parquet(`COMPRESSION ${codec}, ${GROUPS}`));
    expect(taken.codec).toBe(codec);
    expect(taken.rows).toEqual(anew.rows);
    expect(taken.decoded.files).toEqual(anew.decoded.files);
    const { columns } = anew.metrics ?? {};
    // Nothing is said of what is not compared by us.
    const unsaid = { lower: undefined, upper: undefined };
    const expected = Object.fromEntries(
      Object.entries(columns ?? {}).map(([name, told]) => {
        const isUnsaid = ["long_text", "b", "u", "wide", "nan"].includes(name);
        return [name, isUnsaid ? { ...Object(told), ...unsaid } : told];
      }),
    );
    expect(taken.metrics?.columns).toEqual(expected);
    expect(taken.metrics?.recordCount).toBe(BigInt(ROWS));
    expect(taken.metrics?.keyValue).toEqual(anew.metrics?.keyValue ?? new Map());
  }
});

test("groups of any sizes keep their rows, and each its bounds", async () => {
  await using h = await Harness.open();
  const query = "SELECT i::BIGINT AS id, 'k' || i AS s FROM range(60000) t(i)";
  const bytes = await parquet("COMPRESSION snappy, ROW_GROUP_SIZE 20480", query);
  const { decoded } = await h.decode([h.file("x.parquet", bytes)], { id: T.long, s: T.string });
  await using db = await engine();
  const path = quoteLiteral(decoded.data.files[0]?.path ?? "");
  const groups = await db.rows(
    `SELECT row_group_num_rows AS n, stats_min_value AS a, stats_max_value AS b
     FROM parquet_metadata(${path}) WHERE path_in_schema = 'id' ORDER BY row_group_id`,
  );
  expect(groups).toEqual([
    { n: 20480n, a: "0", b: "20479" },
    { n: 20480n, a: "20480", b: "40959" },
    { n: 19040n, a: "40960", b: "59999" },
  ]);
  const [found] = await db.rows(
    `SELECT count(*) AS n FROM read_parquet(${path}, file_row_number = true)
     WHERE id = file_row_number`,
  );
  expect(found?.n).toBe(60000n);
});

test("groups of uneven sizes are told apart", async () => {
  await using h = await Harness.open();
  const path = join(h.folder.path, "uneven.parquet");
  const [leaf] = leavesOf(T.long, "zstd");
  if (leaf === undefined) throw new Error("a type without a leaf");
  const file = new ParquetFile(path, [{ name: "id", type: T.long, leaves: [leaf] }], {
    form: "zstd",
  });
  const sizes = [10_000, 25_000, 12_000, 5];
  let id = 0;
  for (const size of sizes) {
    for (let row = 0; row < size; row++) {
      leaf.present();
      leaf.long(id++);
    }
    file.group(size);
  }
  file.finish();
  const { decoded } = await h.decode([h.file("x.parquet", readFileSync(path))], { id: T.long });
  await using db = await engine();
  const groups = await db.rows(
    `SELECT row_group_num_rows AS n, stats_min_value AS a, stats_max_value AS b
     FROM parquet_metadata(${quoteLiteral(decoded.data.files[0]?.path ?? "")})
     WHERE path_in_schema = 'id' ORDER BY row_group_id`,
  );
  expect(groups).toEqual([
    { n: 10_000n, a: "0", b: "9999" },
    { n: 25_000n, a: "10000", b: "34999" },
    { n: 12_000n, a: "35000", b: "46999" },
    { n: 5n, a: "47000", b: "47004" },
  ]);
});

test("what a footer says of values is found out, not believed", async () => {
  const query = "SELECT 'mmmm' || (i % 10) AS s FROM range(20000) t(i)";
  const bytes = Buffer.from(await parquet("COMPRESSION snappy", query));
  // The bounds stand behind the pages.
  for (
    let at = bytes.lastIndexOf("mmmm"), n = 0;
    n < 4;
    at = bytes.lastIndexOf("mmmm", at - 1), n++
  ) {
    bytes.write("zzzz", at);
  }
  const { rows, codec, metrics } = await landed(bytes, { s: T.string });
  expect(codec).toBe("SNAPPY");
  expect(rows).toHaveLength(20_000);
  expect(metrics?.columns.s).toMatchObject({
    lower: Buffer.from("mmmm0"),
    upper: Buffer.from("mmmm9"),
    nullCount: 0n,
  });
});

for (const [what, options] of [
  ["pages of version 2", "PARQUET_VERSION v2, COMPRESSION snappy"],
  ["a codec that not every reader has", "COMPRESSION lz4_raw"],
  ["many small groups", "COMPRESSION snappy, ROW_GROUP_SIZE 2048"],
] as const) {
  test(`written anew: ${what}`, async () => {
    const query = "SELECT i::BIGINT AS id, i / 3 AS d FROM range(20000) t(i)";
    const { rows, codec } = await landed(await parquet(options, query), {
      id: T.long,
      d: T.double,
    });
    expect(codec).toBe("ZSTD");
    expect(rows).toHaveLength(20_000);
  });
}

test("written anew: another type, fields that nobody knows, a value that is missing", async () => {
  await using h = await Harness.open();
  const query = "SELECT i::INTEGER AS id, nullif(i, 3)::BIGINT AS n FROM range(20000) t(i)";
  const file = h.file("x.parquet", await parquet("COMPRESSION snappy", query));
  const wider = await h.decode([file], { id: T.long, n: T.long });
  expect(wider.rows).toHaveLength(20_000);
  const unknown = await h.decode([file], { id: T.int });
  expect(unknown.decoded.files[0]).toMatchObject({ rowsLanded: 1, rowsQuarantined: 19_999 });
  const request = h.request([file], { id: T.int, n: T.long });
  const columns = request.columns.map((column) => ({ ...column, required: true }));
  const required = await h.run({ ...request, columns });
  expect(required.decoded.files[0]).toMatchObject({ rowsLanded: 19_999, rowsQuarantined: 1 });
});

test("a file with a broken page is set aside, and nothing of it is left", async () => {
  const query = "SELECT i::BIGINT AS id, 'text ' || i AS s FROM range(20000) t(i)";
  const bytes = Buffer.from(await parquet("COMPRESSION zstd", query));
  bytes.fill(0xff, 5_000, 6_000);
  const { decoded, left } = await landed(bytes, { id: T.long, s: T.string });
  expect(decoded.files[0]?.fault?.reason).toBe("unreadable");
  expect(decoded.data.files).toEqual([]);
  expect(left).not.toContain("data-0.parquet");
});
