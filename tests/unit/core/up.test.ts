/** The two loops of `up`: neither waits for the other; what is asked has the lake for itself. */

import { expect, test } from "bun:test";
import { LakeError } from "../../../core/base/errors.ts";
import type { LandingPorts } from "../../../core/ingest/landing.ts";
import type { Batch, Source } from "../../../core/ingest/source.ts";
import { type Intake, type LakeEvent, NO_MODELS } from "../../../core/lake.ts";
import type { Clock } from "../../../core/ports.ts";
import { runForever, type UpOptions } from "../../../core/up.ts";
import { WakeUp } from "../../../core/wake-up.ts";

const SETTINGS = { timezone: "UTC", engineVersion: "test", memoryBytes: 1, threads: 1 };
const FULL = new LakeError("io", "the disk is full", { hint: "free some space" });
const LOST = new LakeError("io", "the disk lost data", { scope: "lake" });

/** Time passes only where somebody sleeps: the sleeper that is due first wakes when everything else stands still. */
class SleepersClock implements Clock {
  #nowMs = 0;
  #sleepers: { readonly dueMs: number; readonly wake: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleeper = { dueMs: this.#nowMs + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
        resolve();
      });
      setImmediate(() => this.#next());
    });
  }

  #next(): void {
    const [first] = this.#sleepers.toSorted((a, b) => a.dueMs - b.dueMs);
    if (first === undefined) return;
    this.#sleepers = this.#sleepers.filter((one) => one !== first);
    this.#nowMs = Math.max(this.#nowMs, first.dueMs);
    first.wake();
  }
}

/** What is asked of a disk or another process comes in a later turn of the event loop. */
function otherTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Nothing lands with it, and there is always another. */
const EMPTY: Batch = {
  unit: "file",
  offset: null,
  parts: async () => [],
  pathOf: () => "",
  keep: async () => {},
  acknowledge: async () => {},
};

function sourceOf(poll: Source["poll"]): Source {
  return { name: "a", into: "bronze.a", poll, waitingMs: () => null, close: async () => {} };
}

class Up {
  readonly clock = new SleepersClock();
  readonly events: LakeEvent[] = [];
  readonly stop = new AbortController();
  readonly options: UpOptions;
  readonly #sources: readonly Source[];

  constructor(sources: readonly Source[], given: Partial<UpOptions>) {
    this.#sources = sources;
    this.options = {
      batchBytes: 1,
      signal: this.stop.signal,
      onEvent: (event) => void this.events.push(event),
      wakeUps: { sources: new WakeUp(this.clock), models: new WakeUp(this.clock) },
      nextTick: () => null,
      isToLook: () => false,
      reload: async () => {},
      graph: async () => null,
      isAsked: () => false,
      serve: async () => {},
      maintain: async () => {},
      onTurn: async () => {},
      ...given,
    };
  }

  run(): Promise<void> {
    const ports = {
      clock: this.clock,
      random: { uuid: () => "u" },
      engine: { prepare: () => {} },
      catalog: {
        ledger: {},
        commit: async () => ({ kind: "committed", number: 1n, snapshots: new Map() }),
      },
    };
    const intake: Intake = {
      refresh: async () => {},
      refreshFreed: async () => false,
      sources: this.#sources,
      unreadable: [],
    };
    const called = ports as unknown as LandingPorts; // parse: all that the loops themselves call
    return runForever(called, intake, () => SETTINGS, this.options);
  }
}

test("models have their turns while a source is never empty", async () => {
  let batches = 0;
  let turns = 0;
  const busy = sourceOf(async () => {
    await up.clock.sleep(10);
    batches += 1;
    return EMPTY;
  });
  const up: Up = new Up([busy], {
    graph: async () => {
      turns += 1;
      if (turns === 3) up.stop.abort();
      return NO_MODELS;
    },
  });
  await up.run();
  expect([turns, batches > 3]).toEqual([3, true]);
});

test("batches land while a turn over the models takes its time", async () => {
  let batches = 0;
  let landed = (): void => {};
  const ten = new Promise<void>((resolve) => {
    landed = resolve;
  });
  const busy = sourceOf(async () => {
    await otherTurn();
    batches += 1;
    if (batches === 10) landed();
    return EMPTY;
  });
  const up = new Up([busy], {
    graph: async () => {
      await ten;
      up.stop.abort();
      return null;
    },
  });
  await up.run();
  expect(batches).toBeGreaterThanOrEqual(10);
});

test("what is asked has the lake for itself, and the sources are looked at after it", async () => {
  const told: string[] = [];
  let isAsked = true;
  const source = sourceOf(async () => {
    told.push("poll");
    await otherTurn();
    told.push("polled");
    return EMPTY;
  });
  const up = new Up([source], {
    isAsked: () => isAsked,
    serve: async () => {
      isAsked = false;
      told.push("asked");
      for (let turn = 0; turn < 5; turn += 1) await otherTurn();
      told.push("answered");
    },
    reload: async () => void told.push("look"),
    graph: async () => {
      if (told.includes("answered")) await otherTurn();
      return null;
    },
    onTurn: async () => {
      for (let turn = 0; turn < 5; turn += 1) await otherTurn();
      up.stop.abort();
    },
  });
  await up.run();
  const asked = told.indexOf("asked");
  expect(told.slice(asked, asked + 3)).toEqual(["asked", "answered", "look"]);
  expect(told.slice(0, asked).filter((word) => word === "poll").length).toBe(
    told.slice(0, asked).filter((word) => word === "polled").length,
  );
});

test("upkeep that fails is told once and tried again; the lake's own failure ends both loops", async () => {
  let times = 0;
  const up: Up = new Up([], {
    // No time passes between the turns.
    onTurn: async () => up.options.wakeUps.models.wake(),
    maintain: async () => {
      times += 1;
      throw times < 3 ? FULL : LOST;
    },
  });
  const running = up.run();
  expect(running).rejects.toBe(LOST);
  await running.catch(() => {});
  expect([times, up.events]).toEqual([3, [{ event: "trouble", error: FULL }]]);
});

test("a source whose failure is the lake's ends both loops", async () => {
  const broken = sourceOf(async () => {
    throw LOST;
  });
  const running = new Up([broken], {}).run();
  expect(running).rejects.toBe(LOST);
  await running.catch(() => {});
});

test("a wake-up before the wait counts, and several are one", async () => {
  const clock = new SleepersClock();
  const wakeUp = new WakeUp(clock);
  const { signal } = new AbortController();
  wakeUp.wake();
  wakeUp.wake();
  expect([await wakeUp.wait(100, signal), clock.nowMs()]).toEqual(["woken", 0]);
  expect([await wakeUp.wait(100, signal), clock.nowMs()]).toEqual(["over", 100]);
  expect(await wakeUp.wait(100, AbortSignal.abort())).toBe("over");
});
