/** How old what landed last is, out of when the server was seen where, and what the server says of its times. */

import type { Clock } from "../../core/ports.ts";

/** What is remembered of either at most: more is thinned from the oldest on. */
const KEPT_MAX = 256;
/** Nearer ones are remembered as one. */
const APART_MS = 100;

interface Mark<T> {
  readonly at: T;
  readonly ms: number;
}

/** Places of a log that grows, in its order. */
export class LagClock<T extends bigint | number> {
  readonly #clock: Clock;
  /** Where the server was seen to be, and when. */
  readonly #seen: Mark<T>[] = [];
  /** Where things of a time end. */
  readonly #timed: Mark<T>[] = [];
  #landedMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something that the server gives this time ends there. */
  timed(at: T, ms: number): void {
    const last = this.#timed.at(-1);
    // The later end stands for both: until it has landed, neither has.
    if (last !== undefined && ms - last.ms < APART_MS) this.#timed.pop();
    this.#timed.push({ at, ms });
    if (this.#timed.length > KEPT_MAX) this.#timed.shift();
  }

  /** The server is at `end` now, and all before `landed` is in the lake: how old what landed last is, in whole ms. */
  ageMs(landed: T, end: T): number | null {
    const nowMs = this.#clock.nowMs();
    this.#seen.push({ at: end, ms: nowMs });
    if (this.#seen.length > KEPT_MAX) this.#seen.shift();
    for (const marks of [this.#seen, this.#timed]) {
      let behind = marks.length;
      while (behind > 0 && (marks[behind - 1]?.at ?? landed) > landed) behind -= 1;
      const last = marks[behind - 1];
      if (last === undefined) continue;
      marks.splice(0, behind);
      this.#landedMs = Math.max(this.#landedMs ?? 0, last.ms);
    }
    if (landed >= end) return 0;
    return this.#landedMs === null ? null : Math.max(0, Math.round(nowMs - this.#landedMs));
  }
}
