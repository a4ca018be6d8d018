/** Commits through power cuts, failing disks and a catalog that answers nothing. */

import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { LakeError } from "../../../../core/base/errors.ts";
import { type DiskOp, PowerLost, SimDisk } from "../../../sim/disk.ts";
import { changeOf, TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "bronze.orders";

/** SQLite has a discipline of its own, with every commit synced. */
const trusted = (path: string): boolean => path.includes("/catalog.db");

interface Cut {
  readonly acknowledged: number[];
  readonly operations: number;
}

/** Appends 1, 2, 3 with facts, cut before an operation of the disk; what was acknowledged. */
async function run(disk: SimDisk, root: string): Promise<Cut> {
  const acknowledged: number[] = [];
  const lake = await TestCatalog.open({ root, disk });
  try {
    for (const n of [1, 2, 3]) {
      const was = n === 1 ? null : String(n - 1);
      const fact = { kind: "offset", name: "o", was, becomes: String(n) } as const;
      const result = await lake.append(NAME, [n], [fact]);
      if (result.kind === "committed") acknowledged.push(n);
    }
  } catch (thrown) {
    if (!disk.dead) throw thrown;
  } finally {
    await lake.catalog.close();
  }
  return { acknowledged, operations: disk.log.length };
}

async function cutAt(at: number, seed: number): Promise<Cut> {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  mkdirSync(root);
  const disk = new SimDisk({
    root,
    trusted,
    before: (_op: DiskOp, index: number) => {
      if (index !== at) return;
      disk.powerOff();
      throw new PowerLost("cut");
    },
  });
  const cut = await run(disk, root);
  await disk.crash(seed);
  const after = await TestCatalog.open({ root, disk: disk.restart(), seed: 99 });
  const ids = await after.ids(NAME);
  // Acknowledged is there, and what is there was sent, once, in order, with its offset.
  expect(ids.slice(0, cut.acknowledged.length)).toEqual(cut.acknowledged);
  expect(ids).toEqual([1, 2, 3].slice(0, ids.length));
  const offset = await after.catalog.fact("offset", "o");
  expect(offset).toBe(ids.length === 0 ? null : String(ids.length));
  expect((await after.append(NAME, [9])).kind).toBe("committed");
  expect(await after.ids(NAME)).toEqual([...ids, 9]);
  await after.catalog.close();
  return cut;
}

describe("power cuts", () => {
  test("before every operation: what was committed is whole, what was not leaves no trace", async () => {
    const { operations, acknowledged } = await cutAt(-1, 0);
    expect(acknowledged).toEqual([1, 2, 3]);
    for (let at = 0; at < operations; at += 1) await cutAt(at, at);
  }, 120_000);
});

describe("a failing disk", () => {
  for (const code of ["ENOSPC", "EIO"]) {
    test(`${code} while files are written is an error, and nothing is committed`, async () => {
      await using folder = await tempFolder();
      const root = `${folder.path}/lake`;
      mkdirSync(root);
      let armed = false;
      const disk = new SimDisk({
        root,
        trusted,
        before: (op) => {
          if (armed && op.kind === "sync") throw Object.assign(new Error(code), { code });
        },
      });
      const lake = await TestCatalog.open({ root, disk });
      await lake.append(NAME, [1]);
      const change = await lake.appendChange(NAME, [2]);
      armed = true;
      const thrown = await lake.catalog.commit(changeOf([change])).catch((one: unknown) => one);
      expect(thrown).toBeInstanceOf(LakeError);
      armed = false;
      expect(await lake.ids(NAME)).toEqual([1]);
      expect((await lake.catalog.commits({ limit: 9 })).length).toBe(1);
      await lake.catalog.close();
    });
  }
});

describe("what has to be done before a commit is published", () => {
  test("is done by then, and goes on beside it", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: folder.path });
    await lake.append(NAME, [1]);
    const { catalog } = lake;
    const number = async () => (await catalog.commits({ limit: 1 }))[0]?.number;
    const seen: unknown[] = [];
    const slow = async (): Promise<void> => {
      for (let look = 0; look < 50; look += 1) seen.push(await number());
    };
    await catalog.commit(changeOf([await lake.appendChange(NAME, [2])]), slow());
    expect([new Set(seen), await number()]).toEqual([new Set([1n]), 2n]);
    await catalog.close();
  });

  test("fails the commit when it fails, of which nothing is left", async () => {
    await using folder = await tempFolder();
    const lake = await TestCatalog.open({ root: folder.path });
    await lake.append(NAME, [1]);
    const { catalog, files } = lake;
    const change = await lake.appendChange(NAME, [2]);
    const manifests = async () => {
      const found = await Array.fromAsync(files.list("bronze"));
      return found.filter(({ path }) => path.includes("/metadata/")).length;
    };
    const before = await manifests();
    const failed = Promise.reject(new LakeError("io", "the ledger could not be written"));
    const thrown = await catalog.commit(changeOf([change]), failed).catch((one: unknown) => one);
    expect(String(thrown)).toContain("the ledger could not be written");
    expect([await lake.ids(NAME), await manifests()]).toEqual([[1], before]);
    await catalog.close();
  });
});
