/** The ledger in SQLite: rows are written before their batch's commit and count from it on. */

import type { Contract, DriftEvent } from "../../core/ingest/contract.ts";
import type {
  BatchRecord,
  ContractVersion,
  Fix,
  GoneFile,
  Holder,
  KnownFile,
  Ledger,
  LedgerBatch,
  LedgerFile,
  QuarantineEvent,
  Reading,
} from "../../core/ingest/ledger.ts";
import type { RowPlace } from "../../core/ingest/quarantine.ts";
import { HEAD_BYTES } from "../../core/limits.ts";
import {
  contractFromJson,
  contractToJson,
  readingFromJson,
  readingToJson,
} from "./contract-json.ts";
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

const OUTCOMES = ["landed", "quarantined", "duplicate", "replaced", "prefix"] as const;
/** A committed batch that nothing took back. */
const IN_LAKE = "b.commit_number IS NOT NULL AND b.withdrawn_by IS NULL";
/** A batch may hold two pieces of a file, whose rows carry different batches. */
const OF_ITS_ROWS = "(r.lands_as IS NULL OR r.lands_as = coalesce(f.lands_as, f.batch))";
/**
 * The one place that says whether the rows of a file are in its table: its batch is in the lake, and no batch that
 * stands in for the file is. What replaced it may itself be replaced; once withdrawn, it counts no more.
 */
const LIVE = `${IN_LAKE} AND f.outcome <> 'duplicate' AND NOT EXISTS (
  SELECT 1 FROM lake_replaced r JOIN lake_batches s ON s.batch = r.by_batch
  WHERE r.batch = f.batch AND r.file = f.file AND ${OF_ITS_ROWS}
    AND s.commit_number IS NOT NULL AND s.withdrawn_by IS NULL)`;
/** Of a text without a row the only line, as far as it was there, may be the beginning of one. */
const HAS_OR_MAY_HAVE_ROWS = `(f.rows_in > 0 OR json_extract(f.reading, '$.end.byte')
  < json_extract(f.reading, '$.end.size'))`;
/** Their files were recorded with `header: false` once, which nowadays is null where no header can be. */
const NO_HEADERS = "'json', 'parquet', 'avro', 'xlsx'";
/** Files that begin alike are asked for up to this many. */
const ALIKE_MAX = 200;
/** Contracts that are kept as they were read. */
const CONTRACTS_KEPT_MAX = 100;
/** Names bound in one statement; far below SQLite's limit of variables. */
const NAMES_PER_QUERY = 500;

/** A commit took it out for good: what it was counts for nothing that is dropped later. Of a file `f`. */
export const FORGOTTEN = `EXISTS (SELECT 1 FROM lake_replaced r JOIN lake_batches s ON s.batch = r.by_batch
  JOIN lake_commits k ON k.number = s.commit_number
  WHERE r.batch = f.batch AND r.file = f.file AND ${OF_ITS_ROWS}
    AND s.withdrawn_by IS NULL AND k.kind = 'forget')`;

/** One word for the state of a file `f` of a batch `b`. */
export const STATE = `CASE WHEN ${FORGOTTEN} THEN 'forgotten'
  WHEN b.withdrawn_by IS NOT NULL THEN 'withdrawn'
  WHEN f.outcome <> 'duplicate' AND NOT (${LIVE}) THEN 'replaced' ELSE 'live' END`;

/** Files that landed and are in no table any more, by the batch that their rows carried. */
export const GONE_FILES = `SELECT coalesce(f.lands_as, f.batch) AS lands_as, f.file, f.source,
    b.table_name, max(b.withdrawn_by) AS withdrawn_by, max(s.commit_number) AS replaced_by,
    max(${FORGOTTEN}) AS forgotten,
    (SELECT max(v.version) FROM lake_files v WHERE v.batch = max(s.batch) AND v.file = f.file)
      AS version
  FROM lake_files f JOIN lake_batches b USING (batch)
    LEFT JOIN lake_replaced r ON r.batch = f.batch AND r.file = f.file AND ${OF_ITS_ROWS}
    LEFT JOIN lake_batches s ON s.batch = r.by_batch
      AND s.commit_number IS NOT NULL AND s.withdrawn_by IS NULL
  WHERE b.commit_number IS NOT NULL AND f.outcome <> 'duplicate'
  GROUP BY coalesce(f.lands_as, f.batch), f.file HAVING max(${LIVE}) = 0`;

/** The last thing that was done to each row that was set aside, but for what its batch took back with it. */
export const LAST_QUARANTINE_EVENTS = lastEvents("");

/** `where` begins with AND. */
function lastEvents(where: string): string {
  return `SELECT e.* FROM lake_quarantine_events e
    WHERE e.event = (SELECT max(l.event) FROM lake_quarantine_events l
      LEFT JOIN lake_batches b ON b.batch = l.batch
      WHERE l.id = e.id AND (l.batch = '' OR ${IN_LAKE}))${where} ORDER BY e.event`;
}

export class SqliteLedger implements Ledger {
  readonly #store: LakeStore;
  readonly #contractByText = new Map<string, Contract>();

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
      db.run("DELETE FROM lake_replaced WHERE by_batch = ?", batch);
      this.#insertBatch(record.batch);
      for (const [ordinal, file] of record.files.entries()) this.#insertFile(ordinal, file);
      if (record.contract !== null) this.#insertContract(batch, record.contract);
      for (const [ordinal, event] of record.drift.entries()) {
        this.#insertDrift(batch, ordinal, event);
      }
      const replaced = `INSERT INTO lake_replaced (batch, file, by_batch, lands_as)
        VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`;
      for (const one of record.replaces)
        db.run(replaced, one.batch, one.file, batch, one.landsAs ?? null);
    });
  }

  async known(source: string, files: readonly string[]): Promise<ReadonlyMap<string, KnownFile>> {
    return this.#latestOf(source, files, toKnown);
  }

  async latest(source: string, files: readonly string[]): Promise<ReadonlyMap<string, LedgerFile>> {
    return this.#latestOf(source, files, toFile);
  }

  async shortSizes(source: string): Promise<readonly number[]> {
    // A packed text counts as it is unpacked; packing makes the shortest ones longer.
    const sql = `SELECT DISTINCT coalesce(json_extract(reading, '$.end.size'), size_bytes) AS size
      FROM lake_files
      WHERE source = ? AND head IS NOT NULL AND size_bytes BETWEEN 1 AND ${2 * HEAD_BYTES}`;
    const rows = await this.#store.look(() => this.#store.db.all(sql, source));
    return rows.map((row) => int(row, "size")).filter((size) => size > 0 && size < HEAD_BYTES);
  }

  async withHead(source: string, heads: readonly string[], sizeMax: number) {
    const found: LedgerFile[] = [];
    for (let start = 0; start < heads.length; start += NAMES_PER_QUERY) {
      const part = heads.slice(start, start + NAMES_PER_QUERY);
      const marks = part.map(() => "?").join(", ");
      const sql = `SELECT f.* FROM lake_files f JOIN lake_batches b USING (batch) WHERE f.source = ?
        AND f.head IN (${marks}) AND f.outcome = 'landed' AND ${HAS_OR_MAY_HAVE_ROWS} AND +f.size_bytes <= ?
        AND ${LIVE} ORDER BY +f.size_bytes DESC, b.commit_number DESC LIMIT ${ALIKE_MAX}`;
      const rows = await this.#store.look(() => this.#store.db.all(sql, source, ...part, sizeMax));
      found.push(...rows.map(toFile));
    }
    return found;
  }

  async setAside(source: string): Promise<readonly LedgerFile[]> {
    const sql = `SELECT f.* FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE f.source = ? AND f.outcome = 'quarantined' AND ${LIVE}
      ORDER BY b.commit_number DESC, f.ordinal LIMIT ${ALIKE_MAX}`;
    const rows = await this.#store.look(() => this.#store.db.all(sql, source));
    return rows.map(toFile);
  }

  async #latestOf<T>(
    source: string,
    files: readonly string[],
    read: (row: Row) => T,
  ): Promise<ReadonlyMap<string, T>> {
    const found = new Map<string, T>();
    for (let start = 0; start < files.length; start += NAMES_PER_QUERY) {
      const names = files.slice(start, start + NAMES_PER_QUERY);
      const marks = names.map(() => "?").join(", ");
      // Of a name, later commits come later and replace earlier ones in the map; so does what was not withdrawn.
      const sql = `SELECT f.*, ${FORGOTTEN} AS forgotten
        FROM lake_files f JOIN lake_batches b USING (batch)
        WHERE f.source = ? AND f.file IN (${marks}) AND b.commit_number IS NOT NULL
        ORDER BY f.version, b.withdrawn_by IS NULL, b.commit_number, f.ordinal`;
      const rows = await this.#store.look(() => this.#store.db.all(sql, source, ...names));
      for (const row of rows) found.set(text(row, "file"), read(row));
    }
    return found;
  }

  async holders(source: string, sha256: string): Promise<readonly Holder[]> {
    // Of a withdrawn batch nothing is in the table: its bytes may land again under a new name.
    const sql = `SELECT f.file, max(${LIVE}) AS live, min(f.outcome = 'quarantined') AS aside
      FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE f.source = ? AND f.sha256 = ? AND f.outcome <> 'duplicate' AND ${IN_LAKE}
        AND NOT ${FORGOTTEN} GROUP BY +f.file ORDER BY min(b.commit_number), min(f.ordinal)`;
    const rows = await this.#store.look(() => this.#store.db.all(sql, source, sha256));
    return rows.map((row) => ({
      file: text(row, "file"),
      replaced: int(row, "live") === 0,
      aside: int(row, "aside") === 1,
    }));
  }

  async batches(filter: {
    readonly source?: string;
    readonly table?: string;
  }): Promise<readonly LedgerBatch[]> {
    const where = conditions({ source: filter.source, table_name: filter.table });
    const sql = `SELECT * FROM lake_batches WHERE commit_number IS NOT NULL${where.sql}
      ORDER BY commit_number, batch`;
    const rows = await this.#store.look(() => this.#store.db.all(sql, ...where.values));
    return rows.map(toBatch);
  }

  async batch(id: string): Promise<LedgerBatch | null> {
    const sql = "SELECT * FROM lake_batches WHERE batch = ?";
    const row = await this.#store.look(() => this.#store.db.get(sql, id));
    return row === null ? null : toBatch(row);
  }

  async files(filter: {
    readonly source?: string;
    readonly batch?: string;
    readonly file?: string;
    readonly names?: readonly string[];
    readonly sha256s?: readonly string[];
    readonly live?: boolean;
  }): Promise<readonly LedgerFile[]> {
    const { names, sha256s, ...others } = filter;
    const values = names ?? sha256s;
    if (values === undefined) return await this.#filesOf(filter, null);
    const column = names === undefined ? "f.sha256" : "f.file";
    const found: LedgerFile[] = [];
    for (const part of inParts(values)) {
      found.push(...(await this.#filesOf(others, { column, values: part })));
    }
    return found;
  }

  async #filesOf(
    filter: Omit<Parameters<Ledger["files"]>[0], "names" | "sha256s">,
    among: { readonly column: string; readonly values: readonly string[] } | null,
  ): Promise<LedgerFile[]> {
    const where = conditions({
      "f.source": filter.source,
      "f.batch": filter.batch,
      "f.file": filter.file,
    });
    const live = filter.live === true ? LIVE : "b.commit_number IS NOT NULL";
    const named = among === null ? "" : ` AND ${among.column} IN (${marks(among.values)})`;
    const sql = `SELECT f.* FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE ${live}${where.sql}${named} ORDER BY b.commit_number, f.batch, f.ordinal`;
    const values = [...where.values, ...(among?.values ?? [])];
    const rows = await this.#store.look(() => this.#store.db.all(sql, ...values));
    return rows.map(toFile);
  }

  async sourcesOf(batches: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { db } = this.#store;
    const rows = await this.#store.look(() =>
      inParts(batches).flatMap((part) =>
        db.all(`SELECT batch, source FROM lake_batches WHERE batch IN (${marks(part)})`, ...part),
      ),
    );
    return new Map(rows.map((row) => [text(row, "batch"), text(row, "source")]));
  }

  async sources() {
    const sql = `SELECT DISTINCT source, table_name FROM lake_batches
      WHERE commit_number IS NOT NULL ORDER BY source, table_name`;
    const rows = await this.#store.look(() => this.#store.db.all(sql));
    return rows.map((row) => ({ source: text(row, "source"), table: text(row, "table_name") }));
  }

  async readings(source: string) {
    const sql = `SELECT DISTINCT f.contract_version,
        coalesce(json_extract(f.reading, '$.dialect.format') IN (${NO_HEADERS})
          OR json_extract(f.reading, '$.dialect.header'), 1) AS has_names
      FROM lake_files f JOIN lake_batches b USING (batch)
      WHERE f.source = ? AND f.contract_version IS NOT NULL AND ${LIVE}`;
    const rows = await this.#store.look(() => this.#store.db.all(sql, source));
    return rows.map((row) => ({
      contractVersion: int(row, "contract_version"),
      hasNames: int(row, "has_names") !== 0,
    }));
  }

  async totals(source: string) {
    const sql = `SELECT coalesce(sum(f.rows_landed), 0) AS landed,
        coalesce(sum(f.rows_quarantined), 0) AS quarantined
      FROM lake_files f JOIN lake_batches b USING (batch) WHERE f.source = ? AND ${LIVE}`;
    const row = await this.#store.look(() => this.#store.db.get(sql, source));
    if (row === null) return { rowsLanded: 0, rowsQuarantined: 0 };
    return { rowsLanded: int(row, "landed"), rowsQuarantined: int(row, "quarantined") };
  }

  async pace(source: string, sinceMs: number) {
    const sql = `SELECT max(started_ms) AS last, min(iif(started_ms > ?, started_ms, NULL)) AS first,
          coalesce(sum(iif(started_ms > ?, rows_landed, 0)), 0) AS landed
        FROM lake_batches WHERE source = ? AND commit_number IS NOT NULL AND withdrawn_by IS NULL`;
    const row = await this.#store.look(() => this.#store.db.get(sql, sinceMs, sinceMs, source));
    if (row === null) return { lastMs: null, firstMs: null, rows: 0 };
    const [lastMs, firstMs] = [intOrNull(row, "last"), intOrNull(row, "first")];
    return { lastMs, firstMs, rows: int(row, "landed") };
  }

  async gone(): Promise<readonly GoneFile[]> {
    const rows = await this.#store.look(() => this.#store.db.all(GONE_FILES));
    return rows.map((row): GoneFile => {
      const replacedBy = longOrNull(row, "replaced_by");
      const isForgotten = int(row, "forgotten") !== 0;
      const shared = {
        batch: text(row, "lands_as"),
        file: text(row, "file"),
        source: text(row, "source"),
      };
      if (replacedBy === null) {
        const commit = longOrNull(row, "withdrawn_by") ?? 0n;
        return { ...shared, how: "withdrawn", commit, version: null };
      }
      if (isForgotten) return { ...shared, how: "forgotten", commit: replacedBy, version: null };
      return { ...shared, how: "replaced", commit: replacedBy, version: intOrNull(row, "version") };
    });
  }

  async contract(source: string, version?: number): Promise<Contract | null> {
    const where = conditions({ "c.source": source, "c.version": version });
    const sql = `SELECT c.contract FROM lake_contracts c JOIN lake_batches b USING (batch)
      WHERE b.commit_number IS NOT NULL${where.sql}
      ORDER BY c.version DESC, b.commit_number DESC LIMIT 1`;
    const row = await this.#store.look(() => this.#store.db.get(sql, ...where.values));
    return row === null ? null : this.#contractOf(text(row, "contract"));
  }

  /** Texts that were read lately: each landing asks for the same. */
  #contractOf(json: string): Contract {
    const known = this.#contractByText.get(json);
    if (known !== undefined) return known;
    if (this.#contractByText.size >= CONTRACTS_KEPT_MAX) this.#contractByText.clear();
    const contract = contractFromJson(json);
    this.#contractByText.set(json, contract);
    return contract;
  }

  async contracts(source: string): Promise<readonly ContractVersion[]> {
    const { contractVersions } = await import("./contract-versions.ts");
    return await contractVersions(this.#store, source);
  }

  async addFixes(fixes: readonly Fix[]): Promise<void> {
    const sql = `INSERT OR REPLACE INTO lake_fixes (id, batch, source, table_name, action, raw,
      created_ms, file_sha256, position, lands_as, file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    await this.#store.write(() => {
      for (const { id, batch, source, table, action, raw, createdMs, place } of fixes) {
        const of = [place?.of?.batch ?? null, place?.of?.file ?? null];
        const at = [place?.sha256 ?? null, place?.position ?? null, ...of];
        this.#store.db.run(sql, id, batch ?? "", source, table, action, raw, createdMs, ...at);
      }
    });
  }

  async fixes(source?: string, batches?: readonly string[]): Promise<readonly Fix[]> {
    const where = conditions({ "x.source": source });
    const of = (part: readonly string[]): string => ` AND x.lands_as IN (${marks(part)})`;
    const counts = `SELECT x.* FROM lake_fixes x LEFT JOIN lake_batches b ON b.batch = x.batch
      WHERE (x.batch = '' OR ${IN_LAKE})${where.sql}`;
    const order = " ORDER BY x.created_ms, x.id";
    const { db } = this.#store;
    const rows = await this.#store.look(() => {
      if (batches === undefined) return db.all(counts + order, ...where.values);
      const found = db.all(`${counts} AND x.lands_as IS NULL${order}`, ...where.values);
      for (const part of inParts(batches)) {
        found.push(...db.all(counts + of(part) + order, ...where.values, ...part));
      }
      return found;
    });
    const lastById = new Map<string, Fix>();
    for (const row of rows) {
      const batch = text(row, "batch");
      const fix: Fix = {
        id: text(row, "id"),
        source: text(row, "source"),
        table: text(row, "table_name"),
        action: oneOf(row, "action", ["replace", "drop"]),
        raw: textOrNull(row, "raw"),
        place: placeOf(row),
        createdMs: int(row, "created_ms"),
        batch: batch === "" ? null : batch,
      };
      lastById.delete(fix.id);
      lastById.set(fix.id, fix);
    }
    return [...lastById.values()];
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

  async quarantineEvents(ids?: readonly string[]): Promise<readonly QuarantineEvent[]> {
    const { db } = this.#store;
    const rows = await this.#store.look(() => {
      if (ids === undefined) return db.all(LAST_QUARANTINE_EVENTS);
      return inParts(ids).flatMap((part) =>
        db.all(lastEvents(` AND e.id IN (${marks(part)})`), ...part),
      );
    });
    return rows.map((row) => ({
      id: text(row, "id"),
      status: oneOf(row, "status", ["open", "fixed", "dropped", "superseded"]),
      timeMs: int(row, "time_ms"),
      batch: text(row, "batch"),
      note: textOrNull(row, "note"),
    }));
  }

  async renameSource(from: string, to: string): Promise<void> {
    const { renameSource } = await import("./rename.ts");
    await renameSource(this.#store, from, to);
  }

  async renameStream(from: string, to: string): Promise<void> {
    const { renameStream } = await import("./rename.ts");
    await renameStream(this.#store, from, to);
  }

  async strike(sha256: string, delta: number): Promise<number> {
    const { countStrikes } = await import("./strikes.ts");
    return await countStrikes(this.#store, sha256, delta);
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
        rows_quarantined, rows_duplicate, contract_version, lands_as, reading, changed_ns, head)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      file.landsAs,
      file.reading === null ? null : readingToJson(file.reading),
      file.changedNs ?? null,
      file.head ?? null,
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

function placeOf(row: Row): RowPlace | null {
  const sha256 = textOrNull(row, "file_sha256");
  const position = textOrNull(row, "position");
  if (sha256 === null || position === null) return null;
  const [batch, file] = [textOrNull(row, "lands_as"), textOrNull(row, "file")];
  return { sha256, position, of: batch === null || file === null ? null : { batch, file } };
}

/** As many as one statement binds, each once. */
function inParts(names: readonly string[]): readonly (readonly string[])[] {
  const all = [...new Set(names)];
  const count = Math.ceil(all.length / NAMES_PER_QUERY);
  return Array.from({ length: count }, (_, at) =>
    all.slice(at * NAMES_PER_QUERY, (at + 1) * NAMES_PER_QUERY),
  );
}

function marks(names: readonly string[]): string {
  return names.map(() => "?").join(", ");
}

/** ` AND column = ?` for each value that is there; the columns are written here, never given. */
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
    changedNs: longOrNull(row, "changed_ns"),
    outcome: oneOf(row, "outcome", OUTCOMES),
  };
}

function toFile(row: Row): LedgerFile {
  return {
    ...toKnown(row),
    ...(row.forgotten === 1n || row.forgotten === 1 ? { forgotten: true } : {}),
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
    head: textOrNull(row, "head"),
    landsAs: textOrNull(row, "lands_as") ?? text(row, "batch"),
    reading: readingOf(row),
  };
}

function readingOf(row: Row): Reading | null {
  const json = textOrNull(row, "reading");
  return json === null ? null : readingFromJson(json);
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
