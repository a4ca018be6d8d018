/** Lakes to be read by others: one with every type and kind of commit, one of changes, and the example shop. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { dropPart, SHOP_SEED, SHOP_SIZE } from "../../examples/shop/generate.ts";
import { quoteTargetPath } from "../../sql/syntax/quote.ts";
import { mustRun, programPath, REPOSITORY } from "../crash/program.ts";
import { envNumber } from "../crash/seeded.ts";

const DROPS = 3;
const ROWS_PER_DROP = 200;
const BUILD_MS_MAX = 240_000;

const CONFIG = `project: peers
sources:
  everything:
    columns:
      id: bigint not null
      flag: boolean
      small: int
      real4: float
      real8: double
      price: decimal(12,2)
      wide: decimal(38,9)
      name: varchar
      day: date
      local_at: timestamp
      moment: timestamptz
      tags: varchar[]
      place: "struct(city varchar, spot struct(x double, y double))"
      counts: map(varchar, bigint)
      lines: "struct(sku varchar, qty int)[]"
  people: {}
  taken: {}
`;

/** Flat columns of every kind, whose pages stand in data files as they were dropped. */
const TAKEN = `select i::bigint as id, case when i % 5 > 0 then i % 2 = 0 end as flag,
  (i % 100)::integer as small, (i / 8)::float as real4, i / 16 as real8,
  nullif(i, 7)::decimal(12,2) as price, i::decimal(30,5) as wide, 'n' || (i % 50) as name,
  date '1969-06-01' + (i % 1000)::integer as day,
  timestamp '1969-12-31 23:00:00.000001' + to_seconds(i) as local_at,
  timestamptz '2024-01-01 00:00:00+00' + to_seconds(i) as moment, encode('b' || i) as bytes
from range(12000) t(i)`;
const TAKEN_CODECS = ["snappy", "gzip", "zstd"] as const;

const SILVER = `/* tarn
   kind: merge
   key: id
   latest_by: moment
*/
select id, flag, price, name, day, moment, tags, place, counts from bronze.everything
`;
const GOLD = `/* tarn
   kind: full
*/
select day, count(*) as n, sum(price) as price, avg(real8) as mean
from bronze.everything group by day
`;

/** Every type, three batches, a schema that grows, a model by key and a full one. */
export async function makeTypesLake(project: string): Promise<string> {
  const folders = ["everything", "people", "taken"].map((name) => `drops/${name}`);
  for (const name of [...folders, "models/silver", "models/gold"]) {
    mkdirSync(join(project, name), { recursive: true });
  }
  writeFileSync(join(project, "tarn.yaml"), CONFIG);
  writeFileSync(join(project, "models/silver/everything.sql"), SILVER);
  writeFileSync(join(project, "models/gold/by_day.sql"), GOLD);
  for (let drop = 0; drop < DROPS; drop += 1) {
    const file = join(project, "drops/everything", `${drop}.jsonl`);
    writeFileSync(file, everything(drop * ROWS_PER_DROP));
    writeFileSync(join(project, "drops/people", `${drop}.csv`), people(drop));
    const codec = TAKEN_CODECS[drop % TAKEN_CODECS.length] ?? "zstd";
    await dropParquet(join(project, "drops/taken", `${drop}.parquet`), codec);
    await mustRun([programPath(), "build"], { cwd: project });
  }
  return join(project, "warehouse");
}

async function dropParquet(path: string, codec: (typeof TAKEN_CODECS)[number]): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const options = `format parquet, compression ${codec}, row_group_size 10240`;
  await connection.run(`copy (${TAKEN}) to ${quoteTargetPath(path)} (${options})`);
  connection.closeSync();
  instance.closeSync();
}

/** One part in so many of the example's rows: 1 is the whole example. */
const SHOP_SHARE = envNumber("TARN_CONFORMANCE_SHARE", 1);
const SIZE: typeof SHOP_SIZE = {
  ordersPerDay: Math.ceil(SHOP_SIZE.ordersPerDay / SHOP_SHARE),
  customers: Math.ceil(SHOP_SIZE.customers / SHOP_SHARE),
  clicksPerDay: Math.ceil(SHOP_SIZE.clicksPerDay / SHOP_SHARE),
};

/** The example that `npm start` shows: its first part of about a million rows, then the day after. */
export async function makeShopLake(project: string): Promise<string> {
  const init = [programPath(), "init", project, "--template", "shop", "--no-sample"];
  await mustRun(init, { cwd: REPOSITORY });
  for (const part of [1, 2]) {
    await dropPart({ project, part, seed: SHOP_SEED, size: SIZE });
    await mustRun([programPath(), "build"], { cwd: project, timeoutMs: BUILD_MS_MAX });
  }
  return join(project, "warehouse");
}

const METERS = 220_000;
/** Of few rows each, so that they are marked; more than there may be delete files before they are one. */
const CHANGES = 18;
const CHANGED_ROWS = 300;
const CHANGES_BEFORE = 4;
const FEED = `keys: meter
   sequence_by: seq
   apply_as_delete: op = 'd'
   except: [op, seq]`;
const FEED_MODELS: Readonly<Record<string, string>> = {
  meters: `kind: cdc\n   ${FEED}`,
  versions: `kind: cdc\n   ${FEED}\n   scd: 2`,
  // Delete files of several partitions.
  latest: "kind: merge\n   key: meter\n   latest_by: seq\n   partition: bucket(2, meter)",
};

/** Every type in files that were made one, and a feed whose marks were folded and that went on. */
export async function makeMaintainedLake(project: string): Promise<string> {
  const warehouse = await makeTypesLake(project);
  await maintain(project);
  await makeFeed(project, CHANGES_BEFORE, [CHANGES_BEFORE / 2, CHANGES_BEFORE]);
  await maintain(project);
  return warehouse;
}

/** As the binary does it by hand: compacts, and rewrites manifests. */
async function maintain(project: string): Promise<void> {
  for (const word of ["compact", "manifests"]) {
    await mustRun([programPath(), "maintain", word], { cwd: project, timeoutMs: BUILD_MS_MAX });
  }
}

/** Changes of a large table, marked in delete files that are made one again and again. */
export async function makeFeedLake(project: string): Promise<string> {
  await makeFeed(project, CHANGES, []);
  return join(project, "warehouse");
}

/** `maintained` says after which changes files are made one. */
async function makeFeed(
  project: string,
  changes: number,
  maintained: readonly number[],
): Promise<void> {
  for (const name of ["drops/meters", "models/silver"]) {
    mkdirSync(join(project, name), { recursive: true });
  }
  const config = join(project, "tarn.yaml");
  if (!existsSync(config)) writeFileSync(config, "project: peers\n");
  for (const [name, front] of Object.entries(FEED_MODELS)) {
    const sql = "select op, meter, seq, reading from bronze.meters";
    writeFileSync(join(project, `models/silver/${name}.sql`), `/* tarn\n   ${front}\n*/\n${sql}\n`);
  }
  for (let change = 0; change <= changes; change += 1) {
    const lines = change === 0 ? metersAt(0, METERS, 1) : metersAt(change, CHANGED_ROWS, 733);
    const text = ["op,meter,seq,reading", ...lines].join("\n");
    writeFileSync(join(project, "drops/meters", `${change}.csv`), `${text}\n`);
    await mustRun([programPath(), "build"], { cwd: project, timeoutMs: BUILD_MS_MAX });
    if (maintained.includes(change)) await maintain(project);
  }
}

/** Some of what one change deletes comes back by a later one. */
function metersAt(change: number, count: number, step: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const meter = (change * 41 + index * step) % METERS;
    const op = change > 0 && index % 50 === change % 50 ? "d" : "u";
    return `${op},${meter},${change * METERS + index},${(meter + change) % 1_000}`;
  });
}

function everything(from: number): string {
  const lines: string[] = [];
  for (let id = from; id < from + ROWS_PER_DROP; id += 1) lines.push(everythingLine(id));
  return withEnd(lines);
}

/** Numbers with many digits are written as text by hand: JSON.stringify would round them. */
function everythingLine(id: number): string {
  const unless = (every: number, text: string) => (id % every === 0 ? "null" : text);
  const twoDigits = (value: number) => String(value).padStart(2, "0");
  const day = `${1900 + (id % 150)}-${twoDigits(1 + (id % 12))}-${twoDigits(1 + (id % 28))}`;
  const micros = String(id % 1_000_000).padStart(6, "0");
  const clock = `${twoDigits(id % 24)}:${twoDigits(id % 60)}:07.${micros}`;
  const city = JSON.stringify(["Oslo", "Malmö", "東京", 'a"b\\c', "line\nend", ""][id % 6]);
  const fields = {
    id: String(9_007_199_254_740_000n + BigInt(id)),
    flag: unless(3, String(id % 2 === 0)),
    small: unless(5, String(id - 2_147_483_648)),
    real4: unless(7, `${id}.5`),
    real8: unless(11, `${id / 7}`),
    price: unless(13, `-${id}.${twoDigits(id % 100)}`),
    wide: unless(4, `12345678901234567890123456789.${String(id).padStart(9, "0")}`),
    name: unless(9, city),
    day: unless(8, `"${day}"`),
    local_at: unless(6, `"${day}T${clock}"`),
    moment: `"${day}T${clock}Z"`,
    tags: unless(10, id % 4 === 0 ? "[]" : `["t${id % 3}", null, ${city}]`),
    place: unless(12, `{"city": ${city}, "spot": ${unless(5, `{"x": ${id}.25, "y": null}`)}}`),
    counts: unless(14, `{"a": ${id}, "b": null}`),
    lines: unless(15, `[{"sku": "s${id}", "qty": ${id}}, {"sku": null, "qty": 1}]`),
  };
  const parts = Object.entries(fields).map(([name, text]) => `"${name}": ${text}`);
  return `{${parts.join(", ")}}`;
}

/** Day 2 brings a column, day 3 a type that the first day did not need. */
function people(drop: number): string {
  const header = drop === 0 ? "id,age" : "id,age,city";
  const lines = [header];
  for (let id = 0; id < 50; id += 1) {
    const age = drop === 2 ? `${id}.5` : String(id);
    lines.push(drop === 0 ? `${id},${age}` : `${drop * 50 + id},${age},c${id % 5}`);
  }
  return withEnd(lines);
}

function withEnd(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}
