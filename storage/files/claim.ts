/** Claims of dropped files: an immutable copy, hashed and counted on the way, durable before a commit names it. */

import { ioError, systemCode, worded } from "../../core/base/errors.ts";
import type { Beginning, Prefix } from "../../core/ingest/decision.ts";
import type { Claim, Originals, SealedFile } from "../../core/ingest/source.ts";
import { HEAD_BYTES } from "../../core/limits.ts";
import type { Random } from "../../core/ports.ts";
import type { Disk, DiskFile, DiskKind, DiskStat } from "../disk/disk.ts";
import { DISK_CONCURRENCY, type Durable, mapBounded, realDisk } from "../disk/durable.ts";
import { beginningOf, prefixesOf } from "./prefix.ts";

const BUFFER_BYTES = 1024 * 1024;
const LINE_END = 10;

export interface Counted {
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly newlines: number;
  /** The first HEAD_BYTES, and their sha256. */
  readonly start: Uint8Array;
  readonly head: string;
}

/**
 * Reads at most `bytes` bytes from the start, hashing and counting. Each piece is hashed while it is taken and
 * the next one is read: two buffers take turns.
 */
export async function readThrough(
  file: DiskFile,
  bytes: number,
  take: (piece: Uint8Array, position: number) => Promise<void>,
): Promise<Counted> {
  const hasher = new Bun.CryptoHasher("sha256");
  let start = new Uint8Array();
  const size = Math.max(1, Math.min(BUFFER_BYTES, bytes));
  let [buffer, other] = [new Uint8Array(size), new Uint8Array(size)];
  let position = 0;
  let newlines = 0;
  let count = await readAt(file, buffer, position, bytes);
  while (count > 0) {
    const piece = buffer.subarray(0, count);
    const next = position + count;
    // Both end before either's error is thrown: the files are closed after that.
    const moved = Promise.allSettled([take(piece, position), readAt(file, other, next, bytes)]);
    // From the next turn on both are under way in other threads, and this one has the time to hash.
    await new Promise((resolve) => setImmediate(resolve));
    if (position === 0) start = piece.slice(0, HEAD_BYTES);
    hasher.update(piece);
    newlines += countNewlines(piece);
    const [taken, read] = await moved;
    if (taken.status === "rejected") throw taken.reason;
    if (read.status === "rejected") throw read.reason;
    position = next;
    count = read.value;
    [buffer, other] = [other, buffer];
  }
  const head = position === 0 ? "" : sha256Of(start);
  return { sha256: hasher.digest("hex"), sizeBytes: position, newlines, start, head };
}

function sha256Of(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** Bytes read into the buffer, of those before `end`; 0 there and at the end of the file. */
async function readAt(
  file: DiskFile,
  buffer: Uint8Array,
  position: number,
  end: number,
): Promise<number> {
  const room = Math.min(buffer.byteLength, end - position);
  return room <= 0 ? 0 : file.read(buffer.subarray(0, room), position);
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(LINE_END); at !== -1; at = bytes.indexOf(LINE_END, at + 1)) count++;
  return count;
}

/** A copy is synced as it grows, while the next bytes are hashed: its last sync has little left to wait for. */
const SYNC_BYTES = 32 * 1024 * 1024;

/** An error of the lake's disk, kept apart from errors of the drop's. */
export class WriteFailed extends Error {
  readonly failure: unknown;

  constructor(failure: unknown) {
    super("write failed", { cause: failure });
    this.failure = failure;
  }
}

/** One buffer's worth stays in memory, so that a small known file is never written. */
export class CopyTarget {
  readonly path: string;
  readonly #durable: Durable;
  readonly #isKept: boolean;
  #file: DiskFile | null = null;
  #held: Uint8Array | null = null;
  #unsyncedBytes = 0;
  /** Of the bytes written so far; never rejects. */
  #syncing: Promise<void> | null = null;
  #syncFailure: unknown = null;
  /** Of the whole copy; never rejects. */
  #lastSync: Promise<void> | null = null;

  /** `isKept`: it is to be made durable. */
  constructor(durable: Durable, path: string, isKept: boolean) {
    this.#durable = durable;
    this.path = path;
    this.#isKept = isKept;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (position === 0) {
      this.#held = bytes.slice();
      return;
    }
    await this.#guard(async () => {
      const file = await this.#open();
      await worded("write", this.path, file.write(bytes, position));
      this.#syncNow(file, bytes.byteLength);
    });
  }

  /** What was written so far can be read. */
  async flush(): Promise<void> {
    await this.#guard(async () => {
      await this.#open();
    });
  }

  /** The copy can be read from here on; it is durable when `synced` resolves. */
  async finish(): Promise<void> {
    await this.#guard(async () => {
      const file = await this.#open();
      this.#file = null;
      this.#lastSync = this.#sync(file).catch((thrown: unknown) => {
        this.#syncFailure = thrown;
      });
    });
  }

  /** Throws what kept the copy from being durable. */
  async synced(): Promise<void> {
    await this.#guard(async () => {
      await this.#lastSync;
      if (this.#syncFailure !== null) throw this.#syncFailure;
    });
  }

  async #sync(file: DiskFile): Promise<void> {
    try {
      await this.#syncing;
      if (this.#syncFailure !== null) throw this.#syncFailure;
      if (this.#isKept) await this.#durable.syncFile(file, this.path);
    } finally {
      await worded("close", this.path, file.close());
    }
  }

  async discard(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    await this.#syncing;
    await file.close().catch(() => {});
    await this.#durable.discard([this.path]);
  }

  #syncNow(file: DiskFile, bytes: number): void {
    this.#unsyncedBytes += bytes;
    if (!this.#isKept || this.#syncing !== null || this.#unsyncedBytes < SYNC_BYTES) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#durable.syncFile(file, this.path).then(
      () => {
        this.#syncing = null;
      },
      (thrown: unknown) => {
        this.#syncFailure = thrown;
      },
    );
  }

  async #open(): Promise<DiskFile> {
    if (this.#syncFailure !== null) throw this.#syncFailure;
    this.#durable.check();
    this.#file ??= await worded("create", this.path, this.#durable.disk.create(this.path));
    const held = this.#held;
    this.#held = null;
    if (held !== null) await worded("write", this.path, this.#file.write(held, 0));
    return this.#file;
  }

  async #guard(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (thrown) {
      throw new WriteFailed(thrown);
    }
  }
}

/** Below the root: the kept copies, by hash. */
export const ORIGINALS_FOLDER = "originals";
const INCOMING_FOLDER = `${ORIGINALS_FOLDER}/.incoming`;
/** Copies that are synced while they are decoded; of more than these each is synced as it is made. */
const SYNCED_LATER_MAX = 16;

export interface ClaimedCopy {
  readonly kind: "claimed";
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** `dev:inode` of the drop. */
  readonly inode: string;
  readonly changedNs: bigint;
  /** Its first HEAD_BYTES, and their sha256. */
  readonly start: Uint8Array;
  readonly head: string;
  /** Count of `\n` in the whole copy. */
  readonly newlines: number;
  /** Path of the copy relative to the root; null when it is a temporary one. */
  readonly original: string | null;
  /** Absolute path of the copy until `keep`. */
  readonly localPath: string;
  /** Absolute path of the copy from then on. */
  readonly keptPath: string;
}

export type ClaimResult =
  | ClaimedCopy
  /** Never to be landed as it is. */
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly sizeBytes: number;
      readonly modifiedMs: number;
      readonly inode: string;
      readonly changedNs: bigint;
    }
  /** It changed while it was read: look again when it is settled. */
  | { readonly kind: "changed" }
  | { readonly kind: "gone" };

export interface ClaimOptions {
  /** Files copied at once. */
  readonly concurrency?: number;
  /**
   * Absolute staging folder for copies that are not kept (`before_landing`): they are not synced. Null or absent:
   * into the originals.
   */
  readonly temporary?: string | null;
}

export interface ClaimsOptions {
  readonly durable: Durable;
  readonly random: Random;
  /** Where the drops are read; the system's disk unless told otherwise. */
  readonly drops?: Disk;
}

/** A file that was synced by whoever wrote it. */
const SEALED = { synced: async (): Promise<void> => {} };

/** The originals of one lake. */
export class Claims implements Originals {
  readonly #durable: Durable;
  readonly #random: Random;
  readonly #drops: Disk;
  /** Copies that have not their names yet, by path. */
  readonly #unnamed = new Map<string, Pick<CopyTarget, "synced">>();

  constructor(options: ClaimsOptions) {
    this.#durable = options.durable;
    this.#random = options.random;
    this.#drops = options.drops ?? realDisk;
  }

  /**
   * Claims files, results in the order of `paths` (absolute). The copies can be read; `keep` makes them durable.
   * Throws `io` when the lake's disk fails; what is wrong with one drop is its own result.
   */
  async claimAll(paths: readonly string[], options: ClaimOptions = {}): Promise<ClaimResult[]> {
    const temporary = options.temporary ?? null;
    const incoming = temporary ?? `${this.#durable.root}/${INCOMING_FOLDER}`;
    if (temporary === null) await this.#durable.ensureFolders([incoming]);
    const width = options.concurrency ?? DISK_CONCURRENCY;
    const isSyncedLater = paths.length <= SYNCED_LATER_MAX;
    const made: string[] = [];
    try {
      return await mapBounded(paths, width, async (path) => {
        const result = await this.#copy(path, incoming, temporary);
        if (result.kind === "claimed") {
          made.push(result.localPath);
          if (!isSyncedLater) await this.#synced(result.localPath);
        }
        return result;
      });
    } catch (thrown) {
      await this.#forget(made);
      throw thrown;
    }
  }

  adopt({ name, path, ...sealed }: SealedFile, nowMs: number, isKept: boolean): Claim {
    const original = isKept ? originalPath(sealed.sha256) : null;
    const keptPath = original === null ? path : `${this.#durable.root}/${original}`;
    this.#unnamed.set(path, SEALED);
    const file = { file: name, modifiedMs: nowMs, inode: "" };
    return { ...file, ...sealed, original, localPath: path, keptPath };
  }

  /**
   * Waits until the copies are synced and gives them their names in the originals; all folders are synced once.
   * Durable when it resolves; their `localPath` is gone then. Where one fails, those without a name go.
   */
  async keep(copies: readonly Pick<ClaimedCopy, "localPath" | "keptPath" | "original">[]) {
    const kept = copies.filter((copy) => copy.original !== null);
    const folders = kept.map(({ keptPath }) => this.#durable.parent(keptPath));
    try {
      await this.#durable.ensureFolders(folders);
      await mapBounded(kept, DISK_CONCURRENCY, async ({ localPath, keptPath }) => {
        if (!this.#unnamed.has(localPath)) return;
        await this.#synced(localPath);
        await worded("rename a file to", keptPath, this.#durable.disk.rename(localPath, keptPath));
        this.#unnamed.delete(localPath);
      });
    } catch (thrown) {
      await this.#forget(kept.map(({ localPath }) => localPath));
      throw thrown;
    }
    // Also those that were there before: who renamed them may have died before its own fsync.
    await this.#durable.syncFolders(folders);
  }

  /** Removes copies that are not to be kept; their drops stay. */
  async release(copies: readonly Pick<ClaimedCopy, "localPath">[]): Promise<void> {
    await this.#forget(copies.map(({ localPath }) => localPath));
  }

  /** Removes copies that have no name and will get none. */
  async #forget(paths: readonly string[]): Promise<void> {
    const unnamed = paths.filter((path) => this.#unnamed.has(path));
    // Each file is closed before it goes.
    await Promise.allSettled(unnamed.map((path) => this.#synced(path)));
    for (const path of unnamed) this.#unnamed.delete(path);
    await this.#durable.discard(unnamed);
  }

  async #synced(path: string): Promise<void> {
    try {
      await this.#unnamed.get(path)?.synced();
    } catch (thrown) {
      throw thrown instanceof WriteFailed ? thrown.failure : thrown;
    }
  }

  /** What the first bytes of a file's text are, by how many; sizes that it does not have are left out. */
  async prefixes(path: string, sizes: readonly number[]): Promise<ReadonlyMap<number, Prefix>> {
    return prefixesOf(path, sizes);
  }

  /** The first bytes of a file's text, at most so many. */
  async beginning(path: string, sizeMax: number): Promise<Beginning> {
    return beginningOf(path, sizeMax);
  }

  /** The same of an original; null where none is kept. */
  async beginningOf(original: string | null, sizeMax: number): Promise<Beginning | null> {
    const path = original === null ? null : `${this.#durable.root}/${original}`;
    const isKept = path !== null && (await this.#durable.disk.stat(path)) !== null;
    return isKept ? beginningOf(path, sizeMax) : null;
  }

  /** Removes copies that a process left unfinished. Only under the engine lease. */
  async clearIncoming(): Promise<void> {
    const incoming = `${this.#durable.root}/${INCOMING_FOLDER}`;
    if ((await this.#durable.disk.stat(incoming)) === null) return;
    const entries = await worded("list", incoming, this.#durable.disk.entries(incoming));
    await this.#durable.discard(entries.map((entry) => `${incoming}/${entry.name}`));
  }

  async #copy(path: string, incoming: string, temporary: string | null): Promise<ClaimResult> {
    if (path.includes("\u{fffd}")) return refused(null, "its name is not valid UTF-8; rename it");
    let before: DiskStat | null = null;
    let file: DiskFile;
    try {
      before = await this.#drops.stat(path);
      if (before === null) return { kind: "gone" };
      const reason = refusalOf(before.kind);
      if (reason !== null) return refused(before, reason);
      file = await this.#drops.open(path);
    } catch (thrown) {
      return this.#unread(path, before, thrown);
    }
    try {
      return await this.#copyOpen(path, file, before, incoming, temporary);
    } finally {
      await file.close();
    }
  }

  async #copyOpen(
    path: string,
    file: DiskFile,
    named: DiskStat,
    incoming: string,
    temporary: string | null,
  ): Promise<ClaimResult> {
    const before = await worded("read", path, file.stat());
    const reason = refusalOf(before.kind);
    if (reason !== null) return refused(before, reason);
    if (before.inode !== named.inode) return { kind: "changed" };
    const copyPath = `${incoming}/${this.#random.uuid()}`;
    const target = new CopyTarget(this.#durable, copyPath, temporary === null);
    try {
      const counted = await readThrough(file, before.sizeBytes, (bytes, position) =>
        target.write(bytes, position),
      );
      const outcome = await this.#unchanged(path, file, before, counted.sizeBytes);
      if (outcome !== null) {
        await target.discard();
        return outcome;
      }
      const original = temporary === null ? originalPath(counted.sha256) : null;
      const keptPath = original === null ? target.path : `${this.#durable.root}/${original}`;
      const known = original === null ? null : await this.#durable.disk.stat(keptPath);
      const isKnown = known !== null && known.sizeBytes === counted.sizeBytes;
      if (isKnown) await target.discard();
      else await target.finish();
      if (original !== null && !isKnown) this.#unnamed.set(target.path, target);
      const { modifiedMs, inode, changedNs } = before;
      const localPath = isKnown ? keptPath : target.path;
      const drop = { ...counted, modifiedMs, inode, changedNs };
      return { kind: "claimed", ...drop, original, localPath, keptPath };
    } catch (thrown) {
      await target.discard();
      if (systemCode(thrown) !== "" && !(thrown instanceof WriteFailed)) {
        return this.#unread(path, before, thrown);
      }
      throw thrown instanceof WriteFailed ? thrown.failure : thrown;
    }
  }

  /** Null when the file read is the file that has the name, as it was. */
  async #unchanged(
    path: string,
    file: DiskFile,
    before: DiskStat,
    readBytes: number,
  ): Promise<ClaimResult | null> {
    const [after, named] = [await file.stat(), await this.#drops.stat(path)];
    if (named === null) return { kind: "gone" };
    const same =
      readBytes === before.sizeBytes &&
      [after, named].every(
        (stat) =>
          stat.inode === before.inode &&
          stat.sizeBytes === before.sizeBytes &&
          stat.modifiedNs === before.modifiedNs &&
          stat.changedNs === before.changedNs,
      );
    return same ? null : { kind: "changed" };
  }

  #unread(path: string, stat: DiskStat | null, thrown: unknown): ClaimResult {
    const code = systemCode(thrown);
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "gone" };
    if (code === "ELOOP") return refused(stat, "it is a symbolic link; put the file itself there");
    if (code === "EMFILE" || code === "ENFILE") throw ioError(thrown, "open", path);
    const error = ioError(thrown, "read", path);
    return refused(stat, `${error.message}${error.hint === null ? "" : `; ${error.hint}`}`);
  }
}

function originalPath(sha256: string): string {
  return `${ORIGINALS_FOLDER}/${sha256.slice(0, 2)}/${sha256}`;
}

function refusalOf(kind: DiskKind): string | null {
  switch (kind) {
    case "file":
      return null;
    case "symlink":
      return "it is a symbolic link; put the file itself there";
    case "folder":
      return "it is a folder";
    case "fifo":
      return "it is a named pipe, not a file";
    case "socket":
      return "it is a socket, not a file";
    case "device":
      return "it is a device, not a file";
  }
}

function refused(stat: DiskStat | null, reason: string): ClaimResult {
  const { sizeBytes = 0, modifiedMs = 0, inode = "", changedNs = 0n } = stat ?? {};
  return { kind: "refused", reason, sizeBytes, modifiedMs, inode, changedNs };
}
