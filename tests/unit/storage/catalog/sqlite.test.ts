/** The catalog as its port promises it, on a real disk with real Parquet files. */

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { must } from "../../../../core/base/assert.ts";
import { LakeError } from "../../../../core/base/errors.ts";
import type { Fact, TableChange } from "../../../../core/table/commit.ts";
import { changeOf, TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "bronze.orders";

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return "none";
  } catch (thrown) {
    return thrown instanceof LakeError ? thrown.code : String(thrown);
  }
}

describe("commit", () => {
  test("creates a table, appends to it, and both are read back", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    const first = await lake.append(NAME, [1, 2]);
    const second = await lake.append(NAME, [3]);
    expect([first.kind, second.kind]).toEqual(["committed", "committed"]);
    expect(await lake.ids(NAME)).toEqual([1, 2, 3]);
    const [head] = await lake.catalog.tables();
    expect(head?.name).toBe(NAME);
    expect(head?.sequenceNumber).toBe(2n);
    await lake.catalog.close();
  });

  test("several tables and their facts move together or not at all", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    const tables = [await lake.appendChange(NAME, [1]), await lake.appendChange("silver.o", [2])];
    const fact: Fact = { kind: "offset", name: "orders", was: null, becomes: "1" };
    expect((await lake.catalog.commit(changeOf(tables, { facts: [fact] }))).kind).toBe("committed");
    expect(await lake.catalog.fact("offset", "orders")).toBe("1");
    const more = [await lake.appendChange(NAME, [3]), await lake.appendChange("silver.o", [4])];
    const again = await lake.catalog.commit(changeOf(more, { facts: [fact] }));
    expect(again).toEqual({ kind: "stale", fact: "offset orders" });
    expect(await lake.ids(NAME)).toEqual([1]);
    expect(await lake.ids("silver.o")).toEqual([2]);
    await lake.catalog.close();
  });

  test("of two commits at once that move one fact, the second is stale", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    const fact: Fact = { kind: "offset", name: "orders", was: null, becomes: "1" };
    const changes = [await lake.appendChange(NAME, [1]), await lake.appendChange("silver.o", [2])];
    const commits = changes.map((table) =>
      lake.catalog.commit(changeOf([table], { facts: [fact] })),
    );
    const kinds = (await Promise.all(commits)).map((result) => result.kind);
    expect(kinds.toSorted()).toEqual(["committed", "stale"]);
    expect(await lake.catalog.fact("offset", "orders")).toBe("1");
    await lake.catalog.close();
  });

  test("an append whose base moved is restaged, anything else is a conflict", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    const appendLate = await lake.appendChange(NAME, [2]);
    const overwriteLate = {
      ...(await lake.appendChange(NAME, [9])),
      operation: "overwrite" as const,
    };
    await lake.append(NAME, [3]);
    expect((await lake.catalog.commit(changeOf([appendLate]))).kind).toBe("committed");
    const conflict = await lake.catalog.commit(changeOf([overwriteLate]));
    expect(conflict).toEqual({ kind: "conflict", tables: [NAME] });
    expect(await lake.ids(NAME)).toEqual([1, 2, 3]);
    await lake.catalog.close();
  });

  test("a replace is put on top of what was appended since, again and again", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    await lake.append(NAME, [2]);
    const late = await replaceChange(lake, [1, 2]);
    await lake.append(NAME, [3]);
    const racing = [4, 5, 6].map((id) => lake.append(NAME, [id]));
    const [replaced] = await Promise.all([lake.catalog.commit(changeOf([late])), ...racing]);
    expect(replaced.kind).toBe("committed");
    expect(await lake.ids(NAME)).toEqual([1, 2, 3, 4, 5, 6]);
    const table = must(await lake.catalog.load(NAME), NAME);
    expect((await lake.catalog.scan(table, table.current)).files).toHaveLength(5);
    await lake.catalog.close();
  });

  test("a replace is a conflict where more than appends came in between", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    await lake.append(NAME, [2]);
    const late = await replaceChange(lake, [1, 2]);
    const other = await replaceChange(lake, [1, 2]);
    await lake.append(NAME, [3]);
    expect((await lake.catalog.commit(changeOf([other]))).kind).toBe("committed");
    const before = await paths(lake);
    const conflict = await lake.catalog.commit(changeOf([late]));
    expect(conflict).toEqual({ kind: "conflict", tables: [NAME] });
    expect(await paths(lake)).toEqual(before);
    expect(await lake.ids(NAME)).toEqual([1, 2, 3]);
    await lake.catalog.close();
  });

  test("a replace is a conflict where rows of its files were deleted in between", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    await lake.append(NAME, [2]);
    const late = await replaceChange(lake, [1, 2]);
    const deleting = await lake.appendChange(NAME, [1]);
    const added = deleting.added.map((one) => ({ ...one, content: "position-deletes" as const }));
    const deleted = { ...deleting, operation: "delete" as const, added };
    expect((await lake.catalog.commit(changeOf([deleted]))).kind).toBe("committed");
    const conflict = await lake.catalog.commit(changeOf([late]));
    expect(conflict).toEqual({ kind: "conflict", tables: [NAME] });
    await lake.catalog.close();
  });

  test("after a conflict no file of the attempt is left", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    const late = { ...(await lake.appendChange(NAME, [9])), operation: "overwrite" as const };
    await lake.append(NAME, [3]);
    const before = await paths(lake);
    await lake.catalog.commit(changeOf([late]));
    expect(await paths(lake)).toEqual(before);
    await lake.catalog.close();
  });

  test("many writers at once lose nothing", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    const first = await TestCatalog.open({ root });
    await first.append(NAME, [0]);
    const writers = await Promise.all(
      [1, 2, 3, 4].map((seed) => TestCatalog.open({ root, seed: seed * 1_000 })),
    );
    const results = await Promise.all(
      writers.flatMap((writer, w) => [1, 2, 3].map((n) => writer.append(NAME, [10 * (w + 1) + n]))),
    );
    expect(results.map((result) => result.kind)).toEqual(Array(12).fill("committed"));
    const expected = [1, 2, 3, 4].flatMap((w) => [1, 2, 3].map((n) => 10 * w + n));
    expect(await first.ids(NAME)).toEqual([0, ...expected]);
    const times = (await first.catalog.commits({ limit: 100 })).map((commit) => commit.timeMs);
    expect(new Set(times).size).toBe(13);
    for (const lake of [first, ...writers]) await lake.catalog.close();
  });

  test("a batch becomes visible with its commit, and never twice", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    const { ledger } = lake.catalog;
    const counts = { rowsIn: 1, rowsLanded: 1, rowsQuarantined: 0, rowsDuplicate: 0 };
    const batch = { batch: "b1", source: "orders", table: NAME, startedMs: 1, ...counts };
    const record = { ...batch, commit: null, withdrawnBy: null };
    await ledger.prepare({ batch: record, files: [], replaces: [], contract: null, drift: [] });
    expect(await ledger.batches({})).toEqual([]);
    const change = changeOf([await lake.appendChange(NAME, [1])], { batches: ["b1"] });
    const committed = await lake.catalog.commit(change);
    expect(committed.kind).toBe("committed");
    expect((await ledger.batches({})).map((one) => one.commit)).toEqual([1n]);
    const again = changeOf([await lake.appendChange(NAME, [2])], { batches: ["b1"] });
    expect(await lake.catalog.commit(again)).toEqual({ kind: "stale", fact: "batch b1" });
    await lake.catalog.close();
  });

  test("commits are found by table, snapshot, kind and number together", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    for (const n of [1, 2, 3]) await lake.append(NAME, [n]);
    await lake.append("silver.o", [4]);
    const { catalog } = lake;
    const numbers = async (filter: Partial<Parameters<typeof catalog.commits>[0]>) =>
      (await catalog.commits({ limit: 9, ...filter })).map((commit) => commit.number);
    const second = (await catalog.load(NAME))?.snapshots[1]?.snapshotId ?? 0n;
    expect(await numbers({ table: NAME })).toEqual([3n, 2n, 1n]);
    expect(await numbers({ snapshotId: second })).toEqual([2n]);
    expect(await numbers({ table: "silver.o", snapshotId: second })).toEqual([]);
    expect(await numbers({ table: NAME, until: 2n, limit: 1 })).toEqual([2n]);
    expect(await numbers({ kind: "restore" })).toEqual([]);
    await catalog.close();
  });

  test("commit times rise even when the clock falls back", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    lake.clock.advance(-3_600_000);
    await lake.append(NAME, [2]);
    const [newest, oldest] = await lake.catalog.commits({ limit: 2 });
    expect(newest?.timeMs).toBe((oldest?.timeMs ?? 0) + 1);
    await lake.catalog.close();
  });
});

describe("time travel", () => {
  test("one instant is one cut over all tables", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    const times: number[] = [];
    for (const n of [1, 2, 3]) {
      lake.clock.advance(60_000);
      const names = [NAME, "silver.o"];
      const tables = await Promise.all(names.map((name) => lake.appendChange(name, [n])));
      await lake.catalog.commit(changeOf(tables));
      times.push((await lake.catalog.commits({ limit: 1 }))[0]?.timeMs ?? 0);
    }
    for (const [index, timeMs] of times.entries()) {
      for (const name of [NAME, "silver.o"]) {
        const table = await lake.catalog.load(name);
        if (table === null) throw new Error("the table is there");
        const ref = { kind: "time", timeMs: timeMs + 30_000, nearest: false } as const;
        const snapshot = await lake.catalog.snapshotAt(table, ref);
        expect(snapshot?.sequenceNumber).toBe(BigInt(index + 1));
      }
    }
    await lake.catalog.close();
  });

  test("versions by id, number, position, tag, and what is said when there is none", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    for (const n of [1, 2, 3]) await lake.append(NAME, [n]);
    await lake.catalog.setTag("two", 2n);
    const table = await lake.catalog.load(NAME);
    if (table === null) throw new Error("the table is there");
    const number = async (ref: Parameters<typeof lake.catalog.snapshotAt>[1]) =>
      (await lake.catalog.snapshotAt(table, ref))?.sequenceNumber ?? null;
    const id = table.current?.snapshotId.toString() ?? "";
    expect(await number({ kind: "version", value: id })).toBe(3n);
    expect(await number({ kind: "version", value: "2" })).toBe(2n);
    expect(await number({ kind: "version", value: "two" })).toBe(2n);
    expect(await number({ kind: "tag", name: "two" })).toBe(2n);
    expect(await number({ kind: "version", value: "main" })).toBe(3n);
    expect(await number({ kind: "back", steps: 2 })).toBe(1n);
    expect(await codeOf(number({ kind: "back", steps: 3 }))).toBe("not-found");
    expect(await codeOf(number({ kind: "version", value: "9" }))).toBe("not-found");
    expect(await codeOf(number({ kind: "time", timeMs: 5, nearest: true }))).toBe("not-found");
    await lake.catalog.close();
  });

  test("a tag is an Iceberg tag on every table, and goes with setTag(null)", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
    await lake.append(NAME, [1]);
    await lake.append("silver.o", [1]);
    await lake.catalog.setTag("month-end", 1n);
    expect((await lake.catalog.load(NAME))?.refs.get("month-end")?.kind).toBe("tag");
    expect((await lake.catalog.load("silver.o"))?.refs.has("month-end")).toBe(false);
    expect([...(await lake.catalog.tags()).keys()]).toEqual(["month-end"]);
    expect((await lake.catalog.commits({ limit: 10 })).length).toBe(2);
    await lake.catalog.setTag("month-end", null);
    expect((await lake.catalog.load(NAME))?.refs.has("month-end")).toBe(false);
    expect((await lake.catalog.tags()).size).toBe(0);
    await lake.catalog.close();
  });
});

describe("other engines", () => {
  test("their commits are entered when first seen", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    const lake = await TestCatalog.open({ root });
    await lake.append(NAME, [1]);
    await lake.append(NAME, [2]);
    const [head] = await lake.catalog.tables();
    // Another engine puts the pointer elsewhere with nothing but Iceberg's own tables.
    const db = new Database(`${root}/catalog.db`);
    const row = db
      .query<{ previous: string }, []>(
        "SELECT previous_metadata_location AS previous FROM iceberg_tables",
      )
      .get();
    db.run("UPDATE iceberg_tables SET metadata_location = ?", [row?.previous ?? ""]);
    db.close();
    const [moved] = await lake.catalog.tables();
    expect(moved?.metadataLocation).toBe(row?.previous ?? "");
    expect(moved?.sequenceNumber).toBe(1n);
    expect(head?.sequenceNumber).toBe(2n);
    expect((await lake.catalog.commits({ limit: 1 }))[0]?.kind).toBe("foreign");
    expect((await lake.append(NAME, [3])).kind).toBe("committed");
    expect(await lake.ids(NAME)).toEqual([1, 3]);
    await lake.catalog.close();
  });
});

test("one table without its metadata does not hide the others", async () => {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  const lake = await TestCatalog.open({ root });
  await lake.append(NAME, [1]);
  const db = new Database(`${root}/catalog.db`);
  const insert = "INSERT INTO iceberg_tables VALUES ('tarn', 'a', ?, ?, NULL, NULL)";
  db.run(insert, ["gone", `file://${root}/a/gone/metadata/0.metadata.json`]);
  db.run(insert, ["outside", "file:///elsewhere/metadata/0.metadata.json"]);
  db.close();
  expect((await lake.catalog.tables()).map((head) => head.name)).toEqual([NAME]);
  expect(await codeOf(lake.catalog.load("a.gone"))).toBe("corrupt");
  expect(await codeOf(lake.catalog.load("a.outside"))).toBe("unsupported");
  expect((await lake.append(NAME, [2])).kind).toBe("committed");
  await lake.catalog.close();
});

async function paths(lake: TestCatalog): Promise<string[]> {
  const found: string[] = [];
  for await (const file of lake.files.list("bronze")) found.push(file.path);
  return found;
}

/** One file of these rows in the place of all that the table has. */
async function replaceChange(lake: TestCatalog, ids: readonly number[]): Promise<TableChange> {
  const change = await lake.appendChange(NAME, ids);
  const table = must(await lake.catalog.load(NAME), NAME);
  const { files } = await lake.catalog.scan(table, table.current);
  return { ...change, operation: "replace", removed: files.map(({ file }) => file.path) };
}
