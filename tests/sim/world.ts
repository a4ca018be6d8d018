/** A clock and a randomness that a test holds in its hand: the same seed gives the same run. */

import type { Clock, Random } from "../../core/ports.ts";
import { random } from "./torn.ts";

/** Stands still unless someone sleeps, who then wakes at once at the later time. */
export class SimClock implements Clock {
  #nowMs: number;

  constructor(startMs = Date.UTC(2026, 10, 20, 12)) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  async sleep(ms: number): Promise<void> {
    this.#nowMs += ms;
    await new Promise((resolve) => setImmediate(resolve));
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}

export class SimRandom implements Random {
  readonly #chance: () => number;

  constructor(seed: number) {
    this.#chance = random(seed);
  }

  uuid(): string {
    const hex = Array.from({ length: 32 }, () => Math.floor(this.#chance() * 16).toString(16));
    hex[12] = "4";
    hex[16] = "8";
    const text = hex.join("");
    return [
      text.slice(0, 8),
      text.slice(8, 12),
      text.slice(12, 16),
      text.slice(16, 20),
      text.slice(20),
    ].join("-");
  }

  int63(): bigint {
    const part = (): bigint => BigInt(Math.floor(this.#chance() * 0x7fffffff));
    return (part() << 32n) | (part() << 1n) | 1n;
  }

  fraction(): number {
    return this.#chance();
  }
}
