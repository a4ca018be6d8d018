/** Measures now and then how far sources are behind, and writes it down. */

import type { Clock } from "../ports.ts";
import type { LagStore, MeasuredLag } from "./lag.ts";
import type { Source } from "./source.ts";

interface LagPorts {
  readonly catalog: { readonly lags: LagStore };
  readonly clock: Clock;
}

/** While a lag changes it is written down this often, and otherwise so seldom. */
const MEASURE_MS = 5_000;
const UNCHANGED_MS = 60_000;

/** Asks each source that knows, and writes down what they say. */
export async function recordLags(ports: LagPorts, sources: readonly Source[]): Promise<void> {
  const lags = await measured(ports, sources);
  if (lags.length > 0) await ports.catalog.lags.record(lags);
}

/** Measures beside the loop, now and then; nothing waits for it, and nothing fails with it. */
export class LagWatch {
  readonly #ports: LagPorts;
  #dueMs = 0;
  #running: Promise<void> | null = null;
  /** What was written down last, by source. */
  readonly #recorded = new Map<string, MeasuredLag>();

  constructor(ports: LagPorts) {
    this.#ports = ports;
  }

  look(sources: readonly Source[]): void {
    const nowMs = this.#ports.clock.nowMs();
    const isAsked = sources.some((source) => source.lag !== undefined);
    if (!isAsked || this.#running !== null || nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + MEASURE_MS;
    // A measure that cannot be written is older: the next commit meets the same failure, and says it.
    this.#running = this.#measure(sources)
      .catch(() => {})
      .finally(() => {
        this.#running = null;
      });
  }

  async close(): Promise<void> {
    await this.#running;
  }

  async #measure(sources: readonly Source[]): Promise<void> {
    const lags = await measured(this.#ports, sources);
    const news = lags.filter((lag) => this.#isNews(lag));
    if (news.length === 0) return;
    await this.#ports.catalog.lags.record(news);
    for (const lag of news) this.#recorded.set(lag.source, lag);
  }

  #isNews({ source, measuredMs, bytes, rows, ms }: MeasuredLag): boolean {
    const known = this.#recorded.get(source);
    if (known === undefined || measuredMs - known.measuredMs >= UNCHANGED_MS) return true;
    return known.bytes !== bytes || known.rows !== rows || known.ms !== ms;
  }
}

async function measured(
  { clock }: LagPorts,
  sources: readonly Source[],
): Promise<readonly MeasuredLag[]> {
  const asked = sources.map(async (source): Promise<MeasuredLag | null> => {
    const lag = (await source.lag?.()) ?? null;
    return lag === null ? null : { source: source.name, measuredMs: clock.nowMs(), ...lag };
  });
  return (await Promise.all(asked)).filter((lag) => lag !== null);
}
