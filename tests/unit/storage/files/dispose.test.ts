/** Only the very file that landed leaves the drops. */

import { expect, test } from "bun:test";
import { chmodSync, existsSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { realDisk } from "../../../../storage/disk/durable.ts";
import { disposeDrop } from "../../../../storage/files/dispose.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const OLD = new Date("2026-01-01T00:00:00Z");

function write(path: string, text: string): void {
  writeFileSync(path, text);
  utimesSync(path, OLD, OLD);
}

async function claimOf(path: string, text: string) {
  const stat = await realDisk.stat(path);
  if (stat === null) throw new Error("it is there");
  const { sizeBytes, modifiedMs, inode, changedNs } = stat;
  const sha256 = new Bun.CryptoHasher("sha256").update(text).digest("hex");
  return { sizeBytes, modifiedMs, inode, changedNs, sha256 };
}

async function isLeft(change: (path: string) => void): Promise<boolean> {
  await using folder = await tempFolder();
  const path = `${folder.path}/a.csv`;
  write(path, "id\n1\n");
  const claim = await claimOf(path, "id\n1\n");
  change(path);
  await disposeDrop(path, claim, "delete");
  return existsSync(path);
}

test("the file that landed goes", async () => {
  expect(await isLeft(() => {})).toBe(false);
});

test("other bytes of the same size and time stay", async () => {
  expect(await isLeft((path) => write(path, "id\n2\n"))).toBe(true);
});

test("another file under its name stays", async () => {
  const replace = (path: string): void => {
    write(`${path}.new`, "id\n3\n");
    renameSync(`${path}.new`, path);
  };
  expect(await isLeft(replace)).toBe(true);
});

test("a file whose mode alone was changed goes", async () => {
  expect(await isLeft((path) => chmodSync(path, 0o640))).toBe(false);
});

test("a file that grew stays", async () => {
  expect(await isLeft((path) => write(path, "id\n1\n2\n"))).toBe(true);
});

test("a file that is gone is no failure", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/a.csv`;
  write(path, "x");
  const claim = await claimOf(path, "x");
  renameSync(path, `${path}.away`);
  await disposeDrop(path, claim, "delete");
  expect(existsSync(`${path}.away`)).toBe(true);
});
