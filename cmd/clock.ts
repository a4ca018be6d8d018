/** The real clock and the real dice: where the engine's ports meet the system. */

import type { Clock, Random } from "../core/ports.ts";

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const timer = setTimeout(done, ms);
      function done(): void {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      }
      signal?.addEventListener("abort", done);
    }),
};

export const systemRandom: Random = {
  uuid: () => crypto.randomUUID(),
  int63: () => (crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n) & 0x7fff_ffff_ffff_ffffn,
  fraction: () => Math.random(),
};
