/** The engine lease: one engine per lake, by a lock that the kernel frees when its process dies. */

import { Database } from "bun:sqlite";
import { accessSync, chmodSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { ioError, LakeError, systemCode } from "../../core/base/errors.ts";
import { isJsonObject, parseJson } from "../../core/base/json.ts";

export interface LeaseHolder {
  readonly pid: number;
  /** What it runs, such as `tarn up`. */
  readonly command: string;
  readonly sinceMs: number;
}

export interface LeaseOptions {
  /** Absolute root of the lake. */
  readonly root: string;
  readonly pid: number;
  readonly command: string;
  readonly nowMs: number;
}

const LOCK_FILE = ".engine.lock";
const HOLDER_FILE = ".engine.json";
const OWNER_ONLY = 0o600;
/** Leases of this process: one that nobody refers to must not be collected, which would free the lock. */
const HELD = new Set<EngineLease>();

/**
 * Held by one process at a time. The lock is SQLite's own on an empty file: record locks (fcntl), which belong to
 * the process, so that no child inherits them and the kernel drops them on any death. It needs no native call
 * of ours, so it works in the compiled binary on every system. The lock file is opened by nothing else in the
 * process: closing another descriptor of it would drop the lock.
 */
export class EngineLease {
  readonly #db: Database;

  /** Takes the lease at once or throws `locked`, naming the holder. */
  static take(options: LeaseOptions): EngineLease {
    const path = `${options.root}/${LOCK_FILE}`;
    const db = openLock(options.root);
    try {
      // Long enough for whoever only asks whether the lease is taken.
      db.run("PRAGMA busy_timeout = 200");
      db.run("BEGIN EXCLUSIVE");
    } catch (thrown) {
      db.close(false);
      if (!systemCode(thrown).startsWith("SQLITE_BUSY")) throw ioError(thrown, "lock", path);
      throw held(options.root, readHolder(options.root), options.nowMs);
    }
    writeHolder(options);
    const lease = new EngineLease(db);
    HELD.add(lease);
    return lease;
  }

  private constructor(db: Database) {
    this.#db = db;
  }

  release(): void {
    HELD.delete(this);
    if (this.#db.inTransaction) this.#db.run("ROLLBACK");
    this.#db.close(false);
  }
}

/**
 * True while some process holds the lease. Only reads, so that it answers where one may not write; false also where the
 * lock of another user cannot be looked at.
 */
export function isEngineRunning(root: string): boolean {
  const path = `${root}/${LOCK_FILE}`;
  if (!existsSync(path) || !isReadable(path)) return false;
  const db = new Database(path, { readonly: true });
  try {
    db.run("PRAGMA busy_timeout = 0");
    // A shared lock, which the holder's exclusive one refuses.
    db.query("SELECT count(*) FROM sqlite_schema").get();
    return false;
  } catch (thrown) {
    if (systemCode(thrown).startsWith("SQLITE_BUSY")) return true;
    throw ioError(thrown, "look at", path);
  } finally {
    db.close(false);
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Who took the lease last, as it wrote itself; null when nobody did or the note is unreadable. */
export function readHolder(root: string): LeaseHolder | null {
  try {
    const note = parseJson(readFileSync(`${root}/${HOLDER_FILE}`, "utf8"));
    if (!isJsonObject(note)) return null;
    const { pid, command, since_ms: sinceMs } = note;
    if (typeof pid !== "number" || typeof command !== "string" || typeof sinceMs !== "number") {
      return null;
    }
    return { pid, command, sinceMs };
  } catch {
    return null;
  }
}

function openLock(root: string): Database {
  const path = `${root}/${LOCK_FILE}`;
  try {
    // SQLite has no word for why, and opens for reading alone what it may not write.
    accessSync(root, constants.W_OK | constants.X_OK);
    if (existsSync(path)) accessSync(path, constants.W_OK);
  } catch (thrown) {
    throw ioError(thrown, "write in the lake", root);
  }
  try {
    const db = new Database(path, { readwrite: true, create: true });
    chmodSync(path, OWNER_ONLY);
    return db;
  } catch (thrown) {
    throw ioError(thrown, "open", path);
  }
}

/** A note for the message only: the lock is the truth. Not synced, and stale after a crash. */
function writeHolder(options: LeaseOptions): void {
  const note = { pid: options.pid, command: options.command, since_ms: options.nowMs };
  const path = `${options.root}/${HOLDER_FILE}`;
  try {
    writeFileSync(path, `${JSON.stringify(note)}\n`, { mode: OWNER_ONLY });
  } catch (thrown) {
    throw ioError(thrown, "write", path);
  }
}

function held(root: string, holder: LeaseHolder | null, nowMs: number): LakeError {
  const hint =
    "let it end (tarn build --wait waits for it), or end it; sql and status work beside it";
  if (holder === null) {
    return new LakeError("locked", `another engine holds the lake at ${root}`, { hint });
  }
  const since = new Date(holder.sinceMs).toISOString();
  const minutes = Math.max(0, Math.round((nowMs - holder.sinceMs) / 60_000));
  const age = minutes === 0 ? "just now" : `${minutes} min ago`;
  const who = `pid ${holder.pid}, '${holder.command}', since ${since}, ${age}`;
  return new LakeError("locked", `another engine (${who}) holds the lake at ${root}`, {
    hint,
    context: { pid: holder.pid, command: holder.command, sinceMs: holder.sinceMs },
  });
}
