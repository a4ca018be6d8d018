/** Tables of a real server, pulled by a user who may only read them: page by page, and as loads. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { PULL } from "../../storage/sources/pull/kind.ts";
import { build, rows } from "../support/built-lake.ts";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

const SALES = `create table sales(part int, id bigint unsigned, kind enum('z','a') not null, raw varbinary(9) not null,
  at datetime(6), amount decimal(65,30), note varchar(20) character set latin1, bits bit(9), f float, day date,
  document json, bytes blob, t time, stamp timestamp(3) null, primary key (part, kind, raw, id), key (at))`;
const OF_ALL = "count(*), count(distinct (part, id))";

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  beforeAll(async () => {
    server = await choice.start({ "sql-mode": "ANSI_QUOTES" });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test("what is new or changed lands once, loads land when they differ, and nothing is bent", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const run = (...sql: readonly string[]) => server.run("pulled", ...sql);
    const sale = (id: number): string => `(${id % 3},
      ${18446744073709550000n + BigInt(id)}, '${id % 2 === 0 ? "z" : "a"}', x'00ff0${id % 10}',
      '2026-11-01 00:00:00.00000${id % 5}', ${id}.5, 'é€', ${id % 512},
      0.1, '2026-02-28', '{"n": 1}', x'80ff00', '100:00:00', '2026-11-01 03:00:00.5')`;
    await run(
      "set sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+03:00'",
      SALES,
      `insert into sales values ${Array.from({ length: 500 }, (_, id) => sale(id)).join()}`,
      "insert into sales(part, id, kind, raw, day) values (9, 1, 'a', x'', '0000-00-00')",
      "create table country(code char(2) primary key, name text)",
      "insert into country values ('NO', 'Norway'), ('SE', 'Sverige 😀')",
      "drop user if exists looker",
      "create user looker identified by 'it''s'",
      "grant select on pulled.* to looker",
    );
    const { host, port } = server.target;
    const url = `mysql://looker:it's@${host}:${port}/pulled`;
    const tables = { sales: { cursor: "at" }, "pulled.country": {} };
    const columns = { day: "varchar", t: "varchar" };
    const landing = { sales: { columns } };
    const source = JSON.stringify({ kind: "pull", url, page: 70, tables, landing });
    writeFileSync(`${root}/tarn.yaml`, `sources: { s: ${source} }\n`);
    expect(await build(root)).toEqual([]);
    expect(await rows(root, `select ${OF_ALL} from bronze.s_sales`)).toEqual([[501, 501]]);
    const exact = `select id::varchar, kind, raw::varchar, "at"::varchar, amount, note, bits, day, document,
      bytes::varchar, t, stamp::varchar from bronze.s_sales 
      where amount = '4.500000000000000000000000000000' or part = 9 order by part`;
    expect(await rows(root, exact)).toEqual([
      [
        ...["18446744073709550004", "z", "\\x00\\xFF\\x04", "2026-11-01 00:00:00.000004"],
        ...["4.500000000000000000000000000000", "é€", "000000100", "2026-02-28", '{"n": 1}'],
        ...["\\x80\\xFF\\x00", "100:00:00", "2026-11-01 00:00:00.5+00"],
      ],
      ["1", "a", "", null, null, null, null, "0000-00-00", null, null, null, null],
    ]);
    await run(
      "update sales set amount = 0, at = '2026-11-02' where part = 1 and raw = x'00ff04'",
      `insert into sales values ${sale(504)}, ${sale(509)}`,
      "update country set name = 'Sweden' where code = 'SE'",
    );
    const [[changed] = []] = await run("select count(*) from sales where amount = 0");
    expect(await build(root)).toEqual([]);
    expect(await build(root)).toEqual([]);
    const after = 501 + Number(changed) + 2;
    expect(await rows(root, `select ${OF_ALL} from bronze.s_sales`)).toEqual([[after, 503]]);
    const countries = "select code, name from bronze.s_pulled_country order by code, _position";
    expect(await rows(root, countries)).toEqual([
      ["NO", "Norway"],
      ["NO", "Norway"],
      ["SE", "Sverige 😀"],
      ["SE", "Sweden"],
    ]);
  });

  test("what does not fit is said by the check, with what to do", async () => {
    await server.run("unfit", "create table slow(id int primary key, at datetime not null)");
    await server.run("unfit", "create table keyless(at datetime)");
    const { host, port, user, password } = server.target;
    const url = `mysql://${user}:${encodeURIComponent(password)}@${host}:${port}/unfit`;
    const tables = [
      { name: "slow", cursor: "at", key: [], overlap: 0 },
      { name: "keyless", cursor: "at", key: [], overlap: 0 },
      { name: "nothing", cursor: null, key: [], overlap: 0 },
    ];
    const settings = { url, tls: "prefer", tls_ca: null, every: 1_000, page: 10, tables };
    const world = { from: null, lakeId: "l", projectRoot: "/", secretOf: async () => "" };
    const findings = await PULL.check({ name: "s", kind: "pull", settings }, world);
    expect(findings.map(({ state, todo }) => `${state} ${todo ?? ""}`)).toEqual([
      "ok ",
      "warn CREATE INDEX slow_at ON slow (at, id);",
      "bad say what names a row: key: [id], or leave cursor out to read all rows each time",
      "bad correct its name, with its schema where it is another one: tables: of the source",
    ]);
  });
});
