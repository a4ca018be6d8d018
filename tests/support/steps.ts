/** Runs the steps of a check: a line for each, the output of those that fail, one exit code. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./source-tree.ts";
import { Turns } from "./turns.ts";

export interface Step {
  readonly name: string;
  /** Arguments of this Bun, or of node for tools that are node's. */
  readonly command: readonly string[];
  /** Paths that must be there: a suite that is gone is a failure, not a pass. */
  readonly needs: readonly string[];
  /** What to do when it fails. */
  readonly hint: string;
}

interface Outcome {
  readonly step: Step;
  readonly ok: boolean;
  readonly durationMs: number;
  readonly output: string;
}

/** A test that hangs is ended; a loaded machine is not a hang. */
const TEST_TIMEOUT_MS = "120000";

/** Types, format, lint and house rules: what is fast enough to run before every commit. */
export const CHECKS: readonly Step[] = [
  {
    name: "types",
    command: ["node", "node_modules/typescript/bin/tsc", "-p", "."],
    needs: ["tsconfig.json"],
    hint: "mend the types",
  },
  {
    name: "lint",
    command: ["node", "node_modules/@biomejs/biome/bin/biome", "check", "--colors=off", "."],
    needs: ["biome.json"],
    hint: "npx biome check --fix . mends what can be mended",
  },
  suite("tidy", ["tests/tidy.test.ts"], "house rules: CONTRIBUTING.md says why"),
];

/** A step that runs tests of some files or folders. */
export function suite(name: string, paths: readonly string[], hint: string): Step {
  const files = paths.map((path) => `./${path}`);
  const command = ["bun", "test", "--timeout", TEST_TIMEOUT_MS, ...files];
  return { name, command, needs: paths, hint };
}

/**
 * Runs the steps that are named (all when none is), so many at a time, in their order; prints as they end, and returns
 * the exit code.
 */
export async function runSteps(
  steps: readonly Step[],
  chosen: readonly string[],
  atATime = 1,
): Promise<number> {
  const names = steps.map((step) => step.name);
  const unknown = chosen.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`no step "${unknown.join(", ")}"; the steps are ${names.join(", ")}`);
    return 2;
  }
  const startedMs = performance.now();
  const turns = new Turns(atATime);
  const wanted = steps.filter(({ name }) => chosen.length === 0 || chosen.includes(name));
  const outcomes = await Promise.all(
    wanted.map(async (step) => {
      using _turn = await turns.take();
      const outcome = await runStep(step);
      if (!outcome.ok) console.log(`\n${outcome.output.trimEnd()}\n`);
      console.log(line(outcome));
      for (const said of outcome.output.matchAll(/^counted: .+$/gm)) console.log(`  ${said[0]}`);
      return outcome;
    }),
  );
  const failed = outcomes.filter((outcome) => !outcome.ok);
  const totalMs = performance.now() - startedMs;
  const verdict = failed.length === 0 ? "all passed" : `${failed.length} failed`;
  console.log(`\n${outcomes.length} steps, ${verdict}, ${seconds(totalMs)}`);
  for (const { step } of failed) console.log(`  ${step.name}: ${step.hint}`);
  return failed.length === 0 ? 0 : 1;
}

async function runStep(step: Step): Promise<Outcome> {
  const startedMs = performance.now();
  const absent = step.needs.filter((path) => !existsSync(join(REPOSITORY, path)));
  if (absent.length > 0) {
    return { step, ok: false, durationMs: 0, output: `${absent.join(", ")} is not there` };
  }
  const [program = "", ...args] = step.command;
  // This process runs under the Bun that npm installed; there may be no other.
  const executable = program === "bun" ? process.execPath : program;
  const child = Bun.spawn([executable, ...args], {
    cwd: REPOSITORY,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" },
  });
  const [out, error, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const output = passesLeftOut(`${out}${error}`);
  return { step, ok: code === 0, durationMs: performance.now() - startedMs, output };
}

/** Thousands of passing tests say nothing beside one that fails. */
function passesLeftOut(output: string): string {
  return output
    .split("\n")
    .filter((text) => !text.startsWith("(pass)"))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n");
}

function line(outcome: Outcome): string {
  const counts = /^\s*(\d+) pass$/m.exec(outcome.output)?.[1];
  const skipped = /^\s*(\d+) skip$/m.exec(outcome.output)?.[1];
  const what = [
    counts === undefined ? "" : `${counts} tests`,
    skipped === undefined ? "" : `${skipped} skipped`,
  ].filter(Boolean);
  const verdict = outcome.ok ? "ok  " : "FAIL";
  const time = seconds(outcome.durationMs).padStart(8);
  return `${outcome.step.name.padEnd(10)} ${verdict} ${time}   ${what.join(", ")}`.trimEnd();
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1_000).toFixed(1)} s`;
}
