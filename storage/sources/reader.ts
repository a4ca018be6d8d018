/** Reads one stream for the engine: seals segments, and acknowledges what it is told is committed. */

import { parseJson } from "../../core/base/json.ts";
import type { ReaderWorld } from "../../core/ingest/source-kind.ts";
import type { StreamReader } from "../../core/ingest/stream.ts";
import { sourceKinds } from "./kinds.ts";
import { ALIVE_MS, type FromReader, linesOf, type ToReader, toWire } from "./reader-wire.ts";

const LIMITS = { bytes: 64 * 1024 * 1024, ms: 20 };
/** Of the first stretch: what lands it begins sooner, and learns of few rows what they are. */
const FIRST_BYTES = 8 * 1024 * 1024;
/**
 * A stretch gathers rows for a part of the time that the last one took to land: the more there is to do, the fewer
 * and larger they are, and a change that comes alone hardly waits.
 */
const LINGER_SHARE = 1 / 8;
const LINGER_MS_MAX = 20;

export interface ReaderEnds {
  /** What the engine tells; it is gone when this ends. */
  readonly heard: AsyncIterable<Uint8Array>;
  /** Resolves when the system took the line. */
  readonly tell: (line: string) => Promise<void>;
}

/** Serves the engine until it goes away, or the stream cannot go on: that is told last. */
export async function serveReader(
  ends: ReaderEnds,
  { clock, random }: Pick<ReaderWorld, "clock" | "random">,
): Promise<void> {
  const tell = (message: FromReader): void => void ends.tell(JSON.stringify(message));
  const world: ReaderWorld = {
    clock,
    random,
    notice: (text) => tell({ tell: "notice", text }),
    coming: (segment) => tell({ tell: "coming", segment }),
    dropped: (paths) => tell({ tell: "dropped", paths }),
  };
  const session = new ReaderSession(ends, world);
  await Promise.race([session.listen(), session.run()]);
  await session.close();
}

class ReaderSession {
  readonly #ends: ReaderEnds;
  readonly #world: ReaderWorld;
  readonly #stop = new AbortController();
  #reader: StreamReader | null = null;
  /** Stretches that the engine waits for. */
  #wanted = 0;
  /** When the last stretch was told, while it lands. */
  #toldMs: number | null = null;
  #lingerMs = 0;
  #bytes = FIRST_BYTES;
  /** Resolves a wait for what the engine tells next. */
  #heard: () => void = () => {};

  constructor(ends: ReaderEnds, world: ReaderWorld) {
    this.#ends = ends;
    this.#world = world;
  }

  async listen(): Promise<void> {
    for await (const line of linesOf(this.#ends.heard)) {
      // parse: the engine wrote it; both are one build
      const message = parseJson(line) as unknown as ToReader; // parse: above
      if (message.tell === "open") {
        const { byWord } = await sourceKinds([message.request.kind]);
        const kind = byWord[message.request.kind];
        const opening = kind?.read(message.request, this.#world);
        this.#reader = (await this.#orFail(opening)) ?? null;
      } else if (message.tell === "want") this.#want();
      else if (message.tell === "measure") void this.#tellLag();
      else await this.#orFail(this.#reader?.acknowledge(message.position));
      this.#heard();
    }
  }

  #want(): void {
    this.#wanted += 1;
    if (this.#toldMs === null) return;
    const landedMs = this.#world.clock.nowMs() - this.#toldMs;
    this.#lingerMs = Math.min(landedMs * LINGER_SHARE, LINGER_MS_MAX);
    this.#toldMs = null;
  }

  /** Resolves when the stream cannot go on. */
  async run(): Promise<void> {
    const alive = this.#tellAlive();
    while (!this.#stop.signal.aborted) {
      const reader = this.#reader;
      if (reader === null || this.#wanted === 0) {
        await new Promise<void>((heard) => {
          this.#heard = heard;
        });
        continue;
      }
      const wasCaughtUp = reader.isCaughtUp;
      const limits = { ...LIMITS, bytes: this.#bytes, lingerMs: this.#lingerMs };
      const stretch = (await this.#orFail(reader.next(limits, this.#stop.signal))) ?? null;
      if (stretch !== null) {
        this.#wanted -= 1;
        this.#bytes = LIMITS.bytes;
        this.#toldMs = this.#world.clock.nowMs();
        await this.#tell({ tell: "stretch", stretch });
      }
      if (reader.isCaughtUp && !wasCaughtUp) await this.#sayAlive();
    }
    await alive;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#heard();
    await this.#reader?.close();
  }

  /** What failed is told, and nothing more is read. */
  async #orFail<T>(work: Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await work;
    } catch (thrown) {
      if (!this.#stop.signal.aborted) await this.#tell({ tell: "failed", error: toWire(thrown) });
      this.#stop.abort();
      this.#heard();
      return undefined;
    }
  }

  async #tellAlive(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#sayAlive();
      await this.#world.clock.sleep(ALIVE_MS, signal);
    }
  }

  /** What cannot be measured now stops nothing. */
  async #tellLag(): Promise<void> {
    const asked = this.#reader?.lag?.() ?? null;
    const lag = asked === null ? null : await asked.catch(() => null);
    await this.#tell({ tell: "lag", lag });
  }

  async #sayAlive(): Promise<void> {
    await this.#tell({ tell: "alive", isCaughtUp: this.#reader?.isCaughtUp ?? false });
  }

  async #tell(message: FromReader): Promise<void> {
    await this.#ends.tell(JSON.stringify(message));
  }
}
