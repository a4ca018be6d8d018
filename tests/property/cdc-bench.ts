/** A change feed model over one bronze table, run as the engine runs it: batches land, runs take what is new. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { MaterializeRequest } from "../../core/engine.ts";
import type { FullLoads } from "../../core/model/feed.ts";
import { type Cdc, cdcColumns, eventSchema } from "../../core/model/feed.ts";
import { freshSchema } from "../../core/table/evolution.ts";
import { PROVENANCE_COLUMNS } from "../../core/table/system-columns.ts";
import type { DataFile, Scan, ScanFile, Schema } from "../../core/table/types.ts";
import { ALL_HIDDEN, scanSql } from "../../sql/bind/scan.ts";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { materialize } from "../../sql/materialize/materialize.ts";
import { Bench, scanBinding, scanFile, scanOf, schemaOf } from "../support/lake-scan.ts";
import { REJECTS } from "../support/model-bench.ts";
import type { Change, Version } from "./cdc-oracle.ts";

const FEED = {
  id: "long",
  op: "string",
  s1: "int",
  s2: "long",
  v: "string",
  w: "int",
} as const;
const BRONZE = schemaOf({
  ...FEED,
  _source: "string",
  _source_file: "string",
  _batch: "string",
  _ingested_at: "timestamptz",
});
const KEY = ["id"];
/** Places of one drop. */
const PLACES_MAX = 10_000;
const RETRIED_FROM = 5_000;

export interface FeedRule extends Pick<Cdc, "scd" | "ignoreNullUpdates" | "truncateWhen"> {
  readonly parts: 1 | 2;
  readonly tracked: readonly string[];
  readonly rewrittenRowsMax: number;
  /** Keys are looked up in indexes of the files that are not rewritten. */
  readonly indexed?: boolean;
  /** The files of the feed are said to hold so many rows more, where it is read again. */
  readonly saidRows?: bigint;
  /** The rows are full loads: s1 tells them apart, s2 may say when a row changed. */
  readonly loads?: FullLoads;
}

export class FeedBench implements AsyncDisposable {
  readonly #bench: Bench;
  readonly #rule: Cdc;
  readonly #schema: Schema;
  readonly #columns: ReturnType<typeof cdcColumns>;
  #bronze: ScanFile[] = [];
  #pending: ScanFile[] = [];
  #silver: readonly ScanFile[] = [];
  #deletes: readonly DataFile[] = [];
  readonly #rewrittenRowsMax: number;
  readonly #indexed: boolean;
  readonly #saidRows: bigint;
  /** Of the last run: what it opened the engine for, once or again. */
  openings: readonly ("few" | "many")[] = [];
  /** Position delete files that were written. */
  marks = 0;
  #since: readonly string[] | null = null;
  #runs = 0;
  #drops = 0;
  #all: Change[] = [];
  #new: Change[] = [];
  /** Changes that the last run took. */
  due: readonly Change[] = [];
  accounts = { rowsIn: 0n, aside: 0n };

  private constructor(bench: Bench, rule: FeedRule) {
    const {
      parts,
      tracked,
      rewrittenRowsMax,
      indexed = false,
      loads = null,
      saidRows = 0n,
      ...rest
    } = rule;
    this.#saidRows = saidRows;
    this.#indexed = indexed;
    this.#bench = bench;
    this.#rewrittenRowsMax = rewrittenRowsMax;
    this.#rule = {
      ...rest,
      sequenceBy: parts === 1 ? ["s1"] : ["s1", "s2 + 0"],
      deleteWhen: loads === null ? "op = 'd'" : null,
      columns: null,
      except: loads?.updatedAt == null ? ["op", "s1", "s2"] : ["op", "s1"],
      track: rest.scd === 2 ? tracked : null,
      trackExcept: [],
      loads,
    };
    const columns = schemaOf(FEED).fields;
    const part = (name: string, like: string) => ({
      ...columns.filter((column) => column.name === like).map(({ type }) => ({ name, type }))[0],
    });
    const sequence = [part("s1", "s1"), part("part_2", "s2")].slice(0, parts);
    const model = { name: "silver.feed", key: KEY, cdc: this.#rule };
    this.#columns = cdcColumns(
      model,
      columns,
      sequence.flatMap(({ name, type }) => (name && type ? [{ name, type }] : [])),
    );
    this.#schema = freshSchema([...this.#columns.table, ...PROVENANCE_COLUMNS], new Set());
  }

  static async open(rule: FeedRule): Promise<FeedBench> {
    return new FeedBench(await Bench.open(), rule);
  }

  /** Where indexes of keys are. */
  get indexes(): string {
    return join(this.#bench.folder, "keys");
  }

  /** Files that the table has now. */
  get files(): { readonly data: number; readonly marks: number } {
    return { data: this.#silver.length, marks: this.#deletes.length };
  }

  /** Lands a drop; as a retry, its rows take their places in the drop before. Answers them with their places. */
  async land(rows: readonly Omit<Change, "place">[], isRetried: boolean): Promise<Change[]> {
    const base = isRetried ? RETRIED_FROM + this.#drops * 200 : 0;
    const drop = isRetried ? Math.max(1, this.#drops) : ++this.#drops;
    const text = (value: string | null) =>
      value === null ? "NULL" : `'${value.replaceAll("'", "''")}'`;
    const values = rows.map(({ id, op, s1, s2, v, w }) => {
      const numbers = [id, s1, s2, w].map((value) => value ?? "NULL");
      return `(${numbers.join(", ")}, ${text(op)}, ${text(v === null ? null : String(v))})`;
    });
    const sql =
      `SELECT *, 'feed' AS _source, 'drop-${drop}' AS _source_file, 'b${String(drop).padStart(4, "0")}' AS _batch, ` +
      `make_timestamptz(${drop}000000) AS _ingested_at FROM (VALUES ${values.join(", ")}) AS t(id, s1, s2, w, op, v)`;
    const file = await this.#bench.file(BRONZE, sql, { rowOrder: String(base) });
    this.#pending.push(file);
    const placed = rows.map((row, index) => ({ ...row, place: drop * PLACES_MAX + base + index }));
    this.#new.push(...placed);
    return placed;
  }

  /** Runs over what landed since the last run, or over everything. */
  async run(isFull: boolean): Promise<void> {
    const staging = join(this.#bench.folder, `run-${++this.#runs}`);
    await mkdir(staging);
    const all = [...this.#bronze, ...this.#pending];
    const isWhole = isFull || this.#bronze.length === 0;
    const binding = (files: readonly ScanFile[]) =>
      scanBinding("bronze.feed", scanOf("bronze.feed", BRONZE, files));
    const request: MaterializeRequest = {
      run: `run-${this.#runs}`,
      model: "silver.feed",
      sql: "SELECT * FROM bronze.feed",
      bindings: [binding(isWhole ? all : this.#pending)],
      timezone: "UTC",
      runTimeMs: Date.UTC(2026, 10, 20),
      schema: this.#schema,
      spec: { specId: 0, fields: [] },
      expectations: [],
      tests: [],
      testBindings: [],
      driver: { name: "bronze.feed", at: null, offset: null },
      mode: {
        kind: "cdc",
        key: KEY,
        rule: this.#rule,
        events: eventSchema(this.#columns.events, true),
        sequence: this.#columns.sequence,
        target: isWhole ? { ...this.#target(), files: [], deletes: [] } : this.#target(),
        history: isWhole ? null : [binding(all.map((file) => withRows(file, this.#saidRows)))],
        since: isWhole ? null : this.#since,
      },
      rejectSchema: REJECTS,
      rejectTarget: null,
      rewrittenRowsMax: this.#rewrittenRowsMax,
      keyIndexes: this.#indexed ? { folder: this.indexes, lookupRows: 0 } : null,
      staging,
      memoryBytes: 1024 ** 3,
      threads: 2,
    };
    const context = this.#bench.context();
    const openings: ("few" | "many")[] = [];
    const open: typeof context.open = (options) => {
      openings.push(options.isFew === true ? "few" : "many");
      return context.open(options);
    };
    const result = await materialize({ ...context, open }, request);
    this.openings = openings;
    const gone = new Set(result.replaced);
    const kept = isWhole ? [] : this.#silver.filter((file) => !gone.has(file.file.path));
    const marks = isWhole ? [] : this.#deletes.filter((file) => !gone.has(file.path));
    const made = (files: typeof result.data.files, content: DataFile["content"]) =>
      files.map(({ path, rows, sizeBytes }) =>
        scanFile(path, rows, Number(sizeBytes), { content, sequence: BigInt(this.#runs) }),
      );
    this.#silver = [...kept, ...made(result.data.files, "data")];
    const added = made(result.deletes.files, "position-deletes");
    this.#deletes = [...marks, ...added.map(({ file }) => file)];
    this.marks += added.length;
    this.#since = result.sequence;
    this.#all.push(...this.#new);
    this.due = isWhole ? [...this.#all] : this.#new;
    this.accounts = { rowsIn: result.rowsIn, aside: result.rowsQuarantined };
    this.#bronze = all;
    this.#pending = [];
    this.#new = [];
  }

  /** Rows as listings count them: records without position deletes, each of which is to hold for one. */
  get listedRows(): number {
    const sum = (files: readonly DataFile[]) =>
      files.reduce((total, { recordCount }) => total + Number(recordCount), 0);
    return sum(this.#silver.map(({ file }) => file)) - sum(this.#deletes);
  }

  /** Makes the first so many of the table's files one, with their marks folded. */
  async compact(count: number): Promise<void> {
    const target = this.#target();
    const compacted = await this.#bench.compact(target, count, BigInt(++this.#runs));
    this.#silver = compacted.files;
    this.#deletes = compacted.deletes;
  }

  /** The table, every column, ordered. */
  async rows(): Promise<Row[]> {
    return this.#bench.db.rows(`SELECT * FROM (${await this.#scan()}) ORDER BY ALL`);
  }

  /** Rows of a query over the table, which is called `t`. */
  async ask(sql: string): Promise<Row[]> {
    return this.#bench.db.rows(`WITH t AS (${await this.#scan()}) ${sql}`);
  }

  /** The table as the oracle gives it. */
  async versions(): Promise<Version[]> {
    const { scd, sequenceBy } = this.#rule;
    const text = (column: string) =>
      sequenceBy.length === 1
        ? `${column}::VARCHAR`
        : `CASE WHEN ${column} IS NOT NULL THEN ${column}.s1 || '/' || ${column}.part_2 END`;
    const interval =
      scd === 1 ? "NULL AS s, NULL AS e" : `${text("__START_AT")} AS s, ${text("__END_AT")} AS e`;
    const order = scd === 1 ? "id" : "id, __START_AT";
    const values = `id::INT AS id, v, w, ${interval}`;
    const rows = await this.#bench.db.rows(
      `SELECT ${values} FROM (${await this.#scan()}) ORDER BY ${order}`,
    );
    return rows.map((row) => ({
      id: Number(row.id),
      v: row.v === null ? null : String(row.v),
      w: row.w === null ? null : Number(row.w),
      start: row.s === null ? null : String(row.s),
      end: row.e === null ? null : String(row.e),
    }));
  }

  #target(): Scan {
    const scan = scanOf("silver.feed", this.#schema, this.#silver);
    return { ...scan, deletes: this.#deletes };
  }

  async #scan(): Promise<string> {
    return scanSql(this.#bench.db, this.#target(), { hidden: ALL_HIDDEN });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bench[Symbol.asyncDispose]();
  }
}

function withRows(scan: ScanFile, more: bigint): ScanFile {
  const { file } = scan;
  return { ...scan, file: { ...file, recordCount: file.recordCount + more } };
}
