/** Random kills while files keep arriving: `up` is started, killed at a random moment, and started again. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recoverLake } from "./lake-subject.ts";
import { programPath } from "./program.ts";
import { type Drop, writeDrop, writeProject } from "./project.ts";
import { seeded } from "./seeded.ts";

export interface RandomOptions {
  readonly kills: number;
  readonly seed: number;
  readonly lane: number;
  /** A full check of the lake after this many kills, and at the end. */
  readonly checkEvery: number;
}

export interface RandomResult {
  readonly kills: number;
  readonly groupKills: number;
  readonly ownerKills: number;
  readonly checks: number;
  readonly files: number;
  readonly rows: number;
  /** `up` ended by itself before it was killed. */
  readonly earlyEnds: number;
  readonly problems: readonly string[];
}

const LIFE_MS_MIN = 60;
const LIFE_MS_MAX = 1_400;
const DROP_MS_MIN = 20;
const DROP_MS_MAX = 250;
const ROWS_MAX = 400;
/** One drop in this many is still young, so that the settle rule is at work too. */
const YOUNG_ONE_IN = 12;

/** One lake, many deaths. Half of the kills take the whole process group, half the owner alone. */
export async function randomKills(options: RandomOptions): Promise<RandomResult> {
  const random = seeded(options.seed + options.lane * 7919);
  const folder = mkdtempSync(join(process.env.TARN_CRASH_DIR ?? tmpdir(), "lake-random-"));
  mkdirSync(folder, { recursive: true });
  writeProject(folder, []);
  const feeder = new Feeder(folder, random);
  const counts = { kills: 0, groupKills: 0, ownerKills: 0, checks: 0, earlyEnds: 0 };
  const problems: string[] = [];
  feeder.dropOne();
  for (let kill = 1; kill <= options.kills; kill += 1) {
    feeder.start();
    const whole = random() < 0.5;
    const early = await liveAndDie(folder, whole, within(random, LIFE_MS_MIN, LIFE_MS_MAX));
    counts.kills += 1;
    counts[whole ? "groupKills" : "ownerKills"] += 1;
    if (early !== null) {
      counts.earlyEnds += 1;
      problems.push(`lane ${options.lane}, kill ${kill}: up ended by itself: ${early}`);
    }
    if (kill % options.checkEvery !== 0 && kill !== options.kills) continue;
    feeder.stop();
    counts.checks += 1;
    const { problems: found } = await recoverLake(folder, feeder.drops);
    problems.push(
      ...found.map((problem) => `lane ${options.lane}, after kill ${kill}: ${problem}`),
    );
    if (found.length > 0) break;
  }
  feeder.stop();
  const rows = feeder.drops.reduce((sum, drop) => sum + drop.rows, 0);
  if (problems.length === 0) rmSync(folder, { recursive: true, force: true });
  else problems.push(`lane ${options.lane}: the lake is kept in ${folder}`);
  return { ...counts, files: feeder.drops.length, rows, problems };
}

/** Puts files into the drop folder at random moments until it is stopped. */
class Feeder {
  readonly drops: Drop[] = [];
  readonly #folder: string;
  readonly #random: () => number;
  #timer: Timer | null = null;
  #nextId = 1;

  constructor(folder: string, random: () => number) {
    this.#folder = folder;
    this.#random = random;
  }

  start() {
    if (this.#timer !== null) return;
    const wait = within(this.#random, DROP_MS_MIN, DROP_MS_MAX);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.dropOne();
      this.start();
    }, wait);
  }

  stop() {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  dropOne() {
    const rows = 1 + Math.floor(this.#random() * ROWS_MAX);
    const name = `${String(this.drops.length).padStart(6, "0")}.csv`;
    const drop = { name, from: this.#nextId, rows };
    this.#nextId += rows;
    this.drops.push(drop);
    writeDrop(this.#folder, drop, this.#random() * YOUNG_ONE_IN >= 1);
  }
}

/** Starts `up`, lets it live, kills it; gives what it said when it ended before that. */
async function liveAndDie(folder: string, whole: boolean, lifeMs: number): Promise<string | null> {
  const child = spawn(programPath(), ["up"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let stderr = "";
  child.stderr.on("data", (bytes) => {
    stderr = (stderr + String(bytes)).slice(-2_000);
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const early = await Promise.race([
    ended.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), lifeMs)),
  ]);
  endChild(child, whole);
  await ended;
  // Surviving workers hold the pipe open; nobody reads it any more.
  child.stderr.destroy();
  return early ? `code ${child.exitCode}: ${stderr}` : null;
}

function endChild(child: ChildProcess, whole: boolean) {
  if (child.pid === undefined) throw new Error("up did not start");
  try {
    process.kill(whole ? -child.pid : child.pid, "SIGKILL");
  } catch {
    // It ended by itself; the caller reports that.
  }
}

function within(random: () => number, low: number, high: number): number {
  return low + random() * (high - low);
}
