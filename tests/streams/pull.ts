/**
 * Tables of PostgreSQL and SQLite that change while they are pulled by a program that is killed: the latest that has
 * landed of each row is the row. Run by hand: `node cmd/bun.mjs run tests/streams/pull.ts`.
 *
 * TARN_STREAM_KILLS (50), TARN_TEST_POSTGRES (18), TARN_STREAM_SEED, TARN_BIN.
 */

import { Database } from "bun:sqlite";
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mustRun, programPath } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";
import { postgresVersions, startPostgres } from "../support/postgres.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 50);
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);
const KEYS = 200;
/** The longest that the program is let live. */
const LIFE_MS = 1_500;
const CHANGE_MS = 10;
const TABLE =
  "create table items(id integer primary key, version integer not null, changed integer)";

const [version] = postgresVersions();
if (version === undefined) process.exit(0);
await using server = await startPostgres(version);
const folder = mkdtempSync(join(tmpdir(), "stream-pull-"));
const postgres = await server.client("crm");
const sqlite = new Database(join(folder, "crm.db"), { create: true });
sqlite.run("PRAGMA journal_mode = wal");
sqlite.run("PRAGMA busy_timeout = 5000");
sqlite.run(TABLE);
await postgres.query(TABLE);
let changes = 0;

/** One and the same row in both; of some the cursor is none. */
async function change(): Promise<void> {
  changes++;
  const id = 1 + Math.floor(random() * KEYS);
  const changed = random() < 0.02 ? "null" : String(changes);
  const sql = `insert into items values (${id}, ${changes}, ${changed})
    on conflict (id) do update set version = excluded.version, changed = excluded.changed`;
  sqlite.run(sql);
  await postgres.query(sql);
}

async function ask(sql: string): Promise<string> {
  const words = [programPath(), "sql", "--format", "json", "-c", sql];
  return JSON.stringify(JSON.parse((await mustRun(words, { cwd: folder })).stdout));
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed}), PostgreSQL ${version}`);
const url = `postgres://postgres@127.0.0.1:${server.port}/crm`;
const tables = "{ items: { cursor: changed } }";
await writeFile(
  join(folder, "tarn.yaml"),
  `sources:
  pg: { kind: pull, url: "${url}", every: 200ms, page: 7, tables: ${tables} }
  lite: { kind: pull, url: "sqlite:crm.db", every: 200ms, page: 7, tables: ${tables} }
`,
);
for (let row = 0; row < KEYS; row++) await change();
let isChanging = true;
const writer = (async () => {
  while (isChanging) {
    await change();
    await new Promise((resolve) => setTimeout(resolve, CHANGE_MS));
  }
})();
let lived = 0;
for (let kill = 0; kill < KILLS; kill++) {
  const up = Bun.spawn([programPath(), "up"], { cwd: folder, stdout: "ignore", stderr: "ignore" });
  await new Promise((resolve) => setTimeout(resolve, 200 + random() * LIFE_MS));
  if (up.exitCode === null) lived++;
  up.kill("SIGKILL");
  await up.exited;
}
isChanging = false;
await writer;
// A run that was under way goes on where it was, and ends before what came since.
for (let run = 0; run < 2; run++) await mustRun([programPath(), "build"], { cwd: folder });
const wanted = JSON.stringify(sqlite.query("select id, version from items order by id").all());
let isWhole = true;
for (const source of ["pg", "lite"]) {
  const bronze = `bronze.${source}_items`;
  const latest = await ask(
    `select id, arg_max(version, _position) as version from ${bronze} group by id order by id`,
  );
  const [counts] = JSON.parse(
    await ask(
      `select count(*)::int as rows, count(distinct (id, version))::int as different from ${bronze}`,
    ),
  );
  const isEqual = latest === wanted && counts.rows === counts.different;
  if (!isEqual) isWhole = false;
  const said = isEqual ? "equal" : "OTHER";
  console.log(`${source}: ${said}, ${counts.rows} rows landed, ${counts.different} different`);
}
console.log(`${KILLS} kills (${lived} of a living program), ${changes} changes`);
sqlite.close();
if (isWhole) await rm(folder, { recursive: true });
else console.log(`FAILED: see ${folder}`);
await server[Symbol.asyncDispose]();
process.exit(isWhole ? 0 : 1);
