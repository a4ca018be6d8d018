/** Asks a worker for a sign of life, for `doctor`: started, library loaded, instance opened, a query run. */

import type { WorkerContext } from "./context.ts";

export interface Probed {
  /** DuckDB's, such as `v1.5.6`. */
  readonly version: string;
}

/** Opens a locked-down instance and asks it for its version. */
export async function probe(context: WorkerContext): Promise<Probed> {
  const database = await context.open({ allowedPaths: [], allowedFolders: [], threads: 1 });
  const [row] = await database.rows("SELECT version() AS version");
  return { version: String(row?.version) };
}
