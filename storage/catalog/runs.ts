/** Runs and model versions in SQLite. */

import { LakeError } from "../../core/base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  parseJson,
  stringifyJson,
} from "../../core/base/json.ts";
import type { Tick } from "../../core/model/cadence.ts";
import type {
  PublishedRun,
  RunInput,
  RunRecord,
  RunStore,
  TestOutcome,
} from "../../core/model/run-store.ts";
import type { TableName } from "../../core/table/types.ts";
import { int, text } from "./database.ts";
import type { LakeStore } from "./lake-store.ts";

/** Of each model so many times are kept at which nothing was new or nothing ran: once a second, they are no end. */
const TICKS_KEPT = 10_000;
const TICKS_PER_LOOK = 100;

export class SqliteRunStore implements RunStore {
  readonly #store: LakeStore;
  readonly #nowMs: () => number;
  #ticks = 0;

  constructor(store: LakeStore, nowMs: () => number) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  async record(run: RunRecord): Promise<void> {
    await this.#store.write(() => insertRun(this.#store, run, null));
  }

  async list(filter: Parameters<RunStore["list"]>[0]): Promise<readonly RunRecord[]> {
    const terms = [
      ...(filter.model === undefined ? [] : [{ sql: "model = ?", value: filter.model }]),
      ...(filter.status === undefined ? [] : [{ sql: "status = ?", value: filter.status }]),
    ];
    const where = terms.length === 0 ? "" : `WHERE ${terms.map((term) => term.sql).join(" AND ")}`;
    const sql = `SELECT record FROM lake_runs ${where} ORDER BY ended_ms DESC, run DESC LIMIT ?`;
    const values = [...terms.map((term) => term.value), filter.limit];
    const rows = await this.#store.read(() => this.#store.db.all(sql, ...values));
    return rows.map((row) => runFromJson(text(row, "record")));
  }

  async named(beginning: string): Promise<readonly RunRecord[]> {
    const sql = "SELECT record FROM lake_runs WHERE substr(run, 1, length(?1)) = ?1 LIMIT 3";
    const rows = await this.#store.read(() => this.#store.db.all(sql, beginning));
    return rows.map((row) => runFromJson(text(row, "record")));
  }

  async published(run: string): Promise<bigint | null> {
    const sql = "SELECT commit_number FROM lake_runs WHERE run = ?";
    const row = await this.#store.read(() => this.#store.db.get(sql, run));
    return row === null || row.commit_number === null ? null : BigInt(int(row, "commit_number"));
  }

  async publishedSince(commit: bigint): Promise<readonly PublishedRun[]> {
    const sql = `SELECT commit_number, record FROM lake_runs WHERE commit_number >= ?
      ORDER BY commit_number, ended_ms, run`;
    const rows = await this.#store.read(() => this.#store.db.all(sql, commit));
    return rows.map((row) => ({
      commit: BigInt(int(row, "commit_number")),
      run: runFromJson(text(row, "record")),
    }));
  }

  async latest(): Promise<ReadonlyMap<TableName, RunRecord>> {
    // One index step a model: a recursive walk over distinct models, then the last run of each.
    const sql = `WITH RECURSIVE models(model) AS (
        SELECT min(model) FROM lake_runs
        UNION ALL SELECT (SELECT min(model) FROM lake_runs WHERE model > models.model)
        FROM models WHERE models.model IS NOT NULL)
      SELECT (SELECT record FROM lake_runs r WHERE r.model = models.model
        ORDER BY ended_ms DESC, run DESC LIMIT 1) AS record
      FROM models WHERE models.model IS NOT NULL`;
    const rows = await this.#store.read(() => this.#store.db.all(sql));
    const runs = rows.map((row) => runFromJson(text(row, "record")));
    return new Map(runs.map((run) => [run.model, run]));
  }

  async recordTick(model: TableName, tick: Tick, nowMs: number): Promise<void> {
    this.#ticks += 1;
    const isToForget = this.#ticks % TICKS_PER_LOOK === 0;
    await this.#store.write(() => {
      insertTick(this.#store, { model, tick, status: "nothing-new", run: null, nowMs });
      if (isToForget) forgetTicks(this.#store, model);
    });
  }

  async lastTicks(): Promise<ReadonlyMap<TableName, number>> {
    const sql = `SELECT model, max(due_ms) AS due_ms FROM lake_intervals
      WHERE status <> 'failed' GROUP BY model`;
    const rows = await this.#store.read(() => this.#store.db.all(sql));
    return new Map(rows.map((row) => [text(row, "model"), int(row, "due_ms")]));
  }

  async keepModel(hash: string, name: TableName, modelText: string): Promise<void> {
    const sql =
      "INSERT OR REPLACE INTO lake_models (hash, name, text, kept_ms) VALUES (?, ?, ?, ?)";
    // Texts of one version differ in words about it alone: the last ones are kept.
    if ((await this.modelText(hash)) === modelText) return;
    await this.#store.write(() => this.#store.db.run(sql, hash, name, modelText, this.#nowMs()));
  }

  async modelText(hash: string): Promise<string | null> {
    const sql = "SELECT text FROM lake_models WHERE hash = ?";
    const row = await this.#store.read(() => this.#store.db.get(sql, hash));
    return row === null ? null : text(row, "text");
  }
}

/** Inserts a run, in the caller's transaction; `commit` is null when it published nothing. */
export function insertRun(store: LakeStore, run: RunRecord, commit: bigint | null): void {
  store.db.run(
    `INSERT OR REPLACE INTO lake_runs
      (run, model, commit_number, status, started_ms, ended_ms, record) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    run.run,
    run.model,
    commit,
    run.status,
    run.startedMs,
    run.endedMs,
    runToJson(run),
  );
  const { tick, model } = run;
  if (tick === undefined) return;
  const status = run.status === "ok" ? "done" : "failed";
  insertTick(store, { model, tick, status, run: run.run, nowMs: run.endedMs });
}

interface TickRow {
  readonly model: TableName;
  readonly tick: Tick;
  readonly status: "done" | "failed" | "nothing-new";
  readonly run: string | null;
  readonly nowMs: number;
}

/** In the caller's transaction. What failed is done once it ran after all; what was missed stays so. */
function insertTick(store: LakeStore, { model, tick, status, run, nowMs }: TickRow): void {
  const insert = (how: string, dueMs: number, ...values: (string | number | null)[]): void => {
    const sql = `INSERT OR ${how} INTO lake_intervals (model, due_ms, status, run, ended_ms)
      VALUES (?, ?, ?, ?, ?)`;
    store.db.run(sql, model, dueMs, ...values);
  };
  for (const missedMs of tick.missedMs) insert("IGNORE", missedMs, "missed", null, null);
  insert("REPLACE", tick.dueMs, status, run, nowMs);
}

/** What ran is kept, as runs are. */
function forgetTicks(store: LakeStore, model: TableName): void {
  store.db.run(
    `DELETE FROM lake_intervals WHERE model = ? AND run IS NULL AND due_ms <= (
      SELECT due_ms FROM lake_intervals WHERE model = ? ORDER BY due_ms DESC LIMIT 1 OFFSET ${TICKS_KEPT})`,
    model,
    model,
  );
}

function runToJson(run: RunRecord): string {
  const inputs = run.inputs.map(
    ({ table, uuid, from, to, corrections }): JsonObject => ({
      ...{ table, uuid, from, to },
      ...(corrections === undefined ? {} : { corrections }),
    }),
  );
  const tests = run.tests.map(({ name, status, rows, action }) => ({ name, status, rows, action }));
  const { tick, ...record } = run;
  const due = tick === undefined ? {} : { dueMs: tick.dueMs };
  return stringifyJson({ ...record, ...due, inputs, tests });
}

function runFromJson(record: string): RunRecord {
  const json = parseJson(record);
  if (!isJsonObject(json)) throw broken("record");
  return {
    run: str(json, "run"),
    model: str(json, "model"),
    modelHash: str(json, "modelHash"),
    mode: pick(json, "mode", ["incremental", "full", "replay", "land"]),
    reason: str(json, "reason"),
    inputs: items(json, "inputs").map(
      (input): RunInput => ({
        table: str(input, "table"),
        uuid: str(input, "uuid"),
        from: bigOrNull(input, "from"),
        to: bigOrNull(input, "to"),
        ...(Array.isArray(input.corrections) ? { corrections: input.corrections.map(String) } : {}),
      }),
    ),
    ...variablesOf(json.variables),
    ...(json.dueMs === undefined
      ? {}
      : { tick: { dueMs: Number(big(json, "dueMs")), missedMs: [] } }),
    runTimeMs: Number(big(json, "runTimeMs")),
    timezone: str(json, "timezone"),
    engine: str(json, "engine"),
    startedMs: Number(big(json, "startedMs")),
    endedMs: Number(big(json, "endedMs")),
    status: pick(json, "status", ["ok", "failed"]),
    error: json.error === null || json.error === undefined ? null : str(json, "error"),
    rowsIn: big(json, "rowsIn"),
    rowsWritten: big(json, "rowsWritten"),
    rowsQuarantined: big(json, "rowsQuarantined"),
    rowsDropped: big(json, "rowsDropped"),
    tests: items(json, "tests").map(
      (test): TestOutcome => ({
        name: str(test, "name"),
        status: pick(test, "status", ["pass", "warn", "fail"]),
        rows: big(test, "rows"),
        action: pick(test, "action", ["warn", "drop", "quarantine", "fail"]),
      }),
    ),
  };
}

function variablesOf(json: Json | undefined): Pick<RunRecord, "variables"> {
  if (!isJsonObject(json)) return {};
  const texts = Object.entries(json).map(([name, sql]) => [name, String(sql)] as const);
  return { variables: Object.fromEntries(texts) };
}

function str(json: JsonObject, key: string): string {
  const value = json[key];
  if (typeof value !== "string") throw broken(key);
  return value;
}

function big(json: JsonObject, key: string): bigint {
  const value = bigOrNull(json, key);
  if (value === null) throw broken(key);
  return value;
}

function bigOrNull(json: JsonObject, key: string): bigint | null {
  const value = json[key];
  if (value === null || typeof value === "bigint") return value;
  if (typeof value !== "number") throw broken(key);
  return BigInt(Math.trunc(value));
}

function pick<T extends string>(json: JsonObject, key: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === json[key]);
  if (found === undefined) throw broken(key);
  return found;
}

function items(json: JsonObject, key: string): readonly JsonObject[] {
  const value = json[key];
  if (!Array.isArray(value)) throw broken(key);
  return value.filter((item: Json) => isJsonObject(item));
}

function broken(key: string): LakeError {
  return new LakeError("corrupt", `the catalog holds a run whose ${key} cannot be read`, {
    hint: "restore catalog.db from a copy, or use the version that wrote it",
  });
}
