/** An instance of DuckDB that is opened before it is known what for. */

import { createInstance, type FreshInstance } from "./duckdb.ts";

let ahead: Promise<FreshInstance> | null = null;

/** Starts to open one; what fails is thrown by `takeAhead`. */
export function openAhead(): void {
  ahead ??= createInstance({});
  ahead.catch(() => {});
}

/** The instance, once; null when none was opened ahead. Throws LakeError `io` when the library cannot be loaded. */
export async function takeAhead(): Promise<FreshInstance | null> {
  const taken = ahead;
  ahead = null;
  return taken;
}
