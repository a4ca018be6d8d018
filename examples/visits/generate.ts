/** Events of visits as NDJSON, a file a day: some come days late, some are sent twice, some are of bots. */

import { join } from "node:path";
import { DAY_MS, dateText, timeText } from "../shop/calendar.ts";
import { streamOf } from "../shop/random.ts";
import { writeLines } from "../shop/write.ts";

const FIRST_DAY_MS = Date.UTC(2026, 7, 10);
/** Days of the first delivery. */
export const FIRST_DAYS = 100;
/** From this day on events say which version of the app sent them. */
export const VERSION_DAY = FIRST_DAYS + 1;
const USERS = 400;
const EVENTS_A_DAY = 300;
const LATE_DAYS_MAX = 4;

export interface Visit {
  readonly event_id: string;
  readonly user_id: number | null;
  readonly agent: string;
  readonly channel: string;
  readonly device: string;
  readonly event: string;
  readonly amount: number | null;
  readonly happened_at: string;
  readonly received_at: string;
  readonly app_version?: string;
}

/** What arrives on a day, counted from 0: most of that day's events, and what is late of those before. */
export function visitsOn(seed: number, day: number): Visit[] {
  const visits: Visit[] = [];
  for (let back = Math.min(LATE_DAYS_MAX, day); back >= 0; back -= 1) {
    for (const { visit, lateDays } of madeOn(seed, day - back)) {
      if (lateDays !== back) continue;
      const received = FIRST_DAY_MS + (day + 1) * DAY_MS - 1;
      const whole = { ...visit, received_at: timeText(received) };
      visits.push(day - back >= VERSION_DAY ? { ...whole, app_version: "7.1" } : whole);
    }
  }
  // Senders that are not sure whether they were heard send again.
  const random = streamOf(seed, "again", day);
  return visits.flatMap((visit) => (random.chance(0.02) ? [visit, visit] : [visit]));
}

/** Writes the files of some days into `drops/visits` of a project. */
export async function dropVisits(project: string, seed: number, days: readonly number[]) {
  for (const day of days) {
    const name = `${dateText(FIRST_DAY_MS + day * DAY_MS)}.ndjson`;
    const lines = visitsOn(seed, day).map((visit) => JSON.stringify(visit));
    await writeLines(join(project, "drops", "visits", name), lines);
  }
}

function madeOn(seed: number, day: number) {
  const random = streamOf(seed, "visits", day);
  return Array.from({ length: EVENTS_A_DAY }, (_, index) => {
    const user = 1 + Math.floor(USERS * random.fraction() ** 2);
    const event = random.pick(["view", "view", "view", "search", "purchase"] as const);
    const visit = {
      event_id: `v${day}-${index}`,
      user_id: random.chance(0.002) ? null : user,
      agent: random.chance(0.08) ? "friendlybot/2" : "browser",
      channel: random.pick(["web", "web", "app", "partner"] as const),
      device: random.pick(["phone", "phone", "desktop", "tablet"] as const),
      event,
      amount: event === "purchase" ? (1 + random.below(20_000)) / 100 : null,
      happened_at: timeText(FIRST_DAY_MS + day * DAY_MS + random.below(DAY_MS)),
    };
    return { visit, lateDays: random.chance(0.03) ? 1 + random.below(LATE_DAYS_MAX) : 0 };
  });
}
