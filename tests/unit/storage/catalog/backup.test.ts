/** A backup is the lake of one moment: whatever is written meanwhile, and wherever an attempt to make it died. */

import { expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { LakeError } from "../../../../core/base/errors.ts";
import { UNLINK_DATA_AFTER_MS } from "../../../../core/limits.ts";
import { type BackedUp, type BackupOptions, backUp } from "../../../../storage/catalog/backup.ts";
import { checkBackup } from "../../../../storage/catalog/backup-check.ts";
import { relocateLake } from "../../../../storage/catalog/relocate.ts";
import { systemProcessStart } from "../../../../storage/catalog/unlink.ts";
import type { Disk, DiskFile } from "../../../../storage/disk/disk.ts";
import { realDisk } from "../../../../storage/disk/durable.ts";
import { TestCatalog } from "../../../sim/lake.ts";
import { SimClock, SimRandom } from "../../../sim/world.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "bronze.orders";
const ports = { clock: new SimClock(), random: new SimRandom(77) };

/** Of the operations, every one of these many is a place to die; 1 takes a quarter of a minute. */
const STRIDE = 3;

async function backup(folder: string, more: Partial<BackupOptions> = {}): Promise<BackedUp> {
  return await backUp({
    root: `${folder}/lake`,
    folder: `${folder}/backup`,
    place: "warehouse",
    link: false,
    force: false,
    signal: new AbortController().signal,
    ...ports,
    ...more,
  });
}

/** The rows of a backup, once it is a lake of its own in another folder. */
async function rowsOf(folder: string, seed = 5): Promise<readonly number[]> {
  const root = `${folder}/opened-${seed}`;
  cpSync(`${folder}/backup/warehouse`, root, { recursive: true });
  await relocateLake({ root, clock: new SimClock(), random: new SimRandom(seed) });
  const lake = await TestCatalog.open({ root, seed });
  try {
    return await lake.ids(NAME);
  } finally {
    await lake.catalog.close();
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const thrown = await work.then(() => null).catch((error: unknown) => error);
  return thrown instanceof LakeError ? thrown.code : String(thrown);
}

/** A disk that dies before its operation of that number, and at each one after it. */
function dyingDisk(at: number): Disk & { readonly operations: () => number } {
  let count = 0;
  const step = (): void => {
    if (count++ >= at) throw Object.assign(new Error("died"), { code: "EIO" });
  };
  const file = (inner: DiskFile): DiskFile => ({
    read: async (buffer, position) => await inner.read(buffer, position),
    write: async (bytes, position) => {
      step();
      await inner.write(bytes, position);
    },
    stat: async () => await inner.stat(),
    sync: async () => {
      step();
      await inner.sync();
    },
    close: async () => await inner.close(),
  });
  const dying =
    <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      step();
      return await call(...args);
    };
  return {
    ...realDisk,
    operations: () => count,
    create: async (path) => {
      step();
      return file(await realDisk.create(path));
    },
    open: async (path) => file(await realDisk.open(path)),
    makeFolder: dying(realDisk.makeFolder),
    rename: dying(realDisk.rename),
    link: dying(realDisk.link),
    unlink: dying(realDisk.unlink),
    syncFolder: dying(realDisk.syncFolder),
  };
}

test("what is committed while it is made is not in it", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1]);
  await lake.append(NAME, [2]);
  const during: Promise<unknown>[] = [];
  const onProgress = (): void => void during.push(lake.append(NAME, [3]));
  const done = await backup(folder.path, { onProgress });
  expect((await Promise.all(during)).length).toBe(1);
  expect(done.commit?.number).toBe(2n);
  expect(await rowsOf(folder.path)).toEqual([1, 2]);
  expect(await lake.ids(NAME)).toEqual([1, 2, 3]);
  await lake.catalog.close();
});

test("the second one copies what is new, and removes what only the first one named", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1]);
  const first = await backup(folder.path);
  await lake.append(NAME, [2]);
  const second = await backup(folder.path);
  expect(second.copied).toBe(second.files - first.files);
  const third = await backup(folder.path);
  expect(third.copied).toBe(0);
  expect((await checkBackup(`${folder.path}/backup`, ports)).problems).toEqual([]);
  await lake.catalog.drop({ tables: [NAME], withdrawn: [], message: "drop" });
  const fourth = await backup(folder.path);
  // A dropped table can still be brought back, so its files are kept.
  expect(fourth.files).toBe(third.files);
  await lake.catalog.close();
});

test("dying before any of its operations leaves the state before, and it is finished by making it again", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1]);
  await backup(folder.path);
  cpSync(`${folder.path}/backup`, `${folder.path}/first`, { recursive: true });
  await lake.append(NAME, [2]);
  const counting = dyingDisk(Number.POSITIVE_INFINITY);
  await backup(folder.path, { disk: counting });
  const wrong: string[] = [];
  for (let at = 0; at < counting.operations(); at += STRIDE) {
    rmSync(`${folder.path}/backup`, { recursive: true });
    cpSync(`${folder.path}/first`, `${folder.path}/backup`, { recursive: true });
    const died = await codeOf(backup(folder.path, { disk: dyingDisk(at) }));
    if (died !== "io") wrong.push(`${at}: ended with ${died}`);
    const between = (await rowsOf(folder.path, 1000 + at)).join();
    if (between !== "1" && between !== "1,2") wrong.push(`${at}: holds ${between}`);
    await backup(folder.path);
    const { problems } = await checkBackup(`${folder.path}/backup`, ports);
    wrong.push(...problems.map((problem) => `${at}: ${problem}`));
    const after = (await rowsOf(folder.path, 2000 + at)).join();
    if (after !== "1,2") wrong.push(`${at}: finished with ${after}`);
    const loose = readdirSync(`${folder.path}/backup/warehouse`, {
      recursive: true,
      encoding: "utf8",
    });
    for (const name of loose) if (name.endsWith("-wal")) wrong.push(`${at}: ${name}`);
  }
  expect(wrong).toEqual([]);
  await lake.catalog.close();
});

test("maintenance removes nothing that left the lake after it began", async () => {
  await using folder = await tempFolder();
  const clock = new SimClock(Date.now());
  const lake = await TestCatalog.open({ root: `${folder.path}/lake`, clock });
  await lake.append(NAME, [1]);
  let removed = -1;
  const [path] = (await lake.adopt(NAME, [7])).map((file) => file.path.replace("file://", ""));
  clock.advance(UNLINK_DATA_AFTER_MS * 2);
  const sweep = async (): Promise<void> => {
    await lake.catalog.sweep({});
    clock.advance(UNLINK_DATA_AFTER_MS * 2);
    removed = (await lake.catalog.unlinkDue({ processStart: systemProcessStart })).files;
  };
  let swept: Promise<void> | null = null;
  const onProgress = (): void => {
    swept ??= sweep();
  };
  const hold = { ...realDisk, rename: holdingUntil(() => swept) };
  await backup(folder.path, { clock, onProgress, disk: hold });
  expect(removed).toBe(0);
  expect(existsSync(path ?? "")).toBe(true);
  expect((await lake.catalog.unlinkDue({ processStart: systemProcessStart })).files).toBe(1);
  await lake.catalog.close();
});

/** Renames once what it waits for, if there is anything, is done: the catalog's own is the last. */
function holdingUntil(work: () => Promise<void> | null): Disk["rename"] {
  return async (from, to) => {
    await work();
    await realDisk.rename(from, to);
  };
}

test("damage is found, and mended by the next one", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1]);
  await backup(folder.path);
  const root = `${folder.path}/backup/warehouse`;
  const files = readdirSync(root, { recursive: true, encoding: "utf8" });
  const data = files.filter((name) => name.endsWith(".parquet"));
  expect(data.length).toBe(1);
  truncateSync(`${root}/${data[0]}`, 10);
  const { problems } = await checkBackup(`${folder.path}/backup`, ports);
  expect(problems.length).toBe(1);
  expect(problems[0]).toContain("has 10 bytes");
  expect((await backup(folder.path)).copied).toBe(1);
  expect((await checkBackup(`${folder.path}/backup`, ports)).problems).toEqual([]);
  appendFileSync(`${folder.path}/backup/.backup/files.jsonl`, '{"path":"bro');
  expect((await backup(folder.path)).copied).toBe(0);
  await lake.catalog.close();
});

test("what the lake itself has lost is named, and the rest is copied", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1]);
  await lake.append("bronze.other", [2]);
  const [lost] = (await lake.catalog.scan(...(await headOf(lake, NAME)))).files;
  rmSync(lost?.localPath ?? "");
  const done = await backup(folder.path);
  expect(done.problems.length).toBe(1);
  expect(done.problems[0]).toContain("is missing");
  expect(done.finished).toBe(true);
  await lake.catalog.close();
});

async function headOf(lake: TestCatalog, name: string) {
  const table = await lake.catalog.load(name);
  if (table === null) throw new Error("no table");
  return [table, table.current] as const;
}

test("a folder of other things, another lake and a later state are refused", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1]);
  await lake.catalog.close();
  cpSync(`${folder.path}/lake`, `${folder.path}/before`, { recursive: true });
  writeFileSync(`${folder.path}/notes.txt`, "x");
  expect(await codeOf(backup(folder.path, { folder: folder.path }))).toBe("usage");
  const again = await TestCatalog.open({ root: `${folder.path}/lake`, seed: 3 });
  await again.append(NAME, [2]);
  await again.catalog.close();
  await backup(folder.path);
  rmSync(`${folder.path}/lake`, { recursive: true });
  cpSync(`${folder.path}/before`, `${folder.path}/lake`, { recursive: true });
  expect(await codeOf(backup(folder.path))).toBe("conflict");
  expect((await backup(folder.path, { force: true })).commit?.number).toBe(1n);
  expect(await rowsOf(folder.path)).toEqual([1]);
  const clock = new SimClock();
  await relocateLake({ root: `${folder.path}/backup/warehouse`, clock, random: new SimRandom(8) });
  expect(await codeOf(backup(folder.path))).toBe("usage");
});

test("a copy that was moved is backed up as it is, without a lease", async () => {
  await using folder = await tempFolder();
  const lake = await TestCatalog.open({ root: `${folder.path}/lake` });
  await lake.append(NAME, [1, 2]);
  await lake.catalog.close();
  await backup(folder.path);
  const root = `${folder.path}/backup/warehouse`;
  const second = await backup(folder.path, { root, folder: `${folder.path}/again` });
  expect(second.problems).toEqual([]);
  expect((await checkBackup(`${folder.path}/again`, ports)).problems).toEqual([]);
});
