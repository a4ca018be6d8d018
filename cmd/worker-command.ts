/** How this program starts itself as a worker: from the binary, or from the sources in development. */

import { join } from "node:path";
import { NATIVE_FILES } from "../sql/duckdb/native-files.ts";
import { BUILD } from "./version.ts";

/**
 * The program and its arguments; the build goes along, so that a binary that was replaced under a running engine
 * is noticed. Only the binary has native files inside.
 */
export function workerCommand(): string[] {
  return [...selfCommand(), "__worker", BUILD];
}

/** What starts this program again. */
export function selfCommand(): string[] {
  const program = NATIVE_FILES === null ? [join(import.meta.dir, "main.ts")] : [];
  return [process.execPath, ...program];
}
