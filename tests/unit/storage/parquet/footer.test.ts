/** Footers of files that DuckDB wrote, as Iceberg metrics. */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Field, Schema, Type } from "../../../../core/table/types.ts";
import { decodeSingleValue } from "../../../../storage/iceberg/single-value.ts";
import { readDataFileMetrics } from "../../../../storage/parquet/footer.ts";
import { metricsOf } from "../../../support/data-file-metrics.ts";
import { tempFolder } from "../../../support/temp-folder.ts";
import { primitive } from "../iceberg/memory-files.ts";

const decimal = (precision: number, scale: number): Type => ({ kind: "decimal", precision, scale });
const COLUMNS: readonly (readonly [string, Type, string, unknown, unknown])[] = [
  ["b", primitive("boolean"), "i % 2 = 0", false, true],
  ["i", primitive("int"), "(i - 5)::int", -5, 4],
  ["l", primitive("long"), "i * 10000000000", 0n, 90_000_000_000n],
  ["f", primitive("float"), "(i / 2)::float", -0, 4.5],
  ["d", primitive("double"), "(i - 9)::double", -9, 0],
  ["dt", primitive("date"), "date '1970-01-05' - i::int", -5, 4],
  ["t", primitive("time"), "time '22:31:08.123456'", 81_068_123_456n, 81_068_123_456n],
  [
    "ts",
    primitive("timestamp"),
    "timestamp '1969-12-31 23:59:59.999999' + to_seconds(i)",
    -1n,
    8_999_999n,
  ],
  [
    "tz",
    primitive("timestamptz"),
    "timestamptz '1970-01-01 00:00:00+00' + to_seconds(i)",
    0n,
    9_000_000n,
  ],
  ["s", primitive("string"), "'é' || i", "é0", "é9"],
  [
    "u",
    primitive("uuid"),
    "'f79c3e09-677c-4bbd-a479-3f349cb785e' || i",
    hex("f79c3e09677c4bbda4793f349cb785e0"),
    hex("f79c3e09677c4bbda4793f349cb785e9"),
  ],
  ["x", primitive("binary"), "unhex('ff0' || i)", hex("ff00"), hex("ff09")],
  ["d4", decimal(4, 2), "(i - 5)::decimal(4,2)", -500n, 400n],
  ["d9", decimal(9, 2), "(i - 5)::decimal(9,2)", -500n, 400n],
  [
    "d18",
    decimal(18, 0),
    "(i - 5)::decimal(18,0) * 100000000000000001",
    -500000000000000005n,
    400000000000000004n,
  ],
  [
    "d38",
    decimal(38, 3),
    "((i - 5) * 123456789012345678901234567890)::decimal(38,3)",
    -617283945061728394506172839450000n,
    493827156049382715604938271560000n,
  ],
];

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

async function write(folder: string, select: string, ids: string, options = ""): Promise<string> {
  const path = join(folder, "x.parquet");
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  await connection.run("set timezone = 'UTC'");
  await connection.run(
    `copy (${select}) to '${path}' (format parquet, field_ids {${ids}}${options})`,
  );
  connection.closeSync();
  instance.closeSync();
  return path;
}

function schemaOf(columns: readonly (readonly [string, Type, ...unknown[]])[]): Schema {
  const fields = columns.map(
    ([name, type], index): Field => ({ id: index + 1, name, required: false, type }),
  );
  return { schemaId: 0, fields };
}

describe("a file of ours", () => {
  test("has exact bounds of every type", async () => {
    await using folder = await tempFolder();
    const select = COLUMNS.map(([name, type, sql]) =>
      type.kind === "primitive" && type.name === "uuid"
        ? `(${sql})::uuid as ${name}`
        : `${sql} as ${name}`,
    );
    const ids = COLUMNS.map(([name], index) => `${name}: ${index + 1}`).join(", ");
    const path = await write(
      folder.path,
      `select ${select.join(", ")} from range(10) r(i)`,
      ids,
      ", codec zstd, kv_metadata {'tarn.row-base': '7'}",
    );
    const schema = schemaOf(COLUMNS);
    const found = await metricsOf(path, schema);
    expect(found.recordCount).toBe(10n);
    expect(found.splitOffsets).toEqual([4n]);
    expect(found.keyValue.get("tarn.row-base")).toBe("7");
    expect(found.sizeBytes).toBe(BigInt(Bun.file(path).size));
    for (const [index, [name, type, , least, greatest]] of COLUMNS.entries()) {
      const column = found.metrics.get(index + 1);
      const decode = (bytes: Uint8Array | undefined): unknown =>
        bytes === undefined ? "missing" : decodeSingleValue(type, bytes);
      expect([name, decode(column?.lower), decode(column?.upper)]).toEqual([name, least, greatest]);
      expect(column).toMatchObject({ valueCount: 10n, nullCount: 0n });
      expect(column?.sizeBytes).toBeGreaterThan(0n);
    }
  });

  test("counts nulls; all null has no bounds, nor has a column with NaN as its greatest", async () => {
    await using folder = await tempFolder();
    const path = await write(
      folder.path,
      `select null::int as a, case when i = 0 then 'nan'::double else i end as b,
        case when i < 3 then null else i end as c from range(10) r(i)`,
      "a: 1, b: 2, c: 3",
    );
    const { metrics } = await metricsOf(
      path,
      schemaOf([
        ["a", primitive("int")],
        ["b", primitive("double")],
        ["c", primitive("long")],
      ]),
    );
    expect(metrics.get(1)).toMatchObject({ valueCount: 10n, nullCount: 10n });
    expect(metrics.get(1)?.lower).toBeUndefined();
    const nan = metrics.get(2);
    expect(
      Number.isNaN(
        nan?.upper === undefined ? 0 : decodeSingleValue(primitive("double"), nan.upper),
      ),
    ).toBe(false);
    expect(metrics.get(3)).toMatchObject({ nullCount: 3n });
    expect(decodeSingleValue(primitive("long"), metrics.get(3)?.lower ?? new Uint8Array())).toBe(
      3n,
    );
  });

  test("has no bounds below lists and maps, but inside structs", async () => {
    await using folder = await tempFolder();
    const path = await write(
      folder.path,
      "select [i, i + 1] as l, map {'k': i} as m, {'a': i, 'b': 'x'} as s from range(3) r(i)",
      `l: {__duckdb_field_id: 1, element: 2}, m: {__duckdb_field_id: 3, key: 4, value: 5},
        s: {__duckdb_field_id: 6, a: 7, b: 8}`,
    );
    const long = primitive("long");
    const string = primitive("string");
    const schema: Schema = {
      schemaId: 0,
      fields: [
        {
          id: 1,
          name: "l",
          required: false,
          type: { kind: "list", elementId: 2, elementRequired: false, element: long },
        },
        {
          id: 3,
          name: "m",
          required: false,
          type: {
            kind: "map",
            keyId: 4,
            key: string,
            valueId: 5,
            valueRequired: false,
            value: long,
          },
        },
        {
          id: 6,
          name: "s",
          required: false,
          type: {
            kind: "struct",
            fields: [
              { id: 7, name: "a", required: false, type: long },
              { id: 8, name: "b", required: false, type: string },
            ],
          },
        },
      ],
    };
    const { metrics } = await metricsOf(path, schema);
    expect([...metrics.keys()].sort()).toEqual([2, 4, 5, 7, 8]);
    for (const id of [2, 4, 5])
      expect(Object.keys(metrics.get(id) ?? {})).toEqual(["sizeBytes", "valueCount"]);
    expect(decodeSingleValue(long, metrics.get(7)?.upper ?? new Uint8Array())).toBe(2n);
  });

  test("of many row groups has their starts and common bounds, also after a promotion", async () => {
    await using folder = await tempFolder();
    const path = await write(
      folder.path,
      "select i::int as a from range(20000) r(i)",
      "a: 1",
      ", row_group_size 2048",
    );
    const found = await metricsOf(path, schemaOf([["a", primitive("long")]]));
    expect(found.splitOffsets?.length).toBeGreaterThan(5);
    const column = found.metrics.get(1);
    expect(column?.valueCount).toBe(20_000n);
    expect(
      column?.lower === undefined ? null : decodeSingleValue(primitive("long"), column.lower),
    ).toBe(0n);
    expect(
      column?.upper === undefined ? null : decodeSingleValue(primitive("long"), column.upper),
    ).toBe(19_999n);
  });
});

describe("damage", () => {
  test("is named", async () => {
    const source = (bytes: Uint8Array): Parameters<typeof readDataFileMetrics>[0] => ({
      name: "x.parquet",
      sizeBytes: bytes.length,
      read: async (start, end) => bytes.slice(start, end),
    });
    const schema = schemaOf([]);
    await expect(readDataFileMetrics(source(new Uint8Array(3)), schema)).rejects.toThrow(
      "x.parquet is not a readable Parquet file: it is too short",
    );
    await expect(readDataFileMetrics(source(new Uint8Array(30)), schema)).rejects.toThrow(
      "does not end",
    );
    const claim = new Uint8Array([...new Uint8Array(20), 255, 255, 255, 0, 0x50, 0x41, 0x52, 0x31]);
    await expect(readDataFileMetrics(source(claim), schema)).rejects.toMatchObject({
      code: "corrupt",
    });
  });
});
