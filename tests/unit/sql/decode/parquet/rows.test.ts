/** Parquet files that the engine refuses or would bend: what they teach and what lands of them. */

import { expect, test } from "bun:test";
import {
  type ParquetPart,
  parquetFile,
  TIME,
  TIMESTAMP,
} from "../../../../support/parquet-file.ts";
import { Harness, T } from "../harness.ts";

/** What the file teaches, and what then lands of it; `null` counts where rows were set aside. */
async function land(columns: readonly ParquetPart[], rows: number, keys = {}) {
  await using h = await Harness.open();
  const bytes = parquetFile(columns, rows, keys);
  const [inspected] = (await h.inspect([h.file("a.parquet", bytes)])).files;
  if (inspected === undefined || inspected.fault !== null)
    return inspected?.fault?.message ?? "none";
  const types = Object.fromEntries(inspected.columns.map(({ name, type }) => [name, type]));
  const { rows: landed, decoded, rejects } = await h.decode([h.file("a.parquet", bytes)], types);
  const fault = decoded.files[0]?.fault ?? null;
  if (fault !== null) return fault.message;
  return {
    types: await h.types(bytes, "a.parquet"),
    rows: landed.map((row) => Object.values(row).map(shown)),
    aside: rejects.map((row) => `${row.position}: ${row.reason} in ${row.column_name}`),
  };
}

function shown(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  return typeof value === "object" && !("micros" in value) ? JSON.stringify(value) : String(value);
}

function big(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

const INT96 = (nanos: bigint, day: number): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.writeBigInt64LE(nanos);
  bytes.writeInt32LE(day, 8);
  return bytes;
};

test("decimals of more than 38 digits are exact text", async () => {
  const part = { name: "d", type: "FIXED_LEN_BYTE_ARRAY", lengthBytes: 17 } as const;
  const values = [
    big("000000000000000000000000000000006e"),
    null,
    big("ffffffffffffffffffffffffffffffff92"),
  ];
  expect(await land([{ ...part, converted: 5, precision: 40, scale: 2, values }], 3)).toEqual({
    types: { d: "string" },
    rows: [["1.10"], [null], ["-1.10"]],
    aside: [],
  });
});

test("decimals of 38 digits in wider bytes stay decimals", async () => {
  const part = { name: "d", type: "FIXED_LEN_BYTE_ARRAY", lengthBytes: 20 } as const;
  const values = [big("000000000000000000000000000000000000006e")];
  expect(await land([{ ...part, converted: 5, precision: 38, scale: 2, values }], 1)).toEqual({
    types: { d: "decimal(38,2)" },
    rows: [["1.10"]],
    aside: [],
  });
});

test("times that are none of a day make the column text", async () => {
  const values = [86_400_000_000n, -1n, 183_845_123_456n, 0n];
  const column = { name: "t", type: "INT64", logical: TIME(2), values } as const;
  expect(await land([column], 4)).toEqual({
    types: { t: "string" },
    rows: [["24:00:00"], ["-00:00:00.000001"], ["51:04:05.123456"], ["00:00:00"]],
    aside: [],
  });
});

test("times in nanoseconds that are whole microseconds are times", async () => {
  const column = { name: "t", type: "INT64", logical: TIME(3), values: [1000n, null] } as const;
  expect(await land([column], 2)).toMatchObject({ types: { t: "time" }, aside: [] });
});

test("digits below a microsecond are kept as text, of instants and of INT96", async () => {
  const values = [1_704_164_645_123_456_789n, -1n];
  const instant = { name: "a", type: "INT64", logical: TIMESTAMP(3, true), values } as const;
  const julian = [INT96(3_845_123_456_789n, 2_460_312), INT96(0n, 2_440_588)];
  const old = { name: "b", type: "INT96", values: julian } as const;
  expect(await land([instant, old], 2)).toEqual({
    types: { a: "string", b: "string" },
    rows: [
      ["2024-01-02 03:04:05.123456789+00", "2024-01-02 01:04:05.123456789"],
      ["1969-12-31 23:59:59.999999999+00", "1970-01-01 00:00:00"],
    ],
    aside: [],
  });
});

test("nanoseconds that are whole microseconds are timestamps", async () => {
  const instant = {
    name: "a",
    type: "INT64",
    logical: TIMESTAMP(3, true),
    values: [-1000n],
  } as const;
  const old = { name: "b", type: "INT96", values: [INT96(1000n, 2_440_588)] } as const;
  expect(await land([instant, old], 1)).toMatchObject({
    types: { a: "timestamptz", b: "timestamp" },
  });
});

test("a time that no clock shows sets its row aside, and no other", async () => {
  const values = [2n ** 63n - 1n, 0n, 2n ** 63n - 2n, -(2n ** 63n)];
  const millis = { name: "m", type: "INT64", logical: TIMESTAMP(1, false), values } as const;
  expect(await land([millis], 4)).toEqual({
    types: { m: "timestamp" },
    rows: [["1970-01-01 00:00:00"]],
    aside: ["row 1: type in m", "row 3: type in m", "row 4: type in m"],
  });
});

test("the engine's infinities are no dates of a file", async () => {
  const values = [2 ** 31 - 1, 0];
  expect(await land([{ name: "d", type: "INT32", converted: 6, values }], 2)).toMatchObject({
    rows: [["1970-01-01"]],
    aside: ["row 1: type in d"],
  });
});

test("BYTE_STREAM_SPLIT of integers and of bytes is read", async () => {
  const whole = {
    name: "i",
    type: "INT32",
    encoding: "BYTE_STREAM_SPLIT",
    values: [1, -(2 ** 31)],
  } as const;
  const half = {
    name: "h",
    type: "FIXED_LEN_BYTE_ARRAY",
    lengthBytes: 2,
    logical: [15, []],
    encoding: "BYTE_STREAM_SPLIT",
    values: [big("003e"), big("0080")],
  } as const;
  expect(await land([whole, half], 2)).toEqual({
    types: { i: "int", h: "float" },
    rows: [
      ["1", "1.5"],
      ["-2147483648", "0"],
    ],
    aside: [],
  });
});

test("a text that is no JSON lands as it is", async () => {
  const column = {
    name: "j",
    type: "BYTE_ARRAY",
    converted: 19,
    values: ["{}", "", "[1"],
  } as const;
  expect(await land([column], 3)).toEqual({
    types: { j: "string" },
    rows: [["{}"], [""], ["[1"]],
    aside: [],
  });
});

test("a text that is not UTF-8 sets its row aside", async () => {
  const column = {
    name: "s",
    type: "BYTE_ARRAY",
    converted: 0,
    values: ["a", big("ff"), "b"],
  } as const;
  expect(await land([column], 3)).toMatchObject({
    rows: [["a"], ["b"]],
    aside: ["row 2: encoding in s"],
  });
});

test("names that differ in case only are two columns", async () => {
  const [one, two] = ["Id", "ID"].map(
    (name, at) => ({ name, type: "INT32", values: [at + 1] }) as const,
  );
  if (one === undefined || two === undefined) throw new Error("two names");
  expect(await land([one, two], 1)).toEqual({
    types: { Id: "int", ID_1: "int" },
    rows: [["1", "2"]],
    aside: [],
  });
});

test("a group with a field that has no name is text of JSON", async () => {
  const one = { name: "", type: "INT32", values: [1] } as const;
  const two = { name: "x", type: "INT32", values: [2] } as const;
  expect(await land([{ name: "s", children: [one, two] }], 1)).toEqual({
    types: { s: "string" },
    rows: [['{"":1,"x":2}']],
    aside: [],
  });
});

test("a column of type Null and a group without fields teach nothing, and cost no row", async () => {
  const nothing = { name: "n", type: "INT32", logical: [11, []], values: [null, null] } as const;
  const empty = { name: "g", children: [] };
  const whole = { name: "i", type: "INT32", values: [1, 2] } as const;
  expect(await land([nothing, empty, whole], 2)).toEqual({
    types: { n: "unseen", g: "unseen", i: "int" },
    rows: [
      [null, null, "1"],
      [null, null, "2"],
    ],
    aside: [],
  });
});

const LEVELS: readonly (readonly [number, number])[] = [
  [0, 2],
  [1, 2],
  [0, 1],
  [0, 0],
];

test("lists of nothing keep how long they are", async () => {
  const levels = [
    [0, 2],
    [1, 2],
    [0, 1],
    [0, 0],
  ] as const;
  const element = {
    name: "element",
    type: "INT32",
    logical: [11, []],
    values: [],
    levels,
  } as const;
  const list = { name: "list", repetition: "repeated", children: [element] } as const;
  expect(await land([{ name: "l", converted: 3, children: [list] }], 3)).toMatchObject({
    rows: [["[null,null]"], ["[]"], [null]],
  });
});

test("lists of two levels hold the repeated node", async () => {
  const item = {
    name: "element",
    repetition: "repeated",
    type: "INT32",
    values: [1, 2],
    levels: LEVELS,
  } as const;
  expect(await land([{ name: "l", converted: 3, children: [item] }], 3)).toEqual({
    types: { l: "[int]" },
    rows: [["[1,2]"], ["[]"], [null]],
    aside: [],
  });
});

test("a repeated group called array is the element itself", async () => {
  const field = {
    name: "a",
    repetition: "required",
    type: "INT32",
    values: [1, 2],
    levels: LEVELS,
  } as const;
  const item = { name: "array", repetition: "repeated", children: [field] } as const;
  expect(await land([{ name: "l", converted: 3, children: [item] }], 3)).toMatchObject({
    types: { l: "[{a:int}]" },
    rows: [['[{"a":1},{"a":2}]'], ["[]"], [null]],
  });
});

test("a geo footer that the engine refuses is only metadata", async () => {
  const point = big("0101000000000000000000f03f0000000000000040");
  const column = { name: "p", type: "BYTE_ARRAY", converted: 0, values: [point] } as const;
  const geo = JSON.stringify({
    version: "1.0.0",
    primary_column: "p",
    columns: { p: { encoding: "WKB", crs: "EPSG:4326" } },
  });
  expect(await land([column], 1, { geo })).toEqual({
    types: { p: "string" },
    rows: [["POINT (1 2)"]],
    aside: [],
  });
});

test("a page of fewer values than it says makes the whole file unreadable", async () => {
  const levels = [
    [0, 1],
    [0, 1],
  ] as const;
  const column = { name: "s", type: "BYTE_ARRAY", converted: 19, values: ["x"], levels } as const;
  await using h = await Harness.open();
  const file = h.file("a.parquet", parquetFile([column], 2));
  const { decoded } = await h.decode([file], { s: T.string });
  expect(decoded.files[0]?.fault?.reason).toBe("unreadable");
});

test("a decimal whose scale is damaged makes the whole file unreadable", async () => {
  const part = { name: "d", type: "INT64", converted: 5, precision: 9, values: [1n] } as const;
  expect(await land([{ ...part, scale: -7 }], 1)).toContain(
    "the footer of the Parquet file is broken",
  );
  expect(await land([{ ...part, scale: 2 ** 30 }], 1)).toContain(
    "the footer of the Parquet file is broken",
  );
});

test("a decimal that the file describes in two ways makes the whole file unreadable", async () => {
  const part = { name: "d", type: "INT64", converted: 5, values: [1n] } as const;
  const logical = [
    5,
    [
      [1, "i32", 2],
      [2, "i32", 9],
    ],
  ] as const;
  const one = await land([{ ...part, logical, precision: 9, scale: 2 }], 1);
  expect(one).toMatchObject({ types: { d: "decimal(9,2)" }, rows: [["0.01"]] });
  for (const other of [
    { precision: 9, scale: 3 },
    { precision: 10, scale: 2 },
    { precision: 9, scale: -2 },
  ]) {
    expect(await land([{ ...part, ...other, logical }], 1)).toContain(
      "the footer of the Parquet file is broken: d is two different decimals",
    );
  }
});
