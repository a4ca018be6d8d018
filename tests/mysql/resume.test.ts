/** Where a stream goes on: behind which transactions, of which server, and what it says where it cannot. */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkSource } from "../../storage/sources/mysql/check.ts";
import { parsePosition, positionText, readAgain } from "../../storage/sources/mysql/position.ts";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { MysqlLake } from "./stream-lake.ts";

setDefaultTimeout(180_000);

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  let count = 0;
  // A server that is given goes on, and keeps its log: it is somebody's.
  const ofOwn = test.skipIf(!choice.isOwn);
  // MySQL counts by servers, and has no domains.
  const ofMariaDb = test.skipIf(!choice.isMariaDb);
  const ofOwnMysql = test.skipIf(choice.isMariaDb || !choice.isOwn);
  beforeAll(async () => {
    server = await choice.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  async function lakeOf(settings: Readonly<Record<string, unknown>> = {}) {
    count += 1;
    const database = `db${count}`;
    await server.run(database, "create table t(id int primary key)", "insert into t values (1)");
    const lake = await MysqlLake.make(server, { database, settings });
    await lake.untilNow();
    return { lake, database };
  }

  /** Ends the reader, and sees to it that the server knows: it keeps the log that somebody reads. */
  async function ended(lake: MysqlLake, database: string): Promise<void> {
    await lake.stream?.close();
    lake.stream = null;
    const readers = `select id from information_schema.processlist where command like 'Binlog Dump%'`;
    for (let left = await server.run(database, readers); left.length > 0; ) {
      for (const [id] of left) await server.run(database, `kill ${id}`).catch(() => {});
      left = await server.run(database, readers);
    }
  }

  /** What a lake that is opened again says. */
  async function refusal(lake: MysqlLake): Promise<string> {
    await lake.stream?.close();
    lake.stream = null;
    try {
      for (;;) await lake.step();
    } catch (thrown) {
      return String(thrown);
    }
  }

  ofOwn("39: a log without check sums is read, and so is one that gets them", async () => {
    const { lake, database } = await lakeOf();
    await using _lake = lake;
    await server.run(database, "set global binlog_checksum = NONE", "insert into t values (2)");
    await lake.open();
    await server.run(database, "insert into t values (3)");
    await lake.untilNow();
    await server.run(database, "set global binlog_checksum = CRC32", "insert into t values (4)");
    await lake.untilNow();
    expect(lake.of("t").map(({ values }) => values.id)).toEqual(["1", "2", "3", "4"]);
  });

  ofOwn(
    "40: a log that was removed before it was read is a gap, and is read anew when somebody says so",
    async () => {
      const { lake, database } = await lakeOf();
      await using _lake = lake;
      await ended(lake, database);
      await server.run(
        database,
        "insert into t values (2)",
        "flush binary logs",
        "insert into t values (3)",
      );
      await server.run(database, "flush binary logs", "delete from t where id = 1");
      // The server keeps what its engines may need after a crash, for a moment.
      for (let names: (string | null | undefined)[] = []; names.length !== 1; ) {
        names = (await server.run(database, "show binary logs")).map(([name]) => name);
        await server.run(database, `purge binary logs to '${names.at(-1)}'`);
      }
      expect(await refusal(lake)).toMatch(/changes from .* are missing/);
      lake.position = positionText(readAgain(parsePosition(lake.position ?? ""), null));
      lake.stream = null;
      await lake.untilNow();
      await lake.caughtUp();
      expect([...lake.current("t").keys()].toSorted()).toEqual(["2", "3"]);
    },
  );

  ofMariaDb("40: a server whose log was reset, and another server, are not read on", async () => {
    const { lake, database } = await lakeOf();
    await using _lake = lake;
    await server.run(database, "reset master");
    expect(await refusal(lake)).toContain("it is another one, or its log was reset");
    await server.run(database, "insert into t values (2)");
    expect(await refusal(lake)).toContain("the server was taken back, or is another one");
    await server.run(
      database,
      "set gtid_domain_id = 7",
      "insert into t values (3)",
      "set gtid_domain_id = 0",
    );
    const position = parsePosition(lake.position ?? "");
    lake.position = positionText({ ...position, gtids: "0-99-1" });
    expect(await refusal(lake)).toContain("the server was taken back, or is another one");
    lake.position = positionText({ ...position, gtids: "5-1-1" });
    expect(await refusal(lake)).toContain("the server knows nothing of domain 5");
    // Read anew it goes on, and what comes sorts behind what came.
    lake.position = positionText(readAgain(position, null));
    lake.stream = null;
    await lake.untilNow();
    await lake.caughtUp();
    expect([...lake.current("t").keys()].toSorted()).toEqual(["1", "2", "3"]);
  });

  ofMariaDb("several domains are gone on from each where it was", async () => {
    const { lake, database } = await lakeOf();
    await using _lake = lake;
    await server.run(
      database,
      "set gtid_domain_id = 3",
      "insert into t values (2)",
      "set gtid_domain_id = 0",
    );
    await server.run(database, "insert into t values (3)");
    await lake.untilNow();
    await lake.open();
    await server.run(
      database,
      "set gtid_domain_id = 3",
      "insert into t values (4)",
      "set gtid_domain_id = 0",
    );
    await lake.untilNow();
    expect(lake.of("t").map(({ values }) => values.id)).toEqual(["1", "2", "3", "4"]);
    expect(parsePosition(lake.position ?? "").gtids).toMatch(/^0-1-\d+,3-1-2/);
  });

  ofOwn("a server that is killed is read on when it is there again", async () => {
    const { lake, database } = await lakeOf();
    await using _lake = lake;
    await server.run(database, "insert into t values (2)");
    await lake.untilNow();
    await server.restart("SIGKILL");
    await expect(lake.step()).rejects.toThrow("cannot read the binary log");
    await lake.stream?.close();
    await server.run(database, "insert into t values (3)");
    lake.stream = null;
    await lake.untilNow();
    expect(lake.of("t").map(({ values }) => values.id)).toEqual(["1", "2", "3"]);
  });

  ofOwnMysql(
    "40: a server whose log was reset, or that is another one, is not read on",
    async () => {
      const { lake, database } = await lakeOf();
      await using _lake = lake;
      const position = parsePosition(lake.position ?? "");
      await server.run(database, "reset binary logs and gtids", "insert into t values (2)");
      expect(await refusal(lake)).toContain("the server was taken back, or is another one");
      const gtids = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5";
      lake.position = positionText({ ...position, gtids });
      expect(await refusal(lake)).toContain("the server was taken back, or is another one");
      lake.position = positionText(readAgain(position, null));
      lake.stream = null;
      await lake.untilNow();
      await lake.caughtUp();
      expect([...lake.current("t").keys()].toSorted()).toEqual(["1", "2"]);
    },
  );

  ofOwn(
    "what the server is not set to is said with what mends it, and nothing is read without",
    async () => {
      const { lake, database } = await lakeOf();
      await using _lake = lake;
      const world = {
        source: "s",
        lakeId: "l",
        projectRoot: "/",
        from: lake.position,
        secretOf: async () => "",
      };
      const good = await checkSource(lake.settings(), world as never);
      expect(good.filter(({ state }) => state !== "ok")).toEqual([]);
      await server.run(
        database,
        `set global binlog_row_metadata = ${choice.isMariaDb ? "NO_LOG" : "MINIMAL"}, global binlog_format = MIXED,
        global binlog_row_image = MINIMAL`,
        "create table nokey(v int)",
        "create table mine(id int primary key) engine = MyISAM",
        "create table child(id int primary key, foreign key (id) references t(id) on delete cascade)",
        "create user 'poor'@'%' identified by 'pw'",
        `grant select on ${database}.* to 'poor'@'%'`,
      );
      if (choice.isMariaDb) {
        await server.run(database, "create table kept(id int primary key) with system versioning");
      }
      const settings = { ...lake.settings(), user: "poor", password: "pw" };
      const bad = (await checkSource(settings, world as never)).filter(
        ({ state }) => state !== "ok",
      );
      const said = new Map(bad.map(({ what, todo }) => [what, todo]));
      expect(said.get("binlog_row_metadata")).toBe("SET GLOBAL binlog_row_metadata = FULL;");
      expect(said.get("binlog_format")).toBe("SET GLOBAL binlog_format = ROW;");
      expect(said.get("binlog_row_image")).toBe("SET GLOBAL binlog_row_image = FULL;");
      expect(said.get("rights")).toContain("REPLICATION SLAVE");
      expect(said.get(`${database}.nokey`)).toContain("ADD PRIMARY KEY");
      expect(said.get(`${database}.mine`)).toContain("ENGINE = InnoDB");
      if (choice.isMariaDb) {
        expect(said.get(`${database}.kept`)).toContain("DROP SYSTEM VERSIONING");
      }
      expect(said.has(`${database}.child`)).toBe(true);
      expect(await refusal(lake)).toContain("is needed");
      await server.run(
        database,
        "set global binlog_row_metadata = FULL, global binlog_format = ROW, global binlog_row_image = FULL",
      );
      const wrong = await checkSource({ ...settings, password: "no" }, world as never);
      expect(wrong).toMatchObject([{ what: "reachable", state: "bad" }]);
    },
  );
});
