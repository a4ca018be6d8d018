/** Unpacks the binary's native files once into a private folder, and checks at every start that they are ours. */

import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { errorText, LakeError } from "../../core/base/errors.ts";
import type { NativeFile } from "./native-files.ts";

export interface Unpacked {
  readonly folder: string;
  /** False when the files were there already. */
  readonly fresh: boolean;
}

const PREFIX = "engine-";
const RECORD = "record.json";
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** Where unpacked files go: TARN_CACHE_DIR, or the cache folder of the platform. Throws LakeError `config`. */
export function cacheFolder(
  environment: Readonly<Record<string, string | undefined>>,
  platform: string,
): string {
  const absolute = (text: string | undefined) => (text?.startsWith("/") ? text : null);
  const home = absolute(environment.HOME);
  const chosen = environment.TARN_CACHE_DIR;
  if (chosen !== undefined && chosen !== "") {
    if (absolute(chosen) !== null) return chosen;
    throw new LakeError("config", `TARN_CACHE_DIR is not an absolute path: ${chosen}`, {
      hint: "set it to a folder of your own, such as /var/cache/tarn",
    });
  }
  const xdg = absolute(environment.XDG_CACHE_HOME);
  if (xdg !== null) return join(xdg, "tarn");
  if (home !== null) return join(home, platform === "darwin" ? "Library/Caches" : ".cache", "tarn");
  throw new LakeError("config", "there is no home folder to unpack the SQL engine into", {
    hint: "set TARN_CACHE_DIR to a folder of your own, such as /var/cache/tarn",
  });
}

/**
 * The folder that holds the files: found intact, or unpacked anew. Intact means that owner, mode, inode, size and
 * change times of everything equal the record written when the bytes were hashed. Throws LakeError `io`.
 */
export function unpackNative(files: readonly NativeFile[], cache: string): Unpacked {
  const folder = join(cache, folderName(files));
  if (isIntact(folder, files)) return { folder, fresh: false };
  try {
    makePrivateFolder(cache);
    const staged = stage(files, cache);
    publish(staged, folder, files);
    clean(cache, folder);
  } catch (thrown) {
    throw unpackError(cache, thrown);
  }
  return { folder, fresh: true };
}

/** Reads every unpacked byte again. Throws LakeError `corrupt` for a file whose hash is another. */
export function verifyUnpacked(files: readonly NativeFile[], unpacked: Unpacked): void {
  for (const file of files) {
    const path = join(unpacked.folder, file.name);
    if (sha256(readFileSync(path)) !== file.sha256) {
      throw new LakeError("corrupt", `${path} was changed after it was unpacked`, {
        hint: `remove ${unpacked.folder} and find out who wrote there; the next start unpacks it anew`,
        context: { path },
      });
    }
  }
}

/** True for a process that exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}

/** Makes the folder, or checks that it is a real one of ours that nobody else can write to. Throws `io`. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = lstatSync(path);
  if (stats.isDirectory() && stats.uid === process.getuid?.() && (stats.mode & 0o022) === 0) return;
  throw new LakeError("io", `${path} is not a folder that only you can write to`, {
    hint: `remove it, or run: chmod 700 ${path}`,
    context: { folder: path },
  });
}

function folderName(files: readonly NativeFile[]): string {
  return (
    PREFIX + sha256(files.map((file) => `${file.name} ${file.sha256}`).join("\n")).slice(0, 16)
  );
}

interface Entry {
  readonly name: string;
  readonly stamp: string;
}

function isIntact(folder: string, files: readonly NativeFile[]): boolean {
  const own = statOrNull(folder);
  if (own === null || !own.isDirectory() || !isPrivate(own)) return false;
  const record = readRecord(folder);
  if (record === null || record.length !== files.length) return false;
  return files.every((file, index) => {
    const stats = statOrNull(join(folder, file.name));
    const entry = record[index];
    return (
      stats?.isFile() === true &&
      isPrivate(stats) &&
      stats.size === file.sizeBytes &&
      entry?.name === file.name &&
      entry.stamp === stampOf(stats)
    );
  });
}

/** Everything that changes when somebody else puts other bytes there, as one text. */
function stampOf(stats: Stats): string {
  const { uid, mode, ino, size, mtimeMs, ctimeMs } = stats;
  return [uid, mode, ino, size, mtimeMs, ctimeMs].join(" ");
}

function isPrivate(stats: Stats): boolean {
  return stats.uid === process.getuid?.() && (stats.mode & 0o077) === 0;
}

function readRecord(folder: string): Entry[] | null {
  const path = join(folder, RECORD);
  const stats = statOrNull(path);
  if (stats === null || !stats.isFile() || !isPrivate(stats)) return null;
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(value) ? (value as Entry[]) : null; // parse: fields are compared, never used
  } catch {
    return null;
  }
}

/** A new folder with all files and their record, under a name that nothing uses. */
function stage(files: readonly NativeFile[], cache: string): string {
  const staged = join(cache, `.${PREFIX}${process.pid}-${crypto.randomUUID()}`);
  mkdirSync(staged, { mode: 0o700 });
  try {
    const record = files.map((file): Entry => {
      const path = join(staged, file.name);
      write(path, Bun.zstdDecompressSync(readFileSync(file.embedded)));
      if (sha256(readFileSync(path)) !== file.sha256) {
        throw new LakeError("corrupt", `this binary is damaged: ${file.name} has another hash`, {
          hint: "copy or download the binary again",
        });
      }
      return { name: file.name, stamp: stampOf(lstatSync(path)) };
    });
    write(join(staged, RECORD), new TextEncoder().encode(`${JSON.stringify(record)}\n`));
    return staged;
  } catch (thrown) {
    rmSync(staged, { recursive: true, force: true });
    throw thrown;
  }
}

function write(path: string, bytes: Uint8Array): void {
  const file = openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o400);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Moves the staged folder into place; one that another process just put there is as good. */
function publish(staged: string, folder: string, files: readonly NativeFile[]): void {
  for (let attempt = 0; ; attempt++) {
    try {
      renameSync(staged, folder);
      return;
    } catch (thrown) {
      const taken = ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(thrown));
      if (!taken || attempt > 2) {
        rmSync(staged, { recursive: true, force: true });
        throw thrown;
      }
    }
    if (isIntact(folder, files)) {
      rmSync(staged, { recursive: true, force: true });
      return;
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Removes other versions but the newest one, and what a killed process left half done. */
function clean(cache: string, current: string): void {
  const versions: { path: string; changedMs: number }[] = [];
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    const stats = statOrNull(path);
    if (stats === null || path === current) continue;
    if (name.startsWith(PREFIX)) versions.push({ path, changedMs: stats.mtimeMs });
    else if (name.startsWith(`.${PREFIX}`) && !isAlive(Number(name.split("-")[1]))) {
      rmSync(path, { recursive: true, force: true });
    }
  }
  versions.sort((a, b) => b.changedMs - a.changedMs);
  for (const old of versions.slice(1)) rmSync(old.path, { recursive: true, force: true });
}

function unpackError(cache: string, thrown: unknown): LakeError {
  if (thrown instanceof LakeError) return thrown;
  const full = ["ENOSPC", "EDQUOT"].includes(codeOf(thrown));
  return new LakeError(
    "io",
    `the SQL engine cannot be unpacked into ${cache}: ${errorText(thrown)}`,
    {
      cause: thrown,
      context: { folder: cache },
      hint: full
        ? "free 100 MB there, or set TARN_CACHE_DIR to a folder on another disk"
        : "set TARN_CACHE_DIR to a folder that you can write to",
    },
  );
}

function statOrNull(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

function sha256(bytes: Uint8Array | string): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}
