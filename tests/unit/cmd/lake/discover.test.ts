/** What is found out of brokers, endpoints and folders before anything is declared, and the lines that declare it. */

import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { systemClock, systemRandom } from "../../../../cmd/clock.ts";
import { discoverOf } from "../../../../cmd/lake/discover.ts";
import { loadProject } from "../../../../cmd/project/project.ts";
import { must } from "../../../../core/base/assert.ts";
import { entryLines } from "../../../../core/ingest/discovery.ts";
import { apiEntry, discoverEndpoints } from "../../../../storage/sources/api/discover.ts";
import { API_SETTINGS } from "../../../../storage/sources/api/settings.ts";
import { batchBytes } from "../../../support/kafka-batch.ts";
import { append, FakeCluster } from "../../../support/kafka-server.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const API = "http://api.test";
const PAGES: Readonly<Record<string, () => Response>> = {
  "/v1/charges": () =>
    Response.json({ object: "list", has_more: true, data: [{ id: "ch_1", amount: 5 }] }),
  "/users": () =>
    Response.json([{ uuid: "u", updated_at: "2026-01-01T00:00:00Z" }], {
      headers: { link: `<${API}/users?page=2>; rel="next"` },
    }),
  "/search": () =>
    Response.json({ meta: { next_cursor: "x" }, result: { items: [{ n: 1 }, { n: 2 }] } }),
  "/page": () => new Response("<html>", { headers: { "content-type": "text/html" } }),
};

/** What is found at an address of the API, whose answers are made here. */
async function endpoint(address: string) {
  const entry = apiEntry(`${API}${address}`);
  const settings = must(API_SETTINGS.read(entry, { path: [], issues: [] }), "it is one");
  const world = {
    clock: systemClock,
    random: systemRandom,
    projectRoot: "/",
    secretOf: async () => "",
  };
  const { found, keys } = await discoverEndpoints(settings, world, async (url) => {
    return PAGES[new URL(url).pathname]?.() ?? new Response("no", { status: 404 });
  });
  return { found, lines: entryLines("api", { kind: "api", ...entry, ...keys }) };
}

/** The lines as a project: what is wrong with them. */
async function faults(pasted: readonly string[]): Promise<readonly string[]> {
  await using folder = await tempFolder();
  writeFileSync(`${folder.path}/tarn.yaml`, pasted.join("\n"));
  const project = await loadProject(folder.path, {});
  return project.errors.map(({ message }) => message);
}

test("topics with their partitions and records, and an entry that reads them", async () => {
  await using cluster = await FakeCluster.start();
  const { partitions } = cluster.topic("orders", 2);
  cluster.topic("__offsets", 1);
  const [first] = partitions;
  if (first !== undefined) {
    append(first, batchBytes({ baseOffset: 0n, records: [{ value: "a" }, { value: "b" }] }));
  }
  const [broker = ""] = cluster.addresses;
  const found = await discoverOf("/", `kafka://${broker}`);
  expect(found.found).toEqual([
    { name: "orders", rows: 2, bytes: null, key: "2 partitions", note: null },
  ]);
  expect(found.lines).toEqual([
    "sources:",
    "  kafka:",
    "    kind: kafka",
    `    brokers: ["${broker}"]`,
    "    topics: [orders]",
  ]);
  expect(await faults(found.lines)).toEqual([]);
});

test("records of an endpoint, and how it seems to say that there are more", async () => {
  const charges = await endpoint("/v1/charges?limit=3");
  expect(charges.found).toEqual([
    { name: "charges", rows: 1, bytes: 67, key: "id", note: "fields id, amount" },
  ]);
  expect(charges.lines.slice(2)).toEqual([
    "    kind: api",
    `    url: "${API}"`,
    "    endpoints:",
    "      charges:",
    "        path: /v1/charges",
    "        params:",
    '          limit: "3"',
    "        records: data",
    "        pages:",
    "          style: cursor",
    "          param: starting_after",
    "          next: last.id",
    "        key: id",
  ]);
  expect(await faults(charges.lines)).toEqual([]);
  const { lines: users } = await endpoint("/users");
  expect(users.slice(-4)).toEqual([
    "        pages:",
    "          style: link",
    "        cursor: updated_at",
    "        key: uuid",
  ]);
  const { lines: search } = await endpoint("/search");
  expect(search.slice(-4)).toEqual([
    "        records: result.items",
    "        pages:",
    "          style: cursor",
    "          next: meta.next_cursor",
  ]);
  expect(await faults(search)).toEqual([]);
  await expect(endpoint("/page")).rejects.toThrow("does not answer with JSON");
});

test("files of a folder by the folders that they lie in", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops/orders/2026`, { recursive: true });
  mkdirSync(`${folder.path}/drops/click stream`);
  writeFileSync(`${folder.path}/drops/orders/2026/a.csv.gz`, "12345");
  writeFileSync(`${folder.path}/drops/orders/b.csv`, "1");
  writeFileSync(`${folder.path}/drops/orders/notes.md`, "1");
  writeFileSync(`${folder.path}/drops/click stream/c.jsonl`, "12");
  const found = await discoverOf(folder.path, "drops");
  const sorted = found.found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  expect(sorted.map(({ name, bytes, note }) => [name, bytes, note])).toEqual([
    ["click_stream", 2, "1 file: jsonl"],
    ["orders", 6, "2 files: csv"],
  ]);
  expect(found.lines.filter((line) => line === "sources:").length).toBe(1);
  expect(found.lines).toContain('    path: "drops/orders/**"');
});

test("what is no address is refused with what is one, and variables are filled in", async () => {
  await using folder = await tempFolder();
  await expect(discoverOf(folder.path, "oracle://h/db")).rejects.toThrow("nothing is found out at");
  await expect(discoverOf(folder.path, "nowhere")).rejects.toThrow("no address, no folder");
  await expect(discoverOf(folder.path, `\${NOT_SET_ANYWHERE}`)).rejects.toThrow("is not set");
  await expect(discoverOf(folder.path, "kafka://")).rejects.toThrow("no address of brokers");
});
