/** The worker's side: loads the SQL library, then answers requests one after the other. */

import { LakeError } from "../../core/base/errors.ts";
import { createInstance, type DuckDB, type FreshInstance, openDuckDB } from "../duckdb/duckdb.ts";
import type { Handler, OpenOptions, WorkerContext } from "./context.ts";
import {
  checkToWorker,
  type FromWorker,
  type ToWorker,
  toErrorMessage,
  type WorkerMode,
} from "./protocol.ts";

/** Handlers by operation, each loaded when it is asked for; a request goes to its handler as it came. */
export type Handlers = Readonly<Record<string, () => Promise<Handler<never, unknown>>>>;

/** What a worker of a kind is asked first: it loads while nobody asks yet. */
const FIRST: Readonly<Record<WorkerMode, string>> = { foreign: "inspect", warm: "materialize" };

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
  #warm: Warm | null = null;
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
      this.#handlers[FIRST[start.mode]]?.().catch(() => null);
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
    return openDuckDB({ ...options, ...confined(start, shareBytes) }, this.#takeFresh());
  }

  #takeFresh(): FreshInstance | undefined {
    const fresh = this.#fresh ?? undefined;
    this.#fresh = null;
    return fresh;
  }

  /** The same instance as before when it may open what is asked, with a connection of its own. */
  async #openWarm(start: Start, options: OpenOptions, shareBytes: number): Promise<DuckDB> {
    const key = JSON.stringify([options.timezone ?? "UTC", shareBytes]);
    const warm = this.#warm;
    const fits = (path: string) => warm?.folders.some((folder) => isBelow(path, folder)) === true;
    const wanted = [...options.allowedPaths, ...options.allowedFolders];
    const again = warm?.key === key && warm.threads >= options.threads && wanted.every(fits);
    if (warm !== null && again) return warm.database.connect();
    await warm?.database.close();
    this.#warm = null;
    const allowedFolders = [...new Set([...start.folders, ...options.allowedFolders])];
    const threads = Math.max(options.threads, start.threads);
    const opening = { ...options, ...confined(start, shareBytes), allowedFolders, threads };
    const database = await openDuckDB(opening, this.#takeFresh());
    this.#warm = { key, threads, folders: allowedFolders, database };
    return database.connect();
  }
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
