/** How this program starts itself as a worker: from the binary, or from the sources in development. */

import { join } from "node:path";
import { NATIVE_FILES } from "../sql/native-files.ts";

/** The program and its arguments. Only the binary has native files inside. */
export function workerCommand(): string[] {
  if (NATIVE_FILES !== null) return [process.execPath, "__worker"];
  return [process.execPath, join(import.meta.dir, "main.ts"), "__worker"];
}
