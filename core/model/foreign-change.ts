/** What others did to a table that a model makes. */

import type { Catalog } from "../ports.ts";
import type { CommitInfo, CommitKind } from "../table/commit.ts";
import type { TableName } from "../table/types.ts";

/**
 * The last commit of another engine or of a statement that changed rows after they were built or replayed. What a
 * person set back is without what others did, and is still not the model's where statements filled the table.
 */
export async function foreignChange(
  catalog: Pick<Catalog, "commits">,
  table: TableName,
): Promise<CommitInfo | null> {
  // Nearly always the first one tells.
  let limit = 1;
  let page = await catalog.commits({ table, limit });
  let isRestored = false;
  while (page.length > 0) {
    for (const commit of page) {
      if (REMADE.has(commit.kind)) return null;
      const operation = commit.tables.find((one) => one.name === table)?.operation ?? null;
      isRestored ||= commit.kind === "restore";
      if (operation === null || operation === "replace") continue;
      if (commit.kind === "foreign" && !isRestored) return commit;
      if (commit.kind === "write") return commit;
    }
    const last = page.at(-1)?.number ?? 0n;
    limit = Math.min(limit * 4, 256);
    page = await catalog.commits({ table, until: last - 1n, limit });
  }
  return null;
}

/** Commits after which a table holds what its model's query says. */
const REMADE: ReadonlySet<CommitKind> = new Set(["build", "replay"]);
