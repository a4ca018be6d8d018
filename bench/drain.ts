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
import { BacklogServer, DATABASE, PUBLICATION, ROUNDS, SLOT } from "./backlog.ts";
import { benchFolder } from "./data.ts";
import { heading, measure, table } from "./measure.ts";
import { type Pair, RATE_COLUMNS, rates } from "./rates.ts";

const LIMITS = { bytes: 64 * 1024 * 1024, lingerMs: 20 };

if (process.argv[2] === "drain") await drain(process.argv.slice(3));
else await main(Number(process.argv[2] ?? 400_000));

/** In a process of its own: reads until the slot's end, or all rows that are there. */
async function drain([port = "", slot = "", end = "", folder = ""]: readonly string[]) {
  const given = {
    host: "127.0.0.1",
    port,
    database: DATABASE,
    publication: PUBLICATION,
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
  await using server = await BacklogServer.start();
  if (server === null) return;
  const read = async (slot: string, end: string) => {
    const { stdout, peakRssBytes } = await measure(drainCommand(server.port, slot, end));
    return { ...JSON.parse(stdout), peakRssBytes };
  };
  const title = "Backlog of a slot to sealed segments";
  await server.compare(title, rowCount, ({ end }) => read(SLOT, end));
  await server.fill(rowCount);
  const pairs: Pair[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const copy = `\\copy events to '/dev/null' (format binary)`;
    const peer = await measure(["psql", ...server.address, DATABASE, "-c", copy]);
    pairs.push({ ...(await read("", "")), peerMs: peer.ms });
  }
  heading("Rows that are there to sealed segments");
  const columns = ["readers", "rows/s", "COPY binary", ...RATE_COLUMNS];
  console.log(table(columns, [["2", ...rates(pairs)]]));
}

function drainCommand(port: number, slot: string, end: string): readonly string[] {
  const folder = join(benchFolder("drain"), "lake");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return [process.execPath, "run", import.meta.path, "drain", String(port), slot, end, folder];
}
