/** What was delivered is compared with the server: equal after any changes, and one row that is not is named. */

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { rows, tarn } from "../support/binary.ts";
import { mysqlServers } from "../support/mysql.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

const TABLES = [
  `create table orders(id bigint unsigned primary key, note varchar(40) character set latin1, total decimal(10,2),
    at timestamp(6) not null default '2026-11-20 10:00:00.123456', kind enum('a','b,c'), flags bit(9),
    made date, raw varbinary(20), is_new bit(1), doc json, big bigint unsigned, of year, took time(3))`,
  "create table words(word varchar(20) primary key, n int, share double)",
  "create table pairs(b int, a varchar(10), v text, primary key (a, b))",
  `insert into orders(id, note, total, kind, flags, made, raw, is_new, doc, big, of, took)
    select seq, concat('ü', seq), seq / 7, 'b,c', b'101', '1969-12-31', x'00FF', seq % 2, '{"a": 1}',
      18446744073709551615, 2026, '01:02:03.5' from seq_1_to_2000`,
  "insert into words values ('Ärger', 1, 0.1), ('b', null, null)",
  "insert into pairs select seq, concat('p', seq % 3), null from seq_1_to_500",
];
const CHANGES = [
  "update orders set note = null, total = -0.5 where id between 10 and 20",
  "delete from orders where id % 100 = 3",
  "update orders set id = id + 100000 where id between 50 and 60",
  "update words set word = 'B' where word = 'b'",
  "truncate pairs",
  "insert into pairs select seq, 'x', repeat('long ', 1000) from seq_1_to_100",
];

// Its rows are made by sequences, which MySQL has not.
const servers = mysqlServers().filter(({ isMariaDb }) => isMariaDb);

describe.each(servers.map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  test("rows of every table are equal, until some are others behind the log's back", async () => {
    expect(await buildIfStale()).toBe(0);
    await using server = await choice.start();
    const run = (...sql: readonly string[]) => server.run("checked", ...sql);
    await run(...TABLES);
    await using folder = await tempFolder();
    const root = folder.path;
    const where = {
      host: "127.0.0.1",
      port: server.target.port,
      user: "root",
      database: "checked",
    };
    const source = JSON.stringify({ kind: "mysql", ...where, heartbeat: "1s" });
    writeFileSync(`${root}/tarn.yaml`, `sources: { shop: ${source} }\n`);
    expect(await tarn(root, ["build"])).toMatchObject({ code: 0 });
    expect((await tarn(root, ["source", "models", "shop"])).code).toBe(0);
    await run(...CHANGES);
    expect(await tarn(root, ["build"])).toMatchObject({ code: 0 });

    const equal = await tarn(root, ["reconcile", "--threshold", "0"]);
    const lines = equal.out.replaceAll(/ at \S+ ·/g, " ·").split("\n");
    expect(lines).toContain("bronze.shop_orders         1,980 rows of the source · all are here");
    expect(lines).toContain("bronze.shop_words          2 rows of the source · all are here");
    expect(lines).toContain("  not compared: share");
    expect(lines).toContain("bronze.shop_pairs          100 rows of the source · all are here");
    expect(lines).toContain("silver.orders              1,980 rows of its feed · all are here");
    expect(equal.code).toBe(0);

    // The log has nothing of these.
    await run(
      "set sql_log_bin = 0",
      "update orders set total = total + 0.01 where id = 1777",
      "delete from words where word = 'Ärger'",
      "set sql_log_bin = 1",
    );
    const gone = await tarn(root, ["reconcile", "shop", "--threshold", "0"]);
    expect(gone.out).toMatch(
      / {2}id \d+ to \d+: \d+ there, \d+ here · other values: 1777 \(total\)/,
    );
    expect(gone.out).toMatch(/word with md5 \S+: 0 there, 1 here · only here: Ärger/);
    expect([gone.err.includes(": 2 alarms"), gone.code]).toEqual([true, 1]);
    const kept = await rows(
      root,
      `select changed from lake.reconciliations where table_name = 'shop_orders' and "window" is not null`,
    );
    expect(kept[0]).toContain('""columns"":[""total""]');

    const up = Bun.spawn([BINARY, "up"], { cwd: root, stdout: "ignore", stderr: "ignore" });
    try {
      await run("insert into pairs select seq, 'up', null from seq_1_to_5000");
      const beside = await tarn(root, ["reconcile", "shop", "--threshold", "100"]);
      expect(beside.err).toContain(": 0 alarms");
      expect(beside.out).toContain("bronze.shop_pairs          5,100 rows of the source");
    } finally {
      up.kill("SIGTERM");
      await up.exited;
    }
  });

  test("tables that are pulled are compared by a user who may only read", async () => {
    expect(await buildIfStale()).toBe(0);
    await using server = await choice.start();
    const run = (...sql: readonly string[]) => server.run("pulled", ...sql);
    await run(
      `create table sales(id bigint unsigned primary key, note varchar(40) character set latin1, total decimal(10,2),
        at timestamp(6) null, raw varbinary(20))`,
      `insert into sales select seq, concat('ü', seq), seq / 7,
        if(seq % 100 = 0, null, timestampadd(second, seq, '2026-11-01 00:00:00.5')), x'00FF' from seq_1_to_2000`,
      "create table counted(n int primary key, word varchar(10))",
      "insert into counted select seq, 'w' from seq_1_to_500",
      "create user looker@'%' identified by 'only reads'",
      "grant select on pulled.* to looker@'%'",
    );
    await using folder = await tempFolder();
    const root = folder.path;
    const url = `mysql://looker:only%20reads@127.0.0.1:${server.target.port}/pulled`;
    const tables = { sales: { cursor: "at" }, counted: { cursor: "n" } };
    const source = JSON.stringify({ kind: "pull", url, tables });
    writeFileSync(`${root}/tarn.yaml`, `sources: { crm: ${source} }\n`);
    expect(await tarn(root, ["build"])).toMatchObject({ code: 0 });
    await run("insert into counted values (501, 'new')");
    const equal = await tarn(root, ["reconcile", "crm", "--threshold", "0"]);
    expect(equal.out).toContain(
      "2,000 rows of the source at 2026-11-01 00:33:19.500000 · all are here",
    );
    expect(equal.out).toContain("501 rows of the source at 501 · all are here");
    expect([equal.err.includes(": 0 alarms"), equal.code]).toEqual([true, 0]);

    await run(
      "update sales set note = 'silent', at = at where id = 60",
      "delete from counted where n = 7",
    );
    const gone = await tarn(root, ["reconcile", "crm", "--threshold", "0"]);
    expect(gone.out).toContain("other values: 60 (note)");
    expect(gone.out).toContain("only here: 7");
    expect(gone.code).toBe(1);
  });
});
