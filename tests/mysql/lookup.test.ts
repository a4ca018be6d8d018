/** Lookups of a real MariaDB or MySQL: the database of the url, keys as they are spelled, and servers that stall. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildIfStale } from "../../examples/shop/binary.ts";
import { drop, rows, tarn } from "../support/binary.ts";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { tempFolder } from "../support/temp-folder.ts";

setDefaultTimeout(180_000);

beforeAll(async () => {
  if ((await buildIfStale()) !== 0) throw new Error("dist/tarn cannot be built");
});

function model(ask: string, key: string, columns: string, query: string): string {
  return `/* tarn
   kind: lookup
   from: crm
   ask: ${ask}
   key: ${key}
   columns: ${columns}
*/
${query}
`;
}

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  beforeAll(async () => {
    server = await choice.start();
    await server.run(
      "crm",
      "create table codes(code varchar(20) primary key, tier varchar(20), since datetime(6), amount decimal(30,4))",
      `insert into codes values ('007', 'seven', '2020-01-01 10:00:00.123456', 12345678901234567890.1234),
        ('7', 'plain', null, -0.5), ('Ann', 'upper', null, null), ('ü''"$&', 'odd', null, null)`,
      "create table names(id bigint primary key, name text)",
      "insert into names values (1, 'one'), (9007199254740992, 'even'), (9007199254740993, 'odd')",
    );
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  async function project(root: string, models: Readonly<Record<string, string>>, more = "") {
    const { host, port, user, password } = server.target;
    const url = `mysql://${user}:${password}@${host}:${port}/crm`;
    mkdirSync(join(root, "models", "bronze"), { recursive: true });
    writeFileSync(
      join(root, "tarn.yaml"),
      `sources: { keys: { columns: { code: varchar, n: bigint } } }
lookups: { crm: { url: "${url}", tls: disable${more} } }
`,
    );
    for (const [name, text] of Object.entries(models)) {
      writeFileSync(join(root, "models", "bronze", `${name}.sql`), text);
    }
  }

  test("keys find their rows as they are spelled, and no other", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const columns = '{ tier: varchar, since: timestamp, amount: "decimal(30,4)" }';
    const ask = "select code, tier, since, amount from codes where code in ({keys})";
    const byId = "select id, name from names where id in ({keys})";
    await project(root, {
      codes: model(ask, "code", columns, "select code from bronze.keys"),
      names: model(byId, "id", "{ name: varchar }", "select n as id from bronze.keys"),
    });
    const lines = [
      "007,1",
      "7,9007199254740993",
      "ann,9007199254740992",
      "nobody,-5",
      `"ü'""$&",0`,
    ];
    await drop(root, "drops/keys/a.csv", `code,n\n${lines.join("\n")}\n`);
    const built = await tarn(root, ["build"]);
    expect(`${built.out}${built.err}`).toContain("bronze.codes@1");
    const said = "replace(concat_ws(' ', code, _answer, tier, since, amount, _error), '\"', '″')";
    expect(await rows(root, `select ${said} from bronze.codes order by code`)).toEqual([
      "007 found seven 2020-01-01 10:00:00.123456 12345678901234567890.1234",
      "7 found plain -0.5000",
      `"ann error an answer has a row of Ann, which nobody asked for"`,
      `"nobody error an answer has a row of Ann, which nobody asked for"`,
      "ü'″$& found odd",
    ]);
    const named = "select concat_ws(' ', id, _answer, name) as said from bronze.names order by id";
    expect(await rows(root, named)).toEqual([
      "-5 not_found",
      "0 not_found",
      "1 found one",
      "9007199254740992 found even",
      "9007199254740993 found odd",
    ]);
  });

  test("a server that does not answer in time is left", async () => {
    await using folder = await tempFolder();
    const root = folder.path;
    const ask = "select code, sleep(60) as tier from codes where code in ({keys})";
    const slow = model(ask, "code", "{ tier: varchar }", "select code from bronze.keys");
    await project(root, { slow }, ", timeout: 1s, retries: 0");
    await drop(root, "drops/keys/a.csv", "code,n\n7,1\n");
    const startedMs = performance.now();
    const built = await tarn(root, ["build"]);
    expect(`${built.out}${built.err}`).toContain("crm did not answer within 1s");
    expect(performance.now() - startedMs).toBeLessThan(40_000);
  });
});
