/** Opening a lake: settings read back, upgrades refused cleanly, other writers waited for without blocking. */

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { LakeError } from "../../../../core/base/errors.ts";
import type { Clock } from "../../../../core/ports.ts";
import { CommitDoubt } from "../../../../storage/catalog/database.ts";
import { LakeStore, MIGRATIONS } from "../../../../storage/catalog/lake-store.ts";
import { SqliteLedger } from "../../../../storage/catalog/ledger.ts";
import { sqliteError, watchCommits } from "../../../sim/sqlite-commits.ts";
import { SimClock, SimRandom } from "../../../sim/world.ts";
import { type TempFolder, tempFolder } from "../../../support/temp-folder.ts";

async function open(folder: TempFolder, more: { clock?: Clock; readonly?: boolean } = {}) {
  return await LakeStore.open({
    root: folder.path,
    readonly: more.readonly ?? false,
    busyTimeoutMs: 0,
    clock: more.clock ?? new SimClock(),
    random: new SimRandom(5),
  });
}

function tamper(folder: TempFolder, key: string, value: string): void {
  const db = new Database(`${folder.path}/catalog.db`);
  db.run("UPDATE lake_meta SET value = ? WHERE key = ?", [value, key]);
  db.close();
}

async function errorOf(action: Promise<unknown>): Promise<LakeError> {
  const thrown = await action.then(
    () => null,
    (one: unknown) => one,
  );
  if (thrown instanceof LakeError) return thrown;
  throw new Error(`not a LakeError: ${String(thrown)}`);
}

describe("a new lake", () => {
  test("has the settings that durability needs, and Iceberg's own tables", async () => {
    await using folder = await tempFolder();
    const store = await open(folder);
    const value = (name: string): string => {
      const row = store.db.get(`PRAGMA ${name}`);
      return String(Object.values(row ?? {})[0]);
    };
    expect(value("journal_mode")).toBe("wal");
    expect(value("synchronous")).toBe("2");
    expect(value("auto_vacuum")).toBe("2");
    expect(value("busy_timeout")).toBe("0");
    expect(statSync(`${folder.path}/catalog.db`).mode & 0o777).toBe(0o600);
    const columns = store.db.all("SELECT name FROM pragma_table_info('iceberg_tables')");
    expect(columns.map((row) => row.name)).toEqual([
      "catalog_name",
      "table_namespace",
      "table_name",
      "metadata_location",
      "previous_metadata_location",
      "iceberg_type",
    ]);
    expect(store.writable).toBe(true);
    store.db.close();
    const again = await open(folder);
    expect(again.lakeId).toBe(store.lakeId);
    again.db.close();
  });

  test("is not made by a reader", async () => {
    await using folder = await tempFolder();
    expect((await errorOf(open(folder, { readonly: true }))).code).toBe("not-found");
  });

  test("keeps the tables of a catalog that another engine made", async () => {
    await using folder = await tempFolder();
    const db = new Database(`${folder.path}/catalog.db`);
    db.run(`CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL,
      table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
      metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000),
      iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, table_namespace, table_name))`);
    db.run("INSERT INTO iceberg_tables VALUES ('tarn', 'a', 'b', 'file:///x', NULL, NULL)");
    db.close();
    const store = await open(folder);
    expect(store.db.all("SELECT * FROM iceberg_tables").length).toBe(1);
    store.db.close();
  });
});

test("a lake is made only where every reader finds it, and opened where it is", async () => {
  await using folder = await tempFolder();
  const settings = { readonly: false, busyTimeoutMs: 0, clock: new SimClock() };
  const at = (name: string) =>
    LakeStore.open({ ...settings, root: `${folder.path}/${name}`, random: new SimRandom(5) });
  for (const name of ["a#b", "a?b", "a%20b", "a\nb"]) {
    mkdirSync(`${folder.path}/${name}`);
    await expect(at(name)).rejects.toThrow("a lake cannot lie in");
    expect(readdirSync(`${folder.path}/${name}`)).toEqual([]);
  }
  const odd = 'it\'s "here" [1] {2} é;&=+,~@:*';
  mkdirSync(`${folder.path}/${odd}`);
  (await at(odd)).db.close();
  copyFileSync(`${folder.path}/${odd}/catalog.db`, `${folder.path}/a#b/catalog.db`);
  (await at("a#b")).db.close();
});

describe("an older program", () => {
  test("refuses to read what it cannot", async () => {
    await using folder = await tempFolder();
    (await open(folder)).db.close();
    tamper(folder, "min_reader", "9");
    expect((await errorOf(open(folder))).code).toBe("unsupported");
  });

  test("that has the lake open stops writing after an upgrade", async () => {
    await using folder = await tempFolder();
    const store = await open(folder);
    tamper(folder, "min_writer", "9");
    expect((await errorOf(store.write(() => 1))).code).toBe("unsupported");
    store.db.close();
  });

  test("stops when another engine took over", async () => {
    await using folder = await tempFolder();
    const [first, second] = [await open(folder), await open(folder)];
    await first.takeEpoch();
    await first.write(() => 1);
    await second.takeEpoch();
    expect((await errorOf(first.write(() => 1))).code).toBe("locked");
    for (const store of [first, second]) store.db.close();
  });
});

describe("beside another writer", () => {
  test("a write waits without blocking and then goes through", async () => {
    await using folder = await tempFolder();
    let release = (): void => {};
    let sleeps = 0;
    const clock: Clock = {
      nowMs: () => sleeps * 10,
      sleep: async () => {
        sleeps++;
        if (sleeps === 3) release();
      },
    };
    const store = await open(folder, { clock });
    const other = new Database(`${folder.path}/catalog.db`);
    other.run("BEGIN IMMEDIATE");
    release = () => other.run("ROLLBACK");
    expect(await store.write(() => "done")).toBe("done");
    expect(sleeps).toBe(3);
    other.close();
    store.db.close();
  });

  test("one that never ends is named after a bounded time", async () => {
    await using folder = await tempFolder();
    const clock = new SimClock();
    const store = await open(folder, { clock });
    const other = new Database(`${folder.path}/catalog.db`);
    other.run("BEGIN IMMEDIATE");
    const startMs = clock.nowMs();
    expect((await errorOf(store.write(() => 1))).code).toBe("locked");
    expect(clock.nowMs() - startMs).toBeLessThan(31_000);
    other.close();
    store.db.close();
  });

  test("what throws inside a write takes all of it back", async () => {
    await using folder = await tempFolder();
    const store = await open(folder);
    const insert = "INSERT INTO lake_facts (kind, name, value) VALUES ('key', 'a', 'b')";
    const failing = store.write(() => {
      store.db.run(insert);
      throw new LakeError("internal", "on purpose");
    });
    expect((await errorOf(failing)).message).toBe("on purpose");
    expect(store.db.all("SELECT * FROM lake_facts")).toEqual([]);
    store.db.close();
  });
});

test("a file that is no catalog is corrupt, with what to do", async () => {
  await using folder = await tempFolder();
  writeFileSync(
    `${folder.path}/catalog.db`,
    "this is not a database, whatever its name".repeat(50),
  );
  const error = await errorOf(open(folder));
  expect(error.code).toBe("corrupt");
  expect(error.hint).toContain("restore");
});

test("a failed COMMIT outside of a publish is an error with what to do next", async () => {
  await using folder = await tempFolder();
  const store = await open(folder);
  using _ = watchCommits(`${folder.path}/catalog.db`, () => ({
    alive: () => {},
    before: () => {
      throw sqliteError("SQLITE_FULL");
    },
    after: () => {},
  }));
  const error = await errorOf(store.takeEpoch());
  expect(error.code).toBe("io");
  expect(error.hint).toContain("free some space");
  store.db.close();
});

test("a failed COMMIT says whether it is certain", () => {
  expect(new CommitDoubt(new Error("x"), true).definite).toBe(true);
  expect(new CommitDoubt(new Error("x"), false).message).toContain("COMMIT failed");
});

test("a lake of version 1 is brought up to date, and its fixes are kept", async () => {
  await using folder = await tempFolder();
  const old = oldLake(folder.path, 1);
  old.run("INSERT INTO lake_fixes VALUES ('a', 'o', 'bronze.o', 'replace', 'x,1', 1)");
  old.close();
  const reader = await open(folder, { readonly: true });
  expect(await new SqliteLedger(reader).fixes()).toMatchObject([{ id: "a", place: null }]);
  reader.db.close();
  const store = await open(folder);
  const ledger = new SqliteLedger(store);
  const shared = { source: "o", table: "bronze.o", raw: "x,1", createdMs: 1, batch: null };
  const first = { id: "a", ...shared };
  expect(await ledger.fixes()).toEqual([{ ...first, action: "replace", place: null }]);
  const place = { sha256: "00", position: "line 2", of: { batch: "b", file: "f" } };
  const second = { ...first, id: "b", action: "drop" as const, raw: null, place };
  await ledger.addFixes([second]);
  expect((await ledger.fixes())[1]).toEqual(second);
  store.db.close();
});

test("a lake of version 2 knows afterwards which versions of its files were replaced", async () => {
  await using folder = await tempFolder();
  const old = oldLake(folder.path, 2);
  for (const [batch, commit] of [
    ["b1", 1],
    ["b2", 2],
    ["b3", 3],
  ]) {
    old.run(
      `INSERT INTO lake_batches VALUES ('${batch}', 's', 'bronze.s', 0, ${commit}, NULL, 1, 1, 0, 0)`,
    );
  }
  const file = (batch: string, version: number) =>
    old.run(`INSERT INTO lake_files VALUES ('${batch}', 0, 's', 'drops/s/a.csv', ${version}, 'ab', 1, 1,
      '', 'originals/ab', 0, 'landed', NULL, 1, 1, 0, 0, 1)`);
  for (const [index, batch] of ["b1", "b2", "b3"].entries()) file(batch, index + 1);
  const commit = (number: number, operation: string) =>
    old.run(`INSERT INTO lake_commit_tables VALUES ('u', ${number}, 'bronze.s', 'm', 1, NULL, 1,
      '${operation}', 1, 0, 1)`);
  for (const [number, operation] of [
    [1, "append"],
    [2, "overwrite"],
    [3, "append"],
  ] as const) {
    commit(number, operation);
  }
  old.close();
  // Read before anybody may write: the same is seen, and nothing is changed.
  const reader = await open(folder, { readonly: true });
  const seen = await new SqliteLedger(reader).files({ live: true });
  reader.db.close();
  const store = await open(folder);
  const ledger = new SqliteLedger(store);
  const live = await ledger.files({ live: true });
  expect(seen).toEqual(live);
  expect(live.map(({ batch, landsAs }) => [batch, landsAs])).toEqual([
    ["b2", "b2"],
    ["b3", "b3"],
  ]);
  expect(await ledger.gone()).toMatchObject([
    { batch: "b1", how: "replaced", commit: 2n, version: 2 },
  ]);
  store.db.close();
});

/** A catalog as an older version made it. */
function oldLake(root: string, version: number): Database {
  const old = new Database(`${root}/catalog.db`);
  for (const migration of MIGRATIONS.filter((one) => one.version <= version)) {
    for (const statement of migration.statements) old.run(statement);
  }
  const meta = { schema_version: version, format_version: 1, min_reader: 1, min_writer: 1 };
  const once = { lake_id: "lake", root, epoch: 0, created_ms: 0 };
  for (const [key, value] of Object.entries({ ...meta, ...once })) {
    old.run(`INSERT INTO lake_meta VALUES ('${key}', '${value}')`);
  }
  return old;
}
