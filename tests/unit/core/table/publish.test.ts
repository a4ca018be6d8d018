/** The loop that publishes: who tries again, how often, and what is said in the end. */

import { expect, test } from "bun:test";
import { COMMIT_RETRIES_MAX } from "../../../../core/limits.ts";
import type { CommitResult } from "../../../../core/table/commit.ts";
import { commitOnce, publish, untilFirst } from "../../../../core/table/publish.ts";
import { changeOf } from "../../../sim/lake.ts";
import { SimClock, SimRandom } from "../../../sim/world.ts";

const NAMES = { what: "gold.daily", hint: "look again" };

test("work that was beaten is done again, and its answer is the last attempt's", async () => {
  let attempts = 0;
  const attempt = async () => (++attempts < 3 ? null : `attempt ${attempts}`);
  expect(await publish({ ...NAMES, attempt })).toBe("attempt 3");
});

test("work that is always beaten ends with a conflict that says what to do", async () => {
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    return null;
  };
  await expect(publish({ ...NAMES, attempt })).rejects.toMatchObject({
    code: "conflict",
    message: "gold.daily keeps being changed by another writer",
    hint: "look again",
  });
  expect(attempts).toBe(COMMIT_RETRIES_MAX);
});

test("what an attempt throws is not tried again", async () => {
  const attempt = () => Promise.reject(new Error("broken"));
  await expect(publish({ ...NAMES, attempt })).rejects.toThrow("broken");
});

test("pauses grow to a bound", async () => {
  const clock = new SimClock();
  const startMs = clock.nowMs();
  expect(await untilFirst(async () => null, { clock, random: new SimRandom(1) })).toBeNull();
  const perAttempt = (clock.nowMs() - startMs) / COMMIT_RETRIES_MAX;
  expect(perAttempt).toBeGreaterThan(50);
  expect(perAttempt).toBeLessThanOrEqual(250);
});

test("a commit that was beaten is null, one without an answer an error, never a second try", async () => {
  const commit = (result: CommitResult) =>
    commitOnce({ commit: async () => result }, changeOf([]), NAMES.what);
  expect(await commit({ kind: "conflict", tables: [] })).toBeNull();
  expect(await commit({ kind: "stale", fact: "offset orders" })).toBeNull();
  const committed = { kind: "committed", number: 1n, timeMs: 1, snapshots: new Map() } as const;
  expect(await commit(committed)).toBe(committed);
  await expect(commit({ kind: "unknown", cause: "power" })).rejects.toMatchObject({
    code: "io",
    message: "the commit of gold.daily did not answer",
  });
});
