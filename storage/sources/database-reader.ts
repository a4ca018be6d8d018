/** A database's stream as a process of its own hands it on. */

import type { Lag } from "../../core/ingest/lag.ts";
import type { ReaderWorld } from "../../core/ingest/source-kind.ts";
import type { ReaderLimits, SealedStretch, StreamReader } from "../../core/ingest/stream.ts";
import type { SealedSegment } from "./segment-queue.ts";
import type { StreamLimits } from "./table-stream.ts";

/** What any of them does. */
export interface DatabaseStream {
  next(limits: StreamLimits, signal?: AbortSignal): Promise<SealedSegment | null>;
  readonly isCaughtUp: boolean;
  /** How far what was acknowledged is behind what is there. */
  lag(): Promise<Lag | null>;
  /** Where the server is to be told what is committed. */
  acknowledge?(position: string): void;
  close(): Promise<void>;
}

/** A stream that has nothing says so this often. */
const QUIET_MS = 500;

export class DatabaseReader implements StreamReader {
  readonly #stream: DatabaseStream;
  readonly #world: ReaderWorld;

  constructor(stream: DatabaseStream, world: ReaderWorld) {
    this.#stream = stream;
    this.#world = world;
  }

  get isCaughtUp(): boolean {
    return this.#stream.isCaughtUp;
  }

  async next(limits: ReaderLimits, signal: AbortSignal): Promise<SealedStretch | null> {
    const over = new AbortController();
    const waiting = AbortSignal.any([signal, over.signal]);
    void this.#world.clock.sleep(QUIET_MS, waiting).then(() => over.abort());
    try {
      const ask = { bytes: limits.bytes, lingerMs: limits.lingerMs };
      const segment = await this.#stream.next(ask, waiting);
      if (segment === null) return null;
      const { to, file, earlier = [] } = segment;
      const files = [...earlier, ...(file === null ? [] : [file])];
      return {
        to,
        files: files.map(({ rows, ...sealed }) => ({
          ...sealed,
          newlines: 0,
          tables: Object.keys(rows),
        })),
      };
    } finally {
      // Nothing is waited for: a stream without what was taken of it is caught up, and nobody is to be told so before.
      over.abort();
    }
  }

  async lag(): Promise<Lag | null> {
    return await this.#stream.lag();
  }

  async acknowledge(position: string): Promise<void> {
    this.#stream.acknowledge?.(position);
  }

  async close(): Promise<void> {
    await this.#stream.close();
  }
}
