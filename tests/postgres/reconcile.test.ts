/** What was delivered is compared with the source: equal after any changes, and one key that is not is named. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { tarn } from "../support/binary.ts";
import { postgresVersions, startPostgres } from "../support/postgres.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

const TABLES = [
  "create table orders (id int primary key, note text)",
  "create table lines (order_id int, sku text, n int, primary key (order_id, sku))",
  "create table rates (at timestamptz primary key)",
  "insert into orders select g, 'n' from generate_series(1, 2000) g",
  "insert into lines select g, 'sku-ü' || g % 7, 1 from generate_series(1, 500) g",
];
const CHANGES = [
  "insert into orders select g, 'later' from generate_series(2001, 2500) g",
  "delete from orders where id % 10 = 3",
  "update orders set id = id + 10000 where id between 100 and 150",
  "truncate lines",
  "insert into lines select g, 'new', 1 from generate_series(1, 300) g",
  "insert into rates values (now())",
];

test.skipIf(postgresVersions().length === 0)(
  "keys of every table are equal, until one row is gone behind the stream's back",
  async () => {
    expect(await buildIfStale()).toBe(0);
    const [version = 18] = postgresVersions();
    await using server = await startPostgres(version);
    const run = (sql: string) => server.run("checked", sql);
    for (const sql of TABLES) await run(sql);
    await using folder = await tempFolder();
    const root = folder.path;
    const url = `postgres://postgres@127.0.0.1:${server.port}/checked`;
    const source = JSON.stringify({ kind: "postgres", url, heartbeat: "1s" });
    writeFileSync(`${root}/tarn.yaml`, `sources: { shop: ${source} }\n`);
    expect((await tarn(root, ["build"])).code).toBe(0);

    for (const sql of CHANGES) await run(sql);
    const equal = await tarn(root, ["reconcile", "shop", "--threshold", "0"]);
    expect(equal.err).toContain("0 alarms");
    expect(equal.out).toContain("bronze.shop_orders         2,250 keys · all are here");
    expect(equal.out).toContain("bronze.shop_lines          300 keys · all are here");
    expect(equal.err).toContain("public.rates is not compared");
    expect(equal.code).toBe(0);

    // Of one statement nothing is published: the stream cannot know of it.
    const publication = (await run("select pubname from pg_publication"))[0]?.[0];
    await run(`alter publication "${publication}" set (publish = 'insert, update')`);
    await run("delete from orders where id = 1777");
    await run("delete from lines where order_id = 30");
    await run(
      `alter publication "${publication}" set (publish = 'insert, update, delete, truncate')`,
    );
    const gone = await tarn(root, ["reconcile", "shop"]);
    expect(gone.out).toMatch(/bronze\.shop_lines .* 0\.33 % differ/);
    expect(gone.out).toContain("order_id, sku with md5");
    expect(gone.out).toContain("only here: 30, new");
    // One of 2,249 is below the threshold: it is told, and no alarm.
    expect(gone.out).toMatch(/ {2}id \d+ to \d+: \d+ there, \d+ here · only here: 1777/);
    expect(gone.err).toContain("1 alarm");
    expect(gone.code).toBe(1);
    const strict = await tarn(root, ["reconcile", "shop", "--threshold", "0", "--json"]);
    const told = strict.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(told.map(({ table, windows }) => [table, windows.length])).toEqual([
      ["bronze.shop_lines", 1],
      ["bronze.shop_orders", 1],
    ]);
    expect(strict.code).toBe(1);

    // Beside a running engine it waits until that has landed all that was counted.
    const up = Bun.spawn([BINARY, "up"], { cwd: root, stdout: "ignore", stderr: "ignore" });
    try {
      await run("insert into lines select g, 'up', 1 from generate_series(1, 5000) g");
      const beside = await tarn(root, ["reconcile", "shop", "--threshold", "1"]);
      expect(beside.out).toContain("bronze.shop_lines          5,299 keys");
      expect([beside.code, beside.err.includes("0 alarms")]).toEqual([0, true]);
    } finally {
      up.kill("SIGTERM");
      await up.exited;
    }
  },
);
