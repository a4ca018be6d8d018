/** One worker process from the outside: spawned, asked one thing at a time, watched, killed. */

import { mkdirSync, readFileSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { LakeError } from "../../core/base/errors.ts";
import { WORKER_MS_PER_FILE, WORKER_START_MS, WORKER_WATCH_MS } from "../../core/limits.ts";
import {
  checkFromWorker,
  encodeFrame,
  FrameReader,
  fromErrorMessage,
  type ToWorker,
  type WorkerMode,
} from "./protocol.ts";
import { socketOf } from "./socket.ts";

/** The watchdog's clock: one that never goes back. */
export const MONOTONIC = (): number => performance.now();

/** Resident bytes, or null when the process is gone or the system does not say. */
export async function residentBytes(pid: number): Promise<number | null> {
  return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
}

/** `VmRSS` is in kB whatever the page size is. proc(5). */
function fromProc(pid: number): number | null {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return found === null ? null : Number(found[1]) * 1024;
  } catch {
    return null;
  }
}

async function fromPs(pid: number): Promise<number | null> {
  const ps = Bun.spawn(["/bin/ps", "-o", "rss=", "-p", String(pid)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const kilobytes = Number((await new Response(ps.stdout).text()).trim() || Number.NaN);
  return Number.isSafeInteger(kilobytes) ? kilobytes * 1024 : null;
}

export interface SpawnOptions {
  /** The program and its arguments: this binary and `__worker`. */
  readonly command: readonly string[];
  /** All that a worker sees of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly mode: WorkerMode;
  readonly folders: readonly string[];
  /** Private to this worker: made here, removed after its death. */
  readonly tempFolder: string;
  /** The most that a request will ask for. */
  readonly threads: number;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
}

export interface AskOptions {
  readonly shareBytes: number;
  /** Wall time, with files from one to the next; null: as long as it takes. */
  readonly timeMs: number | null;
  /** Names that the worker may announce. */
  readonly files: ReadonlySet<string>;
}

type Killed = "memory" | "time" | "crash";

interface Pending {
  readonly id: number;
  readonly operation: string;
  readonly options: AskOptions;
  /** When the worker had it: what comes before is the worker's own time. */
  startedMs: number;
  /** When it last came to a file. */
  cameMs: number;
  file: string | null;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: LakeError) => void;
}

const STDERR_CHARS_MAX = 2_000;

export class Worker {
  readonly mode: WorkerMode;
  /** Resolves when the process is gone and its folder removed. */
  readonly gone: Promise<void>;
  #process: Bun.Subprocess<"ignore", "ignore", "pipe">;
  #socket: Socket;
  #tempFolder: string;
  #pending: Pending | null = null;
  #failure: LakeError | null = null;
  #killed: Killed | null = null;
  #alive = true;
  #ready = false;
  #stderr = "";
  #nextId = 1;
  #watch: ReturnType<typeof setInterval>;
  #nowMs: () => number;
  #startedMs: number;
  #looking = false;

  constructor(options: SpawnOptions) {
    this.mode = options.mode;
    this.#nowMs = options.nowMs;
    this.#startedMs = options.nowMs();
    this.#tempFolder = options.tempFolder;
    mkdirSync(options.tempFolder, { recursive: true, mode: 0o700 });
    const child = Bun.spawn([...options.command], {
      cwd: options.tempFolder,
      env: { ...options.environment },
      stdio: ["ignore", "ignore", "pipe", "socket-fd"],
    });
    this.#process = child;
    this.#socket = this.#listen(Number(child.stdio[3]));
    this.#collect(child.stderr);
    this.gone = child.exited.then(turnOfLoop).then(() => this.#onExit());
    this.#watch = setInterval(() => this.#look(), WORKER_WATCH_MS);
    child.unref();
    this.#watch.unref();
    const { mode, folders, tempFolder, threads } = options;
    this.#send({ kind: "start", mode, folders, tempFolder, threads });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** False once it died or said that it cannot start; then it must not be asked. */
  get usable(): boolean {
    return this.#alive && this.#killed === null && this.#failure === null;
  }

  /** Asks one thing. Throws what the worker threw, or `input`/`io` with `context.killed` when it died. */
  ask(operation: string, request: unknown, options: AskOptions): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const startedMs = this.#nowMs();
      const begun = { startedMs, cameMs: startedMs, file: null };
      const pending = { id, operation, options, ...begun, resolve, reject };
      if (this.#failure !== null) return reject(this.#failure);
      if (!this.#alive) return reject(this.#deathOf(pending));
      this.#pending = pending;
      this.#process.ref();
      this.#watch.ref();
      try {
        const { shareBytes } = options;
        this.#send({ kind: "request", id, operation, request, shareBytes });
      } catch (thrown) {
        this.#settle();
        reject(thrown);
      }
    });
  }

  /** Ends the process at once; an open question is answered with LakeError `io`. */
  async kill(): Promise<void> {
    const pending = this.#settle();
    pending?.reject(
      new LakeError("io", `${pending.operation} was stopped before it was done`, {
        hint: "nothing was published; run it again",
        context: { operation: pending.operation },
      }),
    );
    this.#process.kill("SIGKILL");
    await this.gone;
  }

  #listen(fd: number): Socket {
    const reader = new FrameReader();
    const socket = socketOf(fd);
    socket.on("data", (chunk: Uint8Array) => {
      try {
        for (const message of reader.push(chunk)) this.#receive(message);
      } catch (thrown) {
        this.#distrust(thrown);
      }
    });
    // The exit of the process tells; a broken pipe is its echo.
    socket.on("error", () => {});
    socket.unref();
    return socket;
  }

  #send(message: ToWorker): void {
    this.#socket.write(encodeFrame(message));
  }

  #receive(value: unknown): void {
    const message = checkFromWorker(value);
    const pending = this.#pending;
    if (message.kind === "ready") {
      this.#ready = true;
      if (pending !== null) pending.startedMs = pending.cameMs = this.#nowMs();
    } else if (message.kind === "failed") {
      this.#failure = fromErrorMessage(message.error);
      this.#process.kill("SIGKILL");
    } else if (pending === null || message.id !== pending.id) {
      throw new LakeError("internal", "a worker answers what it was not asked", {
        hint: "report this",
      });
    } else if (message.kind === "progress") {
      if (!pending.options.files.has(message.file)) {
        throw new LakeError("internal", `a worker reads ${message.file}, which it was not given`, {
          hint: "report this",
        });
      }
      if (pending.file !== message.file) pending.cameMs = this.#nowMs();
      pending.file = message.file;
    } else {
      this.#settle();
      if (message.kind === "result") pending.resolve(message.value);
      else pending.reject(this.#errorOf(pending, fromErrorMessage(message.error)));
    }
  }

  /** An engine failure while a foreign file is read is that file's doing, as if it had killed the worker. */
  #errorOf(pending: Pending, error: LakeError): LakeError {
    if (error.context.engine === "out of memory" && pending.file !== null) {
      const message = `reading ${pending.file} needs more memory than a worker has`;
      return new LakeError("input", message, {
        context: { ...error.context, killed: "memory", file: pending.file },
        hint: "split the file, or give more: --memory, or memory: in tarn.yaml",
        cause: error,
      });
    }
    if (error.code !== "internal") return ofFiles(pending, error);
    this.#killed = "crash";
    this.#process.kill("SIGKILL");
    if (pending.file === null) return error;
    return new LakeError(
      "input",
      `reading ${pending.file} breaks the SQL engine: ${error.message}`,
      {
        context: { ...error.context, killed: "crash", file: pending.file },
        hint: "the file is set aside; check it with another reader",
        cause: error,
      },
    );
  }

  /** A worker that talks nonsense is taken for compromised. */
  #distrust(thrown: unknown): void {
    this.#killed = "crash";
    this.#process.kill("SIGKILL");
    const pending = this.#settle();
    if (pending !== null && thrown instanceof LakeError) pending.reject(thrown);
  }

  #settle(): Pending | null {
    const pending = this.#pending;
    this.#pending = null;
    this.#process.unref();
    this.#watch.unref();
    return pending;
  }

  #onExit(): void {
    this.#alive = false;
    clearInterval(this.#watch);
    this.#socket.destroy();
    const pending = this.#settle();
    if (pending !== null) pending.reject(this.#failure ?? this.#deathOf(pending));
    rmSync(this.#tempFolder, { recursive: true, force: true });
  }

  #look(): void {
    const nowMs = this.#nowMs();
    const pending = this.#pending;
    if (!this.#ready && this.#failure === null && nowMs - this.#startedMs > WORKER_START_MS) {
      this.#end("time");
    } else if (pending !== null) {
      if (this.#ready && isOver(pending, nowMs)) this.#end("time");
      else void this.#weigh(pending.options.shareBytes);
    }
  }

  async #weigh(shareBytes: number): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const bytes = await residentBytes(this.pid);
    this.#looking = false;
    if (bytes !== null && bytes > shareBytes && this.#pending !== null) this.#end("memory");
  }

  #end(why: Killed): void {
    this.#killed ??= why;
    this.#process.kill("SIGKILL");
  }

  #collect(stderr: ReadableStream<Uint8Array>): void {
    const decoder = new TextDecoder();
    const read = async () => {
      for await (const chunk of stderr) {
        const text = this.#stderr + decoder.decode(chunk, { stream: true });
        this.#stderr = text.slice(-STDERR_CHARS_MAX);
      }
    };
    read().catch(() => {});
  }

  #deathOf(pending: Pending): LakeError {
    const killed = this.#killed ?? "crash";
    const { file, operation, options } = pending;
    const signal = this.#process.signalCode ?? `exit code ${this.#process.exitCode}`;
    const what = file === null ? `the worker for ${operation}` : `the worker that read ${file}`;
    const why = {
      memory: `needed more than ${Math.round(options.shareBytes / 1024 ** 2)} MiB of memory`,
      time: `took longer than ${Math.round((options.timeMs ?? WORKER_START_MS) / 1000)} s`,
      crash: `died (${signal})`,
    }[killed];
    const hint = {
      memory: "raise `memory` in tarn.yaml, or split the input into smaller pieces",
      time: "split the input into smaller pieces, or look for what makes it slow",
      crash: "try again; if it happens every time, report it with the input",
    }[killed];
    return new LakeError(file === null ? "io" : "input", `${what} ${why}`, {
      hint,
      context: {
        // A worker that never started read nothing: no input is to blame.
        ...(this.#ready ? { killed } : {}),
        operation,
        signal,
        ...(file === null ? {} : { file }),
        ...(this.#stderr === "" ? {} : { stderr: this.#stderr }),
      },
    });
  }
}

/** It came to no other file for too long, or has come to them for too long in all. */
function isOver(
  { startedMs, cameMs, options: { timeMs, files } }: Pending,
  nowMs: number,
): boolean {
  if (timeMs === null) return false;
  const inAllMs = timeMs + files.size * WORKER_MS_PER_FILE;
  return nowMs - cameMs > timeMs || nowMs - startedMs > inAllMs;
}

/** What the process said before its end may still wait to be read. */
function turnOfLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What the SQL engine says of foreign files, and not of the system, is their doing, of one or of all together. */
function ofFiles({ options }: Pending, error: LakeError): LakeError {
  const isEngines = error.context.engine !== undefined && error.code !== "io";
  if (options.files.size === 0 || !isEngines) return error;
  const { code, message, hint, context } = error;
  const details = { context, cause: error, scope: "file" } as const;
  return new LakeError(code, message, hint === null ? details : { ...details, hint });
}

/** A folder for one worker, named by its owner's process, so that a later owner can clear it. */
export function workerFolder(parent: string): string {
  return join(parent, `worker-${process.pid}-${crypto.randomUUID()}`);
}
