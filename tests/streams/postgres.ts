/**
 * A database under random changes, read by a program that is killed, and killed itself: in the end the table that its
 * feed makes is the table that it has. Run by hand: `node cmd/bun.mjs run tests/streams/postgres.ts`.
 *
 * TARN_STREAM_KILLS (100 of the program, a fifth as many of the server), TARN_STREAM_CHANGES (1,000,000),
 * TARN_TEST_POSTGRES (18), TARN_STREAM_SEED, TARN_BIN.
 */

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { programPath } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";
import { postgresVersions, startPostgres } from "../support/postgres.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 100);
const CHANGES = envNumber("TARN_STREAM_CHANGES", 1_000_000);
/** Every so often it is the server's turn. */
const SERVER_TURN = 5;
/** The longest that the program is let live. */
const LIFE_MS = 2_500;
const KEYS = 5_000;
/** How many columns are added before one is dropped, and how often. */
const EXTRAS_MAX = 3;
const ALTERED = 0.005;
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);

const TABLE = `create table accounts(id int primary key, owner text, balance numeric(20,4), notes text,
  tags int[], at timestamptz not null default now())`;
const MODEL = `/* tarn
   kind: cdc
   keys: id
   sequence_by: _position
   apply_as_delete: _op = 'd'
   apply_as_truncate: _op = 't'
*/
select * from bronze.bank_accounts
`;

const [version] = postgresVersions();
if (version === undefined) process.exit(0);
await using server = await startPostgres(version, { fsync: "on" });
const folder = mkdtempSync(join(tmpdir(), "stream-postgres-"));
const int = (below: number): number => Math.floor(random() * below);
let changes = 0;
/** Columns that were added while changes went on, and are there still. */
let extras: readonly string[] = [];
let columnsMade = 0;
let alterations = 0;

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Adds a column or drops one, with changes before it and behind it in the same transaction. */
async function alter(db: pg.Client): Promise<void> {
  const isFull = extras.length >= EXTRAS_MAX;
  const [first = "", ...rest] = extras;
  const added = `extra_${columnsMade++}`;
  await db.query("begin");
  await db.query("update accounts set balance = balance + 1 where id % 97 = 0");
  await db.query(
    `alter table accounts ${isFull ? `drop column ${first}` : `add column ${added} int`}`,
  );
  await db.query("update accounts set balance = balance - 1 where id % 89 = 0");
  await db.query("commit");
  extras = isFull ? rest : [...extras, added];
  alterations += 1;
}

/** A transaction: a few statements or many, sometimes taken back, sometimes as a whole. */
async function transact(db: pg.Client): Promise<void> {
  const size = random() < 0.02 ? 20_000 : 1 + int(200);
  const dice = random();
  let made = size;
  await db.query("begin");
  if (dice < 0.35) {
    const first = int(KEYS);
    const text = `insert into accounts(id, owner, balance, notes, tags)
      select i, 'o' || i, i * 1.0001, repeat(md5(i::text), $2), array[i, null]
      from generate_series($1::int, $1::int + $3::int - 1) i
      on conflict (id) do update set balance = accounts.balance + 1`;
    await db.query(text, [first, random() < 0.3 ? 300 : 1, Math.min(size, KEYS)]);
  } else if (dice < 0.75) {
    const text =
      "update accounts set balance = balance + 0.0001, at = clock_timestamp() where id % $1 = $2";
    const by = Math.max(1, Math.floor(KEYS / size));
    made = (await db.query(text, [by, int(by)])).rowCount ?? 0;
    const [extra] = extras;
    if (extra !== undefined && random() < 0.3) {
      const filled = `update accounts set ${extra} = coalesce(${extra}, 0) + id where id % $1 = $2`;
      made += (await db.query(filled, [by, int(by)])).rowCount ?? 0;
    }
  } else if (dice < 0.9) {
    const first = int(KEYS);
    made =
      (await db.query("delete from accounts where id >= $1 and id < $2", [first, first + int(50)]))
        .rowCount ?? 0;
  } else if (dice < 0.97) {
    const text = `update accounts set id = id + 100000, notes = 'moved' where id = $1
      and not exists (select 1 from accounts b where b.id = accounts.id + 100000)`;
    made = (await db.query(text, [int(KEYS)])).rowCount ?? 0;
  } else if (dice < 0.975) {
    await db.query("truncate accounts");
    made = 1;
  } else {
    await db.query("savepoint s");
    await db.query("update accounts set owner = 'nobody'");
    await db.query("rollback to savepoint s");
    made = 0;
  }
  if (random() < 0.05) await db.query("rollback");
  else {
    await db.query("commit");
    changes += made;
  }
}

async function tarn(...words: readonly string[]): Promise<string> {
  const child = Bun.spawn([programPath(), ...words], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`tarn ${words.join(" ")} ended with ${code}: ${errors}\n${out}`);
  return out;
}

function digest(rows: readonly string[]): string {
  const hash = createHash("sha256").update(rows.join("\n")).digest("hex");
  return `${rows.length} rows, ${hash.slice(0, 16)}`;
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed}), PostgreSQL ${version}`);
let db = await server.client("bank");
db.on("error", () => {});
await db.query(TABLE);
mkdirSync(join(folder, "models/silver"), { recursive: true });
await writeFile(join(folder, "models/silver/accounts.sql"), MODEL);
const url = `postgres://postgres@127.0.0.1:${server.port}/bank`;
await writeFile(
  join(folder, "tarn.yaml"),
  `sources:\n  bank: { kind: postgres, url: ${url}, tables: [accounts], heartbeat: 1s }\n`,
);
await transact(db);
let isChanging = true;
let serverKills = 0;
const writer = (async () => {
  while (isChanging && changes < CHANGES) {
    try {
      await (random() < ALTERED ? alter(db) : transact(db));
      await pause(int(4));
    } catch {
      // The server is down, or was a moment ago.
      await pause(50);
      try {
        db = await server.client("bank");
        db.on("error", () => {});
      } catch {}
    }
  }
})();
for (let kill = 0; kill < KILLS; kill++) {
  const program = Bun.spawn([programPath(), "up"], {
    cwd: folder,
    stdout: "ignore",
    stderr: "ignore",
  });
  await pause(300 + random() * LIFE_MS);
  if (kill % SERVER_TURN === SERVER_TURN - 1) {
    await server.restart("SIGKILL", {});
    serverKills++;
    await pause(random() * LIFE_MS);
  }
  program.kill("SIGKILL");
  await program.exited;
}
if (changes >= CHANGES || process.env.TARN_STREAM_CHANGES === undefined) isChanging = false;
await writer;
await tarn("build");
await tarn("build");
// A server that was killed while it altered the table has done so or not.
const there = await server.run(
  "bank",
  `select attname from pg_attribute
   where attrelid = 'accounts'::regclass and attname like 'extra%' and not attisdropped`,
);
const kept = there.map(([name]) => name ?? "");
const inLake: { name: string }[] = JSON.parse(
  await tarn(
    ...["sql", "--format", "json", "-c"],
    "select column_name as name from (describe select * from silver.accounts)",
  ),
);
const known = kept.filter((name) => inLake.some((column) => column.name === name));
// Of a column that no row has come with since there is nothing but NULL.
const told = kept.map((name) => (known.includes(name) ? name : "null"));
const ofSource = kept.map((name) => ` || '|' || coalesce(${name}::text, '')`).join("");
const ofLake = told.map((name) => ` || '|' || coalesce(${name}::varchar, '')`).join("");
const wanted = await server.run(
  "bank",
  `select id || '|' || coalesce(owner, '') || '|' || balance || '|' || md5(coalesce(notes, '')) || '|' ||
   coalesce(tags::text, '') || '|' || (extract(epoch from at) * 1000000)::bigint${ofSource} from accounts order by id`,
);
const sql = `select id || '|' || coalesce(owner, '') || '|' || balance || '|' || md5(coalesce(notes, '')) || '|' ||
  coalesce(tags, '') || '|' || epoch_us("at")${ofLake} as line from silver.accounts order by id`;
const lines: { line: string }[] = JSON.parse(await tarn("sql", "--format", "json", "-c", sql));
const bronze = JSON.parse(
  await tarn(
    "sql",
    "--format",
    "json",
    "-c",
    "select count(*) as rows, count(distinct _position) as places from bronze.bank_accounts",
  ),
);
const expected = wanted.map(([line]) => line ?? "").sort();
const found = lines.map(({ line }) => line).sort();
const isSame = expected.join("\n") === found.join("\n");
const once = bronze[0].rows === bronze[0].places;
console.log(
  `${KILLS} kills, ${serverKills} of the server, ${changes} changes, ${alterations} columns added or dropped:`,
);
console.log(
  `${bronze[0].rows} rows of the feed (each place once: ${once}), ` +
    `the source has ${digest(expected)}, the lake ${digest(found)}`,
);
if (isSame && once) await rm(folder, { recursive: true });
else console.log(`FAILED: see ${folder}`);
await server[Symbol.asyncDispose]();
process.exit(isSame && once ? 0 : 1);
