/** Patience of the endless loop: what failed is not tried again until something changed or time has passed. */

/** First pause after a failure; doubled with each further one. */
const PAUSE_MS_MIN = 5_000;
const PAUSE_MS_MAX = 5 * 60_000;

interface Failure {
  /** What the attempt was made of; another cause is another attempt. */
  readonly cause: string;
  readonly pauseMs: number;
  readonly untilMs: number;
}

export class Patience {
  readonly #failureByName = new Map<string, Failure>();

  /** True while the same attempt should not be made again. */
  isPaused(name: string, cause: string, nowMs: number): boolean {
    const failure = this.#failureByName.get(name);
    return failure !== undefined && failure.cause === cause && nowMs < failure.untilMs;
  }

  failed(name: string, cause: string, nowMs: number): void {
    const before = this.#failureByName.get(name);
    const again = before !== undefined && before.cause === cause;
    const pauseMs = again ? Math.min(before.pauseMs * 2, PAUSE_MS_MAX) : PAUSE_MS_MIN;
    this.#failureByName.set(name, { cause, pauseMs, untilMs: nowMs + pauseMs });
  }

  succeeded(name: string): void {
    this.#failureByName.delete(name);
  }
}
