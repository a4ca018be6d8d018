/** Moments as people write them: `2026-11-20`, `2026-11-20 09:00`, with a zone, `-2h`, `yesterday`, `now`. */

import { LakeError } from "./errors.ts";
import { parseDuration } from "./quantity.ts";

export interface MomentContext {
  /** IANA zone of times without one. DESIGN, Settled. */
  readonly timezone: string;
  readonly nowMs: number;
}

const ABSOLUTE =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?$/i;
const DAY_MS = 86_400_000;
const OFFSET_MINUTES_MAX = 18 * 60;

/** A moment as the bound of a range of rows. */
export interface Bound {
  /** Milliseconds since 1970 UTC, microseconds as their fraction; what is finer is rounded up, which cuts alike. */
  readonly ms: number;
  /** The same on the wall: as it was written when it had no zone, else as a clock of the project's zone shows it. */
  readonly wallMs: number;
}

/** Milliseconds since 1970 UTC. Throws `usage` for what is not a moment. */
export function parseMoment(text: string, context: MomentContext): number {
  const ms = momentMs(text, context);
  if (ms !== null) return ms;
  throw new LakeError("usage", `"${text}" is not a time`, { hint: MOMENT_HINT });
}

/** As `parseMoment`; null for what is not a moment. */
export function momentMs(text: string, context: MomentContext): number | null {
  const relative = relativeMs(text, context);
  if (relative !== null) return relative;
  const written = writtenMs(text);
  if (written === null) return null;
  return instantOf(written, context.timezone) + Math.floor(written.nanos / 1e6);
}

/** As `parseMoment`, for a range of rows. */
export function parseBound(text: string, context: MomentContext): Bound {
  const written = relativeMs(text, context) === null ? writtenMs(text) : null;
  if (written === null) return boundAt(parseMoment(text, context), context.timezone);
  const fraction = Math.ceil(written.nanos / 1e3) / 1e3;
  const ms = instantOf(written, context.timezone) + fraction;
  if (written.offsetMs !== null) return boundAt(ms, context.timezone);
  return { ms, wallMs: written.ms + fraction };
}

/** An instant as the bound of a range of rows. */
export function boundAt(ms: number, timezone: string): Bound {
  return { ms, wallMs: ms + zoneOffsetMs(Math.floor(ms), timezone) };
}

/** True for a spelling that names another moment whenever it is read: `now`, `today`, `yesterday`, `-2h`. */
export function isRelativeMoment(text: string): boolean {
  return relativeMs(text, { timezone: "UTC", nowMs: 0 }) !== null;
}

const MOMENT_HINT =
  "write 2026-11-20, 2026-11-20 09:00, 2026-11-20T09:00:00Z, -2h, today or yesterday";

function relativeMs(text: string, context: MomentContext): number | null {
  const lower = text.trim().toLowerCase();
  if (lower === "now") return context.nowMs;
  if (lower === "today") return startOfDay(context, 0);
  if (lower === "yesterday") return startOfDay(context, -1);
  const ageMs = lower.startsWith("-") ? parseDuration(lower.slice(1)) : null;
  return ageMs === null ? null : context.nowMs - ageMs;
}

/** A date and time as written, as if it were UTC, and the zone that stands behind it. */
interface Written {
  /** Of the whole second. */
  readonly ms: number;
  readonly nanos: number;
  /** Null when no zone was written. */
  readonly offsetMs: number | null;
}

function instantOf({ ms, offsetMs: own }: Written, timezone: string): number {
  return ms - (own ?? offsetMs(ms, timezone));
}

/** Null for what is no date with or without a time. */
function writtenMs(text: string): Written | null {
  const match = ABSOLUTE.exec(text.trim());
  if (match === null) return null;
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", zone] = match;
  const nanos = Number(fraction.padEnd(9, "0"));
  const parts = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 1, d = 1, h = 0, mi = 0, s = 0] = parts;
  const utc = Date.UTC(y, mo - 1, d, h, mi, s);
  const back = new Date(utc);
  // Date.UTC rolls 31 April over to 1 May, 10:70 to 11:10 and the year 26 to 1926; those are mistyped.
  const isDate =
    back.getUTCFullYear() === y && back.getUTCMonth() === mo - 1 && back.getUTCDate() === d;
  if (!isDate || h > 23 || mi > 59 || s > 59) return null;
  if (zone === undefined) return { ms: utc, nanos, offsetMs: null };
  const offset = fixedOffsetMs(zone);
  return offset === null ? null : { ms: utc, nanos, offsetMs: offset };
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
