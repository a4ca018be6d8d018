/** Topics that come and go on a real broker: by pattern, with partitions that come later, deleted and made again. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { kafkaJars, startKafka } from "../support/kafka.ts";
import { TestProducer } from "../support/kafka-producer.ts";
import { KafkaProject } from "./project.ts";

setDefaultTimeout(300_000);

const lib = kafkaJars();

function numbered(...numbers: readonly number[]) {
  return numbers.map((n) => ({ key: String(n), value: `{"n":${n}}` }));
}

test.skipIf(lib === null)(
  "topics by a pattern, and what comes to them later, land once",
  async () => {
    await using broker = await startKafka(lib ?? "");
    using producer = await TestProducer.open(broker.port, null);
    const source = (more = "") =>
      `brokers: ["127.0.0.1:${broker.port}"], topics: ["shop.*"], start: latest${more}`;
    await using project = await KafkaProject.of(source());
    const send = (topic: string, partition: number, ...numbers: readonly number[]) =>
      producer.send({ topic, partition, records: numbered(...numbers) });
    const numbers = async (table: string) => {
      const rows = await project.ask(
        `select n, _partition as p, _offset as o from bronze.${table} order by _batch, p, o`,
      );
      return rows.map(({ n, p, o }) => `${n}@${p}/${o}`);
    };
    await producer.topic("shop.orders", 1);
    await producer.topic("other", 1);
    await send("shop.orders", 0, 1);
    await send("other", 0, 99);
    await project.build();
    await send("shop.orders", 0, 2, 3);
    await project.build();
    // What was there before it began is not meant.
    expect(await numbers("shop_shop_orders")).toEqual(["2@0/1", "3@0/2"]);
    // A partition, and a topic, that come later are read from their beginning.
    await producer.partitions("shop.orders", 2);
    await producer.topic("shop.payments", 1);
    await send("shop.orders", 1, 4);
    await send("shop.payments", 0, 10);
    await project.build();
    expect(await numbers("shop_shop_orders")).toEqual(["2@0/1", "3@0/2", "4@1/0"]);
    expect(await numbers("shop_shop_payments")).toEqual(["10@0/0"]);
    await producer.deleteTopic("shop.orders");
    await producer.topic("shop.orders", 1);
    await send("shop.orders", 0, 5, 6, 7, 8);
    const stopped = await project.run("build");
    expect(stopped.code).not.toBe(0);
    expect(stopped.text).toMatch(
      /the topic shop\.orders was deleted and made again: what it held and was not read is lost/,
    );
    expect(stopped.text).toContain("on_gap: continue");
    await project.configure(source(", on_gap: continue"));
    await project.build();
    const again = ["5@0/0", "6@0/1", "7@0/2", "8@0/3"];
    expect(await numbers("shop_shop_orders")).toEqual(["2@0/1", "3@0/2", "4@1/0", ...again]);
    await project.build();
    expect((await numbers("shop_shop_orders")).length).toBe(7);
    expect((await project.ask("select count(*) as n from bronze.shop_shop_payments"))[0]?.n).toBe(
      1,
    );
  },
);
