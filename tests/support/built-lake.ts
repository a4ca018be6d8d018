/** Projects that a test builds and asks, as whole commands do. */

import { buildOf } from "../../cmd/lake/build.ts";
import { lakeRows } from "../../cmd/lake/query.ts";
import { openSession } from "../../cmd/open.ts";
import type { LakeEvent } from "../../core/lake.ts";

const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };

/** Builds everything; what failed, as text. */
export async function build(root: string): Promise<readonly string[]> {
  await using session = await openSession(
    { folder: root, args: { threads: "1" } },
    { engine: "t" },
  );
  const failures: string[] = [];
  const onEvent = (event: LakeEvent): void => {
    if (event.event === "land-failed") failures.push(event.error.message);
    if (event.event === "run" && event.outcome.kind === "failed")
      failures.push(event.outcome.reason);
  };
  await buildOf(session, EVERYTHING, { signal: new AbortController().signal, onEvent });
  return failures;
}

/** The values of an answer, row by row. */
export async function rows(root: string, sql: string): Promise<readonly unknown[]> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  return (await lakeRows(session, sql)).map((row) => Object.values(row));
}
