/**
 * How fast the backlog of a PostgreSQL slot is landed and can be asked for: `tarn build` of an empty lake, from its
 * start to its end, beside `pg_recvlogical` that throws away the same from a copy of the slot; and beside dlt, which
 * loads it into DuckDB. Usage: landed.ts [ROWS [KIND …]] (1000000, all of them). TARN_BENCH_DLT: the folder of
 * `dlt init pg_replication`.
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pythonWith } from "../tests/conformance/peers.ts";
import { type Backlog, BacklogServer, DATABASE, type Peer, PUBLICATION, SLOT } from "./backlog.ts";
import { benchFolder } from "./data.ts";
import { measure } from "./measure.ts";
import { askSql, programPath } from "./project.ts";

const DLT_PACKAGES = ["dlt[duckdb]==1.31.0", "psycopg2-binary==2.9.13", "sqlalchemy==2.1.9"];
/** It takes a tenth of a millisecond for a row, and more. */
const DLT_SHARE = 1 / 10;

const rows = Number(process.argv[2] ?? 1_000_000);
await using server = await BacklogServer.start();
if (server !== null) {
  const { port } = server;
  const read = (backlog: Backlog) => land(port, backlog);
  const [, , , ...kinds] = process.argv;
  const asked = kinds.length > 0 ? { only: kinds } : {};
  await server.compare({ title: "Backlog of a slot, landed and queryable", rows, ...asked }, read);
  const peer = await dlt(port);
  const title = "The same beside dlt";
  const only = ["1,000 rows each"];
  if (peer !== null) await server.compare({ title, rows: rows * DLT_SHARE, only, peer }, read);
  rmSync(benchFolder("landed"), { recursive: true });
}

async function land(port: number, backlog: Backlog) {
  const lake = emptyFolder("lake");
  const source = {
    ...{ kind: "postgres", host: "127.0.0.1", port, database: DATABASE, tls: "disable" },
    ...{ publication: PUBLICATION, slot: SLOT, snapshot: false },
  };
  writeFileSync(join(lake, "tarn.yaml"), `sources: { bench: ${JSON.stringify(source)} }\n`);
  const { ms, cpuMs, peakRssBytes } = await measure([programPath(), "build"], { cwd: lake });
  const [there] = await askSql(lake, "select count(*) as rows from bronze.bench_events");
  expectRows(backlog, Number(there?.rows));
  return { rows: backlog.rows, ms, cpuUs: cpuMs * 1_000, peakRssBytes };
}

/** Null, and a line that says so, where it is not installed. */
async function dlt(port: number): Promise<Peer | null> {
  const source = process.env.TARN_BENCH_DLT;
  if (source === undefined) {
    console.log(
      "skip: dlt: TARN_BENCH_DLT is to name a folder of `dlt init pg_replication duckdb`",
    );
    return null;
  }
  const python = await pythonWith("dlt", DLT_PACKAGES);
  if (python === null) return null;
  const script = join(import.meta.dirname, "dlt-replication.py");
  return {
    name: "dlt",
    read: async (slot, backlog) => {
      const words = [String(port), DATABASE, slot, PUBLICATION, emptyFolder("dlt")];
      const measured = await measure([python.python, script, ...words], { cwd: source });
      expectRows(backlog, Number(measured.stdout));
      return measured;
    },
  };
}

function expectRows({ rows: wanted }: Backlog, found: number): void {
  if (found !== wanted) throw new Error(`${found} of ${wanted} rows were landed`);
}

function emptyFolder(name: string): string {
  const folder = join(benchFolder("landed"), name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folder;
}
