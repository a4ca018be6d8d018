/**
 * A copy of the lake as of one moment, made beside whoever writes it. Files never change once they are named, so what a
 * copy of the catalog names is copied after it, under a lease that keeps maintenance from removing any of it.
 */

import { existsSync, readdirSync } from "node:fs";
import { ioError, LakeError, systemCode, worded } from "../../core/base/errors.ts";
import { stringifyJson } from "../../core/base/json.ts";
import type { Clock, FileIO, Random } from "../../core/ports.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Disk } from "../disk/disk.ts";
import { Durable, mapBounded, realDisk } from "../disk/durable.ts";
import { EngineLease } from "../disk/lease.ts";
import { LocalFiles, TEMPORARY_MARK } from "../disk/local.ts";
import { ManifestStore, MetadataCache } from "../iceberg/recorded-files.ts";
import { type NamedFile, type NamedFiles, namedFiles } from "./backup-files.ts";
import { BackupList, type ListedFile } from "./backup-list.ts";
import { int, long, settleFile } from "./database.ts";
import { CATALOG_FILE, LakeStore, MIGRATIONS } from "./lake-store.ts";
import { addReadLease, dropReadLease, systemProcessStart } from "./unlink.ts";

export interface BackupOptions {
  /** Absolute root of the lake. */
  readonly root: string;
  /** Absolute folder of the backup. */
  readonly folder: string;
  /** Where in it the lake is to lie, such as `warehouse`. */
  readonly place: string;
  /** Second names in place of copies, where both are on one disk. */
  readonly link: boolean;
  /** Puts an older state over a newer one. */
  readonly force: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly disk?: Disk;
  readonly onProgress?: (progress: { readonly files: number; readonly of: number }) => void;
}

export interface BackedUp {
  readonly lakeId: string;
  /** The last commit that it holds, and its time; null of a lake without any. */
  readonly commit: { readonly number: bigint; readonly timeMs: number } | null;
  readonly tables: number;
  readonly files: number;
  /** Of those, the ones that were not there before. */
  readonly copied: number;
  readonly copiedBytes: number;
  /** Files that only the state before needed. */
  readonly removed: number;
  /** Tables, or files of them, that lie elsewhere and are not in it. */
  readonly outside: readonly TableName[];
  /** What could not be copied: the lake itself is damaged there. */
  readonly problems: readonly string[];
  readonly finished: boolean;
}

/** In the folder of a backup: what it holds, and the catalog that is to come. */
export const BACKUP_FOLDER = ".backup";

/** Files that are copied, synced and listed together. */
const GROUP_FILES = 64;
const COPIES_AT_ONCE = 4;
const CHUNK_BYTES = 1 << 20;

/**
 * Brings the folder to the lake's present state; what is there already is not copied again, and what an attempt that
 * died left is gone on with. Until the new catalog stands in its place the folder holds the state before. Throws
 * `usage` for a folder that holds something else, `conflict` for one whose state is newer, `locked`, `io`.
 */
export async function backUp(options: BackupOptions): Promise<BackedUp> {
  const { folder, clock, random, disk = realDisk } = options;
  const durable = new Durable(disk, parentOf(folder));
  const target = `${folder}/${options.place}`;
  checkFolder(folder);
  const own = `${folder}/${BACKUP_FOLDER}`;
  await durable.ensureFolders([own, target]);
  const lock = lockFolder(own, folder, clock.nowMs());
  try {
    await using source = await Source.open(options);
    await checkState(options, target, source.store);
    const next = `${own}/next`;
    await source.copyCatalog(durable, next);
    const store = await LakeStore.open({
      root: next,
      readonly: true,
      busyTimeoutMs: 0,
      clock,
      random,
    });
    try {
      return await new Copy(options, durable, target, source, store).run();
    } finally {
      store.db.close();
    }
  } finally {
    lock.release();
  }
}

/** The lake that is copied. */
class Source implements AsyncDisposable {
  readonly store: LakeStore;
  readonly io: FileIO;
  readonly #leaseId: string | null;

  /** With a lease, where the lake may be written: elsewhere nothing removes files either, or a day later. */
  static async open({ root, clock, random }: BackupOptions): Promise<Source> {
    const io = await LocalFiles.open({ root, random, readonly: true });
    const settings = { root, busyTimeoutMs: 0, clock, random };
    let store = await LakeStore.open({ ...settings, readonly: true });
    const isCurrent = (await schemaOf(store)) === MIGRATIONS.length;
    if (!isCurrent || store.recordedRoot !== root) return new Source(store, io, null);
    try {
      const writable = await LakeStore.open({ ...settings, readonly: false });
      store.db.close();
      store = writable;
      const processStart = systemProcessStart(process.pid) ?? "";
      // What leaves within the millisecond in which it is taken leaves after it.
      const sinceMs = clock.nowMs() - 1;
      const lease = { id: random.uuid(), pid: process.pid, processStart, sinceMs };
      await addReadLease(store, lease);
      return new Source(store, io, lease.id);
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.code !== "io") throw thrown;
      return new Source(store, io, null);
    }
  }

  private constructor(store: LakeStore, io: FileIO, leaseId: string | null) {
    this.store = store;
    this.io = io;
    this.#leaseId = leaseId;
  }

  async copyCatalog(durable: Durable, next: string): Promise<void> {
    await durable.ensureFolders([next]);
    const path = `${next}/${CATALOG_FILE}`;
    await durable.discard(["", "-journal", "-wal", "-shm"].map((ending) => `${path}${ending}`));
    // Empty, so that it has the mode of every file here: SQLite would give it the user's.
    await durable.writeSynced([{ path, bytes: new Uint8Array() }]);
    await this.store.db.copyInto(path).catch((thrown: unknown) => {
      // SQLite says it of the file that it reads.
      if (!(thrown instanceof LakeError) || thrown.code !== "io") throw thrown;
      throw new LakeError("io", `the catalog could not be copied to ${path}: ${thrown.message}`, {
        hint: "look whether there is room for it, then run the backup again",
        cause: thrown,
      });
    });
    await durable.syncExisting(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A lease of a process that is gone is removed by whoever finds it.
    if (this.#leaseId !== null) await dropReadLease(this.store, this.#leaseId).catch(() => {});
    this.store.db.close();
  }
}

/** Everything after the catalog's copy, which says what there is to copy. */
class Copy {
  readonly #options: BackupOptions;
  readonly #durable: Durable;
  readonly #target: string;
  readonly #source: Source;
  readonly #store: LakeStore;
  readonly #list: BackupList;
  readonly #problems: string[] = [];
  #copied = 0;
  #copiedBytes = 0;

  constructor(
    options: BackupOptions,
    durable: Durable,
    target: string,
    source: Source,
    store: LakeStore,
  ) {
    this.#options = options;
    this.#durable = durable;
    this.#target = target;
    this.#source = source;
    this.#store = store;
    this.#list = BackupList.open(durable, `${options.folder}/${BACKUP_FOLDER}`);
  }

  async run(): Promise<BackedUp> {
    const named = await this.#named();
    for (const { table, cause } of named.unreadable) {
      this.#problems.push(`${table}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
    const isWhole = await this.#copyAll(named.files);
    const removed = isWhole ? await this.#switch(named) : 0;
    const last = await lastCommit(this.#store);
    return {
      lakeId: this.#store.lakeId,
      commit: last,
      tables: named.tables,
      files: named.files.length,
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
      removed,
      outside: named.outside,
      problems: this.#problems,
      finished: isWhole,
    };
  }

  async #named(): Promise<NamedFiles> {
    const { clock, random } = this.#options;
    const { io } = this.#source;
    const { recordedRoot } = this.#store;
    return await namedFiles({
      store: this.#store,
      io,
      clock,
      random,
      metadata: new MetadataCache(io, recordedRoot),
      manifests: new ManifestStore(io, recordedRoot),
      adopted: new Set(),
      engine: {},
      snapshotsAgeMaxMs: null,
      cursorLagMs: 0,
    });
  }

  /** False when it was stopped on the way. */
  async #copyAll(files: readonly NamedFile[]): Promise<boolean> {
    const missing: NamedFile[] = [];
    for (const file of files) if (!(await this.#isThere(file))) missing.push(file);
    for (let start = 0; start < missing.length; start += GROUP_FILES) {
      if (this.#options.signal.aborted) return false;
      await this.#copyGroup(missing.slice(start, start + GROUP_FILES));
      const files = Math.min(start + GROUP_FILES, missing.length);
      this.#options.onProgress?.({ files, of: missing.length });
    }
    return true;
  }

  async #isThere({ path, sizeBytes }: NamedFile): Promise<boolean> {
    const listed = this.#list.get(path);
    if (listed === undefined || (sizeBytes !== null && listed.sizeBytes !== sizeBytes))
      return false;
    const stat = await this.#durable.disk.stat(`${this.#target}/${path}`);
    return stat?.kind === "file" && stat.sizeBytes === listed.sizeBytes;
  }

  async #copyGroup(files: readonly NamedFile[]): Promise<void> {
    const folders = files.map(({ path }) => parentOf(`${this.#target}/${path}`));
    await this.#durable.ensureFolders(folders);
    const copies = await mapBounded(files, COPIES_AT_ONCE, (file) => this.#copyOne(file));
    const listed = copies.flatMap((copy) => copy ?? []);
    await this.#durable.syncFolders(folders);
    await this.#list.add(listed);
    this.#copied += listed.length;
    this.#copiedBytes += listed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Null where there is nothing to copy, which is a problem unless nothing needs it. */
  async #copyOne(file: NamedFile): Promise<ListedFile | null> {
    const { path } = file;
    const from = `${this.#source.io.root}/${path}`;
    const stat = await worded("look at", from, this.#durable.disk.stat(from));
    if (stat === null || stat.kind !== "file") {
      if (!file.optional) this.#problems.push(`${path} is missing`);
      return null;
    }
    const to = `${this.#target}/${path}`;
    const copied = await this.#copyBytes(from, to, stat.sizeBytes);
    if (file.sizeBytes !== null && copied.sizeBytes !== file.sizeBytes) {
      this.#problems.push(
        `${path} has ${copied.sizeBytes} bytes, its manifest says ${file.sizeBytes}`,
      );
    }
    return { path, ...copied };
  }

  async #copyBytes(
    from: string,
    to: string,
    sizeBytes: number,
  ): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
    const { disk } = this.#durable;
    const isLinked = this.#options.link && (await this.#linked(from, to));
    if (isLinked) return { sizeBytes, sha256: await hashOf(disk, from) };
    const temporary = `${to}${TEMPORARY_MARK}${this.#options.random.uuid()}`;
    const input = await worded("open", from, disk.open(from));
    try {
      const output = await worded("create", temporary, disk.create(temporary));
      const hasher = new Bun.CryptoHasher("sha256");
      let position = 0;
      try {
        const buffer = new Uint8Array(CHUNK_BYTES);
        for (;;) {
          const count = await worded("read", from, input.read(buffer, position));
          if (count === 0) break;
          const bytes = buffer.subarray(0, count);
          hasher.update(bytes);
          await worded("write", temporary, output.write(bytes, position));
          position += count;
        }
        await this.#durable.syncFile(output, temporary);
      } finally {
        await output.close();
      }
      await worded("rename", temporary, disk.rename(temporary, to));
      return { sizeBytes: position, sha256: hasher.digest("hex") };
    } catch (thrown) {
      await this.#durable.discard([temporary]);
      throw thrown;
    } finally {
      await input.close();
    }
  }

  /** False where the two are on different disks, or the disk knows no second names. */
  async #linked(from: string, to: string): Promise<boolean> {
    const { disk } = this.#durable;
    try {
      await this.#durable.discard([to]);
      await disk.link(from, to);
      return true;
    } catch (thrown) {
      if (["EXDEV", "EPERM", "EMLINK", "ENOTSUP"].includes(systemCode(thrown))) return false;
      throw ioError(thrown, "link", to);
    }
  }

  /** The new catalog takes its place; then what only the old one named goes. How many files that were. */
  async #switch({ files }: NamedFiles): Promise<number> {
    const { folder, clock } = this.#options;
    const { disk } = this.#durable;
    const own = `${folder}/${BACKUP_FOLDER}`;
    const to = `${this.#target}/${CATALOG_FILE}`;
    if (existsSync(to)) settleFile(to);
    await this.#durable.discard([`${to}-wal`, `${to}-shm`]);
    await worded("rename", to, disk.rename(`${own}/next/${CATALOG_FILE}`, to));
    await this.#durable.syncFolders([this.#target, `${own}/next`]);
    const needed = new Set(files.map(({ path }) => path));
    const gone = this.#list.files.filter(({ path }) => !needed.has(path));
    await mapBounded(gone, COPIES_AT_ONCE, async ({ path }) => {
      await disk.unlink(`${this.#target}/${path}`).catch(ifGone);
    });
    if (gone.length > 0) await this.#list.keep((path) => needed.has(path));
    const last = await lastCommit(this.#store);
    const about = {
      schema: "tarn.backup/1",
      lake: this.#store.lakeId,
      root: this.#store.recordedRoot,
      place: this.#options.place,
      commit: last?.number ?? null,
      commit_time: last === null ? null : new Date(last.timeMs).toISOString(),
      made: new Date(clock.nowMs()).toISOString(),
    };
    await this.#write(`${own}/backup.json`, `${stringifyJson(about)}\n`);
    return gone.length;
  }

  async #write(path: string, content: string): Promise<void> {
    const next = `${path}.next`;
    await this.#durable.discard([next]);
    await this.#durable.writeSynced([{ path: next, bytes: new TextEncoder().encode(content) }]);
    await worded("rename", path, this.#durable.disk.rename(next, path));
    await this.#durable.syncFolders([parentOf(path)]);
  }
}

/** SHA-256 of a file, in hex. */
export async function hashOf(disk: Disk, path: string): Promise<string> {
  const file = await worded("open", path, disk.open(path));
  try {
    const hasher = new Bun.CryptoHasher("sha256");
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let position = 0; ; ) {
      const count = await worded("read", path, file.read(buffer, position));
      if (count === 0) return hasher.digest("hex");
      hasher.update(buffer.subarray(0, count));
      position += count;
    }
  } finally {
    await file.close();
  }
}

/** A folder of other things is not to be filled. */
function checkFolder(folder: string): void {
  if (!existsSync(folder) || existsSync(`${folder}/${BACKUP_FOLDER}`)) return;
  if (readdirSync(folder).length === 0) return;
  throw new LakeError("usage", `${folder} holds other things, and no backup`, {
    hint: "name a folder that is empty or not there yet, or one that tarn backup has made",
  });
}

function lockFolder(own: string, folder: string, nowMs: number): EngineLease {
  try {
    return EngineLease.take({ root: own, pid: process.pid, command: "tarn backup", nowMs });
  } catch (thrown) {
    if (!(thrown instanceof LakeError) || thrown.code !== "locked") throw thrown;
    throw new LakeError("locked", `another backup is being made in ${folder}`, {
      hint: "let it end",
      cause: thrown,
    });
  }
}

/** Refuses to put the lake over another one, or over a later state of itself. */
async function checkState(
  { folder, force, clock, random }: BackupOptions,
  target: string,
  source: LakeStore,
): Promise<void> {
  if (!existsSync(`${target}/${CATALOG_FILE}`)) return;
  const settings = { root: target, readonly: true, busyTimeoutMs: 0, clock, random };
  const there = await LakeStore.open(settings);
  try {
    if (there.lakeId !== source.lakeId) {
      const what = there.recordedRoot === target ? "a lake of its own by now" : "another lake";
      throw new LakeError("usage", `${folder} holds ${what}`, {
        hint: "what was relocated is no backup any more: name another folder",
      });
    }
    const [then, now] = [await lastCommit(there), await lastCommit(source)];
    if (force || then === null || then.number <= (now?.number ?? 0n)) return;
    const is = `the lake is at commit ${now?.number ?? 0n}`;
    throw new LakeError("conflict", `the backup holds commit ${then.number}, ${is}`, {
      hint: "the lake was set back: keep that backup and name another folder, or give it up with --force",
    });
  } finally {
    there.db.close();
  }
}

async function schemaOf(store: LakeStore): Promise<number> {
  const sql = "SELECT CAST(value AS INTEGER) AS v FROM lake_meta WHERE key = 'schema_version'";
  const row = await store.look(() => store.db.get(sql));
  return row === null ? 0 : int(row, "v");
}

async function lastCommit(
  store: LakeStore,
): Promise<{ readonly number: bigint; readonly timeMs: number } | null> {
  const sql = "SELECT number, time_ms FROM lake_commits ORDER BY number DESC LIMIT 1";
  const row = await store.look(() => store.db.get(sql));
  return row === null ? null : { number: long(row, "number"), timeMs: int(row, "time_ms") };
}

function ifGone(thrown: unknown): void {
  if (systemCode(thrown) !== "ENOENT") throw thrown;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
