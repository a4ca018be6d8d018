/**
 * The SqlEngine port over worker processes: a spare and then a fresh one for each request about foreign files, kept
 * ones for our own and for segments of streams.
 */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ioError, LakeError } from "../../core/base/errors.ts";
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
  KEPT_TEXT_BYTES_MAX,
  KEPT_WORKER_BYTES_MAX,
  WORKER_IDLE_MS,
  WORKER_PLAN_MS,
  WORKER_SHARE_BYTES_MIN,
} from "../../core/limits.ts";
import type { AnalyzeRequest } from "../../core/model/analysis.ts";
import type { ClosingRequest } from "../../core/model/closing-request.ts";
import type { SqlEngine } from "../../core/ports.ts";
import type { CompactRequest } from "../../core/table/compaction.ts";
import type { ColumnMetrics, DataFile, FieldId, Scan } from "../../core/table/types.ts";
import { isAlive, makePrivateFolder } from "../duckdb/native-unpack.ts";
import { AheadDecoder } from "./ahead.ts";
import { ForeignPool, LONG_MS, WarmPool } from "./pool.ts";
import type { Probed } from "./probe.ts";
import type { WorkerMode } from "./protocol.ts";
import * as check from "./protocol.ts";
import { type AskOptions, MONOTONIC, Worker, workerFolder } from "./worker.ts";

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
  /** One more for our own, with less memory, for what is small beside a long run; absent: there is none. */
  readonly isBeside?: boolean;
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

/** The part of the memory that the worker for segments has, and that for what is small beside a long run. */
const SEGMENTS_SHARE = 1 / 8;
const BESIDE_SHARE = 1 / 8;

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
    ...(request.closing == null ? {} : { closing: slimClosing(request.closing) }),
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
  /** What is small does not wait for what is not; null: there is no memory for both. */
  #beside: WarmPool | null;
  #segments: WarmPool;
  readonly #ahead: AheadDecoder;
  #shareBytes: number;
  readonly #besideBytes: number;
  /** Where the worker for segments writes; null: there is none. */
  readonly #segmentsFolder: string | null;
  readonly #segmentShareBytes: number;
  readonly #described = new DescribedQueries();
  readonly #texts = new SmallTexts();
  /** Models whose last run took long, however little it read. */
  readonly #longModels = new Set<string>();
  #closed = false;

  constructor(options: EngineOptions) {
    const segments = options.memoryBytes * SEGMENTS_SHARE;
    const beside = options.isBeside === true ? options.memoryBytes * BESIDE_SHARE : 0;
    const isBeside = beside >= WORKER_SHARE_BYTES_MIN;
    const rest = options.memoryBytes - segments - (isBeside ? beside : 0);
    const share = rest / (options.foreignMax + options.warmMax);
    this.#besideBytes = Math.floor(beside);
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
    const own = { givesWay: isBeside };
    this.#warm = new WarmPool(() => spawn("warm"), options.warmMax, idleMs, own);
    this.#beside = isBeside ? new WarmPool(() => spawn("warm"), 1, idleMs) : null;
    this.#segments = new WarmPool(() => spawn("segments"), 1, idleMs, {
      bytesMax: KEPT_WORKER_BYTES_MAX,
    });
    const early = new WarmPool(() => spawn("segments"), 1, idleMs);
    this.#ahead = new AheadDecoder(early, this.#segmentShareBytes);
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
    const given = { ...request, staging };
    const kept =
      (await this.#ahead.ask("inspect", request)) ?? (await this.#askSegments("inspect", given));
    // What is inspected is decoded next.
    const answer = kept ?? (await this.#askForeign("inspect", request, true));
    return check.checkInspected(answer, request);
  }

  async decode(request: DecodeRequest) {
    const kept =
      (await this.#ahead.ask("decode", request)) ??
      (await this.#askSegments("decode", request)) ??
      (await this.#askText(request));
    const answer = kept ?? (await this.#askForeign("decode", request));
    return check.checkDecoded(answer, request);
  }

  async decodeAhead(request: DecodeRequest) {
    if (this.#segmentsFolder !== null) await this.#ahead.decode(request);
  }

  async forgetAhead(paths: readonly string[]) {
    await this.#ahead.forget(paths);
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
    const { memoryBytes, staging, model } = request;
    const slim = slimMaterialize(request);
    const isLittle = bytesRead(request) * READ_FACTOR <= this.#besideBytes;
    const isSmall = isLittle && !this.#longModels.has(model);
    let begunMs = MONOTONIC();
    const onBegin = (): void => {
      begunMs = MONOTONIC();
    };
    const need = { memoryBytes, isSmall, staging, onBegin };
    const answer = await this.#askWarm("materialize", slim, null, need);
    const workMs = MONOTONIC() - begunMs;
    if (workMs > LONG_MS) this.#longModels.add(model);
    else this.#longModels.delete(model);
    return { ...check.checkMaterialized(answer, request), workMs };
  }

  async rewrite(request: Parameters<SqlEngine["rewrite"]>[0]) {
    const answer = await this.#askWarm("rewrite", slimRewrite(request), null, request);
    return check.checkRewritten(answer, request);
  }

  async compact(request: Parameters<SqlEngine["compact"]>[0]) {
    const answer = await this.#askWarm("compact", slimCompact(request), null, request);
    return check.checkCompacted(answer, request);
  }

  async diff(request: Parameters<SqlEngine["diff"]>[0]) {
    return check.checkDiff(await this.#askWarm("diff", slimDiff(request), null, {}));
  }

  async close(): Promise<void> {
    this.#closed = true;
    const pools = [this.#foreign, this.#warm, this.#beside, this.#segments];
    await Promise.all([...pools.map((pool) => pool?.close()), this.#ahead.close()]);
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

  /** What needed more memory than it looked like is done again by whoever has more, once that one is free. */
  async #askWarm(
    operation: string,
    request: unknown,
    timeMs: number | null,
    need: WarmNeed = { isSmall: true },
  ): Promise<unknown> {
    const { memoryBytes = this.#shareBytes, isSmall = false, staging, onBegin } = need;
    const shareBytes = this.#share(memoryBytes);
    const options: AskOptions = { shareBytes, timeMs, files: NO_FILES };
    const beside = isSmall && this.#warm.isFull ? this.#beside : null;
    if (beside === null) return this.#warm.ask(operation, request, options, onBegin);
    const besideBytes = Math.min(shareBytes, this.#besideBytes);
    try {
      const share = { ...options, shareBytes: besideBytes };
      return await beside.ask(operation, request, share, onBegin);
    } catch (thrown) {
      if (besideBytes === shareBytes || !isOfMemory(thrown)) throw thrown;
      if (staging !== undefined) removeFilesIn(staging);
      return this.#warm.ask(operation, request, options, onBegin);
    }
  }

  /** What was asked for, within what one worker may have at least and at most. */
  #share(memoryBytes: number): number {
    return Math.max(WORKER_SHARE_BYTES_MIN, Math.min(this.#shareBytes, memoryBytes));
  }
}

interface WarmNeed {
  readonly memoryBytes?: number;
  /** It is done with little memory, and soon. */
  readonly isSmall?: boolean;
  /** Where it writes: emptied before it is done again. */
  readonly staging?: string;
  readonly onBegin?: () => void;
}

function isOfMemory(thrown: unknown): boolean {
  if (!(thrown instanceof LakeError)) return false;
  return thrown.context.killed === "memory" || thrown.context.engine === "out of memory";
}

/** Packed columns take up to so many times their bytes once they are read, sorted and grouped. */
const READ_FACTOR = 16;

/** Bytes of the files that a run may read: of its inputs, and of its table where it looks at that. */
function bytesRead({ bindings, testBindings, mode }: MaterializeRequest): number {
  const target = mode.kind === "rows" ? 0 : scanBytes(mode.target);
  const inputs = [...bindings, ...testBindings].map(bindingBytes);
  return inputs.reduce((sum, bytes) => sum + bytes, target);
}

function bindingBytes(binding: Binding): number {
  if (binding.kind === "scan") return scanBytes(binding.scan);
  return binding.bindings.reduce((sum, inner) => sum + bindingBytes(inner), 0);
}

function scanBytes({ files, deletes }: Scan): number {
  const all = [...files.map(({ file }) => file), ...deletes];
  return all.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0);
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

function slimClosing(closing: ClosingRequest): ClosingRequest {
  const inputs = closing.inputs.map((input) => ({ ...input, fresh: slimScan(input.fresh) }));
  const { lateTarget } = closing;
  return { ...closing, inputs, lateTarget: lateTarget === null ? null : slimScan(lateTarget) };
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

const ENDING = /\.(?:json|jsonl|ndjson)$/i;
/** So many texts of a source that had odd rows are read by the engine at once. */
const PASSED_OVER = 16;
/** Sources remembered; the others are tried. */
const SOURCES_MAX = 1_000;

/** Which drops are small texts that may be read without an engine, by how they are called and by what came before. */
class SmallTexts {
  /** What was asked last is one: what is asked next probably is. */
  isNext = false;
  /** By source: how many are still passed over. */
  readonly #passedOver = new Map<string, number>();

  /** Whether it is worth a try. */
  isDue(request: DecodeRequest): boolean {
    this.isNext = isSmallText(request) && !this.#isPassedOver(request.source);
    return this.isNext;
  }

  /** What came of it. */
  tell({ source }: DecodeRequest, isRead: boolean): void {
    if (isRead) return;
    if (this.#passedOver.size >= SOURCES_MAX) this.#passedOver.clear();
    this.#passedOver.set(source, PASSED_OVER);
    this.isNext = false;
  }

  #isPassedOver(source: string): boolean {
    const left = this.#passedOver.get(source) ?? 0;
    if (left > 1) this.#passedOver.set(source, left - 1);
    else this.#passedOver.delete(source);
    return left > 0;
  }
}

/** One drop, small, and called like lines of JSON. */
export function isSmallText({ files, fixes, read }: DecodeRequest): boolean {
  const [file, ...others] = files;
  if (file === undefined || others.length > 0 || (fixes ?? []).length > 0) return false;
  const isCalledSo = read.format === null ? ENDING.test(file.name) : read.format === "json";
  return isCalledSo && file.sizeBytes <= KEPT_TEXT_BYTES_MAX;
}
