/** The process that runs one step that is not SQL: the program of a model. */

import { serveStep } from "../storage/steps/process.ts";
import { systemClock, systemRandom } from "./clock.ts";
import { selfCommand } from "./worker.ts";

/** The program and its arguments. */
export function stepCommand(): string[] {
  return [...selfCommand(), "__step"];
}

/** What runs a step that is a TypeScript file, named behind it. */
export function stepHost(): string[] {
  return [...selfCommand(), "__step-host"];
}

/** Serves the engine over stdin and stdout, and ends with it. */
export async function runStepProcess(): Promise<never> {
  const answer = await serveStep(Bun.stdin.stream(), {
    clock: systemClock,
    random: systemRandom,
    fetch: (url, how) => fetch(url, how),
  });
  await new Promise<void>((resolve) => process.stdout.write(`${answer}\n`, () => resolve()));
  process.exit(0);
}
