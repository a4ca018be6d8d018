/** When a lookup asks: keys that are new, answers that ran out, keys that are left; and in which rows it looks. */

import type { TableName } from "../table/types.ts";
import type { Cursor } from "./cursor.ts";
import type { RowsFrom, RunPlan } from "./run-plan.ts";

export interface AskFacts {
  readonly cursor: Cursor | null;
  readonly hash: string;
  readonly hasTable: boolean;
  /** Inputs that changed. */
  readonly changed: readonly TableName[];
  /** New rows of an input, where they are all that can have new keys; or why they are not. */
  readonly rows: () => Promise<RunPlan | string>;
  /** A person asked for all keys. */
  readonly full: boolean;
  /** Answers of before then are none, where all keys are asked for. */
  readonly sinceMs: number;
  readonly nowMs: number;
}

/** Decides a lookup. Its old answers stay, whatever is asked. */
export async function askPlan(facts: AskFacts): Promise<RunPlan> {
  const { cursor, hash, changed, nowMs } = facts;
  const ask = (
    reason: string,
    from: Partial<{ delta: RowsFrom; sinceMs: number }> = {},
  ): RunPlan => ({
    kind: "incremental",
    reason,
    driver: null,
    from: { kind: "answers", delta: from.delta ?? null, sinceMs: from.sinceMs ?? null },
  });
  if (facts.full) return ask("asked for", { sinceMs: facts.sinceMs });
  if (!facts.hasTable) return ask("first run");
  if (cursor === null) return ask("its table has no place in its inputs");
  if (cursor.hash !== hash) return ask("the model changed");
  const what = changed.join(", ");
  if (cursor.restored !== null) {
    if (changed.length > 0) return ask(`${what} changed since it was restored`);
    return {
      kind: "skip",
      reason: `restored to @${cursor.restored}, held until its inputs change`,
    };
  }
  const dueMs = cursor.asked?.dueMs ?? null;
  if (dueMs !== null && dueMs <= nowMs) {
    return ask(dueMs === 0 ? "keys are left to be asked" : "answers ran out");
  }
  if (changed.length === 0) return { kind: "skip", reason: "nothing new" };
  const rows = await facts.rows();
  const from = typeof rows !== "string" && rows.kind === "incremental" ? rows.from : null;
  if (typeof rows !== "string" && from?.kind === "rows") return ask(rows.reason, { delta: from });
  return ask(`${what} changed`);
}
