/** A model over one bronze table, run as the engine runs it: batches land, deltas merge, files are replaced. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Binding, Materialized, MaterializeRequest, StagedFile } from "../../core/engine.ts";
import { QUARANTINE_COLUMNS } from "../../core/ingest/quarantine.ts";
import type { DataFile, Scan, ScanFile, Schema } from "../../core/table/types.ts";
import { ALL_HIDDEN, scanSql } from "../../sql/bind/scan.ts";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { materialize } from "../../sql/materialize/materialize.ts";
import { Bench, scanBinding, scanFile, scanOf, schemaOf } from "./lake-scan.ts";

export const BRONZE = schemaOf({
  id: "long",
  v: "string",
  ts: "timestamp",
  n: "int",
  _source: "string",
  _source_file: "string",
  _batch: "string",
  _ingested_at: "timestamptz",
});

/** Columns of a model that gives id, v, ts, n, with provenance. */
export const SILVER = schemaOf({
  id: "long",
  v: "string",
  ts: "timestamp",
  n: "int",
  _batch: "string",
  _source_file: "string",
  _row: "long",
  _ingested_at: "timestamptz",
});

export const REJECTS: Schema = {
  schemaId: 0,
  fields: QUARANTINE_COLUMNS.map((column, index) => ({
    ...column,
    id: index + 1,
    required: false,
  })),
};

const DAY_MS = 86_400_000;

export class ModelBench implements AsyncDisposable {
  readonly bench: Bench;
  /** Bronze, batch by batch. */
  readonly bronze: ScanFile[] = [];
  silver: readonly ScanFile[] = [];
  /** Marks of rows that left. */
  #deletes: readonly DataFile[] = [];
  #runs = 0;

  private constructor(bench: Bench) {
    this.bench = bench;
  }

  static async open(): Promise<ModelBench> {
    return new ModelBench(await Bench.open());
  }

  /** Lands a batch: VALUES of (id, v, ts, n), one drop, one instant a day apart. */
  async land(values: string): Promise<void> {
    const batch = this.bronze.length + 1;
    const sql =
      `SELECT id, v, ts::TIMESTAMP AS ts, n, 'orders' AS _source, 'drop-${batch}.csv' AS _source_file, ` +
      `'b${String(batch).padStart(4, "0")}' AS _batch, ` +
      `make_timestamptz(${BigInt(batch * DAY_MS) * 1000n}) AS _ingested_at ` +
      `FROM (VALUES ${values}) t(id, v, ts, n)`;
    this.bronze.push(await this.bench.file(BRONZE, sql, { rowOrder: "0" }));
  }

  /** Runs and publishes, unless the run says stop. */
  async run(options: RunOptions): Promise<Materialized> {
    const staging = join(this.bench.folder, `run-${++this.#runs}`);
    await mkdir(staging);
    const bronze = this.scan("bronze.orders", options.delta ?? this.bronze, BRONZE);
    const target = this.#target(options.schema);
    const request: MaterializeRequest = {
      run: `run-${this.#runs}`,
      model: "silver.orders",
      sql: "SELECT * FROM bronze.orders",
      bindings: [scanBinding("bronze.orders", bronze), ...(options.more ?? [])],
      timezone: "UTC",
      runTimeMs: Date.UTC(2026, 10, 20),
      schema: options.schema ?? SILVER,
      spec: { specId: 0, fields: [] },
      expectations: [],
      tests: [],
      testBindings: [],
      driver: { name: "bronze.orders", at: null, offset: null },
      mode: options.mode?.(target) ?? { kind: "rows" },
      rejectSchema: REJECTS,
      rejectTarget: null,
      rewrittenRowsMax: 100_000,
      keyIndexes: null,
      staging,
      memoryBytes: 1024 ** 3,
      threads: 2,
      ...options.request,
    };
    const result = await materialize(this.bench.context(), request);
    if (result.stop !== null) return result;
    const gone = new Set(result.replaced);
    const kept = this.silver.filter((file) => !gone.has(file.file.path));
    const isWhole = request.mode.kind === "rows" && options.append !== true;
    this.silver = [...(isWhole ? [] : kept), ...result.data.files.map((one) => asScanFile(one))];
    const marks = result.deletes.files.map((one) => asScanFile(one, "position-deletes").file);
    const left = this.#deletes.filter(({ path }) => !gone.has(path));
    this.#deletes = [...(isWhole ? [] : left), ...marks];
    return result;
  }

  /** Makes the first so many files of the model's table one. */
  async compact(count: number): Promise<void> {
    const made = await this.bench.compact(this.#target(), count, 1n);
    this.silver = made.files;
    this.#deletes = made.deletes;
  }

  /** Rows of the model's table, every column, ordered. */
  async rows(schema: Schema = SILVER, columns = "*"): Promise<Row[]> {
    const scan = this.#target(schema);
    const names = new Set(schema.fields.map((field) => field.name));
    const hidden = new Set([...ALL_HIDDEN].filter((name) => names.has(name)));
    const sql = await scanSql(this.bench.db, scan, { hidden });
    return this.bench.db.rows(`SELECT ${columns} FROM (${sql}) ORDER BY ALL`);
  }

  /** What plain SQL gives over all of bronze; `t` has every column, `_row` too. */
  async oneShot(sql: string): Promise<Row[]> {
    const scan = this.scan("bronze.orders", this.bronze, BRONZE);
    const all = await scanSql(this.bench.db, scan, { hidden: ALL_HIDDEN });
    return this.bench.db.rows(`WITH t AS (${all}) SELECT * FROM (${sql}) ORDER BY ALL`);
  }

  async rejects(result: Materialized): Promise<Row[]> {
    const paths = (result.rejects?.files ?? []).map((file) => `'${file.path}'`);
    if (paths.length === 0) return [];
    return this.bench.db.rows(`SELECT * FROM read_parquet([${paths.join(", ")}]) ORDER BY ALL`);
  }

  scan(table: string, files: readonly ScanFile[], schema: Schema): Scan {
    return scanOf(table, schema, files);
  }

  #target(schema: Schema = SILVER): Scan {
    return { ...this.scan("silver.orders", this.silver, schema), deletes: this.#deletes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
  }
}

export interface RunOptions {
  /** Files of the driver to read; all of bronze when absent. */
  readonly delta?: readonly ScanFile[];
  readonly append?: boolean;
  readonly schema?: Schema;
  readonly more?: readonly Binding[];
  readonly mode?: (target: Scan) => MaterializeRequest["mode"];
  readonly request?: Partial<MaterializeRequest>;
}

function asScanFile(file: StagedFile, content: DataFile["content"] = "data"): ScanFile {
  const made = scanFile(file.path, file.rows, Number(file.sizeBytes), { content });
  return { ...made, file: { ...made.file, partition: file.partition } };
}
