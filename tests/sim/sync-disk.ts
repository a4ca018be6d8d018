/**
 * The operating system's disk by synchronous calls: each operation is over before the next begins, so that the same
 * seed gives the same order of operations. Files carry the simulated time as their modification time.
 */

import * as fs from "node:fs";
import { systemCode } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import type { Disk, DiskEntry, DiskFile, DiskKind, DiskStat } from "../../storage/disk/disk.ts";

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const NS_PER_MS = 1_000_000n;
const PERMISSION_BITS = 0o7777n;

/** `nowMs` dates what is written; null leaves the system's time. Nothing reaches the platter: `sync` does nothing. */
export function syncDisk(nowMs: (() => number) | null): Disk {
  return diskOf(nowMs, (stat) => toStat(stat));
}

/** For reading drops that are put down again before each run: a file's identity is its size, whatever its inode. */
export function dropsDisk(): Disk {
  const identity = (stat: fs.BigIntStats) => ({ inode: `drop:${stat.size}`, changedNs: 0n });
  return diskOf(null, (stat) => ({ ...toStat(stat), ...identity(stat) }));
}

/** For following logs that are put down again before each run: a file is told by when it was changed last. */
export function logDisk(): Disk {
  const identity = (stat: fs.BigIntStats) => ({ inode: `log:${stat.mtimeNs}`, changedNs: 0n });
  return diskOf(null, (stat) => ({ ...toStat(stat), ...identity(stat) }));
}

/** Two disks as one: what lies below the root of the first, and all else. */
export function disksOf(inside: Disk & { readonly root: string }, outside: Disk): Disk {
  const isInside = (path: string) => path === inside.root || path.startsWith(`${inside.root}/`);
  const of = (path: string): Disk => (isInside(path) ? inside : outside);
  return {
    create: (path) => of(path).create(path),
    open: (path) => of(path).open(path),
    stat: (path) => of(path).stat(path),
    entries: (path) => of(path).entries(path),
    makeFolder: (path) => of(path).makeFolder(path),
    rename: (from, to) => of(from).rename(from, to),
    link: (from, to) => of(from).link(from, to),
    unlink: (path) => of(path).unlink(path),
    removeFolder: (path) => of(path).removeFolder(path),
    syncFolder: (path) => of(path).syncFolder(path),
  };
}

type ToStat = (stat: fs.BigIntStats) => DiskStat;

function diskOf(nowMs: (() => number) | null, toStat: ToStat): Disk {
  return {
    async create(path) {
      const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants;
      const fd = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
      return openFile(fd, nowMs, toStat);
    },
    async open(path) {
      const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
      return openFile(fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), null, toStat);
    },
    async stat(path) {
      try {
        return toStat(fs.lstatSync(path, { bigint: true }));
      } catch (thrown) {
        if (systemCode(thrown) === "ENOENT" || systemCode(thrown) === "ENOTDIR") return null;
        throw thrown;
      }
    },
    async entries(path) {
      const entries = fs.readdirSync(path, { withFileTypes: true });
      // The system's order depends on what was there before.
      const sorted = entries.sort((a, b) => compareCodePoints(a.name, b.name));
      return sorted.map((entry): DiskEntry => ({ name: entry.name, kind: kindOf(entry) }));
    },
    makeFolder: async (path) => fs.mkdirSync(path, { mode: FOLDER_MODE }),
    async rename(from, to) {
      fs.renameSync(from, to);
      // A worker's file, too, is as old as its adoption in simulated time.
      if (nowMs !== null) fs.utimesSync(to, nowMs() / 1000, nowMs() / 1000);
    },
    link: async (from, to) => fs.linkSync(from, to),
    unlink: async (path) => fs.unlinkSync(path),
    removeFolder: async (path) => fs.rmdirSync(path),
    syncFolder: async () => {},
  };
}

function openFile(fd: number, nowMs: (() => number) | null, toStat: ToStat): DiskFile {
  return {
    read: async (buffer, position) => fs.readSync(fd, buffer, 0, buffer.byteLength, position),
    async write(bytes, position) {
      let done = 0;
      while (done < bytes.byteLength) {
        done += fs.writeSync(fd, bytes, done, bytes.byteLength - done, position + done);
      }
    },
    stat: async () => toStat(fs.fstatSync(fd, { bigint: true })),
    sync: async () => {},
    async close() {
      if (nowMs !== null) fs.futimesSync(fd, nowMs() / 1000, nowMs() / 1000);
      fs.closeSync(fd);
    },
  };
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

function toStat(stat: fs.BigIntStats): DiskStat {
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
