/** Avro: every value as the file holds it; rows and files that cannot be are set aside with the reason. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Type } from "../../../../core/table/types.ts";
import {
  type AvroJson,
  type AvroOptions,
  avroContainer,
  avroFile,
  sized,
  zigzag,
} from "../../../support/avro-file.ts";
import { Harness, T } from "./harness.ts";

setDefaultTimeout(30_000);

const LONG_MAX = 2n ** 63n - 1n;
const P = (name: "uuid" | "binary" | "time" | "float"): Type => ({ kind: "primitive", name });

function record(fields: Readonly<Record<string, AvroJson>>): AvroJson {
  const list = Object.entries(fields).map(([name, type]) => ({ name, type }));
  return { type: "record", name: "Row", fields: list };
}

async function types(fields: Readonly<Record<string, AvroJson>>, rows: readonly unknown[] = []) {
  await using h = await Harness.open();
  return await h.types(avroFile(record(fields), rows), "x.avro");
}

async function land(
  file: Uint8Array,
  columns: Readonly<Record<string, Type>>,
  more: Parameters<Harness["decode"]>[2] = {},
) {
  await using h = await Harness.open();
  return await h.decode([h.file("x.avro", file)], columns, more);
}

test("columns have the types of the schema", async () => {
  const found = await types({
    b: "boolean",
    i: "int",
    l: "long",
    f: "float",
    d: "double",
    s: ["null", "string"],
    raw: "bytes",
    nothing: "null",
    money: { type: "bytes", logicalType: "decimal", precision: 10, scale: 2 },
    huge: { type: "bytes", logicalType: "decimal", precision: 50, scale: 2 },
    day: { type: "int", logicalType: "date" },
    t: { type: "int", logicalType: "time-millis" },
    tu: { type: "long", logicalType: "time-micros" },
    ms: { type: "long", logicalType: "timestamp-millis" },
    us: ["null", { type: "long", logicalType: "timestamp-micros" }],
    wall: { type: "long", logicalType: "local-timestamp-micros" },
    u: { type: "string", logicalType: "uuid" },
    span: { type: "fixed", name: "Span", size: 12, logicalType: "duration" },
    four: { type: "fixed", name: "Four", size: 4 },
    color: { type: "enum", name: "Color", symbols: ["RED"] },
    list: { type: "array", items: ["null", "long"] },
    map: { type: "map", values: "int" },
    inner: { type: "record", name: "Inner", fields: [{ name: "x", type: "int" }] },
    number: ["null", "int", "long"],
    either: ["null", "string", "int", { type: "array", items: "int" }],
  });
  expect(found).toEqual({
    b: "boolean",
    i: "int",
    l: "long",
    f: "float",
    d: "double",
    s: "string",
    raw: "binary",
    nothing: "unseen",
    money: "decimal(10,2)",
    huge: "string",
    day: "date",
    t: "time",
    tu: "time",
    ms: "timestamptz",
    us: "timestamptz",
    wall: "timestamp",
    u: "uuid",
    span: "{months:long,days:long,millis:long}",
    four: "binary",
    color: "string",
    list: "[long]",
    map: "map",
    inner: "{x:int}",
    number: "long",
    either: "{string:string,int:int,array:[int]}",
  });
});

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
  const file = avroFile(record(ALL), ROWS, { codec, blockRows: 1 });
  const { rows, rejects, decoded } = await land(file, ALL_TYPES);
  expect(rejects).toEqual([]);
  expect(rows).toEqual(LANDED);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 2, rowsLanded: 2, rowsQuarantined: 0 });
});

test("bzip2 blocks", async () => {
  // 200 rows { id: (n % 60), name: "abc" }, packed by Python's bz2.
  const packed = Buffer.from(
    "QlpoOTFBWSZTWYir9aoAAAH/gFVVVVVVVVVVVVVVVX1VVQAgAJAwAAAAAAAAAACKqAAANAAAAAADTqAQsEYI4SAkhKCWEwJoTgnhQCiFIKYVAqhWCuEAVmw2W02243W833A4XE43I5XM53Q6XU63Y7Xc73g8Xk83o9nu+Hy+n2/H6/mF/KiHoBBiMICDPAQYor/F3JFOFCQiKv1qgA==",
    "base64",
  );
  const rows = Array.from({ length: 200 }, () => Buffer.of());
  const options: AvroOptions = { codec: "bzip2", pack: () => packed };
  const file = avroContainer(record({ id: "int", name: "string" }), rows, options);
  const { rows: landed, decoded } = await land(file, { id: T.int, name: T.string });
  expect(decoded.files[0]?.unreadable).toBe(null);
  expect(landed).toHaveLength(200);
  expect(landed[199]).toEqual({ id: 199 % 60, name: "abc" });
});

test("unions: numbers join, others are a struct of their branches", async () => {
  const fields: Readonly<Record<string, AvroJson>> = {
    n: ["int", "null", "long"],
    v: ["null", "string", "bytes", "int"],
  };
  const rows = [
    { n: { int: 1 }, v: { string: "5" } },
    { n: { long: LONG_MAX }, v: { int: 5 } },
    { n: null, v: { bytes: Buffer.of(5) } },
    { n: null, v: null },
  ];
  const v = T.struct({ string: T.string, bytes: P("binary"), int: T.int });
  const file = avroFile(record(fields), rows);
  expect((await land(file, { n: T.long, v })).rows).toEqual([
    { n: 1n, v: { string: "5", bytes: null, int: null } },
    { n: LONG_MAX, v: { string: null, bytes: null, int: 5 } },
    { n: null, v: { string: null, bytes: Buffer.of(5), int: null } },
    { n: null, v: null },
  ]);
  expect((await land(file, { n: T.string, v: T.string })).rows.map((row) => row.v)).toEqual([
    '{"string":"5"}',
    '{"int":5}',
    '{"bytes":"05"}',
    null,
  ]);
});

test("a record that holds itself is text of JSON from there on", async () => {
  const node: AvroJson = {
    type: "record",
    name: "Node",
    namespace: "a.b",
    fields: [
      { name: "value", type: "long" },
      { name: "next", type: ["null", "Node"] },
    ],
  };
  const rows = [{ value: 1n, next: { "a.b.Node": { value: LONG_MAX, next: null } } }];
  await using h = await Harness.open();
  const file = avroFile(node, rows);
  expect(await h.types(file, "x.avro")).toEqual({ value: "long", next: "string" });
  expect((await land(file, { value: T.long, next: T.string })).rows).toEqual([
    { value: 1n, next: '{"value":9223372036854775807,"next":null}' },
  ]);
});

test("nanoseconds are a timestamp where nothing is lost, else text", async () => {
  const fields: Readonly<Record<string, AvroJson>> = {
    whole: { type: "long", logicalType: "timestamp-nanos" },
    fine: ["null", { type: "long", logicalType: "local-timestamp-nanos" }],
  };
  const rows = [{ whole: -1_000n, fine: { long: -1n } }];
  expect(await types(fields, rows)).toEqual({ whole: "timestamptz", fine: "string" });
  const file = avroFile(record(fields), rows);
  const { rows: landed } = await land(file, { whole: T.timestamptz, fine: T.string });
  expect(landed).toEqual([
    { whole: "1969-12-31 23:59:59.999999+00", fine: "1969-12-31 23:59:59.999999999" },
  ]);
  const { rejects } = await land(file, { whole: T.timestamptz, fine: T.timestamp });
  expect(rejects.map((row) => [row.position, row.reason, row.column_name])).toEqual([
    ["row 1", "type", "fine"],
  ]);
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
  const file = avroContainer(record({ m: { type: "map", values: "long" } }), rows);
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

test("texts that are not UTF-8, values that do not fit, and what is required", async () => {
  const fields: Readonly<Record<string, AvroJson>> = { id: ["null", "long"], s: "string" };
  const id = (value: number | null) =>
    value === null ? zigzag(0) : Buffer.concat([zigzag(1), zigzag(value)]);
  const rows = [
    Buffer.concat([id(1), sized("ok")]),
    Buffer.concat([id(2), sized(Buffer.of(97, 0xff))]),
    Buffer.concat([id(2 ** 40), sized("x")]),
    Buffer.concat([id(null), sized("x")]),
    Buffer.concat([id(5), sized("\ufffd")]),
  ];
  await using h = await Harness.open();
  const claimed = h.file("x.avro", avroContainer(record(fields), rows));
  const request = h.request([claimed], { id: T.int, s: T.string });
  const columns = request.columns.map((column) => ({ ...column, required: column.name === "id" }));
  const { rows: landed, rejects, decoded } = await h.run({ ...request, columns });
  expect(landed.map((row) => row.id)).toEqual([1, 5]);
  expect(rejects.map((row) => [row.position, row.reason, row.raw])).toEqual([
    ["row 2", "encoding", '{"id":2,"s":"a\\\\xFF"}'],
    ["row 3", "type", '{"id":1099511627776,"s":"x"}'],
    ["row 4", "required", '{"id":null,"s":"x"}'],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 5, rowsLanded: 2, rowsQuarantined: 3 });

  const fixes = [
    { id: String(rejects[0]?.id), raw: '{"id":2,"s":"mended"}' },
    { id: String(rejects[1]?.id), raw: null },
    { id: String(rejects[2]?.id), raw: '{"id":1.5,"s":"x"}' },
  ];
  const again = await h.run({
    ...h.request([claimed], { id: T.int, s: T.string }),
    columns,
    fixes,
  });
  expect(again.rows.map((row) => row.s)).toEqual(["ok", "mended", "\ufffd"]);
  expect(again.rejects.map((row) => [row.id, row.raw])).toEqual([
    [rejects[2]?.id, '{"id":1.5,"s":"x"}'],
  ]);
});

test("what the caller wants to learn is reported with its type, and nothing is written", async () => {
  const file = avroFile(record({ a: "long", b: "double", c: "string" }), [
    { a: 2n ** 40n, b: 1.5, c: "x" },
  ]);
  const types = { a: T.int, c: T.string };
  const reported = await land(file, types, { onMisfit: "report", onUnknown: "report" });
  expect(reported.rows).toEqual([]);
  expect(reported.decoded.files[0]?.misfits.map(({ name, type }) => [name, type])).toEqual([
    ["a", T.long],
    ["b", T.double],
  ]);
  const kept = await land(file, { c: T.string }, { onUnknown: "rescue" });
  expect(kept.rows).toEqual([{ c: "x", _rescued: '{"a":1099511627776,"b":1.5}' }]);
  const refused = await land(file, { c: T.string });
  expect(refused.rejects.map((row) => [row.reason, row.column_name])).toEqual([
    ["unknown-field", "a"],
  ]);
});

test("expressions see every field as text", async () => {
  await using h = await Harness.open();
  const rows = [
    { mail: "a@x", n: 7n },
    { mail: "b@x", n: 8n },
  ];
  const claimed = h.file("x.avro", avroFile(record({ mail: "string", n: "long" }), rows));
  const request = h.request([claimed], { mail: T.string, n: T.long });
  const columns = request.columns.map((column) => ({
    ...column,
    expression: column.name === "mail" ? "upper(mail) || n" : "n::BIGINT * 2",
  }));
  const { rows: landed } = await h.run({ ...request, columns });
  expect(landed).toEqual([
    { mail: "A@X7", n: 14n },
    { mail: "B@X8", n: 16n },
  ]);
});

const ONE = avroFile(record({ a: "long" }), [{ a: 1n }, { a: 2n }], { blockRows: 1 });

function cut(file: Buffer, bytes: number): Buffer {
  return file.subarray(0, file.length - bytes);
}

function turned(file: Buffer, fromEnd: number): Buffer {
  const copy = Buffer.from(file);
  const at = copy.length - fromEnd;
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

test.each<[string, Uint8Array, RegExp]>([
  ["cut in its last block", cut(ONE, 3), /block 2 .* is cut short/],
  ["cut in its header", ONE.subarray(0, 40), /header/],
  ["a wrong sync marker", turned(ONE, 1), /block 2 .* sync marker is wrong/],
  ["bytes left over", avroContainer(record({ a: "long" }), [Buffer.of(2, 2)]), /1 bytes are left/],
  ["bytes that end early", avroContainer(record({ a: "long" }), [Buffer.of(0x80)]), /end early/],
  ["a codec nobody reads", avroFile(record({ a: "int" }), [], { codec: "xz" }), /codec xz/],
  [
    "data that is not deflated",
    avroFile(record({ a: "int" }), [{ a: 1 }], { codec: "deflate", pack: (b) => b }),
    /block 1/,
  ],
  [
    "a checksum that is wrong",
    avroFile(record({ a: "string" }), [{ a: "abcdef" }], {
      codec: "snappy",
      pack: () => Buffer.from([1, 0, 2, 9, 9, 9, 9]),
    }),
    /checksum/,
  ],
  [
    "names that differ in case only",
    avroContainer(record({ a: "int", A: "int" }), []),
    /stands twice/,
  ],
  ["a schema that names nothing", avroContainer(record({ a: "Nothing" }), []), /Nothing/],
  [
    "a list of nothing without end",
    avroContainer(record({ a: { type: "array", items: "null" } }), [
      Buffer.concat([zigzag(2 ** 40), zigzag(0)]),
    ]),
    /without bytes/,
  ],
])("set aside whole: %s", async (_, file, message) => {
  await using h = await Harness.open();
  const good = h.file("good.avro", ONE);
  const bad = h.file("bad.avro", file);
  const { rows, decoded } = await h.decode([bad, good], { a: T.long });
  expect(rows).toEqual([{ a: 1n }, { a: 2n }]);
  expect(decoded.files[0]?.unreadable).toMatch(message);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 0, rowsLanded: 0 });
  expect(decoded.files[1]).toMatchObject({ rowsIn: 2, rowsLanded: 2, unreadable: null });
});

test("more bytes or rows than the limits allow", async () => {
  await using h = await Harness.open();
  const rows = Array.from({ length: 5000 }, () => ({ a: "x".repeat(100) }));
  const claimed = h.file("x.avro", avroFile(record({ a: "string" }), rows, { codec: "deflate" }));
  for (const limit of [{ decodedBytesMax: 100_000 }, { rowsMax: 2500 }]) {
    const request = h.request([claimed], { a: T.string });
    const { decoded } = await h.run({ ...request, limits: { ...request.limits, ...limit } });
    expect(decoded.files[0]?.unreadable).toMatch(/more than/);
    expect(decoded.data.rows).toBe(0n);
  }
});

test("many rows in several parts keep their order", async () => {
  const count = 150_000;
  const rows = Array.from({ length: count }, (_, index) => ({ a: BigInt(index) }));
  const file = avroFile(record({ a: "long" }), rows, { codec: "deflate", blockRows: 5000 });
  const { rows: landed, decoded } = await land(file, { a: T.long });
  expect(decoded.files[0]).toMatchObject({ rowsIn: count, rowsLanded: count });
  expect(landed.findIndex((row, index) => row.a !== BigInt(index))).toBe(-1);
});
