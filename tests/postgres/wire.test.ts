/** What PostgreSQL sends where one would expect something else: each by real servers of several versions. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type pg from "pg";
import { type PostgresServer, postgresVersions, startPostgres } from "../support/postgres.ts";
import { UNCHANGED } from "./segment-rows.ts";
import { StreamLake } from "./stream-lake.ts";

const MARKS = "create table marks (m bigint primary key)";
const LONG = "x".repeat(20_000);

describe.each(postgresVersions())("PostgreSQL %d", (version) => {
  let server: PostgresServer;
  beforeAll(async () => {
    // So small that the server sends transactions before they are committed.
    server = await startPostgres(version, { logical_decoding_work_mem: "64kB" });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  /** A database with tables, a lake that has read what is in them, and a way to run statements. */
  async function begin(database: string, statements: readonly string[], settings = {}) {
    const run = (sql: string) => server.run(database, sql);
    for (const sql of [MARKS, ...statements]) await run(sql);
    const lake = await StreamLake.make(server, { database, settings });
    await lake.open();
    await lake.untilNow();
    return { run, lake };
  }

  const client = (database: string): Promise<pg.Client> => server.client(database);
  const brief = (lake: StreamLake, table: string) =>
    lake.rows
      .filter((row) => row.table === `public.${table}`)
      .map(({ op, values }) => [op, ...values].join(" "));

  test("1: settings of the database do not change how values are written", async () => {
    const columns =
      "id int primary key, d date, t timestamptz, i interval, f float8, b bytea, m money, s text";
    const value =
      "'2026-02-03', '2026-02-03 04:05:06.789+00', '1 year 2 days 03:04:05', " +
      "0.1::float8 + 0.2, '\\x00ff', 12.5, 'größe €'";
    await server.run("parameters", MARKS);
    for (const setting of [
      "DateStyle = 'German, DMY'",
      "IntervalStyle = 'sql_standard'",
      "TimeZone = 'Asia/Tokyo'",
      "extra_float_digits = 0",
      "bytea_output = 'escape'",
      "client_encoding = 'LATIN1'",
    ]) {
      await server.run("parameters", `alter database parameters set ${setting}`);
    }
    await server.run("parameters", `create table values_ (${columns})`);
    await server.run("parameters", `insert into values_ select 1, ${value}`);
    await using there = await StreamLake.make(server, { database: "parameters" });
    await there.open();
    await server.run("parameters", `insert into values_ select 2, ${value}`);
    await there.untilNow();
    const [, streamed] = there.rows.filter(({ table }) => table === "public.values_");
    expect(streamed?.values.slice(1)).toEqual([
      "2026-02-03",
      "2026-02-03 04:05:06.789+00",
      "1 year 2 days 03:04:05",
      "0.30000000000000004",
      "\\x00ff",
      "$12.50",
      "größe €",
    ]);
  });

  test("D10, 2: a domain's numbers have the precision of what it is over", async () => {
    await server.run("domains", "create domain amount as numeric(12,2)");
    await server.run("domains", "create domain price as amount check (value > 0)");
    const { lake, run } = await begin("domains", ["create table t (id int primary key, p price)"]);
    await using _ = lake;
    await run("insert into t values (1, 3.5)");
    await lake.untilNow();
    const types = lake.shapes
      .filter(({ table }) => table === "t")
      .map(({ columns }) => columns[1]?.type);
    expect([...new Set(types)]).toEqual(["decimal(12,2)"]);
  });

  test("2: enums, arrays and composites are described with what they are made of", async () => {
    const { lake } = await begin("made", [
      "create type mood as enum ('sad', 'happy')",
      "create type pair as (a int, b mood)",
      "create table t (id int primary key, m mood, ms mood[], p pair)",
    ]);
    await using _ = lake;
    const wires = lake.shapes.find(({ table }) => table === "t")?.columns.map(({ wire }) => wire);
    const mood = { name: "public.mood", kind: "enum", labels: ["sad", "happy"] };
    expect(wires?.slice(1)).toMatchObject([
      mood,
      { name: "public._mood", kind: "array", delimiter: ",", element: mood },
      {
        name: "public.pair",
        kind: "composite",
        fields: [
          { name: "a", wire: { oid: 23, name: "int4", kind: "base" } },
          { name: "b", wire: mood },
        ],
      },
    ]);
  });

  test("D10, 3: rows before and after a change of their table have the shape of their time", async () => {
    const { lake, run } = await begin("ddl", ["create table t (id int primary key, a text)"]);
    await using _ = lake;
    const one = await client("ddl");
    await one.query("begin");
    await one.query("insert into t values (1, 'x')");
    await one.query("alter table t add column b int default 7");
    await one.query("insert into t values (2, 'y')");
    await one.query("alter table t drop column a");
    await one.query("insert into t values (3)");
    await one.query("commit");
    await run("insert into t values (4)");
    await lake.untilNow();
    const rows = lake.rows.filter(({ table }) => table === "public.t");
    expect(
      rows.map(({ values, shape }) => [
        values.join(),
        shape.columns.map(({ name }) => name).join(),
      ]),
    ).toEqual([
      ["1,x", "id,a"],
      ["2,y,7", "id,a,b"],
      ["3,7", "id,b"],
      ["4,7", "id,b"],
    ]);
  });

  test("3: a large open transaction that changed a table leaves the others their shape", async () => {
    const { lake, run } = await begin("wide", ["create table t (id int primary key, a text)"]);
    await using _ = lake;
    const large = await client("wide");
    await large.query("begin");
    await large.query("insert into t select g, repeat('x', 100) from generate_series(1, 3000) g");
    await run("insert into t values (10000, 'other')");
    await large.query("savepoint s");
    await large.query("alter table t add column b int");
    await large.query("insert into t select g, 'y', 1 from generate_series(4001, 7000) g");
    await large.query("rollback to s");
    await run("insert into t values (10001, 'between')");
    await large.query("insert into t select g, 'z' from generate_series(8001, 9000) g");
    await large.query("commit");
    await lake.untilNow();
    const state = lake.current("public.t");
    const widths = new Set([...state.values()].map((values) => values.length));
    expect([state.size, [...widths]]).toEqual([4002, [2]]);
  });

  test("D11, 4: what was rolled back never comes, however large", async () => {
    const { lake } = await begin("aborts", ["create table t (id int primary key, a text)"]);
    await using _ = lake;
    const [kept, gone] = [await client("aborts"), await client("aborts")];
    const fill = (from: number) =>
      `insert into t select g, repeat('x', 60) from generate_series(${from}, ${from + 1999}) g`;
    await kept.query("begin");
    await gone.query("begin");
    for (let turn = 0; turn < 3; turn++) {
      await kept.query(fill(turn * 10_000));
      await gone.query(fill(100_000 + turn * 10_000));
      await kept.query("savepoint s");
      await kept.query(fill(turn * 10_000 + 5_000));
      await kept.query("savepoint inner_one");
      await kept.query(fill(turn * 10_000 + 7_500));
      await kept.query(turn === 1 ? "release s" : "rollback to s");
    }
    await gone.query("rollback");
    await kept.query("commit");
    await lake.untilNow();
    const ids = [...lake.current("public.t").keys()].map(Number);
    expect([ids.length, ids.filter((id) => id >= 100_000).length]).toEqual([10_000, 0]);
  });

  test("D11: a transaction of many mebibytes is in segments of its own, and what was rolled back in none", async () => {
    const { lake, run } = await begin("pieces", ["create table t (id int primary key, a text)"]);
    await using _ = lake;
    const [kept, torn, gone] = await Promise.all([0, 1, 2].map(() => client("pieces")));
    const fill = (from: number, count: number) =>
      `insert into t select g, repeat('x', 1000000) from generate_series(${from}, ${from + count - 1}) g`;
    await Promise.all([kept, torn, gone].map((one) => one?.query("begin")));
    await kept?.query(fill(1, 20));
    await torn?.query(fill(100, 20));
    await torn?.query("savepoint s");
    await torn?.query(fill(150, 20));
    await gone?.query(fill(200, 20));
    await run("insert into t values (1000, 'between')");
    await torn?.query("rollback to s");
    await kept?.query(fill(50, 15));
    await gone?.query("rollback");
    await torn?.query("commit");
    await kept?.query("update t set a = 'first' where id = 1");
    await kept?.query("commit");
    await lake.untilNow();
    const ids = [...lake.current("public.t").keys()].map(Number).toSorted((a, b) => a - b);
    const span = (from: number, count: number) =>
      Array.from({ length: count }, (_, at) => from + at);
    expect(ids).toEqual([...span(1, 20), ...span(50, 15), ...span(100, 20), 1_000]);
    expect(lake.current("public.t").get("1")).toEqual(["1", "first"]);
    expect(lake.segments.filter(({ earlier = [] }) => earlier.length > 0)).toHaveLength(1);
    const places = lake.rows.map(({ position }) => position);
    expect(new Set(places).size).toBe(places.length);
  });

  test("5: a slot with two_phase is refused by its name", async () => {
    if (version < 15) return;
    await server.run("two", MARKS);
    await server.run(
      "two",
      "select pg_create_logical_replication_slot('twice', 'pgoutput', false, true)",
    );
    await using lake = await StreamLake.make(server, { database: "two" });
    expect(lake.open({ slot: "twice" })).rejects.toThrow(/slot twice is one with two_phase/);
  });

  test("D16, 6: a publication that is dropped is a gap, not silence", async () => {
    const { lake, run } = await begin("dropped", ["create table t (id int primary key)"]);
    await using _ = lake;
    await run("drop publication tarn_shop");
    await run("insert into t values (1)");
    expect(lake.until(() => false)).rejects.toThrow(
      /publication tarn_shop .*changes from .* are missing/,
    );
  });

  test("D16, 7: a table that is added while transactions are open is read whole, and once", async () => {
    const { lake, run } = await begin(
      "added",
      [
        "create table late (id int primary key)",
        "insert into late select generate_series(1, 100)",
        "create publication chosen for table marks",
      ],
      { publication: "chosen" },
    );
    await using _ = lake;
    const [first, second] = [await client("added"), await client("added")];
    await first.query("begin");
    await first.query("insert into late values (1001)");
    await second.query("begin");
    await second.query("insert into late values (2001)");
    await run("alter publication chosen add table late");
    await first.query("insert into late values (1002)");
    await first.query("commit");
    await second.query("rollback");
    await run("insert into late values (3001)");
    await lake.until((rows) => rows.some(({ values }) => values[0] === "3001"));
    await lake.untilNow();
    const ids = lake.rows
      .filter(({ table }) => table === "public.late")
      .map(({ values }) => values[0]);
    expect([ids.length, new Set(ids).size, lake.current("public.late").size]).toEqual([
      103, 103, 103,
    ]);
  });

  test("8: it is said whose transaction a new slot waits for", async () => {
    await server.run("waits", MARKS);
    const open = await client("another");
    await open.query("begin");
    await open.query("select txid_current()");
    await using lake = await StreamLake.make(server, { database: "waits" });
    const opening = lake.open();
    while (lake.notices.length === 0) await Bun.sleep(50);
    await open.query("rollback");
    await opening;
    expect(lake.notices[0]).toMatch(
      /waits for open transactions: process \d+ of postgres in another/,
    );
  });

  test("9: nothing is acknowledged that was not committed", async () => {
    const { lake, run } = await begin("acks", ["create table t (id int primary key)"]);
    await using _ = lake;
    await lake.stream?.close();
    const confirmed = () =>
      run("select confirmed_flush_lsn from pg_replication_slots where database = 'acks'");
    const stream = await lake.open();
    const before = await confirmed();
    await run("insert into t values (1)");
    await stream.next({ bytes: 1e9, lingerMs: 0 });
    await run("insert into t values (2)");
    await Bun.sleep(500);
    expect(await confirmed()).toEqual(before);
  });

  test("D2, 10: what was not committed comes again, what was committed does not", async () => {
    const { lake, run } = await begin("again", ["create table t (id int primary key)"]);
    await using _ = lake;
    for (let turn = 0; turn < 5; turn++) {
      await run(`insert into t values (${2 * turn})`);
      await lake.step();
      await run(`insert into t values (${2 * turn + 1})`);
      // Read, but not committed by the lake.
      await lake.stream?.next({ bytes: 1e9, lingerMs: 0 });
      await lake.open();
    }
    await lake.untilNow();
    expect(brief(lake, "t")).toEqual(Array.from({ length: 10 }, (_, id) => `c ${id}`));
  });

  test("D4, 11: the slot moves on while only others write", async () => {
    const { lake, run } = await begin("idle", ["create table other (v text)"], {
      tables: ["marks"],
    });
    await using _ = lake;
    const held = async () =>
      Number(
        (
          await run(
            "select pg_current_wal_lsn() - confirmed_flush_lsn from pg_replication_slots where database = 'idle'",
          )
        )[0]?.[0],
      );
    await run("insert into other select repeat('x', 100) from generate_series(1, 20000)");
    while ((await held()) > 100_000) {
      await run("insert into other values ('more')");
      await lake.step();
    }
    expect(lake.segments.at(-1)?.file).toBeNull();
  });

  test("D8, 12: a long value that did not change is marked, and the old row has it where it is sent", async () => {
    const { lake, run } = await begin("toast", [
      "create table d (id int primary key, n int, long text)",
      "create table f (id int primary key, n int, long text)",
      "alter table d alter column long set storage external",
      "alter table f alter column long set storage external",
      "alter table f replica identity full",
      `insert into d values (1, 1, '${LONG}')`,
      `insert into f values (1, 1, '${LONG}')`,
    ]);
    await using _ = lake;
    await run("update d set n = 2");
    await run("update d set id = 5");
    await run("update f set n = 2");
    await lake.untilNow();
    const updates = lake.rows.filter(({ op }) => op === "u");
    expect(
      updates.map(({ values, before }) => [values.join(), before?.join().replace(LONG, "long")]),
    ).toEqual([
      [`1,2,${UNCHANGED}`, undefined],
      [`5,2,${UNCHANGED}`, "1,,"],
      [`1,2,${UNCHANGED}`, "1,1,long"],
    ]);
  });

  test("D9, 13: an identity by another index: its columns are the key", async () => {
    const { lake, run } = await begin("index", [
      "create table t (id int primary key, code text not null, n int)",
      "create unique index code on t (code)",
      "alter table t replica identity using index code",
      "insert into t values (1, 'a', 1)",
    ]);
    await using _ = lake;
    await run("update t set id = 2");
    await run("delete from t");
    await lake.untilNow();
    const rows = lake.rows.filter(({ table }) => table === "public.t");
    const keys = rows.map(({ shape }) =>
      shape.columns
        .filter(({ key }) => key)
        .map(({ name }) => name)
        .join(),
    );
    expect([keys, rows.map(({ op, values }) => [op, ...values].join(" "))]).toEqual([
      ["code", "code", "code"],
      ["r 1 a 1", "u 2 a 1", "d  a "],
    ]);
  });

  test("D16, 16: an update across a row filter is an insert, or a delete", async () => {
    if (version < 15) return;
    const { lake, run } = await begin("filter", [
      "create table t (id int primary key, n int)",
      "alter table t replica identity full",
      "insert into t values (1, 1), (2, 20)",
      "create publication tarn_shop for table marks, t where (n > 10)",
    ]);
    await using _ = lake;
    await run("update t set n = 11 where id = 1");
    await run("update t set n = 2 where id = 2");
    await lake.untilNow();
    expect(brief(lake, "t")).toEqual(["r 2 20", "c 1 11", "d 2 20"]);
  });

  test("17: partitions come under the name of their table, in its order of columns", async () => {
    const { lake, run } = await begin("parts", [
      "create table t (id int, region text, n int, primary key (id, region)) partition by list (region)",
      "create table t_east partition of t for values in ('east')",
      "create table t_west (n int, region text not null, id int not null)",
      "alter table t attach partition t_west for values in ('west')",
      "insert into t values (1, 'east', 10), (2, 'west', 20)",
    ]);
    await using _ = lake;
    await run("insert into t values (3, 'west', 30)");
    await run("update t set region = 'west' where id = 1");
    await run("truncate t");
    await lake.untilNow();
    expect(brief(lake, "t")).toEqual([
      "r 1 east 10",
      "r 2 west 20",
      "c 3 west 30",
      "d 1 east ",
      "c 1 west 10",
      "t",
    ]);
  });

  test("D12, 18: one TRUNCATE of several tables is one of each that is published", async () => {
    const { lake, run } = await begin(
      "cut",
      [
        "create table a (id int primary key)",
        "create table b (id int primary key references a)",
        "create table c (id int primary key references a)",
        "insert into a values (1)",
      ],
      { tables: ["marks", "a", "b"] },
    );
    await using _ = lake;
    await run("truncate a cascade");
    await lake.untilNow();
    const cut = lake.rows.filter(({ op }) => op === "t").map(({ table, xid }) => [table, xid]);
    const [xid] = new Set(cut.map(([, one]) => one));
    expect(cut.toSorted()).toEqual([
      ["public.a", xid ?? ""],
      ["public.b", xid ?? ""],
    ]);
  });

  test("D10, 19: a rewritten table sends no rows, and its next row says the new type", async () => {
    const { lake, run } = await begin("rewritten", [
      "create table t (id int primary key, n int)",
      "insert into t values (1, 1)",
    ]);
    await using _ = lake;
    await run("update t set n = 2");
    await run("alter table t alter column n type numeric(8,3) using n + 0.5");
    await run("insert into t values (2, 2)");
    await lake.untilNow();
    const rows = lake.rows.filter(({ table }) => table === "public.t");
    expect(rows.map(({ op, shape }) => [op, shape.columns[1]?.type])).toEqual([
      ["r", "int"],
      ["u", "int"],
      ["c", "decimal(8,3)"],
    ]);
    expect(lake.notices).toEqual([
      "public.t has another type of n: rows that came before keep their values",
    ]);
  });

  test("20: cascades, updates of nothing and upserts come as what they do", async () => {
    const { lake, run } = await begin("cascade", [
      "create table p (id int primary key, n int)",
      "create table q (id int primary key, p int references p on delete cascade)",
      "insert into p values (1, 1), (2, 2)",
      "insert into q values (10, 1)",
    ]);
    await using _ = lake;
    await run("delete from p where id = 1");
    await run("update p set id = id");
    await run("insert into p values (2, 3) on conflict (id) do update set n = excluded.n");
    await lake.untilNow();
    const changes = lake.rows.filter(({ op, table }) => op !== "r" && table !== "public.marks");
    expect(
      changes.map(({ table, op, values }) => [table.slice(7), op, ...values].join(" ")),
    ).toEqual(["p d 1 ", "q d 10 ", "p u 2 2", "p u 2 3"]);
  });

  test("D13, 21: messages come where they are asked for, in their transaction or by themselves", async () => {
    const { lake } = await begin("messages", [], { messages: true });
    await using _ = lake;
    const one = await client("messages");
    await one.query("begin");
    await one.query("select pg_logical_emit_message(true, 'a', 'kept')");
    await one.query("commit");
    await one.query("begin");
    await one.query("select pg_logical_emit_message(true, 'b', 'rolled back')");
    await one.query("select pg_logical_emit_message(false, 'c', 'by itself')");
    await one.query("rollback");
    await lake.untilNow();
    await lake.open();
    await lake.untilNow();
    const messages = lake.rows.filter(({ op }) => op === "m").map(({ values }) => values.join(" "));
    expect(messages).toEqual(["a kept", "c by itself"]);
  });

  test("D14, 22, 23: rows that were there have the very texts of the stream, of every type", async () => {
    const types: readonly (readonly [string, string])[] = [
      ["interval", "'-1 year 2 mons -3 days 04:05:06.000007'"],
      ["time", "'24:00:00'"],
      ["timetz", "'12:00:00+05:30'"],
      ["numeric", "'NaN'"],
      ["numeric", "'Infinity'"],
      ["numeric", "'123456789012345678901234567890123456789012345678901234567890.5'"],
      ["int[]", "'[2:3]={7,8}'"],
      ["text[]", `'{{"a,b",NULL},{"NULL","q\\"q"}}'`],
      ["json", `'{"a" : 1, "a":2}'`],
      ["jsonb", `'{"b": [1, 2.50]}'`],
      ["inet", "'192.168.1.5/32'"],
      ["cidr", "'10.0.0.0/8'"],
      ["macaddr", "'08:00:2b:01:02:03'"],
      ["bit(5)", "B'10101'"],
      ["varbit", "B'1'"],
      ["int4range", "'[1,5)'"],
      ["nummultirange", "'{[1.0,2.0],(5,)}'"],
      ["point", "'(1.5,2)'"],
      ["box[]", "'{(1,1),(0,0);(2,2),(1,1)}'"],
      ["tsvector", "'a:1 b:2A'"],
      ["regclass", "'pg_class'"],
      ["aclitem", "'postgres=r/postgres'"],
      ["xml", "'<a>b</a>'"],
      ["char(5)", "'ab'"],
      ['"char"', "'c'"],
      ["name", "'n'"],
      ["oid", "4294967295"],
      ["pg_lsn", "'16/B374D848'"],
      ["money", "'-1234.5'"],
      ["mood", "'happy'"],
      ["moods", "'{sad,happy}'"],
      ["pair", `row(1, 'sad, "so"')`],
      ["oidvector", "'1 2 3'"],
    ];
    const columns = types.map(([type], index) => `c${index} ${type}`).join(", ");
    const values = types.map(([type, value]) => `${value}::${type}`).join(", ");
    const { lake, run } = await begin("texts", [
      "create type mood as enum ('sad', 'happy')",
      "create domain moods as mood[]",
      "create type pair as (a int, b text)",
      `create table t (id int primary key, ${columns})`,
      `insert into t select 1, ${values}`,
    ]);
    await using _ = lake;
    await run(`insert into t select 2, ${values}`);
    await lake.untilNow();
    const [copied, streamed] = lake.rows.filter(({ table }) => table === "public.t");
    expect(copied?.values.slice(1)).toEqual(streamed?.values.slice(1) ?? []);
    expect(streamed?.values[11]).toBe("192.168.1.5");
  });

  test("D16, 27: a table with a column list has those columns alone", async () => {
    if (version < 15) return;
    const { lake, run } = await begin("columns", [
      "create table t (id int primary key, a int, secret text)",
      "insert into t values (1, 2, 'hidden')",
      "create publication tarn_shop for table marks, t (id, a)",
    ]);
    await using _ = lake;
    await run("alter table t add column more int default 5");
    await run("insert into t values (2, 3, 'hidden', 6)");
    await lake.untilNow();
    expect(brief(lake, "t")).toEqual(["r 1 2", "c 2 3"]);
  });
});
