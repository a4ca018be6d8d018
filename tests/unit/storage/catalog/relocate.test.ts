/** A copied lake: read-only as it is, one of its own once relocated, the original untouched. */

import { describe, expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { LakeError } from "../../../../core/base/errors.ts";
import { relocateLake } from "../../../../storage/catalog/relocate.ts";
import { TestCatalog } from "../../../sim/lake.ts";
import { SimClock, SimRandom } from "../../../sim/world.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NAME = "bronze.orders";

function digest(root: string): string {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    if (!statSync(`${root}/${name}`).isFile() || name.startsWith(".engine")) continue;
    hasher.update(name).update(readFileSync(`${root}/${name}`));
  }
  return hasher.digest("hex");
}

describe("a copied lake", () => {
  test("is read below its new root, and nothing is written", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    const original = await TestCatalog.open({ root });
    await original.append(NAME, [1, 2]);
    await original.catalog.close();
    cpSync(root, `${folder.path}/copy`, { recursive: true });
    const copy = await TestCatalog.open({ root: `${folder.path}/copy`, seed: 2 });
    expect(copy.catalog.writable).toBe(false);
    expect(await copy.ids(NAME)).toEqual([1, 2]);
    const table = await copy.catalog.load(NAME);
    const scan = table === null ? null : await copy.catalog.scan(table, table.current);
    expect(scan?.files[0]?.localPath.startsWith(`${folder.path}/copy/`)).toBe(true);
    const refused = await copy.append(NAME, [3]).catch((thrown: unknown) => thrown);
    expect(refused).toBeInstanceOf(LakeError);
    await copy.catalog.close();
  });

  test("relocated, it takes commits; the original does not change", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    const original = await TestCatalog.open({ root });
    for (const n of [1, 2, 3]) await original.append(NAME, [n]);
    const first = (await original.catalog.load(NAME))?.snapshots[0]?.snapshotId;
    await original.catalog.close();
    const to = `${folder.path}/copy`;
    cpSync(root, to, { recursive: true });
    const before = digest(root);
    const clock = new SimClock();
    const moved = await relocateLake({ root: to, clock, random: new SimRandom(9) });
    expect(moved.tables).toBe(1);
    const copy = await TestCatalog.open({ root: to, seed: 3, clock });
    expect(copy.catalog.writable).toBe(true);
    expect(copy.catalog.lakeId).toBe(moved.lakeId);
    expect((await copy.append(NAME, [4])).kind).toBe("committed");
    expect(await copy.ids(NAME)).toEqual([1, 2, 3, 4]);
    expect(await copy.ids(NAME, first)).toEqual([1]);
    const table = await copy.catalog.load(NAME);
    expect(JSON.stringify(table?.location)).toContain(to);
    await copy.catalog.close();
    expect(digest(root)).toBe(before);
  });

  test("relocated, a table that was dropped comes back; one whose files are gone stops nothing", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    const original = await TestCatalog.open({ root });
    const lost = "bronze.lost";
    for (const n of [1, 2]) await original.append(NAME, [n]);
    await original.append(lost, [7]);
    const place = (await original.catalog.load(lost))?.location.replace("file://", "") ?? "";
    const drop = (table: string) =>
      original.catalog.drop({ tables: [table], withdrawn: [], message: "gone" });
    const dropped = (await drop(NAME)) ?? 0n;
    await drop(lost);
    await original.catalog.close();
    rmSync(place, { recursive: true });
    const to = `${folder.path}/copy`;
    cpSync(root, to, { recursive: true });
    rmSync(root, { recursive: true });
    const clock = new SimClock();
    await relocateLake({ root: to, clock, random: new SimRandom(9) });
    const copy = await TestCatalog.open({ root: to, seed: 3, clock });
    await copy.catalog.undrop(dropped);
    expect(await copy.ids(NAME)).toEqual([1, 2]);
    expect((await copy.append(NAME, [3])).kind).toBe("committed");
    expect(await copy.ids(NAME)).toEqual([1, 2, 3]);
    await copy.catalog.close();
  });
});
