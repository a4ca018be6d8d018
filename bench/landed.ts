/**
 * How fast the backlog of a PostgreSQL slot is landed and can be asked for: `tarn build` of an empty lake, from its
 * start to its end, beside `pg_recvlogical` that throws away the same from a copy of the slot. Usage: landed.ts [ROWS]
 * (1000000).
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Backlog, BacklogServer, DATABASE, PUBLICATION, SLOT } from "./backlog.ts";
import { benchFolder } from "./data.ts";
import { measure } from "./measure.ts";
import { askSql, programPath } from "./project.ts";

await using server = await BacklogServer.start();
if (server !== null) {
  const { port } = server;
  await server.compare(
    "Backlog of a slot, landed and queryable",
    Number(process.argv[2] ?? 1_000_000),
    (backlog) => land(port, backlog),
  );
  rmSync(benchFolder("landed"), { recursive: true });
}

async function land(port: number, { rows }: Backlog) {
  const lake = join(benchFolder("landed"), "lake");
  rmSync(lake, { recursive: true, force: true });
  mkdirSync(lake);
  const source = {
    ...{ kind: "postgres", host: "127.0.0.1", port, database: DATABASE, tls: "disable" },
    ...{ publication: PUBLICATION, slot: SLOT, snapshot: false },
  };
  writeFileSync(join(lake, "tarn.yaml"), `sources: { bench: ${JSON.stringify(source)} }\n`);
  const { ms, cpuMs, peakRssBytes } = await measure([programPath(), "build"], { cwd: lake });
  const [there] = await askSql(lake, "select count(*) as rows from bronze.bench_events");
  if (Number(there?.rows) !== rows) throw new Error(`${there?.rows} of ${rows} rows were landed`);
  return { rows, ms, cpuUs: cpuMs * 1_000, peakRssBytes };
}
