/** What a listing of drops shows and what it leaves out. */

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import type { Disk } from "../../../../storage/disk/disk.ts";
import { realDisk } from "../../../../storage/disk/durable.ts";
import { type Drop, isTemporaryName, listDrops } from "../../../../storage/files/drops.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

async function list(projectRoot: string): Promise<Drop[]> {
  const drops: Drop[] = [];
  for await (const drop of listDrops({ projectRoot, folder: "drops" })) drops.push(drop);
  return drops;
}

test("an absent folder lists nothing", async () => {
  await using folder = await tempFolder();
  expect(await list(folder.path)).toEqual([]);
});

test("files in nested folders come with their size and time, names taken literally", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops/orders/deep`, { recursive: true });
  const names = ["orders/[a]*?.csv", "orders/deep/-x 'y\".csv", "orders/new\nline.csv", "top.csv"];
  for (const name of names) writeFileSync(`${folder.path}/drops/${name}`, "x");
  const drops = await list(folder.path);
  expect(drops.map((drop) => drop.file).sort()).toEqual(
    names.map((name) => `drops/${name}`).sort(),
  );
  expect(drops.every((drop) => drop.kind === "file" && drop.sizeBytes === 1)).toBe(true);
  expect(drops.every((drop) => drop.modifiedMs > 0 && drop.inode.includes(":"))).toBe(true);
});

test("hidden names and files in the making are skipped", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops/.landed`, { recursive: true });
  for (const name of [
    ".landed/a.csv",
    ".x",
    "a.csv.part",
    "b.tmp",
    "c~",
    "d.crdownload",
    "~$e.xlsx",
  ]) {
    writeFileSync(`${folder.path}/drops/${name}`, "x");
  }
  expect(await list(folder.path)).toEqual([]);
  expect(isTemporaryName("report.part")).toBe(true);
  expect(isTemporaryName("part.csv")).toBe(false);
});

test("what is no file is listed as what it is, links are not followed", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops`, { recursive: true });
  mkdirSync(`${folder.path}/outside`);
  writeFileSync(`${folder.path}/outside/secret.csv`, "x");
  symlinkSync(`${folder.path}/outside`, `${folder.path}/drops/linked`);
  spawnSync("mkfifo", [`${folder.path}/drops/pipe`]);
  const drops = await list(folder.path);
  expect(drops.map((drop) => [drop.file, drop.kind])).toEqual([
    ["drops/linked", "symlink"],
    ["drops/pipe", "fifo"],
  ]);
});

test("thousands of files are listed once each, in order", async () => {
  await using folder = await tempFolder();
  mkdirSync(`${folder.path}/drops/many`, { recursive: true });
  for (let n = 0; n < 3_000; n++) writeFileSync(`${folder.path}/drops/many/${n}.csv`, "");
  const files = (await list(folder.path)).map((drop) => drop.file);
  expect(files.length).toBe(3_000);
  expect(files).toEqual([...files].sort());
});

test("listDrops tells of a folder that cannot be read and lists the others", async () => {
  await using folder = await tempFolder();
  for (const name of ["good", "shut"]) {
    mkdirSync(`${folder.path}/drops/${name}`, { recursive: true });
    writeFileSync(`${folder.path}/drops/${name}/a.csv`, "x");
  }
  const disk: Disk = {
    ...realDisk,
    entries: async (path) => {
      if (!path.endsWith("/shut")) return realDisk.entries(path);
      throw Object.assign(new Error("EACCES"), { code: "EACCES" });
    },
  };
  const unreadable: string[] = [];
  const listed: string[] = [];
  const onUnreadable = ({ path }: { path: string }): void => void unreadable.push(path);
  const options = { projectRoot: folder.path, folder: "drops", disk, onUnreadable };
  for await (const drop of listDrops(options)) listed.push(drop.file);
  expect([listed, unreadable]).toEqual([["drops/good/a.csv"], ["drops/shut"]]);
});
