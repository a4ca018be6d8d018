/**
 * How fast rows of MariaDB's binary log become sealed segments, beside `mariadb-binlog --raw`, which copies the same
 * part of the log to a file; and how fast they are landed and can be asked for. Usage: binlog.ts [ROWS] (400000).
 */

import { mkdirSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { epochOf, parsePlace, placeAt, placeText } from "../storage/sources/mysql/place.ts";
import { parsePosition } from "../storage/sources/mysql/position.ts";
import { MYSQL_SETTINGS } from "../storage/sources/mysql/settings.ts";
import { MysqlStream } from "../storage/sources/mysql/stream.ts";
import { type MysqlServer, mysqlServers } from "../tests/support/mysql.ts";
import { benchFolder } from "./data.ts";
import { heading, measure, progress, spread, table } from "./measure.ts";
import { askSql, mustRun, programPath } from "./project.ts";
import { type Pair, RATE_COLUMNS, rates, rateText } from "./rates.ts";
import { LIMITS, sealAll, sealed, worldIn } from "./sealing.ts";

const ROUNDS = Number(process.env.TARN_BENCH_ROUNDS ?? 5);
const COLUMNS = `id bigint primary key, a int, b int, c varchar(40), d varchar(60), e decimal(12,2),
  f datetime(6), g tinyint`;
const VALUES =
  "seq, seq % 1000, seq % 7, concat('customer ', seq), repeat('x', 40), seq * 0.01, now(6), seq % 2";

if (process.argv[2] === "drain") await drain(process.argv.slice(3));
else await main(Number(process.argv[2] ?? 400_000));

async function open(port: string, from: string | null, folder: string): Promise<MysqlStream> {
  const given = { host: "127.0.0.1", port, database: "bench", tls: "disable", snapshot: "false" };
  const settings = MYSQL_SETTINGS.read({ ...given, heartbeat: "100ms" }, { path: [], issues: [] });
  if (settings === undefined) throw new Error("the settings are wrong");
  return await MysqlStream.open(settings, from, worldIn(folder));
}

/** In a process of its own: reads from a position up to a place. */
async function drain([port = "", from = "", end = "", folder = ""]: readonly string[]) {
  const stream = await open(port, from, folder);
  await sealAll(stream, ({ to }) => parsePosition(to).lsn >= parsePlace(end));
}

async function main(rowCount: number): Promise<void> {
  const [choice] = mysqlServers();
  if (choice === undefined || Bun.which("mariadb-binlog") === null) {
    console.log("skip: mariadb-binlog: apt-get install mariadb-client mariadb-server");
    return;
  }
  await using server = await choice.start({ "innodb-buffer-pool-size": "1G" });
  const lines: string[][] = [];
  const shapes: Readonly<Record<string, string>> = {
    "one transaction": `insert into events select ${VALUES} from seq_1_to_${rowCount}`,
    "1,000 rows each": transactions(rowCount, 1_000),
    "10 rows each": transactions(rowCount, 10),
    "1 row each": transactions(rowCount / 4, 1),
    "1,000 updates each": `for at in 0..${rowCount / 1_000 - 1} do
      update events set a = a + 1, f = now(6) where id > at * 1000 and id <= at * 1000 + 1000; end for`,
  };
  for (const [name, write] of Object.entries(shapes)) {
    await server.run("bench", `create or replace table events(${COLUMNS})`);
    if (name.includes("updates")) await server.run("bench", `${shapes["one transaction"]}`);
    const rows = name === "1 row each" ? rowCount / 4 : rowCount;
    lines.push([name, ...(await shape(server, write, rows))]);
  }
  heading("Part of a binary log to sealed segments, and landed by `tarn build`");
  const peer = "mariadb-binlog --raw";
  console.log(table(["transactions", "rows/s", peer, ...RATE_COLUMNS, "landed rows/s"], lines));
}

/** So many transactions by one statement. */
function transactions(rowCount: number, each: number): string {
  const rows = each === 1 ? `(select at as seq) s` : `seq_0_to_999999 s`;
  const values = VALUES.replaceAll(/\bseq\b/g, each === 1 ? "at" : "s.seq");
  if (each === 1) return `for at in 1..${rowCount} do insert into events select ${values}; end for`;
  return `for at in 0..${rowCount / each - 1} do insert into events select ${values} from ${rows}
    where s.seq between at * ${each} and at * ${each} + ${each - 1}; end for`;
}

/** One kind of backlog: read by turns, and landed as often in lakes that were there before it. */
async function shape(server: MysqlServer, write: string, rows: number): Promise<string[]> {
  const port = String(server.target.port);
  const run = (...sql: readonly string[]) => server.run("bench", ...sql);
  const lakes = await Promise.all(Array.from({ length: ROUNDS }, (_, at) => lakeOf(at, port)));
  for (const lake of lakes) await mustRun([programPath(), "build"], { cwd: lake });
  await run("flush binary logs");
  const from = await positionNow(port, run);
  const [[file = ""] = []] = await run("show master status");
  await run(`begin not atomic ${write}; end`);
  const [[lastFile = "", byte] = []] = await run("show master status");
  const epoch = epochOf(parsePosition(from).lsn);
  const end = placeText(placeAt(epoch, { file: `${lastFile}`, byte: Number(byte) }));
  const pairs: Pair[] = [];
  const landed: number[] = [];
  for (const [round, lake] of lakes.entries()) {
    const folder = emptyFolder("drain");
    const where = ["-h", "127.0.0.1", "-P", port, "-u", "root"];
    const raw = ["--read-from-remote-server", "--raw", "--to-last-log", `--result-file=${folder}/`];
    const peer = await measure(["mariadb-binlog", "--no-defaults", ...where, ...raw, `${file}`]);
    const mine = await measure(drainCommand(port, from, end));
    pairs.push({ ...sealed(mine), rows, peerMs: peer.ms });
    const whole = await measure([programPath(), "build"], { cwd: lake });
    const there = Number(await askSql(lake, "select count(*) from bronze.bench_events"));
    if (there < rows) throw new Error(`${there} of ${rows} rows were landed`);
    landed.push(rows / (whole.ms / 1_000));
    rmSync(lake, { recursive: true });
    progress(`round ${round + 1}`);
  }
  return [...rates(pairs), rateText(spread(landed))];
}

async function lakeOf(at: number, port: string): Promise<string> {
  const lake = emptyFolder(`lake-${at}`);
  const source = JSON.stringify({
    ...{ kind: "mysql", host: "127.0.0.1", port: Number(port), database: "bench" },
    ...{ tls: "disable", snapshot: false, server_id: 1_000 + at },
  });
  await writeFile(`${lake}/tarn.yaml`, `sources: { bench: ${source} }\n`);
  return lake;
}

/** A position behind all that was written so far. */
async function positionNow(port: string, run: (sql: string) => Promise<unknown>): Promise<string> {
  const stream = await open(port, null, emptyFolder("begin"));
  await run("create or replace table mark(id int primary key)");
  await run("insert into mark values (1)");
  try {
    for (;;) {
      const segment = await stream.next(LIMITS);
      if (segment === null) throw new Error("the stream ended");
      if ((segment.rows["bench.mark"] ?? 0) > 0) return segment.to;
    }
  } finally {
    await stream.close();
  }
}

function drainCommand(port: string, from: string, end: string): readonly string[] {
  const folder = emptyFolder("drain");
  return [process.execPath, "run", import.meta.path, "drain", port, from, end, folder];
}

function emptyFolder(name: string): string {
  const folder = benchFolder("binlog", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}
