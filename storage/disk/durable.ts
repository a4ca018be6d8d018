/**
 * Making bytes and names last: the order of fsyncs, a bounded number of them at a time, folders known durable, the stop
 * after a failed one; and the operating system's disk, each call one asynchronous system call.
 */

import { constants, lstatSync, readdirSync } from "node:fs";
import * as fs from "node:fs/promises";
import { ioError, LakeError, systemCode, worded } from "../../core/base/errors.ts";
import type { Disk, DiskEntry, DiskFile, DiskKind, DiskStat } from "./disk.ts";

export interface NewBytes {
  /** Absolute temporary name, new. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** System calls under way at once: enough to let the journal group fsyncs, few enough to leave threads. */
export const DISK_CONCURRENCY = 16;
/** Files held open between writing and syncing. */
const OPEN_FILES_MAX = 64;
/** Folders remembered as durable; beyond it the memory is emptied, which costs an fsync each. */
const KNOWN_FOLDERS_MAX = 20_000;

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

export const realDisk: Disk = {
  async create(path) {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    return new RealFile(await fs.open(path, flags, FILE_MODE));
  },
  async open(path) {
    return new RealFile(await fs.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  },
  async stat(path) {
    try {
      return toStat(await fs.lstat(path, { bigint: true }));
    } catch (thrown) {
      if (systemCode(thrown) === "ENOENT" || systemCode(thrown) === "ENOTDIR") return null;
      throw thrown;
    }
  },
  async entries(path) {
    return (await fs.readdir(path, { withFileTypes: true })).map(toEntry);
  },
  async makeFolder(path) {
    await fs.mkdir(path, { mode: FOLDER_MODE });
  },
  rename: fs.rename,
  link: fs.link,
  unlink: fs.unlink,
  removeFolder: fs.rmdir,
  async syncFolder(path) {
    const handle = await fs.open(path, O_RDONLY | O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/**
 * The same for a process that looks and ends: it does not start a pool of threads to wait for a handful of answers.
 * Who serves others beside takes `realDisk`, for a network's disk lets it wait.
 */
export const promptDisk: Disk = {
  ...realDisk,
  async stat(path) {
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stat === undefined ? null : toStat(stat);
  },
  async entries(path) {
    return readdirSync(path, { withFileTypes: true }).map(toEntry);
  },
};

const NS_PER_MS = 1_000_000n;
const PERMISSION_BITS = 0o7777n;

/** Runs `task` for each item with at most `width` under way. After a failure starts nothing more, waits, throws it. */
export async function mapBounded<T, R>(
  items: readonly T[],
  width: number,
  task: (item: T, index: number) => Promise<R> | R,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      const item = items[index] as T; // parse: index is below the length
      try {
        results[index] = await task(item, index);
      } catch (thrown) {
        failures.push(thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}

/**
 * The fsync discipline under one root. After an fsync failed, what the kernel holds is not known any more: every
 * later durable step throws, until the process starts anew and reads what is really on disk (robustness.md P6).
 */
export class Durable {
  readonly disk: Disk;
  readonly root: string;
  readonly #known = new Set<string>();
  #failure: LakeError | null = null;

  constructor(disk: Disk, root: string) {
    this.disk = disk;
    this.root = root;
  }

  /** Throws when an earlier fsync failed. */
  check(): void {
    if (this.#failure === null) return;
    throw new LakeError("io", "the disk failed to keep data earlier, so nothing more is written", {
      hint: "check the disk (dmesg), then start again: whatever was acknowledged is safe",
      cause: this.#failure,
      scope: "lake",
    });
  }

  /** The parent of `path`, which is below the root. */
  parent(path: string): string {
    return path.slice(0, path.lastIndexOf("/"));
  }

  /** fdatasync of an open file; a failure is thrown and never retried. A full disk stops only this file. */
  async syncFile(file: DiskFile, path: string): Promise<void> {
    this.check();
    try {
      await file.sync();
    } catch (thrown) {
      const full = systemCode(thrown) === "ENOSPC" || systemCode(thrown) === "EDQUOT";
      throw full ? ioError(thrown, "sync", path) : this.#fail(thrown, path);
    }
  }

  /** fsync of an existing file that someone else wrote. Refuses anything but a regular file. */
  async syncExisting(path: string): Promise<void> {
    const file = await worded("open", path, this.disk.open(path));
    try {
      const { kind } = await worded("read", path, file.stat());
      if (kind !== "file") throw new LakeError("corrupt", `${path} is a ${kind}, not a file`);
      await this.syncFile(file, path);
    } finally {
      await file.close();
    }
  }

  /** fsync of each folder once. */
  async syncFolders(paths: Iterable<string>): Promise<void> {
    await mapBounded([...new Set(paths)], DISK_CONCURRENCY, async (path) => {
      this.check();
      try {
        await this.disk.syncFolder(path);
      } catch (thrown) {
        throw this.#fail(thrown, path);
      }
    });
  }

  /**
   * Folders that exist durably, with all above them up to the root. One that was there already is synced too, once a
   * process: who made it may have died before its own fsync.
   */
  async ensureFolders(paths: Iterable<string>): Promise<void> {
    const levels = this.#unknownByDepth(paths);
    if (levels.length === 0) return;
    this.check();
    for (const level of levels) {
      await mapBounded(level, DISK_CONCURRENCY, (path) => this.#makeFolder(path));
      await this.syncFolders(level.map((path) => this.parent(path)));
      if (this.#known.size + level.length > KNOWN_FOLDERS_MAX) this.#known.clear();
      for (const path of level) this.#known.add(path);
    }
  }

  /** Forgets that folders exist: someone else may have removed them. */
  forgetFolders(): void {
    this.#known.clear();
  }

  /**
   * New files with their bytes synced, under names that nothing may rely on yet; on failure none is left. `others` are
   * files that are there, and are synced beside them.
   */
  async writeSynced(files: readonly NewBytes[], others: readonly string[] = []): Promise<void> {
    this.check();
    const written: string[] = [];
    const ends = await Promise.allSettled([
      this.#writeGroups(files, written),
      mapBounded(others, DISK_CONCURRENCY, (path) => this.syncExisting(path)),
    ]);
    for (const end of ends) {
      if (end.status === "fulfilled") continue;
      await this.discard(written);
      throw end.reason;
    }
  }

  /** Removes what a failed attempt left behind; failing at that changes nothing. */
  async discard(paths: readonly string[]): Promise<void> {
    await mapBounded(paths, DISK_CONCURRENCY, async (path) => {
      await this.disk.unlink(path).catch(() => {});
    });
  }

  async #writeGroups(files: readonly NewBytes[], written: string[]): Promise<void> {
    for (let start = 0; start < files.length; start += OPEN_FILES_MAX) {
      await this.#writeGroup(files.slice(start, start + OPEN_FILES_MAX), written);
    }
  }

  /** All written, then all synced: the kernel writes the first while the last is handed over. */
  async #writeGroup(group: readonly NewBytes[], written: string[]): Promise<void> {
    const open: { path: string; file: DiskFile }[] = [];
    try {
      await mapBounded(group, DISK_CONCURRENCY, async ({ path, bytes }) => {
        const file = await worded("create", path, this.disk.create(path));
        open.push({ path, file });
        written.push(path);
        await worded("write", path, file.write(bytes, 0));
      });
      await mapBounded(open, DISK_CONCURRENCY, ({ path, file }) => this.syncFile(file, path));
    } finally {
      await mapBounded(open, DISK_CONCURRENCY, async ({ file }) => await file.close());
    }
  }

  async #makeFolder(path: string): Promise<void> {
    try {
      await this.disk.makeFolder(path);
    } catch (thrown) {
      if (systemCode(thrown) !== "EEXIST") throw ioError(thrown, "make the folder", path);
      const stat = await worded("read", path, this.disk.stat(path));
      if (stat === null || stat.kind === "folder" || stat.kind === "symlink") return;
      throw new LakeError("io", `${path} is a ${stat.kind}, and a folder is needed there`, {
        hint: "move it away",
      });
    }
  }

  /** Folders not known durable, grouped from the top down. */
  #unknownByDepth(paths: Iterable<string>): string[][] {
    const levels = new Map<number, Set<string>>();
    for (const start of paths) {
      for (let path = start; path.length > this.root.length; path = this.parent(path)) {
        if (this.#known.has(path)) break;
        const depth = path.split("/").length;
        const level = levels.get(depth) ?? new Set();
        levels.set(depth, level.add(path));
      }
    }
    return [...levels].sort(([a], [b]) => a - b).map(([, level]) => [...level]);
  }

  #fail(thrown: unknown, path: string): LakeError {
    if (this.#failure === null) {
      const { code, message, hint, context, cause } = ioError(thrown, "sync", path);
      const details = hint === null ? { context, cause } : { context, cause, hint };
      this.#failure = new LakeError(code, message, { ...details, scope: "lake" });
    }
    return this.#failure;
  }
}

class RealFile implements DiskFile {
  readonly #handle: fs.FileHandle;

  constructor(handle: fs.FileHandle) {
    this.#handle = handle;
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.byteLength, position);
    return bytesRead;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.byteLength) {
      const left = bytes.byteLength - done;
      const { bytesWritten } = await this.#handle.write(bytes, done, left, position + done);
      done += bytesWritten;
    }
  }

  async stat(): Promise<DiskStat> {
    return toStat(await this.#handle.stat({ bigint: true }));
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

interface Kinds {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

function kindOf(entry: Kinds): DiskKind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  if (entry.isSymbolicLink()) return "symlink";
  if (entry.isFIFO()) return "fifo";
  return entry.isSocket() ? "socket" : "device";
}

interface SystemStat extends Kinds {
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
}

function toEntry(entry: Kinds & { readonly name: string }): DiskEntry {
  return { name: entry.name, kind: kindOf(entry) };
}

function toStat(stat: SystemStat): DiskStat {
  return {
    kind: kindOf(stat),
    sizeBytes: Number(stat.size),
    modifiedMs: Number(stat.mtimeNs / NS_PER_MS),
    modifiedNs: stat.mtimeNs,
    changedNs: stat.ctimeNs,
    inode: `${stat.dev}:${stat.ino}`,
    mode: Number(stat.mode & PERMISSION_BITS),
  };
}
