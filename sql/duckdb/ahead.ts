/** An instance of DuckDB that is opened before all is known of what it is for. */

import { createInstance, type DuckDBOptions, type FreshInstance } from "./duckdb.ts";

let ahead: Promise<FreshInstance> | null = null;

/** Starts to open one, with what is likely; what fails is thrown by `takeAhead`. */
export function openAhead(likely: Partial<DuckDBOptions>): void {
  ahead ??= createInstance(likely);
  ahead.catch(() => {});
}

/** The instance, once; null when none was opened ahead. Throws LakeError `io` when the library cannot be loaded. */
export async function takeAhead(): Promise<FreshInstance | null> {
  const taken = ahead;
  ahead = null;
  return taken;
}
