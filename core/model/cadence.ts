/**
 * When a model takes what is new: at once, at times of a clock, or as late as its readers bear. Words are those of cron
 * and of Snowflake's dynamic tables (`target_lag`). semantics.md 5.9.
 */

import { formatDuration as durationText, parseDuration } from "../base/quantity.ts";
import {
  below,
  type Cursor,
  duration,
  nullable,
  oneOf,
  optional,
  report,
  text,
} from "../config/shape.ts";

export type Cadence =
  /** Five fields of cron(5), or a word such as `@daily`; a null zone is the project's. */
  | { readonly kind: "cron"; readonly expression: string; readonly timezone: string | null }
  /** Times that are whole multiples of so many milliseconds since the epoch. */
  | { readonly kind: "every"; readonly ms: number }
  /** What is new is in the table no later than so many milliseconds after it came. */
  | { readonly kind: "lag"; readonly ms: number }
  /** As fresh as whatever reads it needs. */
  | { readonly kind: "downstream" };

/** What becomes of models behind one whose run failed. */
export type OnFailure = "hold" | "fail_open" | "fail_fast";

/** A time at which a model is due, and those since the last one that nothing ran at. */
export interface Tick {
  readonly dueMs: number;
  /** The last ones, oldest first; `MISSED_MAX` at most. */
  readonly missedMs: readonly number[];
}

/** What is said of a model that may take what is new, or has to wait with it. */
export type Gate =
  | { readonly kind: "open"; readonly tick: Tick | null }
  | { readonly kind: "waits"; readonly reason: string };

/** The first time after `afterMs` that a cron expression names in a zone; null where none comes. */
export type NextTick = (expression: string, timezone: string, afterMs: number) => number | null;

const MISSED_MAX = 1_000;
const EVERY_MS_MIN = 1_000;
/** No two times of one cadence are nearer to each other: cron counts minutes. */
const PERIOD_MS_MIN = { every: EVERY_MS_MIN, cron: 60_000 } as const;
const NO_TEXT: string | null = null;

export const CADENCE_KEYS = {
  schedule: optional(
    nullable(text({})),
    NO_TEXT,
    "up: the times at which what is new is taken, as of cron: minute hour day month weekday. Without it: at once.",
  ),
  timezone: optional(
    nullable(text({})),
    NO_TEXT,
    "up: the zone of schedule. Default: the project's.",
  ),
  every: optional(
    nullable(duration()),
    null,
    "up: what is new is taken at whole multiples of this time. Without it: at once.",
  ),
  target_lag: optional(
    nullable(text({})),
    NO_TEXT,
    "up: how late what is new may be in the table, or downstream: as late as what reads it bears.",
  ),
  on_failure: optional(
    oneOf(["hold", "fail_open", "fail_fast"]),
    "hold",
    "What follows when its run fails: models that read it wait (hold), go on with its last snapshot (fail_open), or " +
      "nothing more runs in that turn (fail_fast).",
  ),
} as const;

/** Words of other tools for these settings, for hints. */
export const CADENCE_WORDS: Readonly<Record<string, string>> = {
  cron: 'did you mean "schedule"?',
  interval: 'did you mean "every"?',
  lag: 'did you mean "target_lag"?',
  schedule_interval: 'did you mean "schedule"?',
};

export interface CadenceValues {
  readonly schedule: string | null;
  readonly timezone: string | null;
  readonly every: number | null;
  readonly target_lag: string | null;
}

/** Reports settings that contradict each other. */
export function cadenceFrom(values: CadenceValues, cursor: Cursor): Cadence | null {
  const { schedule, timezone, every, target_lag: lag } = values;
  const given = (["schedule", "every", "target_lag"] as const).filter(
    (key) => values[key] !== null,
  );
  const [first, second] = given;
  if (second !== undefined) {
    const message = `${second} and ${first} say both when a model runs`;
    report(below(cursor, second), message, "keep one of them", "key");
  }
  if (timezone !== null && schedule === null) {
    report(
      below(cursor, "timezone"),
      "timezone is that of schedule, which is not there",
      null,
      "key",
    );
  }
  if (schedule !== null) return { kind: "cron", expression: schedule.trim(), timezone };
  if (every !== null) {
    if (every >= EVERY_MS_MIN) return { kind: "every", ms: every };
    report(below(cursor, "every"), "a model runs once a second at most", "write 1s or more");
    return null;
  }
  if (lag === null) return null;
  if (lag.trim().toLowerCase() === "downstream") return { kind: "downstream" };
  const ms = parseDuration(lag);
  if (ms !== null) return { kind: "lag", ms };
  const message = `"${lag}" is no time that a table may be late by`;
  report(below(cursor, "target_lag"), message, "write 10m, 2h, or downstream");
  return null;
}

/** The last time at or before now that a model was due at, after `sinceMs`; null where none came. */
export function tickOf(
  cadence: Cadence & { readonly kind: "cron" | "every" },
  zone: string,
  next: NextTick,
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): Tick | null {
  // Times of long ago are of no interest, and may be a great many: the last ones are looked for.
  for (let spanMs = MISSED_MAX * PERIOD_MS_MIN[cadence.kind]; ; spanMs *= 2) {
    const fromMs = Math.max(sinceMs, nowMs - spanMs);
    const all: number[] = [];
    for (let atMs = fromMs; ; ) {
      const following = nextMs(cadence, zone, next, atMs);
      if (following === null || following > nowMs) break;
      atMs = following;
      all.push(following);
    }
    if (fromMs > sinceMs && all.length <= MISSED_MAX) continue;
    const dueMs = all.pop();
    return dueMs === undefined ? null : { dueMs, missedMs: all.slice(-MISSED_MAX) };
  }
}

/** The first time after `afterMs` that a model is due at; null where none comes. */
export function nextMs(
  cadence: Cadence & { readonly kind: "cron" | "every" },
  zone: string,
  next: NextTick,
  afterMs: number,
): number | null {
  if (cadence.kind === "every") return (Math.floor(afterMs / cadence.ms) + 1) * cadence.ms;
  return next(cadence.expression, cadence.timezone ?? zone, afterMs);
}

/** A cadence in words: `at 0 7 * * *`. */
export function cadenceText(cadence: Cadence): string {
  switch (cadence.kind) {
    case "cron":
      return `at ${cadence.expression}${cadence.timezone === null ? "" : ` ${cadence.timezone}`}`;
    case "every":
      return `every ${durationText(cadence.ms)}`;
    case "lag":
      return `${durationText(cadence.ms)} late at most`;
    case "downstream":
      return "as fresh as what reads it";
  }
}

/** True where the clock alone says when a model is due. */
export function isByClock(
  cadence: Cadence,
): cadence is Cadence & { readonly kind: "cron" | "every" } {
  return cadence.kind === "cron" || cadence.kind === "every";
}
