/**
 * Models that run beside each other for ever: each after all that it reads, and none behind one that it does not read,
 * however long that takes.
 */

import { Turnstile } from "./base/turnstile.ts";
import { blockedBehind, type ModelGraph } from "./lake.ts";
import type { Model } from "./model/model.ts";
import type { ModelNode } from "./model/node.ts";
import type { RecentPins, RunOutcome } from "./model/run.ts";
import type { Clock } from "./ports.ts";
import type { TableName } from "./table/types.ts";

export interface ModelRunsOptions {
  readonly clock: Pick<Clock, "nowMs" | "sleep">;
  readonly signal: AbortSignal;
  /** Runs one when it is due. Throws only what is the whole lake's. */
  readonly run: (graph: ModelGraph, node: ModelNode, recent: RecentPins) => Promise<RunOutcome>;
  readonly onOutcome: (outcome: RunOutcome) => void;
  /** Since when the sources have had more at each look; null when the last look found nothing. */
  readonly busySinceMs: () => number | null;
  /** The last run has ended. */
  readonly onRest: () => void;
  /** A run found the lake broken: `begin` and `settled` throw it. */
  readonly onBroken: () => void;
}

/** Short runs that are asked for at a time; how many of them work is the engine's to say. */
const LANES = 4;
/** Long ones, of which one works: the next has its inputs pinned, those behind it take them as they are by then. */
const LONG_LANES = 2;
/** A run that takes longer is a long one, and so is the next of its model. */
const LONG_MS = 1_000;
/** A model rests no longer, whatever its run took. */
const REST_MS_MAX = 60_000;

/** A look at models that are free: what it has in hand is in no other one's. */
interface Look {
  readonly graph: ModelGraph;
  readonly recent: RecentPins;
  /** Models behind one that failed, each with that. */
  readonly blockedBy: Map<TableName, TableName>;
}

export class ModelRuns {
  readonly #options: ModelRunsOptions;
  readonly #lanes = new Turnstile(LANES);
  readonly #longLanes = new Turnstile(LONG_LANES);
  /** Models whose last run was long. */
  readonly #long = new Set<TableName>();
  /** Models that wait for their run or are in it. */
  readonly #held = new Map<TableName, Promise<void>>();
  /** How often there was news when each was looked at last. */
  readonly #seen = new Map<TableName, number>();
  readonly #restingUntilMs = new Map<TableName, number>();
  #news = 0;
  #graph: ModelGraph | null = null;
  /** Some model was not free when there was news. */
  #isLeft = false;
  #broken: { readonly thrown: unknown } | null = null;
  /** Somebody waits until none is under way: nothing begins until there is news again. */
  #isHeldUp = false;

  constructor(options: ModelRunsOptions) {
    this.#options = options;
  }

  get isAtRest(): boolean {
    return this.#held.size === 0;
  }

  /** True while a run of the model waits or is under way: what it is about to publish is made of its table as it is. */
  holds(model: TableName): boolean {
    return this.#held.has(model);
  }

  /**
   * When the next model has rested after a time; null when none does. One that had by then was looked at, or is when
   * what it waits for is done.
   */
  restedMs(afterMs: number): number | null {
    const untilMs = [...this.#restingUntilMs.values()].filter((ms) => ms > afterMs);
    return untilMs.length === 0 ? null : Math.min(...untilMs);
  }

  /**
   * There may be news: all models are looked at, those that are in hand and what is behind them when they are done.
   * Returns at once. Throws what broke the lake in an earlier run.
   */
  begin(graph: ModelGraph): void {
    if (this.#broken !== null) throw this.#broken.thrown;
    this.#isHeldUp = false;
    this.#news += 1;
    if (graph !== this.#graph) {
      const names = new Set(graph.nodes.map(({ model }) => model.name));
      for (const name of this.#restingUntilMs.keys()) {
        if (!names.has(name)) this.#restingUntilMs.delete(name);
      }
    }
    this.#graph = graph;
    this.#look(graph);
  }

  /** When none is in hand; none begins any more until `begin`. Throws what broke the lake. */
  async settled(): Promise<void> {
    this.#isHeldUp = true;
    while (this.#held.size > 0) await Promise.all(this.#held.values());
    if (this.#broken !== null) throw this.#broken.thrown;
  }

  #look(graph: ModelGraph): void {
    const recent = { pins: null, failing: null, published: 0 };
    const look: Look = { graph, recent, blockedBy: new Map() };
    const left = new Set<TableName>();
    const begun = new Map<TableName, Promise<void>>();
    for (const node of graph.nodes) {
      const { name } = node.model;
      const before = graph.after(name);
      if (this.#held.has(name) || before.some((one) => left.has(one))) left.add(name);
      else if (this.#seen.get(name) !== this.#news && !this.#rests(name)) {
        this.#seen.set(name, this.#news);
        const waits = before.flatMap((one) => begun.get(one) ?? []);
        const ended = this.#take(look, node, waits);
        begun.set(name, ended);
        this.#held.set(name, ended);
      }
    }
    this.#isLeft = [...left].some((name) => this.#seen.get(name) !== this.#news);
  }

  async #take(look: Look, node: ModelNode, before: readonly Promise<void>[]): Promise<void> {
    const { name } = node.model;
    const { signal, onRest, onBroken } = this.#options;
    try {
      // Also where there are none: it is held by then.
      await Promise.all(before);
      await this.#pass(name, () => this.#run(look, node));
    } catch (thrown) {
      this.#broken ??= { thrown };
      onBroken();
    }
    this.#held.delete(name);
    const isOver = signal.aborted || this.#broken !== null || this.#isHeldUp;
    if (this.#isLeft && this.#graph !== null && !isOver) this.#look(this.#graph);
    if (this.#held.size === 0) onRest();
  }

  /** What is short is behind no long ones: a run that turns out to be long makes room for others. */
  async #pass(name: TableName, work: () => Promise<void>): Promise<void> {
    if (this.#long.has(name)) return this.#longLanes.pass(work);
    const ended = new AbortController();
    await this.#lanes.enter();
    const long = this.#options.clock.sleep(LONG_MS, ended.signal);
    const done = work().finally(() => ended.abort());
    await Promise.race([long, done.catch(() => {})]);
    this.#lanes.leave();
    return done;
  }

  async #run({ graph, recent, blockedBy }: Look, node: ModelNode): Promise<void> {
    const { run, onOutcome, signal, clock } = this.#options;
    const { name } = node.model;
    if (signal.aborted || this.#broken !== null || this.#isHeldUp) return;
    if (graph !== this.#graph) {
      // As it is now it is looked at anew.
      this.#seen.delete(name);
      this.#isLeft = true;
      return;
    }
    const cause = blockedBy.get(name);
    const startedMs = clock.nowMs();
    const outcome: RunOutcome =
      cause === undefined
        ? await run(graph, node, recent)
        : { kind: "blocked", model: name, reason: `${cause} failed; the old snapshot stays` };
    if (outcome.kind === "failed") {
      for (const blocked of blockedBehind(graph, node)) {
        if (!blockedBy.has(blocked)) blockedBy.set(blocked, name);
      }
    }
    const tookMs = workMs(outcome) ?? clock.nowMs() - startedMs;
    if (tookMs > LONG_MS && outcome.kind !== "skipped") this.#long.add(name);
    else if (outcome.kind === "built") this.#long.delete(name);
    this.#letRest(node.model, outcome, startedMs);
    onOutcome(outcome);
  }

  #rests(name: TableName): boolean {
    const untilMs = this.#restingUntilMs.get(name);
    if (untilMs === undefined) return false;
    const { busySinceMs, clock } = this.#options;
    // Nothing comes any more: what there is to do is done at once.
    if (clock.nowMs() < untilMs && busySinceMs() !== null) return true;
    this.#restingUntilMs.delete(name);
    return false;
  }

  /**
   * Where the sources had more all through a run, its model rests for as long as that took, but if it cost by what is
   * new: what is computed again with each batch costs no more than half of the machine.
   */
  #letRest(model: Model, outcome: RunOutcome, startedMs: number): void {
    const { clock, busySinceMs } = this.#options;
    const busyMs = busySinceMs();
    if (outcome.kind !== "built" || isOfNew(model, outcome)) return;
    if (busyMs === null || busyMs > startedMs) return;
    const nowMs = clock.nowMs();
    this.#restingUntilMs.set(model.name, nowMs + Math.min(nowMs - startedMs, REST_MS_MAX));
  }
}

/** Of a run that waited for other ones it is no matter how long that was. */
function workMs(outcome: RunOutcome): number | undefined {
  return outcome.kind === "built" ? outcome.result.workMs : undefined;
}

/** A merge writes files again that have rows of its keys, however few these are. */
const BY_WHAT_IS_NEW: ReadonlySet<Model["kind"]> = new Set(["append", "cdc"]);

/** True where a run took what is new, and cost by that alone. */
function isOfNew({ kind }: Model, outcome: RunOutcome & { readonly kind: "built" }): boolean {
  return outcome.mode === "incremental" && BY_WHAT_IS_NEW.has(kind);
}
