/** Avro schemas as columns: logical types, unions, records that hold themselves, nanoseconds. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { Type } from "../../../../../core/table/types.ts";
import { type AvroJson, avroFile, avroRecord } from "../../../../support/avro-file.ts";
import { Harness, T } from "../harness.ts";

setDefaultTimeout(120_000);

const LONG_MAX = 2n ** 63n - 1n;
const P = (name: "uuid" | "binary" | "time" | "float"): Type => ({ kind: "primitive", name });

async function types(fields: Readonly<Record<string, AvroJson>>, rows: readonly unknown[] = []) {
  await using h = await Harness.open();
  return await h.types(avroFile(avroRecord(fields), rows), "x.avro");
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
  const file = avroFile(avroRecord(fields), rows);
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
  const file = avroFile(avroRecord(fields), rows);
  const { rows: landed } = await land(file, { whole: T.timestamptz, fine: T.string });
  expect(landed).toEqual([
    { whole: "1969-12-31 23:59:59.999999+00", fine: "1969-12-31 23:59:59.999999999" },
  ]);
  const { rejects } = await land(file, { whole: T.timestamptz, fine: T.timestamp });
  expect(rejects.map((row) => [row.position, row.reason, row.column_name])).toEqual([
    ["row 1", "type", "fine"],
  ]);
});
