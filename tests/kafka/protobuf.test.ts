/** Values in Protobuf and JSON by a real broker and a real registry, through the compiled program. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { kafkaJars, startKafka } from "../support/kafka.ts";
import { TestProducer } from "../support/kafka-producer.ts";
import { protoBytes, protoPath } from "../support/proto-bytes.ts";
import { registryFiles, startRegistry } from "../support/registry.ts";
import { framed } from "../support/schema-frame.ts";
import { KafkaProject } from "./project.ts";

setDefaultTimeout(120_000);

const lib = kafkaJars();
const app = registryFiles();
const isThere = lib !== null && app !== null;

const MONEY = `syntax = "proto3"; package shop;
message Money { int64 units = 1; string currency = 2; }`;
const BODY = `
message Ignored { int32 n = 1; }
message Order {
  uint64 id = 1; Money total = 2; google.protobuf.Timestamp paid = 3; map<string, sint64> stock = 4;
  oneof how { string card = 5; Money cash = 6; } repeated State states = 7;
  enum State { NEW = 0; PAID = 1; }
}`;
const HEAD = 'syntax = "proto3"; package shop; import "google/protobuf/timestamp.proto";';
const ORDER = `${HEAD} import "money.proto"; ${BODY}`;
/** The same in one text, for the writer. */
const WHOLE = `${HEAD} ${MONEY.slice(MONEY.indexOf("message"))} ${BODY}`;
const VALUE = {
  id: "18446744073709551615",
  total: { units: "-9007199254740993", currency: "EUR" },
  paid: { seconds: "1772355600", nanos: 123_456_000 },
  stock: { a: "-9007199254740993" },
  card: "4711",
  states: [0, 1],
};

test.skipIf(!isThere)(
  "Protobuf with references, and JSON with its mark, beside each other",
  async () => {
    await using broker = await startKafka(lib ?? "");
    await using registry = await startRegistry(app ?? "");
    using producer = await TestProducer.open(broker.port, null);
    await producer.topic("orders", 1);
    await producer.topic("events", 1);
    await registry.register("money", { schema: MONEY, schemaType: "PROTOBUF" });
    const references = [{ name: "money.proto", subject: "money", version: 1 }];
    const order = { schema: ORDER, schemaType: "PROTOBUF", references } as const;
    const id = await registry.register("orders-value", order);
    const bytes = Buffer.concat([protoPath(1), protoBytes(WHOLE, "shop.Order", VALUE)]);
    const records = [{ value: framed(id, bytes) }, { value: framed(id, protoPath(9)) }];
    await producer.send({ topic: "orders", partition: 0, records });
    const text = JSON.stringify({ type: "object", properties: { n: { type: "integer" } } });
    const json = await registry.register("events-value", { schema: text, schemaType: "JSON" });
    const event = framed(json, Buffer.from('{"n": 9007199254740993}'));
    await producer.send({
      topic: "events",
      partition: 0,
      records: [{ value: event }, { value: "{}" }],
    });
    const source = `brokers: ["127.0.0.1:${broker.port}"], registry: { url: "${registry.url}" }`;
    await using project = await KafkaProject.of(`${source}, topics: [orders, events]`);
    await project.build();
    const [row, ...others] = await project.ask(`
    select id::varchar as id, total.units::varchar as units, total.currency as currency,
      paid::varchar as paid, stock['a']::varchar as stock, card, cash, states, typeof(id) as type
    from bronze.shop_orders`);
    expect(others).toEqual([]);
    expect(row).toEqual({
      id: VALUE.id,
      units: VALUE.total.units,
      currency: "EUR",
      paid: "2026-03-01 09:00:00.123456+00",
      stock: VALUE.stock.a,
      card: "4711",
      cash: null,
      states: ["NEW", "PAID"],
      type: "DECIMAL(20,0)",
    });
    expect(
      await project.ask("select n::varchar as n from bronze.shop_events order by _offset"),
    ).toEqual([{ n: "9007199254740993" }, { n: null }]);
    const [aside] = await project.ask("select message from bronze_quarantine.shop_orders");
    expect(String(aside?.message)).toContain("offset 1: its schema has no message at 9");
  },
);
