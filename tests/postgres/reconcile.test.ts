/** What was delivered is compared with the source: equal after any changes, and one row that is not is named. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { BINARY, buildIfStale } from "../../examples/shop/binary.ts";
import { rows, tarn } from "../support/binary.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { literal, SETTINGS, SETUP, valuesFor } from "./every-type.ts";

setDefaultTimeout(180_000);

const TABLES = [
  "create table orders (id int primary key, note text, big text)",
  "alter table orders alter column big set storage external",
  "create table lines (order_id int, sku text, n numeric(8,2), primary key (order_id, sku))",
  "create table rates (at timestamptz primary key, rate float8)",
  "create table keyless (v text)",
  "alter table keyless replica identity full",
  "insert into orders select g, 'n', repeat('x', 3000) || g from generate_series(1, 2000) g",
  "insert into lines select g, 'sku-ü' || g % 7, 1 from generate_series(1, 500) g",
];
const CHANGES = [
  "insert into orders select g, 'later', null from generate_series(2001, 2500) g",
  "delete from orders where id % 10 = 3",
  "update orders set note = 'the large value stays' where id between 50 and 90",
  "update orders set id = id + 10000, big = big || '!' where id between 100 and 150",
  "truncate lines",
  "insert into lines select g, 'new', g / 3.0 from generate_series(1, 300) g",
  "insert into rates values ('2026-11-20 10:00:00.25+01', 0.1), ('1969-12-31 23:59:59Z', 'NaN')",
];

/** Rows whose cursor is not always there, and that no log is needed for. */
const PULLED = [
  "create role looker login",
  `create table sales (id bigint, part int, amount numeric(12,2), at timestamptz, note text,
    primary key (part, id))`,
  `insert into sales select i, case when i = 70 then 2 else 1 end, i / 4.0,
    case when i % 100 = 0 then null else timestamptz '2026-11-01 00:00Z' + i * interval '1 second' end, 'ü' || i
    from generate_series(1, 2501) i`,
  "create table country (code text primary key, name text)",
  "insert into country values ('NO', 'Norway'), ('SE', 'Sweden')",
  "create table loose (word text primary key)",
  "insert into loose values ('a')",
  "grant select on sales, country, loose to looker",
];

/** What was found is told as documents, kept as rows, and said by `status`. */
async function isKept(root: string): Promise<void> {
  const strict = await tarn(root, ["reconcile", "shop", "--threshold", "0", "--json"]);
  const told = strict.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ alarm }) => alarm);
  expect(told.map(({ table, against, differing }) => [table, against, differing])).toEqual([
    ["bronze.shop_lines", "source", 2],
    ["bronze.shop_orders", "source", 2],
    ["bronze.shop_rates", "source", 1],
  ]);
  expect(strict.code).toBe(1);
  const kept = await rows(
    root,
    `select table_name, run, "window" is null, differences, verified_through < compared_at
      from lake.reconciliations where against = 'source' and run = 2 and "window" is null order by 1`,
  );
  expect(kept).toEqual([
    "shop_lines,2,true,2,true",
    "shop_orders,2,true,2,true",
    "shop_rates,2,true,1,true",
  ]);
  const status = await tarn(root, ["status", "--exit-code"]);
  expect(status.out).toContain("bronze.shop_lines: 2 of 300 rows are not as in the source");
  expect(status.code).toBe(1);
}

const [version] = postgresVersions();

describe.skipIf(version === undefined)("reconcile", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    expect(await buildIfStale()).toBe(0);
    server = await startPostgres(version ?? 0);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  function project(root: string, database: string, more = ""): void {
    const url = `postgres://postgres@127.0.0.1:${server.port}/${database}`;
    const source = JSON.stringify({ kind: "postgres", url, heartbeat: "1s" });
    writeFileSync(`${root}/tarn.yaml`, `sources: { shop: ${source} }\n${more}`);
  }

  test("rows of every table are equal, until some are others behind the stream's back", async () => {
    const run = (sql: string) => server.run("checked", sql);
    for (const sql of TABLES) await run(sql);
    await using folder = await tempFolder();
    const root = folder.path;
    project(root, "checked");
    expect(await tarn(root, ["build"])).toMatchObject({ code: 0 });
    expect((await tarn(root, ["source", "models", "shop"])).code).toBe(0);

    for (const sql of CHANGES) await run(sql);
    expect((await tarn(root, ["build"])).code).toBe(0);
    const equal = await tarn(root, ["reconcile", "shop", "--threshold", "0"]);
    const lines = equal.out.replaceAll(/ at \S+ ·/g, " ·").split("\n");
    expect(lines).toContain("bronze.shop_orders         2,250 rows of the source · all are here");
    expect(lines).toContain("bronze.shop_lines          300 rows of the source · all are here");
    expect(lines).toContain("bronze.shop_rates          2 rows of the source · all are here");
    expect(lines).toContain("silver.orders              2,250 rows of its feed · all are here");
    expect(lines).toContain("bronze.shop_orders         2,833 rows of the ledger · all are here");
    expect(equal.err).toContain("public.keyless of shop is not compared: it has no primary key");
    expect([equal.err.includes(": 0 alarms"), equal.code]).toEqual([true, 0]);

    // Of these statements nothing is published: the stream cannot know of them.
    const publication = (await run("select pubname from pg_publication"))[0]?.[0];
    await run(`alter publication "${publication}" set (publish = 'insert')`);
    await run("delete from orders where id = 1777");
    await run("update orders set note = 'unseen' where id = 60");
    await run("update lines set n = 9 where order_id = 31");
    await run("update rates set rate = 0.2 where rate = 0.1");
    await run("delete from lines where order_id = 30");
    await run(
      `alter publication "${publication}" set (publish = 'insert, update, delete, truncate')`,
    );
    const gone = await tarn(root, ["reconcile", "shop"]);
    expect(gone.out).toMatch(/bronze\.shop_lines .* 2 differ \(0\.67 %\)/);
    expect(gone.out).toMatch(/order_id, sku with md5 .* other values: 31, new \(n\)/);
    expect(gone.out).toMatch(/order_id, sku with md5 \S+: \d there, \d here · only here: 30, new/);
    // Two of 2,250 are below the threshold: they are told, and no alarm.
    expect(gone.out).toMatch(/ {2}id \d+ to \d+: \d+ there, \d+ here · only here: 1777/);
    expect(gone.out).toMatch(/ {2}id \d+ to \d+: \d+ there, \d+ here · other values: 60 \(note\)/);
    expect(gone.out).toContain("other values: 2026-11-20T09:00:00.250000 (rate)");
    expect([gone.err.includes(": 2 alarms"), gone.code]).toEqual([true, 1]);

    await isKept(root);

    // Beside a running engine it waits until that has landed all that was counted.
    const up = Bun.spawn([BINARY, "up"], { cwd: root, stdout: "ignore", stderr: "ignore" });
    try {
      await run("insert into lines select g, 'up', 1 from generate_series(1, 5000) g");
      const beside = await tarn(root, ["reconcile", "shop", "--threshold", "100"]);
      expect(beside.out).toContain("bronze.shop_lines          5,299 rows of the source");
      expect([beside.code, beside.err.includes(": 0 alarms")]).toEqual([0, true]);
    } finally {
      up.kill("SIGTERM");
      await up.exited;
    }
  });

  test("tables that are pulled are compared by a role that may only read", async () => {
    const run = (sql: string) => server.run("pulled", sql);
    for (const sql of PULLED) await run(sql);
    await using folder = await tempFolder();
    const root = folder.path;
    const tables = {
      sales: { cursor: "at", overlap: "1h" },
      country: {},
      loose: { cursor: "word" },
    };
    const url = `postgres://looker@127.0.0.1:${server.port}/pulled`;
    const source = JSON.stringify({ kind: "pull", url, tables });
    writeFileSync(`${root}/tarn.yaml`, `sources: { crm: ${source} }\n`);
    expect(await tarn(root, ["build"])).toMatchObject({ code: 0 });
    await run("insert into sales values (4000, 1, 5, '2026-12-01 10:00+09', 'new')");
    const equal = await tarn(root, ["reconcile", "crm", "--threshold", "0"]);
    expect(equal.out).toContain(
      "bronze.crm_sales           2,502 rows of the source at 2026-12-01 01:00:00+00 · all are here",
    );
    expect(equal.out).toContain(
      "bronze.crm_country         2 rows of the source at its last load · all are here",
    );
    expect(equal.err).toContain(
      "loose of crm is not compared: values of its cursor word are not ordered alike on both sides",
    );
    expect([equal.err.includes(": 0 alarms"), equal.code]).toEqual([true, 0]);

    await run("update sales set note = 'silent' where id = 60");
    await run("delete from sales where id = 70");
    const gone = await tarn(root, ["reconcile", "crm", "--threshold", "0"]);
    expect(gone.out).toContain("other values: 1, 60 (note)");
    expect(gone.out).toContain("only here: 2, 70");
    expect([gone.err.includes(": 1 alarm"), gone.code]).toEqual([true, 1]);
  });

  test("values of every type are the same text on both sides", async () => {
    const client = await server.client("types");
    for (const setting of SETTINGS) await client.query(`set ${setting}`);
    await client.query(SETUP);
    const types = [...valuesFor(server.version)];
    for (const [index, [type, values]] of types.entries()) {
      await client.query(`create table t${index} (id int primary key, v ${type})`);
      for (const [row, value] of [...values, null].entries()) {
        await client.query(`insert into t${index} values (${row}, ${literal(value, type)})`);
      }
    }
    await using folder = await tempFolder();
    const root = folder.path;
    project(root, "types");
    expect((await tarn(root, ["build"])).code).toBe(0);
    const ran = await tarn(root, ["reconcile", "shop", "--threshold", "0", "--json"]);
    const found = ran.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const ofSource = found.filter(({ against }) => against === "source");
    expect(ofSource.length).toBe(types.length);
    const typeOf = (table: string) => types[Number(/\d+$/.exec(table)?.[0])]?.[0];
    // A value that is no date, such as infinity, makes a column of texts, in which it is told from others no more.
    const uncompared = ofSource.filter((one) => one.uncompared.length > 0);
    expect(uncompared.map(({ table }) => typeOf(table)).sort()).toEqual([
      "date",
      "numeric(12,4)",
      "small",
      "time",
      "timestamp",
      "timestamptz",
    ]);
    const differ = ofSource.filter(({ differing }) => differing > 0);
    expect(differ.map(({ table, windows }) => [typeOf(table), JSON.stringify(windows)])).toEqual(
      [],
    );
  });
});
