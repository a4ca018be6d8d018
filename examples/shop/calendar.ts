/** The days of the shop: it opened on 1 November 2026, and each part of its data covers some of them. */

const FIRST_DAY_MS = Date.UTC(2026, 10, 1);
export const DAY_MS = 24 * 3_600_000;
/** Days in the first part; each later part is one day. */
export const FIRST_PART_DAYS = 14;

/** Days of a part, counted from 0: the first part is two weeks, each other one is the next day. */
export function daysOfPart(part: number): readonly number[] {
  if (part > 1) return [FIRST_PART_DAYS + part - 2];
  return Array.from({ length: FIRST_PART_DAYS }, (_, day) => day);
}

/** Midnight UTC of a day. */
export function dayMs(day: number): number {
  return FIRST_DAY_MS + day * DAY_MS;
}

/** `2026-11-01`. */
export function dateText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** `2026-11-01T08:15:00.123Z`. */
export function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
