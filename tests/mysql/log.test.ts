/**
 * What stands in the binary log of real servers beside plain rows, and what does not stand in it. The numbers are those
 * of the facts that were found by running them.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parsePosition, positionText, readAgain } from "../../storage/sources/mysql/position.ts";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { MysqlLake } from "./stream-lake.ts";

setDefaultTimeout(180_000);

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  let count = 0;
  // What the other has not: tables with a history, sequences, compressed events, statements that are logged twice.
  const ofMariaDb = test.skipIf(!choice.isMariaDb);
  const ofMysql = test.skipIf(choice.isMariaDb);
  beforeAll(async () => {
    server = await choice.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  /** A lake over a database of its own, whose tables were made and read first. */
  async function lakeOf(made: readonly string[], settings: Readonly<Record<string, unknown>> = {}) {
    count += 1;
    const database = `db${count}`;
    await server.run(database, ...made);
    const lake = await MysqlLake.make(server, { database, settings });
    await lake.untilNow();
    // Tables without transactions are read after the others.
    await lake.caughtUp();
    const run = (...sql: readonly string[]) => server.run(database, ...sql);
    return { lake, run, database };
  }

  /** Operations of a table, with its key. */
  function ops(lake: MysqlLake, table: string): string {
    return lake
      .of(table)
      .map(({ op, values }) => `${op}${values.id ?? ""}`)
      .join(" ");
  }

  /** Why a table is not read any more. */
  function stopped(lake: MysqlLake, name: string): string | undefined {
    return parsePosition(lake.position ?? "").tables[name]?.stopped;
  }

  /** Marks a table to be read anew, and reads it. */
  async function anew(lake: MysqlLake, name: string): Promise<void> {
    await lake.stream?.close();
    lake.stream = null;
    lake.position = positionText(readAgain(parsePosition(lake.position ?? ""), name));
    const at = () => parsePosition(lake.position ?? "");
    while (at().tables[name]?.member !== "1" || at().pending.length > 0) await lake.step();
  }

  const T = "create table t(id int primary key, v varchar(20))";

  test("29: rows of XA land when it is committed, also when the reader died meanwhile", async () => {
    const { lake, run, database } = await lakeOf([T]);
    await using _lake = lake;
    const other = await server.client(database);
    const xa = async (name: string, ...sql: readonly string[]): Promise<void> => {
      for (const one of [
        `xa start '${name}'`,
        ...sql,
        `xa end '${name}'`,
        `xa prepare '${name}'`,
      ]) {
        await other.rows(one, "xa");
      }
    };
    await xa("a", "insert into t values (1, 'xa')", "insert into t values (2, 'xa')");
    await run("insert into t values (3, 'plain')");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("c3");
    await lake.open();
    await other.rows("xa commit 'a'", "commit");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("c3 c1 c2");
    await xa("b", "insert into t values (4, 'xa')");
    await other.rows("xa rollback 'b'", "roll back");
    await xa("it''s, a name", "insert into t values (5, 'xa')");
    await other.rows("xa commit 'it''s, a name'", "commit");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("c3 c1 c2 c5");
    expect(parsePosition(lake.position ?? "").prepared).toEqual([]);
  });

  test("29: rows that were prepared before anything was read are waited for, and read", async () => {
    count += 1;
    const database = `db${count}`;
    const other = await server.client(database);
    for (const sql of [
      T,
      "xa start 'w'",
      "insert into t values (1, 'x')",
      "xa end 'w'",
      "xa prepare 'w'",
    ]) {
      await other.rows(sql, "prepare");
    }
    await using lake = await MysqlLake.make(server, { database });
    await lake.open();
    await lake.step();
    expect(lake.rows.length).toBe(0);
    await other.rows("xa commit 'w'", "commit");
    // Rows of other tables come while this one is waited for.
    await lake.until((rows) => rows.some(({ table }) => table === `${database}.t`));
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("r1");
  });

  test("29: rows that were prepared unseen and committed before tables are read are in those", async () => {
    count += 1;
    const database = `db${count}`;
    const other = await server.client(database);
    const ready = ["xa start 'u'", "insert into t values (1, 'x')", "xa end 'u'", "xa prepare 'u'"];
    for (const sql of [T, ...ready]) await other.rows(sql, "prepare");
    await using lake = await MysqlLake.make(server, { database });
    const stream = await lake.open();
    await lake.step();
    await stream.close();
    // As if it had been committed just before it was asked for what is prepared.
    lake.position = positionText({ ...parsePosition(lake.position ?? ""), prepared: [] });
    await other.rows("xa commit 'u'", "commit");
    await lake.open();
    await lake.until((rows) => rows.some(({ table }) => table === `${database}.t`));
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("r1");
  });

  const PARENT = "create table p(id int primary key, v int)";
  const CHILD = `create table c(id int primary key, p int,
    foreign key (p) references p(id) on delete cascade on update cascade)`;

  test("30: foreign keys that nobody looks at change no rows", async () => {
    const { lake, run, database } = await lakeOf([PARENT, CHILD, "insert into p values (1, 0)"]);
    await using _lake = lake;
    await run("insert into c values (10, 1)", "set foreign_key_checks = 0");
    await run("delete from p where id = 1", "set foreign_key_checks = 1");
    await lake.untilNow();
    expect(stopped(lake, `${database}.c`)).toBeUndefined();
    expect(ops(lake, "c")).toBe("c10");
  });

  ofMysql("30: rows that a foreign key changes are in the log of a newer MySQL", async () => {
    const { lake, run, database } = await lakeOf([
      PARENT,
      CHILD,
      "insert into p values (1, 0), (2, 0)",
    ]);
    await using _lake = lake;
    // Before 9.6 the engine does it by itself, and it is as with MariaDB.
    const [known] = await run("show variables like 'innodb_native_foreign_keys'");
    if (known?.[1] !== "OFF") return;
    await run("insert into c values (10, 1), (20, 2)", "delete from p where id = 1");
    await run("update p set id = 3 where id = 2");
    await lake.untilNow();
    expect(stopped(lake, `${database}.c`)).toBeUndefined();
    expect(ops(lake, "c")).toBe("c10 c20 d10 u20");
    expect(lake.current("c").get("20")?.p).toBe("3");
  });

  ofMariaDb(
    "30: rows that a foreign key deletes stop their table, which is read anew",
    async () => {
      const { lake, run, database } = await lakeOf([
        PARENT,
        CHILD,
        "insert into p values (1, 0), (2, 0), (3, 0)",
        "insert into c values (10, 1), (20, 2), (30, 3)",
      ]);
      await using _lake = lake;
      await run("update p set v = 1", "insert into c values (31, 3)");
      await lake.untilNow();
      expect(stopped(lake, `${database}.c`)).toBeUndefined();
      await run("delete from p where id = 1", "insert into c values (32, 3)");
      await lake.untilNow();
      expect(stopped(lake, `${database}.c`)).toContain("by a foreign key");
      expect(lake.notices.join()).toContain("tarn source resnapshot shop");
      expect(ops(lake, "c")).toBe("r10 r20 r30 c31");
      await anew(lake, `${database}.c`);
      expect([...lake.current("c").keys()].toSorted()).toEqual(["20", "30", "31", "32"]);
      await run("update p set id = 4 where id = 2");
      await lake.untilNow();
      expect(stopped(lake, `${database}.c`)).toContain("by a foreign key");
      expect(ops(lake, "p")).toBe("r1 r2 r3 u1 u2 u3 d1 u4");
    },
  );

  test("31: truncated, dropped and made again, replaced, renamed: by statements alone", async () => {
    const { lake, run, database } = await lakeOf([T, "insert into t values (1, 'a')"]);
    await using _lake = lake;
    await run("truncate /* of */ t", "insert into t values (2, 'b')");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("r1 t c2");
    await run("drop table t");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("r1 t c2");
    await run("create table t(id int primary key, w int)", "insert into t values (3, 3)");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("r1 t c2 t c3");
    // MySQL knows no other way than in two statements.
    if (choice.isMariaDb) {
      await run(`create or replace table ${database}.t(id int primary key, w int) engine = innodb`);
    } else await run("drop table t", `create table ${database}.t(id int primary key, w int)`);
    await run("insert into t values (4, 4)");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("r1 t c2 t c3 t c4");
    await run("create table n(id int primary key, w int)", "insert into n values (5, 5)");
    await run("rename table t to gone, n to t");
    await lake.untilNow();
    while (!lake.current("t").has("5")) await lake.step();
    await run("insert into t values (6, 6)");
    await lake.untilNow();
    expect([...lake.current("t").keys()]).toEqual(["5", "6"]);
    await run("alter table t rename to u");
    await run("insert into u values (7, 7)");
    await lake.untilNow();
    while (!lake.current("u").has("7")) await lake.step();
    expect([...lake.current("u").keys()].toSorted()).toEqual(["5", "6", "7"]);
  });

  test("31: partitions that are emptied or dropped stop their table", async () => {
    const parted =
      "partition by range (id) (partition a values less than (10), partition b values less than maxvalue)";
    const { lake, run, database } = await lakeOf([
      `create table t(id int primary key) ${parted}`,
      "insert into t values (1), (20)",
    ]);
    await using _lake = lake;
    await run("alter table t truncate partition a");
    await lake.untilNow();
    expect(stopped(lake, `${database}.t`)).toContain("TRUNCATE PARTITION");
    await anew(lake, `${database}.t`);
    expect([...lake.current("t").keys()]).toEqual(["20"]);
    await run("alter table t drop partition a");
    await lake.untilNow();
    expect(stopped(lake, `${database}.t`)).toContain("DROP PARTITION");
  });

  test("32: statements that are logged as such stop the tables that they name", async () => {
    const { lake, run, database } = await lakeOf([T, "create table o(id int primary key)"]);
    await using _lake = lake;
    await run("set binlog_format = STATEMENT", "insert into t values (1, 'a')");
    await run(
      "set binlog_format = ROW",
      "insert into t values (2, 'b')",
      "insert into o values (1)",
    );
    await lake.untilNow();
    expect(stopped(lake, `${database}.t`)).toContain("INSERT");
    expect(ops(lake, "o")).toBe("c1");
    await anew(lake, `${database}.t`);
    expect(ops(lake, "t")).toBe("t r1 r2");
  });

  test.each(["MINIMAL", "NOBLOB", "FULL_NODUP"])("32: row images that are %s", async (image) => {
    const made = "create table t(id int primary key, a int, b text, c int default 7)";
    const { lake, run } = await lakeOf([
      made,
      "insert into t values (1, 1, 'long', 1), (2, null, null, null)",
    ]);
    await using _lake = lake;
    // FULL_NODUP is of MariaDB 11.4 and newer.
    const isKnown = await run(`set binlog_row_image = ${image}`).catch(() => null);
    if (isKnown === null) return;
    await run("update t set a = 2 where id = 1", "update t set a = null where id = 1");
    await run(
      "update t set id = 3 where id = 2",
      "delete from t where id = 3",
      "insert into t(id, a) values (4, 4)",
    );
    await lake.untilNow();
    const [, , first, second, moved, gone] = lake.of("t");
    expect([first?.values.a, second?.values.a]).toEqual(["2", null]);
    const isThere = image === "FULL_NODUP";
    expect(first?.values.b ?? first?.unchanged).toBe(
      isThere ? "long" : image === "NOBLOB" ? `["b"]` : `["b","c"]`,
    );
    expect(second?.unchanged ?? "").not.toContain(`"a"`);
    expect([moved?.values.id, moved?.before, gone?.op, gone?.values.id]).toEqual([
      "3",
      `{"id":2}`,
      "d",
      "3",
    ]);
    expect(lake.of("t").filter(({ fault }) => fault !== null)).toEqual([]);
    expect(lake.current("t").get("4")?.a).toBe("4");
  });

  ofMariaDb(
    "33: a table that keeps its own history is left out, and the others go on",
    async () => {
      const { lake, run, database } = await lakeOf([
        T,
        "create table h(id int primary key) with system versioning",
      ]);
      await using _lake = lake;
      await run(
        "insert into h values (1)",
        "update h set id = 2",
        "delete from h",
        "insert into t values (1, 'a')",
      );
      await lake.untilNow();
      expect(ops(lake, "t")).toBe("c1");
      expect(lake.of("h")).toEqual([]);
      expect(lake.notices.join()).toContain(`${database}.h is left out`);
    },
  );

  ofMariaDb("34: a sequence is no table", async () => {
    const { lake, run } = await lakeOf([T, "create sequence s cache 2"]);
    await using _lake = lake;
    await run(
      "select nextval(s)",
      "insert into t values (nextval(s), 'a')",
      "select nextval(s)",
      "create sequence s2",
    );
    await run("select nextval(s2)", "insert into t values (9, 'b')");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("c2 c9");
  });

  test("35: virtual and invisible columns are there, and an update that changes nothing is none", async () => {
    const { lake, run } = await lakeOf([
      "create table t(id int primary key, v int as (id * 2), s int as (id * 3) stored, i int invisible default 5)",
      "insert into t(id) values (1)",
    ]);
    await using _lake = lake;
    await run(
      "insert into t(id) values (2)",
      "update t set i = 5",
      "replace into t(id) values (2)",
    );
    await run("insert into t(id) values (2) on duplicate key update i = 6");
    await lake.untilNow();
    const shown = lake
      .of("t")
      .map(({ op, values: { id, v, s, i } }) => [op, id, v, s, i].join(" "));
    expect(shown).toEqual(["r 1 2 3 5", "c 2 4 6 5", "u 2 4 6 6"]);
  });

  test("36: rows behind a savepoint that was gone back to never come", async () => {
    const { lake, run } = await lakeOf([T, "create table m(id int primary key) engine = MyISAM"]);
    await using _lake = lake;
    await run("insert into m values (1)", "begin", "insert into t values (1, 'a')", "savepoint s");
    await run("insert into t values (2, 'a')", "rollback to s", "insert into t values (3, 'a')");
    await run("commit", "create table n as select id, v from t");
    await lake.untilNow();
    expect([ops(lake, "t"), ops(lake, "m")]).toEqual(["c1 c3", "c1"]);
    while (!lake.current("n").has("3")) await lake.step();
    expect([...lake.current("n").keys()].toSorted()).toEqual(["1", "3"]);
  });

  // MySQL refuses to log transactions over tables of which only some have them.
  ofMariaDb("36: groups end in several ways, and savepoints stand inside of them", async () => {
    const { lake, run, database } = await lakeOf([
      T,
      "create table m(id int primary key) engine = MyISAM",
    ]);
    await using _lake = lake;
    await run("begin", "insert into t values (1, 'a')", "insert into m values (1)", "commit");
    await run("begin", "insert into t values (2, 'a')", "insert into m values (2)", "rollback");
    await run(
      "begin",
      "insert into t values (3, 'a')",
      "savepoint s",
      "insert into t values (4, 'a')",
    );
    await run(
      "insert into m values (4)",
      "rollback to s",
      "insert into t values (5, 'a')",
      "commit",
    );
    await run("create table n as select id, v from t");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("c1 c3 c5");
    expect(ops(lake, "m")).toBe("c1 c2 c4");
    expect(stopped(lake, `${database}.n`)).toBeUndefined();
    expect([...lake.current("n").keys()].toSorted()).toEqual(["1", "3", "5"]);
  });

  ofMariaDb("37: compressed events stand among plain ones", async () => {
    const { lake, run } = await lakeOf(["create table t(id int primary key, v text)"]);
    await using _lake = lake;
    await run("set global log_bin_compress = 1", "set global log_bin_compress_min_len = 10");
    await run(
      "insert into t select seq, repeat('x', 500) from seq_1_to_300",
      "update t set v = 'short' where id = 1",
    );
    await run(
      "delete from t where id > 10",
      "create table a_table_with_a_rather_long_name(id int primary key)",
    );
    await run("set global log_bin_compress = 0", "insert into t values (1000, 'plain')");
    await run("insert into a_table_with_a_rather_long_name values (1)");
    await lake.untilNow();
    const wanted = await run("select id, v from t order by id");
    const found = [...lake.current("t").values()].map(({ id, v }) => [id, v]);
    expect(found.toSorted(([a], [b]) => Number(a) - Number(b))).toEqual(
      wanted.map((row) => [...row]),
    );
    expect(ops(lake, "a_table_with_a_rather_long_name")).toBe("t c1");
  });

  ofMariaDb(
    "38: a statement that is logged when it begins and when it ends changes the table once",
    async () => {
      const { lake, run } = await lakeOf([T, "insert into t values (1, 'a')"]);
      await using _lake = lake;
      await run("set binlog_alter_two_phase = 1", "alter table t add column w int default 5");
      await run("set binlog_alter_two_phase = 0", "insert into t values (2, 'b', 2)");
      await run(
        "alter table t drop column v, modify w bigint, rename column id to id2",
        "alter table t rename column id2 to id",
      );
      await run("insert into t values (3, 3)");
      await lake.untilNow();
      expect(lake.of("t").map(({ values }) => values)).toMatchObject([
        { id: "1", v: "a" },
        { id: "2", v: "b", w: "2" },
        { id: "3", w: "3" },
      ]);
    },
  );

  test("what stands in other databases, and tables that are not wanted, are passed over", async () => {
    const { lake, run } = await lakeOf([T, "create table x(id int primary key)"], {
      tables: ["t", "marks"],
    });
    await using _lake = lake;
    await server.run("elsewhere", T, "insert into t values (1, 'a')", "drop table t");
    await run("insert into x values (1)", "truncate x", "insert into t values (1, 'a')");
    await lake.untilNow();
    expect(ops(lake, "t")).toBe("c1");
    expect(lake.of("x")).toEqual([]);
  });

  test("tables that are made while nobody reads are read once", async () => {
    const { lake, run } = await lakeOf([T]);
    await using _lake = lake;
    await lake.stream?.close();
    lake.stream = null;
    await run(
      "create table l(id int primary key)",
      "insert into l values (1), (2)",
      "delete from l where id = 1",
    );
    await lake.untilNow();
    while (!lake.current("l").has("2")) await lake.step();
    await run("insert into l values (3)");
    await lake.untilNow();
    expect([...lake.current("l").keys()]).toEqual(["2", "3"]);
    expect(lake.of("l").filter(({ values }) => values.id === "2").length).toBe(1);
  });
});
