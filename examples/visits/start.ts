/** One stream of events, two consumers: `npm run example:visits` tells their story in a folder `visits/`. */

import { copyFile, cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { BINARY, buildIfStale, REPOSITORY } from "../shop/binary.ts";
import { dropVisits, FIRST_DAYS } from "./generate.ts";

const SEED = 2026;
const HERE = join(REPOSITORY, "examples", "visits");
const PROJECT = join(REPOSITORY, "visits");
const TOTALS = "select sum(users) as users, sum(events) as events from gold.daily_active_users";
const ONE_DAY =
  "from gold.daily_active_users where day = '2026-11-16' order by channel, device limit 4";

await main();

async function main(): Promise<void> {
  const code = await buildIfStale();
  if (code !== 0) process.exit(code);
  await rm(PROJECT, { recursive: true, force: true });
  await mkdir(PROJECT, { recursive: true });
  for (const part of ["tarn.yaml", "models", "replays", "tests"]) {
    await cp(join(HERE, part), join(PROJECT, part), { recursive: true });
  }

  say(
    "A hundred days of visits",
    "One folder of NDJSON. Some events come days late, some twice, some of nobody.",
  );
  await drop(days(0, FIRST_DAYS));
  await tarn("build");

  say(
    "Two consumers",
    "Analysts ask who was there; a model that recommends asks what each user did.",
  );
  await tarn("sql", "-c", ONE_DAY);
  await tarn("sql", "-c", "from gold.user_features order by spent_90d desc limit 3");

  say(
    "The next day arrives",
    "With what was late of the days before: they are computed again, and no other.",
  );
  await drop([FIRST_DAYS]);
  await tarn("build");
  await tarn("diff", "gold.daily_active_users@-1", "gold.daily_active_users");

  say("Events say more", "From today on the version of the app: a column that nothing breaks of.");
  await drop([FIRST_DAYS + 1]);
  await tarn("build");
  await tarn(
    "sql",
    "-c",
    "select app_version, count(*) as events from bronze.visits group by all order by all",
  );
  await tarn("test");

  say(
    "Bots are no people",
    "The rule is another one from the first day on: replay it from bronze, and compare.",
  );
  await copyFile(
    join(PROJECT, "replays/visits-without-bots.sql"),
    join(PROJECT, "models/silver/visits.sql"),
  );
  await tarn("replay", "silver.visits+", "--dry-run");
  await tarn("replay", "silver.visits+");
  await tarn("sql", "-c", TOTALS);
  await tarn("sql", "-c", TOTALS.replace("gold.daily_active_users", "gold.daily_active_users@-1"));

  say(
    "For ever",
    "Under `tarn up` the first consumer has its table at seven in Berlin, the second an hour after each event.",
  );
  await tarn("status");
  console.log("  dist/tarn -C visits up");
}

function days(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

async function drop(which: readonly number[]): Promise<void> {
  await dropVisits(PROJECT, SEED, which);
  console.log(
    `${which.length === 1 ? "a file" : `${which.length} files`} written into visits/drops/\n`,
  );
}

/** Runs one command of the binary in the project; its failure ends the story with its exit code. */
async function tarn(...args: string[]): Promise<void> {
  console.log(
    `$ tarn ${args.map((word) => (/^[\w./@+:=-]+$/.test(word) ? word : `"${word}"`)).join(" ")}`,
  );
  const child = Bun.spawn([BINARY, ...args], {
    cwd: PROJECT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await child.exited;
  console.log();
  // A difference is what `diff` was asked for.
  if (code !== 0 && args[0] !== "diff") process.exit(code);
}

function say(title: string, text: string): void {
  console.log(`── ${title} ${"─".repeat(Math.max(0, 72 - title.length))}\n${text}\n`);
}
