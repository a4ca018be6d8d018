/** The ledger in SQLite: rows are written before their batch's commit and count from it on. */

import type { Contract, DriftEvent } from "../../core/ingest/contract.ts";
import type {
  BatchRecord,
  FileOutcome,
  Fix,
  Holder,
  KnownFile,
  Ledger,
  LedgerBatch,
  LedgerFile,
  QuarantineEvent,
} from "../../core/ingest/ledger.ts";
import type { RowPlace } from "../../core/ingest/quarantine.ts";
import { contractFromJson, contractToJson } from "./contract-json.ts";
import {
  int,
  intOrNull,
  longOrNull,
  oneOf,
  type Row,
  text,
  textOrNull,
  type Value,
} from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

const OUTCOMES: readonly FileOutcome[] = [
  "landed",
  "quarantined",
  "duplicate",
  "replaced",
  "prefix",
];
/** Names bound in one statement; far below SQLite's limit of variables. */
const NAMES_PER_QUERY = 500;

export class SqliteLedger implements Ledger {
  readonly #store: LakeStore;

  constructor(store: LakeStore) {
    this.#store = store;
  }

  async prepare(record: BatchRecord): Promise<void> {
    const { db } = this.#store;
    const { batch } = record.batch;
    await this.#store.write(() => {
      const before = db.get("SELECT commit_number FROM lake_batches WHERE batch = ?", batch);
      // A committed batch is history: an attempt to write it again is one that did not see its commit.
      if (before !== null && longOrNull(before, "commit_number") !== null) return;
      for (const table of ["lake_batches", "lake_files", "lake_contracts", "lake_drift"]) {
        db.run(`DELETE FROM ${table} WHERE batch = ?`, batch);
      }
      this.#insertBatch(record.batch);
      for (const [ordinal, file] of record.files.entries()) this.#insertFile(ordinal, file);
      if (record.contract !== null) this.#insertContract(batch, record.contract);
      for (const [ordinal, event] of record.drift.entries()) {
        this.#insertDrift(batch, ordinal, event);
      }
    });
  }

  async known(source: string, files: readonly string[]): Promise<ReadonlyMap<string, KnownFile>> {
    const found = new Map<string, KnownFile>();
    for (let start = 0; start < files.length; start += NAMES_PER_QUERY) {
      const names = files.slice(start, start + NAMES_PER_QUERY);
      const marks = names.map(() => "?").join(", ");
      // Of a name, later commits come later and replace earlier ones in the map.
      const sql = `SELECT f.* FROM lake_files f JOIN lake_batches b USING (batch)
        WHERE f.source = ? AND f.file IN (${marks}) AND b.commit_number IS NOT NULL
        ORDER BY f.version, b.commit_number, f.ordinal`;
      const rows = await this.#store.read(() => this.#store.db.all(sql, source, ...names));
      for (const row of rows) found.set(text(row, "file"), toKnown(row));
    }
    return found;
  }

  async holders(source: string, sha256: string): Promise<readonly Holder[]> {
    // Of a withdrawn batch nothing is in the table: its bytes may land again under a new name.
    const live = "b.commit_number IS NOT NULL AND b.withdrawn_by IS NULL";
    const sql = `SELECT f.file, EXISTS (
        SELECT 1 FROM lake_files g JOIN lake_batches b USING (batch)
        WHERE g.source = f.source AND g.file = f.file AND g.version > f.version
          AND g.outcome <> 'duplicate' AND ${live}) AS replaced
      FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE f.source = ? AND f.sha256 = ? AND f.outcome <> 'duplicate' AND ${live}
      ORDER BY b.commit_number, f.ordinal`;
    const rows = await this.#store.read(() => this.#store.db.all(sql, source, sha256));
    return rows.map((row) => ({ file: text(row, "file"), replaced: int(row, "replaced") === 1 }));
  }

  async batches(filter: {
    readonly source?: string;
    readonly table?: string;
  }): Promise<readonly LedgerBatch[]> {
    const where = conditions({ source: filter.source, table_name: filter.table });
    const sql = `SELECT * FROM lake_batches WHERE commit_number IS NOT NULL${where.sql}
      ORDER BY commit_number, batch`;
    const rows = await this.#store.read(() => this.#store.db.all(sql, ...where.values));
    return rows.map(toBatch);
  }

  async batch(id: string): Promise<LedgerBatch | null> {
    const sql = "SELECT * FROM lake_batches WHERE batch = ?";
    const row = await this.#store.read(() => this.#store.db.get(sql, id));
    return row === null ? null : toBatch(row);
  }

  async files(filter: {
    readonly source?: string;
    readonly batch?: string;
  }): Promise<readonly LedgerFile[]> {
    const where = conditions({ "f.source": filter.source, "f.batch": filter.batch });
    const sql = `SELECT f.* FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE b.commit_number IS NOT NULL${where.sql} ORDER BY b.commit_number, f.batch, f.ordinal`;
    const rows = await this.#store.read(() => this.#store.db.all(sql, ...where.values));
    return rows.map(toFile);
  }

  async contract(source: string, version?: number): Promise<Contract | null> {
    const where = conditions({ "c.source": source, "c.version": version });
    const sql = `SELECT c.contract FROM lake_contracts c JOIN lake_batches b USING (batch)
      WHERE b.commit_number IS NOT NULL${where.sql}
      ORDER BY c.version DESC, b.commit_number DESC LIMIT 1`;
    const row = await this.#store.read(() => this.#store.db.get(sql, ...where.values));
    return row === null ? null : contractFromJson(text(row, "contract"));
  }

  async addFixes(fixes: readonly Fix[]): Promise<void> {
    const sql = `INSERT OR REPLACE INTO lake_fixes
      (id, source, table_name, action, raw, created_ms, file_sha256, position)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
    await this.#store.write(() => {
      for (const { id, source, table, action, raw, createdMs, place } of fixes) {
        const at = [place?.sha256 ?? null, place?.position ?? null];
        this.#store.db.run(sql, id, source, table, action, raw, createdMs, ...at);
      }
    });
  }

  async fixes(source?: string): Promise<readonly Fix[]> {
    const where = conditions({ source });
    const sql = `SELECT * FROM lake_fixes WHERE true${where.sql} ORDER BY created_ms, id`;
    const rows = await this.#store.read(() => this.#store.db.all(sql, ...where.values));
    return rows.map((row) => ({
      id: text(row, "id"),
      source: text(row, "source"),
      table: text(row, "table_name"),
      action: oneOf(row, "action", ["replace", "drop"]),
      raw: textOrNull(row, "raw"),
      place: placeOf(row),
      createdMs: int(row, "created_ms"),
    }));
  }

  async addQuarantineEvents(events: readonly QuarantineEvent[]): Promise<void> {
    const sql = `INSERT OR IGNORE INTO lake_quarantine_events (id, status, time_ms, batch, note)
      VALUES (?, ?, ?, ?, ?)`;
    await this.#store.write(() => {
      for (const { id, status, timeMs, batch, note } of events) {
        this.#store.db.run(sql, id, status, timeMs, batch, note);
      }
    });
  }

  async quarantineEvents(): Promise<readonly QuarantineEvent[]> {
    const sql = "SELECT * FROM lake_quarantine_events ORDER BY event";
    const rows = await this.#store.read(() => this.#store.db.all(sql));
    return rows.map((row) => ({
      id: text(row, "id"),
      status: oneOf(row, "status", ["open", "fixed", "dropped", "superseded"]),
      timeMs: int(row, "time_ms"),
      batch: text(row, "batch"),
      note: textOrNull(row, "note"),
    }));
  }

  async strike(sha256: string, delta: number): Promise<number> {
    const { db } = this.#store;
    const select = "SELECT count FROM lake_strikes WHERE sha256 = ?";
    const upsert = `INSERT INTO lake_strikes (sha256, count) VALUES (?1, max(0, ?2))
      ON CONFLICT (sha256) DO UPDATE SET count = max(0, count + ?2)`;
    return await this.#store.write(() => {
      db.run(upsert, sha256, Math.trunc(delta));
      db.run("DELETE FROM lake_strikes WHERE sha256 = ? AND count = 0", sha256);
      const row = db.get(select, sha256);
      return row === null ? 0 : int(row, "count");
    });
  }

  #insertBatch(batch: LedgerBatch): void {
    this.#store.db.run(
      `INSERT INTO lake_batches (batch, source, table_name, started_ms, rows_in, rows_landed,
        rows_quarantined, rows_duplicate) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      batch.batch,
      batch.source,
      batch.table,
      batch.startedMs,
      batch.rowsIn,
      batch.rowsLanded,
      batch.rowsQuarantined,
      batch.rowsDuplicate,
    );
  }

  #insertFile(ordinal: number, file: LedgerFile): void {
    this.#store.db.run(
      `INSERT INTO lake_files (batch, ordinal, source, file, version, sha256, size_bytes,
        modified_ms, inode, original, from_byte, outcome, reason, rows_in, rows_landed,
        rows_quarantined, rows_duplicate, contract_version)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      file.batch,
      ordinal,
      file.source,
      file.file,
      file.version,
      file.sha256,
      file.sizeBytes,
      file.modifiedMs,
      file.inode,
      file.original,
      file.fromByte,
      file.outcome,
      file.reason,
      file.rowsIn,
      file.rowsLanded,
      file.rowsQuarantined,
      file.rowsDuplicate,
      file.contractVersion,
    );
  }

  #insertContract(batch: string, contract: Contract): void {
    this.#store.db.run(
      "INSERT INTO lake_contracts (source, version, batch, contract) VALUES (?, ?, ?, ?)",
      contract.source,
      contract.version,
      batch,
      contractToJson(contract),
    );
  }

  #insertDrift(batch: string, ordinal: number, event: DriftEvent): void {
    this.#store.db.run(
      `INSERT INTO lake_drift (batch, ordinal, column_name, change, from_type, to_type, file, message)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      batch,
      ordinal,
      event.column,
      event.change,
      event.from,
      event.to,
      event.file,
      event.message,
    );
  }
}

/** ` AND column = ?` for each value that is there; the columns are written here, never given. */
function placeOf(row: Row): RowPlace | null {
  const sha256 = textOrNull(row, "file_sha256");
  const position = textOrNull(row, "position");
  return sha256 === null || position === null ? null : { sha256, position };
}

function conditions(values: Readonly<Record<string, string | number | undefined>>): {
  readonly sql: string;
  readonly values: readonly Value[];
} {
  const given = Object.entries(values).flatMap(([column, value]) =>
    value === undefined ? [] : [{ column, value }],
  );
  const sql = given.map(({ column }) => ` AND ${column} = ?`).join("");
  return { sql, values: given.map(({ value }) => value) };
}

function toKnown(row: Row): KnownFile {
  return {
    file: text(row, "file"),
    version: int(row, "version"),
    sha256: text(row, "sha256"),
    sizeBytes: int(row, "size_bytes"),
    modifiedMs: int(row, "modified_ms"),
    inode: text(row, "inode"),
    outcome: oneOf(row, "outcome", OUTCOMES),
  };
}

function toFile(row: Row): LedgerFile {
  return {
    ...toKnown(row),
    batch: text(row, "batch"),
    source: text(row, "source"),
    original: textOrNull(row, "original"),
    fromByte: int(row, "from_byte"),
    reason: textOrNull(row, "reason"),
    rowsIn: int(row, "rows_in"),
    rowsLanded: int(row, "rows_landed"),
    rowsQuarantined: int(row, "rows_quarantined"),
    rowsDuplicate: int(row, "rows_duplicate"),
    contractVersion: intOrNull(row, "contract_version"),
  };
}

function toBatch(row: Row): LedgerBatch {
  return {
    batch: text(row, "batch"),
    source: text(row, "source"),
    table: text(row, "table_name"),
    startedMs: int(row, "started_ms"),
    commit: longOrNull(row, "commit_number"),
    withdrawnBy: longOrNull(row, "withdrawn_by"),
    rowsIn: int(row, "rows_in"),
    rowsLanded: int(row, "rows_landed"),
    rowsQuarantined: int(row, "rows_quarantined"),
    rowsDuplicate: int(row, "rows_duplicate"),
  };
}
