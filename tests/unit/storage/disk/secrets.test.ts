/** Secrets of a project: where they come from, who may read them, and what is refused. */

import { expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { SecretConfig } from "../../../../core/config/secret.ts";
import {
  removeSecret,
  secretOf,
  storedSecrets,
  storedStamp,
  storeSecret,
} from "../../../../storage/disk/secrets.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

function declared(config: Partial<SecretConfig>): ReadonlyMap<string, SecretConfig> {
  return new Map([["s", { file: null, exec: null, timeoutMs: 5_000, ...config }]]);
}

async function fault(asked: Promise<string>): Promise<string> {
  return await asked.then(
    (value) => `no fault: ${value}`,
    (thrown) => `${thrown.code} ${thrown.message} | ${thrown.hint}`,
  );
}

test("a stored secret is its owner's alone, is replaced whole, and goes", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const stored = { root, declared: new Map(), name: "shop.db-1" };
  expect(await fault(secretOf(stored))).toBe(
    "config there is no secret shop.db-1 | tarn secret set shop.db-1",
  );
  storeSecret(root, "shop.db-1", "first");
  const first = storedStamp(root, "shop.db-1");
  storeSecret(root, "shop.db-1", "s3cond ü");
  expect(await secretOf(stored)).toBe("s3cond ü");
  expect(storedStamp(root, "shop.db-1")).not.toBe(first);
  expect(statSync(`${root}/.tarn/secrets/shop.db-1`).mode & 0o777).toBe(0o600);
  expect(statSync(`${root}/.tarn/secrets`).mode & 0o777).toBe(0o700);
  expect(readFileSync(`${root}/.tarn/secrets/.gitignore`, "utf8")).toBe("*\n");
  expect(storedSecrets(root)).toEqual(["shop.db-1"]);
  expect(removeSecret(root, "shop.db-1")).toBe(true);
  expect(removeSecret(root, "shop.db-1")).toBe(false);
  expect(storedSecrets(root)).toEqual([]);
});

test("a secret that others may read is refused, stored or in a file", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  storeSecret(root, "s", "value");
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(`${root}/.tarn/secrets/s`, mode);
    const told = await fault(secretOf({ root, declared: new Map(), name: "s" }));
    expect(told).toContain(`chmod 600 ${root}/.tarn/secrets/s`);
  }
  writeFileSync(`${root}/token`, "from file\r\n", { mode: 0o644 });
  const file = declared({ file: "token" });
  expect(await fault(secretOf({ root, declared: file, name: "s" }))).toContain("may use");
  chmodSync(`${root}/token`, 0o400);
  expect(await secretOf({ root, declared: file, name: "s" })).toBe("from file");
  const folderOf = declared({ file: "." });
  expect(await fault(secretOf({ root, declared: folderOf, name: "s" }))).toContain("is no file");
  const gone = declared({ file: "gone" });
  expect(await fault(secretOf({ root, declared: gone, name: "s" }))).toContain("cannot read");
});

test("a program's output is a secret but for one line end; its failures say nothing of it", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  const of = (exec: readonly string[], timeoutMs = 5_000) =>
    secretOf({ root, declared: declared({ exec, timeoutMs }), name: "s" });
  expect(await of(["printf", "a $HOME;b\n\n"])).toBe("a $HOME;b\n");
  const failing = await fault(of(["sh", "-c", "echo c4nary; echo c4nary >&2; exit 3"]));
  expect(failing).toContain("ended with 3");
  expect(failing).not.toContain("c4nary");
  expect(await fault(of(["sleep", "60"], 100))).toContain("took longer than 100ms");
  expect(await fault(of(["sh", "-c", "exec cat /dev/zero"]))).toContain("more than 65536 bytes");
  expect(await fault(of(["/no/such/program"]))).toContain("is not there");
  expect(await fault(of(["true"]))).toContain("it is empty");
});

test("names and values that are none are refused before anything is written", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  for (const name of ["../x", "", ".hidden", "a/b", "1a", "x".repeat(129)]) {
    expect(() => storeSecret(root, name, "v")).toThrow("cannot name a secret");
  }
  expect(() => storeSecret(root, "s", "")).toThrow("at least one character");
  expect(() => storeSecret(root, "s", "x".repeat(65_537))).toThrow("at most 65536 bytes");
  expect(existsSync(`${root}/.tarn`)).toBe(false);
});
