/** What retention keeps and what it lets go, on tables of every pace. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Aged,
  DEFAULT_RETENTION,
  type RetentionInput,
  snapshotsToDrop,
} from "../../../../core/table/retention.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Commits at a pace, with retention in every commit; the snapshots left at the end, oldest first. */
function live(paceMs: number, commits: number, rules = DEFAULT_RETENTION): Aged[] {
  let snapshots: Aged[] = [];
  for (let n = 1; n <= commits; n++) {
    const timestampMs = 1_000_000_000_000 + n * paceMs;
    const snapshotId = BigInt(n);
    snapshots.push({ snapshotId, timestampMs, sequenceNumber: snapshotId });
    const protectedIds = new Set([snapshotId]);
    const input = { snapshots, protectedIds, oldestCursor: null, nowMs: timestampMs, rules };
    const dropped = new Set(snapshotsToDrop(input));
    snapshots = snapshots.filter((snapshot) => !dropped.has(snapshot.snapshotId));
  }
  return snapshots;
}

describe("a table with a commit every ten minutes", () => {
  test("keeps every snapshot for days", () => {
    const kept = live(10 * MINUTE_MS, 2_000);
    expect(kept.length).toBe(501);
    const newest = kept.at(-1)?.timestampMs ?? 0;
    const recent = kept.filter((one) => one.timestampMs > newest - 2 * DAY_MS);
    expect(recent.length).toBe(2 * 144);
  });

  test("keeps one a day of what is older", () => {
    const kept = live(10 * MINUTE_MS, 2_000);
    const days = new Set(kept.map((one) => Math.floor(one.timestampMs / DAY_MS)));
    expect(days.size).toBe(14);
  });
});

describe("a table with 25 commits a second", () => {
  test("thins within minutes to a bound that its metadata can afford", () => {
    const kept = live(40, 6_000);
    expect(kept.length).toBeLessThanOrEqual(140);
    const newest = kept.at(-1)?.timestampMs ?? 0;
    const lastSecond = kept.filter((one) => one.timestampMs > newest - SECOND_MS);
    expect(lastSecond.length).toBeGreaterThanOrEqual(20);
    const minutes = new Set(kept.map((one) => Math.floor(one.timestampMs / MINUTE_MS)));
    expect(minutes.size).toBeGreaterThanOrEqual(4);
  });
});

test("an age limit drops all older ones but protected ones", () => {
  const rules = { ...DEFAULT_RETENTION, ageMaxMs: DAY_MS };
  expect(live(10 * MINUTE_MS, 1_000, rules).length).toBe(145);
});

const aged = fc.array(fc.integer({ min: 0, max: 400 * DAY_MS }), { maxLength: 700 }).map((ages) =>
  ages
    .sort((a, b) => b - a)
    .map((age, index): Aged => {
      const sequenceNumber = BigInt(index + 1);
      return { snapshotId: sequenceNumber, timestampMs: 2_000 * DAY_MS - age, sequenceNumber };
    }),
);

const inputs = fc
  .tuple(aged, fc.array(fc.nat(700), { maxLength: 5 }), fc.option(fc.nat(700)), fc.nat(500))
  .map(
    ([snapshots, refs, cursor, max]): RetentionInput => ({
      snapshots,
      protectedIds: new Set(refs.map(BigInt)),
      oldestCursor: cursor === null ? null : BigInt(cursor),
      nowMs: 2_000 * DAY_MS,
      rules: { snapshotsMax: Math.max(1, max), ageMaxMs: null },
    }),
  );

describe("whatever the snapshots", () => {
  test("protected ones stay, and those from the oldest cursor on", () => {
    const law = fc.property(inputs, (input) => {
      const dropped = new Set(snapshotsToDrop(input));
      for (const one of input.snapshots) {
        const cursor = input.oldestCursor !== null && one.sequenceNumber >= input.oldestCursor;
        if (cursor || input.protectedIds.has(one.snapshotId)) {
          expect(dropped.has(one.snapshotId)).toBe(false);
        }
      }
    });
    fc.assert(law, { numRuns: 200 });
  });

  test("at most the limit is left beside them, and nothing goes below it", () => {
    const law = fc.property(inputs, (input) => {
      const { oldestCursor, protectedIds, rules } = input;
      const free = input.snapshots.filter(
        (one) =>
          !protectedIds.has(one.snapshotId) &&
          !(oldestCursor !== null && one.sequenceNumber >= oldestCursor),
      );
      const dropped = snapshotsToDrop(input);
      expect(free.length - dropped.length).toBe(Math.min(free.length, rules.snapshotsMax));
      expect(new Set(dropped).size).toBe(dropped.length);
    });
    fc.assert(law, { numRuns: 200 });
  });

  test("dropping twice drops nothing more", () => {
    const law = fc.property(inputs, (input) => {
      const dropped = new Set(snapshotsToDrop(input));
      const snapshots = input.snapshots.filter((one) => !dropped.has(one.snapshotId));
      expect(snapshotsToDrop({ ...input, snapshots })).toEqual([]);
    });
    fc.assert(law, { numRuns: 200 });
  });
});
