/** What `up` does for its tables by itself: one step at a time, for whichever table has earned it. */

import { type LakeError, withinLake } from "../base/errors.ts";
import type { EngineBudget } from "../ingest/landing.ts";
import { COMPACT_LEVEL_FILES } from "../limits.ts";
import { Patience } from "../patience.ts";
import type { TableHead } from "../ports.ts";
import { type Compaction, type CompactPorts, compactTable } from "./compact.ts";
import type { Table, TableName } from "./types.ts";

export interface UpkeepRules {
  /** `idle`: while nothing lands. */
  readonly when: "idle" | "always" | "never";
  readonly targetBytes: number;
  /** Bytes that one step reads at most, or one group of files: models wait for it. */
  readonly stepBytes: number;
}

/** What goes on beside a step. */
export interface UpkeepBeside {
  /** Nothing has landed for a while. */
  readonly isIdle: boolean;
  /** A run is about to publish to this table: a commit in between would have it made again. */
  readonly isHeld: (table: TableName) => boolean;
}

/** Who hears of what was done, and of what failed; both may come from any table. */
export interface UpkeepTold {
  readonly done: (compaction: Compaction) => void;
  readonly failed: (error: LakeError) => void;
}

/** What a table had when it was looked at last. */
interface Looked {
  readonly files: number;
  readonly atMs: number;
}

/** Files of one step, at a millisecond or two each: while rows land, models that follow them wait for it. */
const IDLE_FILES_MAX = 512;
const BUSY_FILES_MAX = 2 * COMPACT_LEVEL_FILES;
/** Files of a table for each new one that is worth a look at all of them. */
const FILES_A_LOOK = 64;
/** A table that hardly changes is looked at this often: its last files come to rest. */
const LOOK_MS = 60 * 60_000;
const EXPIRE_MS = 24 * 60 * 60_000;
/** A step is followed by so many times its length without another. */
const REST_TIMES = 3;

export class Upkeep {
  readonly #ports: CompactPorts;
  readonly #told: UpkeepTold;
  readonly #patience = new Patience();
  readonly #lookedByTable = new Map<TableName, Looked>();
  readonly #expiredMsByTable = new Map<TableName, number>();
  #restUntilMs = 0;

  constructor(ports: CompactPorts, told: UpkeepTold) {
    this.#ports = ports;
    this.#told = told;
  }

  /** At most one table is written to. Throws only what is the whole lake's. */
  async step(rules: UpkeepRules, budget: EngineBudget, beside: UpkeepBeside): Promise<void> {
    const { catalog, clock } = this.#ports;
    const startedMs = clock.nowMs();
    if (rules.when === "never" || startedMs < this.#restUntilMs) return;
    for (const head of await catalog.tables()) {
      if (this.#patience.isPaused(head.name, "", clock.nowMs()) || beside.isHeld(head.name))
        continue;
      if (!(await this.#guarded(head, rules, budget, beside.isIdle))) continue;
      const endedMs = clock.nowMs();
      this.#restUntilMs = endedMs + REST_TIMES * (endedMs - startedMs);
      return;
    }
  }

  async #guarded(
    head: TableHead,
    rules: UpkeepRules,
    budget: EngineBudget,
    isIdle: boolean,
  ): Promise<boolean> {
    const { clock } = this.#ports;
    try {
      const isDone = await this.#tend(head, rules, budget, isIdle);
      this.#patience.succeeded(head.name);
      return isDone;
    } catch (thrown) {
      // A full disk, a damaged file: the others go on, and this one is tried again later.
      const error = withinLake(thrown);
      this.#patience.failed(head.name, "", clock.nowMs());
      // Other writers keep winning: what they write is worth more.
      if (error.code !== "conflict") this.#told.failed(error);
      return true;
    }
  }

  /** True when something was written. */
  async #tend(
    { name }: TableHead,
    rules: UpkeepRules,
    budget: EngineBudget,
    isIdle: boolean,
  ): Promise<boolean> {
    const { catalog, clock } = this.#ports;
    const nowMs = clock.nowMs();
    const table = await catalog.load(name);
    if (table === null) return false;
    const files = Number(table.current?.summary["total-data-files"] ?? 0);
    const looked = this.#lookedByTable.get(name);
    const more = files - (looked?.files ?? 0);
    const isDue = more >= worthALook(files) || nowMs - (looked?.atMs ?? 0) >= LOOK_MS;
    // Beside rows that keep coming a step may lose its race again and again, with models waiting for it.
    const isFree = isIdle || rules.when === "always";
    if (!isDue || !isFree || (await this.#isOfOthers(table))) return false;
    if (isIdle && (await this.#expire(name, nowMs))) return true;
    const due = { targetBytes: rules.targetBytes, effort: "due", nowMs } as const;
    const filesMax = isIdle ? IDLE_FILES_MAX : BUSY_FILES_MAX;
    // Who writes all the time would win again: models are not to wait for every attempt.
    const options = { dryRun: false, bytesMax: rules.stepBytes, filesMax, once: !isIdle };
    const done = await compactTable(this.#ports, name, due, budget, options);
    if (done.commit === null) {
      this.#lookedByTable.set(name, { files, atMs: nowMs });
      return false;
    }
    // There may be more to do than one step does.
    this.#lookedByTable.delete(name);
    this.#told.done(done);
    return true;
  }

  /** True while another engine wrote last: it may be about to write again, and would be the one to start anew. */
  async #isOfOthers({ name, current }: Table): Promise<boolean> {
    if (current === null) return false;
    const { snapshotId } = current;
    const [last] = await this.#ports.catalog.commits({ table: name, snapshotId, limit: 1 });
    return last?.kind === "foreign";
  }

  /** Commits thin a table; one at rest has none. */
  async #expire(name: TableName, nowMs: number): Promise<boolean> {
    if (nowMs - (this.#expiredMsByTable.get(name) ?? 0) < EXPIRE_MS) return false;
    this.#expiredMsByTable.set(name, nowMs);
    return (await this.#ports.catalog.expire(name, { dryRun: false })).commit !== null;
  }
}

/** A look costs what all files of the table cost; a large table is not looked at for each that comes. */
function worthALook(files: number): number {
  return Math.min(COMPACT_LEVEL_FILES, Math.max(1, Math.floor(files / FILES_A_LOOK)));
}
