/** Claims: an exact durable copy, or the reason why there is none. */

import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Disk } from "../../../../storage/disk/disk.ts";
import { realDisk } from "../../../../storage/disk/durable.ts";
import { LocalFiles } from "../../../../storage/disk/local.ts";
import { type ClaimResult, Claims } from "../../../../storage/files/claim.ts";
import { SimDisk } from "../../../sim/disk.ts";
import { SimRandom } from "../../../sim/world.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const sha256 = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

async function claimsIn(
  root: string,
  options: { disk?: Disk; drops?: Disk } = {},
): Promise<{ claims: Claims; files: LocalFiles }> {
  const random = new SimRandom(3);
  const disk = options.disk === undefined ? {} : { disk: options.disk };
  const drops = options.drops === undefined ? {} : { drops: options.drops };
  const files = await LocalFiles.open({ root, random, ...disk });
  return { files, claims: new Claims({ durable: files.durable, random, ...drops }) };
}

/** Claimed, and durable under their names. */
async function kept(claims: Claims, paths: readonly string[]): Promise<ClaimResult[]> {
  const results = await claims.claimAll(paths);
  await claims.keep(results.filter((result) => result.kind === "claimed"));
  return results;
}

describe("a claimed file", () => {
  test("is copied by its hash, with its lines counted", async () => {
    await using folder = await tempFolder();
    const path = `${folder.path}/a.csv`;
    const text = `a,b\n${"1,2\n".repeat(700_000)}`;
    writeFileSync(path, text);
    const { claims } = await claimsIn(`${folder.path}/lake`);
    const [claim] = await claims.claimAll([path]);
    if (claim?.kind !== "claimed") throw new Error(`it was ${claim?.kind}`);
    expect(claim.sha256).toBe(sha256(text));
    expect(claim.newlines).toBe(700_001);
    expect(claim.sizeBytes).toBe(text.length);
    expect(claim.original).toBe(`originals/${claim.sha256.slice(0, 2)}/${claim.sha256}`);
    expect(readFileSync(claim.localPath, "utf8")).toBe(text);
    await claims.keep([claim]);
    expect(readFileSync(claim.keptPath, "utf8")).toBe(text);
    expect(claim.keptPath).toBe(`${folder.path}/lake/${claim.original}`);
    const around = new TextEncoder().encode("\n1,2\n");
    expect([...(await claims.prefixes(path, [8, text.length, text.length + 1])).entries()]).toEqual(
      [
        [8, { sha256: sha256("a,b\n1,2\n"), newlines: 2, around }],
        [text.length, { sha256: sha256(text), newlines: 700_001, around: around.subarray(4) }],
      ],
    );
    expect(readdirSync(`${folder.path}/lake/originals/.incoming`)).toEqual([]);
  });

  test("with known bytes is not written again; equal files in one call are one original", async () => {
    await using folder = await tempFolder();
    const paths = ["a", "b", "c"].map((name) => `${folder.path}/${name}.csv`);
    for (const path of paths) writeFileSync(path, "same\n");
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    const disk = new SimDisk({ root });
    const { claims } = await claimsIn(root, { disk });
    const first = await kept(claims, paths);
    expect(new Set(first.map((one) => one.kind === "claimed" && one.keptPath)).size).toBe(1);
    const writes = (): number => disk.log.filter((op) => op.kind === "write").length;
    const before = writes();
    await kept(claims, paths);
    expect(writes()).toBe(before);
  });

  test("many share the fsync of a folder", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    const disk = new SimDisk({ root });
    const { claims } = await claimsIn(root, { disk });
    const paths = Array.from({ length: 600 }, (_, n) => `${folder.path}/${n}.csv`);
    for (const [n, path] of paths.entries()) writeFileSync(path, `${n}\n`);
    const results = await kept(claims, paths);
    expect(results.every((result) => result.kind === "claimed")).toBe(true);
    const synced = disk.log.filter((op) => op.kind === "sync-folder");
    expect(synced.length).toBeLessThan(300);
    await disk.crash(1);
    for (const [n, result] of results.entries()) {
      if (result.kind !== "claimed") continue;
      expect(readFileSync(result.keptPath, "utf8")).toBe(`${n}\n`);
    }
  });

  test("for a source that keeps no originals lies in staging only", async () => {
    await using folder = await tempFolder();
    writeFileSync(`${folder.path}/a.csv`, "secret\n");
    const { claims, files } = await claimsIn(`${folder.path}/lake`);
    const temporary = await files.stagingFolder("claims");
    const [claim] = await claims.claimAll([`${folder.path}/a.csv`], { temporary });
    if (claim?.kind !== "claimed") throw new Error(`it was ${claim?.kind}`);
    expect(claim.original).toBeNull();
    expect(claim.localPath.startsWith(temporary)).toBe(true);
    expect(readdirSync(`${folder.path}/lake`)).toEqual([".staging"]);
  });
});

describe("what is not claimed", () => {
  test("pipes, links, folders, unreadable files and odd names are refused with a reason", async () => {
    await using folder = await tempFolder();
    const at = (name: string): string => `${folder.path}/${name}`;
    spawnSync("mkfifo", [at("pipe")]);
    writeFileSync(at("real"), "x");
    symlinkSync(at("real"), at("link"));
    mkdirSync(at("folder"));
    const { claims } = await claimsIn(at("lake"));
    const names = ["pipe", "link", "folder", "b\u{fffd}d", "absent"];
    const results = await claims.claimAll(names.map(at));
    const reasons = results.map((one) => (one.kind === "refused" ? one.reason : one.kind));
    expect(reasons[0]).toContain("named pipe");
    expect(reasons[1]).toContain("symbolic link");
    expect(reasons[2]).toContain("folder");
    expect(reasons[3]).toContain("UTF-8");
    expect(reasons[4]).toBe("gone");
  });

  test.skipIf(process.getuid?.() === 0)("a file without permission says so", async () => {
    await using folder = await tempFolder();
    writeFileSync(`${folder.path}/a`, "x");
    chmodSync(`${folder.path}/a`, 0);
    const { claims } = await claimsIn(`${folder.path}/lake`);
    const [result] = await claims.claimAll([`${folder.path}/a`]);
    expect(result?.kind === "refused" && result.reason).toContain("EACCES");
  });

  test("a file that changes or goes while it is read leaves nothing behind", async () => {
    await using folder = await tempFolder();
    const path = `${folder.path}/a.csv`;
    for (const [act, expected] of [
      [() => appendFileSync(path, "more\n"), "changed"],
      [() => unlinkSync(path), "gone"],
    ] as const) {
      writeFileSync(path, "x".repeat(3_000_000));
      const drops: Disk = { ...realDisk, open: async (name) => await meddled(name, act) };
      const { claims } = await claimsIn(`${folder.path}/lake`, { drops });
      const [result] = await claims.claimAll([path]);
      expect(result?.kind).toBe(expected);
      expect(readdirSync(`${folder.path}/lake/originals/.incoming`)).toEqual([]);
    }
  });

  test("a large file is synced as it grows, and whole at last", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    const path = `${folder.path}/large`;
    for (const bytes of [1024 * 1024, 1024 * 1024 + 1, 70_000_001]) {
      const content = Buffer.alloc(bytes, `${bytes} of these bytes\n`);
      writeFileSync(path, content);
      const steps: string[] = [];
      const disk = new SimDisk({ root, before: (op) => void steps.push(op.kind) });
      const { claims } = await claimsIn(root, { disk });
      const [claim] = await kept(claims, [path]);
      if (claim?.kind !== "claimed") throw new Error(`it was ${claim?.kind}`);
      expect(claim.sha256).toBe(new Bun.CryptoHasher("sha256").update(content).digest("hex"));
      expect(steps.lastIndexOf("write")).toBeLessThan(steps.lastIndexOf("sync"));
      expect(steps.filter((kind) => kind === "sync").length).toBe(bytes > 64 * 1024 * 1024 ? 3 : 1);
    }
  });

  test("a sync that fails while the copy grows fails the claim", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    let syncs = 0;
    const broken = Object.assign(new Error("broken"), { code: "EIO" });
    const disk = new SimDisk({
      root,
      before: (op) => {
        if (op.kind === "sync" && ++syncs === 1) throw broken;
      },
    });
    writeFileSync(`${folder.path}/a`, Buffer.alloc(70_000_000, "x"));
    const { claims } = await claimsIn(root, { disk });
    await expect(kept(claims, [`${folder.path}/a`])).rejects.toThrow("EIO");
    await expect(kept(claims, [`${folder.path}/a`])).rejects.toThrow("nothing more is written");
  });

  test("copies that cannot be kept are not left behind", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    const full = Object.assign(new Error("full"), { code: "ENOSPC" });
    let syncs = 0;
    const disk = new SimDisk({
      root,
      before: (op) => {
        if (op.kind === "sync" && ++syncs === 2) throw full;
      },
    });
    for (const name of ["a", "b", "c"]) writeFileSync(`${folder.path}/${name}`, name);
    const { claims } = await claimsIn(root, { disk });
    const paths = ["a", "b", "c"].map((name) => `${folder.path}/${name}`);
    await expect(kept(claims, paths)).rejects.toThrow("ENOSPC");
    expect(readdirSync(`${root}/originals/.incoming`)).toEqual([]);
    expect((await kept(claims, paths)).every((one) => one.kind === "claimed")).toBe(true);
    expect(readdirSync(`${root}/originals/.incoming`)).toEqual([]);
  });

  test("a failing lake disk is the lake's error, not the file's", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    const full = Object.assign(new Error("full"), { code: "ENOSPC" });
    const disk = new SimDisk({
      root,
      before: (op) => {
        if (op.kind === "write") throw full;
      },
    });
    writeFileSync(`${folder.path}/a`, "x");
    const { claims } = await claimsIn(root, { disk });
    await expect(claims.claimAll([`${folder.path}/a`])).rejects.toThrow("ENOSPC");
  });
});

/** A file with which something happens after its first piece was read. */
async function meddled(path: string, act: () => void): Promise<Awaited<ReturnType<Disk["open"]>>> {
  const file = await realDisk.open(path);
  let done = false;
  return {
    read: async (buffer, position) => {
      const count = await file.read(buffer, position);
      if (!done) act();
      done = true;
      return count;
    },
    write: (bytes, position) => file.write(bytes, position),
    stat: () => file.stat(),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

test("prefixes of packed text are those of the text, also where pieces meet", async () => {
  await using folder = await tempFolder();
  const text = "line of a log\n".repeat(200_000);
  const { claims } = await claimsIn(`${folder.path}/lake`);
  for (const [name, bytes] of [
    ["a.gz", gzipSync(text)],
    ["a.zst", zstdCompressSync(text)],
  ] as const) {
    const path = `${folder.path}/${name}`;
    writeFileSync(path, bytes);
    for (const size of [1, 65_535, 65_536, 65_537, 1_000_000, text.length]) {
      const found = (await claims.prefixes(path, [size])).get(size);
      expect([size, found?.sha256]).toEqual([size, sha256(text.slice(0, size))]);
      const around = text.slice(size - 1, size + 4);
      expect(new TextDecoder().decode(found?.around)).toEqual(around);
    }
  }
});

test("prefixes of a damaged packing are those that it still has", async () => {
  await using folder = await tempFolder();
  const { claims } = await claimsIn(`${folder.path}/lake`);
  const path = `${folder.path}/cut.gz`;
  writeFileSync(path, gzipSync("x".repeat(1000)).subarray(0, 12));
  expect((await claims.prefixes(path, [1000])).size).toBe(0);
});
