/** Values and keys in Avro by a real broker and a real registry, through the compiled program. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { avroBytes } from "../support/avro-long.ts";
import { kafkaJars, startKafka } from "../support/kafka.ts";
import { TestProducer } from "../support/kafka-producer.ts";
import { registryFiles, startRegistry } from "../support/registry.ts";
import { framed } from "../support/schema-frame.ts";
import { KafkaProject } from "./project.ts";

setDefaultTimeout(120_000);

const lib = kafkaJars();
const app = registryFiles();
const isThere = lib !== null && app !== null;

const KEY = { type: "record", name: "Key", fields: [{ name: "id", type: "long" }] };
const FIRST = {
  type: "record",
  name: "Order",
  namespace: "shop",
  fields: [
    { name: "id", type: "long" },
    { name: "state", type: { type: "enum", name: "State", symbols: ["NEW", "PAID"] } },
    {
      name: "total",
      type: { type: "bytes", logicalType: "decimal", precision: 20, scale: 2 },
    },
    { name: "day", type: { type: "int", logicalType: "date" } },
    { name: "paid", type: { type: "long", logicalType: "timestamp-micros" } },
    { name: "wall", type: { type: "long", logicalType: "local-timestamp-millis" } },
    { name: "clock", type: { type: "int", logicalType: "time-millis" } },
    { name: "uid", type: { type: "string", logicalType: "uuid" } },
    { name: "mark", type: { type: "fixed", name: "Mark", size: 3 } },
    { name: "tags", type: { type: "map", values: "string" } },
    {
      name: "lines",
      type: {
        type: "array",
        items: {
          type: "record",
          name: "Line",
          fields: [
            { name: "sku", type: "string" },
            { name: "count", type: ["null", "int"] },
          ],
        },
      },
    },
    { name: "either", type: ["null", "long", "string"] },
  ],
};
const SECOND = {
  ...FIRST,
  fields: [
    ...FIRST.fields.slice(0, 11),
    { name: "either", type: ["null", "long", "string"], default: null },
    { name: "note", type: ["null", "string"], default: null },
  ],
};

const BIG = 9_007_199_254_740_993n;
const ORDER = {
  id: BIG,
  state: "PAID",
  total: Buffer.from("3039", "hex"),
  day: 20_000,
  paid: 1_772_355_600_123_456n,
  wall: 1_772_355_600_123n,
  clock: 3_600_001,
  uid: "0189d6e8-5c1e-7000-8000-0123456789ab",
  mark: Buffer.from([0, 255, 7]),
  tags: { a: "1" },
  lines: [
    { sku: "x", count: { int: 2 } },
    { sku: "y", count: null },
  ],
  either: { long: BIG },
};

const ROWS = `
  select _key.id::varchar as key, _op, _offset, id::varchar as id, state, total::varchar as total,
    day::varchar as day, paid::varchar as paid, wall::varchar as wall, clock::varchar as clock,
    uid::varchar as uid, hex(mark) as mark, tags['a'] as a, lines[1].count as count,
    lines[2].count as none, either.long::varchar as long, either.string as text, note,
    typeof(total) as total_type
  from bronze.shop_orders order by _offset`;
const LANDED = {
  key: String(BIG),
  _op: "c",
  _offset: 0,
  id: String(BIG),
  state: "PAID",
  total: "123.45",
  total_type: "DECIMAL(20,2)",
  day: "2024-10-04",
  paid: "2026-03-01 09:00:00.123456+00",
  wall: "2026-03-01 09:00:00.123",
  clock: "01:00:00.001",
  uid: ORDER.uid,
  mark: "00FF07",
  a: "1",
  count: 2,
  none: null,
  long: String(BIG),
  text: null,
  note: null,
};

test.skipIf(!isThere)("rows, keys and schemas that grow; a replay asks no registry", async () => {
  await using broker = await startKafka(lib ?? "");
  await using registry = await startRegistry(app ?? "");
  using producer = await TestProducer.open(broker.port, null);
  await producer.topic("orders", 1);
  const key = await registry.register("orders-key", { schema: JSON.stringify(KEY) });
  const first = await registry.register("orders-value", { schema: JSON.stringify(FIRST) });
  const second = await registry.register("orders-value", { schema: JSON.stringify(SECOND) });
  expect(second).not.toBe(first);
  // What a number stands for is there after its version is gone.
  await registry.remove("orders-value", 1);
  const later = { ...ORDER, id: 2n, either: { string: "text" }, note: { string: "new" } };
  const records = [
    {
      key: framed(key, avroBytes(KEY, { id: BIG })),
      value: framed(first, avroBytes(FIRST, ORDER)),
    },
    {
      key: framed(key, avroBytes(KEY, { id: 2n })),
      value: framed(second, avroBytes(SECOND, later)),
    },
    { key: framed(key, avroBytes(KEY, { id: 2n })), value: null },
    { key: null, value: framed(999_999, avroBytes(FIRST, ORDER)) },
    { key: null, value: "no frame" },
    { key: null, value: framed(first, Buffer.from([1])) },
  ];
  await producer.send({ topic: "orders", partition: 0, records });
  const source = `brokers: ["127.0.0.1:${broker.port}"], topics: [orders], format: avro`;
  await using project = await KafkaProject.of(`${source}, registry: { url: "${registry.url}" }`);
  await project.build();
  const rows = await project.ask(ROWS);
  expect(rows.slice(0, 2)).toEqual([
    LANDED,
    { ...LANDED, key: "2", _offset: 1, id: "2", long: null, text: "text", note: "new" },
  ]);
  expect(rows[2]).toMatchObject({ key: "2", _op: "d", _offset: 2, id: null });
  const set = await project.ask(
    'select reason, message from bronze_quarantine."shop_orders" order by message',
  );
  expect(set.map(({ message }) => String(message))).toEqual([
    expect.stringContaining("partition 0, offset 3: it names the schema 999999"),
    expect.stringContaining("partition 0, offset 4: the value names no schema"),
    expect.stringContaining("partition 0, offset 5: it is not as its schema says"),
  ]);
  const before = await project.ask("select * from bronze.shop_orders order by _offset");
  await registry.end();
  const { code, text } = await project.run("replay", "--from-originals", "shop.orders");
  expect([code, text]).toEqual([0, expect.any(String)]);
  expect(await project.ask("select * from bronze.shop_orders order by _offset")).toEqual(before);
});
