/**
 * One SQLite connection with the settings that durability hangs on, waiting that never blocks the event loop, and
 * typed values of the rows it answers.
 */

import { Database, type SQLQueryBindings, type Statement, constants as sqlite } from "bun:sqlite";
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
} from "node:fs";
import { errorText, LakeError } from "../../core/base/errors.ts";
import type { Clock, Random } from "../../core/ports.ts";

export type Value = string | bigint | number | null;
export type Row = Readonly<Record<string, string | bigint | number | null>>;

export interface DatabaseOptions {
  readonly path: string;
  readonly readonly: boolean;
  /** Milliseconds that SQLite itself may wait, blocking the event loop; 0 in a long-lived process. */
  readonly busyTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A COMMIT that failed. Who publishes looks up whether it happened; anywhere else it is an error like any other, and
 * nothing that it may have named is removed.
 */
export class CommitDoubt extends LakeError {
  /** True when SQLite says that nothing was written; false after an I/O error, whose WAL may yet come back. */
  readonly definite: boolean;

  constructor(cause: unknown, definite: boolean) {
    const todo = definite ? "free some space or mend the disk" : "check the disk (dmesg)";
    const hint = `${todo}, then run it again: it goes on where the lake stands`;
    super("io", `COMMIT failed: ${errorText(cause)}`, { hint, cause });
    this.definite = definite;
  }
}

/** Time spent waiting for other writers before it is an error. Java clients hold the lock for milliseconds. */
const BUSY_TOTAL_MS = 30_000;
const BUSY_FIRST_MS = 2;
const BUSY_STEP_MAX_MS = 200;
/**
 * SQLite 3.7.0-3.51.2 can corrupt a WAL that is reset while another connection writes ("WAL-reset bug").
 * robustness.md B8.
 */
const WAL_SAFE_VERSION = [3, 51, 3] as const;
const OWNER_ONLY = 0o600;
const STATEMENTS_MAX = 200;

export class LakeDatabase {
  readonly path: string;
  readonly #db: Database;
  /** Bun keeps the last twenty: a landing runs more, one after the other, and each would be made anew. */
  readonly #statements = new Map<string, Statement<Row, SQLQueryBindings[]>>();
  readonly #clock: Clock;
  readonly #random: Random;

  /** Opens or makes the file. Throws `not-found`, `corrupt`, `io`, or `unsupported` for an unsafe SQLite. */
  static async open(options: DatabaseOptions): Promise<LakeDatabase> {
    const database = new LakeDatabase(options);
    try {
      await database.#retry(() => database.#configure(options));
    } catch (thrown) {
      database.close();
      throw thrown;
    }
    return database;
  }

  private constructor(options: DatabaseOptions) {
    this.path = options.path;
    this.#clock = options.clock;
    this.#random = options.random;
    if (!options.readonly) makePrivate(options.path);
    try {
      this.#db =
        options.readonly && isAtRest(options.path) ? openAtRest(options.path) : open(options);
    } catch (thrown) {
      throw databaseError(thrown, options.path);
    }
  }

  /** Rows of a query. Synchronous: inside `look`, `read` or `write`. */
  all(sql: string, ...values: readonly Value[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  get(sql: string, ...values: readonly Value[]): Row | null {
    return this.#statement(sql).get(...values);
  }

  /** Rows that the statement changed. */
  run(sql: string, ...values: readonly Value[]): number {
    return this.#statement(sql).run(...values).changes;
  }

  /** For one query, which is a consistent view by itself: no transaction is begun and ended for it. */
  async look<T>(action: () => T): Promise<T> {
    return await this.#retry(action);
  }

  /** One consistent view over several queries. */
  async read<T>(action: () => T): Promise<T> {
    return await this.#retry(() => {
      this.#db.run("BEGIN DEFERRED");
      try {
        return action();
      } finally {
        this.#rollback();
      }
    });
  }

  /**
   * One write transaction; what `action` throws takes it back. Waits for other writers without blocking, and throws
   * `locked` when they do not end. Throws CommitDoubt when COMMIT itself failed.
   */
  async write<T>(action: () => T): Promise<T> {
    return await this.#retry(() => {
      this.#db.run("BEGIN IMMEDIATE");
      let result: T;
      try {
        result = action();
      } catch (thrown) {
        this.#rollback();
        throw thrown;
      }
      this.#commit();
      return result;
    });
  }

  /** A copy of the whole file as of one moment, not synced; writers go on meanwhile. The name must be free. */
  async copyInto(path: string): Promise<void> {
    await this.#retry(() => this.#statement("VACUUM INTO ?").run(path));
  }

  /** Gives pages of deleted rows back to the file system, a bounded number at a time. */
  vacuumSome(pages: number): void {
    this.#db.run(`PRAGMA incremental_vacuum(${Math.trunc(pages)})`);
  }

  close(): void {
    this.#forgetStatements();
    this.#db.close(false);
  }

  #statement(sql: string): Statement<Row, SQLQueryBindings[]> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= STATEMENTS_MAX) this.#forgetStatements();
    const made = this.#db.prepare<Row, SQLQueryBindings[]>(sql);
    made.safeIntegers(true);
    this.#statements.set(sql, made);
    return made;
  }

  #forgetStatements(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }

  #commit(): void {
    try {
      this.#db.run("COMMIT");
    } catch (thrown) {
      const code = sqliteCode(thrown);
      this.#rollback();
      // A busy COMMIT has written nothing; it is tried again as a whole.
      if (code.startsWith("SQLITE_BUSY")) throw thrown;
      throw new CommitDoubt(thrown, !code.startsWith("SQLITE_IOERR"));
    }
  }

  #rollback(): void {
    if (this.#db.inTransaction) this.#db.run("ROLLBACK");
  }

  async #retry<T>(action: () => T): Promise<T> {
    const startMs = this.#clock.nowMs();
    for (let stepMs = BUSY_FIRST_MS; ; stepMs = Math.min(stepMs * 2, BUSY_STEP_MAX_MS)) {
      try {
        return action();
      } catch (thrown) {
        if (!isBusy(thrown)) throw databaseError(thrown, this.path);
        const waitedMs = this.#clock.nowMs() - startMs;
        if (waitedMs > BUSY_TOTAL_MS) throw lockedError(thrown, this.path, waitedMs);
      }
      await this.#clock.sleep(Math.ceil(stepMs * (0.5 + this.#random.fraction() / 2)));
    }
  }

  #configure(options: DatabaseOptions): void {
    const version = String(this.get("SELECT sqlite_version() AS version")?.version);
    const timeoutMs = Math.trunc(options.busyTimeoutMs);
    this.#pragma(`busy_timeout = ${timeoutMs}`, "busy_timeout", String(timeoutMs));
    this.#pragma("foreign_keys = OFF", "foreign_keys", "0");
    if (options.readonly) return;
    if (this.#value("page_count") === "0") this.#db.run("PRAGMA auto_vacuum = INCREMENTAL");
    // An older SQLite (a system library on macOS) gets the rollback journal, which has no WAL to reset.
    const journal = isWalSafe(version) ? "wal" : "delete";
    this.#pragma(`journal_mode = ${journal}`, "journal_mode", journal);
    this.#pragma("synchronous = FULL", "synchronous", "2");
    // macOS: fsync alone leaves data in the drive's cache.
    this.#db.run("PRAGMA fullfsync = ON");
    this.#db.run("PRAGMA checkpoint_fullfsync = ON");
  }

  #pragma(assignment: string, name: string, expected: string): void {
    this.#db.run(`PRAGMA ${assignment}`);
    const found = this.#value(name);
    if (found === expected) return;
    throw new LakeError(
      "unsupported",
      `SQLite keeps ${name} at ${found} where ${expected} is needed`,
      {
        hint: "another program may hold the file in another mode: close it; a network folder cannot hold a lake",
        context: { path: this.path },
      },
    );
  }

  #value(name: string): string {
    const row = this.get(`PRAGMA ${name}`);
    return row === null ? "" : String(Object.values(row)[0]);
  }
}

/** Leaves nothing beside a database file that could be taken for a part of its successor. Throws `locked`. */
export function settleFile(path: string): void {
  const db = new Database(path, { readwrite: true, create: false });
  try {
    db.run("PRAGMA busy_timeout = 0");
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    db.run("PRAGMA journal_mode = DELETE");
  } catch (thrown) {
    throw isBusy(thrown) ? lockedError(thrown, path, 0) : databaseError(thrown, path);
  } finally {
    db.close(false);
  }
}

/** SQLite's symbolic code, such as `SQLITE_BUSY`; empty for anything else. */
export function sqliteCode(thrown: unknown): string {
  if (!(thrown instanceof Error) || !("code" in thrown)) return "";
  return typeof thrown.code === "string" ? thrown.code : "";
}

function isBusy(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED");
}

function isWalSafe(version: string): boolean {
  const parts = version.split(".").map(Number);
  for (const [index, least] of WAL_SAFE_VERSION.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

/** The file is made by us, so that only its owner can read it; SQLite gives -wal and -shm the same mode. */
function makePrivate(path: string): void {
  try {
    const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = constants;
    closeSync(openSync(path, O_RDWR | O_CREAT | O_EXCL, OWNER_ONLY));
    chmodSync(path, OWNER_ONLY);
    const folder = openSync(path.slice(0, path.lastIndexOf("/")) || "/", O_RDONLY);
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (thrown) {
    if (sqliteCode(thrown) !== "EEXIST") throw databaseError(thrown, path);
  }
}

function open(options: DatabaseOptions): Database {
  return new Database(options.path, {
    readonly: options.readonly,
    ...(options.readonly ? {} : { readwrite: true, create: true }),
    safeIntegers: true,
    strict: true,
  });
}

/**
 * True where SQLite could not make the files that even readers of a WAL need, and nobody has made them: the folder may
 * only be read, and no writer is there.
 */
function isAtRest(path: string): boolean {
  const folder = path.slice(0, path.lastIndexOf("/")) || "/";
  try {
    accessSync(folder, constants.W_OK);
    return false;
  } catch {
    return !existsSync(`${path}-wal`);
  }
}

/** What nobody writes is read without locks and without files beside it. SQLite, "URI Filenames": immutable. */
function openAtRest(path: string): Database {
  const { SQLITE_OPEN_READONLY, SQLITE_OPEN_URI } = sqlite;
  const uri = `file:${encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23")}?immutable=1`;
  return new Database(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

function databaseError(thrown: unknown, path: string): unknown {
  const code = sqliteCode(thrown);
  if (thrown instanceof LakeError || code === "") return thrown;
  const context = { path, system: code };
  const because = `${path}: ${errorText(thrown)}`;
  if (code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB") {
    return new LakeError("corrupt", `the catalog is damaged: ${because}`, {
      hint: "restore catalog.db with its -wal file from a copy; the tables' own files are not touched",
      context,
      cause: thrown,
      scope: "lake",
    });
  }
  if (code === "SQLITE_FULL" || code === "ENOSPC") {
    return new LakeError("io", `the disk is full: ${because}`, {
      hint: "free some space; work goes on by itself once there is room",
      context,
      cause: thrown,
    });
  }
  const isPlace =
    code.startsWith("SQLITE_CANTOPEN") ||
    code.startsWith("SQLITE_READONLY") ||
    /^E[A-Z]+$/.test(code);
  const hint = isHidden(path)
    ? "permission denied: run as the owner of the lake, or correct its mode (chmod -R u+rwX)"
    : isPlace
      ? "check that the folder exists and that you may write in it: SQLite makes files beside catalog.db"
      : "check the disk (dmesg) and start again: whatever was acknowledged is safe";
  return code.startsWith("SQLITE_CONSTRAINT") || code === "SQLITE_ERROR"
    ? thrown
    : new LakeError("io", `cannot use the catalog ${because}`, {
        hint,
        context,
        cause: thrown,
        scope: "lake",
      });
}

/** True for a file that is there and may not be read. */
function isHidden(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return false;
  } catch (thrown) {
    return sqliteCode(thrown) === "EACCES";
  }
}

function lockedError(thrown: unknown, path: string, waitedMs: number): LakeError {
  const seconds = Math.round(waitedMs / 1000);
  return new LakeError("locked", `another program kept ${path} locked for ${seconds} s`, {
    hint: "close programs that hold it open in a transaction (fuser catalog.db names them)",
    context: { path, waitedMs },
    cause: thrown,
  });
}

export function text(row: Row, column: string): string {
  const value = textOrNull(row, column);
  return value ?? wrong(column, "text", null);
}

export function textOrNull(row: Row, column: string): string | null {
  const value = row[column];
  if (value === null || typeof value === "string") return value;
  return wrong(column, "text", value);
}

export function long(row: Row, column: string): bigint {
  const value = longOrNull(row, column);
  return value ?? wrong(column, "an integer", null);
}

export function longOrNull(row: Row, column: string): bigint | null {
  const value = row[column];
  if (value === null || typeof value === "bigint") return value;
  return wrong(column, "an integer", value);
}

/** An integer that a JavaScript number holds: counts of one file, milliseconds. */
export function int(row: Row, column: string): number {
  return Number(long(row, column));
}

export function intOrNull(row: Row, column: string): number | null {
  const value = longOrNull(row, column);
  return value === null ? null : Number(value);
}

/** One of the texts that a column may hold. */
export function oneOf<T extends string>(row: Row, column: string, choices: readonly T[]): T {
  const found = text(row, column);
  return choices.find((choice) => choice === found) ?? wrong(column, choices.join("|"), found);
}

function wrong(column: string, expected: string, found: unknown): never {
  throw new LakeError(
    "corrupt",
    `the catalog holds ${String(found)} in ${column}, not ${expected}`,
    {
      hint: "the catalog was changed by hand or by a newer version: restore it from a copy",
    },
  );
}
