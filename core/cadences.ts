/** Which models are due by the clock, in a process that goes on for ever: what each waits for, and since when. */

import type { ModelGraph } from "./lake.ts";
import {
  type Cadence,
  cadenceText,
  type Gate,
  isByClock,
  type NextTick,
  nextMs,
  type Tick,
  tickOf,
} from "./model/cadence.ts";
import { isInlined } from "./model/model.ts";
import type { ModelNode } from "./model/node.ts";
import type { RunOutcome } from "./model/run.ts";
import type { RunStore } from "./model/run-store.ts";
import type { Clock } from "./ports.ts";
import type { TableName } from "./table/types.ts";

export interface CadencesOptions {
  readonly clock: Pick<Clock, "nowMs">;
  readonly runs: Pick<RunStore, "latest" | "lastTicks" | "recordTick">;
  readonly nextTick: NextTick;
  /** Of the project, in which a schedule without a zone is meant. */
  readonly timezone: () => string;
}

/** A run may take longer than the last one, and is not begun at once. */
const MARGIN_MS = 1_000;
/** What a reader without a cadence waits for is due by no time that is still to come. */
const AT_ONCE_MS = Number.NEGATIVE_INFINITY;

export class Cadences {
  readonly #options: CadencesOptions;
  /** The last time that each model was due at and done; when it was built, where there was none. */
  #doneMs: Map<TableName, number> | null = null;
  readonly #startedMs: number;
  /** Since when each has had something new that it waits with, or something that it reads has. */
  readonly #sinceMs = new Map<TableName, number>();
  readonly #tookMs = new Map<TableName, number>();
  /** Some model has a cadence. */
  isAny = false;
  #graph: ModelGraph | null = null;
  #nodes: ReadonlyMap<TableName, ModelNode> = new Map();
  #readers: ReadonlyMap<TableName, readonly ModelNode[]> = new Map();

  constructor(options: CadencesOptions) {
    this.#options = options;
    this.#startedMs = options.clock.nowMs();
  }

  /** Before models are looked at. Costs nothing where none has a cadence. */
  async look(graph: ModelGraph): Promise<void> {
    if (graph === this.#graph) return;
    const timed = graph.nodes.filter(({ model }) => model.cadence !== null);
    if (timed.length > 0) this.#doneMs ??= await this.#read();
    if (this.#graph !== null) this.#begin(timed);
    this.#graph = graph;
    this.#nodes = new Map(graph.nodes.map((node) => [node.model.name, node]));
    this.#readers = readersOf(graph);
    this.isAny = timed.length > 0;
  }

  /** Whether a model may take what is new by now. */
  gateOf({ model }: ModelNode): Gate {
    const { cadence, name } = model;
    if (cadence === null) return { kind: "open", tick: null };
    const nowMs = this.#options.clock.nowMs();
    const tick = this.#tickOf(name, cadence, nowMs);
    if (tick !== null) return { kind: "open", tick };
    if (!isByClock(cadence) && this.#isDue(name, cadence, nowMs))
      return { kind: "open", tick: null };
    return { kind: "waits", reason: this.#waitText(name, cadence, nowMs) };
  }

  /** What came of a look at a model under its gate. */
  async tell(node: ModelNode, gate: Gate, outcome: RunOutcome): Promise<void> {
    const { name } = node.model;
    const nowMs = this.#options.clock.nowMs();
    if (outcome.kind === "built") {
      this.#sinceMs.delete(name);
      this.#tookMs.set(name, outcome.elapsedMs);
    } else if (outcome.kind === "skipped") {
      const waits = (this.#graph?.after(name) ?? []).flatMap((one) => this.#sinceMs.get(one) ?? []);
      const own = gate.kind === "waits" && outcome.waits === true ? [nowMs] : [];
      const since = Math.min(...own, ...waits);
      // What it waited with came to nothing: a time from before is none of the next.
      if (!Number.isFinite(since)) this.#sinceMs.delete(name);
      else this.#sinceMs.set(name, Math.min(since, this.#sinceMs.get(name) ?? since));
    }
    const { tick } = gate.kind === "open" ? gate : { tick: null };
    if (tick === null || !["built", "skipped"].includes(outcome.kind)) return;
    this.#doneMs?.set(name, tick.dueMs);
    if (outcome.kind === "skipped") await this.#options.runs.recordTick(name, tick, nowMs);
  }

  /**
   * When the next of them is due after a time; null when the clock makes none so. What was due by then was looked at:
   * where it is under way still, or failed, its end says when it is due again.
   */
  nextMs(afterMs: number): number | null {
    const nowMs = this.#options.clock.nowMs();
    let least: number | null = null;
    for (const { model } of this.#nodes.values()) {
      const dueMs = model.cadence === null ? null : this.#dueMs(model.name, model.cadence, nowMs);
      if (dueMs !== null && dueMs > afterMs) least = Math.min(least ?? dueMs, dueMs);
    }
    return least;
  }

  #tickOf(name: TableName, cadence: Cadence, nowMs: number): Tick | null {
    if (!isByClock(cadence)) return null;
    const { timezone, nextTick } = this.#options;
    const sinceMs = this.#doneMs?.get(name) ?? this.#startedMs;
    return tickOf(cadence, timezone(), nextTick, { sinceMs, nowMs });
  }

  #isDue(name: TableName, cadence: Cadence | null, nowMs: number): boolean {
    if (cadence === null) return true;
    const dueMs = this.#dueMs(name, cadence, nowMs);
    return dueMs !== null && dueMs <= nowMs;
  }

  /** When a model is due that has something new; of one without a cadence: at once. Null: by nothing that is known. */
  #dueMs(name: TableName, cadence: Cadence, nowMs: number): number | null {
    if (isByClock(cadence)) {
      const { timezone, nextTick } = this.#options;
      const tick = this.#tickOf(name, cadence, nowMs);
      return tick?.dueMs ?? nextMs(cadence, timezone(), nextTick, nowMs);
    }
    if (cadence.kind === "lag") {
      const sinceMs = this.#sinceMs.get(name);
      if (sinceMs === undefined) return null;
      return sinceMs + Math.max(0, cadence.ms - (this.#tookMs.get(name) ?? 0) - MARGIN_MS);
    }
    const readers = this.#readers.get(name) ?? [];
    const sinceMs = this.#sinceMs.get(name);
    const due = readers.flatMap(({ model }) => {
      if (model.cadence === null) return [AT_ONCE_MS];
      // What a reader will wait with is what waits here.
      const known = this.#sinceMs.get(model.name);
      if (known === undefined && sinceMs !== undefined) this.#sinceMs.set(model.name, sinceMs);
      const took = this.#tookMs.get(name) ?? 0;
      const dueMs = this.#dueMs(model.name, model.cadence, nowMs);
      // It is there when its reader begins.
      return dueMs === null ? [] : [dueMs - (isByClock(model.cadence) ? 0 : took)];
    });
    return due.length === 0 ? null : Math.min(...due);
  }

  #waitText(name: TableName, cadence: Cadence, nowMs: number): string {
    const dueMs = this.#dueMs(name, cadence, nowMs);
    const until = dueMs === null ? "" : ` until ${new Date(dueMs).toISOString().slice(0, 19)}Z`;
    return `waits${until} (${cadenceText(cadence)})`;
  }

  /** Those that had no cadence until now, or are new, have missed nothing. */
  #begin(timed: readonly ModelNode[]): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { model } of timed) {
      const before = this.#nodes.get(model.name)?.model.cadence ?? null;
      if (before === null) this.#doneMs?.set(model.name, nowMs);
    }
  }

  async #read(): Promise<Map<TableName, number>> {
    const { runs } = this.#options;
    const done = new Map<TableName, number>();
    for (const [name, run] of await runs.latest()) {
      if (run.status === "ok") done.set(name, run.startedMs);
    }
    for (const [name, dueMs] of await runs.lastTicks()) done.set(name, dueMs);
    return done;
  }
}

/** Models that read each; through a view its readers. */
function readersOf(graph: ModelGraph): ReadonlyMap<TableName, readonly ModelNode[]> {
  const readers = new Map<TableName, ModelNode[]>();
  // Readers come behind what they read.
  for (const node of [...graph.nodes].reverse()) {
    const { name, kind } = node.model;
    const those = isInlined(kind) ? (readers.get(name) ?? []) : [node];
    for (const table of graph.after(name)) {
      const all = readers.get(table);
      if (all === undefined) readers.set(table, [...those]);
      else all.push(...those);
    }
  }
  return readers;
}
