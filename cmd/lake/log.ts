/** What happened to a table, or to the whole lake. */

import type { RunRecord } from "../../core/model/run-store.ts";
import type { CommitInfo } from "../../core/table/commit.ts";
import type { TableName } from "../../core/table/types.ts";
import type { Session } from "../open.ts";

export interface LogEntry extends CommitInfo {
  /** Names that people gave to it. */
  readonly tags: readonly string[];
}

export interface Log {
  /** The full name of the one that was asked for; null is the whole lake. */
  readonly table: TableName | null;
  /** Newest first. */
  readonly entries: readonly LogEntry[];
  /** The last run of the table, or its last landing, where that failed and made no commit. */
  readonly failure: RunRecord | null;
}

/** The last commits, of one table where it is named. Throws `not-found` with the nearest right name. */
export async function logOf(
  session: Session,
  asked: { readonly table: string | null; readonly limit: number },
): Promise<Log> {
  const { limit } = asked;
  const table = asked.table === null ? null : await session.tableName(asked.table);
  // What other engines committed is entered first.
  await session.catalog.tables();
  const commits = await session.catalog.commits(table === null ? { limit } : { table, limit });
  const tags = await session.catalog.tags();
  const tagsByCommit = Map.groupBy([...tags], ([, commit]) => commit.number);
  const entries = commits.map((commit) => {
    const names = (tagsByCommit.get(commit.number) ?? []).map(([name]) => name);
    return { ...commit, tags: names };
  });
  const [last = null] =
    table === null ? [] : await session.catalog.runs.list({ model: table, limit: 1 });
  return { table, entries, failure: last?.status === "failed" ? last : null };
}
