/** Repeatable randomness: the same words give the same stream on every machine. */

import { must } from "../../core/base/assert.ts";

export interface Stream {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** Whole, from 0 up to `limit`, which is left out. */
  below(limit: number): number;
  pick<T>(items: readonly T[]): T;
  chance(probability: number): boolean;
}

/** A stream for a seed and what it is for: `streamOf(7, "order", 42)`. */
export function streamOf(...words: readonly (string | number)[]): Stream {
  let state = hash(words.join("/"));
  const next = (): number => {
    // Mulberry32: 32 bits of state, one multiplication chain a number.
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    fraction: next,
    below,
    pick: (items) => must(items[below(items.length)], "there is something to pick from"),
    chance: (probability) => next() < probability,
  };
}

/** FNV-1a, then a final mix so that near words give far states. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return value ^ (value >>> 13);
}
