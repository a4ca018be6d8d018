/** Every crash point of a scenario: killed right after its k-th change, and with the k-th call failing. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inLanes } from "./seeded.ts";
import { fail, follow, type Traced, type Victim } from "./strace.ts";
import type { Recovered, Subject } from "./subject.ts";

export interface PointsOptions {
  readonly lanes: number;
  /** Every n-th point; 1 is all of them. */
  readonly stride: number;
  /** Stops starting new points after this time; what was not run is reported. */
  readonly budgetMs: number;
  /** Starts no point after the first problem: enough to judge a seeded bug. */
  readonly stopAtFirst: boolean;
}

export interface PointsResult {
  readonly points: number;
  readonly run: number;
  /** Runs by what was done, such as `kill owner after fsync`. */
  readonly countsByKind: ReadonlyMap<string, number>;
  readonly orphans: number;
  readonly setAside: number;
  /** Kills that arrived after a later change than the one aimed at. */
  readonly late: number;
  readonly problems: readonly string[];
}

const RUN_MS_MAX = 60_000;
/** Failing calls, by group: each is counted by itself, in each thread. */
const FAILING: readonly { readonly calls: readonly string[]; readonly error: "EIO" | "ENOSPC" }[] =
  [
    { calls: ["write", "pwrite64"], error: "ENOSPC" },
    { calls: ["write", "pwrite64"], error: "EIO" },
    { calls: ["fsync", "fdatasync"], error: "EIO" },
    { calls: ["fsync", "fdatasync"], error: "ENOSPC" },
    { calls: ["rename", "renameat", "renameat2", "link", "linkat"], error: "EIO" },
    { calls: ["rename", "renameat", "renameat2", "link", "linkat"], error: "ENOSPC" },
    { calls: ["unlink", "unlinkat", "rmdir"], error: "EIO" },
    { calls: ["mkdir", "mkdirat", "openat"], error: "ENOSPC" },
    { calls: ["ftruncate", "fallocate"], error: "ENOSPC" },
  ];
/** So many numbers in a row at which nothing of the lake failed: the calls are used up. */
const MISSES_MAX = 12;

/** Kills after every change: the owner or its group in turn; a worker that made the change, too. */
export async function killPoints(subject: Subject, options: PointsOptions): Promise<PointsResult> {
  const counted = await inFolder(subject, async (traced) => await follow(traced, null, "owner"));
  const tally = new Tally();
  if (counted.exitCode !== 0)
    tally.problem(`without faults: ${counted.exitCode} ${counted.stderr}`);
  const total = counted.changes.length;
  const points = Array.from({ length: Math.ceil(total / options.stride) }, (_, index) => {
    const at = 1 + index * options.stride;
    const main: Victim = index % 2 === 0 ? "owner" : "group";
    const victims: Victim[] = counted.byWorkers.has(at - 1) ? [main, "caller"] : [main];
    return { at, victims };
  });
  const started = performance.now();
  await inLanes(points, options.lanes, async ({ at, victims }) => {
    for (const victim of victims) {
      if (isOver(options, started, tally)) return;
      await killAt(subject, at, victim, tally);
    }
  });
  return tally.result(points.length);
}

/** Kills the build, then kills the build that recovers from it, each after a random change. */
export async function killPairs(
  subject: Subject,
  options: PointsOptions & { readonly pairs: number; readonly random: () => number },
): Promise<PointsResult> {
  const counted = await inFolder(subject, async (traced) => await follow(traced, null, "owner"));
  const tally = new Tally();
  const total = counted.changes.length;
  const pick = () => 1 + Math.floor(options.random() * total);
  const pairs = Array.from({ length: options.pairs }, () => [pick(), pick()] as const);
  const started = performance.now();
  await inLanes(pairs, options.lanes, async ([first, second]) => {
    if (isOver(options, started, tally)) return;
    await inFolder(subject, async (traced, folder) => {
      const one = await follow(traced, first, "group");
      const two = await follow(traced, second, "group");
      const kind = two.killedAfter === null ? "kill, then recovery to its end" : "kill, then kill";
      const where = `kill after change ${first} and after change ${second} of the recovery`;
      if (one.timedOut || two.timedOut) tally.problem(`${where}: did not end`);
      tally.take(kind, where, await subject.recover(folder), true);
    });
  });
  return tally.result(pairs.length);
}

/** Makes the k-th call of each kind fail, until there is no k-th call. */
export async function failPoints(subject: Subject, options: PointsOptions): Promise<PointsResult> {
  const tally = new Tally();
  const started = performance.now();
  const queues = FAILING.map((fault) => ({ fault, next: 1, misses: 0, hits: 0 }));
  const lane = async () => {
    while (!isOver(options, started, tally)) {
      // The kind that is least far: when time runs out, all kinds have been tried alike.
      const [queue] = queues
        .filter((one) => one.misses < MISSES_MAX)
        .sort((a, b) => a.next - b.next);
      if (queue === undefined) return;
      const at = queue.next;
      queue.next += options.stride;
      const hit = await failAt(subject, { ...queue.fault, at }, tally);
      queue.misses = hit ? 0 : queue.misses + 1;
      if (hit) queue.hits += 1;
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, lane));
  const points = queues.reduce((sum, queue) => sum + queue.hits, 0);
  return tally.result(points);
}

function isOver(options: PointsOptions, started: number, tally: Tally): boolean {
  if (options.stopAtFirst && tally.hasProblem) return true;
  return performance.now() - started > options.budgetMs;
}

async function killAt(subject: Subject, at: number, victim: Victim, tally: Tally) {
  await inFolder(subject, async (traced, folder) => {
    const ending = await follow(traced, at, victim);
    const inWorker = ending.byWorkers.has(at - 1);
    const call = ending.killedAfter;
    if (ending.changes.length > at) tally.late += 1;
    const what = `${inWorker ? "worker's " : ""}${call?.name ?? "end"}`;
    const where = `kill ${victim} after change ${at} (${what} ${call?.paths.at(-1) ?? ""})`;
    if (ending.timedOut) tally.problem(`${where}: did not end within ${RUN_MS_MAX} ms`);
    tally.take(`kill ${victim} after ${what}`, where, await subject.recover(folder), inWorker);
  });
}

async function failAt(
  subject: Subject,
  fault: Parameters<typeof fail>[1],
  tally: Tally,
): Promise<boolean> {
  return await inFolder(subject, async (traced, folder) => {
    const ending = await fail(traced, fault);
    if (ending.injected === 0) return false;
    const name = `${fault.error} in ${fault.calls.join("/")}`;
    const where = `${name} ${fault.at} (exit ${ending.exitCode})`;
    if (ending.timedOut) tally.problem(`${where}: did not end within ${RUN_MS_MAX} ms`);
    if (ending.exitCode !== 0 && ending.stderr.trim() === "") {
      tally.problem(`${where}: failed without a word`);
    }
    // A failed call is the disk's doing: no file is blamed for it.
    tally.take(name, where, await subject.recover(folder), false);
    return true;
  });
}

async function inFolder<Result>(
  subject: Subject,
  work: (traced: Traced, folder: string) => Promise<Result>,
): Promise<Result> {
  const base = process.env.TARN_CRASH_DIR ?? tmpdir();
  const folder = mkdtempSync(join(base, "lake-crash-"));
  try {
    await subject.prepare(folder);
    const command = subject.command(folder);
    const lake = subject.lake(folder);
    return await work({ command, cwd: folder, lake, timeoutMs: RUN_MS_MAX }, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Tally {
  late = 0;
  readonly #countsByKind = new Map<string, number>();
  readonly #problems: string[] = [];
  #run = 0;
  #orphans = 0;
  #setAside = 0;

  get hasProblem(): boolean {
    return this.#problems.length > 0;
  }

  problem(text: string) {
    this.#problems.push(text);
  }

  take(kind: string, where: string, recovered: Recovered, maySetAside: boolean) {
    this.#run += 1;
    this.#countsByKind.set(kind, (this.#countsByKind.get(kind) ?? 0) + 1);
    this.#orphans += recovered.orphans;
    this.#setAside += recovered.setAside;
    this.#problems.push(...recovered.problems.map((problem) => `${where}: ${problem}`));
    if (recovered.setAside > 0 && !maySetAside) {
      this.#problems.push(`${where}: ${recovered.setAside} files set aside though no worker died`);
    }
  }

  result(points: number): PointsResult {
    return {
      points,
      run: this.#run,
      countsByKind: this.#countsByKind,
      orphans: this.#orphans,
      setAside: this.#setAside,
      late: this.late,
      problems: this.#problems,
    };
  }
}
