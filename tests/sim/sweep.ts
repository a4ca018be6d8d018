/** Sweeps over the scenario: a crash, two crashes or a failing operation, recovery by the same commands, and checks. */

import { must } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Oracle } from "./oracle.ts";
import type { Step } from "./scenario.ts";
import type { Fault, State, Story } from "./story.ts";
import { NO_FAULT } from "./story.ts";

/** The run in which nothing goes wrong. */
export interface Reference {
  /** Before each step. */
  readonly states: readonly State[];
  readonly traces: readonly (readonly string[])[];
  /** After each step. */
  readonly outcomes: readonly string[];
  readonly problems: readonly string[];
}

/** A place where something goes wrong. */
export interface Point {
  readonly step: number;
  readonly at: number;
}

export interface Counts {
  cuts: number;
  doubleCuts: number;
  /** By code. */
  errors: Record<string, number>;
  /** Errors that the process took without ending. */
  borne: number;
  commitFaults: number;
  /** Lakes looked at whole. */
  checks: number;
}

/** The faults of a sweep in one line. */
export function countsText(counts: Counts): string {
  const errors = Object.entries(counts.errors).map(([code, count]) => `${count} × ${code}`);
  return [
    `${counts.cuts} crash points, ${counts.doubleCuts} with a second crash`,
    [...errors, `${counts.commitFaults} × COMMIT`].join(", "),
    `${counts.borne} of them borne, ${counts.checks} lakes checked`,
  ].join("; ");
}

export interface SweepOptions {
  /** Recover to the end of the story, with retention, or only to the end of the step. */
  readonly toTheEnd: boolean;
  readonly seed: number;
}

const FAILING = /^(create|write|sync|rename|link|make-folder|sync-folder) /;

export class Sweep {
  readonly #story: Story;
  readonly #oracle: Oracle;
  readonly #steps: readonly Step[];
  readonly counts: Counts = {
    cuts: 0,
    doubleCuts: 0,
    errors: {},
    borne: 0,
    commitFaults: 0,
    checks: 0,
  };

  constructor(story: Story, oracle: Oracle, steps: readonly Step[]) {
    this.#story = story;
    this.#steps = steps;
    this.#oracle = oracle;
  }

  /** Tells the story from the start. */
  async reference(empty: State): Promise<Reference> {
    const story = this.#story;
    story.return(empty, 0);
    const states: State[] = [];
    const traces: (readonly string[])[] = [];
    const outcomes: string[] = [];
    const problems: string[] = [];
    for (const [index, step] of this.#steps.entries()) {
      states.push(story.state());
      const { failure, trace } = await story.live(index, 0, NO_FAULT);
      if (failure !== null) problems.push(`${step.name}: ${String(failure)}`);
      traces.push(trace);
      outcomes.push(await this.#oracle.outcome());
      const isLast = index === this.#steps.length - 1;
      problems.push(...(await this.#oracle.problems(story.disk, isLast)));
    }
    problems.push(...(await this.#oracle.changedSince(story.acknowledged)));
    problems.push(...(await this.#litter()));
    return { states, traces, outcomes, problems };
  }

  /** The power goes before an operation, and maybe again during recovery. */
  async cut(
    reference: Reference,
    point: Point,
    options: SweepOptions & { readonly again?: number },
  ): Promise<string[]> {
    const story = this.#story;
    story.return(must(reference.states[point.step], "the step has a state"), point.step);
    const { trace } = await story.live(point.step, 0, { kind: "cut", at: point.at });
    const said = must(reference.traces[point.step], "the step has a trace").slice(0, point.at + 1);
    const problems = trace.join("\n") === said.join("\n") ? [] : ["the trace is another one"];
    this.counts.cuts += 1;
    await story.crash(options.seed);
    problems.push(...(await this.#found()));
    let life = 1;
    if (options.again !== undefined) {
      await story.live(point.step, life, { kind: "cut", at: options.again });
      if (story.disk.dead) {
        this.counts.doubleCuts += 1;
        await story.crash(options.seed + 1);
        problems.push(...(await this.#found()));
      }
      // Also after a recovery that was over before the cut: two processes never draw the same names.
      life += 1;
    }
    return this.#named(point, [
      ...problems,
      ...(await this.#recover(reference, point, life, options)),
    ]);
  }

  /** An operation fails; then the process ends, and every second time the power goes as well. */
  async fail(
    reference: Reference,
    point: Point,
    fault: Fault,
    options: SweepOptions,
  ): Promise<string[]> {
    const story = this.#story;
    story.return(must(reference.states[point.step], "the step has a state"), point.step);
    const { failure, trace } = await story.live(point.step, 0, fault);
    if (failure === null) this.counts.borne += 1;
    const isWorded =
      failure === null || typeof failure === "string" || failure instanceof LakeError;
    const unworded = isWorded ? [] : [`no error for people: ${describe(failure)}`];
    if (fault.kind === "commit") this.counts.commitFaults += 1;
    if (fault.kind === "error") {
      this.counts.errors[fault.code] = (this.counts.errors[fault.code] ?? 0) + 1;
    }
    // A file system that cannot write its journal stops; only a new mount, after which the cache is gone, goes on.
    const isStopped =
      trace[point.at]?.startsWith("sync-folder ") === true && fault.kind === "error";
    if (isStopped || options.seed % 2 === 0) await story.crash(options.seed);
    const problems = await this.#found();
    return this.#named(point, [
      ...unworded,
      ...problems,
      ...(await this.#recover(reference, point, 1, options)),
    ]);
  }

  /** Points of the reference where an operation of the disk can fail. */
  static failing(reference: Reference): Point[] {
    return points(reference, (what) => FAILING.test(what));
  }

  /** Points right before and right after a COMMIT. */
  static commits(reference: Reference): Point[] {
    return points(reference, (what) => what === "commit" || what === "committed");
  }

  static all(reference: Reference): Point[] {
    return points(reference, () => true);
  }

  async #found(): Promise<string[]> {
    this.counts.checks += 1;
    const { disk, acknowledged } = this.#story;
    const problems = await this.#oracle.problems(disk, false);
    if (problems.length === 0 && acknowledged.length > 0)
      problems.push(...(await this.#oracle.changedSince(acknowledged)));
    return problems.map((problem) => `found: ${problem}`);
  }

  async #recover(
    reference: Reference,
    point: Point,
    life: number,
    options: SweepOptions,
  ): Promise<string[]> {
    const story = this.#story;
    const last = options.toTheEnd ? this.#steps.length - 1 : point.step;
    const problems: string[] = [];
    for (let index = point.step; index <= last; index += 1) {
      const { failure } = await story.live(index, life, NO_FAULT);
      if (failure !== null) problems.push(`step ${index} does not recover: ${describe(failure)}`);
    }
    this.counts.checks += 1;
    problems.push(...(await this.#oracle.problems(story.disk, options.toTheEnd)));
    if (problems.length > 0) return problems;
    problems.push(...(await this.#oracle.changedSince(story.acknowledged)));
    const outcome = await this.#oracle.outcome();
    const wanted = must(reference.outcomes[last], "the step has an outcome");
    if (outcome !== wanted) problems.push(`another outcome: ${firstDifference(outcome, wanted)}`);
    if (options.toTheEnd) problems.push(...(await this.#litter()));
    return problems;
  }

  async #litter(): Promise<string[]> {
    return (await this.#oracle.litter()).map((path) => `nothing names ${path} and it stays`);
  }

  #named(point: Point, problems: readonly string[]): string[] {
    return problems.map((problem) => `step ${point.step}, operation ${point.at}: ${problem}`);
  }
}

function points(reference: Reference, wanted: (what: string) => boolean): Point[] {
  return reference.traces.flatMap((trace, step) =>
    trace.flatMap((what, at) => (wanted(what) ? [{ step, at }] : [])),
  );
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/** The first line that differs, from a little before where it does. */
function firstDifference(found: string, wanted: string): string {
  const [a, b] = [found.split("\n"), wanted.split("\n")];
  const at = a.findIndex((line, index) => line !== b[index]);
  const [have, want] = [a[at] ?? "nothing", b[at] ?? "nothing"];
  const same = [...have].findIndex((letter, index) => letter !== want[index]);
  const from = Math.max(0, same - 60);
  const part = (line: string): string => `${line.slice(0, 40)} … ${line.slice(from, from + 160)}`;
  return `line ${at}: ${part(have)} and not ${part(want)}`;
}
