/** Unpacking the native files: private, checked, repaired, cleaned; with small files in place of DuckDB's. */

import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../../../core/base/errors.ts";
import { loadDuckDB, verifyNative } from "../../../../sql/duckdb/native.ts";
import type { NativeFile } from "../../../../sql/duckdb/native-files.ts";
import { cacheFolder, unpackNative, verifyUnpacked } from "../../../../sql/duckdb/native-unpack.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

function embed(folder: string, contents: Readonly<Record<string, string>>): NativeFile[] {
  return Object.entries(contents).map(([name, text]) => {
    const embedded = join(folder, `${name}.zst`);
    writeFileSync(embedded, Bun.zstdCompressSync(text));
    const sha256 = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    return { name, embedded, sha256, sizeBytes: text.length };
  });
}

const CONTENTS = { "duckdb.node": "addon", "libduckdb.so": "library" };

function failure(action: () => unknown): LakeError {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof LakeError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

/** Replaces a read-only file in place: same inode, other bytes of the same length. */
function overwrite(path: string, text: string): void {
  chmodSync(path, 0o600);
  writeFileSync(path, text);
  chmodSync(path, 0o400);
}

describe("unpackNative", () => {
  test("unpacks once, into a private folder, and finds it again", async () => {
    await using folder = await tempFolder();
    const files = embed(folder.path, CONTENTS);
    const cache = join(folder.path, "cache", "tarn");
    const first = unpackNative(files, cache);
    expect(first.fresh).toBe(true);
    expect(readFileSync(join(first.folder, "libduckdb.so"), "utf8")).toBe("library");
    for (const path of [cache, first.folder]) expect(lstatSync(path).mode & 0o777).toBe(0o700);
    for (const name of Object.keys(CONTENTS)) {
      expect(lstatSync(join(first.folder, name)).mode & 0o777).toBe(0o400);
    }
    expect(unpackNative(files, cache)).toEqual({ folder: first.folder, fresh: false });
    expect(readdirSync(cache)).toHaveLength(1);
    verifyUnpacked(files, first);
  });

  const tampering: Record<string, (folder: string) => void> = {
    "other bytes of the same length": (folder) =>
      overwrite(join(folder, "libduckdb.so"), "LIBRARY"),
    "other bytes with the old times": (folder) => {
      const path = join(folder, "libduckdb.so");
      const { atime, mtime } = lstatSync(path);
      overwrite(path, "LIBRARY");
      utimesSync(path, atime, mtime);
    },
    "another file under the name": (folder) => {
      writeFileSync(join(folder, "other"), "LIBRARY", { mode: 0o400 });
      renameSync(join(folder, "other"), join(folder, "libduckdb.so"));
    },
    "a link to elsewhere": (folder) => {
      renameSync(join(folder, "libduckdb.so"), join(folder, "elsewhere"));
      symlinkSync(join(folder, "elsewhere"), join(folder, "libduckdb.so"));
    },
    "a missing file": (folder) => unlinkSync(join(folder, "duckdb.node")),
    "a folder that others may write to": (folder) => chmodSync(folder, 0o777),
    "a record that is no record": (folder) =>
      overwrite(join(folder, "record.json"), "[1, nonsense"),
    "no record": (folder) => unlinkSync(join(folder, "record.json")),
    "a file in place of the folder": (folder) => {
      rmSync(folder, { recursive: true });
      writeFileSync(folder, "x");
    },
    "a link in place of the folder": (folder) => {
      renameSync(folder, `${folder}-moved`);
      symlinkSync(`${folder}-moved`, folder);
    },
  };
  test.each(Object.keys(tampering))("unpacks anew after %s", async (how) => {
    await using folder = await tempFolder();
    const files = embed(folder.path, CONTENTS);
    const cache = join(folder.path, "cache");
    const { folder: unpacked } = unpackNative(files, cache);
    tampering[how]?.(unpacked);
    expect(unpackNative(files, cache).fresh).toBe(true);
    expect(lstatSync(unpacked).isDirectory()).toBe(true);
    expect(readFileSync(join(unpacked, "libduckdb.so"), "utf8")).toBe("library");
    expect(unpackNative(files, cache).fresh).toBe(false);
  });

  test("keeps one older version, and removes what killed processes left", async () => {
    await using folder = await tempFolder();
    const cache = join(folder.path, "cache");
    const folders = ["1", "2", "3"].map((version) => {
      const files = embed(folder.path, { ...CONTENTS, "duckdb.node": version });
      const { folder: unpacked } = unpackNative(files, cache);
      utimesSync(unpacked, Number(version), Number(version));
      mkdirSync(join(cache, `.engine-${2 ** 22 + 1}-dead`), { recursive: true });
      mkdirSync(join(cache, `.engine-${process.pid}-mine`), { recursive: true });
      return unpacked;
    });
    unpackNative(embed(folder.path, CONTENTS), cache);
    expect(folders.map((path) => existsSync(path))).toEqual([false, false, true]);
    expect(readdirSync(cache).filter((name) => name.startsWith("."))).toEqual([
      `.engine-${process.pid}-mine`,
    ]);
  });

  test("processes that start together agree", async () => {
    await using folder = await tempFolder();
    const files = embed(folder.path, { "libduckdb.so": "library".repeat(100_000) });
    const cache = join(folder.path, "cache");
    const script = join(folder.path, "start.ts");
    const module = join(import.meta.dir, "../../../../sql/duckdb/native-unpack.ts");
    writeFileSync(
      script,
      `import { unpackNative, verifyUnpacked } from ${JSON.stringify(module)};
       const files = ${JSON.stringify(files)};
       verifyUnpacked(files, unpackNative(files, ${JSON.stringify(cache)}));`,
    );
    const children = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, script]));
    expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0, 0]);
    expect(readdirSync(cache)).toHaveLength(1);
  });

  test("a damaged binary is refused, and leaves nothing behind", async () => {
    await using folder = await tempFolder();
    const [file] = embed(folder.path, { "duckdb.node": "addon" });
    if (file === undefined) throw new Error("no file");
    writeFileSync(file.embedded, Bun.zstdCompressSync("ADDON"));
    const cache = join(folder.path, "cache");
    const error = failure(() => unpackNative([file], cache));
    expect(error.code).toBe("corrupt");
    expect(error.message).toContain("this binary is damaged: duckdb.node");
    expect(readdirSync(cache)).toEqual([]);
  });

  test("a cache folder that is no folder, or that others may write to, is refused", async () => {
    await using folder = await tempFolder();
    const files = embed(folder.path, CONTENTS);
    const blocked = join(folder.path, "blocked");
    writeFileSync(blocked, "");
    const error = failure(() => unpackNative(files, join(blocked, "tarn")));
    expect(error.code).toBe("io");
    expect(error.hint).toContain("TARN_CACHE_DIR");
    const open = join(folder.path, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect(failure(() => unpackNative(files, open)).message).toContain("only you can write to");
  });

  test("verifyUnpacked names the file whose bytes changed", async () => {
    await using folder = await tempFolder();
    const files = embed(folder.path, CONTENTS);
    const unpacked = unpackNative(files, join(folder.path, "cache"));
    overwrite(join(unpacked.folder, "libduckdb.so"), "LIBRARY");
    const error = failure(() => verifyUnpacked(files, unpacked));
    expect(error.code).toBe("corrupt");
    expect(error.message).toContain("libduckdb.so was changed");
  });
});

test("cacheFolder follows TARN_CACHE_DIR, XDG and the platform", () => {
  const home = { HOME: "/h" };
  expect(cacheFolder({ ...home, TARN_CACHE_DIR: "/t" }, "linux")).toBe("/t");
  expect(cacheFolder({ ...home, XDG_CACHE_HOME: "/x" }, "linux")).toBe("/x/tarn");
  expect(cacheFolder({ ...home, XDG_CACHE_HOME: "relative" }, "linux")).toBe("/h/.cache/tarn");
  expect(cacheFolder(home, "darwin")).toBe("/h/Library/Caches/tarn");
  expect(failure(() => cacheFolder({ TARN_CACHE_DIR: "rel" }, "linux")).code).toBe("config");
  expect(failure(() => cacheFolder({}, "linux")).hint).toContain("TARN_CACHE_DIR");
});

test("in development npm's package is loaded, and there is nothing to verify", async () => {
  expect((await loadDuckDB()).version()).toBe("v1.5.6");
  expect(await verifyNative()).toEqual({ folder: null });
});
