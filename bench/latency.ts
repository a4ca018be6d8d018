/**
 * How long a committed transaction of a PostgreSQL takes to be seen in bronze, and in a `kind: cdc` model behind it,
 * under a running `up` and a steady writer. With an older binary both builds take turns; `--steps` says where the time
 * goes. Usage: latency.ts [--steps] [OLDER_BINARY]. TARN_BENCH_ROUNDS (2), TARN_BENCH_SECONDS (15), TARN_BENCH_KEYS
 * (20000), TARN_BENCH_SHAPE (1 to 3: that one alone).
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type pg from "pg";
import { envNumber } from "../tests/crash/seeded.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { CommitLog } from "./commit-log.ts";
import { benchFolder } from "./data.ts";
import { STEPS } from "./landing-steps.ts";
import { heading, percentile, progress, table } from "./measure.ts";
import { askSql, programPath } from "./project.ts";
import { RunningUp, waitUntil } from "./up.ts";

interface Shape {
  readonly name: string;
  readonly rowsEach: number;
  readonly commitsPerSecond: number;
  readonly hasModel: boolean;
}

/** What one round showed. Milliseconds by transaction, in the order of their commits. */
interface Samples {
  readonly bronzeMs: readonly number[];
  readonly silverMs: readonly number[];
  readonly landingsPerSecond: number;
  readonly runsPerSecond: number;
  /** Of the process that owns the catalog, and of all; shares of one processor. */
  readonly ownerShare: number;
  readonly allShare: number;
  readonly rowsPerSecond: number;
  /** Milliseconds since each transaction was sent, by step of its landing. */
  readonly stepMs: readonly (readonly number[])[];
}

const rounds = envNumber("TARN_BENCH_ROUNDS", 2);
const seconds = envNumber("TARN_BENCH_SECONDS", 15);
const keys = envNumber("TARN_BENCH_KEYS", 20_000);
const SHAPES: readonly Shape[] = [
  { name: "100 rows, 50 a second", rowsEach: 100, commitsPerSecond: 50, hasModel: false },
  { name: "1 row, 200 a second", rowsEach: 1, commitsPerSecond: 200, hasModel: false },
  { name: "100 rows, 50 a second, scd 1", rowsEach: 100, commitsPerSecond: 50, hasModel: true },
];
const TABLE =
  "id bigint primary key, tx int, a int, c text, d text, e numeric(12,2), f timestamptz, g boolean";
const MODEL = `/* tarn
   kind: cdc
   keys: id
   sequence_by: _position
   apply_as_delete: _op = 'd'
   apply_as_truncate: _op = 't'
*/
select * from bronze.shop_events
`;
const SETTLE_MS_MAX = 300_000;
/** The first of them meet a table that was just made. */
const WARM_UP_SECONDS = 3;
/** Prime, so that keys of a transaction are spread and none comes twice. */
const STEP = 7_919;

const args = process.argv.slice(2);
const hasSteps = args.includes("--steps");
const older = args.find((arg) => !arg.startsWith("--"));
const shape = envNumber("TARN_BENCH_SHAPE", 0);
const shapes = shape === 0 ? SHAPES : SHAPES.slice(shape - 1, shape);
const builds = [
  ...(older === undefined ? [] : [["older", resolve(older)] as const]),
  ["this", programPath()] as const,
];
await using server = await startPostgres(18);
heading(`Commit to seen, ${keys.toLocaleString("en")} keys`);
const lines: string[][] = [];
const stepLines: string[][] = [];
for (const shape of shapes) {
  const samples = new Map<string, Samples[]>(builds.map(([label]) => [label, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [label, program] of round % 2 === 0 ? builds : builds.toReversed()) {
      const sample = await measure(shape, program);
      samples.get(label)?.push(sample);
      progress(described(shape, label, [sample]).join(" · "));
    }
  }
  for (const [label, found] of samples) {
    lines.push(described(shape, label, found));
    const steps = STEPS.map((_, index) => medianOf(found, ({ stepMs }) => stepMs[index] ?? []));
    stepLines.push([shape.name, label, ...steps, medianOf(found, ({ bronzeMs }) => bronzeMs)]);
  }
}
const COLUMNS = [
  ...["commits", "build", "rows/s", "bronze p50 ms", "p99", "silver p50 ms", "p99"],
  ...["landings/s", "runs/s", "owner CPU %", "CPU of all %"],
];
console.log(table(COLUMNS, lines));
if (hasSteps) {
  const words = [
    "segment sealed",
    "decoded",
    "adopted",
    "original kept",
    "metadata written",
    "synced",
  ];
  console.log("\nMilliseconds since the transaction was sent, p50\n");
  console.log(table(["commits", "build", ...words, "seen"], stepLines));
}
rmSync(benchFolder("latency"), { recursive: true, force: true });

async function measure(shape: Shape, program: string): Promise<Samples> {
  const project = join(benchFolder("latency"), "project");
  await makeSource();
  makeLake(project, shape);
  const up = await RunningUp.start(project, program);
  const db = await server.client("bench");
  try {
    using log = new CommitLog(project);
    const settled = (rows: number) =>
      waitUntil(
        () => log.isSettled(rows, shape.hasModel),
        SETTLE_MS_MAX,
        () => up.words("did not come to what was written"),
      );
    await settled(keys);
    const warm = await write(db, shape, 0, WARM_UP_SECONDS);
    const before = [up.ownerCpuMs(), up.cpuMs(), log.landings, log.runs];
    const started = performance.now();
    const sentMs = await write(db, shape, warm.length, seconds);
    const after = [up.ownerCpuMs(), up.cpuMs(), log.landings, log.runs];
    const ms = performance.now() - started;
    const [owner = 0, all = 0, landings = 0, runs = 0] = after.map(
      (end, at) => end - (before[at] ?? 0),
    );
    await settled(keys + (warm.length + sentMs.length) * shape.rowsEach);
    const landedIn = await batches(project, warm.length);
    const seen = log.seen(landedIn);
    const steps = hasSteps ? log.steps(project, landedIn) : [];
    const since = (seenMs: readonly number[]) => seenMs.map((one, at) => one - (sentMs[at] ?? 0));
    return {
      bronzeMs: since(seen.bronzeMs),
      silverMs: shape.hasModel ? since(seen.silverMs) : [],
      landingsPerSecond: (landings / ms) * 1_000,
      runsPerSecond: (runs / ms) * 1_000,
      ownerShare: owner / ms,
      allShare: all / ms,
      rowsPerSecond: ((sentMs.length * shape.rowsEach) / ms) * 1_000,
      stepMs: STEPS.map((step) =>
        steps.flatMap((one, at) =>
          one === undefined ? [] : [one[step] - performance.timeOrigin - (sentMs[at] ?? 0)],
        ),
      ),
    };
  } finally {
    await db.end();
    await up.end();
  }
}

/** The table with the rows that are there; what an earlier round left at the server goes. */
async function makeSource(): Promise<void> {
  const run = (sql: string) => server.run("bench", sql);
  for (const [slot] of await run("select slot_name from pg_replication_slots")) {
    await run(`select pg_drop_replication_slot('${slot}')`);
  }
  await run("drop publication if exists tarn_shop");
  await run("drop table if exists events");
  await run(`create table events (${TABLE})`);
  await run(`insert into events (id, tx) select g, -1 from generate_series(0, ${keys - 1}) g`);
}

function makeLake(project: string, shape: Shape): void {
  rmSync(project, { recursive: true, force: true });
  mkdirSync(join(project, "models", "silver"), { recursive: true });
  const { port } = server;
  const source = {
    kind: "postgres",
    host: "127.0.0.1",
    port,
    database: "bench",
    tables: ["events"],
  };
  writeFileSync(join(project, "tarn.yaml"), `sources: { shop: ${JSON.stringify(source)} }\n`);
  if (shape.hasModel) writeFileSync(join(project, "models", "silver", "events.sql"), MODEL);
}

/** Writes at the shape's pace; answers when each transaction was sent, which is before it was committed. */
async function write(
  db: pg.Client,
  { rowsEach, commitsPerSecond }: Shape,
  first: number,
  forSeconds: number,
): Promise<number[]> {
  const sentMs: number[] = [];
  const startedMs = performance.now();
  for (let at = 0; at < forSeconds * commitsPerSecond; at += 1) {
    const dueMs = startedMs + (at / commitsPerSecond) * 1_000;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await Bun.sleep(waitMs);
    sentMs.push(performance.now());
    await db.query(transaction(first + at, rowsEach));
  }
  return sentMs;
}

/** Half of it makes new rows, and half changes rows that are there. */
function transaction(tx: number, rowsEach: number): string {
  const from = tx * rowsEach;
  const values =
    "g % 1000, 'customer ' || g, repeat('x', 40), g * 0.01, clock_timestamp(), g % 2 = 0";
  const id = `case when g % 2 = 0 then g * ${STEP} % ${keys} else ${keys} + g end`;
  return `insert into events select ${id}, ${tx}, ${values}
    from generate_series(${from}, ${from + rowsEach - 1}) g
    on conflict (id) do update set tx = excluded.tx, c = excluded.c, f = excluded.f`;
}

/** The batch that each transaction landed in. */
async function batches(project: string, first: number): Promise<string[]> {
  const sql = `select max("_batch") as batch from bronze.shop_events where tx >= ${first}
    group by tx order by tx`;
  return (await askSql(project, sql)).map(({ batch }) => String(batch));
}

function medianOf(samples: readonly Samples[], of: (sample: Samples) => readonly number[]): string {
  const sorted = samples.flatMap(of).sort((a, b) => a - b);
  return sorted.length === 0 ? "" : percentile(sorted, 0.5).toFixed(0);
}

function described({ name }: Shape, label: string, samples: readonly Samples[]): string[] {
  const at = (of: (sample: Samples) => readonly number[], fraction: number) => {
    const sorted = samples.flatMap(of).sort((a, b) => a - b);
    return sorted.length === 0 ? "" : percentile(sorted, fraction).toFixed(0);
  };
  const mean = (of: (sample: Samples) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  return [
    name,
    label,
    mean((one) => one.rowsPerSecond).toFixed(0),
    at((one) => one.bronzeMs, 0.5),
    at((one) => one.bronzeMs, 0.99),
    at((one) => one.silverMs, 0.5),
    at((one) => one.silverMs, 0.99),
    mean((one) => one.landingsPerSecond).toFixed(1),
    mean((one) => one.runsPerSecond).toFixed(1),
    (mean((one) => one.ownerShare) * 100).toFixed(0),
    (mean((one) => one.allShare) * 100).toFixed(0),
  ];
}
