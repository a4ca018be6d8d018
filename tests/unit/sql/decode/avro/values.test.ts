/** Avro values, whatever the codec: as the file holds them, to the last bit. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Type } from "../../../../../core/table/types.ts";
import {
  type AvroJson,
  type AvroOptions,
  avroContainer,
  avroFile,
  avroRecord,
  sized,
  zigzag,
} from "../../../../support/avro-file.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

const LONG_MAX = 2n ** 63n - 1n;
const P = (name: "uuid" | "binary" | "time" | "float"): Type => ({ kind: "primitive", name });

async function land(
  file: Uint8Array,
  columns: Readonly<Record<string, Type>>,
  more: Parameters<Harness["decode"]>[2] = {},
) {
  await using h = await Harness.open();
  return await h.decode([h.file("x.avro", file)], columns, more);
}

const ALL: Readonly<Record<string, AvroJson>> = {
  b: "boolean",
  i: "int",
  l: "long",
  f: "float",
  d: "double",
  s: ["null", "string"],
  raw: "bytes",
  money: { type: "bytes", logicalType: "decimal", precision: 38, scale: 2 },
  cents: { type: "fixed", name: "Cents", size: 5, logicalType: "decimal", precision: 9, scale: 2 },
  day: { type: "int", logicalType: "date" },
  t: { type: "int", logicalType: "time-millis" },
  ms: { type: "long", logicalType: "timestamp-millis" },
  us: { type: "long", logicalType: "local-timestamp-micros" },
  u: { type: "string", logicalType: "uuid" },
  span: { type: "fixed", name: "Span", size: 12, logicalType: "duration" },
  color: { type: "enum", name: "Color", symbols: ["RED", "BLUE"] },
  list: { type: "array", items: ["null", "long"] },
  map: { type: "map", values: "long" },
  inner: {
    type: "record",
    name: "Inner",
    fields: [
      { name: "x", type: "double" },
      { name: "deep", type: { type: "array", items: { type: "map", values: "bytes" } } },
    ],
  },
};

const ALL_TYPES: Readonly<Record<string, Type>> = {
  b: T.boolean,
  i: T.int,
  l: T.long,
  f: P("float"),
  d: T.double,
  s: T.string,
  raw: P("binary"),
  money: T.decimal(38, 2),
  cents: T.decimal(9, 2),
  day: T.date,
  t: P("time"),
  ms: T.timestamptz,
  us: T.timestamp,
  u: P("uuid"),
  span: T.struct({ months: T.long, days: T.long, millis: T.long }),
  color: T.string,
  list: T.list(T.long),
  map: mapOf(T.long),
  inner: T.struct({ x: T.double, deep: T.list(mapOf(P("binary"))) }),
};

function mapOf(value: Type): Type {
  const key = T.string;
  return { kind: "map", keyId: 0, key, valueId: 0, valueRequired: false, value };
}

const ROWS = [
  {
    b: true,
    i: -(2 ** 31),
    l: LONG_MAX,
    f: Math.fround(0.1),
    d: 5e-324,
    s: { string: "a\u0000b é 😀" },
    raw: Buffer.of(0, 255),
    money: Buffer.from("4b3b4ca85a86c47a098a223fffffffff", "hex"),
    cents: Buffer.of(255, 255, 255, 255, 156),
    day: -719_162,
    t: 86_399_999,
    ms: -1n,
    us: 253_402_300_799_999_999n,
    u: "00112233-4455-6677-8899-aabbccddeeff",
    span: Buffer.from("ffffffff0100000002000000", "hex"),
    color: "BLUE",
    list: [null, { long: 9_007_199_254_740_993n }],
    map: { zero: 0n, least: -LONG_MAX - 1n },
    inner: { x: Number.NaN, deep: [{ k: Buffer.of(1) }, {}] },
  },
  {
    b: false,
    i: 2 ** 31 - 1,
    l: -LONG_MAX - 1n,
    f: -0,
    d: Number.NEGATIVE_INFINITY,
    s: null,
    raw: Buffer.of(),
    money: Buffer.of(),
    cents: Buffer.of(0, 0, 0, 0, 1),
    day: 0,
    t: 0,
    ms: 0n,
    us: 0n,
    u: "00000000-0000-0000-0000-000000000000",
    span: Buffer.alloc(12),
    color: "RED",
    list: [],
    map: {},
    inner: { x: 1e300, deep: [] },
  },
];

const LANDED = [
  {
    b: true,
    i: -(2 ** 31),
    l: LONG_MAX,
    f: Math.fround(0.1),
    d: 5e-324,
    s: "a\u0000b é 😀",
    raw: Buffer.of(0, 255),
    money: "999999999999999999999999999999999999.99",
    cents: "-1.00",
    day: "0001-01-01",
    t: "23:59:59.999",
    ms: "1969-12-31 23:59:59.999+00",
    us: "9999-12-31 23:59:59.999999",
    u: "00112233-4455-6677-8899-aabbccddeeff",
    span: { months: 4_294_967_295n, days: 1n, millis: 2n },
    color: "BLUE",
    list: [null, 9_007_199_254_740_993n],
    map: [
      ["zero", 0n],
      ["least", -LONG_MAX - 1n],
    ],
    inner: { x: Number.NaN, deep: [[["k", Buffer.of(1)]], []] },
  },
  {
    b: false,
    i: 2 ** 31 - 1,
    l: -LONG_MAX - 1n,
    f: -0,
    d: Number.NEGATIVE_INFINITY,
    s: null,
    raw: Buffer.of(),
    money: "0.00",
    cents: "0.01",
    day: "1970-01-01",
    t: "00:00:00",
    ms: "1970-01-01 00:00:00+00",
    us: "1970-01-01 00:00:00",
    u: "00000000-0000-0000-0000-000000000000",
    span: { months: 0n, days: 0n, millis: 0n },
    color: "RED",
    list: [],
    map: [],
    inner: { x: 1e300, deep: [] },
  },
];

test.each(["null", "deflate", "snappy", "zstandard"])("every value, codec %s", async (codec) => {
  const file = avroFile(avroRecord(ALL), ROWS, { codec, blockRows: 1 });
  const { rows, rejects, decoded } = await land(file, ALL_TYPES);
  expect(rejects).toEqual([]);
  expect(rows).toEqual(LANDED);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 2, rowsLanded: 2, rowsQuarantined: 0 });
});

test("bzip2 blocks", async () => {
  // 200 rows { id: (n % 60), name: "abc" }, packed by Python's bz2.
  const packed = Buffer.from(
    [
      "QlpoOTFBWSZTWYir9aoAAAH/gFVVVVVVVVVVVVVVVX1VVQAgAJAwAAAAAAAAAACKqAAANAAAAAADTqAQsEYI4SAkhK",
      "CWEwJoTgnhQCiFIKYVAqhWCuEAVmw2W02243W833A4XE43I5XM53Q6XU63Y7Xc73g8Xk83o9nu+Hy+n2/H6/mF/KiH",
      "oBBiMICDPAQYor/F3JFOFCQiKv1qgA==",
    ].join(""),
    "base64",
  );
  const rows = Array.from({ length: 200 }, () => Buffer.of());
  const options: AvroOptions = { codec: "bzip2", pack: () => packed };
  const file = avroContainer(avroRecord({ id: "int", name: "string" }), rows, options);
  const { rows: landed, decoded } = await land(file, { id: T.int, name: T.string });
  expect(decoded.files[0]?.fault).toBe(null);
  expect(landed).toHaveLength(200);
  expect(landed[199]).toEqual({ id: 199 % 60, name: "abc" });
});

test("map keys of any name; a key that stands twice sets the row aside", async () => {
  const entry = (key: string, value: number) => Buffer.concat([sized(key), zigzag(value)]);
  const row = (...entries: Buffer[]) =>
    Buffer.concat([zigzag(entries.length), ...entries, zigzag(0)]);
  const rows = [
    row(entry("__proto__", 1), entry("", 2)),
    row(entry("a", 1), entry("a", 2)),
    Buffer.concat([zigzag(-1), zigzag(3), entry("b", 3), zigzag(0)]),
  ];
  const file = avroContainer(avroRecord({ m: { type: "map", values: "long" } }), rows);
  const { rows: landed, rejects } = await land(file, { m: mapOf(T.long) });
  expect(landed.map((found) => found.m)).toEqual([
    [
      ["__proto__", 1n],
      ["", 2n],
    ],
    [["b", 3n]],
  ]);
  expect(rejects.map((found) => [found.position, found.reason])).toEqual([
    ["row 2", "duplicate-key"],
  ]);
});
