/** Templates of streams, from init to the first row, against servers of the test's own. */

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { buildOf, hasFailed } from "../../../../cmd/lake/build.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession } from "../../../../cmd/open.ts";
import { initProject } from "../../../../cmd/project/init.ts";
import { batchBytes } from "../../../support/kafka-batch.ts";
import { append, FakeCluster } from "../../../support/kafka-server.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };

/** An init, one edit of .env, one build: what a query says then. */
async function firstRows(template: string, variables: string, sql: string): Promise<unknown> {
  await using folder = await tempFolder();
  const root = folder.path;
  await initProject({ folder: root, template, sample: true });
  writeFileSync(`${root}/.env`, variables);
  const flags = { folder: root, args: { threads: "1" } };
  await using session = await openSession(flags, { engine: "t" });
  const failures: string[] = [];
  const summary = await buildOf(session, EVERYTHING, {
    signal: new AbortController().signal,
    onEvent: (event) => {
      if (event.event === "land-failed") failures.push(event.error.message);
    },
  });
  expect([failures, hasFailed(summary)]).toEqual([[], false]);
  return (await lakeRows(session, sql)).map((row) => Object.values(row));
}

test("kafka: brokers in .env, and the topics are tables", async () => {
  await using cluster = await FakeCluster.start();
  for (const [index, name] of ["orders", "payments"].entries()) {
    const [partition] = cluster.topic(name, 1, `${index + 1}`.repeat(32)).partitions;
    const records = [{ value: `{"of":"${name}","n":1}` }, { value: '{"of":"x","n":2}' }];
    if (partition !== undefined) append(partition, batchBytes({ baseOffset: 0n, records }));
  }
  const sql =
    "select of, n from bronze.events_orders union all select of, n from bronze.events_payments order by all";
  const env = `KAFKA_BROKERS=${cluster.addresses[0]}\n`;
  expect(await firstRows("kafka", env, sql)).toEqual([
    ["orders", 1],
    ["payments", 1],
    ["x", 2],
    ["x", 2],
  ]);
});

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request) =>
    new URL(request.url).pathname === "/items"
      ? Response.json([{ id: 1, name: "cup" }])
      : new Response("no", { status: 404 }),
});
afterAll(() => server.stop(true));

test("api: the address in .env, and the endpoint is a table", async () => {
  const env = `API_URL=http://127.0.0.1:${server.port}\n`;
  const sql = "select id, name from bronze.service_items";
  expect(await firstRows("api", env, sql)).toEqual([[1, "cup"]]);
});
