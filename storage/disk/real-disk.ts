/** The operating system's disk: each call is one asynchronous system call, so the event loop never waits. */

import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { systemCode } from "../../core/base/io-error.ts";
import type { Disk, DiskEntry, DiskFile, DiskKind, DiskStat } from "./disk.ts";

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
    const entries = await fs.readdir(path, { withFileTypes: true });
    return entries.map((entry): DiskEntry => ({ name: entry.name, kind: kindOf(entry) }));
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
  readonly dev: bigint;
  readonly ino: bigint;
  readonly mode: bigint;
}

const NS_PER_MS = 1_000_000n;
const PERMISSION_BITS = 0o7777n;

function toStat(stat: SystemStat): DiskStat {
  return {
    kind: kindOf(stat),
    sizeBytes: Number(stat.size),
    modifiedMs: Number(stat.mtimeNs / NS_PER_MS),
    modifiedNs: stat.mtimeNs,
    inode: `${stat.dev}:${stat.ino}`,
    mode: Number(stat.mode & PERMISSION_BITS),
  };
}
