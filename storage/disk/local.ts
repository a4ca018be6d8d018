/** FileIO on a disk with exact fsync discipline: what a resolved promise says is durable, is. */

import { assert } from "../../core/base/assert.ts";
import { ioError, LakeError, systemCode, worded } from "../../core/base/errors.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import type { FileIO, FileStat, Random } from "../../core/ports.ts";
import type { Disk, DiskStat } from "./disk.ts";
import { DISK_CONCURRENCY, Durable, mapBounded, realDisk } from "./durable.ts";

/** Below the root: output of workers, never durable. */
export const STAGING_FOLDER = ".staging";
/** Temporary names carry it; whoever lists a folder can tell them, and an old one is garbage. */
export const TEMPORARY_MARK = ".lake-tmp-";

export interface LocalFilesOptions {
  /** Absolute folder; made when absent. */
  readonly root: string;
  readonly random: Random;
  readonly disk?: Disk;
  /** Makes nothing, and refuses every change. */
  readonly readonly?: boolean;
}

export class LocalFiles implements FileIO {
  readonly root: string;
  /** Shared with the claims, so that both stop after a failed fsync. */
  readonly durable: Durable;
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #readonly: boolean;

  /** Opens the root. Throws `not-found` when it is absent and may not be made, `io` when it is no folder. */
  static async open(options: LocalFilesOptions): Promise<LocalFiles> {
    const { root } = options;
    assert(root.startsWith("/") && !root.endsWith("/"), "a lake's root is an absolute path");
    const files = new LocalFiles(options);
    const stat = await worded("open", root, files.#disk.stat(root));
    if (stat === null) {
      if (options.readonly === true) {
        throw new LakeError("not-found", `there is no lake at ${root}`, {
          hint: "name the folder that holds catalog.db",
        });
      }
      await files.#makeRoot();
    } else if (stat.kind !== "folder" && stat.kind !== "symlink") {
      throw new LakeError("io", `${root} is a ${stat.kind}, and a lake is a folder`, {
        hint: "move it away, or name another folder",
      });
    }
    return files;
  }

  private constructor(options: LocalFilesOptions) {
    this.root = options.root;
    this.#disk = options.disk ?? realDisk;
    this.#random = options.random;
    this.#readonly = options.readonly ?? false;
    this.durable = new Durable(this.#disk, options.root);
  }

  async read(path: string): Promise<Uint8Array> {
    const full = this.absolute(path);
    const file = await worded("open", full, this.#disk.open(full));
    try {
      const { sizeBytes } = await worded("read", full, file.stat());
      return await this.#readAt(file, full, 0, sizeBytes);
    } finally {
      await file.close();
    }
  }

  async readRange(path: string, start: number, length: number): Promise<Uint8Array> {
    const full = this.absolute(path);
    const file = await worded("open", full, this.#disk.open(full));
    try {
      return await this.#readAt(file, full, start, length);
    } finally {
      await file.close();
    }
  }

  async stat(path: string): Promise<FileStat | null> {
    const full = this.absolute(path);
    const stat = await worded("look at", full, this.#disk.stat(full));
    return stat === null ? null : toFileStat(path, stat);
  }

  async create(path: string, bytes: Uint8Array): Promise<"created" | "exists"> {
    this.#mayWrite();
    const full = this.absolute(path);
    await this.durable.ensureFolders([this.durable.parent(full)]);
    const temporary = this.#temporaryFor(full);
    await this.durable.writeSynced([{ path: temporary, bytes }]);
    let outcome: "created" | "exists" = "created";
    try {
      await this.#disk.link(temporary, full);
    } catch (thrown) {
      if (systemCode(thrown) !== "EEXIST") {
        await this.durable.discard([temporary]);
        throw ioError(thrown, "create", full);
      }
      outcome = "exists";
    }
    await this.durable.discard([temporary]);
    // Also when it exists: who linked it may not have synced the folder yet.
    await this.durable.syncFolders([this.durable.parent(full)]);
    return outcome;
  }

  async createAll(
    files: readonly { readonly path: string; readonly bytes: Uint8Array }[],
    adopted: readonly string[] = [],
  ): Promise<void> {
    this.#mayWrite();
    const planned = files.map((file) => {
      const full = this.absolute(file.path);
      return { full, path: this.#temporaryFor(full), bytes: file.bytes };
    });
    const folders = planned.map((file) => this.durable.parent(file.full));
    await this.durable.ensureFolders(folders);
    const taken = adopted.map((path) => this.absolute(path));
    await this.durable.writeSynced(planned, taken);
    try {
      await mapBounded(planned, DISK_CONCURRENCY, ({ path, full }) =>
        worded("rename a file to", full, this.#disk.rename(path, full)),
      );
    } catch (thrown) {
      await this.durable.discard(planned.map((file) => file.path));
      throw thrown;
    }
    await this.durable.syncFolders([...folders, ...taken.map((path) => this.durable.parent(path))]);
  }

  async adoptAll(
    moves: readonly { readonly staged: string; readonly to: string }[],
  ): Promise<FileStat[]> {
    this.#mayWrite();
    const planned = moves.map((move) => ({
      staged: this.#staged(move.staged),
      full: this.absolute(move.to),
      to: move.to,
    }));
    await this.durable.ensureFolders(planned.map((move) => this.durable.parent(move.full)));
    return await mapBounded(planned, DISK_CONCURRENCY, async (move) => {
      await worded("rename a file to", move.full, this.#disk.rename(move.staged, move.full));
      const stat = await worded("look at", move.full, this.#disk.stat(move.full));
      if (stat === null) throw new LakeError("io", `${move.full} vanished while it was adopted`);
      return toFileStat(move.to, stat);
    });
  }

  async *list(prefix: string): AsyncIterable<FileStat> {
    const folder = prefix.replace(/\/+$/, "");
    yield* this.#listFolder(folder);
  }

  async removeAll(paths: readonly string[], forGood = false): Promise<void> {
    this.#mayWrite();
    const full = paths.map((path) => this.absolute(path));
    await mapBounded(full, DISK_CONCURRENCY, async (path) => {
      try {
        await this.#disk.unlink(path);
      } catch (thrown) {
        if (systemCode(thrown) !== "ENOENT") throw ioError(thrown, "remove", path);
      }
    });
    if (!forGood) return;
    const folders = [...new Set(full.map((path) => this.durable.parent(path)))];
    const there = await Promise.all(folders.map((folder) => this.#disk.stat(folder)));
    await this.durable.syncFolders(folders.filter((_, index) => there[index] !== null));
  }

  async stagingFolder(name: string): Promise<string> {
    this.#mayWrite();
    const folder = this.absolute(`${STAGING_FOLDER}/${name}`);
    await this.#removeTree(folder);
    const base = this.absolute(STAGING_FOLDER);
    await this.#makeUnsynced(base);
    await this.#makeUnsynced(folder);
    return folder;
  }

  async writeStaged(path: string, bytes: Uint8Array): Promise<void> {
    this.#mayWrite();
    const full = this.#staged(path);
    const file = await worded("create", full, this.#disk.create(full));
    try {
      await worded("write", full, file.write(bytes, 0));
    } finally {
      await file.close();
    }
  }

  async makeFolder(path: string): Promise<void> {
    this.#mayWrite();
    await this.durable.ensureFolders([this.absolute(path)]);
  }

  async clearStaging(keep: readonly string[]): Promise<void> {
    this.#mayWrite();
    const base = this.absolute(STAGING_FOLDER);
    if ((await this.#disk.stat(base)) === null) return;
    const kept = new Set(keep);
    for (const entry of await worded("list", base, this.#disk.entries(base))) {
      if (!kept.has(entry.name)) await this.#removeTree(`${base}/${entry.name}`);
    }
  }

  /** Absolute path of a relative one. Throws `usage` for a path that leaves the root. */
  absolute(path: string): string {
    const parts = path.split("/");
    const bad = parts.some((part) => part === "" || part === "." || part === "..");
    if (path === "" || bad || path.includes("\0")) {
      throw new LakeError("usage", `${JSON.stringify(path)} is not a path inside the lake`, {
        hint: "paths are relative to the lake's root, without '..', '.' or empty parts",
      });
    }
    return `${this.root}/${path}`;
  }

  #staged(path: string): string {
    const base = `${this.root}/${STAGING_FOLDER}/`;
    const relative = path.startsWith("/") ? path.slice(this.root.length + 1) : path;
    const full = this.absolute(relative);
    if (full.startsWith(base) && (path === full || path === relative)) return full;
    throw new LakeError("internal", `${path} was not written in the staging area ${base}`);
  }

  #mayWrite(): void {
    if (!this.#readonly) return;
    throw new LakeError("io", `the lake at ${this.root} is open for reading only`, {
      hint: "open it where it was made, or run: tarn relocate",
    });
  }

  #temporaryFor(full: string): string {
    const folder = this.durable.parent(full);
    return `${folder}/${TEMPORARY_MARK}${this.#random.uuid()}`;
  }

  async #readAt(
    file: { read(buffer: Uint8Array, position: number): Promise<number> },
    path: string,
    start: number,
    length: number,
  ): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = await worded("read", path, file.read(bytes.subarray(done), start + done));
      if (count === 0) break;
      done += count;
    }
    if (done === length) return bytes;
    throw new LakeError("corrupt", `${path} ends after ${start + done} bytes`, {
      hint: `${start + length} were expected: it was cut by another program, or the disk lost it`,
    });
  }

  async *#listFolder(folder: string): AsyncIterable<FileStat> {
    const full = folder === "" ? this.root : this.absolute(folder);
    let entries: Awaited<ReturnType<Disk["entries"]>>;
    try {
      entries = await this.#disk.entries(full);
    } catch (thrown) {
      if (systemCode(thrown) === "ENOENT") return;
      throw ioError(thrown, "list", full);
    }
    // A folder sorts as its paths do: with the slash.
    const sorted = entries
      .map((entry) => ({ ...entry, key: entry.kind === "folder" ? `${entry.name}/` : entry.name }))
      .sort((a, b) => compareCodePoints(a.key, b.key));
    for (const entry of sorted) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.kind === "folder") {
        yield* this.#listFolder(path);
      } else if (entry.kind === "file") {
        const stat = await this.stat(path);
        if (stat !== null) yield stat;
      }
    }
  }

  async #makeRoot(): Promise<void> {
    const missing: string[] = [];
    let path = this.root;
    while (path !== "" && (await worded("open", path, this.#disk.stat(path))) === null) {
      missing.unshift(path);
      path = this.durable.parent(path);
    }
    for (const folder of missing) {
      await this.#makeUnsynced(folder);
      await this.durable.syncFolders([this.durable.parent(folder) || "/"]);
    }
  }

  async #makeUnsynced(folder: string): Promise<void> {
    try {
      await this.#disk.makeFolder(folder);
    } catch (thrown) {
      if (systemCode(thrown) !== "EEXIST") throw ioError(thrown, "make the folder", folder);
    }
  }

  async #removeTree(path: string): Promise<void> {
    const stat = await worded("look at", path, this.#disk.stat(path));
    if (stat === null) return;
    try {
      if (stat.kind !== "folder") return await this.#disk.unlink(path);
      for (const entry of await this.#disk.entries(path)) {
        await this.#removeTree(`${path}/${entry.name}`);
      }
      await this.#disk.removeFolder(path);
    } catch (thrown) {
      if (systemCode(thrown) !== "ENOENT") throw ioError(thrown, "remove", path);
    }
  }
}

function toFileStat(path: string, stat: DiskStat): FileStat {
  return { path, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs };
}
