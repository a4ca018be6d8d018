/**
 * Landing and building for ever: two loops beside each other under one owner of the catalog, so that neither rows wait
 * for a model nor models for the last row. What has to have the lake for itself waits for both to stand still.
 */

import { withinLake } from "./base/errors.ts";
import { Turnstile } from "./base/turnstile.ts";
import { Cadences } from "./cadences.ts";
import { LagWatch } from "./ingest/lag-watch.ts";
import type { LandingPorts } from "./ingest/landing.ts";
import {
  type Begun,
  type Intake,
  type LakeEvent,
  landReady,
  type ModelGraph,
  pausedSources,
  tellUnreadable,
  waitingMs,
} from "./lake.ts";
import type { NextTick } from "./model/cadence.ts";
import type { RunSettings } from "./model/model-table.ts";
import type { ModelNode } from "./model/node.ts";
import type { RecentPins, RunOutcome } from "./model/run.ts";
import { ModelRuns } from "./model-runs.ts";
import { Patience } from "./patience.ts";
import type { UpkeepBeside } from "./table/upkeep.ts";
import type { WakeUp } from "./wake-up.ts";

/** What wakes the loops, and what they do for others. */
export interface UpOptions {
  readonly batchBytes: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: LakeEvent) => void;
  readonly onBegin?: (begun: Begun) => () => void;
  /** When models with a schedule are due. */
  readonly nextTick: NextTick;
  readonly wakeUps: {
    /** A source may have more. */
    readonly sources: WakeUp;
    /** Something landed, models were edited, or somebody asks. */
    readonly models: WakeUp;
  };
  /** True once after drops or settings may have changed: sources are looked at anew. */
  readonly isToLook: () => boolean;
  /** Reads the settings again, if they were edited, before sources are looked at. */
  readonly reload: () => Promise<void>;
  /** The current models, edits included; null while an edited set does not validate and none was valid before. */
  readonly graph: () => Promise<ModelGraph | null>;
  /** Requests of other processes wait. */
  readonly isAsked: () => boolean;
  /** Answers them, with the lake for themselves. */
  readonly serve: () => Promise<void>;
  /** Retention, unlinking and compaction. Models may run meanwhile. */
  readonly maintain: (beside: Beside) => Promise<void>;
  /** After each look at the models, when none is under way. */
  readonly onTurn: () => Promise<void>;
}

/** What upkeep has beside it. */
export interface Beside extends UpkeepBeside {
  /** Does what nothing may land beside. */
  readonly alone: (work: () => Promise<void>) => Promise<void>;
}

/** A listing may miss nothing, but a wake-up may be lost: this often it is made anyway. */
const RESCAN_MS = 5_000;
/** While rows keep coming of some sources, the others are looked at this often. */
const LOOK_MS = 500;
/** Nothing has landed for so long: the lake is idle. */
const IDLE_MS = 10_000;

/** What the turns of the loops are told of by. */
const LANDING_TURN = "landing turn";
const MODELS_TURN = "models turn";
const MODELS_REST = "models at rest";
const UPKEEP = "upkeep";

/** Lands and builds until the signal. Only a broken lake ends it: sources and models fail alone. */
export async function runForever(
  ports: LandingPorts,
  intake: Intake,
  settings: () => RunSettings,
  options: UpOptions,
): Promise<void> {
  const broken = new AbortController();
  const signal = AbortSignal.any([options.signal, broken.signal]);
  const loops = new Loops(ports, intake, settings, { ...options, signal });
  const guarded = [loops.land(), loops.build()].map(async (loop) => {
    try {
      await loop;
    } catch (thrown) {
      broken.abort();
      throw thrown;
    }
  });
  // Both have ended before whoever called takes the lake away from them.
  const [landing, building] = await Promise.allSettled(guarded);
  for (const end of [landing, building]) if (end?.status === "rejected") throw end.reason;
}

class Loops {
  readonly #ports: LandingPorts;
  readonly #intake: Intake;
  readonly #settings: () => RunSettings;
  readonly #options: UpOptions;
  readonly #patience = new Patience();
  /** Whoever is in it has the sources for himself. */
  readonly #landing = new Turnstile(1);
  readonly #runs: ModelRuns;
  readonly #cadences: Cadences;
  /** Batches so far, and when the models were looked at last. */
  #landed = 0;
  #landedBefore = 0;
  #upkeep: Promise<void> | null = null;
  #broken: { readonly thrown: unknown } | null = null;
  /** Since when each look at the sources found a batch; null when the last one found none. */
  #busySinceMs: number | null = null;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** When models were looked at last, and when they will be if nothing wakes the loop. */
  #turnMs = Number.NEGATIVE_INFINITY;
  #nextTurnMs = Number.NEGATIVE_INFINITY;
  #landedMs = Number.NEGATIVE_INFINITY;
  #maintainedMs = Number.NEGATIVE_INFINITY;

  constructor(
    ports: LandingPorts,
    intake: Intake,
    settings: () => RunSettings,
    options: UpOptions,
  ) {
    this.#ports = ports;
    this.#intake = intake;
    this.#settings = settings;
    this.#options = options;
    const { signal, onEvent, wakeUps, onTurn, nextTick } = options;
    this.#cadences = new Cadences({
      clock: ports.clock,
      runs: ports.catalog.runs,
      nextTick,
      timezone: () => settings().timezone,
    });
    this.#runs = new ModelRuns({
      clock: ports.clock,
      signal,
      run: (graph, node, recent) => this.#run(graph, node, recent),
      onOutcome: (outcome) => quiet(onEvent)({ event: "run", outcome }),
      busySinceMs: () => this.#busySinceMs,
      onRest: () => void this.#aside(MODELS_REST, onTurn),
      onBroken: wakeUps.models.wake,
    });
  }

  async land(): Promise<void> {
    const { signal, wakeUps } = this.#options;
    const lags = new LagWatch(this.#ports);
    try {
      while (!signal.aborted) {
        const waitMs = await this.#guarded(LANDING_TURN, () => this.#landing.pass(this.#landTurn));
        lags.look(this.#intake.sources);
        if (waitMs === 0) continue;
        const why = await wakeUps.sources.wait(Math.min(waitMs ?? RESCAN_MS, RESCAN_MS), signal);
        if (why === "over") this.#lookedMs = Number.NEGATIVE_INFINITY;
      }
    } finally {
      await lags.close();
    }
  }

  async build(): Promise<void> {
    const { signal, wakeUps } = this.#options;
    try {
      while (!signal.aborted) {
        this.#turnMs = this.#ports.clock.nowMs();
        await this.#guarded(MODELS_TURN, async () => {
          await this.#buildTurn();
          this.#patience.succeeded(MODELS_TURN);
        });
        if (this.#runs.isAtRest) await this.#options.onTurn();
        const waitMs = this.#waitMs();
        this.#nextTurnMs = this.#ports.clock.nowMs() + waitMs;
        await wakeUps.models.wait(waitMs, signal);
      }
    } finally {
      await this.#standStill();
    }
  }

  /** Until a model has rested or is due by the clock, but no longer than a lost wake-up is looked for. */
  #waitMs(): number {
    const nowMs = this.#ports.clock.nowMs();
    const times = [this.#runs.restedMs(this.#turnMs), this.#cadences.nextMs(this.#turnMs)];
    const waits = times.flatMap((ms) => (ms === null ? [] : [Math.max(1, ms - nowMs)]));
    return Math.min(RESCAN_MS, ...waits);
  }

  /** No run is under way, and no upkeep. */
  async #standStill(): Promise<void> {
    await this.#runs.settled();
    await this.#upkeep;
    if (this.#broken !== null) throw this.#broken.thrown;
  }

  /** Milliseconds until there may be more; 0: there is. */
  readonly #landTurn = async (): Promise<number> => {
    const { clock } = this.#ports;
    const { batchBytes, signal, onEvent, wakeUps, isToLook } = this.#options;
    const patience = this.#patience;
    const nowMs = clock.nowMs();
    const isDue = isToLook() || nowMs - this.#lookedMs >= LOOK_MS;
    if (isDue) {
      this.#lookedMs = nowMs;
      await this.#options.reload();
      await this.#intake.refresh();
      tellUnreadable(this.#ports, this.#intake, { patience, onEvent });
    }
    const onLanded = (): void => {
      this.#landed += 1;
      this.#landedMs = clock.nowMs();
      wakeUps.models.wake();
    };
    const begin = this.#begin();
    const ready = {
      batchBytes,
      patience,
      signal,
      onEvent,
      onLanded,
      ...begin,
      failed: new Set<string>(),
    };
    const hasMore = await landReady(this.#ports, this.#intake, this.#settings(), ready);
    this.#busySinceMs = hasMore ? (this.#busySinceMs ?? nowMs) : null;
    if (hasMore || (await this.#intake.refreshFreed())) return 0;
    patience.succeeded(LANDING_TURN);
    const paused = pausedSources(this.#intake, patience, clock.nowMs());
    return Math.max(1, waitingMs(this.#intake, paused) ?? RESCAN_MS);
  };

  async #buildTurn(): Promise<void> {
    const { signal, isAsked, graph } = this.#options;
    if (this.#broken !== null) throw this.#broken.thrown;
    if (isAsked()) await this.#serve();
    const models = await graph();
    if (models !== null) {
      await this.#cadences.look(models);
      this.#runs.begin(models);
    }
    const isNew = this.#landed > this.#landedBefore;
    this.#landedBefore = this.#landed;
    const nowMs = this.#ports.clock.nowMs();
    const isDue = nowMs - this.#maintainedMs >= RESCAN_MS || !isNew;
    if (signal.aborted || this.#upkeep !== null || !isDue) return;
    this.#maintainedMs = nowMs;
    this.#upkeep = this.#maintain(nowMs);
  }

  /** Models neither wait for it nor it for them. */
  async #maintain(nowMs: number): Promise<void> {
    const { maintain } = this.#options;
    const beside: Beside = {
      alone: (work) => this.#landing.pass(work),
      isIdle: nowMs - this.#landedMs >= IDLE_MS,
      isHeld: (table) => this.#runs.holds(table),
    };
    await this.#aside(UPKEEP, () => maintain(beside));
    this.#upkeep = null;
  }

  /** What came of a run may make one due before the loop would look. */
  #wakeInTime(): void {
    if (!this.#cadences.isAny) return;
    const nextMs = this.#cadences.nextMs(this.#turnMs);
    if (nextMs !== null && nextMs < this.#nextTurnMs) this.#options.wakeUps.models.wake();
  }

  /** What nobody waits for. Never rejects: where it broke the lake, the loop ends of it. */
  async #aside(name: string, work: () => Promise<void>): Promise<void> {
    try {
      const isDone = await this.#guarded(name, async () => {
        await work();
        return true;
      });
      if (isDone === true) this.#patience.succeeded(name);
    } catch (thrown) {
      this.#broken ??= { thrown };
      this.#options.wakeUps.models.wake();
    }
  }

  async #run({ names }: ModelGraph, node: ModelNode, recent: RecentPins): Promise<RunOutcome> {
    const { runModel } = await import("./model/run.ts");
    const onEnd = this.#options.onBegin?.({ kind: "running", model: node.model.name });
    const gate = this.#cadences.gateOf(node);
    try {
      const options = { patience: this.#patience, full: false, recent, gate };
      const outcome = await runModel(this.#ports, names, node, this.#settings(), options);
      await this.#cadences.tell(node, gate, outcome);
      this.#wakeInTime();
      return outcome;
    } finally {
      onEnd?.();
    }
  }

  #begin(): Pick<UpOptions, "onBegin"> {
    const { onBegin } = this.#options;
    return onBegin === undefined ? {} : { onBegin };
  }

  /** What was asked may have changed what there is to land. */
  async #serve(): Promise<void> {
    const { serve, wakeUps } = this.#options;
    await this.#standStill();
    await this.#landing.pass(serve);
    this.#lookedMs = Number.NEGATIVE_INFINITY;
    wakeUps.sources.wake();
  }

  /** A turn that fails is made again; null then. Throws what is the lake's. */
  async #guarded<T>(name: string, turn: () => Promise<T>): Promise<T | null> {
    try {
      return await turn();
    } catch (thrown) {
      const error = withinLake(thrown);
      const nowMs = this.#ports.clock.nowMs();
      if (this.#patience.isPaused(name, error.message, nowMs)) return null;
      this.#patience.failed(name, error.message, nowMs);
      this.#options.onEvent({ event: "trouble", error });
      return null;
    }
  }
}

/** In the loop, models that are not due are not worth a line. */
function quiet(onEvent: (event: LakeEvent) => void): (event: LakeEvent) => void {
  return (event) => {
    const isQuiet = event.event === "run" && ["skipped", "blocked"].includes(event.outcome.kind);
    if (!isQuiet) onEvent(event);
  };
}
