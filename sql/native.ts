/** Finds, checks and loads DuckDB's native library: from npm in development, unpacked from the binary else. */

import type * as api from "@duckdb/node-api";

let loading: Promise<typeof api> | null = null;

/** The DuckDB API; loads the native library at the first call. Throws LakeError `io` with what to do. */
export function loadDuckDB(): Promise<typeof api> {
  loading ??= load();
  return loading;
}

async function load(): Promise<typeof api> {
  const loaded = await import("@duckdb/node-api");
  // Zoned timestamps print in UTC whatever the machine's zone is: DESIGN, decision 9.
  loaded.DuckDBTimestampTZValue.timezoneOffsetInMinutes = 0;
  return loaded;
}
