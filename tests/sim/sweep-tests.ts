/**
 * A story through power cuts, failing operations and failing COMMITs at a sample of all its places, and back, as tests;
 * `long.ts` takes every place.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { must } from "../../core/base/assert.ts";
import type { Scenario } from "./scenario.ts";
import type { Fault } from "./story.ts";
import { countsText, type Point, type Reference, Sweep } from "./sweep.ts";
import { SweepBench } from "./sweep-bench.ts";
import { random } from "./torn.ts";

export const SEED = Number(process.env.TARN_SEED);
export const TIMEOUT_MS = 180_000;

/** How many places of a story are taken for each kind of fault. */
export interface Shares {
  readonly cuts: number;
  /** Around a COMMIT, with the story gone on with to its end. */
  readonly cutsToTheEnd: number;
  /** With another cut while the first is recovered from. */
  readonly doubleCuts: number;
  readonly failures: number;
  readonly commitFaults: number;
}

/** What the tests of a story stand on; there from the first test on. */
export class SweepStage {
  #bench: SweepBench | null = null;
  #reference: Reference | null = null;
  readonly #chance = random(SEED);

  async open(scenario: Scenario): Promise<void> {
    this.#bench = await SweepBench.open(scenario);
    this.#reference = await this.#bench.reference();
  }

  get bench(): SweepBench {
    return must(this.#bench, "the bench is open");
  }

  get reference(): Reference {
    return must(this.#reference, "the story was told once");
  }

  options(toTheEnd: boolean) {
    return { toTheEnd, seed: Math.floor(this.#chance() * 2 ** 31) };
  }

  /** A place within a step, for a second cut. */
  again(point: Point): number {
    const { length } = must(this.reference.traces[point.step], "the step has a trace");
    return Math.floor(this.#chance() * length);
  }

  /** Spread evenly over all, from a start that the seed chooses. */
  sample(points: readonly Point[], count: number): Point[] {
    const stride = points.length / count;
    const start = this.#chance() * stride;
    return Array.from({ length: count }, (_, index) =>
      must(points[Math.floor(start + index * stride)], "the sample is within the points"),
    );
  }
}

/** Registers the tests of a story called `name`; `more` adds its own. */
export function sweepTests(
  name: string,
  scenario: Scenario,
  shares: Shares,
  more: (stage: SweepStage) => void = () => {},
): void {
  const stage = new SweepStage();
  describe(`${name} on the simulated disk`, () => {
    beforeAll(() => stage.open(scenario), TIMEOUT_MS);
    afterAll(async () => {
      console.log(`${name} (TARN_SEED=${SEED}): ${countsText(stage.bench.sweep.counts)}`);
      await stage.bench[Symbol.asyncDispose]();
    });
    test("without a fault all is right after every step", () => {
      expect(stage.reference.problems).toEqual([]);
    });
    test(
      "told again from the same seed all is the same, operation by operation",
      async () => {
        expect((await stage.bench.reference()).traces).toEqual(stage.reference.traces);
      },
      TIMEOUT_MS,
    );
    cutTests(stage, shares);
    failureTests(stage, shares);
    more(stage);
  });
}

function cutTests(stage: SweepStage, { cuts, cutsToTheEnd, doubleCuts }: Shares): void {
  test(
    "power cuts before any operation",
    async () => {
      const { bench, reference } = stage;
      for (const point of stage.sample(Sweep.all(reference), cuts)) {
        expect(await bench.sweep.cut(reference, point, stage.options(false))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );
  test(
    "power cuts right before and right after COMMIT, and on to the end",
    async () => {
      const { bench, reference } = stage;
      for (const point of stage.sample(Sweep.commits(reference), cutsToTheEnd)) {
        expect(await bench.sweep.cut(reference, point, stage.options(true))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );
  test(
    "a second power cut while the first is recovered from",
    async () => {
      const { bench, reference } = stage;
      for (const point of stage.sample(Sweep.all(reference), doubleCuts)) {
        const options = { ...stage.options(false), again: stage.again(point) };
        expect(await bench.sweep.cut(reference, point, options)).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );
}

function failureTests(stage: SweepStage, { failures, commitFaults }: Shares): void {
  test(
    "nothing is acknowledged that a failing disk did not keep",
    async () => {
      const { bench, reference } = stage;
      for (const [index, point] of stage.sample(Sweep.failing(reference), failures).entries()) {
        const code = index % 2 === 0 ? "EIO" : "ENOSPC";
        const fault: Fault = { kind: "error", at: point.at, code };
        expect(await bench.sweep.fail(reference, point, fault, stage.options(false))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );
  test(
    "nobody guesses what became of a COMMIT that failed",
    async () => {
      const { bench, reference } = stage;
      for (const [index, point] of stage.sample(Sweep.commits(reference), commitFaults).entries()) {
        const code = index % 3 === 0 ? "SQLITE_FULL" : "SQLITE_IOERR";
        const fault: Fault = { kind: "commit", at: point.at, code, blind: index % 3 === 2 };
        expect(await bench.sweep.fail(reference, point, fault, stage.options(false))).toEqual([]);
      }
    },
    TIMEOUT_MS,
  );
}
