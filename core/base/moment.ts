/** Moments as people write them: `2026-11-20`, `2026-11-20 09:00`, with a zone, `-2h`, `yesterday`, `now`. */

import { parseDuration } from "./duration.ts";
import { LakeError } from "./errors.ts";

export interface MomentContext {
  /** IANA zone of times without one. DESIGN, Settled. */
  readonly timezone: string;
  readonly nowMs: number;
}

const ABSOLUTE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$/i;
const DAY_MS = 86_400_000;
const OFFSET_MINUTES_MAX = 18 * 60;

/** Milliseconds since 1970 UTC. Throws `usage` for what is not a moment. */
export function parseMoment(text: string, context: MomentContext): number {
  const trimmed = text.trim();
  const lower = trimmed.toLowerCase();
  if (lower === "now") return context.nowMs;
  if (lower === "today") return startOfDay(context, 0);
  if (lower === "yesterday") return startOfDay(context, -1);
  if (lower.startsWith("-")) {
    const ageMs = parseDuration(lower.slice(1));
    if (ageMs !== null) return context.nowMs - ageMs;
  }
  const match = ABSOLUTE.exec(trimmed);
  const ms = match === null ? null : absoluteMs(match, context.timezone);
  if (ms !== null && Number.isFinite(ms)) return ms;
  throw new LakeError("usage", `"${text}" is not a time`, {
    hint: "write 2026-11-20, 2026-11-20 09:00, 2026-11-20T09:00:00Z, -2h, today or yesterday",
  });
}

function absoluteMs(match: RegExpExecArray, timezone: string): number | null {
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone] = match;
  const ms = Number(fraction.slice(0, 3).padEnd(3, "0"));
  const parts = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 1, d = 1, h = 0, mi = 0, s = 0] = parts;
  const utc = Date.UTC(y, mo - 1, d, h, mi, s, ms);
  const back = new Date(utc);
  // Date.UTC rolls 31 April over to 1 May, 10:70 to 11:10 and the year 26 to 1926; those are mistyped.
  const isDate =
    back.getUTCFullYear() === y && back.getUTCMonth() === mo - 1 && back.getUTCDate() === d;
  if (!isDate || h > 23 || mi > 59 || s > 59) return null;
  if (zone === undefined) return utc - offsetMs(utc, timezone);
  const offset = fixedOffsetMs(zone);
  return offset === null ? null : utc - offset;
}

/** Null for what no zone has: more than 18 hours, as in ISO 8601 libraries, or 60 minutes. */
function fixedOffsetMs(zone: string): number | null {
  if (zone.toUpperCase() === "Z") return 0;
  const sign = zone.startsWith("-") ? -1 : 1;
  const digits = zone.slice(1).replace(":", "");
  const [hours, minutes] = [Number(digits.slice(0, 2)), Number(digits.slice(2) || "0")];
  if (minutes > 59 || hours * 60 + minutes > OFFSET_MINUTES_MAX) return null;
  return sign * (hours * 60 + minutes) * 60_000;
}

/**
 * Offset of a zone at a wall-clock time given as if it were UTC. Where a time repeats, that of the earlier instant;
 * where it is skipped, the one before the gap, so that 02:30 is as long after 01:59 as it looks.
 */
function offsetMs(wallMs: number, timezone: string): number {
  const before = zoneOffsetMs(wallMs - DAY_MS, timezone);
  const after = zoneOffsetMs(wallMs + DAY_MS, timezone);
  const fits = (offset: number): boolean => zoneOffsetMs(wallMs - offset, timezone) === offset;
  return !fits(before) && fits(after) ? after : before;
}

function zoneOffsetMs(utcMs: number, timezone: string): number {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: timezone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  const part = new Map(format.formatToParts(utcMs).map((entry) => [entry.type, entry.value]));
  const number = (name: Intl.DateTimeFormatPartTypes): number => Number(part.get(name) ?? "0");
  const wall = Date.UTC(
    number("year"),
    number("month") - 1,
    number("day"),
    number("hour"),
    number("minute"),
    number("second"),
  );
  return wall - Math.floor(utcMs / 1000) * 1000;
}

function startOfDay(context: MomentContext, days: number): number {
  const wall = context.nowMs + zoneOffsetMs(context.nowMs, context.timezone);
  const midnight = Math.floor(wall / DAY_MS) * DAY_MS + days * DAY_MS;
  return midnight - offsetMs(midnight, context.timezone);
}
