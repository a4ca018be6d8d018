/** Models by the clock: a year of cron with both DST days, lags over chains, what fails and what is down meanwhile. */

import { expect, test } from "bun:test";
import { nextTick } from "../../../cmd/project/schedules.ts";
import { Cadences } from "../../../core/cadences.ts";
import { type ModelGraph, NO_MODELS } from "../../../core/lake.ts";
import { type Cadence, type Gate, tickOf } from "../../../core/model/cadence.ts";
import type { ModelNode } from "../../../core/model/node.ts";
import type { RunOutcome } from "../../../core/model/run.ts";
import type { RunRecord } from "../../../core/model/run-store.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START_MS = Date.UTC(2026, 0, 1);

type Reads = Readonly<
  Record<
    string,
    { readonly reads?: readonly string[]; readonly cadence?: Cadence; readonly kind?: "view" }
  >
>;

function graphOf(models: Reads): ModelGraph {
  return {
    ...NO_MODELS,
    nodes: Object.entries(models).map(
      // parse: all that is looked at
      ([name, { cadence = null, kind = "full" }]) =>
        ({ model: { name, cadence, kind } }) as unknown as ModelNode,
    ),
    after: (name) => models[name]?.reads ?? [],
  };
}

/** A lake whose models are looked at once a minute; one landing makes everything that reads it due. */
class Bench {
  nowMs = START_MS;
  readonly intervals = new Map<string, string>();
  #graph: ModelGraph;
  #models: Reads;
  #cadences: Cadences;
  /** What came, and what of it each table has. */
  came = 0;
  readonly has = new Map<string, number>();
  readonly cameMs = new Map<number, number>();
  latenessMs = new Map<string, number>();
  runs = 0;
  failing: (name: string) => boolean = () => false;

  constructor(models: Reads) {
    this.#models = models;
    this.#graph = graphOf(models);
    this.#cadences = this.#open();
  }

  /** The process starts anew. */
  restart(): void {
    this.#cadences = this.#open();
  }

  /** The models are edited while it runs. */
  edit(models: Reads): void {
    this.#models = models;
    this.#graph = graphOf(models);
  }

  land(): void {
    this.came += 1;
    this.cameMs.set(this.came, this.nowMs);
  }

  async look(): Promise<void> {
    await this.#cadences.look(this.#graph);
    for (const node of this.#graph.nodes) {
      const gate = this.#cadences.gateOf(node);
      await this.#cadences.tell(node, gate, this.#run(node.model.name, gate));
    }
  }

  async pass(ms: number, stepMs = MINUTE_MS): Promise<void> {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += stepMs;
      await this.look();
    }
  }

  get waitMs(): number | null {
    const next = this.#cadences.nextMs(this.nowMs);
    return next === null ? null : next - this.nowMs;
  }

  times(status: string): string[] {
    return [...this.intervals].flatMap(([key, is]) => (is === status ? [key] : []));
  }

  #open(): Cadences {
    return new Cadences({
      clock: { nowMs: () => this.nowMs },
      nextTick,
      timezone: () => "UTC",
      runs: {
        latest: async () =>
          new Map(
            Object.keys(this.#models).map((name) => [
              name,
              { status: "ok", startedMs: START_MS } as RunRecord, // parse: all that is looked at
            ]),
          ),
        lastTicks: async () => {
          const last = new Map<string, number>();
          for (const [key, status] of this.intervals) {
            const [name = "", ms] = key.split(" ");
            if (status !== "failed") last.set(name, Math.max(last.get(name) ?? 0, Number(ms)));
          }
          return last;
        },
        recordTick: async (model, { dueMs, missedMs }) =>
          this.#record(model, dueMs, missedMs, "nothing-new"),
      },
    });
  }

  #record(model: string, dueMs: number, missedMs: readonly number[], status: string): void {
    for (const ms of missedMs) {
      const key = `${model} ${ms}`;
      if (!this.intervals.has(key)) this.intervals.set(key, "missed");
    }
    this.intervals.set(`${model} ${dueMs}`, status);
  }

  #run(model: string, gate: Gate): RunOutcome {
    const { reads = [], kind } = this.#models[model] ?? {};
    const has =
      reads.length === 0 ? this.came : Math.min(...reads.map((one) => this.has.get(one) ?? 0));
    const was = this.has.get(model) ?? 0;
    if (kind === "view") {
      this.has.set(model, has);
      return { kind: "skipped", model, reason: "a view" };
    }
    if (has === was) return { kind: "skipped", model, reason: "nothing new" };
    if (gate.kind === "waits") return { kind: "skipped", model, reason: gate.reason, waits: true };
    if (this.failing(model)) {
      if (gate.tick !== null) this.#record(model, gate.tick.dueMs, gate.tick.missedMs, "failed");
      return { kind: "failed", model, reason: "", tests: [], elapsedMs: 0 };
    }
    this.runs += 1;
    this.has.set(model, has);
    const lateMs = this.nowMs - (this.cameMs.get(was + 1) ?? this.nowMs);
    this.latenessMs.set(model, Math.max(this.latenessMs.get(model) ?? 0, lateMs));
    if (gate.tick !== null) this.#record(model, gate.tick.dueMs, gate.tick.missedMs, "done");
    return { kind: "built", model, mode: "full", elapsedMs: 0 } as unknown as RunOutcome; // parse: as above
  }
}

test("a year at 7:00 in Berlin: one run a day at that time there, on both days on which clocks change", async () => {
  const cadence: Cadence = { kind: "cron", expression: "0 7 * * *", timezone: "Europe/Berlin" };
  const bench = new Bench({ daily: { cadence } });
  const hours = new Intl.DateTimeFormat("en-GB", {
    timeZone: "Europe/Berlin",
    hour: "2-digit",
    minute: "2-digit",
  });
  for (let hour = 0; hour < 365 * 24; hour += 1) {
    if (hour % 5 === 0) bench.land();
    await bench.pass(HOUR_MS, HOUR_MS);
  }
  const done = bench.times("done").map((key) => Number(key.split(" ")[1]));
  expect(done.length).toBe(365);
  expect(new Set(done.map((ms) => hours.format(ms)))).toEqual(new Set(["07:00"]));
  expect(bench.times("missed")).toEqual([]);
});

test("a time that a night does not have, or has twice, comes once", () => {
  const zone = "Europe/Berlin";
  const after = (iso: string): string =>
    new Date(nextTick("30 2 * * *", zone, Date.parse(iso)) ?? 0).toISOString();
  expect(after("2026-03-28T12:00:00Z")).toBe("2026-03-29T01:00:00.000Z");
  expect(after("2026-03-29T01:00:00Z")).toBe("2026-03-30T00:30:00.000Z");
  expect(after("2026-10-24T12:00:00Z")).toBe("2026-10-25T00:30:00.000Z");
  expect(after("2026-10-25T00:30:00Z")).toBe("2026-10-26T01:30:00.000Z");
});

test("while nothing ran, times are missed, and are named; the next run takes all", async () => {
  const bench = new Bench({ m: { cadence: { kind: "every", ms: HOUR_MS } } });
  bench.land();
  await bench.pass(2 * HOUR_MS);
  bench.nowMs += 4 * HOUR_MS;
  bench.land();
  bench.restart();
  await bench.pass(HOUR_MS);
  const at = (hours: number): string => `m ${START_MS + hours * HOUR_MS}`;
  expect(bench.times("done")).toEqual([at(1), at(6)]);
  expect(bench.times("nothing-new")).toEqual([at(2), at(7)]);
  expect(bench.times("missed")).toEqual([at(3), at(4), at(5)]);
});

test("what failed at its time is tried again until it is done, or the next time comes", async () => {
  const bench = new Bench({ m: { cadence: { kind: "every", ms: HOUR_MS } } });
  bench.land();
  bench.failing = () => bench.nowMs < START_MS + HOUR_MS + 10 * MINUTE_MS;
  await bench.pass(90 * MINUTE_MS);
  expect(bench.times("done")).toEqual([`m ${START_MS + HOUR_MS}`]);
  bench.failing = () => bench.nowMs < START_MS + 3.5 * HOUR_MS;
  bench.land();
  await bench.pass(3 * HOUR_MS);
  expect(bench.times("failed")).toEqual([`m ${START_MS + 2 * HOUR_MS}`]);
  expect(bench.times("missed")).toEqual([]);
  expect(bench.times("done").length).toBe(2);
});

test("what is new is in a table no later than it may be, through chains, and no run is early", async () => {
  const lag = (ms: number): Cadence => ({ kind: "lag", ms });
  const bench = new Bench({
    s: { cadence: { kind: "downstream" } },
    t: { reads: ["s"], cadence: { kind: "downstream" } },
    g: { reads: ["t"], cadence: lag(HOUR_MS) },
    h: { reads: ["s"], cadence: lag(20 * MINUTE_MS) },
  });
  bench.land();
  await bench.look();
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    if (minute % 7 === 0) {
      bench.land();
      await bench.look();
    }
    await bench.pass(MINUTE_MS);
  }
  expect(bench.latenessMs.get("g")).toBeLessThanOrEqual(HOUR_MS);
  expect(bench.latenessMs.get("h")).toBeLessThanOrEqual(20 * MINUTE_MS);
  // As fresh as the strictest reader needs, and no fresher.
  expect(bench.runs).toBeLessThan(24 * (3 + 3 + 2 + 2 + 2));
  expect(bench.latenessMs.get("s")).toBeGreaterThan(15 * MINUTE_MS);
});

test("the loop wakes when the next of them is due", async () => {
  const bench = new Bench({
    m: { cadence: { kind: "every", ms: HOUR_MS } },
    n: { cadence: { kind: "lag", ms: 10 * MINUTE_MS } },
    o: {},
  });
  await bench.look();
  expect(bench.waitMs).toBe(HOUR_MS);
  bench.land();
  await bench.look();
  expect(bench.waitMs).toBe(10 * MINUTE_MS - 1_000);
});

test("through a view what waits is as fresh as the view's readers need, and the next wait is a new one", async () => {
  const bench = new Bench({
    s: { cadence: { kind: "downstream" } },
    v: { reads: ["s"], kind: "view" },
    g: { reads: ["v"], cadence: { kind: "lag", ms: HOUR_MS } },
  });
  for (let hour = 0; hour < 24; hour += 1) {
    bench.land();
    await bench.look();
    await bench.pass(5 * MINUTE_MS);
    bench.land();
    await bench.pass(HOUR_MS + 5 * MINUTE_MS);
  }
  expect(bench.latenessMs.get("g")).toBeLessThanOrEqual(HOUR_MS);
  // Two landings of an hour are one run.
  expect(bench.latenessMs.get("s")).toBeGreaterThan(50 * MINUTE_MS);
  expect(bench.runs).toBeLessThanOrEqual(2 * 24 + 2);
});

test("what is due and fails, is under way, or has nothing new does not wake the loop again and again", async () => {
  const bench = new Bench({
    m: { cadence: { kind: "every", ms: HOUR_MS } },
    n: { cadence: { kind: "lag", ms: 10 * MINUTE_MS } },
    o: { cadence: { kind: "downstream" } },
    p: { reads: ["o"] },
  });
  bench.land();
  bench.failing = () => true;
  await bench.pass(2 * HOUR_MS);
  expect(bench.waitMs).toBeNull();
  bench.failing = () => false;
  await bench.look();
  expect(bench.waitMs).toBe(HOUR_MS);
});

test("a model that gets a schedule while it runs has missed nothing before", async () => {
  const cadence: Cadence = { kind: "every", ms: HOUR_MS };
  const bench = new Bench({ m: {}, n: { cadence } });
  bench.land();
  await bench.pass(3.5 * HOUR_MS);
  bench.edit({ m: { cadence }, n: { cadence }, o: { cadence } });
  await bench.look();
  expect(bench.times("missed")).toEqual([]);
  expect(bench.waitMs).toBe(HOUR_MS / 2);
});

test("after a year without it, what was due each minute is named as far as that is of interest, and soon", () => {
  const cadence = { kind: "cron", expression: "* * * * *", timezone: "Europe/Berlin" } as const;
  const nowMs = START_MS + 365 * 24 * HOUR_MS;
  let asked = 0;
  const counting = (...of: Parameters<typeof nextTick>) => {
    asked += 1;
    return nextTick(...of);
  };
  const tick = tickOf(cadence, "UTC", counting, { sinceMs: START_MS, nowMs });
  expect([tick?.dueMs, tick?.missedMs.length]).toEqual([nowMs, 1_000]);
  expect(asked).toBeLessThan(5_000);
  const daily = { ...cadence, expression: "0 7 * * *" };
  const last = tickOf(daily, "UTC", counting, { sinceMs: START_MS, nowMs });
  expect([last?.dueMs, last?.missedMs.length]).toEqual([nowMs - 18 * HOUR_MS, 364]);
});
