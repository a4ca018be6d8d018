/** A lake for the laws: a real catalog and engine, batches written as landing writes them, files compacted. */

import { Analyses, projectGraph } from "../../cmd/lake/models.ts";
import { must } from "../../core/base/assert.ts";
import type { RangeScope, RewriteRequest, Written } from "../../core/engine.ts";
import { runDue } from "../../core/lake.ts";
import type { Gate } from "../../core/model/cadence.ts";
import type { CorrectionFile } from "../../core/model/correction-file.ts";
import type { Model } from "../../core/model/model.ts";
import { type Replayed, replay } from "../../core/model/replay.ts";
import { type RunOutcome, runModel } from "../../core/model/run.ts";
import { compactTable } from "../../core/table/compact.ts";
import { restoreTable } from "../../core/table/restore.ts";
import { ROW_COLUMN, ROW_ORDER_KEY } from "../../core/table/system-columns.ts";
import type {
  DataFile,
  Operation,
  Scan,
  Schema,
  Table,
  TableName,
} from "../../core/table/types.ts";
import { ALL_HIDDEN, scanSql } from "../../sql/bind/scan.ts";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { writeRows } from "../../sql/write/partition.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { rowFiles } from "../../storage/parquet/write.ts";
import { changeOf } from "../sim/lake.ts";
import { SimClock, SimRandom } from "../sim/world.ts";
import { InlineEngine } from "../support/inline-engine.ts";
import { schemaOf } from "../support/lake-scan.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";
import { type Code, lawModels } from "./law-models.ts";

export const ORDERS = "bronze.orders";
export const RATES = "bronze.rates";
const PROVENANCE = {
  _source: "string",
  _source_file: "string",
  _batch: "string",
  _ingested_at: "timestamptz",
};
export const SCHEMAS: Readonly<Record<TableName, Schema>> = {
  [ORDERS]: schemaOf({ id: "long", v: "string", ts: "timestamp", n: "int", ...PROVENANCE }),
  [RATES]: schemaOf({ v: "string", f: "int", ...PROVENANCE }),
};
const PLAIN = { specId: 0, fields: [] };
const SETTINGS = { engineVersion: "test", memoryBytes: 1024 ** 3, threads: 2 };
const MINUTE_MS = 60_000;
/** Two or three of the small files of a law. */
const PART_BYTES = 6_000;

/**
 * Each file rewritten alone; or all in one, in another order, with the places of the rows made real; or as we compact:
 * everything, or a part of it.
 */
export type Compaction = "each" | "whole" | "own" | "part";

export class LawLake implements AsyncDisposable {
  readonly engine: InlineEngine;
  readonly clock = new SimClock();
  /** The project's. */
  zone = "UTC";
  corrections: readonly CorrectionFile[] = [];
  readonly #folder: TempFolder;
  readonly #io: LocalFiles;
  readonly #catalog: LakeCatalog;
  readonly #random: SimRandom;
  readonly #analyses = new Analyses();
  readonly #models: (code: Code) => readonly Model[];

  private constructor(
    parts: { folder: TempFolder; io: LocalFiles; catalog: LakeCatalog; random: SimRandom },
    engine: InlineEngine,
    models: (code: Code) => readonly Model[],
  ) {
    this.#models = models;
    this.#folder = parts.folder;
    this.#io = parts.io;
    this.#catalog = parts.catalog;
    this.#random = parts.random;
    this.engine = engine;
  }

  static async open(models: (code: Code) => readonly Model[] = lawModels): Promise<LawLake> {
    const folder = await tempFolder();
    const random = new SimRandom(1);
    const io = await LocalFiles.open({ root: folder.path, random });
    const clock = new SimClock();
    const catalog = await LakeCatalog.open({ io, clock, random });
    const engine = await InlineEngine.open(folder.path);
    return new LawLake({ folder, io, catalog, random }, engine, models);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#catalog.close();
    await this.engine.close();
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Commits a SELECT of a bronze table's columns as one batch; `overwrite` puts it in the place of all before. */
  async land(name: TableName, sql: string, overwrite = false): Promise<void> {
    const table = await this.#catalog.load(name);
    const schema = table?.schema ?? must(SCHEMAS[name], "a bronze table");
    const footer = { [ROW_ORDER_KEY]: "0" };
    // A table whose places were made real gets files without them, as landing writes them.
    const stored = {
      ...schema,
      fields: schema.fields.filter((one) => one.name !== ROW_COLUMN.name),
    };
    const written = await this.#write(stored, sql, footer);
    const gone = overwrite && table !== null ? await this.#paths(table) : [];
    await this.#publish(name, table, written, {
      schema,
      removed: gone,
      operation: gone.length > 0 ? "overwrite" : "append",
    });
    this.clock.advance(MINUTE_MS);
  }

  /** Rewrites the files of a table and changes no row; false when it has none. */
  async compact(name: TableName, how: Compaction): Promise<boolean> {
    const table = await this.#catalog.load(name);
    if (table === null || table.current === null) return false;
    const scan = await this.#catalog.scan(table, table.current);
    if (scan.files.length === 0) return false;
    const removed = scan.files.map((file) => file.file.path);
    if (how === "own" || how === "part") {
      const nowMs = this.clock.nowMs();
      const rules = { targetBytes: 1024 ** 2, effort: "all", nowMs } as const;
      const bytesMax = how === "own" ? null : 1;
      const few = how === "own" ? rules : { ...rules, targetBytes: PART_BYTES };
      const options = { dryRun: false, bytesMax, filesMax: how === "own" ? null : 3 };
      return (await compactTable(this.#ports(), name, few, SETTINGS, options)).commit !== null;
    }
    if (how === "each") {
      const { schema } = table;
      const written = await this.#rewritten(table, scan, []);
      await this.#publish(name, table, written, { schema, removed, operation: "replace" });
      return true;
    }
    const schema = withRows(table);
    const rows = await scanSql(this.engine.db, scan, { hidden: ALL_HIDDEN });
    const columns = schema.fields.map((field) => `"${field.name}"`).join(", ");
    const written = await this.#write(
      schema,
      `SELECT ${columns} FROM (${rows}) ORDER BY hash(*COLUMNS(*))`,
    );
    await this.#publish(name, table, written, { schema, removed, operation: "replace" });
    return true;
  }

  /** Takes the rows of one file of a batch out, wherever they lie by now; false when there are none. */
  async forget(name: TableName, batch: string, file: string): Promise<boolean> {
    const table = must(await this.#catalog.load(name), name);
    const scan = await this.#catalog.scan(table, table.current);
    const written = await this.#rewritten(table, scan, [{ batch, file }]);
    const { replaced: removed } = written;
    if (removed.length === 0) return false;
    const { schema } = table;
    await this.#publish(name, table, written, { schema, removed, operation: "overwrite" });
    this.clock.advance(MINUTE_MS);
    return true;
  }

  /** The snapshot that a table is at; null when it has none. */
  async head(name: TableName): Promise<bigint | null> {
    return (await this.#catalog.load(name))?.current?.snapshotId ?? null;
  }

  /** Puts a table back to one of its snapshots. */
  async restore(name: TableName, snapshotId: bigint): Promise<void> {
    const ports = { catalog: this.#catalog, random: this.#random };
    await restoreTable(ports, name, { kind: "version", value: snapshotId.toString() });
    this.clock.advance(MINUTE_MS);
  }

  /** Deletes rows as other writers may: by equal values of one column, a SELECT of it, in a file of its own. */
  async deleteEqual(name: TableName, column: string, sql: string): Promise<void> {
    const table = must(await this.#catalog.load(name), name);
    const field = must(
      table.schema.fields.find((one) => one.name === column),
      column,
    );
    const { uuid, spec } = table;
    const schema = { ...table.schema, fields: [field] };
    const written = await this.#write(schema, sql);
    const adopted = await this.#catalog.adopt({ name, uuid, schema, spec }, written.files);
    const added = adopted.map((file): DataFile => {
      return { ...file, content: "equality-deletes", equalityIds: [field.id] };
    });
    const base = table.current?.snapshotId ?? null;
    const change = { schema: null, operation: "delete", added, removed: [], summary: {} } as const;
    const own = { table: name, uuid, create: null, base, ...change };
    const result = await this.#catalog.commit(changeOf([own], { kind: "land" }));
    if (result.kind !== "committed") throw new Error(`${name}: ${result.kind}`);
    this.clock.advance(MINUTE_MS);
  }

  /** Builds what is due; null selects all. Throws when a model fails. */
  async build(
    code: Code,
    select: ReadonlySet<TableName> | null,
    repair = false,
  ): Promise<RunOutcome[]> {
    const graph = await this.#graph(code);
    const signal = new AbortController().signal;
    const options = { select, full: false, repair, signal, onEvent: () => {} };
    const settings = { ...SETTINGS, timezone: this.zone };
    const outcomes = await runDue(this.#ports(), graph, settings, options);
    this.clock.advance(MINUTE_MS);
    const failed = outcomes.find((outcome) => outcome.kind === "failed");
    if (failed?.kind === "failed") throw new Error(`${failed.model}: ${failed.reason}`);
    return outcomes;
  }

  /** A look at one model under what its cadence says. */
  async look(name: TableName, gate: Gate): Promise<RunOutcome> {
    const { names, nodes } = await this.#graph(1);
    const node = must(
      nodes.find(({ model }) => model.name === name),
      name,
    );
    const settings = { ...SETTINGS, timezone: this.zone };
    return runModel(this.#ports(), names, node, settings, { full: false, gate });
  }

  async replay(
    code: Code,
    select: ReadonlySet<TableName>,
    scope: RangeScope | null,
  ): Promise<Replayed> {
    const graph = await this.#graph(code);
    const nodes = graph.nodes.filter((node) => select.has(node.model.name));
    const options = {
      scope,
      atMs: null,
      promote: false,
      dryRun: false,
      why: "a law",
      sampleRows: 3,
    };
    const settings = { ...SETTINGS, timezone: this.zone };
    const replayed = await replay(this.#ports(), graph.names, nodes, settings, options);
    this.clock.advance(MINUTE_MS);
    return replayed;
  }

  /** What a query gives over tables of the lake as they are, each called as it is in the lake; by a SELECT over `t`. */
  async ask(sql: string, names: readonly TableName[], select: string): Promise<Row[]> {
    const parts: string[] = [];
    let asked = sql;
    for (const [index, name] of names.entries()) {
      const table = must(await this.#catalog.load(name), name);
      const scan = await this.#catalog.scan(table, table.current);
      const rows = await scanSql(this.engine.db, scan, { hidden: ALL_HIDDEN });
      parts.push(`law_${index} AS (${rows})`);
      asked = asked.replaceAll(name, `law_${index}`);
    }
    parts.push(`t AS (${asked})`);
    return this.engine.db.rows(`WITH ${parts.join(", ")} SELECT * FROM (${select}) ORDER BY ALL`);
  }

  /** The rows of a table, by a SELECT over `t`; none when there is no such table. */
  async rows(name: TableName, select: string): Promise<Row[]> {
    const table = await this.#catalog.load(name);
    if (table === null) return [];
    const scan = await this.#catalog.scan(table, table.current);
    const sql = await scanSql(this.engine.db, scan, { hidden: ALL_HIDDEN });
    return this.engine.db.rows(`WITH t AS (${sql}) SELECT * FROM (${select}) ORDER BY ALL`);
  }

  async #graph(code: Code) {
    const answer = await projectGraph(this.engine, this.#analyses, {
      models: this.#models(code),
      sources: new Map([
        [ORDERS, "orders"],
        [RATES, "rates"],
      ]),
      tables: (await this.#catalog.tables()).map((head) => head.name),
      corrections: this.corrections,
    });
    if (answer.kind === "invalid") throw answer.errors[0];
    return answer.graph;
  }

  #ports() {
    const { engine, clock } = this;
    return { io: this.#io, catalog: this.#catalog, engine, rowFiles, clock, random: this.#random };
  }

  async #write(schema: Schema, sql: string, footer: Record<string, string> = {}): Promise<Written> {
    const folder = await this.#io.stagingFolder(this.#random.uuid());
    const target = { schema, spec: PLAIN, folder, name: "rows", footer };
    return writeRows(this.engine.db, sql, target);
  }

  async #rewritten({ schema, spec }: Table, scan: Scan, without: RewriteRequest["without"]) {
    const staging = await this.#io.stagingFolder(this.#random.uuid());
    const paths = scan.files.map(({ file }) => file.path);
    const how = {
      casts: {},
      fileColumn: "_source_file",
      memoryBytes: 1024 ** 3,
      threads: 2,
    } as const;
    return await this.engine.rewrite({ scan, paths, schema, spec, staging, without, ...how });
  }

  async #paths(table: Table): Promise<string[]> {
    const { files } = await this.#catalog.scan(table, table.current);
    return files.map((file) => file.file.path);
  }

  async #publish(
    name: TableName,
    table: Table | null,
    written: Written,
    change: {
      readonly schema: Schema;
      readonly removed: readonly string[];
      readonly operation: Operation;
    },
  ): Promise<void> {
    const { schema, removed, operation } = change;
    const uuid = table?.uuid ?? this.#random.uuid();
    const spec = table?.spec ?? PLAIN;
    const added = await this.#catalog.adopt({ name, uuid, schema, spec }, written.files);
    const create = { schema, spec: PLAIN, sortOrder: { orderId: 0, fields: [] }, properties: {} };
    const result = await this.#catalog.commit(
      changeOf(
        [
          {
            table: name,
            uuid,
            create: table === null ? create : null,
            base: table?.current?.snapshotId ?? null,
            schema: table === null || schema === table.schema ? null : schema,
            operation,
            added,
            removed,
            summary: {},
          },
        ],
        { kind: operation === "replace" ? "maintain" : "land" },
      ),
    );
    if (result.kind !== "committed") throw new Error(`${name}: ${result.kind}`);
  }
}

/** The table's schema with `_row` as a stored column. */
function withRows(table: Table): Schema {
  const { schema, lastColumnId } = table;
  const isIn = schema.fields.some((field) => field.name === ROW_COLUMN.name);
  const isFollowed = schema.fields.some((field) => field.name === "_batch");
  if (isIn || !isFollowed) return schema;
  const field = { ...ROW_COLUMN, id: lastColumnId + 1, required: false };
  return { ...schema, fields: [...schema.fields, field] };
}
