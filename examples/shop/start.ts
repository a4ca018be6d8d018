/** `npm start`: builds the binary if need be, then does the main job on a generated shop, command by command. */

import { copyFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BINARY, buildIfStale, REPOSITORY } from "./binary.ts";
import { dateText, dayMs, daysOfPart } from "./calendar.ts";
import { MOVING_CUSTOMER } from "./customers.ts";
import { dropPart, SHOP_SEED, SHOP_SIZE } from "./generate.ts";

const SHOP = join(REPOSITORY, "shop");

/** Printed last, and meant to be pasted from the repository's folder; a test does. */
const TO_TRY = [
  'dist/tarn -C shop sql -c "from gold.top_customers order by net desc limit 5"',
  "dist/tarn -C shop log gold.daily_revenue",
  "dist/tarn -C shop status",
] as const;

const CUSTOMER = "select customer_id, name, street, city, country";
const OF_ONE = `where customer_id = ${MOVING_CUSTOMER}`;

await main();

async function main(): Promise<void> {
  const code = await buildIfStale();
  if (code !== 0) process.exit(code);
  const isFirst = !(await exists(join(SHOP, "tarn.yaml")));
  if (isFirst) await firstRun();
  else await laterRun();
  say("Three commands to try:", "");
  for (const command of TO_TRY) console.log(`  ${command}`);
  console.log("\nRun npm start again: another day arrives, and only that lands.");
}

async function firstRun(): Promise<void> {
  say("A shop", "Four sources, models in plain SQL, no rows yet.");
  await mkdir(SHOP, { recursive: true });
  await tarn("init", ".", "--template", "shop", "--no-sample");

  say(
    "Two weeks of files arrive",
    "CSV, NDJSON, Parquet; customers as a database tells of them, some late or twice; one row in 200 is broken.",
  );
  await drop(1);
  await tarn("build");
  await tarn("sql", "-c", "from gold.daily_revenue order by day");
  await tarn("sql", "-c", "from gold.daily_active_users order by day");
  await tarn("quarantine", "list");
  await tarn("sql", "-c", `${CUSTOMER} from silver.customers ${OF_ONE}`);
  const firstBatch = new Date().toISOString();

  say(
    "The next day arrives",
    "Customers have fields that are new, and one of them has moved. Only new files are read.",
  );
  await drop(2);
  await tarn("build");

  say("Time travel", "The same question now, and as of the first batch.");
  const totals = "select count(*) as days, sum(orders) as orders, sum(net) as net";
  await tarn("sql", "-c", `${totals} from gold.daily_revenue`);
  await tarn("sql", "-c", `${totals} from gold.daily_revenue at (timestamp => '${firstBatch}')`);
  const before = `silver.customers at (timestamp => '${firstBatch}')`;
  await tarn("sql", "-c", `${CUSTOMER} from silver.customers ${OF_ONE}`);
  await tarn("sql", "-c", `${CUSTOMER} from ${before} ${OF_ONE}`);
  await tarn("sql", "-c", `from silver.customers_history ${OF_ONE} order by __START_AT`);

  say(
    "A bug",
    "Net revenue is a discount there, but the tax has to be divided out. Fix it, and replay.",
  );
  await copy("replays/orders-net-fixed.sql", "models/silver/orders.sql");
  await tarn("replay", "silver.orders+", "--dry-run");
  await tarn("replay", "silver.orders+");
  await tarn("diff", "gold.daily_revenue@-1", "gold.daily_revenue");
}

async function laterRun(): Promise<void> {
  const part = await nextPart();
  say("Another day arrives", "Everything before it has landed already.");
  await drop(part);
  await tarn("build");
  await tarn("sql", "-c", "from gold.daily_revenue order by day desc limit 3");
  await tarn("sql", "-c", "from gold.daily_active_users order by day desc limit 3");
}

/** The first part that is not there whole: its customers are written last. */
async function nextPart(): Promise<number> {
  for (let part = 1; ; part++) {
    const date = dateText(dayMs(daysOfPart(part).at(-1) ?? 0));
    if (!(await exists(join(SHOP, "drops", "customers", `${date}.ndjson`)))) return part;
  }
}

async function drop(part: number): Promise<void> {
  const startedMs = performance.now();
  const isTerminal = process.stderr.isTTY === true;
  let fileCount = 0;
  let rowCount = 0;
  await dropPart({
    project: SHOP,
    part,
    seed: SHOP_SEED,
    size: SHOP_SIZE,
    onFile: (file) => {
      fileCount += 1;
      rowCount += file.rows;
      if (isTerminal) process.stderr.write(`\r\u001b[K  ${file.path}`);
    },
  });
  if (isTerminal) process.stderr.write("\r\u001b[K");
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const rows = rowCount.toLocaleString("en");
  console.log(`${fileCount} files with ${rows} rows written into shop/drops/ in ${seconds} s\n`);
}

async function copy(from: string, to: string): Promise<void> {
  console.log(bold(`$ cp ${from} ${to}`));
  await copyFile(join(SHOP, from), join(SHOP, to));
  console.log();
}

/** Runs one command of the binary in the shop; its failure ends the run with its exit code. */
async function tarn(...args: string[]): Promise<void> {
  console.log(bold(`$ tarn ${args.map(shellWord).join(" ")}`));
  const child = Bun.spawn([BINARY, ...args], {
    cwd: SHOP,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await child.exited;
  console.log();
  if (code === 0) return;
  console.error(
    `tarn ${args[0]} ended with exit code ${code}; see above. Nothing was left half done.`,
  );
  process.exit(code);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

function say(title: string, text: string): void {
  console.log(`${bold(`── ${title} ${"─".repeat(Math.max(0, 72 - title.length))}`)}`);
  if (text !== "") console.log(text);
  console.log();
}

function bold(text: string): string {
  const isPlain = process.stdout.isTTY !== true || process.env.NO_COLOR !== undefined;
  return isPlain ? text : `\u001b[1m${text}\u001b[0m`;
}

function shellWord(word: string): string {
  return /^[\w./@+:=-]+$/.test(word) ? word : `"${word.replaceAll('"', '\\"')}"`;
}
