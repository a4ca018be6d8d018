/** A project whose files land for the laws: real drops, landing, ledger and engine, all in this process. */

import { mkdir, rename, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openDrops } from "../../cmd/lake/drops.ts";
import { Analyses, projectGraph } from "../../cmd/lake/models.ts";
import { must } from "../../core/base/assert.ts";
import { type LakeConfig, readConfig } from "../../core/config.ts";
import type { FileSourceConfig } from "../../core/ingest/contract.ts";
import { dropRows } from "../../core/ingest/drop-rows.ts";
import { forgetFiles } from "../../core/ingest/forget.ts";
import type { Landed, LandingPorts } from "../../core/ingest/landing.ts";
import { replayOriginals } from "../../core/ingest/originals.ts";
import { rereadSource } from "../../core/ingest/reread.ts";
import { joinRetried, type Retried, retryRows } from "../../core/ingest/retry.ts";
import type { RetryItem } from "../../core/ingest/retry-item.ts";
import { buildOnce, type LakeEvent } from "../../core/lake.ts";
import { compactTable } from "../../core/table/compact.ts";
import { restoreTable } from "../../core/table/restore.ts";
import type { TableName } from "../../core/table/types.ts";
import { ALL_HIDDEN, scanSql } from "../../sql/bind/scan.ts";
import type { Row } from "../../sql/duckdb/duckdb.ts";
import { duckDBType } from "../../sql/duckdb/types.ts";
import { writeRows } from "../../sql/write/partition.ts";
import { LakeCatalog } from "../../storage/catalog/sqlite.ts";
import { LocalFiles } from "../../storage/disk/local.ts";
import { Claims } from "../../storage/files/claim.ts";
import { rowFiles } from "../../storage/parquet/write.ts";
import type { Drops } from "../../storage/sources/files.ts";
import { changeOf } from "../sim/lake.ts";
import { SimClock, SimRandom } from "../sim/world.ts";
import { FILE_SOURCES } from "../support/file-sources.ts";
import { InlineEngine } from "../support/inline-engine.ts";
import { model } from "../support/models.ts";
import { type TempFolder, tempFolder } from "../support/temp-folder.ts";

export const ORDERS = "bronze.orders";
export const ASIDE = "bronze_quarantine.orders";
/** Appends every row. */
export const LOG = "silver.log";
/** Merges by the place of a row. */
export const PLACES = "silver.places";
const MODELS = [
  model(LOG, "select id, n::varchar as n from bronze.orders", "kind: append"),
  model(
    PLACES,
    `select _batch || ' ' || _source_file || ' ' || _row as place, id, n::varchar as n
      from bronze.orders where _source_file is not null`,
    "kind: merge\nkey: place",
  ),
];
/** Later than any file of this machine was written. */
const START_MS = Date.UTC(2040, 0, 1);
const MINUTE_MS = 60_000;
const BUDGET = { memoryBytes: 1024 ** 3, threads: 2 };
const SETTINGS = { ...BUDGET, engineVersion: "test", timezone: "UTC" };

/** What the source's part of tarn.yaml says. */
export interface Declared {
  readonly source: string;
  readonly movedFrom: string | null;
  readonly sameName: "version" | "replace";
  /** Type of the column `n`. */
  readonly type: string;
  /** Other settings beside its columns. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A row that was set aside, and what became of it. */
export interface AsideRow extends Pick<RetryItem, "id" | "batch" | "file" | "position" | "raw"> {
  readonly reason: string;
  readonly status: string;
}

export class LandingLake implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #catalog: LakeCatalog;
  readonly #engine: InlineEngine;
  readonly #clock = new SimClock(START_MS);
  readonly #analyses = new Analyses();
  readonly #ports: LandingPorts;
  readonly #claims: Claims;
  #drops: Drops | null = null;
  #config: LakeConfig;
  #declared: Declared;

  private constructor(
    parts: { folder: TempFolder; io: LocalFiles; catalog: LakeCatalog; random: SimRandom },
    engine: InlineEngine,
    declared: Declared,
    clock: SimClock,
  ) {
    const { folder, io, catalog, random } = parts;
    this.#folder = folder;
    this.#catalog = catalog;
    this.#engine = engine;
    this.#clock = clock;
    this.#claims = new Claims({ durable: io.durable, random });
    this.#ports = { io, catalog, engine, rowFiles, clock, random };
    this.#declared = declared;
    this.#config = configOf(declared);
  }

  static async open(declared: Declared): Promise<LandingLake> {
    const folder = await tempFolder();
    const root = join(folder.path, "lake");
    await mkdir(root);
    const clock = new SimClock(START_MS);
    const random = new SimRandom(1);
    const io = await LocalFiles.open({ root, random });
    const catalog = await LakeCatalog.open({ io, clock, random });
    const engine = await InlineEngine.open(folder.path);
    return new LandingLake({ folder, io, catalog, random }, engine, declared, clock);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#catalog.close();
    await this.#engine.close();
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Edits tarn.yaml. */
  declare(declared: Declared): void {
    this.#declared = declared;
    this.#config = configOf(declared);
  }

  get declared(): Declared {
    return this.#declared;
  }

  /** A file under drops/orders, whole under its name at once. */
  async drop(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#folder.path, "drops/orders", name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.tmp`, bytes);
    const at = new Date(this.#clock.nowMs());
    await utimes(`${path}.tmp`, at, at);
    await rename(`${path}.tmp`, path);
    this.#clock.advance(MINUTE_MS);
  }

  /** What lies under drops/orders; null where nothing does. */
  async content(name: string): Promise<Uint8Array | null> {
    const file = Bun.file(join(this.#folder.path, "drops/orders", name));
    return (await file.exists()) ? await file.bytes() : null;
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#folder.path, "drops/orders", name), { force: true });
  }

  /** Lands what is dropped and builds what is due. Throws what fails. */
  async build(full = false): Promise<readonly Landed[]> {
    const landed: Landed[] = [];
    const onEvent = (event: LakeEvent): void => {
      if (event.event === "landed") landed.push(event.landed);
      if (event.event === "land-failed" || event.event === "unreadable") throw event.error;
    };
    const { runs } = await buildOnce(this.#ports, this.#intake(), await this.#graph(), SETTINGS, {
      select: null,
      full,
      land: true,
      waitForSettle: true,
      batchBytes: 1024 ** 2,
      signal: new AbortController().signal,
      onEvent,
    });
    this.#clock.advance(MINUTE_MS);
    const failed = runs.find((run) => run.kind === "failed" || run.kind === "blocked");
    // Nothing is to be read before the first file has landed.
    if (failed !== undefined && (await this.isThere()))
      throw new Error(`${failed.model}: ${failed.reason}`);
    return landed;
  }

  /** Items with a field to set are each asked for alone. */
  async retry(items: readonly (RetryItem & { readonly set: string | null })[]): Promise<Retried> {
    const { signal } = new AbortController();
    const plain = items.filter(({ set }) => set === null);
    const others = items.filter(({ set }) => set !== null).map((item) => [item]);
    const retried: Retried[] = [];
    for (const part of [plain, ...others]) {
      const options = { set: part[0]?.set ?? null, dryRun: false, signal };
      if (part.length === 0) continue;
      retried.push(await retryRows(this.#ports, this.#source(), part, BUDGET, options));
    }
    this.#clock.advance(MINUTE_MS);
    return joinRetried(retried);
  }

  async dropRows(items: readonly RetryItem[]): Promise<void> {
    await dropRows(this.#ports, this.#source(), items);
    this.#clock.advance(MINUTE_MS);
  }

  async forget(file: string): Promise<void> {
    const asked = { file: `drops/orders/${file}` };
    await forgetFiles(this.#ports, this.#source(), asked, BUDGET, { dryRun: false });
    this.#clock.advance(MINUTE_MS);
  }

  /** Makes the files of the table and of its quarantine few; false where there is nothing to do. */
  async compact(targetBytes: number): Promise<boolean> {
    const rules = { targetBytes, effort: "all", nowMs: this.#clock.nowMs() } as const;
    let isAny = false;
    for (const name of [ORDERS, ASIDE]) {
      if ((await this.#catalog.load(name)) === null) continue;
      const options = { dryRun: false, bytesMax: null, filesMax: null };
      const done = await compactTable(this.#ports, name, rules, BUDGET, options);
      isAny ||= done.commit !== null;
    }
    this.#clock.advance(MINUTE_MS);
    return isAny;
  }

  async replay(): Promise<void> {
    await replayOriginals(this.#ports, this.#source(), BUDGET, { dryRun: false, why: "a law" });
    this.#clock.advance(MINUTE_MS);
  }

  async reread(): Promise<void> {
    await rereadSource(this.#ports, this.#source(), BUDGET, { dryRun: false, why: "a law" });
    this.#clock.advance(MINUTE_MS);
  }

  /** Whether there is a table, empty or not. */
  async isThere(): Promise<boolean> {
    return (await this.#catalog.load(ORDERS)) !== null;
  }

  /** Null while there is no table. */
  async head(): Promise<bigint | null> {
    return (await this.#catalog.load(ORDERS))?.current?.snapshotId ?? null;
  }

  async restore(snapshotId: bigint): Promise<void> {
    await restoreTable(this.#ports, ORDERS, { kind: "version", value: snapshotId.toString() });
    this.#clock.advance(MINUTE_MS);
  }

  /** Appends as another engine does, which knows nothing of batches and files. False while there is no table. */
  async appendForeign(id: number, n: number): Promise<boolean> {
    const table = await this.#catalog.load(ORDERS);
    if (table === null) return false;
    const { uuid, schema, spec } = table;
    const values: Record<string, string> = { id: String(id), n: String(n) };
    const columns = schema.fields.map(
      ({ name, type }) => `${values[name] ?? "null"}::${duckDBType(type)} as "${name}"`,
    );
    const folder = await this.#ports.io.stagingFolder(this.#ports.random.uuid());
    const sql = `select ${columns.join(", ")}`;
    const target = { schema, spec, folder, name: "rows", footer: {} };
    const written = await writeRows(this.#engine.db, sql, target);
    const added = await this.#catalog.adopt({ name: ORDERS, uuid, schema, spec }, written.files);
    const base = table.current?.snapshotId ?? null;
    const change = { schema: null, operation: "append", added, removed: [], summary: {} } as const;
    const own = { table: ORDERS, uuid, create: null, base, ...change };
    const result = await this.#catalog.commit(changeOf([own]));
    if (result.kind !== "committed") throw new Error(`${ORDERS}: ${result.kind}`);
    this.#clock.advance(MINUTE_MS);
    return true;
  }

  /** The rows of a table, by a SELECT over `t`; none when there is no such table. */
  async rows(name: TableName, select: string): Promise<Row[]> {
    const table = await this.#catalog.load(name);
    if (table === null) return [];
    const scan = await this.#catalog.scan(table, table.current);
    const sql = await scanSql(this.#engine.db, scan, { hidden: ALL_HIDDEN });
    return this.#engine.db.rows(`WITH t AS (${sql}) SELECT * FROM (${select}) ORDER BY ALL`);
  }

  /** All that was set aside, with what became of it. */
  async aside(): Promise<AsideRow[]> {
    const status = must(await this.#catalog.systemTable("lake.quarantine"), "a system table");
    const names = status.columns.map(({ name }) => name);
    const told = new Map<string, string>();
    const gone = new Set<string>();
    for await (const row of status.rows) {
      const of = (name: string): string => String(row[names.indexOf(name)]);
      if (row[names.indexOf("id")] === null) gone.add(`${of("batch")} ${of("file")}`);
      else told.set(of("id"), of("status"));
    }
    const columns = "id, _batch as batch, file, position, reason, raw";
    const rows = await this.rows(ASIDE, `select ${columns} from t`);
    return rows.map((row) => ({
      id: String(row.id),
      batch: String(row.batch),
      file: String(row.file),
      position: String(row.position),
      reason: String(row.reason),
      raw: String(row.raw),
      status: gone.has(`${row.batch} ${row.file}`)
        ? "superseded"
        : (told.get(String(row.id)) ?? "open"),
    }));
  }

  /** The live files of the ledger. */
  async liveFiles() {
    return this.#catalog.ledger.files({ live: true });
  }

  #source(): FileSourceConfig {
    return must(this.#config.sources[0], "one source is configured");
  }

  #intake(): Drops {
    const lake = this;
    this.#drops ??= openDrops(
      {
        root: this.#folder.path,
        get config() {
          return lake.#config;
        },
        ports: this.#ports,
        claims: async () => this.#claims,
      },
      "recorded",
    );
    return this.#drops;
  }

  async #graph() {
    const answer = await projectGraph(this.#engine, this.#analyses, {
      models: MODELS,
      sources: new Map([[ORDERS, this.#declared.source]]),
      tables: (await this.#catalog.tables()).map((head) => head.name),
    });
    if (answer.kind === "invalid") throw answer.errors[0];
    return answer.graph;
  }
}

function configOf({ source, movedFrom, sameName, type, settings }: Declared): LakeConfig {
  const { config, issues } = readConfig(
    {
      sources: {
        [source]: {
          path: "drops/orders/**",
          into: ORDERS,
          same_name: sameName,
          columns: { id: "bigint", n: type },
          ...(movedFrom === null ? {} : { moved_from: movedFrom }),
          ...settings,
        },
      },
    },
    { folderName: "law", env: {}, sources: FILE_SOURCES },
  );
  if (config === null) throw new Error(JSON.stringify(issues));
  return config;
}
