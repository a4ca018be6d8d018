/** Page events as NDJSON: many, out of order, some late by a day, half a percent of them broken. */

import { DAY_MS, dayMs, timeText } from "./calendar.ts";
import { type Stream, streamOf } from "./random.ts";

const PAGES = [
  "/",
  "/search",
  "/cart",
  "/checkout",
  "/books",
  "/music",
  "/garden",
  "/help",
] as const;
const TYPES = ["view", "view", "view", "view", "add_to_cart", "search", "checkout"] as const;
const SYSTEMS = ["ios", "android", "windows", "macos", "linux"] as const;
const BAD_SHARE = 0.005;
/** Events are written as they arrive, minutes after they happened. */
const DELAY_MS = 5 * 60_000;

/** Lines of one file: `count` events of one day. */
export function* clickLines(options: {
  readonly seed: number;
  readonly day: number;
  readonly count: number;
  readonly users: number;
}): Generator<string> {
  const { seed, day, count, users } = options;
  const random = streamOf(seed, "clicks", day);
  const step = DAY_MS / count;
  for (let index = 0; index < count; index++) {
    const lateMs = random.chance(0.001) ? random.below(DAY_MS) : random.below(DELAY_MS);
    const timeMs = Math.floor(dayMs(day) + index * step - lateMs);
    const user = 1 + Math.floor(users * random.fraction() ** 2);
    const line = eventLine({ id: `e${day}-${index}`, user, timeMs, random });
    yield random.chance(BAD_SHARE) ? broken(line, random) : line;
  }
}

interface Event {
  readonly id: string;
  readonly user: number;
  readonly timeMs: number;
  readonly random: Stream;
}

/** Written by hand: a million calls of JSON.stringify are most of the time. Nothing here needs escaping. */
function eventLine({ id, user, timeMs, random }: Event): string {
  const session = `s${user.toString(36)}-${Math.floor(timeMs / 1_800_000).toString(36)}`;
  const device = `{"os":"${random.pick(SYSTEMS)}","app":${random.chance(0.4)}}`;
  return (
    `{"event_id":"${id}","user_id":${user},"session_id":"${session}",` +
    `"type":"${random.pick(TYPES)}","page":"${random.pick(PAGES)}","device":${device},` +
    `"duration_ms":${random.below(90_000)},"ts":"${timeText(timeMs)}"}`
  );
}

function broken(line: string, random: Stream): string {
  const ways: readonly [() => string, ...(() => string)[]] = [
    () => line.slice(0, 30 + random.below(60)),
    () => line.replace(/"user_id":\d+/, '"user_id":null'),
    () => line.replace(/"duration_ms":(\d+)/, '"duration_ms":-$1'),
    () => line.replace(/"ts":"[^"]*"/, '"ts":null'),
  ];
  return random.pick(ways)();
}
