/** What other engines commit, through power cuts and failing disks: of two tables both or neither. */

import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { LakeError } from "../../../../core/base/errors.ts";
import type { IcebergCatalog } from "../../../../storage/catalog/iceberg-catalog.ts";
import type { Update } from "../../../../storage/iceberg/table-commit.ts";
import { type DiskOp, PowerLost, SimDisk } from "../../../sim/disk.ts";
import { TestCatalog } from "../../../sim/lake.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const TABLES = ["ns.a", "ns.b"] as const;
const SCHEMA = { fields: [{ id: 5, name: "id", required: false, type: "long" }] };
const free = (): void => {};

/** SQLite has a discipline of its own, with every commit synced. */
const trusted = (path: string): boolean => path.includes("/catalog.db");

async function makeTables(catalog: IcebergCatalog): Promise<void> {
  await catalog.createNamespace(["ns"], {});
  for (const name of TABLES) {
    const asked = { schema: SCHEMA, spec: null, sortOrder: null, properties: {}, location: null };
    await catalog.createTable(name, asked, free, null);
  }
}

/** Both tables come to say the same number. */
async function commitRound(catalog: IcebergCatalog, round: number): Promise<void> {
  const update: Update = { kind: "set-properties", properties: { round: String(round) } };
  const commit = { requirements: [], updates: [update] };
  const once = { key: `round ${round}`, hash: String(round) };
  const asked = TABLES.map((name) => ({ name, commit }));
  await catalog.commit(asked, free, once);
}

async function roundOf(catalog: IcebergCatalog, name: string): Promise<number> {
  const { metadata } = await catalog.version(name);
  return Number(metadata.properties.round ?? 0);
}

interface Cut {
  /** Null: not even the tables. */
  readonly acknowledged: number | null;
  readonly operations: number;
}

async function run(disk: SimDisk, root: string): Promise<Cut> {
  let acknowledged: number | null = null;
  const lake = await TestCatalog.open({ root, disk });
  try {
    const catalog = await lake.catalog.iceberg("lake");
    await makeTables(catalog);
    for (acknowledged = 0; acknowledged < 2; ) {
      await commitRound(catalog, acknowledged + 1);
      acknowledged += 1;
    }
  } catch (thrown) {
    if (!disk.dead) throw thrown;
  } finally {
    await lake.catalog.close();
  }
  return { acknowledged, operations: disk.log.length };
}

async function cutAt(at: number): Promise<Cut> {
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
  await disk.crash(at);
  const after = await TestCatalog.open({ root, disk: disk.restart(), seed: 99 });
  const catalog = await after.catalog.iceberg("lake");
  const { acknowledged } = cut;
  if (acknowledged !== null) {
    const [a, b] = [await roundOf(catalog, "ns.a"), await roundOf(catalog, "ns.b")];
    expect(a).toBe(b);
    expect([acknowledged, acknowledged + 1]).toContain(a);
    // Whoever heard nothing asks again under the same key, and it is there once.
    const next = Math.min(acknowledged + 1, 2);
    await commitRound(catalog, next);
    expect(await roundOf(catalog, "ns.b")).toBe(next);
    const commits = await after.catalog.commits({ limit: 99 });
    expect(commits.length).toBe(TABLES.length + next);
  }
  await after.catalog.close();
  return cut;
}

describe("a commit to two tables", () => {
  test("cut before every operation is in both or in neither, and once when it is asked again", async () => {
    const { operations, acknowledged } = await cutAt(-1);
    expect(acknowledged).toBe(2);
    for (let at = 0; at < operations; at += 1) await cutAt(at);
  }, 120_000);

  for (const code of ["ENOSPC", "EIO"]) {
    test(`that the disk fails with ${code} is an error, and nothing of it is left`, async () => {
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
      const catalog = await lake.catalog.iceberg("lake");
      await makeTables(catalog);
      const files = async () => (await Array.fromAsync(lake.files.list("ns"))).length;
      const before = await files();
      armed = true;
      const thrown = await commitRound(catalog, 1).catch((one: unknown) => one);
      expect(thrown).toBeInstanceOf(LakeError);
      armed = false;
      expect(await roundOf(catalog, "ns.a")).toBe(0);
      if (code === "ENOSPC") expect(await files()).toBe(before);
      await lake.catalog.close();
    });
  }
});
