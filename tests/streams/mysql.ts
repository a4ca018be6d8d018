/**
 * A MariaDB database under random changes, read by a program that is killed, and killed itself: in the end the tables
 * that its feeds make are those that it has. Run by hand: `node cmd/bun.mjs run tests/streams/mysql.ts`.
 *
 * TARN_STREAM_KILLS (30 of the program, a sixth as many of the server), TARN_STREAM_CHANGES (200,000),
 * TARN_STREAM_SERVER (a part of the server's name, such as 11.4; the first), TARN_TEST_MARIADB, TARN_STREAM_SEED,
 * TARN_BIN.
 */

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection } from "../../storage/sources/mysql/connection.ts";
import { programPath } from "../crash/program.ts";
import { envNumber, seeded } from "../crash/seeded.ts";
import { mysqlServers } from "../support/mysql.ts";

const KILLS = envNumber("TARN_STREAM_KILLS", 30);
const CHANGES = envNumber("TARN_STREAM_CHANGES", 200_000);
/** Every so often it is the server's turn. */
const SERVER_TURN = 6;
/** The longest that the program is let live. */
const LIFE_MS = 2_500;
const KEYS = 5_000;
const seed = envNumber("TARN_STREAM_SEED", Date.now() % 1_000_000);
const random = seeded(seed);

const TABLES = [
  `create table accounts(id int primary key, owner varchar(40) character set latin1, balance decimal(20,4), notes text,
    kind enum('a','b,c'), at timestamp(6) not null default current_timestamp(6), flags bit(9), big bigint unsigned)`,
  "create table transfers(id bigint primary key auto_increment, account int, note varchar(20))",
];
const model = (table: string): string => `/* tarn
   kind: cdc
   keys: id
   sequence_by: _position
   apply_as_delete: _op = 'd'
   apply_as_truncate: _op = 't'
*/
select * from bronze.bank_${table}
`;

const wanted = process.env.TARN_STREAM_SERVER ?? "";
const choice = mysqlServers().find(({ name }) => name.includes(wanted));
if (choice === undefined) process.exit(0);
await using server = await choice.start({
  "innodb-flush-log-at-trx-commit": "1",
  "sync-binlog": "1",
});
const folder = mkdtempSync(join(tmpdir(), "stream-mysql-"));
const int = (below: number): number => Math.floor(random() * below);
let changes = 0;

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** A transaction: a few statements or many, sometimes taken back, sometimes in two phases or as a whole. */
async function transact(db: Connection): Promise<void> {
  const run = async (sql: string): Promise<number> => {
    await db.rows(sql, "change");
    const [row] = await db.rows("select row_count()", "count");
    return Math.max(0, Number(row?.[0] ?? 0));
  };
  const size = random() < 0.03 ? 5_000 : 1 + int(200);
  const dice = random();
  const isXa = random() < 0.05;
  const xid = `'x${int(1_000_000_000)}'`;
  const isTruncated = dice >= 0.965 && dice < 0.97;
  if (isTruncated) {
    await run("truncate accounts");
    changes += 1;
    return;
  }
  await db.rows(isXa ? `xa start ${xid}` : "begin", "begin");
  let made = await run(
    `insert into transfers(account, note) values (${int(KEYS)}, 'n${int(100)}')`,
  );
  if (dice < 0.35) {
    const first = int(KEYS);
    const last = first + Math.min(size, KEYS) - 1;
    const times = random() < 0.3 ? 300 : 1;
    made += await run(`insert into accounts(id, owner, balance, notes, kind, flags, big)
      select seq, concat('é', seq), seq * 1.0001, repeat(md5(seq), ${times}), if(seq % 2, 'a', 'b,c'), seq % 512,
        18446744073709551615 - seq from seq_${first}_to_${last}
      on duplicate key update balance = balance + 1`);
  } else if (dice < 0.75) {
    const by = Math.max(1, Math.floor(KEYS / size));
    made += await run(
      `update accounts set balance = balance + 0.0001, at = now(6) where id % ${by} = ${int(by)}`,
    );
  } else if (dice < 0.9) {
    const first = int(KEYS);
    made += await run(`delete from accounts where id >= ${first} and id < ${first + int(50)}`);
  } else if (dice < 0.965) {
    const id = int(KEYS);
    made += await run(
      `update ignore accounts set id = id + 100000, notes = 'moved' where id = ${id}`,
    );
  } else if (!isXa) {
    await run("savepoint s");
    await run("update accounts set owner = 'nobody'");
    await run("rollback to savepoint s");
  }
  const isBack = random() < 0.05;
  if (isXa) {
    await db.rows(`xa end ${xid}`, "end");
    await db.rows(`xa prepare ${xid}`, "prepare");
    await pause(int(200));
    await db.rows(isBack ? `xa rollback ${xid}` : `xa commit ${xid}`, "decide");
  } else await db.rows(isBack ? "rollback" : "commit", "end");
  if (!isBack) changes += made;
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

/** Both sides write the same texts of the same values. */
const COLUMNS = {
  accounts: {
    there: `id, owner, balance, notes, kind, cast(unix_timestamp(at) * 1000000 as integer),
      lpad(bin(flags + 0), 9, '0'), big`,
    here: `id, owner, balance, notes, kind, epoch_us("at"), flags, big`,
  },
  transfers: { there: "id, account, note", here: "id, account, note" },
} as const;

async function isEqual(db: Connection, table: keyof typeof COLUMNS): Promise<boolean> {
  await db.rows("set time_zone = '+00:00'", "set");
  const there = (
    await db.rows(`select ${COLUMNS[table].there} from ${table} order by id`, "read")
  ).map((row) => JSON.stringify(row));
  const text = `select [${COLUMNS[table].here
    .split(/, (?![^(]*\))/)
    .map((column) => `(${column})::varchar`)
    .join(", ")}] as r from silver.${table} order by id`;
  const out = await tarn("sql", "--format", "json", "-c", text);
  const here = (JSON.parse(out) as { readonly r: unknown }[]).map(({ r }) => JSON.stringify(r));
  console.log(`${table}: there ${digest(there)}; here ${digest(here)}`);
  const counted = "select count(*) as rows, count(distinct _position) as places";
  const sql = `${counted} from bronze.bank_${table}`;
  const [feed] = JSON.parse(await tarn("sql", "--format", "json", "-c", sql));
  console.log(`${feed.rows} rows of its feed, at ${feed.places} places`);
  const differ = there.findIndex((row, at) => row !== here[at]);
  if (differ >= 0) console.log(`first difference:\n  ${there[differ]}\n  ${here[differ]}`);
  return digest(there) === digest(here) && feed.rows === feed.places;
}

console.log(`seed ${seed} (repeat with TARN_STREAM_SEED=${seed}), ${choice.name}`);
let db = await server.client("bank");
for (const sql of TABLES) await db.rows(sql, "make the tables");
mkdirSync(join(folder, "models/silver"), { recursive: true });
for (const table of Object.keys(COLUMNS)) {
  await writeFile(join(folder, `models/silver/${table}.sql`), model(table));
}
const url = `mysql://root@127.0.0.1:${server.target.port}/bank`;
await writeFile(
  join(folder, "tarn.yaml"),
  `sources:\n  bank: { kind: mysql, url: "${url}", tables: [accounts, transfers], heartbeat: 1s }\n`,
);
await transact(db);
let isChanging = true;
let serverKills = 0;
const writer = (async () => {
  while (isChanging && changes < CHANGES) {
    try {
      await transact(db);
      await pause(int(4));
    } catch {
      // The server is down, or was a moment ago.
      await pause(50);
      try {
        db = await server.client("bank");
        const left = await db.rows("xa recover format='SQL'", "look");
        for (const [, , , xid] of left) await db.rows(`xa commit ${xid}`, "commit");
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
const isWhole =
  process.env.TARN_STREAM_KILLS === undefined || process.env.TARN_STREAM_CHANGES !== undefined;
while (isWhole && changes < CHANGES) await pause(50);
isChanging = false;
await writer;
await tarn("build");
db = await server.client("bank");
console.log(`${changes} changes, ${KILLS} kills, ${serverKills} of the server`);
const equal = [await isEqual(db, "accounts"), await isEqual(db, "transfers")];
await rm(folder, { recursive: true, force: true });
await server[Symbol.asyncDispose]();
const passed = equal.every((each) => each);
console.log(passed ? "mysql: passed" : "mysql: FAILED");
process.exit(passed ? 0 : 1);
