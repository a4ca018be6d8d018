/** The stream of visits: its two consumers have what all its events come to, late, doubled, and by a new rule. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { copyFile, cp } from "node:fs/promises";
import { join } from "node:path";
import { buildOf, hasFailed } from "../../../cmd/lake/build.ts";
import { lakeRows } from "../../../cmd/lake/query.ts";
import { replayOf } from "../../../cmd/lake/replay.ts";
import { openSession } from "../../../cmd/open.ts";
import {
  dropVisits,
  VERSION_DAY,
  type Visit,
  visitsOn,
} from "../../../examples/visits/generate.ts";
import { tempFolder } from "../../support/temp-folder.ts";

setDefaultTimeout(180_000);

const SEED = 7;
const EXAMPLE = join(import.meta.dir, "../../../examples/visits");
const EVERYTHING = { select: [], exclude: [], full: false, models: true, sources: true };

async function build(root: string): Promise<boolean> {
  await using session = await openSession(
    { folder: root, args: { threads: "1" } },
    { engine: "t" },
  );
  const following = { signal: new AbortController().signal, onEvent: () => {} };
  return hasFailed(await buildOf(session, EVERYTHING, following));
}

async function replay(root: string): Promise<void> {
  await using session = await openSession(
    { folder: root, args: { threads: "1" } },
    { engine: "t" },
  );
  const how = {
    from: null,
    to: null,
    by: "_ingested_at",
    at: null,
    promote: false,
    code: "current",
  } as const;
  const rest = { fromOriginals: false, dryRun: false, why: null, limit: 0 };
  await replayOf(session, { select: ["silver.visits+"], ...how, ...rest }, () => {});
}

async function rows(root: string, sql: string): Promise<string[]> {
  await using session = await openSession({ folder: root, args: {} }, { engine: null });
  return (await lakeRows(session, sql)).map((row) => Object.values(row).join(" "));
}

/** People and events by day in Berlin, channel and device, out of the events alone. */
function active(days: readonly number[], counts: (visit: Visit) => boolean): string[] {
  const day = new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/Berlin" });
  const byId = new Map(
    days.flatMap((one) => visitsOn(SEED, one)).map((one) => [one.event_id, one]),
  );
  const groups = new Map<string, { users: Set<number>; events: number }>();
  for (const visit of byId.values()) {
    if (visit.user_id === null || !counts(visit)) continue;
    const key = `${day.format(new Date(visit.happened_at))} ${visit.channel} ${visit.device}`;
    const group = groups.get(key) ?? { users: new Set(), events: 0 };
    group.users.add(visit.user_id);
    group.events += 1;
    groups.set(key, group);
  }
  return [...groups].map(([key, { users, events }]) => `${key} ${users.size} ${events}`).sort();
}

const ACTIVE = "select day::varchar, channel, device, users, events from gold.daily_active_users";

test("days are what their events say, however late, and by another rule after a replay", async () => {
  await using folder = await tempFolder();
  const root = folder.path;
  await cp(EXAMPLE, root, { recursive: true });
  const days = Array.from({ length: 12 }, (_, day) => day);
  await dropVisits(root, SEED, days);
  expect(await build(root)).toBe(false);
  expect((await rows(root, ACTIVE)).sort()).toEqual(active(days, () => true));
  for (const day of [12, VERSION_DAY]) {
    days.push(day);
    await dropVisits(root, SEED, [day]);
    expect(await build(root)).toBe(false);
    expect((await rows(root, ACTIVE)).sort()).toEqual(active(days, () => true));
  }
  const byDay =
    "select mode from lake.runs where table_name = 'daily_active_users' order by ended_at";
  expect(await rows(root, byDay)).toEqual(["full", "incremental", "incremental"]);
  await copyFile(
    join(root, "replays/visits-without-bots.sql"),
    join(root, "models/silver/visits.sql"),
  );
  await replay(root);
  const people = active(days, ({ agent }) => !agent.includes("bot"));
  expect((await rows(root, ACTIVE)).sort()).toEqual(people);
  const before = ACTIVE.replace("daily_active_users", "daily_active_users@-1");
  expect((await rows(root, before)).sort()).toEqual(active(days, () => true));
  const recent = "from silver.visits where day > (select max(day) from silver.visits) - 90";
  const features = `select sum(events_90d) = (select count(*) ${recent}) from gold.user_features`;
  expect(await rows(root, features)).toEqual(["true"]);
});
