/**
 * Landing and building for ever: two loops beside each other under one owner of the catalog, so that neither rows wait
 * for a model nor models for the last row. What has to have the lake for itself waits for both to stand still.
 */

import { withinLake } from "./base/errors.ts";
import { Turnstile } from "./base/turnstile.ts";
import { LagWatch } from "./ingest/lag-watch.ts";
import type { LandingPorts } from "./ingest/landing.ts";
import {
  type Begun,
  type Intake,
  type LakeEvent,
  landReady,
  type ModelGraph,
  pausedSources,
  runDue,
  tellUnreadable,
  waitingMs,
} from "./lake.ts";
import type { Model } from "./model/model.ts";
import type { RunSettings } from "./model/model-table.ts";
import type { RunOutcome } from "./model/run.ts";
import { Patience } from "./patience.ts";
import type { WakeUp } from "./wake-up.ts";

/** What wakes the loops, and what they do for others. */
export interface UpOptions {
  readonly batchBytes: number;
  readonly signal: AbortSignal;
  readonly onEvent: (event: LakeEvent) => void;
  readonly onBegin?: (begun: Begun) => () => void;
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
  /** Retention, unlinking and compaction; `isIdle`: nothing has landed for a while. */
  readonly maintain: (
    alone: (work: () => Promise<void>) => Promise<void>,
    isIdle: boolean,
  ) => Promise<void>;
  /** After each turn over the models. */
  readonly onTurn: () => Promise<void>;
}

/** A listing may miss nothing, but a wake-up may be lost: this often it is made anyway. */
const RESCAN_MS = 5_000;
/** While rows keep coming of some sources, the others are looked at this often. */
const LOOK_MS = 500;
/** Nothing has landed for so long: the lake is idle. */
const IDLE_MS = 10_000;
/** Models rest no longer, whatever their turn took. */
const REST_MS_MAX = 60_000;

/** What the turns of the loops are told of by. */
const LANDING_TURN = "landing turn";
const MODELS_TURN = "models turn";

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
  /** Batches so far. */
  #landed = 0;
  /** Since when each look at the sources found a batch; null when the last one found none. */
  #busySinceMs: number | null = null;
  #lookedMs = Number.NEGATIVE_INFINITY;
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
    const { signal, wakeUps, onTurn } = this.#options;
    while (!signal.aborted) {
      const startedMs = this.#ports.clock.nowMs();
      const ofNewMs = await this.#guarded(MODELS_TURN, () => this.#buildTurn());
      await onTurn();
      const isWoken = await this.#rest(startedMs, ofNewMs ?? 0);
      if (!isWoken) await wakeUps.models.wait(RESCAN_MS, signal);
    }
  }

  /**
   * Where the sources had batches all through a turn over the models, these rest for as long as it took, but for the
   * runs that cost by what is new: what is computed again with each batch costs no more than half of the machine. True
   * when they were woken meanwhile.
   */
  async #rest(startedMs: number, ofNewMs: number): Promise<boolean> {
    const { clock } = this.#ports;
    const { signal, wakeUps, isAsked } = this.#options;
    const endedMs = clock.nowMs();
    const untilMs = endedMs + Math.min(endedMs - startedMs - ofNewMs, REST_MS_MAX);
    let isWoken = false;
    while (!signal.aborted && !isAsked()) {
      const leftMs = untilMs - clock.nowMs();
      const isBehind = this.#busySinceMs !== null && this.#busySinceMs <= startedMs;
      if (leftMs <= 0 || !isBehind) break;
      if ((await wakeUps.models.wait(leftMs, signal)) === "woken") isWoken = true;
    }
    return isWoken;
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

  /** Milliseconds of runs that cost by what is new. */
  async #buildTurn(): Promise<number> {
    const { signal, onEvent, isAsked, graph, maintain } = this.#options;
    if (isAsked()) await this.#serve();
    const before = this.#landed;
    const models = await graph();
    let ofNewMs = 0;
    if (models !== null) {
      const runs = await runDue(this.#ports, models, this.#settings(), {
        ...{ patience: this.#patience, select: null, full: false, signal },
        ...this.#begin(),
        onEvent: quiet(onEvent),
      });
      ofNewMs = timeOfNew(models, runs);
    }
    const nowMs = this.#ports.clock.nowMs();
    const isOverdue = nowMs - this.#maintainedMs >= RESCAN_MS;
    if (signal.aborted || (this.#landed > before && !isOverdue)) return ofNewMs;
    this.#maintainedMs = nowMs;
    await maintain((work) => this.#landing.pass(work), nowMs - this.#landedMs >= IDLE_MS);
    this.#patience.succeeded(MODELS_TURN);
    return ofNewMs;
  }

  #begin(): Pick<UpOptions, "onBegin"> {
    const { onBegin } = this.#options;
    return onBegin === undefined ? {} : { onBegin };
  }

  /** What was asked may have changed what there is to land. */
  async #serve(): Promise<void> {
    const { serve, wakeUps } = this.#options;
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

/** A merge writes files again that have rows of its keys, however few these are. */
const BY_WHAT_IS_NEW: ReadonlySet<Model["kind"]> = new Set(["append", "cdc"]);

/** Milliseconds of runs that took what is new, by models whose runs then cost by that alone. */
export function timeOfNew({ nodes }: ModelGraph, runs: readonly RunOutcome[]): number {
  const kinds = new Map(nodes.map(({ model }) => [model.name, model.kind]));
  return runs.reduce((sum, run) => {
    const kind = kinds.get(run.model);
    const isOfNew = run.kind === "built" && run.mode === "incremental";
    return isOfNew && kind !== undefined && BY_WHAT_IS_NEW.has(kind) ? sum + run.elapsedMs : sum;
  }, 0);
}

/** In the loop, models that are not due are not worth a line. */
function quiet(onEvent: (event: LakeEvent) => void): (event: LakeEvent) => void {
  return (event) => {
    const isQuiet = event.event === "run" && ["skipped", "blocked"].includes(event.outcome.kind);
    if (!isQuiet) onEvent(event);
  };
}
