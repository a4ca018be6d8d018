/**
 * How fast the backlog of a PostgreSQL slot becomes sealed segments, beside `pg_recvlogical` that throws away the same
 * from a copy of the slot; and how fast rows that are there do, beside COPY in binary. Usage: drain.ts [ROWS] (400000).
 */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock, systemRandom } from "../cmd/clock.ts";
import { Durable, realDisk } from "../storage/disk/durable.ts";
import { parseLsn } from "../storage/sources/postgres/lsn.ts";
import { parsePosition } from "../storage/sources/postgres/position.ts";
import { POSTGRES_SETTINGS } from "../storage/sources/postgres/settings.ts";
import { PostgresStream } from "../storage/sources/postgres/stream.ts";
import { startPostgres } from "../tests/support/postgres.ts";
import { benchFolder } from "./data.ts";
import { heading, type Measured, measure, progress, table } from "./measure.ts";
import { type Pair, RATE_COLUMNS, rates } from "./rates.ts";

const LIMITS = { bytes: 64 * 1024 * 1024, lingerMs: 20 };
const ROUNDS = Number(process.env.TARN_BENCH_ROUNDS ?? 5);
const COLUMNS =
  "id bigint primary key, a int, b int, c text, d text, e numeric(12,2), f timestamptz, g boolean";
const VALUES = "g, g % 1000, g % 7, 'customer ' || g, repeat('x', 40), g * 0.01, now(), g % 2 = 0";

if (process.argv[2] === "drain") await drain(process.argv.slice(3));
else await main(Number(process.argv[2] ?? 400_000));

/** In a process of its own: reads until the slot's end, or all rows that are there. */
async function drain([port = "", slot = "", end = "", folder = ""]: readonly string[]) {
  const given = {
    host: "127.0.0.1",
    port,
    database: "bench",
    publication: "bench",
    tls: "disable",
  };
  const isStream = slot !== "";
  const mode = isStream ? { slot, snapshot: "false" } : { snapshot: "only" };
  const settings = POSTGRES_SETTINGS.read({ ...given, ...mode }, { path: [], issues: [] });
  if (settings === undefined) throw new Error("the settings are wrong");
  const stream = await PostgresStream.open(settings, null, {
    source: "bench",
    lakeId: systemRandom.uuid(),
    projectRoot: folder,
    durable: new Durable(realDisk, folder),
    folder: `${folder}/streams`,
    clock: systemClock,
    random: systemRandom,
    notice: () => {},
  });
  // Connecting is not what is measured; the peer does it in milliseconds.
  const startedMs = performance.now();
  const before = process.cpuUsage();
  let rows = 0;
  for (let isOver = false; !isOver; ) {
    const segment = await stream.next(LIMITS);
    if (segment === null) throw new Error("the stream ended");
    rows += Object.values(segment.rows).reduce((sum, count) => sum + count, 0);
    if (segment.file !== null) rmSync(segment.file.path);
    const { lsn, pending } = parsePosition(segment.to);
    isOver = isStream ? lsn >= parseLsn(end) : rows > 0 && pending.length === 0;
  }
  const ms = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  await stream.close();
  console.log(JSON.stringify({ rows, ms, cpuUs: user + system }));
  process.exit(0);
}

async function main(rowCount: number): Promise<void> {
  const missing = ["pg_recvlogical", "psql"].filter((program) => Bun.which(program) === null);
  if (missing.length > 0) {
    console.log(`skip: ${missing.join(", ")}: apt-get install postgresql-client, postgresql`);
    return;
  }
  await using server = await startPostgres(18, { logical_decoding_work_mem: "256MB" });
  const run = (sql: string) => server.run("bench", sql);
  const lines: string[][] = [];
  const shapes: Readonly<Record<string, () => Promise<void>>> = {
    "one transaction": async () => void (await run(insert(0, rowCount))),
    "1,000 rows each": async () => void (await run(transactions(rowCount, 1_000))),
    "10 rows each": async () => void (await run(transactions(rowCount, 10))),
    "1 row each": async () => void (await run(transactions(rowCount / 4, 1))),
  };
  await run(`create table events (${COLUMNS})`);
  await run("create publication bench for table events");
  for (const [name, write] of Object.entries(shapes)) {
    await run("truncate events");
    await run("select pg_create_logical_replication_slot('backlog', 'pgoutput')");
    await write();
    const [[end = ""] = []] = await run("select pg_current_wal_lsn()");
    lines.push([name, ...(await compare(server.port, `${end}`, run))]);
    await run("select pg_drop_replication_slot('backlog')");
  }
  heading("Backlog of a slot to sealed segments");
  console.log(table(["transactions", "rows/s", "pg_recvlogical", ...RATE_COLUMNS], lines));
  heading("Rows that are there to sealed segments");
  await run("truncate events");
  await run(insert(0, rowCount));
  const copied = await snapshots(server.port);
  console.log(table(["readers", "rows/s", "COPY binary", ...RATE_COLUMNS], copied));
}

/** So many transactions by one statement. */
function transactions(rowCount: number, each: number): string {
  const rows = `generate_series(at + 1, at + ${each}) g`;
  return `do $$ begin for at in 0..${rowCount - each} by ${each} loop
    insert into events select ${VALUES} from ${rows}; commit; end loop; end $$`;
}

function insert(from: number, count: number): string {
  return `insert into events select ${VALUES} from generate_series(${from + 1}, ${from + count}) g`;
}

async function compare(
  port: number,
  end: string,
  run: (sql: string) => Promise<unknown>,
): Promise<string[]> {
  const pairs: Pair[] = [];
  const server = ["-d", "bench", "-h", "127.0.0.1", "-p", String(port), "-U", "postgres"];
  const options = ["proto_version=2", "streaming=on", "publication_names=bench"];
  const receive = ["--start", ...server, ...options.flatMap((option) => ["-o", option])];
  for (let round = 0; round < ROUNDS; round++) {
    const copy = async (name: string) =>
      run(`select pg_copy_logical_replication_slot('backlog', '${name}', false)`);
    await copy("theirs");
    const command = ["-S", "theirs", "-E", end, "-f", "/dev/null"];
    const peer = await measure(["pg_recvlogical", ...receive, ...command]);
    await copy("ours");
    pairs.push(pairOf(await measure(drainCommand(port, "ours", end)), peer));
    for (const name of ["theirs", "ours"]) await run(`select pg_drop_replication_slot('${name}')`);
    progress(`round ${round + 1}`);
  }
  return rates(pairs);
}

async function snapshots(port: number): Promise<string[][]> {
  const pairs: Pair[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const copy = "\\copy events to '/dev/null' (format binary)";
    const at = ["-h", "127.0.0.1", "-p", String(port), "-U", "postgres", "bench"];
    const peer = await measure(["psql", ...at, "-c", copy]);
    pairs.push(pairOf(await measure(drainCommand(port, "", "")), peer));
  }
  return [["2", ...rates(pairs)]];
}

function pairOf({ stdout, peakRssBytes }: Measured, peer: Measured): Pair {
  return { ...JSON.parse(stdout), peakRssBytes, peerMs: peer.ms };
}

function drainCommand(port: number, slot: string, end: string): readonly string[] {
  const folder = join(benchFolder("drain"), "lake");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return [process.execPath, "run", import.meta.path, "drain", String(port), slot, end, folder];
}
