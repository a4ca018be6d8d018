/** catalog.db as one lake: its tables and migrations, its identity, and the guard that every write passes. */

import { existsSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import type { Clock, Random } from "../../core/ports.ts";
import { type DatabaseOptions, int, LakeDatabase, text } from "./database.ts";

export interface LakeStoreOptions {
  /** Absolute real path of the lake's root; catalog.db is in it. */
  readonly root: string;
  readonly readonly: boolean;
  readonly busyTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** One step of the schema's history. Never edited once released: a change is a new step. */
export interface Migration {
  readonly version: number;
  /** Format that readers and writers need from here on. */
  readonly minReader: number;
  readonly minWriter: number;
  readonly statements: readonly string[];
}

export const CATALOG_FILE = "catalog.db";

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const WRONG_IN_LOCATIONS = /[#?%\u0000-\u001f\u007f]/;

/** The name under which Iceberg's SQL catalogs find our tables. DESIGN, decision 2. */
export const CATALOG_NAME = "tarn";
/** What this program writes, and the least that a reader and a writer must understand of it. */
export const LAKE_FORMAT = 2;

/**
 * Text and order of columns as Java's JdbcCatalog V1 and PyIceberg's SqlCatalog make them; never a column,
 * index or trigger of ours on these two. iceberg.md 3.1.
 */
const ICEBERG_TABLES = [
  `CREATE TABLE IF NOT EXISTS iceberg_tables(
  catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL,
  table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000),
  previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
  PRIMARY KEY (catalog_name, table_namespace, table_name))`,
  `CREATE TABLE IF NOT EXISTS iceberg_namespace_properties(
  catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL,
  property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL,
  PRIMARY KEY (catalog_name, namespace, property_key))`,
];

/** History of the lake: one row a commit, one row a table of it, and where each table stands now. */
const HISTORY = [
  `CREATE TABLE lake_meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_commits(
  number INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL UNIQUE, attempt TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL, message TEXT NOT NULL) STRICT`,
  `CREATE TABLE lake_commit_tables(
  table_uuid TEXT NOT NULL, commit_number INTEGER NOT NULL, table_name TEXT NOT NULL,
  metadata_location TEXT NOT NULL, snapshot_id INTEGER, parent_id INTEGER,
  sequence_number INTEGER NOT NULL, operation TEXT, added_records INTEGER NOT NULL,
  deleted_records INTEGER NOT NULL, total_records INTEGER NOT NULL,
  PRIMARY KEY (table_uuid, commit_number)) STRICT, WITHOUT ROWID`,
  `CREATE INDEX lake_commit_tables_by_commit ON lake_commit_tables(commit_number)`,
  `CREATE INDEX lake_commit_tables_by_name ON lake_commit_tables(table_name, commit_number)`,
  `CREATE TABLE lake_heads(
  table_name TEXT PRIMARY KEY, table_uuid TEXT NOT NULL, metadata_location TEXT NOT NULL,
  snapshot_id INTEGER, sequence_number INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_facts(
  kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_tags(
  name TEXT PRIMARY KEY, commit_number INTEGER NOT NULL, created_ms INTEGER NOT NULL)
  STRICT, WITHOUT ROWID`,
];

/** The ledger. Rows of a batch are written before its commit and count from it on. */
const LEDGER = [
  `CREATE TABLE lake_batches(
  batch TEXT PRIMARY KEY, source TEXT NOT NULL, table_name TEXT NOT NULL,
  started_ms INTEGER NOT NULL, commit_number INTEGER, withdrawn_by INTEGER,
  rows_in INTEGER NOT NULL, rows_landed INTEGER NOT NULL, rows_quarantined INTEGER NOT NULL,
  rows_duplicate INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE INDEX lake_batches_by_commit ON lake_batches(commit_number)`,
  `CREATE TABLE lake_files(
  batch TEXT NOT NULL, ordinal INTEGER NOT NULL, source TEXT NOT NULL, file TEXT NOT NULL,
  version INTEGER NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL, inode TEXT NOT NULL, original TEXT, from_byte INTEGER NOT NULL,
  outcome TEXT NOT NULL, reason TEXT, rows_in INTEGER NOT NULL, rows_landed INTEGER NOT NULL,
  rows_quarantined INTEGER NOT NULL, rows_duplicate INTEGER NOT NULL, contract_version INTEGER,
  PRIMARY KEY (batch, ordinal)) STRICT, WITHOUT ROWID`,
  `CREATE INDEX lake_files_by_name ON lake_files(source, file, version)`,
  `CREATE INDEX lake_files_by_sha256 ON lake_files(source, sha256)`,
  `CREATE TABLE lake_contracts(
  source TEXT NOT NULL, version INTEGER NOT NULL, batch TEXT NOT NULL, contract TEXT NOT NULL,
  PRIMARY KEY (source, version, batch)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_drift(
  batch TEXT NOT NULL, ordinal INTEGER NOT NULL, column_name TEXT NOT NULL, change TEXT NOT NULL,
  from_type TEXT, to_type TEXT, file TEXT NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY (batch, ordinal)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_fixes(
  id TEXT PRIMARY KEY, source TEXT NOT NULL, table_name TEXT NOT NULL, action TEXT NOT NULL,
  raw TEXT, created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_quarantine_events(
  event INTEGER PRIMARY KEY, id TEXT NOT NULL, status TEXT NOT NULL, time_ms INTEGER NOT NULL,
  batch TEXT NOT NULL, note TEXT, UNIQUE (id, status, batch)) STRICT`,
  `CREATE TABLE lake_strikes(sha256 TEXT PRIMARY KEY, count INTEGER NOT NULL)
  STRICT, WITHOUT ROWID`,
];

/** Runs and model versions, and what keeps files from being unlinked or lets them be. */
const RUNS_AND_FILES = [
  `CREATE TABLE lake_runs(
  run TEXT PRIMARY KEY, model TEXT NOT NULL, commit_number INTEGER, status TEXT NOT NULL,
  started_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL, record TEXT NOT NULL)
  STRICT, WITHOUT ROWID`,
  `CREATE INDEX lake_runs_by_model ON lake_runs(model, ended_ms)`,
  `CREATE INDEX lake_runs_by_end ON lake_runs(ended_ms)`,
  `CREATE TABLE lake_models(
  hash TEXT PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, kept_ms INTEGER NOT NULL)
  STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_read_leases(
  id TEXT PRIMARY KEY, pid INTEGER NOT NULL, process_start TEXT NOT NULL,
  since_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE TABLE lake_unlink(
  location TEXT PRIMARY KEY, kind TEXT NOT NULL, table_uuid TEXT NOT NULL,
  left_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  `CREATE INDEX lake_unlink_by_due ON lake_unlink(due_ms)`,
];

/** Where the row of a fix stands, so that it is found when the row would fit as it is. */
const PLACES_OF_FIXES = [
  "ALTER TABLE lake_fixes ADD COLUMN file_sha256 TEXT",
  "ALTER TABLE lake_fixes ADD COLUMN position TEXT",
];

/** Until format 2 only a landing under `same_name: replace` replaced rows: an overwrite without a wider column. */
const REPLACED_BEFORE = `INSERT OR IGNORE INTO lake_replaced (batch, file, by_batch)
    SELECT f.batch, f.file, g.batch FROM lake_files f
      JOIN lake_batches b ON b.batch = f.batch AND b.commit_number IS NOT NULL
      JOIN lake_files g ON g.source = f.source AND g.file = f.file AND g.version > f.version
        AND g.outcome = 'landed'
      JOIN lake_batches h ON h.batch = g.batch AND h.commit_number IS NOT NULL
      JOIN lake_commit_tables t ON t.commit_number = h.commit_number AND t.table_name = h.table_name
    WHERE f.outcome <> 'duplicate' AND t.operation = 'overwrite'
      AND NOT EXISTS (SELECT 1 FROM lake_drift d WHERE d.batch = g.batch AND d.change = 'widened')`;

/**
 * Which files stand in for which (a later version, a retry, a reread), how each was read, and which batch its rows
 * carry. A fix counts with the batch that landed its row, so a row may have one of each.
 */
const STATE_OF_BATCHES = [
  "ALTER TABLE lake_files ADD COLUMN lands_as TEXT",
  "ALTER TABLE lake_files ADD COLUMN reading TEXT",
  `CREATE TABLE lake_replaced(
  batch TEXT NOT NULL, file TEXT NOT NULL, by_batch TEXT NOT NULL,
  PRIMARY KEY (batch, file, by_batch)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX lake_replaced_by_batch ON lake_replaced(by_batch)",
  "UPDATE lake_files SET lands_as = batch",
  REPLACED_BEFORE,
  `CREATE TABLE lake_fixes_of_batches(
  id TEXT NOT NULL, batch TEXT NOT NULL, source TEXT NOT NULL, table_name TEXT NOT NULL,
  action TEXT NOT NULL, raw TEXT, created_ms INTEGER NOT NULL, file_sha256 TEXT, position TEXT,
  lands_as TEXT, file TEXT, PRIMARY KEY (id, batch)) STRICT, WITHOUT ROWID`,
  `INSERT INTO lake_fixes_of_batches (id, batch, source, table_name, action, raw, created_ms,
      file_sha256, position)
    SELECT id, '', source, table_name, action, raw, created_ms, file_sha256, position
    FROM lake_fixes`,
  "DROP TABLE lake_fixes",
  "ALTER TABLE lake_fixes_of_batches RENAME TO lake_fixes",
];

/** By what a drop is known when its content changed under an old time, or when it goes on under another name. */
const IDENTITY_OF_FILES = [
  "ALTER TABLE lake_files ADD COLUMN changed_ns INTEGER",
  "ALTER TABLE lake_files ADD COLUMN head TEXT",
  "ALTER TABLE lake_replaced ADD COLUMN lands_as TEXT",
  "CREATE INDEX lake_files_by_head ON lake_files(source, head) WHERE head IS NOT NULL",
];

/** A batch may stand in for several pieces of one file, each by itself. */
const REPLACED_PIECES = [
  `CREATE TABLE lake_replaced_pieces(
  batch TEXT NOT NULL, file TEXT NOT NULL, by_batch TEXT NOT NULL, lands_as TEXT,
  UNIQUE (batch, file, by_batch, lands_as)) STRICT`,
  `INSERT INTO lake_replaced_pieces (batch, file, by_batch, lands_as)
    SELECT batch, file, by_batch, lands_as FROM lake_replaced`,
  "DROP TABLE lake_replaced",
  "ALTER TABLE lake_replaced_pieces RENAME TO lake_replaced",
  "CREATE INDEX lake_replaced_by_batch ON lake_replaced(by_batch)",
];

/** What was measured of sources: nothing else depends on it. */
const MEASURES_OF_SOURCES = [
  `CREATE TABLE lake_lags(
  source TEXT PRIMARY KEY, measured_ms INTEGER NOT NULL, bytes INTEGER, rows INTEGER,
  lag_ms INTEGER) STRICT, WITHOUT ROWID`,
];

/** What comparisons with sources found, the last ones of each table: nothing else depends on it. */
const RECONCILIATIONS = [
  `CREATE TABLE lake_reconciliations(
  source TEXT NOT NULL, table_name TEXT NOT NULL, against TEXT NOT NULL, run INTEGER NOT NULL,
  ordinal INTEGER NOT NULL, window TEXT, rows_there INTEGER NOT NULL, rows_here INTEGER NOT NULL,
  differing INTEGER NOT NULL, at_ms INTEGER NOT NULL, position TEXT NOT NULL,
  verified_ms INTEGER, details TEXT NOT NULL,
  PRIMARY KEY (source, table_name, against, run, ordinal)) STRICT, WITHOUT ROWID`,
];

/** A landing asks for the fixes of rows of its batch alone. */
const FIXES_BY_BATCH = ["CREATE INDEX lake_fixes_by_lands_as ON lake_fixes(source, lands_as)"];

/** Originals of forgotten files, and when they may be removed. */
const LEAVING_ORIGINALS = [
  `CREATE TABLE lake_originals_leaving(
  path TEXT PRIMARY KEY, due_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
];

/** Each landing asks for the few files of its source that were set aside whole, and for the few that are short. */
const FEW_FILES = [
  `CREATE INDEX lake_files_aside ON lake_files(source) WHERE outcome = 'quarantined'`,
  "CREATE INDEX lake_files_by_size ON lake_files(source, size_bytes) WHERE head IS NOT NULL",
];

/** Times at which models were due by their cadence, and what came of each. */
const INTERVALS = [
  `CREATE TABLE lake_intervals(
  model TEXT NOT NULL, due_ms INTEGER NOT NULL, status TEXT NOT NULL, run TEXT, ended_ms INTEGER,
  PRIMARY KEY (model, due_ms)) STRICT, WITHOUT ROWID`,
];

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    minReader: 1,
    minWriter: 1,
    statements: [...ICEBERG_TABLES, ...HISTORY, ...LEDGER, ...RUNS_AND_FILES],
  },
  { version: 2, minReader: 1, minWriter: 1, statements: PLACES_OF_FIXES },
  { version: 3, minReader: 1, minWriter: 2, statements: STATE_OF_BATCHES },
  { version: 4, minReader: 1, minWriter: 2, statements: IDENTITY_OF_FILES },
  { version: 5, minReader: 1, minWriter: 2, statements: REPLACED_PIECES },
  { version: 6, minReader: 1, minWriter: 2, statements: MEASURES_OF_SOURCES },
  { version: 7, minReader: 1, minWriter: 2, statements: RECONCILIATIONS },
  { version: 8, minReader: 1, minWriter: 2, statements: FIXES_BY_BATCH },
  { version: 9, minReader: 1, minWriter: 2, statements: LEAVING_ORIGINALS },
  { version: 10, minReader: 1, minWriter: 2, statements: FEW_FILES },
  { version: 11, minReader: 1, minWriter: 2, statements: INTERVALS },
];

/** What lets a reader see a catalog of an older version as one of this: it writes nothing into the lake. */
export function readerStatements(found: number): readonly string[] {
  if (found === 0 || found >= 11) return [];
  const missing = [
    ...(found >= 6 ? [] : MEASURES_OF_SOURCES),
    ...(found >= 7 ? [] : RECONCILIATIONS),
    ...INTERVALS,
  ];
  const measures = missing.map((statement) =>
    statement.replace("CREATE TABLE", "CREATE TEMP TABLE"),
  );
  return [...measures, ...olderStatements(found)];
}

function olderStatements(found: number): readonly string[] {
  // Version 5 differs in what may be written alone.
  if (found >= 4) return [];
  const identity = "NULL AS changed_ns, NULL AS head";
  if (found === 3) {
    return [
      `CREATE TEMP VIEW lake_files AS SELECT *, ${identity} FROM main.lake_files`,
      "CREATE TEMP VIEW lake_replaced AS SELECT *, NULL AS lands_as FROM main.lake_replaced",
    ];
  }
  const places = found < 2 ? ", NULL AS file_sha256, NULL AS position" : "";
  return [
    "CREATE TEMP TABLE lake_replaced(batch TEXT, file TEXT, by_batch TEXT, lands_as TEXT)",
    REPLACED_BEFORE,
    `CREATE TEMP VIEW lake_files AS
      SELECT *, batch AS lands_as, NULL AS reading, ${identity} FROM main.lake_files`,
    `CREATE TEMP VIEW lake_fixes AS
      SELECT *, '' AS batch, NULL AS lands_as, NULL AS file${places} FROM main.lake_fixes`,
  ];
}

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
      // Its own beside the catalog, gone with the connection: a transaction for reading would take it back.
      if (options.readonly) for (const statement of readerStatements(found)) db.run(statement);
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

  /** As LakeDatabase has it. */
  async look<T>(action: () => T): Promise<T> {
    return await this.db.look(action);
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
