/** Values that Kafka Connect's schema says the type of: in JSON and in Avro the same columns and the same rows. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { avroBytes } from "../../../../support/avro-long.ts";
import { framed } from "../../../../support/schema-frame.ts";
import { landTopic, topicSegment } from "./topic-segment.ts";

setDefaultTimeout(120_000);

/** A field in both words of a schema, with values in both. */
interface Given {
  readonly name: string;
  readonly connect: object;
  readonly avro: unknown;
  readonly json: unknown;
  readonly value: unknown;
}

const named = (name: string, parameters?: object) => ({
  name,
  version: 1,
  ...(parameters === undefined ? {} : { parameters }),
});
const avroNamed = (type: string, name: string) => ({ type, "connect.name": name });
const DECIMAL = "org.apache.kafka.connect.data.Decimal";
const ZONED = "io.debezium.time.ZonedTimestamp";
const decimal = (precision: number, scale: number) => ({
  ...avroNamed("bytes", DECIMAL),
  logicalType: "decimal",
  precision,
  scale,
});
const POINT = {
  type: "record",
  name: "Point",
  namespace: "geometry",
  fields: [
    { name: "x", type: "double" },
    { name: "wkb", type: ["null", "bytes"] },
  ],
};

const list = (name: string, items: object, avro: unknown, json: unknown[], value: unknown[]) => ({
  name,
  connect: { type: "array", items: { optional: true, ...items } },
  avro: { type: "array", items: ["null", avro] },
  json,
  value,
});

const FIELDS: readonly Given[] = [
  { name: "f4", connect: { type: "float" }, avro: "float", json: "NaN", value: Number.NaN },
  {
    name: "f8",
    connect: { type: "double" },
    avro: "double",
    json: "-Infinity",
    value: Number.NEGATIVE_INFINITY,
  },
  list(
    "prices",
    { type: "bytes", ...named(DECIMAL, { scale: "2", "connect.decimal.precision": "10" }) },
    decimal(10, 2),
    ["AJY=", null],
    [{ bytes: Buffer.from("0096", "hex") }, null],
  ),
  list(
    "days",
    { type: "int32", ...named("io.debezium.time.Date") },
    avroNamed("int", "io.debezium.time.Date"),
    [19_782],
    [{ int: 19_782 }],
  ),
  list(
    "ids",
    { type: "string", ...named("io.debezium.data.Uuid") },
    avroNamed("string", "io.debezium.data.Uuid"),
    ["0189d6e8-5c1e-7000-8000-0123456789ab"],
    [{ string: "0189d6e8-5c1e-7000-8000-0123456789ab" }],
  ),
  list("ratios", { type: "double" }, "double", [0.1, 2], [{ double: 0.1 }, { double: 2 }]),
  list(
    "instants",
    { type: "string", ...named(ZONED) },
    avroNamed("string", ZONED),
    ["2024-02-29T00:00:00.000000Z"],
    [{ string: "2024-02-29T00:00:00.000000Z" }],
  ),
  list("blobs", { type: "bytes" }, "bytes", ["AP8="], [{ bytes: Buffer.from("00ff", "hex") }]),
  {
    name: "money",
    connect: { type: "bytes", ...named(DECIMAL, { scale: "2" }) },
    // What Connect writes where nobody said a precision.
    avro: decimal(64, 2),
    json: "BNI=",
    value: Buffer.from("04d2", "hex"),
  },
  {
    name: "early",
    connect: { type: "string", ...named(ZONED) },
    avro: avroNamed("string", ZONED),
    json: "-0043-03-15T00:00:00.5Z",
    value: "-0043-03-15T00:00:00.5Z",
  },
  {
    name: "late",
    connect: { type: "string", ...named(ZONED) },
    avro: avroNamed("string", ZONED),
    json: "+12024-02-29T23:59:59.999999Z",
    value: "+12024-02-29T23:59:59.999999Z",
  },
  {
    name: "iso_day",
    connect: { type: "string", ...named("io.debezium.time.IsoDate") },
    avro: avroNamed("string", "io.debezium.time.IsoDate"),
    json: "2024-02-29Z",
    value: "2024-02-29Z",
  },
  {
    name: "iso_clock",
    connect: { type: "string", ...named("io.debezium.time.IsoTime") },
    avro: avroNamed("string", "io.debezium.time.IsoTime"),
    json: "23:59:59.999999Z",
    value: "23:59:59.999999Z",
  },
  {
    name: "iso_wall",
    connect: { type: "string", ...named("io.debezium.time.IsoTimestamp") },
    avro: avroNamed("string", "io.debezium.time.IsoTimestamp"),
    json: "2024-02-29T23:59:59.999999Z",
    value: "2024-02-29T23:59:59.999999Z",
  },
  {
    name: "point",
    connect: {
      type: "struct",
      ...named("io.debezium.data.geometry.Point"),
      fields: [
        { field: "x", type: "double" },
        { field: "wkb", type: "bytes", optional: true },
      ],
    },
    avro: POINT,
    json: { x: 1.5, wkb: "AQE=" },
    value: { x: 1.5, wkb: { bytes: Buffer.from("0101", "hex") } },
  },
  {
    name: "pairs",
    connect: { type: "map", keys: { type: "string" }, values: { type: "int32" } },
    avro: { type: "map", values: "int" },
    json: { a: 1 },
    value: { a: 1 },
  },
];

const TYPES = {
  f4: "float",
  f8: "double",
  prices: "[decimal(10,2)]",
  days: "[date]",
  ids: "[uuid]",
  ratios: "[double]",
  instants: "[timestamptz]",
  blobs: "[binary]",
  money: "decimal(38,2)",
  early: "timestamptz",
  late: "timestamptz",
  iso_day: "date",
  iso_clock: "time",
  iso_wall: "timestamp",
  point: "{x:double,wkb:binary}",
  pairs: "map",
};

const SOURCE = { schema: "public", table: "t", lsn: 16 };

function jsonEvent(given: readonly Given[]): string {
  const fields = given.map(({ name, connect }) => ({ ...connect, field: name, optional: true }));
  const row = (field: string) => ({ type: "struct", fields, optional: true, field });
  const after = Object.fromEntries(given.map(({ name, json }) => [name, json]));
  return JSON.stringify({
    schema: { type: "struct", fields: [row("before"), row("after")] },
    payload: { before: null, after, source: SOURCE, op: "u" },
  });
}

function avroEvent(given: readonly Given[]): { readonly schema: object; readonly bytes: Buffer } {
  const fields = given.map(({ name, avro }) => ({ name, type: avro }));
  const source = [
    { name: "schema", type: "string" },
    { name: "table", type: "string" },
    { name: "lsn", type: "long" },
  ];
  const schema = {
    type: "record",
    name: "Envelope",
    fields: [
      { name: "after", type: { type: "record", name: "Value", fields } },
      { name: "source", type: { type: "record", name: "Source", fields: source } },
      { name: "op", type: "string" },
    ],
  };
  const after = Object.fromEntries(given.map(({ name, value }) => [name, value]));
  const event = { after, source: { ...SOURCE, lsn: 16n }, op: "u" };
  return { schema, bytes: avroBytes(schema, event) };
}

async function landBoth(given: readonly Given[]) {
  const { schema, bytes } = avroEvent(given);
  const registered = { id: 1, type: "avro", text: JSON.stringify(schema), references: [] } as const;
  const server = { values: "debezium", registry: true };
  const read = { table: "t", format: "debezium" } as const;
  const ofAvro = topicSegment({ t: [{ value: framed(1, bytes) }] }, server, [registered]);
  const ofJson = topicSegment({ t: [{ value: jsonEvent(given) }] }, server);
  return { avro: await landTopic(ofAvro, read), json: await landTopic(ofJson, read) };
}

test("E5: of logical types, in lists and structs too, JSON with its schema and Avro land the same", async () => {
  const { avro, json } = await landBoth(FIELDS);
  expect(json.types).toMatchObject(TYPES);
  expect(avro.types).toMatchObject(TYPES);
  expect(json.rows).toEqual(avro.rows);
  expect(json.rows[0]).toMatchObject({
    f4: Number.NaN,
    f8: Number.NEGATIVE_INFINITY,
    money: "12.34",
    iso_day: "2024-02-29",
    iso_clock: "23:59:59.999999",
    iso_wall: "2024-02-29 23:59:59.999999",
  });
  expect([json.rows[0]?.early, json.rows[0]?.late]).toEqual([
    "0044-03-15 (BC) 00:00:00.5+00",
    "12024-02-29 23:59:59.999999+00",
  ]);
});

test("E5: a list of UUIDs or days and an hstore that were not sent are told in both", async () => {
  const mark = "__debezium_unavailable_value";
  const codes = [...mark].map((sign) => sign.charCodeAt(0));
  const uuid = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";
  const [, , , days, ids] = FIELDS;
  if (days === undefined || ids === undefined) throw new Error("no fields");
  const map = {
    connect: { type: "map", keys: { type: "string" }, values: { type: "string" } },
    avro: { type: "map", values: "string" },
    value: { [mark]: mark },
    json: { [mark]: mark },
  };
  const text = JSON.stringify({ [mark]: mark });
  const { avro, json } = await landBoth([
    { ...days, json: codes, value: codes.map((code) => ({ int: code })) },
    { ...ids, json: [uuid], value: [{ string: uuid }] },
    { name: "labels", connect: { type: "string" }, avro: "string", json: text, value: text },
    { name: "pairs", ...map },
  ]);
  expect(String(json.rows[0]?._unchanged)).toBe("days,ids,labels,pairs");
  expect(String(avro.rows[0]?._unchanged)).toBe("days,ids,labels,pairs");
});
