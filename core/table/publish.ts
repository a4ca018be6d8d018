/**
 * How work is published while others publish too. A commit of appends is put on top of what came between by the
 * catalog itself; any other that was beaten is worked out again on the lake as it is then, or fails.
 */

import { LakeError } from "../base/errors.ts";
import { COMMIT_RETRIES_MAX } from "../limits.ts";
import type { Catalog, Clock, Random } from "../ports.ts";
import type { Change, CommitResult } from "./commit.ts";

export type Committed = Extract<CommitResult, { readonly kind: "committed" }>;

export interface Publishing<T> {
  /** Whose change it is: `gold.daily`, `the tables`; stands in errors. */
  readonly what: string;
  /** What a person may rely on, and does next, when others keep winning. */
  readonly hint: string;
  /** One attempt from the heads as they are now; null when another writer was first. */
  readonly attempt: () => Promise<T | null>;
}

/** Works until the work is published. Throws `conflict` when other writers keep winning. */
export async function publish<T>(work: Publishing<T>): Promise<T> {
  const made = await untilFirst(work.attempt);
  if (made !== null) return made;
  throw new LakeError("conflict", `${work.what} keeps being changed by another writer`, {
    hint: work.hint,
  });
}

/**
 * Commits once: null when another writer was first, and all that the change rests on is to be read again. Throws `io`
 * when nobody can tell whether it happened; `what` names the work.
 */
export async function commitOnce(
  catalog: Pick<Catalog, "commit">,
  change: Change,
  what: string,
): Promise<Committed | null> {
  const result = await catalog.commit(change);
  if (result.kind === "committed") return result;
  if (result.kind !== "unknown") return null;
  throw new LakeError("io", `the commit of ${what} did not answer`, {
    hint: "look at: tarn log; it is in there, or nothing was changed: then run it again",
    cause: result.cause,
    scope: "lake",
  });
}

/** First pause after a lost race; it doubles, with jitter, up to a bound. */
const PAUSE_FIRST_MS = 2;
const PAUSE_MAX_MS = 250;

/**
 * The loop of every kind of commit: `attempt` (counted from 1) until it answers; null when it never did. With `ports`
 * it pauses in between, for attempts that take no time of their own.
 */
export async function untilFirst<T>(
  attempt: (number: number) => Promise<T | null>,
  ports: { readonly clock: Clock; readonly random: Random } | null = null,
): Promise<T | null> {
  let pauseMs = PAUSE_FIRST_MS;
  for (let number = 1; number <= COMMIT_RETRIES_MAX; number++) {
    const made = await attempt(number);
    if (made !== null) return made;
    if (ports === null) continue;
    await ports.clock.sleep(Math.ceil(pauseMs * (0.5 + ports.random.fraction() / 2)));
    pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS);
  }
  return null;
}
