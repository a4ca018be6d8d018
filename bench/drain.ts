/**
 * How fast the backlog of a PostgreSQL slot becomes sealed segments, beside `pg_recvlogical` that throws away the same
 * from a copy of the slot; and how fast rows that are there do, beside COPY in binary. Usage: drain.ts [ROWS] (400000).
 */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseLsn } from "../storage/sources/postgres/lsn.ts";
import { parsePosition } from "../storage/sources/postgres/position.ts";
import { POSTGRES_SETTINGS } from "../storage/sources/postgres/settings.ts";
import { PostgresStream } from "../storage/sources/postgres/stream.ts";
import { BacklogServer, DATABASE, PUBLICATION, ROUNDS, SLOT } from "./backlog.ts";
import { benchFolder } from "./data.ts";
import { heading, measure, table } from "./measure.ts";
import { type Pair, RATE_COLUMNS, rates } from "./rates.ts";
import { sealAll, sealed, worldIn } from "./sealing.ts";

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
  const stream = await PostgresStream.open(settings, null, worldIn(folder));
  await sealAll(stream, ({ to }, rows) => {
    const { lsn, pending } = parsePosition(to);
    return isStream ? lsn >= parseLsn(end) : rows > 0 && pending.length === 0;
  });
}

async function main(rowCount: number): Promise<void> {
  await using server = await BacklogServer.start();
  if (server === null) return;
  const read = async (slot: string, end: string) =>
    sealed(await measure(drainCommand(server.port, slot, end)));
  const title = "Backlog of a slot to sealed segments";
  await server.compare({ title, rows: rowCount }, ({ end }) => read(SLOT, end));
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
