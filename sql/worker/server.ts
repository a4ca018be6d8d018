/**
 * A worker process from the inside: its one socket to the engine, the requests that it answers one after the other,
 * and how it dies with the engine.
 */

import { dlopen } from "bun:ffi";
import { writeFileSync, writeSync } from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import { createInstance, type DuckDB, type FreshInstance, openDuckDB } from "../duckdb/duckdb.ts";
import type { Handler, OpenOptions, WorkerContext } from "./context.ts";
import {
  checkToWorker,
  encodeFrame,
  FrameReader,
  type FromWorker,
  type ToWorker,
  toErrorMessage,
  type WorkerMode,
} from "./protocol.ts";
import { socketOf } from "./socket.ts";

/** Handlers by operation, each loaded when it is asked for; a request goes to its handler as it came. */
export type Handlers = Readonly<Record<string, () => Promise<Handler<never, unknown>>>>;

/** What a worker of a kind is asked first: it loads while nobody asks yet. */
const FIRST: Readonly<Record<WorkerMode, readonly string[]>> = {
  foreign: ["inspect"],
  warm: ["materialize"],
  segments: ["decode", "decode-text"],
};

type Start = Extract<ToWorker, { kind: "start" }>;
type Request = Extract<ToWorker, { kind: "request" }>;

/** A warm worker's instance and what it was opened with. */
interface Warm {
  readonly key: string;
  readonly threads: number;
  readonly folders: readonly string[];
  readonly database: DuckDB;
}

export class WorkerServer {
  #handlers: Handlers;
  #refusal: LakeError | null;
  #send: (message: FromWorker) => void;
  #start: Start | null = null;
  readonly #warm = new Map<"usual" | "few", Warm>();
  /** Made before the first request is known; used once. */
  #fresh: FreshInstance | null = null;
  #queue: Promise<void> = Promise.resolve();

  /** `send` must have handed the message to the system when it returns. */
  constructor(handlers: Handlers, send: (message: FromWorker) => void, refusal: LakeError | null) {
    this.#handlers = handlers;
    this.#refusal = refusal;
    this.#send = send;
  }

  /** Takes one message as it arrived. Throws LakeError for what is no message. */
  receive(value: unknown): void {
    const message = checkToWorker(value);
    const work =
      message.kind === "start" ? () => this.#begin(message) : () => this.#answer(message);
    this.#queue = this.#queue.then(work);
  }

  async #begin(start: Start): Promise<void> {
    try {
      if (this.#refusal !== null) throw this.#refusal;
      this.#fresh = await createInstance({ tempFolder: start.tempFolder, threads: start.threads });
      this.#start = start;
      this.#send({ kind: "ready" });
      // What cannot be loaded is said to whoever asks for it.
      for (const first of FIRST[start.mode]) this.#handlers[first]?.().catch(() => null);
    } catch (thrown) {
      this.#send({ kind: "failed", error: toErrorMessage(thrown) });
    }
  }

  async #answer(request: Request): Promise<void> {
    // A worker that cannot start has said so and is about to be ended.
    const start = this.#start;
    if (start === null) return;
    const { id } = request;
    const opened: DuckDB[] = [];
    const abort = new AbortController();
    try {
      const load = this.#handlers[request.operation];
      if (load === undefined) {
        throw new LakeError("unsupported", `workers of this version cannot ${request.operation}`, {
          hint: "report this: engine and worker are not the same program",
        });
      }
      const context: WorkerContext = {
        open: async (options) => {
          const database = await this.#open(start, options, request.shareBytes);
          opened.push(database);
          return database;
        },
        announce: (file) => this.#send({ kind: "progress", id, file }),
        signal: abort.signal,
      };
      const handler = await load();
      const value = await handler(context, request.request as never); // parse: the handler's own type
      this.#send({ kind: "result", id, value: value ?? null });
    } catch (thrown) {
      this.#send({ kind: "error", id, error: toErrorMessage(thrown) });
    } finally {
      abort.abort();
      for (const database of opened.reverse()) await database.close();
    }
  }

  #open(start: Start, options: OpenOptions, shareBytes: number): Promise<DuckDB> {
    if (start.mode === "warm") return this.#openWarm(start, options, shareBytes);
    // What was received is read here: the instance sees what was made of it, and nothing else.
    const made = { ...options, allowedPaths: [] };
    if (start.mode === "segments") return this.#openWarm(start, made, shareBytes);
    return openDuckDB({ ...options, ...confined(start, shareBytes) }, this.#takeFresh());
  }

  #takeFresh(): FreshInstance | undefined {
    const fresh = this.#fresh ?? undefined;
    this.#fresh = null;
    return fresh;
  }

  /**
   * The same instance as before when it may open what is asked, with a connection of its own. What is about few rows
   * has one of its own, of one thread: how many an instance has is said when it is opened.
   */
  async #openWarm(start: Start, options: OpenOptions, shareBytes: number): Promise<DuckDB> {
    const { isFew = false, ...asked } = options;
    const kind = isFew && start.threads > 1 ? "few" : "usual";
    const key = JSON.stringify([asked.timezone ?? "UTC", shareBytes]);
    const warm = this.#warm.get(kind);
    const fits = (path: string) => warm?.folders.some((folder) => isBelow(path, folder)) === true;
    const wanted = [...asked.allowedPaths, ...asked.allowedFolders];
    const hasThreads = kind === "few" || (warm?.threads ?? 0) >= asked.threads;
    const again = warm?.key === key && hasThreads && wanted.every(fits);
    if (warm !== undefined && again) return warm.database.connect();
    await warm?.database.close();
    this.#warm.delete(kind);
    const allowedFolders = [...new Set([...start.folders, ...asked.allowedFolders])];
    const threads = kind === "few" ? 1 : Math.max(asked.threads, start.threads);
    const bounds = confined(start, shareBytes);
    const opening = { ...asked, ...bounds, ...(kind === "few" ? fewer(bounds) : {}) };
    const fresh = kind === "few" ? undefined : this.#takeFresh();
    const database = await openDuckDB({ ...opening, allowedFolders, threads }, fresh);
    this.#warm.set(kind, { key, threads, folders: allowedFolders, database });
    return database.connect();
  }
}

/** Of an instance beside another one: it spills elsewhere. */
function fewer({ memoryBytes, tempFolder }: ReturnType<typeof confined>) {
  return { memoryBytes: Math.floor(memoryBytes / 2), tempFolder: `${tempFolder}/few` };
}

function confined(start: Start, shareBytes: number) {
  return {
    memoryBytes: Math.floor(shareBytes / 2),
    tempFolder: start.tempFolder,
    lockdown: true,
  };
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

/** The socket that the engine hands over. stdin and stdout are closed: libraries print there. */
const CHANNEL = 3;
const PARENT_CHECK_MS = 1_000;
const FULL_WAIT_MS = 1;
/** prctl(2). */
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** Serves until the engine goes away; never returns before. With a `refusal` it says only that. */
export function runWorkerProcess(
  handlers: Handlers,
  refusal: LakeError | null = null,
): Promise<never> {
  const parent = process.ppid;
  dieWithParent(parent);
  preferAsVictim();
  // A terminal's Ctrl-C and a service manager's stop reach the whole group; the engine decides when we end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
  const send = (message: FromWorker) => writeAll(encodeFrame(message));
  const server = new WorkerServer(handlers, send, refusal);
  const reader = new FrameReader();
  const socket = socketOf(CHANNEL);
  socket.on("data", (chunk: Uint8Array) => {
    for (const message of reader.push(chunk)) server.receive(message);
  });
  for (const event of ["end", "close", "error"]) socket.on(event, die);
  return new Promise<never>(() => {});
}

/** Whole frames, before this returns: what is announced must be out before a file can kill us. */
function writeAll(frame: Uint8Array): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let at = 0; at < frame.length; ) {
    try {
      at += writeSync(CHANNEL, frame, at);
    } catch (thrown) {
      const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
      if (code !== "EAGAIN") die();
      Atomics.wait(pause, 0, 0, FULL_WAIT_MS);
    }
  }
}

/** Three ways, since each can fail: the kernel's signal, the closed socket, a look at the parent's id. */
function dieWithParent(parent: number): void {
  if (process.platform === "linux") askKernel();
  if (process.ppid !== parent) die();
  const timer = setInterval(() => {
    if (process.ppid !== parent) die();
  }, PARENT_CHECK_MS);
  timer.unref();
}

function askKernel(): void {
  try {
    const libc = dlopen("libc.so.6", { prctl: { args: ["i32", "u64"], returns: "i32" } });
    libc.symbols.prctl(PR_SET_PDEATHSIG, BigInt(SIGKILL));
  } catch {
    // Another libc: the socket and the timer remain.
  }
}

/** When memory runs out the kernel shall take a worker, not the engine. proc(5), oom_score_adj. */
function preferAsVictim(): void {
  if (process.platform !== "linux") return;
  try {
    writeFileSync("/proc/self/oom_score_adj", "500");
  } catch {
    // Not permitted in some containers; then the kernel chooses by itself.
  }
}

/** At once: a query that still runs in another thread must not hold the exit up. */
function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("killed");
}
