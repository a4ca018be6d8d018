/** The disk's promises, kept through power cuts before every operation, and what is said when it fails. */

import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { errorText, LakeError } from "../../../../core/base/errors.ts";

import { LocalFiles } from "../../../../storage/disk/local.ts";
import { type DiskOp, PowerLost, SimDisk } from "../../../sim/disk.ts";
import { SimRandom } from "../../../sim/world.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function open(root: string, disk?: SimDisk): Promise<LocalFiles> {
  const random = new SimRandom(7);
  return await LocalFiles.open(disk === undefined ? { root, random } : { root, random, disk });
}

async function errorOf(action: Promise<unknown>): Promise<LakeError> {
  try {
    await action;
  } catch (thrown) {
    if (thrown instanceof LakeError) return thrown;
    throw thrown;
  }
  throw new Error("it did not throw");
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A scenario whose promises are noted as they resolve: path to content. */
async function scenario(files: LocalFiles, durable: Map<string, string>): Promise<void> {
  const long = "x".repeat(3_000);
  await files.createAll([
    { path: "bronze/orders/metadata/a.json", bytes: bytes(long) },
    { path: "bronze/orders/metadata/b.avro", bytes: bytes("b") },
  ]);
  durable.set("bronze/orders/metadata/a.json", long).set("bronze/orders/metadata/b.avro", "b");
  await files.create("bronze/once.txt", bytes("once"));
  durable.set("bronze/once.txt", "once");
  const staging = await files.stagingFolder("worker");
  // As DuckDB does: written by someone else, never synced.
  writeFileSync(`${staging}/data.parquet`, `PAR1${long}`);
  await files.adoptAll([{ staged: `${staging}/data.parquet`, to: "bronze/orders/data/d.parquet" }]);
  const adopted = ["bronze/orders/data/d.parquet"];
  await files.createAll([{ path: "bronze/orders/metadata/c.json", bytes: bytes("c") }], adopted);
  durable.set("bronze/orders/data/d.parquet", `PAR1${long}`);
  durable.set("bronze/orders/metadata/c.json", "c");
}

/** Runs the scenario with a power cut before operation `at`; what was promised and what is left. */
async function cutAt(
  at: number,
  seed: number,
  mutant: (op: DiskOp) => boolean = () => false,
): Promise<{ lost: string[]; finished: boolean; operations: number }> {
  await using folder = await tempFolder();
  const root = `${folder.path}/lake`;
  mkdirSync(root);
  const disk: SimDisk = new MutantDisk({
    root,
    before: (_op, index) => {
      if (index !== at) return;
      disk.powerOff();
      throw new PowerLost("cut");
    },
  }).skipping(mutant);
  const durable = new Map<string, string>();
  let finished = true;
  try {
    await scenario(await open(root, disk), durable);
  } catch {
    finished = false;
  }
  const operations = disk.log.length;
  await disk.crash(seed);
  const lost = [...durable].flatMap(([path, content]) => {
    try {
      return readFileSync(`${root}/${path}`, "utf8") === content ? [] : [path];
    } catch {
      return [path];
    }
  });
  return { lost, finished, operations };
}

/** A disk that leaves out some operations: a program with a bug. */
class MutantDisk extends SimDisk {
  #skip: (op: DiskOp) => boolean = () => false;

  skipping(skip: (op: DiskOp) => boolean): this {
    this.#skip = skip;
    return this;
  }

  override syncFolder(path: string): Promise<void> {
    if (this.#skip({ kind: "sync-folder", path })) return Promise.resolve();
    return super.syncFolder(path);
  }
}

describe("power cuts", () => {
  test("before every operation: nothing that was promised is lost", async () => {
    const { operations, finished } = await cutAt(-1, 0);
    expect(finished).toBe(true);
    expect(operations).toBeGreaterThan(30);
    for (let at = 0; at <= operations; at++) {
      for (const seed of [at, at + 1_000]) {
        const { lost } = await cutAt(at, seed);
        expect(lost).toEqual([]);
      }
    }
  });

  test("a dropped folder fsync loses a file", async () => {
    const losses: string[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const { lost } = await cutAt(-1, seed, (op) => op.path.endsWith("/metadata"));
      losses.push(...lost);
    }
    expect(losses).toContain("bronze/orders/metadata/a.json");
  });

  test("a dropped fsync of a new folder's parent loses all that is in it", async () => {
    const losses: string[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const { lost } = await cutAt(-1, seed, (op) => op.path.endsWith("/lake"));
      losses.push(...lost);
    }
    expect(losses).toContain("bronze/once.txt");
  });
});

describe("a failing disk", () => {
  test("after a failed fsync nothing more is written", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    let fail = true;
    const disk = new SimDisk({
      root,
      before: (op) => {
        if (op.kind !== "sync" || !fail) return;
        fail = false;
        throw systemError("EIO");
      },
    });
    const files = await open(root, disk);
    const first = await errorOf(files.createAll([{ path: "a/x", bytes: bytes("1") }]));
    expect(first.code).toBe("io");
    expect(first.message).toContain("EIO");
    const second = await errorOf(files.createAll([{ path: "a/y", bytes: bytes("2") }]));
    expect(second.message).toContain("failed to keep data earlier");
    const syncs = disk.log.filter((op) => op.kind === "sync");
    expect(syncs.length).toBe(1);
  });

  test("a full disk stops one write, says so, and goes on when there is room", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    mkdirSync(root);
    let full = true;
    const disk = new SimDisk({
      root,
      before: (op) => {
        if (op.kind === "write" && full) throw systemError("ENOSPC");
      },
    });
    const files = await open(root, disk);
    const refused = await errorOf(files.createAll([{ path: "a/x", bytes: bytes("1") }]));
    expect(refused.hint).toContain("free some space");
    full = false;
    await files.createAll([{ path: "a/x", bytes: bytes("1") }]);
    const found: string[] = [];
    for await (const file of files.list("")) found.push(file.path);
    expect(found).toEqual(["a/x"]);
  });

  for (const code of ["EROFS", "EACCES", "EMFILE"]) {
    test(`${code} is named with what to do`, async () => {
      await using folder = await tempFolder();
      const root = `${folder.path}/lake`;
      mkdirSync(root);
      const disk = new SimDisk({
        root,
        before: (op) => {
          if (op.kind === "create") throw systemError(code);
        },
      });
      const files = await open(root, disk);
      const error = await errorOf(files.create("a/x", bytes("1")));
      expect(error.code).toBe("io");
      expect(error.message).toContain(code);
      expect(error.hint).not.toBeNull();
    });
  }
});

describe("paths and modes", () => {
  test("paths that leave the root are refused", async () => {
    await using folder = await tempFolder();
    const files = await open(`${folder.path}/lake`);
    for (const path of ["../x", "a/../../x", "/etc/passwd", "a//b", "", ".", "a/./b", "a\0b"]) {
      expect((await errorOf(files.read(path))).code).toBe("usage");
    }
  });

  test("create is put-if-absent, files are 0600, folders 0700", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    const files = await open(root);
    expect(await files.create("a/b/x", bytes("1"))).toBe("created");
    expect(await files.create("a/b/x", bytes("2"))).toBe("exists");
    expect(new TextDecoder().decode(await files.read("a/b/x"))).toBe("1");
    expect(statSync(`${root}/a/b/x`).mode & 0o777).toBe(0o600);
    for (const path of [root, `${root}/a`, `${root}/a/b`]) {
      expect(statSync(path).mode & 0o777).toBe(0o700);
    }
  });

  test("list is sorted by code point of the whole path", async () => {
    await using folder = await tempFolder();
    const files = await open(`${folder.path}/lake`);
    const paths = ["a/z", "a.txt", "a-b/x", "\u{ff5e}", "\u{1f600}"];
    await files.createAll(paths.map((path) => ({ path, bytes: bytes(path) })));
    const found: string[] = [];
    for await (const file of files.list("")) found.push(file.path);
    expect(found).toEqual(["a-b/x", "a.txt", "a/z", "\u{ff5e}", "\u{1f600}"]);
  });

  test("what is read beyond the end is an error, not less", async () => {
    await using folder = await tempFolder();
    const files = await open(`${folder.path}/lake`);
    await files.create("x", bytes("12345"));
    expect(new TextDecoder().decode(await files.readRange("x", 1, 3))).toBe("234");
    expect((await errorOf(files.readRange("x", 3, 3))).code).toBe("corrupt");
    expect((await errorOf(files.read("y"))).code).toBe("not-found");
  });

  test("a lake opened for reading refuses every change", async () => {
    await using folder = await tempFolder();
    const root = `${folder.path}/lake`;
    await open(root);
    const files = await LocalFiles.open({ root, random: new SimRandom(1), readonly: true });
    expect((await errorOf(files.create("x", bytes("1")))).code).toBe("io");
    expect((await errorOf(files.removeAll(["x"]))).code).toBe("io");
    const absent = { root: `${root}/none`, random: new SimRandom(1), readonly: true };
    expect(errorText(await errorOf(LocalFiles.open(absent)))).toContain("no lake");
  });
});
