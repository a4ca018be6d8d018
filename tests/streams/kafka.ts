/**
 * Topics that transactional producers write to, of whose transactions many are given up, read by a program that is
 * killed from a broker that is killed too: each committed record lands once, no other ever. Run by hand:
 * `node cmd/bun.mjs run tests/streams/kafka.ts`.
 *
 * TARN_STREAM_KILLS (50), TARN_STREAM_SEED, TARN_BIN, TARN_TEST_KAFKA_JARS.
 */

import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";
import { kafkaJars, startKafka } from "../support/kafka.ts";
import { TestProducer } from "../support/kafka-producer.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 50);
const BROKER_KILLS = Math.ceil(KILLS / 10);
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);
const GIVEN_UP = 0.3;
const PARTITIONS = 3;
const TOPICS = ["orders", "payments"] as const;
/** The longest that the program is let live. */
const LIFE_MS = 1_500;

const lib = kafkaJars();
if (lib === null) process.exit(0);
const folder = mkdtempSync(join(tmpdir(), "stream-kafka-"));
await using broker = await startKafka(lib);
/** Numbers that are committed, by topic. */
const committed = new Map(TOPICS.map((topic) => [topic, new Set<number>()] as const));
/** Transactions whose end nobody knows, for the broker died while they were ended. */
const unsure = new Set<number>();
let next = 0;
let isWriting = true;
let givenUp = 0;

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** One transaction over both topics. */
async function transaction(producer: TestProducer): Promise<void> {
  const sent = new Map<(typeof TOPICS)[number], number[]>();
  const isKept = random() >= GIVEN_UP;
  const all: number[] = [];
  try {
    for (let batch = 0; batch < 1 + random() * 4; batch++) {
      const topic = TOPICS[Math.floor(random() * TOPICS.length)] ?? "orders";
      const numbers = Array.from({ length: 1 + Math.floor(random() * 20) }, () => next++);
      all.push(...numbers);
      sent.set(topic, [...(sent.get(topic) ?? []), ...numbers]);
      const records = numbers.map((n) => ({ key: String(n), value: `{"n":${n}}` }));
      await producer.send({ topic, partition: Math.floor(random() * PARTITIONS), records });
    }
  } catch (thrown) {
    // It was never ended: whoever takes the producer's name gives it up.
    givenUp++;
    throw thrown;
  }
  if (!isKept) givenUp++;
  try {
    await producer.end(isKept ? "commit" : "abort");
  } catch (thrown) {
    if (isKept) for (const n of all) unsure.add(n);
    throw thrown;
  }
  if (!isKept) return;
  for (const [topic, numbers] of sent) for (const n of numbers) committed.get(topic)?.add(n);
}

async function write(name: string): Promise<void> {
  while (isWriting) {
    try {
      using producer = await TestProducer.open(broker.port, name);
      while (isWriting) {
        await transaction(producer);
        await pause(random() * 20);
      }
    } catch {
      // The broker was killed: the next one with this name goes on.
      await pause(100);
    }
  }
  // What is open is given up.
  using _ = await TestProducer.open(broker.port, name);
}

async function run(words: readonly string[]): Promise<string> {
  const child = Bun.spawn([programPath(), ...words], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`tarn ${words.join(" ")} ended with ${code}: ${errors}`);
  return out;
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed})`);
const source = `{ kind: kafka, brokers: ["127.0.0.1:${broker.port}"], topics: [${TOPICS.join(", ")}] }`;
await writeFile(join(folder, "tarn.yaml"), `sources:\n  shop: ${source}\n`);
{
  using maker = await TestProducer.open(broker.port, null);
  for (const topic of TOPICS) await maker.topic(topic, PARTITIONS);
}
const writers = ["a", "b", "c"].map(write);
let lived = 0;
for (let kill = 0; kill < KILLS; kill++) {
  const up = Bun.spawn([programPath(), "up"], { cwd: folder, stdout: "ignore", stderr: "ignore" });
  await pause(200 + random() * LIFE_MS);
  if (kill % 10 === 5) await broker.restart("SIGKILL");
  if (up.exitCode === null) lived++;
  up.kill("SIGKILL");
  await up.exited;
}
isWriting = false;
await Promise.all(writers);
await run(["build"]);
let isWhole = true;
for (const [topic, wanted] of committed) {
  const sql = `select n from bronze.shop_${topic}`;
  const rows: { n: number }[] = JSON.parse(await run(["sql", "--format", "json", "-c", sql]));
  const found = new Set(rows.map(({ n }) => n));
  const lost = [...wanted].filter((n) => !found.has(n));
  const strange = [...found].filter((n) => !wanted.has(n) && !unsure.has(n));
  if (lost.length + strange.length > 0 || found.size !== rows.length) isWhole = false;
  const doubled = rows.length - found.size;
  console.log(
    `${topic}: ${wanted.size} committed, ${rows.length} rows, ${lost.length} lost, ` +
      `${doubled} doubled, ${strange.length} that were given up`,
  );
}
console.log(
  `${KILLS} kills (${lived} of a living program), ${BROKER_KILLS} of the broker, ` +
    `${givenUp} transactions given up, ${unsure.size} records of unknown end`,
);
if (isWhole) await rm(folder, { recursive: true });
else console.log(`FAILED: see ${folder}`);
await broker[Symbol.asyncDispose]();
process.exit(isWhole ? 0 : 1);
