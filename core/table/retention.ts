/** Which snapshots a table keeps as it grows: all of them while they are few, ever coarser ones as they age. */

import { SNAPSHOTS_IN_FILE_MAX } from "../limits.ts";

export interface RetentionRules {
  /** Snapshots listed in one metadata file, protected ones aside. */
  readonly snapshotsMax: number;
  /** Older ones leave (`keep: { snapshots: 14d }`); null keeps them thinned. */
  readonly ageMaxMs: number | null;
}

export const DEFAULT_RETENTION: RetentionRules = {
  snapshotsMax: SNAPSHOTS_IN_FILE_MAX,
  ageMaxMs: null,
};

/** A snapshot as retention sees it. */
export interface Aged {
  readonly snapshotId: bigint;
  readonly timestampMs: number;
  readonly sequenceNumber: bigint;
}

export interface RetentionInput {
  /** In any order. */
  readonly snapshots: readonly Aged[];
  /** Never dropped: the current one, what refs name, what someone reads or stands on. */
  readonly protectedIds: ReadonlySet<bigint>;
  /** Sequence number of the oldest model cursor: it and all later ones are kept. Null: no cursor. */
  readonly oldestCursor: bigint | null;
  readonly nowMs: number;
  readonly rules: RetentionRules;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The ladder: as many places a rung as the limit divides into; the newest places keep every snapshot. */
const RUNGS_MS = [SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS] as const;
/** A snapshot takes about this many bytes of metadata JSON. Measured on our own summaries. */
const SNAPSHOT_BYTES = 700;
/** Metadata written a second that a table's snapshots may cost: a fast table lists fewer. */
const METADATA_BYTES_PER_SECOND = 2 * 1024 * 1024;
/** A pace is measured over at least this long, so that a few commits together are not a fast table. */
const BURST_MS = 10 * SECOND_MS;
/** However fast the table, this many stay. */
const SNAPSHOTS_LEAST = 60;

/**
 * Ids to drop now, oldest first. Nothing is dropped while the count is within the limit. Above it, what
 * leaves first is what stands on no rung: the newest fifth of the limit is kept whole, then one a second, a minute, an
 * hour and a day, each for as many as another fifth; then the oldest days leave.
 */
export function snapshotsToDrop(input: RetentionInput): bigint[] {
  const oldestFirst = [...input.snapshots].sort(
    (a, b) => a.timestampMs - b.timestampMs || Number(a.sequenceNumber - b.sequenceNumber),
  );
  const free = oldestFirst.filter((snapshot) => !isProtected(snapshot, input));
  const { ageMaxMs } = input.rules;
  const expired = (snapshot: Aged): boolean =>
    ageMaxMs !== null && snapshot.timestampMs < input.nowMs - ageMaxMs;
  const drop = new Set(free.filter(expired).map((snapshot) => snapshot.snapshotId));
  const max = snapshotsMax(oldestFirst, input);
  // Protected ones do not count: a model far behind must not cost a table its history.
  const left = free.filter((snapshot) => !drop.has(snapshot.snapshotId));
  const rungs = onRungs(left, input.nowMs, Math.floor(max / (RUNGS_MS.length + 1)));
  const byValue = [
    ...left.filter((snapshot) => !rungs.has(snapshot.snapshotId)),
    ...left.filter((snapshot) => rungs.has(snapshot.snapshotId)),
  ];
  for (const snapshot of byValue.slice(0, Math.max(0, left.length - max))) {
    drop.add(snapshot.snapshotId);
  }
  return free.flatMap(({ snapshotId }) => (drop.has(snapshotId) ? [snapshotId] : []));
}

function isProtected(snapshot: Aged, input: RetentionInput): boolean {
  if (input.protectedIds.has(snapshot.snapshotId)) return true;
  return input.oldestCursor !== null && snapshot.sequenceNumber >= input.oldestCursor;
}

/** The limit for a table that commits as fast as this one did in its last minute. */
function snapshotsMax(oldestFirst: readonly Aged[], input: RetentionInput): number {
  const recent = oldestFirst.filter((one) => one.timestampMs > input.nowMs - MINUTE_MS);
  const [first, last] = [recent.at(0), recent.at(-1)];
  if (first === undefined || last === undefined) return input.rules.snapshotsMax;
  // By number, because most of a fast table's last minute is already thinned; v1 tables have no numbers.
  const commits = Math.max(recent.length, Number(last.sequenceNumber - first.sequenceNumber));
  const elapsedMs = Math.max(last.timestampMs - first.timestampMs, BURST_MS);
  const perSecond = (commits * SECOND_MS) / elapsedMs;
  const affordable = Math.floor(METADATA_BYTES_PER_SECOND / (perSecond * SNAPSHOT_BYTES));
  const { snapshotsMax: asked } = input.rules;
  return Math.min(asked, Math.max(affordable, Math.min(SNAPSHOTS_LEAST, asked)));
}

/** Those that the ladder holds: the newest ones, and the last of each second, minute, hour and day. */
function onRungs(oldestFirst: readonly Aged[], nowMs: number, places: number): ReadonlySet<bigint> {
  const kept = new Set(oldestFirst.slice(-Math.max(1, places)).map((one) => one.snapshotId));
  for (const rungMs of RUNGS_MS) {
    const lastBySlot = new Map<number, bigint>();
    for (const snapshot of oldestFirst) {
      if (rungMs < DAY_MS && snapshot.timestampMs < nowMs - places * rungMs) continue;
      lastBySlot.set(Math.floor(snapshot.timestampMs / rungMs), snapshot.snapshotId);
    }
    for (const id of lastBySlot.values()) kept.add(id);
  }
  return kept;
}
