/** Times in ISO 8601 as Debezium writes them: years of any length, and a zone behind days and clocks. */

import {
  DAY_MICROS,
  Day,
  dayNumber,
  type Exact,
  Instant,
  Time,
  timeMicros,
} from "../lossless/exact-value.ts";
import { EnvelopeFault } from "./change.ts";

/** Of `2024-02-29T18:59:59.999999Z`. A text that is another is what it is. Throws EnvelopeFault for the infinities. */
export function zonedInstant(text: string, column: string): Exact {
  if (text === "infinity" || text === "-infinity") {
    throw new EnvelopeFault(`${column} is ${text} in the source, which no instant is`, column);
  }
  // What readers of texts know is left to them.
  return /^\d/.test(text) ? text : (instantOf(text, true) ?? text);
}

/** Of `2024-02-29Z`. Throws EnvelopeFault for what stands for an infinity. */
export function isoDay(text: string, column: string): Exact {
  const days = daysOf(text);
  if (days === null || !/^(Z|[+-]\d\d:\d\d)?$/.test(text.slice(DATE.exec(text)?.[0].length)))
    return text;
  if (days < INFINITE_DAYS_MAX) throw infinite(column);
  return new Day(days);
}

/** Of `23:59:59.999999Z`. */
export function isoTime(text: string): Exact {
  const clock = CLOCK.exec(text)?.[1];
  return clock === undefined ? text : new Time(timeMicros(clock));
}

/** Of `2024-02-29T23:59:59.999999Z`, by the clock on the wall. Throws EnvelopeFault for an infinity. */
export function isoTimestamp(text: string, column: string): Exact {
  const instant = instantOf(text, false);
  if (instant === null) return text;
  if (INFINITE_MICROS.has(instant.micros)) throw infinite(column);
  return instant;
}

/** What the driver of PostgreSQL makes of the infinities, as days and microseconds. */
export const INFINITE_DAYS_MAX = -100_000_000;
export const INFINITE_MICROS: ReadonlySet<bigint> = new Set([
  9_223_372_036_825_200_000n,
  -9_223_372_036_832_400_000n,
]);

export function infinite(column: string): EnvelopeFault {
  return new EnvelopeFault(
    `${column} is infinite in the source: the event only says a number`,
    column,
  );
}

const DATE = /^([+-]?\d{4,9})-(\d\d)-(\d\d)/;
const CLOCK = /^(\d\d:\d\d:\d\d(?:\.\d{1,6})?)Z?$/;

function daysOf(text: string): number | null {
  const [, year, month, day] = DATE.exec(text) ?? [];
  return year === undefined ? null : dayNumber(Number(year), Number(month), Number(day));
}

/** Null for a text of another form, with another zone than UTC, or finer than microseconds. */
function instantOf(text: string, zoned: boolean): Instant | null {
  const days = daysOf(text);
  const [date = "", ...rest] = text.split("T");
  const clock = CLOCK.exec(rest.join("T"))?.[1];
  if (days === null || clock === undefined || DATE.exec(date)?.[0] !== date) return null;
  return new Instant(BigInt(days) * DAY_MICROS + timeMicros(clock), 0, zoned);
}
