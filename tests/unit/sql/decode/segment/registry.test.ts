/** Records that name a schema of a registry: typed by it, and set aside where they are not as it says. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { SegmentSchema } from "../../../../../core/ingest/segment.ts";
import { avroBytes } from "../../../../support/avro-long.ts";
import { framed } from "../../../../support/schema-frame.ts";
import { base64, landTopic, topicSegment } from "./topic-segment.ts";

setDefaultTimeout(120_000);

const AVRO = { values: "avro", registry: true };

function avroSchema(id: number, schema: object | string, ...references: string[]): SegmentSchema {
  const named = references.map((text, index) => ({ name: String(index), text }));
  return { id, type: "avro", text: JSON.stringify(schema), references: named };
}

test("records of several schemas are one table: fields join, types widen, nothing is bent", async () => {
  const fields = (...list: object[]) => ({ type: "record", name: "R", fields: list });
  const old = fields({ name: "id", type: "int" }, { name: "gone", type: "string" });
  const next = fields({ name: "id", type: "long" }, { name: "new", type: ["null", "double"] });
  const root = avroBytes("long", 2n ** 62n + 1n);
  const bytes = topicSegment(
    {
      t: [
        { value: framed(1, avroBytes(old, { id: 1, gone: "x" })), key: base64("plain") },
        { value: framed(2, avroBytes(next, { id: 2n ** 53n + 1n, new: { double: 0.5 } })) },
        { value: framed(3, root) },
      ],
    },
    AVRO,
    [avroSchema(1, old), avroSchema(2, next), avroSchema(3, "long")],
  );
  const { rows, types } = await landTopic(bytes, { table: "t", format: "segment" });
  expect(types).toMatchObject({ id: "long", gone: "string", new: "double", value: "long" });
  expect(
    rows.map(({ id, gone, new: added, value, _key }) => [id, gone, added, value, _key]),
  ).toEqual([
    [1n, "x", null, null, "plain"],
    [9_007_199_254_740_993n, null, 0.5, null, null],
    [null, null, null, 2n ** 62n + 1n, null],
  ]);
});

test("E4: a schema may name others; one that is not there, or is none, sets its records aside", async () => {
  const line = {
    type: "record",
    name: "Line",
    namespace: "shop",
    fields: [{ name: "n", type: "int" }],
  };
  const order = {
    type: "record",
    name: "Order",
    namespace: "shop",
    fields: [{ name: "line", type: "shop.Line" }],
  };
  const bytes = topicSegment(
    {
      t: [
        { value: framed(1, avroBytes(line, { n: 3 })) },
        { value: framed(2, avroBytes(line, { n: 3 })) },
        { value: framed(3, Buffer.of(6)) },
        { value: framed(1, Buffer.of(6, 0)) },
        { value: framed(1, Buffer.of(6)), key: base64(framed(9, Buffer.of(6))) },
        { value: "{}" },
      ],
    },
    AVRO,
    [avroSchema(1, order, JSON.stringify(line)), avroSchema(2, order)],
  );
  const { rows, rejects } = await landTopic(bytes, { table: "t", format: "segment" });
  expect(rows).toHaveLength(1);
  expect(rejects.map(({ column_name, message }) => [column_name, message])).toEqual([
    [null, expect.stringContaining("offset 1: it names the schema 2: the Avro schema is broken")],
    [null, expect.stringContaining("offset 2: it names the schema 3, which the registry did not")],
    [null, expect.stringContaining("offset 3: bytes are left over behind the value")],
    ["_key", expect.stringContaining("offset 4: of the key: it names the schema 9")],
    [null, expect.stringContaining("offset 5: the value names no schema: it begins with the byte")],
  ]);
});

test("JSON with the mark of its schema is JSON, with it or without; a key's mark goes too", async () => {
  const json: SegmentSchema = { id: 5, type: "json", text: "{}", references: [] };
  const bytes = topicSegment(
    {
      t: [
        {
          value: framed(5, Buffer.from('{"n": 9007199254740993}')),
          key: base64(framed(5, Buffer.from('"k"'))),
        },
        { value: '{"n": 1}', key: base64("k") },
        { value: framed(5, Buffer.from("no")) },
      ],
    },
    { values: "json", registry: true },
    [json],
  );
  const { rows, rejects } = await landTopic(bytes, { table: "t", format: "json" });
  expect(rows.map(({ n, _key }) => [n, _key])).toEqual([
    [9_007_199_254_740_993n, '"k"'],
    [1n, "k"],
  ]);
  expect(rejects).toHaveLength(1);
});

const named = (type: string, name: string) => ({
  type,
  "connect.version": 1,
  "connect.name": name,
});
const VALUE = {
  type: "record",
  name: "Value",
  namespace: "shop.public.t",
  fields: [
    { name: "id", type: "long" },
    { name: "day", type: ["null", named("int", "io.debezium.time.Date")] },
    { name: "at", type: ["null", named("long", "io.debezium.time.MicroTimestamp")] },
    { name: "zoned", type: ["null", named("string", "io.debezium.time.ZonedTimestamp")] },
    { name: "clock", type: ["null", named("long", "io.debezium.time.MicroTime")] },
    {
      name: "price",
      type: [
        "null",
        {
          ...named("bytes", "org.apache.kafka.connect.data.Decimal"),
          logicalType: "decimal",
          precision: 10,
          scale: 2,
        },
      ],
    },
    {
      name: "any",
      type: [
        "null",
        {
          type: "record",
          name: "VariableScaleDecimal",
          namespace: "io.debezium.data",
          "connect.name": "io.debezium.data.VariableScaleDecimal",
          fields: [
            { name: "scale", type: "int" },
            { name: "value", type: "bytes" },
          ],
        },
      ],
    },
    { name: "doc", type: ["null", "string"] },
    { name: "raw", type: ["null", "bytes"] },
    { name: "texts", type: ["null", { type: "array", items: ["null", "string"] }] },
    { name: "numbers", type: ["null", { type: "array", items: ["null", "int"] }] },
  ],
};
const ENVELOPE = {
  type: "record",
  name: "Envelope",
  namespace: "shop.public.t",
  fields: [
    { name: "before", type: ["null", VALUE] },
    { name: "after", type: ["null", "shop.public.t.Value"] },
    {
      name: "source",
      type: {
        type: "record",
        name: "Source",
        namespace: "io.debezium.connector.postgresql",
        fields: [
          { name: "schema", type: "string" },
          { name: "table", type: "string" },
          { name: "lsn", type: ["null", "long"] },
          { name: "ts_ns", type: ["null", "long"] },
          { name: "sequence", type: ["null", "string"] },
        ],
      },
    },
    {
      name: "transaction",
      type: [
        "null",
        {
          type: "record",
          name: "block",
          namespace: "event",
          fields: [
            { name: "id", type: "string" },
            { name: "total_order", type: "long" },
            { name: "data_collection_order", type: "long" },
          ],
        },
      ],
    },
    { name: "op", type: "string" },
  ],
};

const NOTHING = Object.fromEntries(VALUE.fields.slice(1).map(({ name }) => [name, null]));
const wrapped = (row: object | null) => (row === null ? null : { "shop.public.t.Value": row });

function event(op: string, image: { before?: object; after?: object }, lsn = 16n): Buffer {
  return avroBytes(ENVELOPE, {
    before: wrapped(image.before ?? null),
    after: wrapped(image.after ?? null),
    source: {
      schema: "public",
      table: "t",
      lsn: { long: lsn },
      ts_ns: { long: 1_772_355_600_123_456_789n },
      sequence: { string: `["1","${lsn}"]` },
    },
    transaction: {
      "event.block": { id: `571:${lsn}`, total_order: 1n, data_collection_order: 1n },
    },
    op,
  });
}

test("Debezium's events in Avro have the types that Kafka Connect writes beside them", async () => {
  const row = {
    ...NOTHING,
    id: 2n ** 53n + 1n,
    day: { int: 20_000 },
    at: { long: 1_772_355_600_123_456n },
    zoned: { string: "2026-03-01T09:00:00.5Z" },
    clock: { long: 3_600_000_001n },
    price: { bytes: Buffer.from("ff38", "hex") },
    any: {
      "io.debezium.data.VariableScaleDecimal": { scale: 3, value: Buffer.from("3039", "hex") },
    },
  };
  const bytes = topicSegment(
    {
      t: [
        { value: framed(1, event("c", { after: row })) },
        { value: framed(1, event("d", { before: row })) },
        { op: "d" },
      ],
    },
    { values: "debezium", registry: true },
    [avroSchema(1, ENVELOPE)],
  );
  const { rows, types, decoded } = await landTopic(bytes, { table: "t", format: "debezium" });
  expect(types).toMatchObject({
    id: "long",
    day: "date",
    at: "timestamp",
    zoned: "timestamptz",
    clock: "time",
    price: "decimal(10,2)",
    any: "string",
  });
  expect(rows[0]).toMatchObject({
    id: 9_007_199_254_740_993n,
    day: "2024-10-04",
    at: "2026-03-01 09:00:00.123456",
    zoned: "2026-03-01 09:00:00.5+00",
    clock: "01:00:00.000001",
    price: "-2.00",
    any: "12.345",
    _op: "c",
    _position: "0000000000000010-0000000000000000-00000000",
    _transaction: "571",
    _committed_at: "2026-03-01 09:00:00.123456+00",
  });
  expect(rows[1]).toMatchObject({ _op: "d", id: 9_007_199_254_740_993n });
  expect(decoded.files[0]).toMatchObject({ rowsIn: 2, unread: "1 tombstone" });
});

test("E5: a value that was not sent is told in each of its four shapes", async () => {
  const mark = "__debezium_unavailable_value";
  const row = {
    ...NOTHING,
    id: 1n,
    doc: { string: mark },
    raw: { bytes: Buffer.from(mark) },
    texts: { array: [{ string: mark }] },
    numbers: { array: [...mark].map((sign) => ({ int: sign.charCodeAt(0) })) },
  };
  const bytes = topicSegment(
    { t: [{ value: framed(1, event("u", { after: row })) }] },
    { values: "debezium", registry: true },
    [avroSchema(1, ENVELOPE)],
  );
  const { rows } = await landTopic(bytes, { table: "t", format: "debezium" });
  expect(rows[0]).toMatchObject({ doc: null, raw: null, texts: null, numbers: null });
  expect(String(rows[0]?._unchanged)).toBe(String(["doc", "raw", "texts", "numbers"]));
});

test("E5: what is infinite in the source is set aside, with the name of its column", async () => {
  const infinite = [
    { day: { int: -2_147_472_692 } },
    { at: { long: 9_223_372_036_825_200_000n } },
    { at: { long: -9_223_372_036_832_400_000n } },
    { zoned: { string: "-infinity" } },
  ];
  const bytes = topicSegment(
    {
      t: [{ id: 1n }, ...infinite].map((row) => ({
        value: framed(1, event("c", { after: { ...NOTHING, id: 1n, ...row } })),
      })),
    },
    { values: "debezium", registry: true },
    [avroSchema(1, ENVELOPE)],
  );
  const { rows, rejects } = await landTopic(bytes, { table: "t", format: "debezium" });
  expect(rows).toHaveLength(1);
  expect(rejects.map(({ column_name }) => column_name)).toEqual(["day", "at", "at", "zoned"]);
  expect(String(rejects[0]?.message)).toContain("partition 3, offset 1: day is infinite");
});
