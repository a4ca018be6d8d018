/**
 * The sweep of `sweep.test.ts` over every place (`node cmd/bun.mjs run tests/sim/long.ts`), in TARN_SIM_LANES (2)
 * processes: a power cut before every operation, EIO and ENOSPC at each that can fail, every COMMIT failing in every
 * way, and pairs of cuts for TARN_SIM_PAIRS_S (180) seconds. TARN_SIM_STRIDE (1) takes every n-th place only,
 * TARN_SEED repeats a run, and names of stories (files, streams, mended, windows, lookups, statements, corrected) and
 * of sections (cuts, errors, commits, pairs) take only those.
 */

import { must } from "../../core/base/assert.ts";
import { envNumber } from "../crash/seeded.ts";
import { CORRECTED } from "./corrected-scenario.ts";
import { FILES } from "./files-scenario.ts";
import { LOOKUPS } from "./lookups-scenario.ts";
import { MENDED } from "./mended-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { STATEMENTS } from "./statements-scenario.ts";
import type { Fault } from "./story.ts";
import { STREAMS } from "./streams-scenario.ts";
import { countsText, type Reference, Sweep } from "./sweep.ts";
import { SweepBench } from "./sweep-bench.ts";
import { random } from "./torn.ts";
import { WINDOWS } from "./windows-scenario.ts";

const SEED = envNumber("TARN_SEED", Date.now() % 1_000_000);
const LANES = envNumber("TARN_SIM_LANES", 2);
const STRIDE = envNumber("TARN_SIM_STRIDE", 1);
const PAIRS_MS = envNumber("TARN_SIM_PAIRS_S", 180) * 1_000;
/** Of one place. */
const PROBLEMS_SHOWN = 5;
/** Every so many cuts, the story goes on to its end and its retention. */
const TO_THE_END_EVERY = 5;
/** Every so many cuts, each question goes to a real worker. */
const UNREMEMBERED_EVERY = 100;

const STORIES = [FILES, STREAMS, MENDED, WINDOWS, LOOKUPS, STATEMENTS, CORRECTED];
const SECTIONS = ["cuts", "errors", "commits", "pairs"] as const;
const LANE_ARGUMENT = "--lane=";

const args = process.argv.slice(2);
const asked = SECTIONS.filter((name) => args.includes(name));
const told = STORIES.filter(({ name }) => args.includes(name));
const lane = args.find((one) => one.startsWith(LANE_ARGUMENT))?.slice(LANE_ARGUMENT.length);
process.exit(lane === undefined ? await allLanes() : await oneLane(Number(lane)));

/** This program once a lane. */
async function allLanes(): Promise<number> {
  console.log(`seed ${SEED} (repeat with TARN_SEED=${SEED})`);
  const children = Array.from({ length: LANES }, (_, index) =>
    Bun.spawn([process.execPath, import.meta.path, `${LANE_ARGUMENT}${index}`, ...args], {
      env: { ...process.env, TARN_SEED: String(SEED) },
      stdio: ["ignore", "inherit", "inherit"],
    }),
  );
  const codes = await Promise.all(children.map((child) => child.exited));
  for (const [index, { signalCode }] of children.entries()) {
    if (signalCode !== null) console.log(`lane ${index}: ended by ${signalCode}`);
  }
  const failed = codes.some((code) => code !== 0);
  console.log(failed ? "sim sweep: FAILED" : "sim sweep: passed");
  return failed ? 1 : 0;
}

async function oneLane(index: number): Promise<number> {
  let failed = 0;
  for (const scenario of told.length > 0 ? told : STORIES) failed |= await tell(scenario, index);
  return failed;
}

async function tell(scenario: Scenario, index: number): Promise<number> {
  await using bench = await SweepBench.open(scenario);
  const reference = await bench.reference();
  const problems = [...reference.problems];
  console.log(`lane ${index}: ${scenario.name}, ${Sweep.all(reference).length} points`);
  for (const problem of problems) console.log(`  ✖ ${problem}`);
  const run = new Lane(bench, reference, index, problems);
  for (const section of asked.length > 0 ? asked : SECTIONS) await run[section]();
  const { counts } = bench.engine;
  console.log(`lane ${index}: ${countsText(bench.sweep.counts)}`);
  console.log(
    `lane ${index}: ${counts.asked} questions to the engine, ${counts.real} to a real worker`,
  );
  console.log(`lane ${index}: ${problems.length} problems`);
  return problems.length === 0 ? 0 : 1;
}

class Lane {
  readonly #bench: SweepBench;
  readonly #reference: Reference;
  readonly #lane: number;
  readonly #problems: string[];
  readonly #chance: () => number;

  constructor(bench: SweepBench, reference: Reference, lane: number, problems: string[]) {
    this.#bench = bench;
    this.#reference = reference;
    this.#lane = lane;
    this.#problems = problems;
    this.#chance = random(SEED * LANES + lane);
  }

  async cuts(): Promise<void> {
    const { sweep, engine } = this.#bench;
    const points = this.#mine(Sweep.all(this.#reference));
    for (const [count, point] of points.entries()) {
      engine.remember = count % UNREMEMBERED_EVERY !== UNREMEMBERED_EVERY - 1;
      const options = { toTheEnd: count % TO_THE_END_EVERY === 0, seed: this.#seed() };
      this.#note(await sweep.cut(this.#reference, point, options));
    }
    engine.remember = true;
    this.#say("cuts");
  }

  async errors(): Promise<void> {
    for (const point of this.#mine(Sweep.failing(this.#reference))) {
      for (const code of ["EIO", "ENOSPC"] as const) {
        await this.#fail(point, { kind: "error", at: point.at, code });
      }
    }
    this.#say("failing operations");
  }

  async commits(): Promise<void> {
    for (const point of this.#mine(Sweep.commits(this.#reference))) {
      for (const code of ["SQLITE_FULL", "SQLITE_IOERR"] as const) {
        for (const blind of [false, true]) {
          await this.#fail(point, { kind: "commit", at: point.at, code, blind });
        }
      }
    }
    this.#say("failing commits");
  }

  async pairs(): Promise<void> {
    const { sweep } = this.#bench;
    const points = Sweep.all(this.#reference);
    const until = performance.now() + PAIRS_MS;
    while (performance.now() < until) {
      const point = must(points[Math.floor(this.#chance() * points.length)], "within the points");
      const trace = must(this.#reference.traces[point.step], "the step has a trace");
      const again = Math.floor(this.#chance() * trace.length);
      const options = { toTheEnd: false, seed: this.#seed(), again };
      this.#note(await sweep.cut(this.#reference, point, options));
    }
    this.#say("pairs of cuts");
  }

  async #fail(point: { readonly step: number; readonly at: number }, fault: Fault): Promise<void> {
    const options = { toTheEnd: false, seed: this.#seed() };
    this.#problems.push(...(await this.#bench.sweep.fail(this.#reference, point, fault, options)));
  }

  #mine<T>(all: readonly T[]): T[] {
    // The same shuffle in each lane: neighbours alternate, such as before and after a COMMIT.
    const chance = random(SEED);
    const shuffled = all
      .map((point) => ({ point, place: chance() }))
      .sort((a, b) => a.place - b.place);
    return shuffled.flatMap(({ point }, index) =>
      index % (LANES * STRIDE) === this.#lane ? [point] : [],
    );
  }

  #note(problems: readonly string[]): void {
    for (const problem of problems.slice(0, PROBLEMS_SHOWN)) console.log(`  ✖ ${problem}`);
    this.#problems.push(...problems);
  }

  #seed(): number {
    return Math.floor(this.#chance() * 2 ** 31);
  }

  #say(what: string): void {
    const { counts } = this.#bench.sweep;
    console.log(
      `lane ${this.#lane}: ${what} done, ${this.#problems.length} problems; ${countsText(counts)}`,
    );
  }
}
