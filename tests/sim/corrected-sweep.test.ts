/**
 * Corrections that come, change and go, and runs that are taken back, through power cuts, failing operations and
 * failing COMMITs at a sample of all places, and back. `tests/sim/long.ts` takes every place.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { must } from "../../core/base/assert.ts";
import { CORRECTED } from "./corrected-scenario.ts";
import type { Fault } from "./story.ts";
import { countsText, type Point, type Reference, Sweep } from "./sweep.ts";
import { SweepBench } from "./sweep-bench.ts";
import { random } from "./torn.ts";

const SEED = Number(process.env.TARN_SEED);
const TIMEOUT_MS = 180_000;
const CUTS = 18;
const CUTS_TO_THE_END = 6;
const DOUBLE_CUTS = 2;
const FAILURES = 8;
const COMMIT_FAULTS = 6;
const chance = random(SEED);
let bench: SweepBench;
let reference: Reference;

beforeAll(async () => {
  bench = await SweepBench.open(CORRECTED);
  reference = await bench.reference();
}, TIMEOUT_MS);

afterAll(async () => {
  console.log(`corrected (TARN_SEED=${SEED}): ${countsText(bench.sweep.counts)}`);
  await bench[Symbol.asyncDispose]();
});

describe("corrections and undone runs on the simulated disk", () => {
  test("without a fault are right after every step", () => {
    expect(reference.problems).toEqual([]);
  });

  test(
    "told again from the same seed are the same, operation by operation",
    async () => {
      expect((await bench.reference()).traces).toEqual(reference.traces);
    },
    TIMEOUT_MS,
  );

  test(
    "survive a power cut before any operation",
    async () => {
      for (const point of sample(Sweep.all(reference), CUTS)) {
        expect(await bench.sweep.cut(reference, point, options(false))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "survive a power cut right before and right after COMMIT, and go on to their end",
    async () => {
      for (const point of sample(Sweep.commits(reference), CUTS_TO_THE_END)) {
        expect(await bench.sweep.cut(reference, point, options(true))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "survive a second power cut while they recover from the first",
    async () => {
      for (const point of sample(Sweep.all(reference), DOUBLE_CUTS)) {
        const length = must(reference.traces[point.step], "the step has a trace").length;
        const again = Math.floor(chance() * length);
        expect(await bench.sweep.cut(reference, point, { ...options(false), again })).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "acknowledge nothing that a failing disk did not keep",
    async () => {
      for (const [index, point] of sample(Sweep.failing(reference), FAILURES).entries()) {
        const code = index % 2 === 0 ? "EIO" : "ENOSPC";
        const fault: Fault = { kind: "error", at: point.at, code };
        expect(await bench.sweep.fail(reference, point, fault, options(false))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "never guess what became of a COMMIT that failed",
    async () => {
      for (const [index, point] of sample(Sweep.commits(reference), COMMIT_FAULTS).entries()) {
        const code = index % 3 === 0 ? "SQLITE_FULL" : "SQLITE_IOERR";
        const fault: Fault = { kind: "commit", at: point.at, code, blind: index % 3 === 2 };
        expect(await bench.sweep.fail(reference, point, fault, options(false))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );
});

function options(toTheEnd: boolean) {
  return { toTheEnd, seed: Math.floor(chance() * 2 ** 31) };
}

/** Spread evenly over all, from a start that the seed chooses. */
function sample(points: readonly Point[], count: number): Point[] {
  const stride = points.length / count;
  const start = chance() * stride;
  return Array.from({ length: count }, (_, index) =>
    must(points[Math.floor(start + index * stride)], "the sample is within the points"),
  );
}
