/** Models beside each other: each after what it reads, nobody behind what it does not read, each as often as needed. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { LakeError } from "../../../core/base/errors.ts";
import { type ModelGraph, NO_MODELS } from "../../../core/lake.ts";
import type { ModelNode } from "../../../core/model/node.ts";
import type { RunOutcome } from "../../../core/model/run.ts";
import { ModelRuns, type ModelRunsOptions } from "../../../core/model-runs.ts";

type Kind = "full" | "append";

/** A graph of models by what each reads; in the order given. */
function graphOf(
  reads: Readonly<Record<string, readonly string[]>>,
  kind: Kind = "full",
): ModelGraph {
  const children = (of: string): string[] =>
    Object.entries(reads).flatMap(([name, parents]) => (parents.includes(of) ? [name] : []));
  const descendants = (of: string): Set<string> =>
    new Set(children(of).flatMap((child) => [child, ...descendants(child)]));
  return {
    ...NO_MODELS,
    // parse: all that is looked at
    nodes: Object.keys(reads).map(
      (name) => ({ model: { name, kind, onFailure: "hold" } }) as unknown as ModelNode,
    ),
    descendants,
    after: (name) => reads[name] ?? [],
  };
}

function outcome(model: string, given: object = {}): RunOutcome {
  const built = { kind: "built", model, mode: "full", result: {}, ...given };
  return built as unknown as RunOutcome; // parse: all that is looked at
}

/** Runs that end when they are let go. */
class Bench {
  readonly told: string[] = [];
  readonly stop = new AbortController();
  readonly runs: ModelRuns;
  nowMs = 0;
  busySinceMs: number | null = null;
  rests = 0;
  broken = 0;
  readonly #sleepers: { untilMs: number; wake: () => void }[] = [];
  readonly #going = new Map<string, (outcome: RunOutcome | Error) => void>();

  constructor(given: Partial<ModelRunsOptions> = {}) {
    this.runs = new ModelRuns({
      clock: { nowMs: () => this.nowMs, sleep: (ms) => this.#sleep(ms) },
      signal: this.stop.signal,
      run: (_, node) => this.#run(node.model.name),
      onOutcome: ({ kind, model }) => void this.told.push(`${model} ${kind}`),
      busySinceMs: () => this.busySinceMs,
      onRest: () => {
        this.rests += 1;
      },
      onBroken: () => {
        this.broken += 1;
      },
      ...given,
    });
  }

  get going(): string[] {
    return [...this.#going.keys()].sort();
  }

  async end(model: string, how: RunOutcome | Error = outcome(model)): Promise<void> {
    this.#going.get(model)?.(how);
    await turns();
  }

  async begin(graph: ModelGraph): Promise<void> {
    this.runs.begin(graph);
    await turns();
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const sleeper of this.#sleepers.splice(0)) {
      if (sleeper.untilMs > this.nowMs) this.#sleepers.push(sleeper);
      else sleeper.wake();
    }
    await turns();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ untilMs: this.nowMs + ms, wake }));
  }

  #run(model: string): Promise<RunOutcome> {
    return new Promise((resolve, reject) => {
      this.#going.set(model, (how) => {
        this.#going.delete(model);
        if (how instanceof Error) reject(how);
        else resolve(how);
      });
    });
  }
}

/** All that follows from what was done has happened. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("a model that takes long is waited for by what reads it, and by nothing else", async () => {
  const graph = graphOf({ slow: [], fast: [], onSlow: ["slow", "fast"], onFast: ["fast"] });
  const bench = new Bench();
  await bench.begin(graph);
  expect(bench.going).toEqual(["fast", "slow"]);
  await bench.end("fast");
  expect(bench.going).toEqual(["onFast", "slow"]);
  await bench.end("onFast");
  for (let round = 0; round < 3; round += 1) {
    await bench.begin(graph);
    expect(bench.going).toEqual(["fast", "slow"]);
    await bench.end("fast");
    await bench.end("onFast");
  }
  await bench.end("slow");
  // News that came since is looked at once what was in hand is done, and once.
  expect(bench.going).toEqual(["onSlow", "slow"]);
  await bench.end("slow");
  await bench.end("onSlow");
  await bench.end("onSlow");
  expect(bench.going).toEqual([]);
  expect([bench.runs.isAtRest, bench.rests > 0]).toEqual([true, true]);
});

test("without news nothing is looked at twice", async () => {
  const graph = graphOf({ a: [], b: [], c: ["a", "b"] });
  const bench = new Bench();
  await bench.begin(graph);
  await bench.begin(graph);
  await bench.end("a");
  await bench.end("b");
  const seen: string[] = [];
  for (let step = 0; step < 12; step += 1) {
    const [first] = bench.going;
    if (first === undefined) break;
    seen.push(first);
    await bench.end(first);
  }
  expect(seen.sort()).toEqual(["a", "b", "c", "c"]);
});

test("what failed blocks what is behind it, and nobody else", async () => {
  const graph = graphOf({ a: [], b: ["a"], c: ["b"], d: [] });
  const bench = new Bench();
  await bench.begin(graph);
  await bench.end("d");
  await bench.end("a", { kind: "failed", model: "a", reason: "", tests: [], elapsedMs: 0 });
  expect(bench.told).toEqual(["d built", "a failed", "b blocked", "c blocked"]);
  expect(bench.runs.isAtRest).toBe(true);
});

test("edited models take the places of those that wait", async () => {
  const old = graphOf({ a: [], b: ["a"], gone: ["a"] });
  const bench = new Bench();
  await bench.begin(old);
  await bench.begin(graphOf({ a: [], b: ["a"], c: ["b"] }));
  await bench.end("a");
  // News came while a ran.
  expect(bench.going).toEqual(["a"]);
  await bench.end("a");
  await bench.end("b");
  await bench.end("c");
  expect(bench.told).toEqual(["a built", "a built", "b built", "c built"]);
});

test("models rest as long as their run took while sources are never empty, and no longer", async () => {
  const bench = new Bench();
  const graph = graphOf({ m: [], n: ["m"] });
  bench.busySinceMs = 0;
  await bench.begin(graph);
  bench.nowMs = 1_000;
  await bench.end("m");
  await bench.end("n", outcome("n"));
  // What was free by the last look is no reason for another one.
  expect([bench.runs.restedMs(0), bench.runs.restedMs(1_000)]).toEqual([1_000, 2_000]);
  expect(bench.going).toEqual([]);
  await bench.begin(graph);
  // What reads it does not rest with it: its own run took no time.
  expect(bench.going).toEqual(["n"]);
  await bench.end("n");
  bench.nowMs = 2_000;
  await bench.begin(graph);
  expect(bench.going).toEqual(["m"]);
  bench.nowMs = 5_000;
  await bench.end("m");
  bench.busySinceMs = null;
  await bench.end("n");
  await bench.begin(graph);
  expect(bench.going).toEqual(["m"]);
});

test("models do not rest for runs that cost by what is new", async () => {
  for (const [kind, mode, rests] of [
    ["append", "incremental", false],
    ["append", "full", true],
    ["full", "incremental", true],
  ] as const) {
    const bench = new Bench();
    bench.busySinceMs = 0;
    await bench.begin(graphOf({ m: [] }, kind));
    bench.nowMs = 100;
    await bench.end("m", outcome("m", { mode }));
    expect(bench.runs.restedMs(bench.nowMs) !== null).toBe(rests);
  }
});

test("a model that is gone, or waits for what is in hand, is none that the loop wakes for at once", async () => {
  const bench = new Bench();
  bench.busySinceMs = 0;
  await bench.begin(graphOf({ slow: [], m: ["slow"] }));
  bench.nowMs = 1_000;
  await bench.end("slow", outcome("slow", { mode: "incremental" }));
  bench.nowMs = 2_000;
  await bench.end("m");
  bench.nowMs = 3_000;
  await bench.begin(graphOf({ slow: [], m: ["slow"] }));
  expect(bench.going).toEqual(["slow"]);
  bench.nowMs = 9_000;
  expect(bench.runs.restedMs(9_000)).toBeNull();
  await bench.begin(graphOf({ slow: [] }));
  expect(bench.runs.restedMs(9_000)).toBeNull();
});

test("however many take long, what is short is behind none of them", async () => {
  const slow = ["a", "b", "c", "d", "e", "f"];
  const graph = graphOf(Object.fromEntries([...slow, "fast"].map((name) => [name, []])));
  const bench = new Bench();
  await bench.begin(graph);
  expect(bench.going).toEqual(["a", "b", "c", "d"]);
  await bench.pass(1_500);
  expect(bench.going).toEqual([...slow, "fast"].sort());
  await bench.end("fast");
  await bench.pass(1_500);
  for (const name of slow) await bench.end(name);
  await bench.begin(graphOf({ waited: [] }));
  await bench.pass(9_000);
  await bench.end("waited", outcome("waited", { result: { workMs: 20 } }));
  await bench.begin(graphOf({ a: [], b: [], c: [], waited: [] }));
  expect(bench.going).toEqual(["a", "b", "waited"]);
  for (const name of ["waited", "a", "b", "c"]) {
    await bench.end(name, outcome(name, { result: { workMs: 2_000 } }));
  }
  // By now it is known which these are, and two of them have their inputs pinned.
  await bench.begin(graph);
  expect(bench.going).toEqual(["a", "b", "fast"]);
  await bench.end("a");
  expect(bench.going).toEqual(["b", "c", "fast"]);
});

test("who waits until all is still waits for what runs, and not for what would follow", async () => {
  const graph = graphOf({ slow: [], onSlow: ["slow"] });
  const bench = new Bench();
  await bench.begin(graph);
  await bench.begin(graph);
  let isStill = false;
  const settled = bench.runs.settled().then(() => {
    isStill = true;
  });
  await bench.end("slow");
  expect([bench.going, isStill, bench.runs.isAtRest]).toEqual([[], true, true]);
  await settled;
  await bench.begin(graph);
  await bench.end("slow");
  await bench.end("onSlow");
  expect(bench.told).toEqual(["slow built", "slow built", "onSlow built"]);
});

test("what breaks the lake is thrown by whoever goes on, once what is under way has ended", async () => {
  const lost = new LakeError("io", "the disk lost data", { scope: "lake" });
  const bench = new Bench();
  const graph = graphOf({ a: [], b: [], c: ["b"] });
  await bench.begin(graph);
  await bench.end("a", lost);
  expect([bench.broken, bench.going]).toEqual([1, ["b"]]);
  expect(() => bench.runs.begin(graph)).toThrow("the disk lost data");
  const settled = bench.runs.settled().catch((thrown: unknown) => thrown);
  await bench.end("b");
  expect(await settled).toBe(lost);
  expect(bench.told).toEqual(["b built"]);
});

test("after the signal nothing begins, and what is under way ends", async () => {
  const bench = new Bench();
  await bench.begin(graphOf({ a: [], b: ["a"] }));
  await bench.begin(graphOf({ a: [], b: ["a"] }));
  bench.stop.abort();
  await bench.end("a");
  await bench.runs.settled();
  expect(bench.told).toEqual(["a built"]);
});

/** For every graph and every order of ends: a run sees all that its inputs made of the news, and all come to rest. */
test("in the end each model has run on the last state of all that it reads", async () => {
  const names = ["m0", "m1", "m2", "m3", "m4", "m5"];
  const graphs = fc
    .tuple(...names.map((_, index) => fc.subarray(names.slice(0, index))))
    .map((reads) => Object.fromEntries(names.map((name, index) => [name, reads[index] ?? []])));
  const steps = fc.array(fc.oneof(fc.constant("news" as const), fc.nat({ max: 99 })), {
    minLength: 5,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(graphs, steps, async (reads, told) => {
      let news = 0;
      const made = new Map<string, number>();
      const going = new Map<string, () => void>();
      const graph = graphOf(reads);
      const bench = new Bench({
        // A model without inputs follows the news; the others are as new as the oldest that they read.
        run: (_, { model: { name } }) => {
          const parents = reads[name] ?? [];
          const pinned =
            parents.length === 0 ? news : Math.min(...parents.map((one) => made.get(one) ?? 0));
          return new Promise((resolve) => {
            going.set(name, () => {
              going.delete(name);
              made.set(name, pinned);
              resolve(outcome(name));
            });
          });
        },
      });
      const end = async (pick: number): Promise<void> => {
        const all = [...going.values()];
        all[pick % all.length]?.();
        await turns();
      };
      for (const step of told) {
        if (step === "news") {
          news += 1;
          await bench.begin(graph);
        } else if (going.size > 0) await end(step);
      }
      news += 1;
      await bench.begin(graph);
      for (let left = 0; going.size > 0; left += 1) {
        if (left > 200) throw new Error("no rest");
        await end(left);
      }
      expect(bench.broken).toBe(0);
      expect(bench.runs.isAtRest).toBe(true);
      expect(names.map((name) => made.get(name))).toEqual(names.map(() => news));
    }),
    { numRuns: 60 },
  );
});
