/** Topics against what landed of them: a committed record is a row, or is set aside; one that is neither is named. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { reconcileOf } from "../../../../cmd/lake/reconcile.ts";
import { openSession } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { build, rows } from "../../../support/built-lake.ts";
import { batchBytes, markBytes } from "../../../support/kafka-batch.ts";
import { append, FakeCluster } from "../../../support/kafka-server.ts";
import { removeLastRow } from "../../../support/removed-row.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const NEVER = new AbortController().signal;
const flagsOf = (folder: string) => ({ folder, args: { threads: "1" } });

/** Two partitions with what a log holds: transactions that were given up, marks, tombstones, holes, and no JSON. */
async function shop(root: string, more: object = {}): Promise<FakeCluster> {
  const cluster = await FakeCluster.start();
  const [first, second] = cluster.topic("orders", 2).partitions;
  const [one, other] = [must(first, "it was made"), must(second, "it was made")];
  const records = Array.from({ length: 30 }, (_, n) => ({ key: `k${n}`, value: `{"n":${n}}` }));
  append(one, batchBytes({ baseOffset: 0n, records }));
  const dead = { producer: 9n, isTransactional: true };
  append(one, batchBytes({ baseOffset: 30n, records: [{ value: '{"n":-1}' }], ...dead }));
  append(one, markBytes(31n, 9n, "abort"));
  one.aborted = [{ producer: 9n, firstOffset: 30n }];
  append(one, batchBytes({ baseOffset: 32n, records: [{ key: "k1", value: null }] }));
  append(one, batchBytes({ baseOffset: 33n, records: [{ value: "no json" }, { value: "[1]" }] }));
  append(other, batchBytes({ baseOffset: 20_000n, records: records.slice(0, 5) }));
  other.start = 20_000n;
  const source = { kind: "kafka", brokers: cluster.addresses, topics: ["orders"], ...more };
  await writeFile(join(root, "tarn.yaml"), JSON.stringify({ sources: { shop: source } }));
  return cluster;
}

async function againstSource(root: string) {
  const { found, leftOut, failures } = await reconcileOf(flagsOf(root), [], NEVER);
  expect(failures).toEqual([]);
  const told = found.filter(({ against }) => against === "source");
  return {
    told: told.map(({ rowsThere, rowsHere, windows }) => ({
      ...{ rowsThere, rowsHere },
      windows: windows.map(({ window, missing, extra }) => ({ window, missing, extra })),
    })),
    leftOut: leftOut.map(({ why }) => why),
  };
}

test("every committed record is accounted for; one that is gone is named by its offset", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using cluster = await shop(root);
  expect(await build(root)).toEqual([]);
  expect(await rows(root, "select count(*) from bronze.shop_orders")).toEqual([[36]]);
  expect(await againstSource(root)).toEqual({
    told: [{ rowsThere: 38, rowsHere: 38, windows: [] }],
    leftOut: [],
  });

  // What comes later is not counted before it is read.
  const one = must(cluster.topics.get("orders")?.partitions[0], "it was made");
  append(one, batchBytes({ baseOffset: one.end, records: [{ value: '{"n":99}' }] }));
  expect((await againstSource(root)).told).toEqual([{ rowsThere: 38, rowsHere: 38, windows: [] }]);

  const places = async () => {
    const place = "_partition || ', ' || _offset";
    const found = await rows(root, `select ${place} from bronze.shop_orders`);
    return found.map(String);
  };
  const before = await places();
  await removeLastRow(root, "bronze.shop_orders", {
    source: "shop.orders",
    file: await first(root),
  });
  const gone = await againstSource(root);
  expect(gone.told.map(({ rowsThere, rowsHere }) => [rowsThere, rowsHere])).toEqual([[38, 37]]);
  const left = new Set(await places());
  const missing = before.filter((place) => !left.has(place));
  const [partition, offset] = missing.join().split(", ").map(Number);
  const from = Math.floor((offset ?? 0) / 10_000) * 10_000;
  const window = `partition ${partition}, offsets ${from} to ${from + 9_999}`;
  expect(gone.told[0]?.windows).toEqual([{ window, missing, extra: [] }]);
});

test("what was there before reading began is not missing; a topic that was made again is left out", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using cluster = await shop(root, { start: "latest" });
  expect(await build(root)).toEqual([]);
  const topic = must(cluster.topics.get("orders"), "it was made");
  const one = must(topic.partitions[0], "it was made");
  append(one, batchBytes({ baseOffset: one.end, records: [{ value: '{"n":99}' }] }));
  expect(await build(root)).toEqual([]);
  expect((await againstSource(root)).told).toEqual([{ rowsThere: 1, rowsHere: 1, windows: [] }]);
  topic.id = "b".repeat(32);
  expect(await againstSource(root)).toEqual({
    told: [],
    leftOut: ["it was deleted and made again"],
  });
});

/** The first segment that landed. */
async function first(root: string): Promise<string> {
  await using session = await openSession(flagsOf(root), { engine: null });
  const [file] = await session.catalog.ledger.files({ source: "shop.orders" });
  return must(file, "it has landed").file;
}
