/**
 * The crash suite (`npm run test:crash`): the real program under strace. Sections: harness, calm, order, points,
 * pairs, faults, random, and of a stream stream-order, stream-points, stream-faults; name some as arguments to run only
 * those.
 *
 * TARN_CRASH_KILLS (200), TARN_CRASH_PAIRS (40), TARN_CRASH_STRIDE (1: every point), TARN_CRASH_BUDGET_S (per
 * section, 1200), TARN_CRASH_SEED, TARN_CRASH_LANES (2), TARN_CRASH_DIR,
 * TARN_CRASH_STOP_AT_FIRST=1, TARN_BIN. Without strace it is skipped; with
 * TARN_TEST_REQUIRE=all it fails.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unreachable } from "../../core/base/assert.ts";
import { checkCalmRun, checkWithdrawal, lakeSubject } from "./lake-subject.ts";
import { proveOrder, traceCommand } from "./order.ts";
import {
  failPoints,
  killPairs,
  killPoints,
  type PointsOptions,
  type PointsResult,
} from "./points.ts";
import { mustRun, programPath } from "./program.ts";
import { randomKills } from "./random.ts";
import { envNumber, seeded } from "./seeded.ts";
import { checkHarness } from "./self-check.ts";
import { streamSubject } from "./stream-subject.ts";
import type { Subject } from "./subject.ts";
import { filesBelow, originalNamings, walkLake } from "./walk.ts";

const SECTIONS = [
  "harness",
  "calm",
  "order",
  "points",
  "pairs",
  "faults",
  "random",
  "stream-order",
  "stream-points",
  "stream-faults",
] as const;
type Section = (typeof SECTIONS)[number];

const PROBLEMS_SHOWN = 20;
const seed = envNumber("TARN_CRASH_SEED", Date.now() % 1_000_000);
const lanes = envNumber("TARN_CRASH_LANES", 2);
const options: PointsOptions = {
  lanes,
  stride: envNumber("TARN_CRASH_STRIDE", 1),
  budgetMs: envNumber("TARN_CRASH_BUDGET_S", 1_200) * 1_000,
  stopAtFirst: process.env.TARN_CRASH_STOP_AT_FIRST === "1",
};
const pairOptions = { ...options, pairs: envNumber("TARN_CRASH_PAIRS", 40), random: seeded(seed) };
const failed: string[] = [];

if (Bun.which("strace") === null) {
  console.log("skip: crash suite: strace is missing; apt-get install strace");
  process.exit(process.env.TARN_TEST_REQUIRE === "all" ? 1 : 0);
}
const asked = SECTIONS.filter((name) => process.argv.slice(2).includes(name));
console.log(`seed ${seed} (repeat with TARN_CRASH_SEED=${seed})`);
for (const section of asked.length > 0 ? asked : SECTIONS) await runSection(section);
console.log(failed.length === 0 ? "crash suite: passed" : `crash suite: FAILED ${failed}`);
process.exit(failed.length === 0 ? 0 : 1);

async function runSection(section: Section) {
  const started = performance.now();
  const { line, problems } = await work(section);
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  console.log(`${section}: ${line}; ${problems.length} problems; ${seconds} s`);
  for (const problem of problems.slice(0, PROBLEMS_SHOWN)) console.log(`  ✖ ${problem}`);
  if (problems.length > PROBLEMS_SHOWN) console.log(`  … ${problems.length - PROBLEMS_SHOWN} more`);
  if (problems.length > 0) failed.push(section);
}

interface Report {
  readonly line: string;
  readonly problems: readonly string[];
}

async function work(section: Section): Promise<Report> {
  switch (section) {
    case "harness":
      return { line: "the specimen and its bugs", problems: await checkHarness(lanes) };
    case "calm":
      return { line: "builds and a restore without a fault", problems: await calmSection() };
    case "order":
      return await orderSection(lakeSubject());
    case "points":
      return report(await killPoints(lakeSubject(), options));
    case "pairs":
      return report(await killPairs(lakeSubject(), pairOptions));
    case "faults":
      return report(await failPoints(lakeSubject(), options));
    case "random":
      return await randomSection();
    case "stream-order":
      return await orderSection(streamSubject());
    case "stream-points":
      return report(await killPoints(streamSubject(), options));
    case "stream-faults":
      return report(await failPoints(streamSubject(), options));
    default:
      return unreachable(section);
  }
}

function report(result: PointsResult): Report {
  const kinds = [...result.countsByKind].map(([kind, count]) => `\n    ${count} × ${kind}`).sort();
  const rest = `${result.orphans} orphan files, ${result.setAside} set aside, ${result.late} late`;
  const line = `${result.run} runs over ${result.points} points, ${rest}${kinds.join("")}\n `;
  return { line, problems: result.problems };
}

async function calmSection(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "lake-calm-"));
  try {
    const problems = await checkCalmRun(join(folder, "builds"));
    return [...problems, ...(await checkWithdrawal(join(folder, "withdrawal")))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The proof of order, from one traced build. What was committed before it is not of the trace. */
async function orderSection(subject: Subject): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "lake-order-"));
  const log = join(tmpdir(), `lake-order-${process.pid}.strace`);
  try {
    await subject.prepare(folder);
    // Unpacks the native libraries once, outside the trace.
    await mustRun([programPath(), "sql", "-c", "select 42"], { cwd: tmpdir() });
    const before = new Set(filesBelow(subject.lake(folder)));
    const calls = await traceCommand(subject.command(folder), folder, log);
    const walked = await walkLake(subject.lake(folder));
    const namings = [
      ...walked.tables.flatMap((table) => table.namings),
      ...originalNamings(subject.lake(folder)),
    ];
    const made = namings.map(({ key, files }) => ({
      key,
      files: files.filter((file) => !before.has(file)),
    }));
    const traced = made.filter(({ files }) => files.length > 0);
    const proof = proveOrder(calls, subject.lake(folder), traced);
    const counts = `${proof.commits} commits, ${proof.files} files, ${proof.folders} folders`;
    const problems = [...walked.problems, ...proof.problems];
    if (proof.commits === 0) problems.push("no commit was seen");
    return { line: `${counts} in ${calls.length} calls`, problems };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(log, { force: true });
  }
}

async function randomSection(): Promise<Report> {
  const kills = envNumber("TARN_CRASH_KILLS", 200);
  const perLane = Math.ceil(kills / lanes);
  const results = await Promise.all(
    Array.from({ length: lanes }, (_, lane) =>
      randomKills({ kills: perLane, seed, lane, checkEvery: 20 }),
    ),
  );
  const sum = (pick: (result: (typeof results)[number]) => number) =>
    results.reduce((total, result) => total + pick(result), 0);
  const who = `${sum((r) => r.groupKills)} group, ${sum((r) => r.ownerKills)} owner alone`;
  const what = `${sum((r) => r.files)} files, ${sum((r) => r.rows)} rows`;
  return {
    line: `${sum((r) => r.kills)} kills (${who}), ${sum((r) => r.checks)} checks, ${what}`,
    problems: results.flatMap((result) => result.problems),
  };
}
