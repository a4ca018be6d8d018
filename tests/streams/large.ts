/**
 * D11: one transaction of ten million rows lands as one batch, equal to what the server has, and all processes together
 * stay below a bound of memory. Run by hand: `node cmd/bun.mjs run tests/streams/large.ts`.
 *
 * TARN_STREAM_ROWS (10,000,000), TARN_STREAM_MIB (512), TARN_STREAM_KILLS (0: of the engine, while it comes),
 * TARN_TEST_POSTGRES (18), TARN_BIN.
 */

import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIB, measure } from "../../bench/measure.ts";
import { askSql, programPath } from "../crash/program.ts";
import { envNumber } from "../crash/seeded.ts";
import { postgresVersions, startPostgres } from "../support/postgres.ts";

const ROWS = envNumber("TARN_STREAM_ROWS", 10_000_000);
const KILLS = envNumber("TARN_STREAM_KILLS", 0);
const BYTES_MAX = envNumber("TARN_STREAM_MIB", 512) * MIB;

const TABLE = `create table events(id bigint primary key, a int, c text, d text, e numeric(12,2),
  f timestamptz, g boolean)`;
const VALUES = `g, g % 1000, 'customer ' || g, repeat('x', 40), g * 0.01,
  timestamptz '2026-01-01' + g * interval '1 millisecond', g % 2 = 0`;
/** A row as a text, in the words of both. */
const LINE = "concat_ws('|', id, a, c, d, e, case when g then 'y' else 'n' end)";

const [version] = postgresVersions();
if (version === undefined) process.exit(0);
await using server = await startPostgres(version, { max_wal_size: "16GB" });
const folder = mkdtempSync(join(tmpdir(), "stream-large-"));
const run = (sql: string) => server.run("shop", sql);
const url = `postgres://postgres@127.0.0.1:${server.port}/shop`;
const source = `{ kind: postgres, url: ${url}, tables: [events] }`;
await writeFile(join(folder, "tarn.yaml"), `sources:\n  shop: ${source}\n`);
await run(TABLE);
await run("insert into events(id, c) values (0, 'was there')");
const build = [programPath(), "build"];
await measure(build, { cwd: folder });
await run(`insert into events select ${VALUES} from generate_series(1, ${ROWS}) g`);
/** About as long as it takes. */
const lastMs = ROWS / 60;
for (let left = KILLS; left > 0; left--) {
  const killed = Bun.spawn(build, { cwd: folder, stdio: ["ignore", "ignore", "ignore"] });
  await Bun.sleep(Math.random() * lastMs);
  killed.kill("SIGKILL");
  await killed.exited;
}
const { ms, peakRssBytes, cpuMs } = await measure(build, { cwd: folder });
const [[count, sum, micros] = []] = await run(
  `select count(*), sum(('x' || substr(md5(${LINE}), 1, 8))::bit(32)::bigint),
   sum((extract(epoch from f) * 1000000)::bigint) from events`,
);
const [found] = await askSql(
  folder,
  `select count(*)::varchar as rows, sum(('0x' || substr(md5(${LINE}), 1, 8))::bigint)::varchar as sum,
   sum(epoch_us(f))::varchar as micros, count(distinct _batch)::varchar as batches,
   count(distinct _transaction)::varchar as transactions from bronze.shop_events`,
);
const wanted = { rows: count, sum, micros, batches: "2", transactions: "1" };
const isSame = JSON.stringify(found) === JSON.stringify(wanted);
const isSmall = peakRssBytes <= BYTES_MAX;
console.log(
  `${ROWS} rows in one transaction: ${(ROWS / ms).toFixed(0)}k rows/s, ` +
    `${((cpuMs * 1_000) / ROWS).toFixed(2)} us of processor time a row, ` +
    `peak of all processes ${(peakRssBytes / MIB).toFixed(0)} MiB, equal: ${isSame}`,
);
if (isSame && isSmall) await rm(folder, { recursive: true });
else console.log(`FAILED: ${JSON.stringify({ wanted, found })}, see ${folder}`);
await server[Symbol.asyncDispose]();
process.exit(isSame && isSmall ? 0 : 1);
