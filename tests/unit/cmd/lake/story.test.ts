/** One lake's story, told by the use-cases alone: no command, no terminal, no process of its own. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asidePages, type Selection } from "../../../../cmd/lake/aside.ts";
import { buildOf, hasFailed } from "../../../../cmd/lake/build.ts";
import { checkOf } from "../../../../cmd/lake/check.ts";
import { diffOf, isSame } from "../../../../cmd/lake/diff.ts";
import { findingsOf } from "../../../../cmd/lake/doctor.ts";
import { listingOf } from "../../../../cmd/lake/listing.ts";
import { loadOf } from "../../../../cmd/lake/load.ts";
import { logOf } from "../../../../cmd/lake/log.ts";
import { isDue, planOf } from "../../../../cmd/lake/plan.ts";
import { asideCounts, dropQuarantined, retryQuarantined } from "../../../../cmd/lake/quarantine.ts";
import { lakeRows } from "../../../../cmd/lake/query.ts";
import { replayOf } from "../../../../cmd/lake/replay.ts";
import { restoreOf } from "../../../../cmd/lake/restore.ts";
import { showQuery } from "../../../../cmd/lake/show.ts";
import { isTroubled, statusOf } from "../../../../cmd/lake/status.ts";
import { removeTag, setTag, tagsOf } from "../../../../cmd/lake/tags.ts";
import { openSession, type Session } from "../../../../cmd/open.ts";
import { must } from "../../../../core/base/assert.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(120_000);

const FILES = {
  "tarn.yaml": "sources:\n  parcels:\n    columns: { id: bigint, weight: bigint }\n",
  "models/silver/heavy.sql": "select id, weight from bronze.parcels where weight > 15\n",
  "drops/parcels/a.csv": "id,weight\n1,10\n2,20\n3,heavy\n4,light\n",
};
const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };
const ANY = { source: null, ids: [], reason: null, where: null, all: false };
const REPLAY = {
  select: ["silver.heavy"],
  from: null,
  to: null,
  by: "_ingested_at",
  at: null,
  promote: false,
  code: "current",
  fromOriginals: false,
  dryRun: true,
  why: null,
  limit: 5,
} as const;
/** Dropped long ago: nothing waits for it to settle. */
const OLD = new Date("2026-01-01T00:00:00Z");

function following() {
  const events: string[] = [];
  const onEvent = ({ event }: { readonly event: string }) => void events.push(event);
  return { events, signal: new AbortController().signal, onEvent };
}

async function opened(root: string): Promise<Session> {
  for (const [name, text] of Object.entries(FILES)) await put(join(root, name), text);
  return await openSession({ folder: root, args: {} }, { engine: "test" });
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await utimes(path, OLD, OLD);
}

async function build(session: Session): Promise<readonly string[]> {
  const told = following();
  expect(hasFailed(await buildOf(session, EVERYTHING, told))).toBe(false);
  return told.events;
}

test("what is due, what a build does, and how all stands then", async () => {
  await using folder = await tempFolder();
  await using session = await opened(folder.path);
  const notes = [expect.stringContaining("parcels: columns are declared and schema: is not")];
  expect(await checkOf(session)).toEqual({ sourceCount: 1, modelCount: 1, warnings: [], notes });
  expect(await planOf(session, { select: [], exclude: [] })).toEqual([
    { kind: "land", table: "bronze.parcels", files: 1, schema: "quarantine" },
    {
      kind: "model",
      table: "silver.heavy",
      plan: "wait",
      reason: "bronze.parcels has no data yet",
      owner: null,
      change: null,
      cost: null,
      tests: [],
    },
  ]);
  expect(await build(session)).toEqual(["landed", "run"]);
  expect((await planOf(session, { select: [], exclude: [] })).filter(isDue)).toEqual([]);

  const status = await statusOf(session, "new");
  expect(status.sources).toMatchObject([{ table: "bronze.parcels", rows: "2", waitingFiles: 0 }]);
  expect(status.models).toMatchObject([{ model: "silver.heavy", rows: "1", failing: null }]);
  expect(isTroubled(status)).toBe(false);
  expect((await listingOf(session)).map(({ name, kind, rows }) => [name, kind, rows])).toEqual([
    ["bronze.parcels", "table", 2n],
    ["bronze_quarantine.parcels", "table", 2n],
    ["silver.heavy", "full", 1n],
  ]);
  const findings = await findingsOf(session, true);
  expect(findings.filter((finding) => finding.state === "bad")).toEqual([]);
  const query = await showQuery(session, { table: "heavy", limit: 5, where: null, model: false });
  expect(await lakeRows(session, query)).toEqual([{ id: 2, weight: 20 }]);
});

async function asideRows(session: Session, selection: Selection) {
  return (await Array.fromAsync(asidePages(session, selection))).flat();
}

test("rows that were set aside are read, retried and dropped", async () => {
  await using folder = await tempFolder();
  await using session = await opened(folder.path);
  await build(session);
  const rows = await asideRows(session, { ...ANY, source: "parcels" });
  expect(rows.map((row) => [row.position, row.column])).toEqual([
    ["line 4", "weight"],
    ["line 5", "weight"],
  ]);
  expect(await asideCounts(session, ANY)).toMatchObject([{ reason: "type", rows: 2 }]);
  const first = must(rows[0] ?? null, "a row");
  const one = { ...ANY, source: "parcels", ids: [first.id] };
  const { signal } = new AbortController();
  const how = { set: "weight = 30", raw: null, texts: null, signal };
  const tried = await Array.fromAsync(retryQuarantined(session, one, { ...how, dryRun: true }));
  expect(tried).toMatchObject([{ landed: 1, commit: null }]);
  const retried = await Array.fromAsync(retryQuarantined(session, one, { ...how, dryRun: false }));
  expect(retried).toMatchObject([{ source: "parcels", table: "bronze.parcels", landed: 1 }]);
  expect(await dropQuarantined(session, { ...ANY, source: "parcels" })).toBe(1);
  expect(await asideRows(session, ANY)).toEqual([]);
  expect(await asideCounts(session, ANY)).toEqual([]);
  expect(await asideRows(session, { ...ANY, all: true })).toHaveLength(2);
  expect(asideRows(session, { ...ANY, source: "parsels" })).rejects.toMatchObject({
    code: "not-found",
    hint: 'did you mean "parcels"?',
  });
  expect(asideRows(session, { ...ANY, ids: ["zz"] })).rejects.toMatchObject({ code: "not-found" });
});

test("moments are named, compared, set back to and computed again", async () => {
  await using folder = await tempFolder();
  await using session = await opened(folder.path);
  await build(session);
  const { commit } = await setTag(session, { name: "first", at: null, force: false });
  expect(await tagsOf(session)).toMatchObject([{ name: "first", commit }]);
  await put(join(folder.path, "more.csv"), "id,weight\n5,50\n");
  const more = { files: [join(folder.path, "more.csv")], into: "parcels", format: null };
  expect(hasFailed(await loadOf(session, more, following()))).toBe(false);
  await build(session);

  const { table, entries } = await logOf(session, { table: "heavy", limit: 10 });
  expect(table).toBe("silver.heavy");
  expect(entries.map(({ tags }) => tags)).toEqual([[], ["first"]]);
  const asked = { before: "heavy@-1", after: null, key: null, limit: 5 };
  expect(await diffOf(session, asked)).toMatchObject({ added: 1n, removed: 0n });
  const restored = await restoreOf(session, "heavy", "first");
  expect(restored).toMatchObject({ table: "silver.heavy", rows: 1n });
  const replayed = await replayOf(session, REPLAY, () => undefined);
  expect(replayed?.tables.map(({ model, diff }) => [model, isSame(diff)])).toEqual([
    ["silver.heavy", false],
  ]);
  await removeTag(session, "first");
  expect(await tagsOf(session)).toEqual([]);
});

test("all that is wrong with the models is thrown at once", async () => {
  await using folder = await tempFolder();
  await using session = await opened(folder.path);
  await put(join(folder.path, "models/silver/x.sql"), "select * from bronze.nowhere\n");
  await put(join(folder.path, "models/silver/y.sql"), "select * from bronze.nothing\n");
  await session.reload();
  for (const ask of [() => checkOf(session), () => planOf(session, { select: [], exclude: [] })]) {
    const thrown = await ask().then(
      () => null,
      (error) => error,
    );
    expect(thrown).toBeInstanceOf(AggregateError);
    expect(thrown.errors).toHaveLength(2);
  }
});

test("old files that cannot be removed are told of, and what was built is built", async () => {
  await using folder = await tempFolder();
  await using session = await opened(folder.path);
  await keepFromRemoving(session);
  const told = following();
  const summary = await buildOf(session, EVERYTHING, told);
  expect(told.events).toEqual(["landed", "run", "trouble"]);
  expect(summary.landed).toMatchObject([{ table: "bronze.parcels", rowsLanded: 2 }]);
  expect(hasFailed(summary)).toBe(false);
});

/** A folder stands where a file is due to be removed. */
async function keepFromRemoving({ warehouse }: Session): Promise<void> {
  const path = join(warehouse, "bronze/parcels-00000000/data/old.parquet");
  await mkdir(path, { recursive: true });
  const db = new Database(join(warehouse, "catalog.db"));
  const sql = "INSERT INTO lake_unlink VALUES (?, 'data', '', 0, 0)";
  db.run(sql, [`file://${path}`]);
  db.close();
}
