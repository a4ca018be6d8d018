/** What the binary log says, event by event, as real servers write it. Numbers are those of the cases in the issue. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { MysqlLake } from "./stream-lake.ts";

setDefaultTimeout(180_000);

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  let count = 0;
  beforeAll(async () => {
    server = await choice.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** A lake over a database of its own, whose tables are made first. */
  async function lakeOf(...made: readonly string[]) {
    count += 1;
    const database = `db${count}`;
    await server.run(database, ...made);
    const lake = await MysqlLake.make(server, { database });
    const run = (...sql: readonly string[]) => server.run(database, ...sql);
    return { lake, run, database };
  }

  /** Operations of a table, with its first column. */
  function ops(lake: MysqlLake, table: string): readonly string[] {
    return lake.of(table).map(({ op, values }) => `${op}${values.id ?? ""}`);
  }

  test("rows that are there come first, then each transaction, once", async () => {
    const made = [
      "create table t(id int primary key, v varchar(20))",
      "insert into t values (1, 'a'), (2, null)",
    ];
    const { lake, run } = await lakeOf(...made);
    await using _lake = lake;
    await lake.untilNow();
    await run(
      "insert into t values (3, 'ü😀')",
      "update t set v = 'b' where id = 1",
      "delete from t where id = 2",
    );
    await lake.untilNow();
    expect(ops(lake, "t")).toEqual(["r1", "r2", "c3", "u1", "d2"]);
    expect(lake.of("t").map(({ values }) => values.v)).toEqual(["a", null, "ü😀", "b", null]);
  });

  test("a transaction over two tables is one, and what was rolled back never comes", async () => {
    const { lake, run } = await lakeOf(
      "create table a(id int primary key)",
      "create table b(id int primary key)",
    );
    await using _lake = lake;
    await lake.untilNow();
    await run("begin", "insert into a values (1)", "insert into b values (1)", "commit");
    await run("begin", "insert into a values (2)", "rollback");
    await run(
      "begin",
      "insert into a values (3)",
      "savepoint s",
      "insert into a values (4)",
      "rollback to s",
      "commit",
    );
    await lake.untilNow();
    expect(ops(lake, "a")).toEqual(["c1", "c3"]);
    expect(lake.of("b")[0]?.transaction).toBe(lake.of("a")[0]?.transaction ?? "");
  });

  test("a reader that dies anywhere goes on where the lake is", async () => {
    const { lake, run } = await lakeOf("create table t(id int primary key, v int)");
    await using _lake = lake;
    await run(
      `insert into t values ${Array.from({ length: 200 }, (_, id) => `(${id}, 0)`).join()}`,
    );
    for (let round = 0; round < 10; round++) {
      await lake.open();
      await run(`update t set v = v + 1 where id % 10 = ${round}`);
      if (round % 2 === 0) await lake.step();
    }
    await lake.untilNow();
    expect(lake.of("t").filter(({ op }) => op === "r").length).toBe(200);
    const found = [...lake.current("t").values()].map(({ id, v }) => [id, v]);
    const wanted = await run("select id, v from t order by id");
    expect(found.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual(
      wanted.map((row) => [...row]),
    );
  });
});
