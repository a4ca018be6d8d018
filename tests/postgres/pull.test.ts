/** Tables of a real database, pulled by a role that may only read them, into a lake and its models. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { PULL } from "../../storage/sources/pull/kind.ts";
import { build, rows } from "../support/built-lake.ts";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

/** A database whose settings bend texts, with a role that may only read. */
async function sales(server: PostgresServer) {
  const db = await server.client("pulled");
  await db.query("create role looker login");
  await db.query("alter database pulled set datestyle to 'German'");
  await db.query("alter database pulled set timezone to 'Asia/Tokyo'");
  await db.query(`create table sales (id bigint, part int, amount numeric(12,2), big numeric,
    at timestamptz, tags text[], raw bytea, doc jsonb, d date, f double precision, primary key (part, id))`);
  await db.query("create index on sales (at)");
  await db.query("create table country(code text primary key, name text)");
  await db.query("grant select on sales, country to looker");
  await db.query(`insert into sales select i, i % 3, i / 4.0, 1e30 + i,
    timestamptz '2026-11-01 00:00Z' + i / 5 * interval '1 hour', array['a', null, 'ü"'], '\\x00ff',
    '{"n": 12345678901234567890}', date '2026-02-28', 0.1 + i from generate_series(1, 2500) i`);
  await db.query("insert into sales(id, part) values (7, -1)");
  await db.query("insert into country values ('NO', 'Norway'), ('SE', 'Sweden')");
  return db;
}

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(version);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("rows that are new or changed land once, loads become versions, and nothing is bent", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const db = await sales(server);
    mkdirSync(`${root}/models/silver`, { recursive: true });
    const url = `postgres://looker@127.0.0.1:${server.port}/pulled`;
    const tables = { sales: { cursor: "at", overlap: "2h" }, "public.country": {} };
    const source = JSON.stringify({ kind: "pull", url, page: 700, tables });
    writeFileSync(`${root}/tarn.yaml`, `sources: { s: ${source} }\n`);
    const cdc =
      "/* tarn\n   kind: cdc\n   keys: [part, id]\n   sequence_by: _position\n*/\nfrom bronze.s_sales\n";
    writeFileSync(`${root}/models/silver/sales.sql`, cdc);
    const loads =
      "/* tarn\n   kind: snapshot\n   keys: code\n*/\nselect code, name from bronze.s_country\n";
    writeFileSync(`${root}/models/silver/country.sql`, loads);

    expect(await build(root)).toEqual([]);
    const all =
      "select count(*), count(distinct (part, id)), sum(amount)::varchar from bronze.s_sales";
    expect(await rows(root, all)).toEqual([[2501, 2501, "781562.50"]]);
    const exact = `select big, "at"::varchar, tags, raw::varchar, doc, d::varchar, f from bronze.s_sales where id = 5`;
    expect(await rows(root, exact)).toEqual([
      [
        "1000000000000000000000000000005",
        "2026-11-01 01:00:00+00",
        '{a,NULL,"ü\\""}',
        "\\x00\\xFF",
        '{"n": 12345678901234567890}',
        "2026-02-28",
        5.1,
      ],
    ]);

    await db.query("update sales set amount = 0, at = '2026-11-21 21:30Z' where id = 5");
    await db.query(
      "insert into sales(id, part, at) values (9001, 0, '2026-11-21 19:10Z'), (9002, 0, null)",
    );
    await db.query("delete from country where code = 'SE'");
    await db.query("insert into country values ('DK', 'Denmark')");
    expect(await build(root)).toEqual([]);
    expect(await build(root)).toEqual([]);
    const fresh =
      "select id, count(*) from bronze.s_sales where id in (5, 7, 2500, 9001, 9002) group by id order by id";
    expect(await rows(root, fresh)).toEqual([
      [5, 2],
      [7, 2],
      [2500, 1],
      [9001, 1],
      [9002, 1],
    ]);
    expect(await rows(root, "select count(*), min(amount)::varchar from silver.sales")).toEqual([
      [2503, "0.00"],
    ]);
    const versions = "select code, __END_AT is null from silver.country order by 1";
    expect(await rows(root, versions)).toEqual([
      ["DK", true],
      ["NO", true],
      ["SE", false],
    ]);
  });

  test("what does not fit is said by the check and by the build, with what to do", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const db = await server.client("unfit");
    await db.query("create table keyless(at timestamptz, v int)");
    await db.query("create table loose(at timestamptz, v int)");
    const url = `postgres://postgres@127.0.0.1:${server.port}/unfit`;
    const tables = [
      { name: "keyless", cursor: "at", key: [], overlap: 0 },
      { name: "loose", cursor: "at", key: ["v"], overlap: 0 },
      { name: "keyless", cursor: "on", key: [], overlap: 0 },
      { name: "nothing", cursor: null, key: [], overlap: 0 },
      { name: "keyless", cursor: null, key: [], overlap: 0 },
    ];
    const settings = { url, tls: "prefer", tls_ca: null, every: 1_000, page: 10, tables };
    const world = { from: null, lakeId: "l", projectRoot: root, secretOf: async () => "" };
    const findings = await PULL.check({ name: "s", kind: "pull", settings }, world);
    expect(findings.map(({ state, text }) => `${state} ${text}`)).toEqual([
      "ok the database answers",
      "bad keyless has no primary key",
      "bad v of loose may be NULL, which names no row",
      "bad keyless has no column on",
      "bad there is no table nothing in unfit",
      "ok no cursor: all rows are read each time, as one load",
    ]);
    writeFileSync(
      `${root}/tarn.yaml`,
      `sources: { s: { kind: pull, url: "${url}", tables: { nothing: {} } } }\n`,
    );
    expect(await build(root)).toEqual(["there is no table nothing in unfit"]);
  });
});
