/** The composition root: the one place where a project, its lake and its engine are put together. */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ioError, LakeError, systemCode } from "../core/base/errors.ts";
import { parseSize } from "../core/base/quantity.ts";
import type { SecretOf } from "../core/config/secret.ts";
import type { LakeConfig } from "../core/config.ts";
import type { LandingPorts } from "../core/ingest/landing.ts";
import type { RecordedOf, RunSettings } from "../core/model/model-table.ts";
import type { RowFiles } from "../core/ports.ts";
import type { StepEngine } from "../core/steps.ts";
import type { TableName } from "../core/table/types.ts";
import type { SystemTable } from "../sql/query/session-table.ts";
import type { WorkerEngine } from "../sql/worker/client.ts";
import type { IcebergCatalog } from "../storage/catalog/iceberg-catalog.ts";
import { CATALOG_FILE } from "../storage/catalog/lake-store.ts";
import { LakeCatalog } from "../storage/catalog/sqlite.ts";
import { promptDisk, realDisk } from "../storage/disk/durable.ts";
import type { EngineLease } from "../storage/disk/lease.ts";
import { LocalFiles, STAGING_FOLDER } from "../storage/disk/local.ts";
import type { Claims } from "../storage/files/claim.ts";
import type { Drops } from "../storage/sources/files.ts";
import type { StepProcessOptions } from "../storage/steps/client.ts";
import { systemClock, systemRandom } from "./clock.ts";
import type { Analyses, GraphAnswer } from "./lake/models.ts";
import {
  loadProject,
  type Project,
  projectStamp,
  requireProject,
  stepsStamp,
  type VariableFlags,
} from "./project/project.ts";
import type { WatchedProject } from "./project/watched-project.ts";

export interface OpenFlags {
  /** Where the project is looked for, upward. */
  readonly folder: string;
  readonly args: VariableFlags & {
    readonly threads?: string | undefined;
    readonly memory?: string | undefined;
  };
}

export interface OpenMode {
  /** The command that takes the engine lease; null only reads. */
  readonly engine: string | null;
  /** What starts its workers, of the same build; this program where it is not said. */
  readonly worker?: readonly string[];
  /** It goes on for ever: what is small has a worker of its own beside what takes long. */
  readonly isEndless?: boolean;
}

/** An open project with its lake. Dispose it to end the workers and free the lease. */
export interface Session extends AsyncDisposable {
  /** Absolute folder of the project. */
  readonly root: string;
  readonly warehouse: string;
  readonly project: Project;
  readonly config: LakeConfig;
  readonly catalog: LandingPorts["catalog"];
  /** The lake was made under another folder: it is read-only until it is relocated. */
  readonly moved: boolean;
  readonly ports: LandingPorts;
  readonly settings: RunSettings;
  readonly secretOf: SecretOf;
  /** What is dropped, dealt to its sources as of its last listing. */
  drops(): Promise<Drops>;
  /** Copies of dropped files. */
  claims(): Promise<Claims>;
  /** The models as a validated set; read again from disk after `reload`. */
  graph(): Promise<GraphAnswer>;
  /** `lake.runs`, `orders$snapshots`; null when there is no such table. */
  systemTable(name: string): Promise<SystemTable | null>;
  /**
   * Unlinks what nothing has named for long enough. Only under the engine lease. `alone` runs what nothing may land
   * beside; absent: nothing does.
   */
  maintain(alone?: (work: () => Promise<void>) => Promise<void>): Promise<void>;
  /** Looks for files that nothing names, of one table or all, and removes those that have waited. Under the lease. */
  orphans(
    table: TableName | null,
    options: { readonly dryRun: boolean },
  ): Promise<{ readonly found: number; readonly removed: number }>;
  /** Lets originals of forgotten files leave the disk; when that may be at the earliest. */
  forgetOriginals(paths: readonly string[]): Promise<number>;
  /** The same tables as other engines ask for them. */
  iceberg(): Promise<IcebergCatalog>;
  /** Reads tarn.yaml and the models again, if any of them changed. */
  reload(): Promise<Project>;
  /** From here on edits are looked for as a watcher tells of them, which is done by calling what this returns. */
  followEdits(): Promise<(absolute: string | null) => void>;
  /** The full name of a table of the lake; throws with the nearest right name. */
  tableName(text: string): Promise<TableName>;
}

/** Arrow and the Parquet writer are large and seldom needed: they load with the first row that is written. */
const rowFiles: RowFiles = {
  write: async (path, schema, rows) =>
    (await import("../storage/parquet/write.ts")).rowFiles.write(path, schema, rows),
};

/** Workers of a kind at a time: decode and build each go one after the other. */
const WORKERS_MAX = 2;
/** The part of the machine's memory that all workers together may hold. DESIGN, decision 4. */
const MEMORY_SHARE = 0.5;

/** Opens the project at or above the folder. Throws `usage`, `config`, `locked`, `not-found`, `io`. */
export async function openSession(flags: OpenFlags, mode: OpenMode): Promise<Session> {
  const root = realpathSync(await requireProject(resolve(flags.folder)));
  const project = await loadProject(root, process.env, flags.args);
  const config = validConfig(project);
  const place = resolve(root, config.warehouse);
  const absent = mode.engine === null && !hasLake(place);
  // Reading a project that has no lake yet reads an empty one, and leaves no folder behind in it.
  const warehouse = absent ? mkdtempSync(join(tmpdir(), "lake-empty-")) : place;
  const lease = mode.engine === null ? null : await takeLease(warehouse, mode.engine);
  try {
    const io = await LocalFiles.open({
      root: warehouse,
      random: systemRandom,
      disk: mode.engine === null ? promptDisk : realDisk,
      readonly: mode.engine === null && !absent,
    });
    const catalog = await LakeCatalog.open({
      io,
      readonly: mode.engine === null && !absent,
      busyTimeoutMs: 0,
      clock: systemClock,
      random: systemRandom,
      keep: config.keep,
    });
    const settings = settingsFrom(flags, config);
    const engine = engineFor(warehouse, settings, mode);
    const session = new OpenSession({
      emptyFolder: absent ? warehouse : null,
      flags: flags.args,
      root,
      warehouse,
      project,
      config,
      io,
      catalog,
      engine,
      settings,
      lease,
    });
    if (mode.engine !== null) {
      await catalog.takeEngine();
      // What a process that died left behind; nothing names it.
      await io.clearStaging(await livingStatements(warehouse));
      await (await session.claims()).clearIncoming();
    }
    return session;
  } catch (thrown) {
    lease?.release();
    throw thrown;
  }
}

interface Parts {
  /** A folder made for this session alone, removed at its end. */
  readonly emptyFolder: string | null;
  readonly flags: VariableFlags;
  readonly root: string;
  readonly warehouse: string;
  readonly project: Project;
  readonly config: LakeConfig;
  readonly io: LocalFiles;
  readonly catalog: LakeCatalog;
  readonly engine: WorkerEngine;
  readonly settings: RunSettings;
  readonly lease: EngineLease | null;
}

class OpenSession implements Session {
  readonly #parts: Parts;
  #analyses: Analyses | null = null;
  #claims: Claims | null = null;
  #drops: Drops | null = null;
  readonly ports: LandingPorts;
  #project: Project;
  /** Of the files that `#project` was read from; null when they may have changed unseen. */
  #stamp: string | null = null;
  /** Null as long as nobody follows edits. */
  #watched: WatchedProject | null = null;
  #config: LakeConfig;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#project = parts.project;
    this.#config = parts.config;
    const { io, catalog, engine } = parts;
    const steps = lazySteps({
      folder: parts.root,
      environment: () => this.#project.env,
      secretOf: (name) => this.secretOf(name),
      lookups: () => this.#config.lookups,
    });
    this.ports = { io, catalog, engine, rowFiles, steps, clock: systemClock, random: systemRandom };
  }

  get root(): string {
    return this.#parts.root;
  }
  get warehouse(): string {
    return this.#parts.warehouse;
  }
  get project(): Project {
    return this.#project;
  }
  get config(): LakeConfig {
    return this.#config;
  }
  get catalog(): LakeCatalog {
    return this.#parts.catalog;
  }
  get moved(): boolean {
    return this.catalog.recordedRoot !== this.ports.io.root;
  }
  get settings(): RunSettings {
    const recorded: RecordedOf = async (node) =>
      (await import("./lake/recorded.ts")).recordedOf(this)(node);
    return { ...this.#parts.settings, timezone: this.#config.timezone, recorded };
  }

  readonly secretOf: SecretOf = async (name) => {
    const { secretOf } = await import("../storage/disk/secrets.ts");
    return await secretOf({ root: this.root, declared: this.#config.secrets, name });
  };

  async claims(): Promise<Claims> {
    const { Claims } = await import("../storage/files/claim.ts");
    this.#claims ??= new Claims({ durable: this.#parts.io.durable, random: systemRandom });
    return this.#claims;
  }

  async drops(): Promise<Drops> {
    const { openDrops } = await import("./lake/drops.ts");
    this.#drops ??= openDrops(this, this.#parts.lease === null ? "read" : "recorded");
    return this.#drops;
  }

  async graph(): Promise<GraphAnswer> {
    if (this.#project.errors.length > 0) return { kind: "invalid", errors: this.#project.errors };
    const { Analyses, projectGraph } = await import("./lake/models.ts");
    const { sourceTables } = await import("./lake/drops.ts");
    this.#analyses ??= new Analyses();
    const heads = await this.catalog.tables();
    const streams = await this.#streamTables();
    const { corrections } = this.#project;
    const answer = await projectGraph(this.ports.engine, this.#analyses, {
      models: this.#project.models,
      sources: new Map([...(await sourceTables(this.root, this.#config)), ...streams]),
      tables: heads.map((head) => head.name),
      corrections,
    });
    if (corrections.length === 0 || answer.kind === "invalid") return answer;
    const { readingErrors } = await import("./lake/corrections.ts");
    const { names, corrected } = answer.graph;
    const errors = await readingErrors(this.ports, names, corrected, this.#config.timezone);
    return errors.length === 0 ? answer : { kind: "invalid", errors };
  }

  async #streamTables(): Promise<readonly (readonly [TableName, string])[]> {
    if (this.#config.streams.length === 0) return [];
    const { streamTables } = await import("./lake/sources.ts");
    return (await streamTables(this)).map(({ into, name }) => [into, name]);
  }

  async systemTable(name: string): Promise<SystemTable | null> {
    return this.catalog.systemTable(name);
  }

  async maintain(
    alone: (work: () => Promise<void>) => Promise<void> = (work) => work(),
  ): Promise<void> {
    const { systemProcessStart } = await import("../storage/catalog/unlink.ts");
    await this.catalog.maintain({ processStart: systemProcessStart });
    if (await this.catalog.hasLeavingOriginals()) await alone(() => this.catalog.unlinkOriginals());
  }

  async orphans(table: TableName | null, options: { readonly dryRun: boolean }) {
    const { systemProcessStart: processStart } = await import("../storage/catalog/unlink.ts");
    return await this.catalog.orphans({
      processStart,
      ...(table === null ? {} : { table }),
      ...options,
    });
  }

  async forgetOriginals(paths: readonly string[]): Promise<number> {
    return await this.catalog.queueOriginals(paths);
  }

  async iceberg(): Promise<IcebergCatalog> {
    return await this.catalog.iceberg(this.#config.serve.places);
  }

  async followEdits(): Promise<(absolute: string | null) => void> {
    const { WatchedProject: Watched } = await import("./project/watched-project.ts");
    this.#watched = new Watched(this.root);
    return this.#watched.follow();
  }

  async reload(): Promise<Project> {
    const nowMs = systemClock.nowMs();
    const watched = this.#watched;
    const own = watched === null ? projectStamp(this.root, nowMs) : watched.stamp(nowMs);
    const steps = stepsStamp(this.#project, nowMs);
    const stamp = own === null || steps === null ? null : `${own}\n${steps}`;
    if (stamp !== null && stamp === this.#stamp) return this.#project;
    const project = await loadProject(this.root, process.env, this.#parts.flags);
    this.#stamp = stamp;
    this.#project = project;
    if (project.config !== null) this.#config = project.config;
    return project;
  }

  async tableName(text: string): Promise<TableName> {
    const { namesOver } = await import("./lake/models.ts");
    const heads = await this.catalog.tables();
    const tables = heads.map((head) => head.name);
    const names = namesOver(
      { models: this.#project.models, sources: new Map(), tables },
      new Map(),
    );
    return names.tableOf({ name: text, at: null, offset: null });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { emptyFolder, io, lease, warehouse } = this.#parts;
    await this.ports.engine.close();
    await this.catalog.close();
    // Copies may hold what before_landing takes out. What cannot be removed now is when the lake is opened next.
    const living = lease === null ? [] : await livingStatements(warehouse);
    if (lease !== null) await io.clearStaging(living).catch(() => undefined);
    lease?.release();
    if (emptyFolder !== null) rmSync(emptyFolder, { recursive: true, force: true });
  }
}

/** Folders of statements that other processes are at; what the dead left behind is not among them. */
async function livingStatements(warehouse: string): Promise<readonly string[]> {
  const folder = join(warehouse, STAGING_FOLDER);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const ofStatements = names.filter((name) => name.startsWith("sql-"));
  if (ofStatements.length === 0) return [];
  const { isLiving } = await import("./lake/statement-staging.ts");
  return ofStatements.filter(isLiving);
}

function validConfig(project: Project): LakeConfig {
  const [first] = project.errors;
  if (project.config !== null) return project.config;
  throw first ?? new LakeError("config", "the configuration cannot be read");
}

/** False where no lake was made yet. Throws `io` for a place that cannot be looked at, which is none without a lake. */
function hasLake(place: string): boolean {
  try {
    statSync(join(place, CATALOG_FILE));
    return true;
  } catch (thrown) {
    if (systemCode(thrown) !== "ENOENT") throw ioError(thrown, "read the lake in", place);
  }
  // What is nearest to it may be a link to a disk that is not there.
  for (let folder = place; folder !== dirname(folder); folder = dirname(folder)) {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) continue;
    if (existsSync(folder)) return false;
    throw new LakeError("io", `${folder} is a link to something that is not there`, {
      hint: "mount the disk that it leads to, or set warehouse: in tarn.yaml",
    });
  }
  return false;
}

async function takeLease(warehouse: string, command: string): Promise<EngineLease> {
  try {
    mkdirSync(warehouse, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw new LakeError("io", `${warehouse} cannot be made`, {
      hint: "make the folder writable, or set warehouse: in tarn.yaml",
      cause: thrown,
    });
  }
  const nowMs = systemClock.nowMs();
  const { EngineLease } = await import("../storage/disk/lease.ts");
  return EngineLease.take({ root: warehouse, pid: process.pid, command, nowMs });
}

function settingsFrom(flags: OpenFlags, config: LakeConfig): RunSettings {
  const { threads, memory } = flags.args;
  const asked = memory === undefined ? config.memoryBytes : parseSize(memory);
  if (memory !== undefined && asked === null) {
    throw new LakeError("usage", `--memory ${memory} is not a size`, { hint: "write 2GiB" });
  }
  const count = threads === undefined ? config.threads : Number(threads);
  if (count !== null && (!Number.isInteger(count) || count < 1)) {
    throw new LakeError("usage", `--threads ${threads} is not a number of threads`);
  }
  const memoryBytes = asked ?? Math.floor(totalmem() * MEMORY_SHARE);
  return {
    timezone: config.timezone,
    engineVersion: ENGINE_VERSION,
    memoryBytes: Math.floor(memoryBytes / WORKERS_MAX),
    threads: count ?? availableParallelism(),
  };
}

/** Recorded with every run: a result may depend on it. */
export const ENGINE_VERSION = "duckdb-1.5.6";

function engineFor(
  warehouse: string,
  settings: RunSettings,
  { worker, isEndless = false }: OpenMode,
): WorkerEngine {
  return lazyEngine(async () => {
    const { openWorkerEngine, workerEnvironment } = await import("../sql/worker/client.ts");
    const { workerCommand } = await import("./worker.ts");
    return openWorkerEngine({
      command: worker === undefined ? workerCommand() : [...worker],
      environment: workerEnvironment(process.env),
      memoryBytes: settings.memoryBytes * WORKERS_MAX,
      foreignMax: 1,
      warmMax: 1,
      isBeside: isEndless,
      threads: settings.threads,
      folders: [warehouse],
      stagingFolder: join(warehouse, STAGING_FOLDER),
      tempFolder: join(tmpdir(), `lake-${process.getuid?.() ?? 0}`),
    });
  });
}

/** Loaded with the first model whose rows a program makes. */
function lazySteps(options: Omit<StepProcessOptions, "command" | "host">): StepEngine {
  const load = async (): Promise<StepEngine> => {
    const { StepProcesses } = await import("../storage/steps/client.ts");
    const { stepCommand, stepHost } = await import("./step.ts");
    return new StepProcesses({ ...options, command: stepCommand(), host: stepHost() });
  };
  return {
    exec: async (request) => (await load()).exec(request),
    ask: async (request) => (await load()).ask(request),
  };
}

/**
 * An engine that is loaded with the first thing it is asked, for most commands ask it nothing. `load` runs at most
 * once; an engine that was never asked has nothing to close.
 */
function lazyEngine(load: () => Promise<WorkerEngine>): WorkerEngine {
  let loading: Promise<WorkerEngine> | null = null;
  const engine = (): Promise<WorkerEngine> => {
    loading ??= load();
    return loading;
  };
  return {
    // A hint only: an engine that cannot be loaded says so when it is asked.
    prepare: () =>
      void engine().then(
        (loaded) => loaded.prepare(),
        () => {},
      ),
    probe: async () => (await engine()).probe(),
    inspect: async (request) => (await engine()).inspect(request),
    decode: async (request) => (await engine()).decode(request),
    decodeAhead: async (request) => (await engine()).decodeAhead?.(request),
    forgetAhead: async (paths) => (await engine()).forgetAhead?.(paths),
    analyze: async (sql) => (await engine()).analyze(sql),
    describe: async (request) => (await engine()).describe(request),
    materialize: async (request) => (await engine()).materialize(request),
    rewrite: async (request) => (await engine()).rewrite(request),
    compact: async (request) => (await engine()).compact(request),
    aside: async (request) => (await engine()).aside(request),
    rowTexts: async (request) => (await engine()).rowTexts(request),
    diff: async (request) => (await engine()).diff(request),
    close: async () => {
      if (loading !== null) await (await loading).close();
    },
  };
}
