/** catalog.db as one lake: its identity, its migrations, and the guard that every write passes. */

import { existsSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import type { Clock, Random } from "../../core/ports.ts";
import { type DatabaseOptions, int, LakeDatabase, text } from "./database.ts";
import { LAKE_FORMAT, MIGRATIONS } from "./schema.ts";

export interface LakeStoreOptions {
  /** Absolute real path of the lake's root; catalog.db is in it. */
  readonly root: string;
  readonly readonly: boolean;
  readonly busyTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

export const CATALOG_FILE = "catalog.db";

/**
 * Throws `usage` for a folder that no lake may be made in: locations are URIs to other engines, which cut them at `#`
 * and `?` (PyIceberg 0.12 does), and may read `%` as the start of an escape.
 */
export function checkPlace(absolutePath: string): void {
  const wrong = WRONG_IN_LOCATIONS.exec(absolutePath)?.[0];
  if (wrong === undefined) return;
  const why = `other engines misread a path with ${JSON.stringify(wrong)}`;
  throw new LakeError("usage", `a lake cannot lie in ${absolutePath}: ${why}`, {
    hint: "take a folder whose path has no # ? % and no control characters",
    page: "T0101",
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const WRONG_IN_LOCATIONS = /[#?%\u0000-\u001f\u007f]/;

export class LakeStore {
  readonly db: LakeDatabase;
  readonly lakeId: string;
  /** Root that recorded locations start with. */
  readonly recordedRoot: string;
  readonly root: string;
  readonly #readonly: boolean;
  #epoch: bigint | null = null;

  /** Opens or makes the lake. Throws `not-found`, `unsupported` (made by a newer version), `corrupt`, `io`. */
  static async open(options: LakeStoreOptions): Promise<LakeStore> {
    const path = `${options.root}/${CATALOG_FILE}`;
    if (!existsSync(path)) {
      if (options.readonly) throw noLake(options.root);
      checkPlace(options.root);
    }
    const settings: DatabaseOptions = { ...options, path };
    const db = await LakeDatabase.open(settings);
    try {
      const found = await db.read(() => schemaVersion(db));
      if (found === 0 && options.readonly) throw noLake(options.root);
      if (found < MIGRATIONS.length && !options.readonly) {
        const made = { lakeId: options.random.uuid(), root: options.root };
        await db.write(() => migrate(db, made, options.clock.nowMs()));
      }
      const meta = await db.read(() => readMeta(db));
      checkReader(meta);
      return new LakeStore(db, meta, options);
    } catch (thrown) {
      db.close();
      throw thrown;
    }
  }

  private constructor(
    db: LakeDatabase,
    meta: ReadonlyMap<string, string>,
    options: LakeStoreOptions,
  ) {
    this.db = db;
    this.lakeId = meta.get("lake_id") ?? "";
    this.recordedRoot = meta.get("root") ?? "";
    this.root = options.root;
    this.#readonly = options.readonly;
  }

  /** False when opened for reading, or under another root than the recorded one. */
  get writable(): boolean {
    return !this.#readonly && this.root === this.recordedRoot;
  }

  /**
   * Makes this process the lake's engine: from here on each of its writes checks that no other took over. Call it
   * while holding the engine lease.
   */
  async takeEpoch(): Promise<bigint> {
    this.#epoch = await this.write(() => {
      const next = this.#storedEpoch() + 1n;
      this.db.run("UPDATE lake_meta SET value = ? WHERE key = 'epoch'", next.toString());
      return next;
    });
    return this.#epoch;
  }

  async read<T>(action: () => T): Promise<T> {
    return await this.db.read(action);
  }

  /** One write transaction behind the guard. Throws `io` when the lake is read-only here, `locked`, `unsupported`. */
  async write<T>(action: () => T): Promise<T> {
    this.checkWritable();
    return await this.db.write(() => {
      this.#guard();
      return action();
    });
  }

  /** Throws `io` unless the lake may be written here. */
  checkWritable(): void {
    if (this.writable) return;
    if (this.#readonly) {
      throw new LakeError("io", `the lake at ${this.root} is open for reading only`, {
        scope: "lake",
      });
    }
    throw new LakeError(
      "io",
      `this lake was made at ${this.recordedRoot} and now lies at ${this.root}: it is read-only here`,
      { hint: "to write to this copy under a new lake id, run: tarn relocate", scope: "lake" },
    );
  }

  /** Checked inside every write transaction: an upgrade or another engine may have come since opening. */
  #guard(): void {
    const meta = readMeta(this.db);
    const needed = Number(meta.get("min_writer"));
    if (!(needed <= LAKE_FORMAT)) throw newerLake("write", needed);
    if (meta.get("root") !== this.recordedRoot || meta.get("lake_id") !== this.lakeId) {
      throw new LakeError("locked", "the lake was relocated while this process had it open", {
        hint: "start again",
        scope: "lake",
      });
    }
    if (this.#epoch !== null && this.#storedEpoch() !== this.#epoch) {
      throw new LakeError("locked", "another engine took over this lake", {
        hint: "this process must end; nothing that it acknowledged is lost",
        scope: "lake",
      });
    }
  }

  #storedEpoch(): bigint {
    return BigInt(readMeta(this.db).get("epoch") ?? "0");
  }
}

function readMeta(db: LakeDatabase): ReadonlyMap<string, string> {
  const rows = db.all("SELECT key, value FROM lake_meta");
  return new Map(rows.map((row) => [text(row, "key"), text(row, "value")]));
}

/** 0 for an empty file and for a catalog that another program made. */
function schemaVersion(db: LakeDatabase): number {
  const found = db.get(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'lake_meta'",
  );
  if (found === null) return 0;
  const row = db.get(
    "SELECT CAST(value AS INTEGER) AS version FROM lake_meta WHERE key = 'schema_version'",
  );
  return row === null ? 0 : int(row, "version");
}

/** Brings the schema to the newest version, in the caller's transaction: all steps or none. */
function migrate(db: LakeDatabase, made: { lakeId: string; root: string }, nowMs: number): void {
  const from = schemaVersion(db);
  for (const migration of MIGRATIONS) {
    if (migration.version <= from) continue;
    for (const statement of migration.statements) db.run(statement);
    const meta: Record<string, string> = {
      schema_version: String(migration.version),
      format_version: String(LAKE_FORMAT),
      min_reader: String(migration.minReader),
      min_writer: String(migration.minWriter),
    };
    for (const [key, value] of Object.entries(meta)) {
      db.run("INSERT OR REPLACE INTO lake_meta (key, value) VALUES (?, ?)", key, value);
    }
  }
  const once = { lake_id: made.lakeId, root: made.root, epoch: "0", created_ms: String(nowMs) };
  for (const [key, value] of Object.entries(once)) {
    db.run("INSERT OR IGNORE INTO lake_meta (key, value) VALUES (?, ?)", key, value);
  }
}

function checkReader(meta: ReadonlyMap<string, string>): void {
  const needed = Number(meta.get("min_reader"));
  if (!(needed <= LAKE_FORMAT)) throw newerLake("read", needed);
}

function newerLake(doing: "read" | "write", needed: number): LakeError {
  return new LakeError(
    "unsupported",
    `a newer version upgraded this lake: to ${doing} it, format ${needed} must be understood`,
    {
      hint: `this program understands format ${LAKE_FORMAT}; install the newer one`,
      context: { needed },
      scope: "lake",
    },
  );
}

function noLake(root: string): LakeError {
  return new LakeError("not-found", `there is no lake at ${root}`, {
    hint: "name the folder that holds catalog.db",
  });
}
