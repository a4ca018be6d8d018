/** What a request handler in a worker process has to work with. */

import type { DuckDB } from "../duckdb/duckdb.ts";

/** What a handler may choose; memory, spill folder and lockdown are the worker's business. */
export interface OpenOptions {
  /** Exact files that may be read (and, so says DuckDB, written). Absolute. */
  readonly allowedPaths: readonly string[];
  /** Folders below which files may be read and written: the staging folder of the request. Absolute. */
  readonly allowedFolders: readonly string[];
  readonly threads: number;
  /** Few rows are read and made: one thread does it, where several would wait for each other. Of warm workers alone. */
  readonly isFew?: boolean;
  /** Zone of `timestamptz` text, `date_trunc` and such; UTC when absent. */
  readonly timezone?: string;
}

export interface WorkerContext {
  /**
   * A new connection to a locked-down DuckDB. In a worker for foreign files the instance is fresh and sees
   * only what is allowed here. In a warm worker the instance also sees the lake's data and staging folders and
   * outlives the request; the connection and its temporary tables do not. All are closed when the request ends.
   */
  open(options: OpenOptions): Promise<DuckDB>;
  /** Says which foreign file is read next, before its first byte is: so a death has a name. */
  announce(fileName: string): void;
  /** Aborts when the answer is no longer wanted. */
  readonly signal: AbortSignal;
}

/** A request handler: `inspect`, `decode`, `materialize`, … */
export type Handler<Request, Result> = (
  context: WorkerContext,
  request: Request,
) => Promise<Result>;
