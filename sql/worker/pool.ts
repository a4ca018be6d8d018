/** Workers that wait to be asked: each for one request, or one after the other. */

import { setPriority } from "node:os";
import { LakeError } from "../../core/base/errors.ts";
import { Turnstile } from "../../core/base/turnstile.ts";
import { type AskOptions, residentBytes, type Worker } from "./worker.ts";

/** A request that begins so soon after another has ended is one of a stream: a spare starts when it ends. */
const STREAM_MS = 300;
/** After a request that came alone, what follows from it (the models) has the processors first. */
const ALONE_DELAY_MS = 200;
/** A kept process is weighed after so many answers. */
const ANSWERS_PER_LOOK = 16;
/** A request that takes longer gives way to whatever is short: the processors are asked to see to that. */
export const LONG_MS = 1_000;
/** The nice value of such a process (POSIX nice(3)): a tenth of the weight of others under Linux' scheduler. */
const LONG_PRIORITY = 10;

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

export interface WarmPoolOptions {
  /** What a process may have grown to between two requests. */
  readonly bytesMax?: number;
  readonly givesWay?: boolean;
}

/** Processes that answer one request after the other, until idle for a while or broken. */
export class WarmPool {
  #spawn: () => Worker;
  #turnstile: Turnstile;
  readonly #size: number;
  #idleMs: number;
  /** What a process may have grown to between two requests. */
  readonly #bytesMax: number;
  /** What takes long has others beside it, and gives way to them. */
  readonly #givesWay: boolean;
  #idle: { readonly worker: Worker; readonly retire: ReturnType<typeof setTimeout> }[] = [];
  #busy = new Set<Worker>();
  readonly #slow = new WeakSet<Worker>();
  /** Requests that are at work or wait. */
  #asked = 0;
  #answers = 0;
  #closed = false;

  constructor(
    spawn: () => Worker,
    size: number,
    idleMs: number,
    { bytesMax = Number.POSITIVE_INFINITY, givesWay = false }: WarmPoolOptions = {},
  ) {
    this.#spawn = spawn;
    this.#turnstile = new Turnstile(size);
    this.#idleMs = idleMs;
    this.#size = size;
    this.#bytesMax = bytesMax;
    this.#givesWay = givesWay;
  }

  /** Whoever asks now waits for another. */
  get isFull(): boolean {
    return this.#asked >= this.#size;
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

  /** `onBegin`: it has waited for others, and is at work from here on. */
  async ask(
    operation: string,
    request: unknown,
    options: AskOptions,
    onBegin?: () => void,
  ): Promise<unknown> {
    this.#asked += 1;
    await this.#turnstile.enter();
    let worker: Worker | null = null;
    const long = this.#givesWay ? setTimeout(() => this.#giveWay(worker), LONG_MS) : undefined;
    try {
      worker = this.#take();
      this.#busy.add(worker);
      onBegin?.();
      return await worker.ask(operation, request, options);
    } finally {
      clearTimeout(long);
      if (worker !== null) this.#giveBack(worker);
      this.#asked -= 1;
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
    if (this.#closed || !worker.usable || this.#slow.delete(worker)) {
      void worker.kill();
      return;
    }
    this.#keep(worker);
    this.#answers += 1;
    if (this.#answers % ANSWERS_PER_LOOK === 0) void this.#weigh(worker);
  }

  /** Nobody but root may take that back: the process ends with its request. */
  #giveWay(worker: Worker | null): void {
    if (worker === null || !this.#busy.has(worker)) return;
    try {
      setPriority(worker.pid, LONG_PRIORITY);
      this.#slow.add(worker);
    } catch {
      // It is gone, or the system does not let it: it goes on as it is.
    }
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
