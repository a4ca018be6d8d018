/** Reading topics of brokers that misbehave: nothing is lost without a word, nothing comes twice. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { systemClock, systemRandom } from "../../../../../cmd/clock.ts";
import {
  FRAME,
  FrameCursor,
  frameJson,
  headCut,
  readBatches,
  SEGMENT_MAGIC,
} from "../../../../../core/ingest/segment.ts";
import type { SealedStretch } from "../../../../../core/ingest/stream.ts";
import { Durable, realDisk } from "../../../../../storage/disk/durable.ts";
import { KafkaReader } from "../../../../../storage/sources/kafka/reader.ts";
import { visitRecords } from "../../../../../storage/sources/kafka/record-batch.ts";
import {
  KAFKA_SETTINGS,
  type KafkaSettings,
} from "../../../../../storage/sources/kafka/settings.ts";
import { batchBytes, markBytes } from "../../../../support/kafka-batch.ts";
import { append, FakeCluster, type FakePartition } from "../../../../support/kafka-server.ts";
import { tempFolder } from "../../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const LIMITS = { bytes: 1_000_000, lingerMs: 1, ms: 1 };

function settingsOf(given: Readonly<Record<string, unknown>>): KafkaSettings {
  const issues: unknown[] = [];
  const cursor = { path: [], issues };
  const read = KAFKA_SETTINGS.read(
    given,
    cursor as unknown as Parameters<typeof KAFKA_SETTINGS.read>[1],
  );
  if (read === undefined) throw new Error(JSON.stringify(issues));
  return read;
}

class Lake implements AsyncDisposable {
  readonly values: string[] = [];
  readonly notices: string[] = [];
  readonly names: string[] = [];
  from: string | null = null;
  #reader: KafkaReader | null = null;
  readonly #root: string;
  readonly #dispose: () => Promise<void>;
  readonly #given: Readonly<Record<string, unknown>>;

  static async of(given: Readonly<Record<string, unknown>>): Promise<Lake> {
    const folder = await tempFolder();
    return new Lake(folder.path, given, async () => await folder[Symbol.asyncDispose]());
  }

  private constructor(
    root: string,
    given: Readonly<Record<string, unknown>>,
    dispose: () => Promise<void>,
  ) {
    this.#root = root;
    this.#given = given;
    this.#dispose = dispose;
  }

  async open(more: Readonly<Record<string, unknown>> = {}): Promise<KafkaReader> {
    await this.#reader?.close();
    const request = {
      stream: "shop",
      kind: "kafka",
      settings: null,
      from: this.from,
      folder: `${this.#root}/streams/shop`,
      lakeRoot: this.#root,
      projectRoot: this.#root,
      lakeId: "lake",
    };
    const notice = (text: string): void => void this.notices.push(text);
    const world = { clock: systemClock, random: systemRandom, notice };
    const settings = settingsOf({ ...this.#given, ...more });
    this.#reader = await KafkaReader.open(
      request,
      settings,
      world,
      new Durable(realDisk, this.#root),
    );
    return this.#reader;
  }

  /** Commits what comes until so many values are there. */
  async until(count: number): Promise<string[]> {
    const reader = this.#reader ?? (await this.open());
    while (this.values.length < count || !reader.isCaughtUp) {
      const stretch = await reader.next(LIMITS, new AbortController().signal);
      if (stretch !== null) this.commit(stretch);
    }
    return this.values;
  }

  commit({ to, files }: SealedStretch): void {
    this.from = to;
    for (const { path, name } of files) {
      this.names.push(name);
      this.values.push(...recordsOf(path));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.close();
    await this.#dispose();
  }
}

function recordsOf(path: string): string[] {
  const bytes = readFileSync(path);
  const cursor = new FrameCursor(crc32);
  const found: string[] = [];
  for (let at = SEGMENT_MAGIC.length; cursor.read(bytes, at, bytes.length); at = cursor.next) {
    if (cursor.kind !== FRAME.batches) continue;
    const cut = headCut(bytes, cursor.start, cursor.end);
    const {
      table,
      partition,
      from = "0",
    } = readBatches(frameJson(bytes.subarray(cursor.start + 4, cut)));
    const firstOffset = BigInt(from);
    visitRecords({ bytes: bytes.subarray(cut, cursor.end), firstOffset }, (record) => {
      const { valueStart, valueEnd, offset } = record;
      const value = valueStart < 0 ? "-" : Buffer.from(record.bytes.subarray(valueStart, valueEnd));
      found.push(`${table}/${partition}@${offset}=${value.toString()}`);
    });
  }
  return found;
}

function produce(
  partition: FakePartition | undefined,
  ...values: readonly (string | null)[]
): void {
  if (partition === undefined) throw new Error("there is no such partition");
  const records = values.map((value) => ({ value }));
  append(partition, batchBytes({ baseOffset: partition.end, records }));
}

test("E1: all partitions are read from their beginning, and on from where was committed", async () => {
  await using cluster = await FakeCluster.start();
  const { partitions } = cluster.topic("orders", 2);
  produce(partitions[0], "a", "b");
  produce(partitions[1], "c", null);
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["orders"] });
  expect((await lake.until(4)).toSorted()).toEqual(
    ["orders/0@0=a", "orders/0@1=b", "orders/1@1=-", "orders/1@0=c"].toSorted(),
  );
  produce(partitions[0], "d");
  await lake.open();
  expect((await lake.until(5)).at(-1)).toBe("orders/0@2=d");
  expect(new Set(lake.names).size).toBe(lake.names.length);
});

test("a start at the end is committed before anything comes; partitions that come later are read whole", async () => {
  await using cluster = await FakeCluster.start();
  const { partitions } = cluster.topic("orders", 1);
  produce(partitions[0], "old");
  const given = { brokers: cluster.addresses, topics: ["orders"], start: "latest" };
  await using lake = await Lake.of(given);
  const reader = await lake.open();
  expect(reader.isCaughtUp).toBe(false);
  const first = await reader.next(LIMITS, new AbortController().signal);
  expect(first?.files).toEqual([]);
  if (first !== null) lake.commit(first);
  // Nobody reads now.
  produce(partitions[0], "new");
  partitions.push({ leader: 1, start: 0n, end: 0n, batches: [], aborted: [] });
  produce(partitions[1], "other");
  await lake.open();
  expect((await lake.until(2)).toSorted()).toEqual(["orders/0@1=new", "orders/1@0=other"]);
});

test("topics by a glob leave out the brokers' own", async () => {
  await using cluster = await FakeCluster.start();
  produce(cluster.topic("shop.a", 1).partitions[0], "1");
  produce(cluster.topic("shop.b", 1).partitions[0], "2");
  produce(cluster.topic("__consumer_offsets", 1).partitions[0], "3");
  produce(cluster.topic("other", 1).partitions[0], "4");
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["shop.*", "__*"] });
  expect((await lake.until(2)).toSorted()).toEqual(["shop.a/0@0=1", "shop.b/0@0=2"]);
});

test("E2: records that were removed before they were read stop the stream, by name", async () => {
  await using cluster = await FakeCluster.start();
  const { partitions } = cluster.topic("orders", 1);
  produce(partitions[0], "a");
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["orders"] });
  await lake.until(1);
  produce(partitions[0], "b", "c");
  produce(partitions[0], "d");
  if (partitions[0] !== undefined) partitions[0].start = 3n;
  await lake.open();
  await expect(lake.until(2)).rejects.toThrow(
    "orders, partition 0: the records at offsets 1 to 2 were removed before they were read",
  );
  await lake.open({ on_gap: "continue" });
  expect(await lake.until(2)).toEqual(["orders/0@0=a", "orders/0@3=d"]);
  expect(lake.notices).toEqual([
    "orders, partition 0: the records at offsets 1 to 2 were removed before they were read; going on at offset 3",
  ]);
});

test("E2: a log that was cut, a topic that was made again or is gone, another cluster stop the stream", async () => {
  await using cluster = await FakeCluster.start();
  const topic = cluster.topic("orders", 1);
  produce(topic.partitions[0], "a", "b", "c");
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["orders"] });
  await lake.until(3);
  if (topic.partitions[0] !== undefined) topic.partitions[0].end = 1n;
  await lake.open();
  await expect(lake.until(4)).rejects.toThrow("now ends before offset 1");
  topic.id = "b".repeat(32);
  await expect(lake.open()).rejects.toThrow("the topic orders was deleted and made again");
  cluster.topics.delete("orders");
  await expect(lake.open()).rejects.toThrow("the topic orders is gone");
  cluster.topic("orders", 1);
  cluster.clusterId = "cluster-2";
  await expect(lake.open()).rejects.toThrow("of the cluster cluster-2");
});

test("E2: a topic that went and came again is read from its beginning, wherever its source began", async () => {
  await using cluster = await FakeCluster.start();
  const first = cluster.topic("orders", 1).partitions[0];
  const other = cluster.topic("other", 1).partitions[0];
  const topics = ["orders", "other"];
  const given = { brokers: cluster.addresses, topics, start: "latest", on_gap: "continue" };
  await using lake = await Lake.of(given);
  await lake.open();
  produce(first, "a");
  await lake.until(1);
  cluster.topics.delete("orders");
  await lake.open();
  produce(other, "x");
  await lake.until(2);
  expect(lake.notices).toEqual([expect.stringContaining("the topic orders is gone")]);
  const again = cluster.topic("orders", 1);
  again.id = "c".repeat(32);
  produce(again.partitions[0], "b", "c");
  await lake.open();
  const values = await lake.until(4);
  expect(values.toSorted()).toEqual([
    "orders/0@0=a",
    "orders/0@0=b",
    "orders/0@1=c",
    "other/0@0=x",
  ]);
});

test("E2: a topic that nobody saw for a moment goes on where it was", async () => {
  await using cluster = await FakeCluster.start();
  const orders = cluster.topic("orders", 1);
  const other = cluster.topic("other", 1).partitions[0];
  produce(orders.partitions[0], "a", "b");
  const topics = ["orders", "other"];
  await using lake = await Lake.of({ brokers: cluster.addresses, topics, on_gap: "continue" });
  await lake.until(2);
  cluster.topics.delete("orders");
  await lake.open();
  produce(other, "x");
  await lake.until(3);
  cluster.topics.set("orders", orders);
  produce(orders.partitions[0], "c");
  await lake.open();
  const values = await lake.until(4);
  expect(values).toEqual(["orders/0@0=a", "orders/0@1=b", "other/0@0=x", "orders/0@2=c"]);
});

test("a topic that is not there is named", async () => {
  await using cluster = await FakeCluster.start();
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["oders"] });
  await expect(lake.open()).rejects.toThrow("there is no topic oders");
});

test("E1: leaders that move, connections that end and answers that are none are got over", async () => {
  await using cluster = await FakeCluster.start(2);
  const { partitions } = cluster.topic("orders", 1);
  produce(partitions[0], "a");
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["orders"] });
  await lake.until(1);
  if (partitions[0] !== undefined) partitions[0].leader = 2;
  produce(partitions[0], "b");
  await lake.until(2);
  expect(new Set(cluster.fetched)).toEqual(new Set([1, 2]));
  cluster.pranks.push("close", { error: 6 }, "garbage", "foreign answer", { error: 3 });
  produce(partitions[0], "c");
  expect(await lake.until(3)).toEqual(["orders/0@0=a", "orders/0@1=b", "orders/0@2=c"]);
});

test("E3: what was given up never lands, and a batch that is damaged stops the stream where it is", async () => {
  await using cluster = await FakeCluster.start();
  const partition = cluster.topic("orders", 1).partitions[0];
  if (partition === undefined) throw new Error("there is one partition");
  const dead = { producer: 9n, isTransactional: true };
  append(partition, batchBytes({ baseOffset: 0n, records: [{ value: "dead" }], ...dead }));
  append(partition, markBytes(1n, 9n, "abort"));
  partition.aborted = [{ producer: 9n, firstOffset: 0n }];
  append(partition, batchBytes({ baseOffset: 2n, records: [{ value: "kept" }] }));
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["orders"] });
  expect(await lake.until(1)).toEqual(["orders/0@2=kept"]);
  const broken = batchBytes({ baseOffset: 3n, records: [{ value: "broken" }] });
  broken.writeUInt8(0, broken.length - 3);
  append(partition, broken);
  await expect(lake.until(2)).rejects.toThrow("orders, partition 0, from offset 3 on");
});

test("how far the lake is behind is counted to the last stable offset, over all partitions", async () => {
  await using cluster = await FakeCluster.start();
  const { partitions } = cluster.topic("orders", 2);
  produce(partitions[0], "a", "b");
  produce(partitions[1], "c");
  await using lake = await Lake.of({ brokers: cluster.addresses, topics: ["orders"] });
  await lake.until(3);
  const reader = await lake.open();
  expect(await reader.lag()).toMatchObject({ bytes: null, rows: 0, ms: 0 });
  produce(partitions[0], "d", "e");
  produce(partitions[1], "f");
  expect(await reader.lag()).toMatchObject({ rows: 3 });
  await lake.until(6);
  expect((await reader.lag())?.rows).toBe(3);
  await reader.acknowledge(lake.from ?? "");
  expect(await reader.lag()).toMatchObject({ rows: 0, ms: 0 });
});
