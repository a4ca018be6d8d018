/** Which failed run makes a table older than its inputs say it should be. */

import type { TableName } from "../table/types.ts";
import type { RunRecord } from "./run-store.ts";

/**
 * The nearest table, from `name` itself on through what its last run read, whose last run failed; null when there is
 * none. `counts` says which failures are over.
 */
export function failedBehind(
  name: TableName,
  latest: ReadonlyMap<TableName, RunRecord>,
  counts: (run: RunRecord) => boolean,
): TableName | null {
  const seen = new Set([name]);
  // Names are added while the set is walked: nearest first.
  for (const table of seen) {
    const run = latest.get(table);
    if (run?.status === "failed" && counts(run)) return table;
    for (const input of run?.inputs ?? []) seen.add(input.table);
  }
  return null;
}
