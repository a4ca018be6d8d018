/**
 * The SqlEngine port over worker processes: a spare and then a fresh one for each request about foreign files, kept
 * ones for our own and for segments of streams.
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ioError, LakeError } from "../../core/base/errors.ts";
import { Turnstile } from "../../core/base/turnstile.ts";
import type {
  Binding,
  DecodeRequest,
  Described,
  DescribeRequest,
  DiffRequest,
  InspectRequest,
  MaterializeMode,
  MaterializeRequest,
  RewriteRequest,
} from "../../core/engine.ts";
import {
  KEPT_SEGMENT_BYTES_MAX,
  KEPT_WORKER_BYTES_MAX,
  WORKER_IDLE_MS,
  WORKER_PLAN_MS,
  WORKER_SHARE_BYTES_MIN,
} from "../../core/limits.ts";
import type { AnalyzeRequest } from "../../core/model/analysis.ts";
import type { SqlEngine } from "../../core/ports.ts";
import type { CompactRequest } from "../../core/table/compaction.ts";
import type { ColumnMetrics, DataFile, FieldId, Scan } from "../../core/table/types.ts";
import { isAlive, makePrivateFolder } from "../duckdb/native-unpack.ts";
import type { Probed } from "./probe.ts";
import type { WorkerMode } from "./protocol.ts";
import * as check from "./protocol.ts";
import { SmallTexts } from "./small-texts.ts";
import { type AskOptions, MONOTONIC, residentBytes, Worker, workerFolder } from "./worker.ts";

/** A request that begins so soon after another has ended is one of a stream: a spare starts when it ends. */
const STREAM_MS = 300;
/** After a request that came alone, what follows from it (the models) has the processors first. */
const ALONE_DELAY_MS = 200;
/** A kept process is weighed after so many answers. */
const ANSWERS_PER_LOOK = 16;

/** One request, one process: a process that has read a foreign file is never used again. */
export class ForeignPool {
  #spawn: () => Worker;
  #turnstile: Turnstile;
  #idleMs: number;
  /** Makes ready whoever is asked next. */
  #ahead: () => void;
  #spare: Worker | null = null;
  #retire: ReturnType<typeof setTimeout> | null = null;
  #busy = new Set<Worker>();
  #closed = false;
  /** Runs for a while after each request. */
  #recent: ReturnType<typeof setTimeout> | null = null;

  constructor(spawn: () => Worker, size: number, idleMs: number, ahead?: () => void) {
    this.#spawn = spawn;
    this.#turnstile = new Turnstile(size);
    this.#idleMs = idleMs;
    this.#ahead = ahead ?? (() => this.prepare());
  }

  /** Makes sure that a process with the library loaded waits; it ends when nothing comes. */
  prepare(): void {
    if (this.#closed) return;
    if (this.#spare?.usable !== true) this.#spare = this.#spawnAhead();
    if (this.#retire !== null) clearTimeout(this.#retire);
    this.#retire = setTimeout(() => this.#dropSpare(), this.#idleMs);
    this.#retire.unref();
  }

  /** A spare is a hint: whoever asks for the process finds what stands in its way. */
  #spawnAhead(): Worker | null {
    try {
      return this.#spawn();
    } catch (thrown) {
      if (thrown instanceof LakeError) return null;
      throw thrown;
    }
  }

  /** `isFollowed`: another request comes as soon as this one is answered. */
  async ask(
    operation: string,
    request: unknown,
    options: AskOptions,
    isFollowed = false,
  ): Promise<unknown> {
    await this.#turnstile.enter();
    let worker: Worker | null = null;
    const isStream = this.#recent !== null;
    try {
      worker = this.#take();
      this.#busy.add(worker);
      if (isFollowed) this.prepare();
      return await worker.ask(operation, request, options);
    } finally {
      if (!isFollowed) this.#follow(isStream);
      if (worker !== null) {
        this.#busy.delete(worker);
        void worker.kill();
      }
      this.#turnstile.leave();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const spare = this.#spare;
    this.#dropSpare();
    await Promise.all([spare?.gone, ...[...this.#busy].map((worker) => worker.kill())]);
  }

  /** A large file has the processors to itself; what may come after it gets its process when it is done. */
  #follow(isStream: boolean): void {
    if (isStream) this.#ahead();
    else setTimeout(this.#ahead, ALONE_DELAY_MS).unref();
    if (this.#recent !== null) clearTimeout(this.#recent);
    this.#recent = setTimeout(() => {
      this.#recent = null;
    }, STREAM_MS);
    this.#recent.unref();
  }

  #take(): Worker {
    if (this.#closed) throw poolClosedError();
    const spare = this.#spare;
    this.#spare = null;
    return spare?.usable === true ? spare : this.#spawn();
  }

  #dropSpare(): void {
    if (this.#retire !== null) clearTimeout(this.#retire);
    this.#retire = null;
    void this.#spare?.kill();
    this.#spare = null;
  }
}

/** Processes that answer one request after the other, until idle for a while or broken. */
export class WarmPool {
  #spawn: () => Worker;
  #turnstile: Turnstile;
  #idleMs: number;
  /** What a process may have grown to between two requests. */
  #bytesMax: number;
  #idle: { readonly worker: Worker; readonly retire: ReturnType<typeof setTimeout> }[] = [];
  #busy = new Set<Worker>();
  #answers = 0;
  #closed = false;

  constructor(
    spawn: () => Worker,
    size: number,
    idleMs: number,
    bytesMax = Number.POSITIVE_INFINITY,
  ) {
    this.#spawn = spawn;
    this.#turnstile = new Turnstile(size);
    this.#idleMs = idleMs;
    this.#bytesMax = bytesMax;
  }

  /** One of them is there, or will be. */
  get isReady(): boolean {
    return this.#busy.size > 0 || this.#idle.some(({ worker }) => worker.usable);
  }

  /** Makes sure that one is there; it ends when nothing comes. A hint, as of ForeignPool. */
  prepare(): void {
    if (this.#closed || this.isReady) return;
    try {
      this.#keep(this.#spawn());
    } catch (thrown) {
      if (!(thrown instanceof LakeError)) throw thrown;
    }
  }

  async ask(operation: string, request: unknown, options: AskOptions): Promise<unknown> {
    await this.#turnstile.enter();
    let worker: Worker | null = null;
    try {
      worker = this.#take();
      this.#busy.add(worker);
      return await worker.ask(operation, request, options);
    } finally {
      if (worker !== null) this.#giveBack(worker);
      this.#turnstile.leave();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const idle = this.#idle.splice(0);
    for (const { retire } of idle) clearTimeout(retire);
    const workers = [...idle.map(({ worker }) => worker), ...this.#busy];
    await Promise.all(workers.map((worker) => worker.kill()));
  }

  /** The one used last: it is the warmest, and the others get their rest. */
  #take(): Worker {
    if (this.#closed) throw poolClosedError();
    for (let entry = this.#idle.pop(); entry !== undefined; entry = this.#idle.pop()) {
      clearTimeout(entry.retire);
      if (entry.worker.usable) return entry.worker;
    }
    return this.#spawn();
  }

  #giveBack(worker: Worker): void {
    this.#busy.delete(worker);
    if (this.#closed || !worker.usable) {
      void worker.kill();
      return;
    }
    this.#keep(worker);
    this.#answers += 1;
    if (this.#answers % ANSWERS_PER_LOOK === 0) void this.#weigh(worker);
  }

  #keep(worker: Worker): void {
    const retire = setTimeout(() => this.#end(worker), this.#idleMs);
    retire.unref();
    this.#idle.push({ worker, retire });
  }

  /** The memory of a program that many small things passed through grows slowly; another one starts small. */
  async #weigh(worker: Worker): Promise<void> {
    if (this.#bytesMax === Number.POSITIVE_INFINITY) return;
    const bytes = await residentBytes(worker.pid);
    if (bytes !== null && bytes > this.#bytesMax) this.#end(worker);
  }

  /** Unless it is at work again. */
  #end(worker: Worker): void {
    const entry = this.#idle.find((one) => one.worker === worker);
    if (entry === undefined) return;
    clearTimeout(entry.retire);
    this.#idle = this.#idle.filter((one) => one !== entry);
    void worker.kill();
  }
}

function poolClosedError(): LakeError {
  return new LakeError("internal", "the SQL engine is closed", { hint: "report this" });
}

export interface EngineOptions {
  /** The program and arguments that make a worker: this binary and `__worker`. */
  readonly command: readonly string[];
  /** All that a worker sees of the environment: `workerEnvironment`. */
  readonly environment: Readonly<Record<string, string>>;
  /** What all workers together may hold; divided by the number of workers. */
  readonly memoryBytes: number;
  /** Workers at a time that read foreign files, and that work on our own. */
  readonly foreignMax: number;
  readonly warmMax: number;
  /** The lake's data and staging folders: what a warm worker may open. Absolute. */
  readonly folders: readonly string[];
  /** Where requests write: what a kept worker for segments may open. Absolute; absent: none is kept. */
  readonly stagingFolder?: string;
  /** Where workers spill; each gets a private folder below. Absolute. */
  readonly tempFolder: string;
  /** The watchdog's clock, which never goes back; the system's where none is given. */
  readonly nowMs?: () => number;
  /** Time after which a worker without work ends. */
  readonly idleMs?: number;
  /** Threads that requests ask for at most; 1 when absent. Asking for more opens DuckDB anew. */
  readonly threads?: number;
}

export interface WorkerEngine extends SqlEngine {
  /** Starts a worker if none is warm, and runs a query in it; for `doctor`. */
  probe(): Promise<Probed>;
}

/** The part of the memory that the worker for segments has. */
const SEGMENTS_SHARE = 1 / 8;

/** Queries remembered; with more models than that the oldest is asked again. */
const DESCRIBED_MAX = 2_000;

const NO_FILES: ReadonlySet<string> = new Set();
const NO_METRICS: ReadonlyMap<FieldId, ColumnMetrics> = new Map();

/** An engine without any process yet. `close` ends all of its workers. */
export function openWorkerEngine(options: EngineOptions): WorkerEngine {
  return new Engine(options);
}

/** The part of the environment that workers need: where to find the unpacked library, and a zone. */
export function workerEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const names = ["TARN_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LD_LIBRARY_PATH"];
  const kept = names.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), TZ: "UTC", LC_ALL: "C.UTF-8" };
}

export function slimDescribe(request: DescribeRequest): DescribeRequest {
  return { ...request, bindings: request.bindings.map(slimBinding) };
}

export function slimMaterialize(request: MaterializeRequest): MaterializeRequest {
  return {
    ...request,
    bindings: request.bindings.map(slimBinding),
    testBindings: request.testBindings.map(slimBinding),
    mode: slimMode(request.mode),
    rejectTarget: request.rejectTarget === null ? null : slimScan(request.rejectTarget),
  };
}

export function slimRewrite(request: RewriteRequest): RewriteRequest {
  return { ...request, scan: slimScan(request.scan) };
}

export function slimCompact(request: CompactRequest): CompactRequest {
  return { ...request, scan: slimScan(request.scan) };
}

export function slimDiff(request: DiffRequest): DiffRequest {
  return { ...request, before: slimScan(request.before), after: slimScan(request.after) };
}

class Engine implements WorkerEngine {
  #foreign: ForeignPool;
  #warm: WarmPool;
  #segments: WarmPool;
  #shareBytes: number;
  /** Where the worker for segments writes; null: there is none. */
  readonly #segmentsFolder: string | null;
  readonly #segmentShareBytes: number;
  readonly #described = new DescribedQueries();
  readonly #texts = new SmallTexts();
  #closed = false;

  constructor(options: EngineOptions) {
    const segments = options.memoryBytes * SEGMENTS_SHARE;
    const share = (options.memoryBytes - segments) / (options.foreignMax + options.warmMax);
    this.#shareBytes = Math.max(WORKER_SHARE_BYTES_MIN, Math.floor(share));
    this.#segmentShareBytes = Math.max(WORKER_SHARE_BYTES_MIN, Math.floor(segments));
    clearFolders(options.tempFolder);
    const { threads = 1, stagingFolder = "" } = options;
    this.#segmentsFolder = stagingFolder === "" ? null : stagingFolder;
    const spawn = (mode: WorkerMode) => {
      if (this.#closed) throw closedError();
      try {
        makePrivateFolder(options.tempFolder);
        const tempFolder = workerFolder(options.tempFolder);
        const { command, environment, nowMs = MONOTONIC } = options;
        const folders = mode === "segments" ? [stagingFolder] : options.folders;
        return new Worker({ command, environment, mode, folders, tempFolder, threads, nowMs });
      } catch (thrown) {
        throw ioError(thrown, "start a worker in", options.tempFolder);
      }
    };
    const idleMs = options.idleMs ?? WORKER_IDLE_MS;
    const ahead = () => this.prepare();
    this.#foreign = new ForeignPool(() => spawn("foreign"), options.foreignMax, idleMs, ahead);
    this.#warm = new WarmPool(() => spawn("warm"), options.warmMax, idleMs);
    this.#segments = new WarmPool(() => spawn("segments"), 1, idleMs, KEPT_WORKER_BYTES_MAX);
  }

  prepare(): void {
    if (this.#texts.isNext && this.#segmentsFolder !== null) this.#segments.prepare();
    else this.#foreign.prepare();
  }

  async probe() {
    return check.checkProbed(await this.#askWarm("probe", null, WORKER_PLAN_MS));
  }

  async inspect(request: InspectRequest) {
    const staging = this.#segmentsFolder ?? "";
    const kept = await this.#askSegments("inspect", { ...request, staging });
    // What is inspected is decoded next.
    const answer = kept ?? (await this.#askForeign("inspect", request, true));
    return check.checkInspected(answer, request);
  }

  async decode(request: DecodeRequest) {
    const kept = (await this.#askSegments("decode", request)) ?? (await this.#askText(request));
    const answer = kept ?? (await this.#askForeign("decode", request));
    return check.checkDecoded(answer, request);
  }

  async aside(request: Parameters<SqlEngine["aside"]>[0]) {
    const limits = { timeMs: WORKER_PLAN_MS, memoryBytes: request.memoryBytes };
    const slim = { ...request, scan: slimScan(request.scan), limits, files: [] };
    return check.checkAsidePage(await this.#askForeign("aside", slim));
  }

  async rowTexts(request: Parameters<SqlEngine["rowTexts"]>[0]) {
    return check.checkRowTexts(await this.#askForeign("row-texts", request), request);
  }

  async analyze(request: AnalyzeRequest) {
    const { checkAnalysis } = await import("./analysis-answer.ts");
    return checkAnalysis(await this.#askWarm("analyze", request, WORKER_PLAN_MS));
  }

  async describe(request: Parameters<SqlEngine["describe"]>[0]) {
    return this.#described.of(request, async () =>
      check.checkDescribed(await this.#askWarm("describe", slimDescribe(request), WORKER_PLAN_MS)),
    );
  }

  async materialize(request: Parameters<SqlEngine["materialize"]>[0]) {
    const answer = await this.#askWarm(
      "materialize",
      slimMaterialize(request),
      null,
      request.memoryBytes,
    );
    return check.checkMaterialized(answer, request);
  }

  async rewrite(request: Parameters<SqlEngine["rewrite"]>[0]) {
    const answer = await this.#askWarm("rewrite", slimRewrite(request), null, request.memoryBytes);
    return check.checkRewritten(answer, request);
  }

  async compact(request: Parameters<SqlEngine["compact"]>[0]) {
    const answer = await this.#askWarm("compact", slimCompact(request), null, request.memoryBytes);
    return check.checkCompacted(answer, request);
  }

  async diff(request: Parameters<SqlEngine["diff"]>[0]) {
    return check.checkDiff(await this.#askWarm("diff", slimDiff(request), null));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#foreign.close(), this.#warm.close(), this.#segments.close()]);
  }

  /**
   * By the process that is kept for them; null when they are not for it, or it died of them: what it was asked before
   * may be why, so nothing is held against the files until a process of their own has read them.
   */
  async #askSegments(operation: string, request: InspectRequest | DecodeRequest): Promise<unknown> {
    if (this.#segmentsFolder === null || !isFewSegments(request)) return null;
    return this.#askKept(operation, request);
  }

  /**
   * Small texts whose rows are as usual are read by the process that is kept, without an engine; null for all others,
   * and while there is no such process: a command that reads one file does not start two.
   */
  async #askText(request: DecodeRequest): Promise<unknown> {
    const isDue = this.#texts.isDue(request);
    if (!isDue || this.#segmentsFolder === null || !this.#segments.isReady) return null;
    const answer = await this.#askKept("decode-text", request);
    this.#texts.tell(request, answer !== null);
    if (answer === null) removeFilesIn(request.staging);
    return answer;
  }

  async #askKept(operation: string, request: InspectRequest | DecodeRequest): Promise<unknown> {
    const { files, limits, staging } = request;
    const options: AskOptions = {
      shareBytes: this.#segmentShareBytes,
      timeMs: limits.timeMs,
      files: new Set(files.map((file) => file.name)),
    };
    try {
      return await this.#segments.ask(operation, request, options);
    } catch (thrown) {
      if (!(thrown instanceof LakeError) || thrown.context.killed === undefined) throw thrown;
      // What is only looked at has no folder of its own, and leaves nothing.
      if (operation !== "inspect" && staging !== undefined) removeFilesIn(staging);
      return null;
    }
  }

  #askForeign(
    operation: string,
    request: Pick<DecodeRequest, "files"> & {
      readonly limits: Pick<DecodeRequest["limits"], "timeMs" | "memoryBytes">;
    },
    isFollowed = false,
  ): Promise<unknown> {
    const { limits, files } = request;
    const options: AskOptions = {
      shareBytes: this.#share(limits.memoryBytes),
      timeMs: limits.timeMs,
      files: new Set(files.map((file) => file.name)),
    };
    return this.#foreign.ask(operation, request, options, isFollowed);
  }

  #askWarm(
    operation: string,
    request: unknown,
    timeMs: number | null,
    memoryBytes = this.#shareBytes,
  ): Promise<unknown> {
    const options: AskOptions = { shareBytes: this.#share(memoryBytes), timeMs, files: NO_FILES };
    return this.#warm.ask(operation, request, options);
  }

  /** What was asked for, within what one worker may have at least and at most. */
  #share(memoryBytes: number): number {
    return Math.max(WORKER_SHARE_BYTES_MIN, Math.min(this.#shareBytes, memoryBytes));
  }
}

/** Segments of streams, which this program wrote itself, of so few bytes that a small share of memory is enough. */
function isFewSegments({ read, files }: InspectRequest | DecodeRequest): boolean {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return read.format === "segment" && sizeBytes <= KEPT_SEGMENT_BYTES_MAX;
}

/** What a request that came to nothing wrote into its folder. */
function removeFilesIn(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  } catch (thrown) {
    throw ioError(thrown, "empty", folder);
  }
}

/** Removes the folders that workers of dead processes left behind. */
function clearFolders(parent: string): void {
  let names: string[];
  try {
    names = readdirSync(parent);
  } catch {
    return;
  }
  for (const name of names) {
    const owner = /^worker-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}

function closedError(): LakeError {
  return new LakeError("internal", "the SQL engine is closed", { hint: "report this" });
}

/** The columns of queries that were asked for before: what a query is over and what it says decide them. */
class DescribedQueries {
  readonly #describedByKey = new Map<string, Described>();

  /** The remembered answer, or the asked one. A failure is not remembered: a file may be mended. */
  async of(
    request: DescribeRequest,
    ask: (request: DescribeRequest) => Promise<Described>,
  ): Promise<Described> {
    const { describedKey } = await import("../analysis/described-key.ts");
    const key = describedKey(request);
    const known = this.#describedByKey.get(key);
    if (known !== undefined) return known;
    const described = await ask(request);
    for (const oldest of this.#describedByKey.keys()) {
      if (this.#describedByKey.size < DESCRIBED_MAX) break;
      this.#describedByKey.delete(oldest);
    }
    this.#describedByKey.set(key, described);
    return described;
  }
}

function slimMode(mode: MaterializeMode): MaterializeMode {
  if (mode.kind === "rows") return mode;
  const slim = { ...mode, target: slimScan(mode.target) };
  if (slim.kind !== "cdc" || slim.history === null) return slim;
  return { ...slim, history: slim.history.map(slimBinding) };
}

function slimBinding(binding: Binding): Binding {
  return binding.kind === "scan"
    ? { ...binding, scan: slimScan(binding.scan) }
    : { ...binding, bindings: binding.bindings.map(slimBinding) };
}

function slimScan(scan: Scan): Scan {
  return {
    ...scan,
    files: scan.files.map((entry) => ({ ...entry, file: slimFile(entry.file) })),
    deletes: scan.deletes.map(slimFile),
  };
}

function slimFile(file: DataFile): DataFile {
  return { ...file, metrics: NO_METRICS };
}
