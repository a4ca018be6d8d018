/** Only a real folder of ours, closed to writers, is private. */

import { expect, test } from "bun:test";
import { chmodSync, lstatSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { makePrivateFolder } from "../../../../sql/duckdb/native-unpack.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

test("makes it closed, takes it again, refuses a link and an open one", async () => {
  await using folder = await tempFolder();
  const path = join(folder.path, "a", "b");
  makePrivateFolder(path);
  expect(lstatSync(path).mode & 0o777).toBe(0o700);
  makePrivateFolder(path);
  symlinkSync(path, join(folder.path, "link"));
  expect(() => makePrivateFolder(join(folder.path, "link"))).toThrow("only you can write to");
  mkdirSync(join(folder.path, "open"));
  chmodSync(join(folder.path, "open"), 0o770);
  expect(() => makePrivateFolder(join(folder.path, "open"))).toThrow("only you can write to");
});
