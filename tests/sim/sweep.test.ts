/**
 * A whole story (three batches, a replay, retention) through power cuts, failing operations and failing COMMITs at a
 * sample of all places, and back. `tests/sim/long.ts` takes every place.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { must } from "../../core/base/assert.ts";
import { FILES } from "./files-scenario.ts";
import type { Fault } from "./story.ts";
import { countsText, type Point, type Reference, Sweep } from "./sweep.ts";
import { SweepBench } from "./sweep-bench.ts";
import { random } from "./torn.ts";

const SEED = Number(process.env.TARN_SEED);
const TIMEOUT_MS = 120_000;
/** Of about a thousand places. */
const CUTS = 40;
const CUTS_TO_THE_END = 6;
const DOUBLE_CUTS = 6;
const FAILURES = 20;
const COMMIT_FAULTS = 9;
const UNREMEMBERED = 2;

const chance = random(SEED);
let bench: SweepBench;
let reference: Reference;

beforeAll(async () => {
  bench = await SweepBench.open(FILES);
  reference = await bench.reference();
}, TIMEOUT_MS);

afterAll(async () => {
  const { asked, real } = bench.engine.counts;
  console.log(`sweep (TARN_SEED=${SEED}): ${countsText(bench.sweep.counts)}`);
  console.log(`engine: ${asked} questions, ${real} to a real worker`);
  await bench[Symbol.asyncDispose]();
});

describe("a story on the simulated disk", () => {
  test("without a fault is right after every step", () => {
    expect(reference.problems).toEqual([]);
  });

  test(
    "told again from the same seed is the same, operation by operation",
    async () => {
      expect((await bench.reference()).traces).toEqual(reference.traces);
    },
    TIMEOUT_MS,
  );

  test(
    "survives a power cut before any operation",
    async () => {
      for (const point of sample(Sweep.all(reference), CUTS)) {
        expect(await bench.sweep.cut(reference, point, { toTheEnd: false, seed: seed() })).toEqual(
          [],
        );
      }
    },
    TIMEOUT_MS,
  );

  test(
    "survives a power cut right before and right after COMMIT, and goes on to its end",
    async () => {
      for (const point of sample(Sweep.commits(reference), CUTS_TO_THE_END)) {
        expect(await bench.sweep.cut(reference, point, { toTheEnd: true, seed: seed() })).toEqual(
          [],
        );
      }
    },
    TIMEOUT_MS,
  );

  test(
    "survives a second power cut while it recovers from the first",
    async () => {
      for (const point of sample(Sweep.all(reference), DOUBLE_CUTS)) {
        const length = must(reference.traces[point.step], "the step has a trace").length;
        const options = { toTheEnd: false, seed: seed(), again: Math.floor(chance() * length) };
        expect(await bench.sweep.cut(reference, point, options)).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  for (const code of ["EIO", "ENOSPC"] as const) {
    test(
      `acknowledges nothing that ${code} kept from the disk`,
      async () => {
        for (const point of sample(Sweep.failing(reference), FAILURES / 2)) {
          const fault: Fault = { kind: "error", at: point.at, code };
          const options = { toTheEnd: false, seed: seed() };
          expect(await bench.sweep.fail(reference, point, fault, options)).toEqual([]);
        }
      },
      TIMEOUT_MS,
    );
  }

  test(
    "never guesses what became of a COMMIT that failed",
    async () => {
      for (const [index, point] of sample(Sweep.commits(reference), COMMIT_FAULTS).entries()) {
        const code = index % 3 === 0 ? "SQLITE_FULL" : "SQLITE_IOERR";
        const fault: Fault = { kind: "commit", at: point.at, code, blind: index % 3 === 2 };
        const options = { toTheEnd: false, seed: seed() };
        expect(await bench.sweep.fail(reference, point, fault, options)).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "survives power cuts with an engine that remembers nothing",
    async () => {
      bench.engine.remember = false;
      for (const point of sample(Sweep.all(reference), UNREMEMBERED)) {
        expect(await bench.sweep.cut(reference, point, { toTheEnd: false, seed: seed() })).toEqual(
          [],
        );
      }
      bench.engine.remember = true;
    },
    TIMEOUT_MS,
  );

  test(
    "leaves no file open",
    async () => {
      const before = bench.openFiles;
      for (const point of sample(Sweep.all(reference), 5)) {
        await bench.sweep.cut(reference, point, { toTheEnd: false, seed: seed() });
      }
      expect(bench.openFiles).toEqual(before);
    },
    TIMEOUT_MS,
  );
});

/** Spread evenly over all, from a start that the seed chooses. */
function sample(points: readonly Point[], count: number): Point[] {
  const stride = points.length / count;
  const start = chance() * stride;
  return Array.from({ length: count }, (_, index) =>
    must(points[Math.floor(start + index * stride)], "the sample is within the points"),
  );
}

function seed(): number {
  return Math.floor(chance() * 2 ** 31);
}
