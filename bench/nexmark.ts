/**
 * Queries of Nexmark (q0 to q5, q7, q8, q14 to q18, q20, q22) as models over generated events, landed and built batch
 * by batch: after the last one each table equals its query over all events, and what a run took beside one of all rows.
 * Usage: nexmark.ts [EVENTS [BATCH]] (100000 10000). Events are made after the public description of the benchmark: of
 * 50 events one is a person, three are auctions, the others bids, mostly for what was offered of late.
 */

import { Database } from "bun:sqlite";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benchFolder } from "./data.ts";
import { heading, table } from "./measure.ts";
import { dropText, mustRun, programPath } from "./project.ts";

const BUILD_MS_MAX = 10 * 60_000;
const [events = 100_000, batchSize = 10_000] = process.argv.slice(2).map(Number);
const EVENTS_A_SECOND = 1_000;
const BASE_MS = Date.UTC(2026, 0, 1);
const KINDS = 50;
const AUCTIONS = 3;
/** Bids go to one of so many auctions of late, and by one of so many persons of late. */
const HOT = 100;
const CHANNELS = ["Google", "Facebook", "Baidu", "Apple"];
const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];

const QUERIES = {
  q0: "select auction, bidder, price, date_time, extra from bronze.bid",
  q1: "select auction, bidder, 0.908 * price as price, date_time, extra from bronze.bid",
  q2: "select auction, price from bronze.bid where auction % 123 = 0",
  q3: `select p.name, p.city, p.state, a.id from bronze.auction as a join bronze.person as p on a.seller = p.id
where a.category = 10 and p.state in ('OR', 'ID', 'CA')`,
  q4: `select category, avg(final) as mean from (
  select max(b.price) as final, a.id, a.category from bronze.auction as a join bronze.bid as b on a.id = b.auction
  where b.date_time between a.date_time and a.expires group by a.id, a.category) as q group by category`,
  q5: `with counts as (
  select auction, window_start, window_end, count(*) as num
  from HOP(TABLE bronze.bid, DESCRIPTOR(date_time), INTERVAL '2 seconds', INTERVAL '10 seconds')
  group by auction, window_start, window_end)
select auction, window_start, window_end, num from counts
qualify rank() over (partition by window_start, window_end order by num desc) = 1`,
  q7: `select auction, bidder, price, date_time, window_start
from TUMBLE(TABLE bronze.bid, DESCRIPTOR(date_time), INTERVAL '10 seconds')
qualify rank() over (partition by window_start order by price desc) = 1`,
  q8: `select p.id, p.name, p.window_start from (
  select id, name, window_start from TUMBLE(TABLE bronze.person, DESCRIPTOR(date_time), INTERVAL '10 seconds')
  group by id, name, window_start) as p join (
  select seller, window_start from TUMBLE(TABLE bronze.auction, DESCRIPTOR(date_time), INTERVAL '10 seconds')
  group by seller, window_start) as a on p.id = a.seller and p.window_start = a.window_start`,
  q14: `select auction, bidder, 0.908 * price as price,
  case when hour(date_time) between 8 and 18 then 'day' when hour(date_time) <= 6 or hour(date_time) >= 20 then 'night'
    else 'other' end as kind, date_time, length(extra) - length(replace(extra, 'c', '')) as c_counts
from bronze.bid where 0.908 * price > 1000000 and 0.908 * price < 50000000`,
  q15: `select date_time::date as day, count(*) as bids, count(*) filter (where price < 10000) as rank1,
  count(*) filter (where price >= 10000 and price < 1000000) as rank2, count(distinct bidder) as bidders,
  count(distinct auction) as auctions from bronze.bid group by all`,
  q16: `select channel, date_time::date as day, max(date_time) as last, count(*) as bids,
  count(distinct bidder) filter (where price < 10000) as rank1_bidders, count(distinct auction) as auctions
from bronze.bid group by all`,
  q17: `select auction, date_time::date as day, count(*) as bids, min(price) as least, max(price) as most,
  avg(price) as mean, sum(price) as total from bronze.bid group by all`,
  q18: `select auction, bidder, price, channel, date_time from bronze.bid
qualify row_number() over (partition by bidder, auction order by date_time desc) = 1`,
  q20: `select b.auction, b.bidder, b.price, b.date_time, a.item, a.seller, a.category
from bronze.bid as b join bronze.auction as a on b.auction = a.id where a.category = 10`,
  q22: `select auction, bidder, price, channel, split_part(url, '/', 4) as dir1, split_part(url, '/', 5) as dir2,
  split_part(url, '/', 6) as dir3 from bronze.bid`,
} as const;
const NAMES = Object.keys(QUERIES);
/** These only make rows of new rows. */
const APPENDED: ReadonlySet<string> = new Set(["q0", "q1", "q2", "q14", "q22"]);

heading(`Nexmark, ${events.toLocaleString("en")} events in batches of ${batchSize}`);
const project = benchFolder("nexmark");
makeProject(project);
const startedUs = processorUs();
const started = performance.now();
for (let first = 0; first < events; first += batchSize) {
  drop(project, first, Math.min(events, first + batchSize));
  await mustRun([programPath(), "build"], { cwd: project, timeoutMs: BUILD_MS_MAX });
}
const seconds = (performance.now() - started) / 1000;
const coreSeconds = (processorUs() - startedUs) / 1e6;
console.log(
  `${Math.round(events / seconds)} events a second, ${Math.round(events / coreSeconds)} a core-second, ` +
    `landing and ${NAMES.length} models, a process a batch`,
);
const keyed = runsOf(project);
await mustRun([programPath(), "build", "--full", ...NAMES.map((name) => `gold.${name}`)], {
  cwd: project,
  timeoutMs: BUILD_MS_MAX,
});
const whole = runsOf(project);
const lines: string[][] = [];
for (const name of NAMES) {
  const [differ = "?"] = await rows(
    `select count(*)::varchar as n from ((from gold.${name} except all (${query(name)})) union all
      ((${query(name)}) except all from gold.${name}))`,
  );
  const [state = "?"] = await rows(`select count(*)::varchar as n from gold.${name}`);
  const last = keyed.get(name);
  const full = whole.get(name)?.ms ?? Number.NaN;
  lines.push([
    ...[name, state, last?.mode ?? "", String(Math.round(last?.ms ?? Number.NaN))],
    ...[String(Math.round(full)), (full / (last?.ms ?? Number.NaN)).toFixed(1), differ],
  ]);
}
console.log(
  table(["query", "rows", "last run", "ms", "all rows ms", "ratio", "rows that differ"], lines),
);
rmSync(project, { recursive: true, force: true });
if (lines.some((line) => line.at(-1) !== "0")) process.exit(1);

function query(name: string): string {
  return QUERIES[name as keyof typeof QUERIES]; // parse: one of its own names
}

function makeProject(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "models/gold"), { recursive: true });
  const time = "date_time: timestamp";
  const of = {
    person: `id: bigint, name: varchar, city: varchar, state: varchar, ${time}`,
    auction: `id: bigint, item: varchar, seller: bigint, category: bigint, ${time}, expires: timestamp`,
    bid: `auction: bigint, bidder: bigint, price: bigint, channel: varchar, url: varchar, ${time}, extra: varchar`,
  };
  const sources = Object.entries(of).map(([name, columns]) => {
    mkdirSync(join(folder, "drops", name), { recursive: true });
    return `  ${name}:\n    settle: 0s\n    columns: {${columns}}\n`;
  });
  writeFileSync(join(folder, "tarn.yaml"), `sources:\n${sources.join("")}`);
  for (const name of NAMES) {
    const kind = APPENDED.has(name) ? "/* tarn\nkind: append\n*/\n" : "";
    writeFileSync(join(folder, `models/gold/${name}.sql`), `${kind}${query(name)}\n`);
  }
}

/** Events from one number to before another, each in the file of its kind. */
function drop(folder: string, from: number, to: number): void {
  const texts: Record<string, string[]> = { person: [], auction: [], bid: [] };
  for (let n = from; n < to; n++) {
    const at = timeOf(n);
    const epoch = Math.floor(n / KINDS);
    const place = n % KINDS;
    if (place === 0) texts.person?.push(JSON.stringify(personOf(epoch, at)));
    else if (place <= AUCTIONS) {
      texts.auction?.push(JSON.stringify(auctionOf(epoch * AUCTIONS + place - 1, n, epoch, at)));
    } else texts.bid?.push(JSON.stringify(bidOf(n, epoch, at)));
  }
  for (const [kind, list] of Object.entries(texts)) {
    if (list.length > 0) dropText(folder, `${from}.ndjson`, `${list.join("\n")}\n`, kind);
  }
}

function personOf(id: number, date_time: string) {
  const city = `City ${random(id) % 20}`;
  return {
    id,
    name: `Person ${id}`,
    city,
    state: STATES[random(id + 7) % STATES.length],
    date_time,
  };
}

function auctionOf(id: number, n: number, epoch: number, date_time: string) {
  const seller = late(epoch, n);
  const expires = timeOf(n + 2_000 + (random(n) % 20_000));
  return { id, item: `Item ${id}`, seller, category: 10 + (random(n + 3) % 5), date_time, expires };
}

function bidOf(n: number, epoch: number, date_time: string) {
  const auction = Math.max(0, epoch * AUCTIONS - (random(n) % (HOT * AUCTIONS)));
  const channel = CHANNELS[random(n + 1) % CHANNELS.length];
  const price = Math.round(10 ** (2 + (random(n + 2) % 6000) / 1000));
  const url = `https://www.example.org/${random(n) % 10}/${random(n + 4) % 10}/item.htm?query=1`;
  const extra = "abcdefghij".slice(random(n + 5) % 10).repeat(1 + (random(n + 6) % 5));
  return { auction, bidder: late(epoch, n + 9), price, channel, url, date_time, extra };
}

/** A person of late. */
function late(epoch: number, seed: number): number {
  return Math.max(0, epoch - (random(seed) % HOT));
}

/** Each event has an instant of its own. */
function timeOf(n: number): string {
  return new Date(BASE_MS + (n * 1000) / EVENTS_A_SECOND).toISOString().slice(0, 23);
}

/** The same number for the same seed: murmur3's finalizer. */
function random(seed: number): number {
  let hash = seed + 0x9e3779b9;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

interface Run {
  readonly mode: string;
  readonly ms: number;
}

/** The last run of each model. */
function runsOf(folder: string): Map<string, Run> {
  using catalog = new Database(join(folder, "warehouse", "catalog.db"), { readonly: true });
  const sql =
    "SELECT model, record ->> 'mode' AS mode, ended_ms - started_ms AS ms FROM lake_runs ORDER BY started_ms";
  const all = catalog.query<Run & { model: string }, []>(sql).all();
  return new Map(all.map(({ model, mode, ms }) => [model.replace("gold.", ""), { mode, ms }]));
}

async function rows(sql: string): Promise<string[]> {
  const command = [programPath(), "sql", "--format", "jsonl", "-c", sql];
  const { stdout } = await mustRun(command, { cwd: project, timeoutMs: BUILD_MS_MAX });
  return stdout
    .trim()
    .split("\n")
    .map((line) => String((JSON.parse(line) as { n: string }).n)); // parse: our own statement
}

/** Microseconds of processor time of this process's ended children. */
function processorUs(): number {
  const ticks = readFileSync("/proc/self/stat", "utf8").split(" ");
  return (Number(ticks[15]) + Number(ticks[16])) * 10_000;
}
