/** Who does the work: a spare and then a fresh process per foreign request, kept processes for warm ones. */

import { LakeError } from "../../core/base/errors.ts";
import type { AskOptions, Worker } from "./worker.ts";

/** A request that begins so soon after another has ended is one of a stream: a spare starts when it ends. */
const STREAM_MS = 300;
/** After a request that came alone, what follows from it (the models) has the processors first. */
const ALONE_DELAY_MS = 200;

/** Lets `size` callers in at a time, in the order they came. */
class Turnstile {
  #free: number;
  #waiting: (() => void)[] = [];

  constructor(size: number) {
    this.#free = size;
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

/** One request, one process: a process that has read a foreign file is never used again. */
export class ForeignPool {
  #spawn: () => Worker;
  #turnstile: Turnstile;
  #idleMs: number;
  #spare: Worker | null = null;
  #retire: ReturnType<typeof setTimeout> | null = null;
  #busy = new Set<Worker>();
  #closed = false;
  /** Runs for a while after each request. */
  #recent: ReturnType<typeof setTimeout> | null = null;

  constructor(spawn: () => Worker, size: number, idleMs: number) {
    this.#spawn = spawn;
    this.#turnstile = new Turnstile(size);
    this.#idleMs = idleMs;
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
    if (isStream) this.prepare();
    else setTimeout(() => this.prepare(), ALONE_DELAY_MS).unref();
    if (this.#recent !== null) clearTimeout(this.#recent);
    this.#recent = setTimeout(() => {
      this.#recent = null;
    }, STREAM_MS);
    this.#recent.unref();
  }

  #take(): Worker {
    if (this.#closed) throw closedError();
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
  #idle: { readonly worker: Worker; readonly retire: ReturnType<typeof setTimeout> }[] = [];
  #busy = new Set<Worker>();
  #closed = false;

  constructor(spawn: () => Worker, size: number, idleMs: number) {
    this.#spawn = spawn;
    this.#turnstile = new Turnstile(size);
    this.#idleMs = idleMs;
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
    if (this.#closed) throw closedError();
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
    const retire = setTimeout(() => {
      this.#idle = this.#idle.filter((entry) => entry.worker !== worker);
      void worker.kill();
    }, this.#idleMs);
    retire.unref();
    this.#idle.push({ worker, retire });
  }
}

function closedError(): LakeError {
  return new LakeError("internal", "the SQL engine is closed", { hint: "report this" });
}
