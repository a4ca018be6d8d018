/**
 * Seeded bugs (`bun run tests/crash/mutants.ts [NAME…]`): each is one replacement in a copy of the repository, and
 * the suite that must fail on it. A suite that passes without the bug and fails with it has caught it.
 *
 * TARN_MUTANT_LANES (1). Exit 1 when one survives, or when a patch no longer fits the source.
 */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { MUTANTS, type Mutant, SUITES, type SuiteName } from "./mutant-list.ts";
import { type Finished, mustRun, REPOSITORY, runCommand } from "./program.ts";
import { envNumber, inLanes } from "./seeded.ts";

type Verdict =
  | { readonly kind: "caught"; readonly by: string }
  | { readonly kind: "survived" }
  | { readonly kind: "stale"; readonly why: string };

const STOP = { TARN_CRASH_SEED: "1", TARN_CRASH_STOP_AT_FIRST: "1" };
const SUITE_MS_MAX = 15 * 60_000;
const BUILD_MS_MAX = 5 * 60_000;

const asked = process.argv.slice(2);
const chosen = MUTANTS.filter((mutant) => asked.length === 0 || asked.includes(mutant.name));
const lanes = envNumber("TARN_MUTANT_LANES", 1);
const suites = [...new Set(chosen.map((mutant) => mutant.suite))];
const broken = await baseline(suites);
const verdicts = await inLanes(chosen, lanes, async (mutant) => {
  const verdict = broken.has(mutant.suite)
    ? ({ kind: "stale", why: `${mutant.suite} fails without a bug` } as const)
    : await judge(mutant);
  console.log(line(mutant, verdict));
  return verdict;
});
const caught = verdicts.filter((verdict) => verdict.kind === "caught").length;
console.log(`mutants: ${caught} of ${chosen.length} caught`);
process.exit(caught === chosen.length ? 0 : 1);

/** Suites that fail on the source as it is: they can judge nothing. */
async function baseline(names: readonly SuiteName[]): Promise<Set<SuiteName>> {
  const failing = new Set<SuiteName>();
  for (const name of names) {
    const finished = await withCopy(async (folder) => await runSuite(name, folder));
    console.log(`${name} without a bug: ${finished.code === 0 ? "passes" : "FAILS"}`);
    if (finished.code === 0) continue;
    failing.add(name);
    console.log(finished.stdout.slice(-2_000), finished.stderr.slice(-2_000));
  }
  return failing;
}

async function judge(mutant: Mutant): Promise<Verdict> {
  return await withCopy(async (folder) => {
    const path = join(folder, mutant.file);
    if (!existsSync(path)) return { kind: "stale", why: `${mutant.file} is missing` };
    const source = readFileSync(path, "utf8");
    const places = source.split(mutant.search).length - 1;
    if (places !== 1) return { kind: "stale", why: `${places} places in ${mutant.file}, not 1` };
    writeFileSync(
      path,
      source.replace(mutant.search, () => mutant.replace),
    );
    const finished = await runSuite(mutant.suite, folder);
    return finished.code === 0
      ? { kind: "survived" }
      : { kind: "caught", by: firstFailure(finished) };
  });
}

/** A copy of every file that is or would be in the repository, with the same packages. */
async function withCopy<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "lake-mutant-"));
  try {
    const listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"];
    const { stdout } = await mustRun(listing, { cwd: REPOSITORY });
    for (const name of stdout.split("\0").filter((path) => path !== "")) {
      const from = join(REPOSITORY, name);
      if (!existsSync(from)) continue;
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      copyFileSync(from, join(folder, name));
    }
    symlinkSync(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runSuite(name: SuiteName, folder: string): Promise<Finished> {
  const suite = SUITES[name];
  const bun = process.execPath;
  if (suite.needsBinary) {
    const built = await runCommand([bun, "run", "cmd/build.ts"], {
      cwd: folder,
      timeoutMs: BUILD_MS_MAX,
    });
    // A bug that does not even compile shows nothing about the suite.
    if (built.code !== 0) throw new Error(`the copy does not build: ${built.stderr.slice(-1_000)}`);
  }
  const env = { ...suite.env, TARN_BIN: join(folder, "dist", "tarn"), ...STOP };
  return await runCommand([bun, ...suite.args], { cwd: folder, env, timeoutMs: SUITE_MS_MAX });
}

function firstFailure(finished: Finished): string {
  const said = `${finished.stdout}\n${finished.stderr}`.split("\n");
  const telling = said.find((text) => /✖|✗|\(fail\)|error:/.test(text)) ?? said[0] ?? "";
  return telling.trim().slice(0, 140);
}

function line(mutant: Mutant, verdict: Verdict): string {
  const head = `${mutant.name} (${mutant.suite})`;
  if (verdict.kind === "caught") return `✔ ${head}: ${verdict.by}`;
  if (verdict.kind === "stale") return `✖ ${head}: the patch does not fit: ${verdict.why}`;
  return `✖ ${head}: SURVIVED: ${mutant.bug}`;
}
