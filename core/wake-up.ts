/** Wakes a loop that has nothing to do: a hint, which carries no truth and may come too often. */

import type { Clock } from "./ports.ts";

/** Wake-ups between two waits are one. */
export class WakeUp {
  readonly #clock: Pick<Clock, "sleep">;
  #isPending = false;
  #resolve: (() => void) | null = null;

  constructor(clock: Pick<Clock, "sleep">) {
    this.#clock = clock;
  }

  readonly wake = (): void => {
    this.#isPending = true;
    this.#resolve?.();
  };

  /** Resolves when it is woken, which may have been before, when `ms` are over or the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<"woken" | "over"> {
    if (!this.#isPending && !signal.aborted) await this.#sleep(ms, signal);
    const isWoken = this.#isPending;
    this.#isPending = false;
    return isWoken ? "woken" : "over";
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    const aborted = (): void => this.#resolve?.();
    signal.addEventListener("abort", aborted, { once: true });
    await Promise.race([woken, this.#clock.sleep(ms, stop.signal)]);
    signal.removeEventListener("abort", aborted);
    stop.abort();
    this.#resolve = null;
  }
}
