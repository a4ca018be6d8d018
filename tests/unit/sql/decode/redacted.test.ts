/** What before_landing takes out stands in no file of the lake, however its row came in. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Terminal } from "../../../../cmd/command.ts";
import { runBuild } from "../../../../cmd/commands/build.ts";
import { runQuarantine } from "../../../../cmd/commands/quarantine-run.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { createStyle } from "../../../../cmd/render/style.ts";
import { batchBytes } from "../../../support/kafka-batch.ts";
import { append, FakeCluster } from "../../../support/kafka-server.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const CONFIG = `sources:
  people:
    schema: quarantine
    columns: { id: bigint, mail: varchar, n: bigint }
    before_landing: { mail: md5(mail) }
`;
const BUILD = { select: [], exclude: [], full: false, models: true, sources: true };
const SIGNAL = new AbortController().signal;
const SILENT: Terminal = {
  style: createStyle(false),
  json: false,
  quiet: true,
  debug: false,
  width: 200,
  interactive: false,
  line: () => undefined,
  note: () => undefined,
  document: () => undefined,
  failures: ([first]) => {
    throw first;
  },
};

/** Files under a folder that hold the text in plain bytes. */
async function holding(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    if (!(await stat(path)).isFile()) continue;
    if ((await readFile(path)).includes(text)) found.push(name);
  }
  return found;
}

async function project(root: string, config: string): Promise<void> {
  await writeFile(join(root, "tarn.yaml"), config);
  await mkdir(join(root, "drops/people"), { recursive: true });
}

async function drop(root: string, name: string, text: string): Promise<void> {
  const path = join(root, "drops/people", name);
  await writeFile(path, text);
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
}

async function session(root: string): Promise<Session> {
  return await openSession({ folder: root, args: { threads: "1" } }, { engine: "test" });
}

test("a corrected row is taken out of once, and its text is not kept", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await project(root, CONFIG);
  const bad = '{"id":2,"mail":"canary-2","n":"two"}';
  await drop(root, "a.jsonl", `{"id":1,"mail":"canary-1","n":1}\n${bad}\n`);
  let warehouse = "";
  {
    await using lake = await session(root);
    warehouse = lake.warehouse;
    await runBuild(lake, BUILD, SILENT, SIGNAL);
    const [aside] = await lakeRows(lake, "select raw from bronze_quarantine.people");
    expect(aside?.raw).toBeNull();
    const selection = { source: "people", ids: [], reason: "type", where: null, all: false };
    const raw = bad.replace('"two"', "2");
    const given = {
      action: "retry",
      selection,
      set: null,
      raw,
      texts: null,
      dryRun: false,
    } as const;
    await runQuarantine(lake, given, SILENT, SIGNAL);
    const select = "select id::int as id, mail in (md5('canary-1'), md5('canary-2')) as once";
    expect(await lakeRows(lake, `${select} from bronze.people order by id`)).toEqual([
      { id: 1, once: true },
      { id: 2, once: true },
    ]);
    expect(await lake.catalog.ledger.fixes()).toEqual([]);
  }
  expect(await holding(warehouse, "canary-")).toEqual([]);
});

test("a field that the contract does not know yet is taken out too, however it is written", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const people = "people: { schema: quarantine, before_landing: { mail: md5(mail) } }";
  await project(root, `sources: { ${people} }\n`);
  await drop(root, "a.jsonl", '{"id":1}\n');
  await using lake = await session(root);
  await runBuild(lake, BUILD, SILENT, SIGNAL);
  await drop(root, "b.jsonl", '{"id":2,"mail":"canary-3"}\n');
  await lake.reload();
  await runBuild(lake, BUILD, SILENT, SIGNAL);
  const aside = "select reason, message, raw from bronze_quarantine.people";
  const message = "mail is not a column of the contract";
  expect(await lakeRows(lake, aside)).toEqual([{ reason: "unknown-field", message, raw: null }]);
  await writeFile(
    join(root, "tarn.yaml"),
    "sources: { people: { before_landing: { mail: md5(mail) } } }\n",
  );
  await drop(root, "c.jsonl", '{"id":3,"MAIL":"canary-4"}\n');
  await lake.reload();
  await runBuild(lake, BUILD, SILENT, SIGNAL);
  const rows = await lakeRows(
    lake,
    "select mail = md5('canary-4') as made from bronze.people where id = 3",
  );
  expect(rows).toEqual([{ made: true }]);
});

test("what a stream received is gone once it has landed, with that of tables beside", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using cluster = await FakeCluster.start();
  const people = { before_landing: { mail: "md5(mail)", _key: "drop" } };
  const kafka = { kind: "kafka", brokers: cluster.addresses, topics: ["people", "orders"] };
  const log = { kind: "log", path: "web.jsonl", before_landing: { mail: "md5(mail)" } };
  const sources = { shop: { ...kafka, landing: { people } }, web: log };
  const lines = ['{"id":1,"mail":"canary-1"}', '{"id":2,"mail":"canary-2"'];
  const values = [
    '{"id":1,"mail":"canary-1"}',
    '{"id":2,"mail":"canary-2"',
    '{"id":3,"mail":"canary-3"}',
  ];
  const project = join(root, "lake");
  await mkdir(project);
  await writeFile(join(project, "web.jsonl"), `${lines.join("\n")}\n`);
  await writeFile(join(project, "tarn.yaml"), JSON.stringify({ sources }));
  for (const [topic, records] of [
    ["people", [...values.map((value) => ({ key: "canary-4", value }))]],
    ["orders", [{ value: '{"n":1}' }]],
  ] as const) {
    const [partition] = cluster.topic(topic, 1).partitions;
    if (partition !== undefined) append(partition, batchBytes({ baseOffset: 0n, records }));
  }
  let warehouse = "";
  {
    await using lake = await session(project);
    warehouse = lake.warehouse;
    await runBuild(lake, BUILD, SILENT, SIGNAL);
    const made = "select id::varchar as id, mail = md5('canary-1') as made";
    expect(await lakeRows(lake, `${made} from bronze.web`)).toEqual([{ id: "1", made: true }]);
    expect(await lakeRows(lake, `${made}, _key from bronze.shop_people order by id`)).toEqual([
      { id: "1", made: true, _key: null },
      { id: "3", made: false, _key: null },
    ]);
    const aside = (table: string) => `select message, raw from bronze_quarantine.${table}`;
    const broken = "} must follow (character 26)";
    expect(await lakeRows(lake, aside("web"))).toEqual([{ message: broken, raw: null }]);
    expect(await lakeRows(lake, aside("shop_people"))).toEqual([
      { message: `partition 0, offset 1: ${broken}`, raw: null },
    ]);
    const orders = await lake.catalog.ledger.files({ source: "shop.orders" });
    expect(orders.map(({ original, rowsLanded }) => [original, rowsLanded])).toEqual([[null, 1]]);
  }
  expect(await holding(warehouse, "canary-")).toEqual([]);
});
