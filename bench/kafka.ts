/**
 * How fast the messages of a topic are landed by `tarn build`, committed and there to be asked for, beside Java's
 * ConsumerPerformance, which reads the same ones and throws them away. Usage: kafka.ts [MESSAGES] (2000000).
 */

import { mkdirSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { kafkaJars, startKafka } from "../tests/support/kafka.ts";
import { TestProducer } from "../tests/support/kafka-producer.ts";
import { benchFolder } from "./data.ts";
import { heading, MIB, measure, progress, spread, table } from "./measure.ts";
import { askSql, mustRun, programPath } from "./project.ts";
import { rateText } from "./rates.ts";

interface Shape {
  readonly name: string;
  readonly valueBytes: number;
  /** Of all messages that were asked for. */
  readonly share: number;
  readonly codec?: { readonly number: number; readonly pack: (plain: Buffer) => Uint8Array };
}

/** Messages a second in one pair of runs. */
interface Pair {
  /** Of the whole process, from its start to its end. */
  readonly landed: number;
  /** As the peer says it: from its first request on, with joining its group; and of fetching alone. */
  readonly peer: number;
  readonly peerFetch: number;
  readonly rssBytes: number;
  readonly peerRssBytes: number;
}

const ROUNDS = Number(process.env.TARN_BENCH_ROUNDS ?? 5);
const PARTITIONS = 4;
/** What a Java producer sends at once unless it is told otherwise: batch.size. */
const BATCH_BYTES = 16_384;
/** What tarn asks for: fetch.max.bytes, max.partition.fetch.bytes, and how long a broker waits. */
const FETCH = { bytes: 32 * MIB, partitionBytes: 4 * MIB, waitMs: 500 };
const SHAPES: readonly Shape[] = [
  { name: "200 bytes", valueBytes: 200, share: 1 },
  { name: "200 bytes, zstd", valueBytes: 200, share: 1, codec: { number: 4, pack: packed } },
  { name: "1,000 bytes", valueBytes: 1_000, share: 0.25 },
];

await main(Number(process.argv[2] ?? 2_000_000));

async function main(messageCount: number): Promise<void> {
  const lib = kafkaJars();
  if (lib === null) return;
  await using broker = await startKafka(lib);
  const lines: string[][] = [];
  for (const [index, shape] of SHAPES.entries()) {
    const count = Math.round(messageCount * shape.share);
    const pairs = await compare(lib, broker.port, { topic: `events${index}`, count, shape });
    lines.push([shape.name, ...cellsOf(pairs)]);
  }
  heading("Messages of a topic, landed by `tarn build`, beside ConsumerPerformance");
  const peers = ["ConsumerPerformance", "its fetching alone", "ratio", "to its fetching"];
  console.log(table(["values", "landed/s", ...peers, "RSS MiB", "its RSS"], lines));
}

interface Topic {
  readonly topic: string;
  readonly count: number;
  readonly shape: Shape;
}

/** Lakes that know the topic already read what is written then, by turns with the peer. */
async function compare(lib: string, port: number, filled: Topic): Promise<Pair[]> {
  const { topic, shape } = filled;
  using producer = await TestProducer.open(port, null);
  await producer.topic(topic, PARTITIONS);
  await producer.send({ topic, partition: 0, records: [message(0, shape)] });
  const lakes = await Promise.all(
    Array.from({ length: ROUNDS }, (_, at) => lakeOf(at, port, topic)),
  );
  for (const lake of lakes) await mustRun([programPath(), "build"], { cwd: lake });
  await fill(producer, filled);
  const pairs: Pair[] = [];
  for (const [round, lake] of lakes.entries()) {
    const runs = [() => landed(lake, filled), () => consumed(lib, port, filled, round)] as const;
    await measure(["sync"]);
    // Who is first has the colder files.
    const isOwnFirst = round % 2 === 0;
    let own = isOwnFirst ? await runs[0]() : null;
    const peer = await runs[1]();
    own ??= await runs[0]();
    pairs.push({ ...own, ...peer });
    rmSync(lake, { recursive: true });
    progress(
      `${shape.name}, round ${round + 1}: ${own.landed.toFixed()} and ${peer.peer.toFixed()}`,
    );
  }
  await producer.deleteTopic(topic);
  return pairs;
}

async function landed(lake: string, { topic, count }: Topic) {
  const { ms, peakRssBytes } = await measure([programPath(), "build"], { cwd: lake });
  const places = "count(distinct (_partition, _offset)) as places";
  const [row] = await askSql(
    lake,
    `select count(*) as n, ${places}, sum(id) as ids from bronze.bench_${topic}`,
  );
  const all = count + 1;
  const isWhole = Number(row?.n) === all && Number(row?.places) === all;
  if (!isWhole || Number(row?.ids) !== (count * all) / 2) {
    throw new Error(`${all} messages were sent, and there are ${JSON.stringify(row)}`);
  }
  return { landed: count / (ms / 1_000), rssBytes: peakRssBytes };
}

async function consumed(lib: string, port: number, { topic, count }: Topic, round: number) {
  const config = join(benchFolder("kafka"), "consumer.properties");
  const settings = {
    "isolation.level": "read_committed",
    "fetch.max.bytes": FETCH.bytes,
    "fetch.max.wait.ms": FETCH.waitMs,
  };
  await writeFile(
    config,
    Object.entries(settings)
      .map((pair) => `${pair.join("=")}\n`)
      .join(""),
  );
  const java = ["java", "-Xmx512M", "-cp", join(lib, "*")];
  const { stdout, peakRssBytes } = await measure([
    ...[...java, "org.apache.kafka.tools.ConsumerPerformance", "--hide-header"],
    ...["--bootstrap-server", `127.0.0.1:${port}`, "--topic", topic],
    ...["--messages", String(count + 1), "--fetch-size", String(FETCH.partitionBytes)],
    ...["--group", `${topic}-${round}`, "--consumer.config", config],
  ]);
  const line = stdout.trim().split("\n").at(-1) ?? "";
  const [, , , , sent, rate, , , , fetchRate] = line.split(",").map(Number);
  if (sent === undefined || sent < count || rate === undefined || fetchRate === undefined) {
    throw new Error(`ConsumerPerformance said: ${stdout}`);
  }
  return { peer: rate, peerFetch: fetchRate, peerRssBytes: peakRssBytes };
}

function cellsOf(pairs: readonly Pair[]): string[] {
  const [own, peer, fetch] = (["landed", "peer", "peerFetch"] as const).map((key) =>
    spread(pairs.map((pair) => pair[key])),
  );
  if (own === undefined || peer === undefined || fetch === undefined) return [];
  const rss = (key: "rssBytes" | "peerRssBytes") =>
    (spread(pairs.map((pair) => pair[key])).median / MIB).toFixed(0);
  return [
    ...[own, peer, fetch].map(rateText),
    (own.median / peer.median).toFixed(2),
    (own.median / fetch.median).toFixed(2),
    rss("rssBytes"),
    rss("peerRssBytes"),
  ];
}

async function fill(producer: TestProducer, { topic, count, shape }: Topic): Promise<void> {
  const each = Math.max(1, Math.floor(BATCH_BYTES / (shape.valueBytes + 20)));
  const { codec } = shape;
  const how = codec === undefined ? {} : { codec: codec.number, pack: codec.pack };
  for (let from = 1, batch = 0; from <= count; from += each, batch++) {
    const length = Math.min(each, count + 1 - from);
    const records = Array.from({ length }, (_, at) => message(from + at, shape));
    await producer.send({ topic, partition: batch % PARTITIONS, records, ...how });
  }
}

function message(id: number, { valueBytes }: Shape) {
  const value = {
    id,
    ts: new Date(1_767_225_600_000 + id * 137).toISOString().slice(0, 23).replace("T", " "),
    user_id: (id * 7919) % 1_000_000,
    kind: ["view", "click", "cart", "pay"][id % 4],
    amount: ((id % 10_000) + 0.5) / 100,
    url: `https://shop.example/p/${id % 50_000}`,
    country: ["NO", "SE", "DE", "FR"][id % 4],
    session: "",
  };
  const session = noise(id, valueBytes - JSON.stringify(value).length);
  return { key: String(id), value: JSON.stringify({ ...value, session }) };
}

/** Letters that look like those of a token. */
function noise(seed: number, length: number): string {
  let text = "";
  for (let at = 0; text.length < length; at++) {
    text += ((seed * 2_654_435_761 + at * 40_503_473) % 2 ** 48).toString(36);
  }
  return text.slice(0, Math.max(0, length));
}

function packed(plain: Buffer): Uint8Array {
  return zstdCompressSync(plain);
}

async function lakeOf(at: number, port: number, topic: string): Promise<string> {
  const lake = benchFolder("kafka", `lake-${at}`);
  rmSync(lake, { recursive: true, force: true });
  mkdirSync(lake, { recursive: true });
  const source = JSON.stringify({
    ...{ kind: "kafka", brokers: [`127.0.0.1:${port}`], topics: [topic] },
  });
  await writeFile(join(lake, "tarn.yaml"), `sources: { bench: ${source} }\n`);
  return lake;
}
