/** The process that reads one stream for the engine: what it hears and tells, and its clock. */

import { serveReader } from "../storage/sources/reader.ts";
import { systemClock, systemRandom } from "./clock.ts";
import { selfCommand } from "./worker.ts";

/** The program and its arguments. */
export function readerCommand(): string[] {
  return [...selfCommand(), "__reader"];
}

/** Serves the engine over stdin and stdout, and ends with it. */
export async function runReaderProcess(): Promise<never> {
  const tell = (line: string): Promise<void> =>
    new Promise((resolve) => {
      process.stdout.write(`${line}\n`, () => resolve());
    });
  const ends = { heard: Bun.stdin.stream(), tell };
  await serveReader(ends, { clock: systemClock, random: systemRandom });
  process.exit(0);
}
