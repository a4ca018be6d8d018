/** One telling of the scenario: from a state before a step, with faults on the way, to its end, and checked there. */

import { mkdirSync, rmSync } from "node:fs";
import { type DiskOp, PowerLost, SimDisk } from "./disk.ts";
import { copyFolder, type FolderCopy, restoreFolder } from "./folder-copy.ts";
import type { Oracle, Remembered } from "./oracle.ts";
import { type Ended, runProcess, startOf } from "./process.ts";
import type { RememberedEngine } from "./remembered-engine.ts";
import type { Scenario, Step } from "./scenario.ts";
import { type CommitMoments, sqliteError, watchCommits } from "./sqlite-commits.ts";
import { syncDisk } from "./sync-disk.ts";
import type { FolderNode } from "./tree.ts";
import { SimClock } from "./world.ts";

/** What befalls one process. Operations of the disk and moments of SQLite are counted together, from 0. */
export type Fault =
  | { readonly kind: "none" }
  /** The power goes before the operation. */
  | { readonly kind: "cut"; readonly at: number }
  /** The operation fails, once, with this code. */
  | { readonly kind: "error"; readonly at: number; readonly code: "EIO" | "ENOSPC" }
  /** COMMIT fails; `blind`: and so does each look-up afterwards. */
  | {
      readonly kind: "commit";
      readonly at: number;
      readonly code: "SQLITE_FULL" | "SQLITE_IOERR";
      readonly blind: boolean;
    };

export interface Lived extends Ended {
  /** `kind path` of all that happened, in order. */
  readonly trace: readonly string[];
}

/** A state to start from: the folder, and what of it is durable. */
export interface State {
  readonly files: FolderCopy;
  readonly tree: FolderNode;
  readonly acknowledged: readonly Remembered[];
  /** What the world around the lake remembers. */
  readonly memory: unknown;
}

export interface StoryOptions {
  readonly scenario: Scenario;
  /** An empty folder of its own. */
  readonly folder: string;
  readonly engine: RememberedEngine;
  readonly oracle: Oracle;
}

export const NO_FAULT: Fault = { kind: "none" };

/** Folder of the lake below the project. */
export function lakeFolder(project: string): string {
  return `${project}/lake`;
}

export class Story implements Disposable {
  readonly #options: StoryOptions;
  readonly #root: string;
  readonly #watch: Disposable;
  #moments: CommitMoments | null = null;
  #clock = new SimClock();
  #disk: SimDisk;
  #acknowledged: Remembered[] = [];

  constructor(options: StoryOptions) {
    this.#options = options;
    this.#root = lakeFolder(options.folder);
    mkdirSync(this.#root, { recursive: true });
    this.#watch = watchCommits(`${this.#root}/catalog.db`, () => this.#moments);
    this.#disk = this.#diskOn(null);
  }

  get disk(): SimDisk {
    return this.#disk;
  }

  get acknowledged(): readonly Remembered[] {
    return this.#acknowledged;
  }

  /** The state now, between two processes. */
  state(): State {
    const tree = this.#disk.tree();
    const memory = this.#options.scenario.memory();
    return { files: copyFolder(this.#root), tree, acknowledged: [...this.#acknowledged], memory };
  }

  /** Goes back to a state before step `index`. */
  return(state: State, index: number): void {
    restoreFolder(this.#root, state.files);
    this.#disk = this.#diskOn(state.tree);
    this.#acknowledged = [...state.acknowledged];
    const { folder, scenario } = this.#options;
    scenario.recall(state.memory);
    rmSync(`${folder}/drops`, { recursive: true, force: true });
    if (index > 0) scenario.prepare(folder, index - 1);
  }

  /** Runs one step as the process of its `life`: 0 for the first try, one more after each crash. */
  async live(index: number, life: number, fault: Fault): Promise<Lived> {
    const { engine, folder: project, scenario } = this.#options;
    const step = scenario.steps[index] as Step; // parse: callers count the steps
    scenario.prepare(project, index);
    this.#clock = new SimClock(startOf(index, life));
    const trace = this.#arm(fault);
    const { failure } = await runProcess({
      project,
      scenario,
      disk: this.#disk,
      engine,
      step,
      index,
      life,
      clock: this.#clock,
      onAcknowledged: async ({ number, timeMs }) => {
        this.#acknowledged.push({ number, timeMs, digests: await this.#options.oracle.digests() });
      },
    });
    this.#moments = null;
    this.#disk.before = () => {};
    return { failure, trace };
  }

  /** What a power cut leaves, chosen by the seed; the next process finds it. */
  async crash(seed: number): Promise<void> {
    await this.#disk.crash(seed);
    this.#disk = this.#disk.restart();
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #diskOn(tree: FolderNode | null): SimDisk {
    return new SimDisk({
      root: this.#root,
      // SQLite has a discipline of its own, with every commit synced.
      trusted: (path) => path.startsWith(`${this.#root}/catalog.db`),
      disk: syncDisk(() => this.#clock.nowMs()),
      ...(tree === null ? {} : { tree }),
    });
  }

  /** Sets the fault, and returns the trace that fills as the process goes. */
  #arm(fault: Fault): string[] {
    const disk = this.#disk;
    const trace: string[] = [];
    let isBlind = false;
    const alive = (): void => {
      if (disk.dead) throw new PowerLost("the power is off");
      if (isBlind) throw sqliteError("SQLITE_IOERR");
    };
    const happens = (what: string): void => {
      const at = trace.length;
      trace.push(what);
      if (fault.kind === "none" || fault.at !== at) return;
      if (fault.kind === "cut") {
        disk.powerOff();
        throw new PowerLost(`cut at ${at}`);
      }
      if (fault.kind === "error") throw Object.assign(new Error(fault.code), { code: fault.code });
      isBlind = fault.blind;
      throw sqliteError(fault.code);
    };
    disk.before = (op: DiskOp) =>
      happens([op.kind, op.path, op.to ?? ""].join(" ").replaceAll(this.#root, ""));
    this.#moments = {
      alive,
      before: () => happens("commit"),
      after: () => happens("committed"),
    };
    return trace;
  }
}
