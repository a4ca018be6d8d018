/** Many rows that were set aside: read again together, edited in a file, and left alone when it is stopped. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readFile, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asidePages, type QuarantinedRow } from "../../../../cmd/lake/aside.ts";
import { EXPORT_COLUMNS, editedRows, exportedRows } from "../../../../cmd/lake/aside-file.ts";
import { buildOf } from "../../../../cmd/lake/build.ts";
import { type RetryHow, retryQuarantined } from "../../../../cmd/lake/quarantine.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { replayOf } from "../../../../cmd/lake/replay.ts";
import { sourceConfigs } from "../../../../cmd/lake/sources.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { LakeError } from "../../../../core/base/errors.ts";
import { retryRows } from "../../../../core/ingest/retry.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(180_000);

const CONFIG = "sources:\n  orders:\n    columns: { id: bigint, name: varchar, amount: double }\n";
const ORDERS = { source: "orders", ids: [], reason: null, where: null, all: false };
const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };
const REPLAY = {
  select: ["bronze.orders"],
  from: null,
  to: null,
  by: "_ingested_at",
  at: null,
  promote: true,
  code: "current",
  fromOriginals: true,
  dryRun: false,
  why: null,
  limit: 5,
} as const;
const BATCHES = 3;
const FILES = 20;

async function put(root: string, file: string, text: string): Promise<void> {
  const path = join(root, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  const old = new Date("2026-01-01T00:00:00Z");
  await utimes(path, old, old);
}

async function opened(root: string): Promise<Session> {
  await put(root, "tarn.yaml", CONFIG);
  return await openSession({ folder: root, args: { threads: "1" } }, { engine: "test" });
}

async function build(session: Session): Promise<void> {
  await buildOf(session, EVERYTHING, { signal: new AbortController().signal, onEvent: () => {} });
}

function how(change: Partial<RetryHow>): RetryHow {
  const { signal } = new AbortController();
  return { set: null, raw: null, texts: null, dryRun: false, signal, ...change };
}

async function retry(session: Session, change: Partial<RetryHow>) {
  return await Array.fromAsync(retryQuarantined(session, ORDERS, how(change)));
}

async function open(session: Session): Promise<QuarantinedRow[]> {
  return (await Array.fromAsync(asidePages(session, ORDERS))).flat();
}

/** How often the engine was asked for each thing. */
function counting(session: Session): Map<string, number> {
  const counts = new Map<string, number>();
  const engine = new Proxy(session.ports.engine, {
    get: (target, name) => {
      const method = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return (...args: unknown[]) => {
        counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
        return method.apply(target, args);
      };
    },
  });
  Object.defineProperty(session, "ports", { value: { ...session.ports, engine } });
  return counts;
}

test("rows of many files and batches are read again together, whatever their number", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  for (let batch = 0; batch < BATCHES; batch++) {
    for (let file = 0; file < FILES; file++) {
      const name = `drops/orders/${batch}-${file}.csv`;
      await put(root, name, `id,name,amount\n1,a${batch},1.5\n2,b${file},"2,5"\n`);
    }
    await build(session);
  }
  const all = BATCHES * FILES;
  expect(await open(session)).toHaveLength(all);
  const counts = counting(session);
  expect(await retry(session, {})).toMatchObject([{ landed: 0, commit: null }]);
  expect(counts.get("decode")).toBe(1);
  counts.clear();
  const set = "amount = replace(amount, ',', '.')";
  expect(await retry(session, { set, dryRun: true })).toMatchObject([
    { landed: all, commit: null },
  ]);
  expect(await open(session)).toHaveLength(all);
  counts.clear();
  expect(await retry(session, { set })).toMatchObject([{ landed: all, failed: [] }]);
  expect(Object.fromEntries(counts)).toMatchObject({
    aside: 1,
    rowTexts: 1,
    decode: 1,
    rewrite: 1,
  });
  expect(await open(session)).toEqual([]);
  const query = `select _batch, _file, _row, id, name, amount from bronze.orders order by all`;
  const live = await lakeRows(session, query);
  expect(live).toHaveLength(2 * all);
  expect(new Set(live.map((row) => row._batch)).size).toBe(BATCHES);
  await replayOf(session, REPLAY, () => undefined);
  expect(await lakeRows(session, query)).toEqual(live);
});

test("an edited export is loaded back by its ids; what was not changed, or taken out, stays as it is", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  const text = 'id,name,amount\n1,Ann,one\n2,"Bo\n""B""",two\n3,Cy,three\n4,Di,4\n';
  await put(root, "drops/orders/a.csv", text);
  await put(root, "drops/orders/b.jsonl", '{"id":5,"name":"Ed","amount":"five"}\n');
  await build(session);
  const path = join(root, "bad.csv");
  const parts = await Array.fromAsync(exportedRows(session, ORDERS));
  const lines = parts.flatMap((part) => part.lines);
  expect(lines[0]).toBe(EXPORT_COLUMNS.join(","));
  expect(lines).toHaveLength(5);
  const edited = lines
    .filter((line) => !line.includes("Cy"))
    .map((line) => line.replaceAll("one", "1.5").replaceAll(/""five""/g, "5"));
  await writeFile(path, `\uFEFF${edited.join("\r\n")}\r\n`);
  const { texts, unchanged } = await editedRows(session, path);
  expect(unchanged).toBe(1);
  expect([...texts.values()].sort()).toEqual(["1,Ann,1.5", '{"id":5,"name":"Ed","amount":5}']);
  const ids = [...texts.keys()];
  const selection = { ...ORDERS, source: null, ids };
  const landed = await Array.fromAsync(retryQuarantined(session, selection, how({ texts })));
  expect(landed).toMatchObject([{ landed: 2, failed: [] }]);
  expect((await open(session)).map(({ position }) => position)).toEqual(["line 3", "line 5"]);
  const query = "select id, amount, _row from bronze.orders order by id";
  expect(await lakeRows(session, query)).toEqual([
    { id: 1, amount: 1.5, _row: 1 },
    { id: 4, amount: 4, _row: 2 },
    { id: 5, amount: 5, _row: 1 },
  ]);
});

test("what is wrong with an edited file is told at once, by line, and nothing lands", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  await put(root, "drops/orders/a.csv", "id,name,amount\n1,Ann,one\n2,Bo,two\n");
  await put(root, "drops/orders/c.csv", "x,y\n1,2\n");
  await build(session);
  const path = join(root, "bad.csv");
  const [row] = await open(session);
  const { id } = must(row ?? null, "a row");
  const problems = async (text: string): Promise<string[]> => {
    await writeFile(path, text);
    try {
      await editedRows(session, path);
      return [];
    } catch (thrown) {
      const all = thrown instanceof AggregateError ? thrown.errors : [thrown];
      return all.map((each) => {
        if (!(each instanceof LakeError)) throw each;
        return `${each.place?.line}: ${each.message}`;
      });
    }
  };
  expect(await problems(`id,raw\n${id},x\nabc,"a\nb"\ndef,y\n`)).toEqual([
    '3: no row that was set aside has the id "abc"',
    '5: no row that was set aside has the id "def"',
  ]);
  expect(await problems(`id,raw\n${id},x\n${id},y\n`)).toEqual([`3: the id "${id}" stands twice`]);
  expect(await problems("a,b\n1,2\n")).toEqual(["1: no columns id and raw"]);
  expect(await problems(`raw,id\nx\n`)).toEqual(['2: no row that was set aside has the id ""']);
  expect(await problems("")).toEqual(["1: the file is empty"]);
  expect(await readFile(join(root, "drops/orders/a.csv"), "utf8")).toContain("one");
});

test("a retry that is stopped publishes nothing more", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  await put(root, "drops/orders/a.csv", "id,name,amount\n1,Ann,one\n2,Bo,two\n");
  await build(session);
  const stop = new AbortController();
  const { engine } = session.ports;
  const stopping = new Proxy(engine, {
    get: (target, name) => {
      if (name === "decode") stop.abort();
      const method = Reflect.get(target, name);
      return typeof method === "function" ? method.bind(target) : method;
    },
  });
  Object.defineProperty(session, "ports", { value: { ...session.ports, engine: stopping } });
  const retried = await retry(session, { set: "amount = 1", signal: stop.signal });
  expect(retried).toMatchObject([{ landed: 0, commit: null }]);
  expect(await open(session)).toHaveLength(2);
  expect(await lakeRows(session, "select * from bronze.orders")).toEqual([]);
});

test("a file that has no more to land is read once, however many parts its rows are asked for in", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await using session = await opened(root);
  await put(root, "drops/orders/a.csv", "id,name,amount\n1,Ann,one\n2,Bo,two\n3,Cy,3\n");
  await build(session);
  const [config] = await sourceConfigs(session);
  const items = (await open(session)).map((row) => ({ ...row, text: null }));
  const counts = counting(session);
  const { signal } = new AbortController();
  const options = { set: null, dryRun: false, signal, settled: new Set<string>() };
  for (const item of items) {
    const source = must(config ?? null, "the source");
    const retried = await retryRows(session.ports, source, [item], session.settings, options);
    expect(retried).toMatchObject({ landed: 0, failed: [{ id: item.id }], commit: null });
  }
  expect(items).toHaveLength(2);
  expect(counts.get("decode")).toBe(1);
});
