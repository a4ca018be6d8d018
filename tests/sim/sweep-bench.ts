/** Everything a sweep needs, in a folder of its own: a story, its oracle, and one real engine behind a memory. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUILD } from "../../cmd/version.ts";
import { openWorkerEngine, workerEnvironment } from "../../sql/worker/client.ts";
import { STAGING_FOLDER } from "../../storage/disk/local.ts";
import { REPOSITORY } from "../support/source-tree.ts";
import { ModelCheck } from "./model-check.ts";
import { Oracle } from "./oracle.ts";
import { RememberedEngine } from "./remembered-engine.ts";
import type { Scenario } from "./scenario.ts";
import { lakeFolder, type State, Story } from "./story.ts";
import { type Reference, Sweep } from "./sweep.ts";

const MEMORY_BYTES = 2 * 1024 * 1024 * 1024;
/** The simulated disk is what is under test, not the real one: memory will do. */
const MEMORY_FOLDER = "/dev/shm";

export class SweepBench implements AsyncDisposable {
  readonly engine: RememberedEngine;
  readonly story: Story;
  readonly oracle: Oracle;
  readonly sweep: Sweep;
  readonly #folder: string;
  readonly #models: ModelCheck;
  readonly #empty: State;

  static async open(scenario: Scenario): Promise<SweepBench> {
    return new SweepBench(await ModelCheck.open(), scenario);
  }

  private constructor(models: ModelCheck, scenario: Scenario) {
    const parent = existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir();
    this.#folder = realpathSync(mkdtempSync(join(parent, "lake-sim-")));
    const lake = lakeFolder(this.#folder);
    mkdirSync(lake, { recursive: true });
    const main = join(REPOSITORY, "cmd", "main.ts");
    this.engine = new RememberedEngine(
      openWorkerEngine({
        command: [process.execPath, main, "__worker", BUILD],
        environment: workerEnvironment(process.env),
        memoryBytes: MEMORY_BYTES,
        foreignMax: 1,
        warmMax: 1,
        folders: [lake],
        stagingFolder: join(lake, STAGING_FOLDER),
        tempFolder: join(this.#folder, "workers"),
      }),
      scenario.rewrittenRowsMax,
    );
    this.#models = models;
    this.oracle = new Oracle(lake, models, scenario);
    const { engine, oracle } = this;
    this.story = new Story({ scenario, folder: this.#folder, engine, oracle });
    this.#empty = this.story.state();
    this.sweep = new Sweep(this.story, oracle, scenario.steps);
  }

  /** The story without a fault. */
  reference(): Promise<Reference> {
    return this.sweep.reference(this.#empty);
  }

  /**
   * Files below its folder that this process has open; null where the system does not say. The
   * pipes of workers do not count: the engine starts those when it likes.
   */
  get openFiles(): string[] | null {
    const descriptors = "/proc/self/fd";
    if (!existsSync(descriptors)) return null;
    return readdirSync(descriptors)
      .map((descriptor) => target(join(descriptors, descriptor)))
      .filter((file) => file.startsWith(this.#folder))
      .sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.story[Symbol.dispose]();
    await this.engine.end();
    await this.#models[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What a descriptor stands for; nothing where it was closed meanwhile. */
function target(descriptor: string): string {
  try {
    return readlinkSync(descriptor);
  } catch {
    return "";
  }
}
