/** Files leave the disk only after their delay, and only when nothing names them. */

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { must } from "../../../../core/base/assert.ts";
import { KEY_INDEX_FOLDER, UNLINK_DATA_AFTER_MS } from "../../../../core/limits.ts";
import { cursorToText } from "../../../../core/model/cursor.ts";
import { changeOf, TestCatalog } from "../../../sim/lake.ts";
import { SimClock } from "../../../sim/world.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "bronze.orders";
const HOUR_MS = 3_600_000;

/** The disk's clock is the system's: the lake's starts there. */
async function lakeIn(root: string): Promise<TestCatalog> {
  return await TestCatalog.open({ root, clock: new SimClock(Date.now()) });
}

test("orphans go after the grace period and the delay; live files stay", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const lake = await lakeIn(root);
  await lake.append(NAME, [1]);
  await lake.append(NAME, [2]);
  // Adopted by an attempt that died before its commit.
  const [orphan] = await lake.adopt(NAME, [7]);
  const path = orphan?.path.replace("file://", "") ?? "";
  const options = { processStart: () => null };
  expect((await lake.catalog.sweep({})).files).toBe(0);
  lake.clock.advance(UNLINK_DATA_AFTER_MS + HOUR_MS);
  expect((await lake.catalog.sweep({})).files).toBe(1);
  expect((await lake.catalog.unlinkDue(options)).files).toBe(0);
  expect(existsSync(path)).toBe(true);
  lake.clock.advance(UNLINK_DATA_AFTER_MS);
  expect((await lake.catalog.unlinkDue(options)).files).toBe(1);
  expect(existsSync(path)).toBe(false);
  expect(await lake.ids(NAME)).toEqual([1, 2]);
  await lake.catalog.close();
});

test("indexes of keys go with their table, and stay while it is there", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const lake = await lakeIn(root);
  await lake.append(NAME, [1]);
  const uuid = (await lake.catalog.load(NAME))?.uuid ?? "";
  const indexes = [uuid, "of-none"].map((name) => `${root}/${KEY_INDEX_FOLDER}/${name}`);
  for (const path of indexes) {
    mkdirSync(path, { recursive: true });
    writeFileSync(`${path}/a.parquet.keys`, "x");
  }
  await lake.catalog.sweep({});
  expect(indexes.map((path) => readdirSync(path).length)).toEqual([1, 1]);
  lake.clock.advance(UNLINK_DATA_AFTER_MS + HOUR_MS);
  await lake.catalog.sweep({});
  expect(indexes.map((path) => readdirSync(path).length)).toEqual([1, 0]);
  await lake.catalog.close();
});

test("a file that was committed after it was found stays", async () => {
  await using folder = await tempFolder();
  const lake = await lakeIn(`${folder.path}/lake`);
  await lake.append(NAME, [1]);
  const change = await lake.appendChange(NAME, [2]);
  lake.clock.advance(UNLINK_DATA_AFTER_MS + HOUR_MS);
  expect((await lake.catalog.sweep({})).files).toBe(1);
  expect((await lake.catalog.commit(changeOf([change]))).kind).toBe("committed");
  lake.clock.advance(UNLINK_DATA_AFTER_MS);
  expect((await lake.catalog.unlinkDue({ processStart: () => null })).files).toBe(0);
  expect(await lake.ids(NAME)).toEqual([1, 2]);
  await lake.catalog.close();
});

test("a living reader from before a file left keeps it", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const lake = await lakeIn(root);
  await lake.append(NAME, [1]);
  const data = (await lake.catalog.load(NAME))?.location.replace("file://", "") ?? "";
  writeFileSync(`${data}/data/left.parquet`, "x");
  utimesSync(`${data}/data/left.parquet`, 1, 1);
  await lake.catalog.addReadLease({
    id: "r",
    pid: 1,
    processStart: "then",
    sinceMs: lake.clock.nowMs(),
  });
  lake.clock.advance(1_000);
  expect((await lake.catalog.sweep({})).files).toBe(1);
  lake.clock.advance(2 * UNLINK_DATA_AFTER_MS);
  const alive = { processStart: () => "then" };
  expect((await lake.catalog.unlinkDue(alive)).files).toBe(0);
  const dead = { processStart: () => "another process of that number" };
  expect((await lake.catalog.unlinkDue(dead)).files).toBe(1);
  await lake.catalog.close();
});

const DELAYS_MS = UNLINK_DATA_AFTER_MS + HOUR_MS;
const NOBODY = { processStart: () => null };

test("files of a table that no commit ever made go as well", async () => {
  await using folder = await tempFolder();
  const lake = await lakeIn(`${folder.path}/lake`);
  await lake.append(NAME, [1]);
  const [file] = await lake.adopt("bronze.never", [7]);
  lake.clock.advance(DELAYS_MS);
  expect((await lake.catalog.sweep({})).files).toBe(1);
  lake.clock.advance(DELAYS_MS);
  expect((await lake.catalog.unlinkDue(NOBODY)).files).toBe(1);
  expect(existsSync(file?.path.replace("file://", "") ?? "")).toBe(false);
  await lake.catalog.close();
});

test("a table made after its files were found keeps them", async () => {
  await using folder = await tempFolder();
  const lake = await lakeIn(`${folder.path}/lake`);
  await lake.append(NAME, [1]);
  const change = await lake.appendChange("bronze.late", [7]);
  lake.clock.advance(DELAYS_MS);
  expect((await lake.catalog.sweep({})).files).toBe(1);
  expect((await lake.catalog.commit(changeOf([change]))).kind).toBe("committed");
  lake.clock.advance(DELAYS_MS);
  expect((await lake.catalog.unlinkDue(NOBODY)).files).toBe(0);
  expect(await lake.ids("bronze.late")).toEqual([7]);
  await lake.catalog.close();
});

test("files of a table that another program dropped stay", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const lake = await lakeIn(root);
  await lake.append(NAME, [1]);
  await lake.append("bronze.dropped", [7]);
  using other = new Database(`${root}/catalog.db`);
  other.run("DELETE FROM iceberg_tables WHERE table_name = 'dropped'");
  lake.clock.advance(DELAYS_MS);
  expect((await lake.catalog.sweep({})).files).toBe(0);
  await lake.catalog.close();
});

test("maintenance looks for orphans once a day", async () => {
  await using folder = await tempFolder();
  const lake = await lakeIn(`${folder.path}/lake`);
  await lake.append(NAME, [1]);
  await lake.catalog.maintain(NOBODY);
  const [file] = await lake.adopt(NAME, [7]);
  const isThere = (): boolean => existsSync(file?.path.replace("file://", "") ?? "");
  const seen: boolean[] = [];
  for (const _ of ["found", "still waiting", "gone"]) {
    lake.clock.advance(DELAYS_MS);
    await lake.catalog.maintain(NOBODY);
    seen.push(isThere());
  }
  expect(seen).toEqual([true, false, false]);
  await lake.catalog.close();
});

test("a dropped table comes back while past snapshots are kept; then its files go", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const keep = { snapshotsMs: 10 * 24 * HOUR_MS, lagMs: HOUR_MS };
  const lake = await TestCatalog.open({ root, clock: new SimClock(Date.now()), keep });
  const { catalog } = lake;
  const options = { processStart: () => null };
  await lake.append(NAME, [1]);
  await lake.append("silver.o", [2]);
  const drop = () => catalog.drop({ tables: [NAME], withdrawn: [], message: "gone" });
  const place = (await catalog.load(NAME))?.location.replace("file://", "") ?? "";
  const first = (await drop()) ?? 0n;
  expect(await catalog.load(NAME)).toBeNull();
  expect((await catalog.tables()).map((head) => head.name)).toEqual(["silver.o"]);
  lake.clock.advance(9 * 24 * HOUR_MS);
  expect((await catalog.sweep({})).files).toBe(0);
  expect((await catalog.dropped()).map(({ name, commit }) => [name, commit])).toEqual([
    [NAME, first],
  ]);
  await catalog.undrop(first);
  expect(await lake.ids(NAME)).toEqual([1]);
  expect(await catalog.dropped()).toEqual([]);
  await lake.append(NAME, [3]);
  lake.clock.advance(11 * 24 * HOUR_MS);
  expect((await catalog.sweep({})).files).toBe(0);
  const second = (await drop()) ?? 0n;
  lake.clock.advance(11 * 24 * HOUR_MS);
  expect((await catalog.sweep({})).files).toBeGreaterThan(0);
  lake.clock.advance(UNLINK_DATA_AFTER_MS);
  await catalog.unlinkDue(options);
  const left = existsSync(place) ? readdirSync(place, { recursive: true }).map(String) : [];
  expect(left.filter((name) => /\.(parquet|avro|json)$/.test(name))).toEqual([]);
  await expect(catalog.undrop(second)).rejects.toThrow("is not kept any more");
  expect(await lake.ids("silver.o")).toEqual([2]);
  await catalog.close();
});

test("a file that cannot be removed keeps no other, and is tried again later", async () => {
  await using folder = await tempFolder();
  const lake = await lakeIn(`${folder.path}/lake`);
  await lake.append(NAME, [1]);
  const orphans = [...(await lake.adopt(NAME, [7])), ...(await lake.adopt(NAME, [8]))];
  const [stuck = "", other = ""] = orphans.map(({ path }) => path.replace("file://", ""));
  lake.clock.advance(DELAYS_MS);
  expect((await lake.catalog.sweep({})).files).toBe(2);
  lake.clock.advance(DELAYS_MS);
  rmSync(stuck);
  mkdirSync(stuck);
  const unlink = () => lake.catalog.unlinkDue(NOBODY);
  await expect(unlink()).rejects.toThrow(`cannot remove ${stuck}`);
  expect(existsSync(other)).toBe(false);
  expect(await unlink()).toEqual({ files: 0 });
  lake.clock.advance(DELAYS_MS);
  rmdirSync(stuck);
  expect(await unlink()).toEqual({ files: 1 });
  await lake.catalog.close();
});

const DAY_MS = 24 * HOUR_MS;
const KEEP = { snapshotsMs: 14 * DAY_MS, lagMs: 7 * DAY_MS };

/** A lake whose table a model has read to the end; what happens to it afterwards is for a test to say. */
async function readLake(root: string): Promise<{ lake: TestCatalog; read: bigint }> {
  const lake = await TestCatalog.open({ root, clock: new SimClock(Date.now()), keep: KEEP });
  await lake.append(NAME, [1]);
  await lake.append(NAME, [2]);
  const table = must(await lake.catalog.load(NAME), NAME);
  const read = must(table.current, "a snapshot").snapshotId;
  const place = { uuid: table.uuid, snapshotId: read, schemaId: table.schema.schemaId };
  const inputs = new Map([[NAME, place]]);
  const rest = { hash: "h", timezone: "UTC", moments: new Map(), restored: null, sequence: null };
  const becomes = cursorToText({ ...rest, inputs });
  const fact = { kind: "cursor", name: "silver.o", was: null, becomes } as const;
  await lake.catalog.commit(changeOf([], { facts: [fact] }));
  return { lake, read };
}

async function snapshotIds({ catalog }: TestCatalog): Promise<bigint[]> {
  return (await catalog.load(NAME))?.snapshots.map(({ snapshotId }) => snapshotId) ?? [];
}

test("a model keeps its place in a table at rest, though files are made one and rows come after weeks", async () => {
  await using folder = await tempFolder();
  const { lake, read } = await readLake(`${folder.path}/lake`);
  lake.clock.advance(20 * DAY_MS);
  const one = await lake.appendChange(NAME, [1, 2]);
  const table = must(await lake.catalog.load(NAME), NAME);
  const { files } = await lake.catalog.scan(table, table.current);
  const removed = files.map(({ file }) => file.path);
  await lake.catalog.commit(changeOf([{ ...one, operation: "replace", removed }]));
  await lake.catalog.expire(NAME, { dryRun: false });
  await lake.append(NAME, [3]);
  await lake.append(NAME, [4]);
  const later = must(await lake.catalog.load(NAME), NAME);
  expect((await lake.catalog.delta(later, read, later.current)).kind).toBe("append");
  await lake.catalog.close();
});

test("a model that is too far behind what came loses its place", async () => {
  await using folder = await tempFolder();
  const { lake, read } = await readLake(`${folder.path}/lake`);
  lake.clock.advance(20 * DAY_MS);
  await lake.append(NAME, [3]);
  lake.clock.advance(6 * DAY_MS);
  await lake.append(NAME, [4]);
  expect(await snapshotIds(lake)).toContain(read);
  lake.clock.advance(2 * DAY_MS);
  await lake.append(NAME, [5]);
  expect(await snapshotIds(lake)).not.toContain(read);
  await lake.catalog.close();
});

test("snapshots of a table at rest expire; a dry run takes none out, a tag keeps its own", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const lake = await TestCatalog.open({ root, clock: new SimClock(Date.now()), keep: KEEP });
  for (const id of [1, 2, 3]) await lake.append(NAME, [id]);
  const [first] = await snapshotIds(lake);
  await lake.catalog.setTag("kept", 1n);
  lake.clock.advance(15 * DAY_MS);
  expect(await lake.catalog.expire(NAME, { dryRun: true })).toEqual({ snapshots: 1, commit: null });
  expect(await snapshotIds(lake)).toHaveLength(3);
  expect(await lake.catalog.expire(NAME, { dryRun: false })).toMatchObject({ snapshots: 1 });
  expect(await snapshotIds(lake)).toHaveLength(2);
  expect(await lake.ids(NAME, first)).toEqual([1]);
  expect(await lake.catalog.expire(NAME, { dryRun: false })).toEqual({
    snapshots: 0,
    commit: null,
  });
  await lake.catalog.close();
});

test("orphans are counted by a dry run, wait, and go; a table may be asked for alone", async () => {
  await using folder = await tempFolder();
  const lake = await lakeIn(`${folder.path}/lake`);
  const { catalog, clock } = lake;
  const nobody = { processStart: () => null };
  await lake.append(NAME, [1]);
  await lake.append("silver.o", [2]);
  await lake.adopt(NAME, [7]);
  clock.advance(2 * DAY_MS);
  const others = await catalog.orphans({ ...nobody, table: "silver.o" });
  expect(others).toEqual({ found: 0, removed: 0 });
  const dry = await catalog.orphans({ ...nobody, dryRun: true });
  expect(dry).toEqual({ found: 1, removed: 0 });
  clock.advance(2 * DAY_MS);
  expect(await catalog.orphans(nobody)).toEqual({ found: 1, removed: 0 });
  clock.advance(2 * DAY_MS);
  expect(await catalog.orphans(nobody)).toMatchObject({ removed: 1 });
  expect(await lake.ids(NAME)).toEqual([1]);
  await catalog.close();
});
