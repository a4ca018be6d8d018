/**
 * Values of every type as real servers have them: rows that are read and rows that are streamed are the same rows, and
 * hold what was written, whatever time zone, mode and charset the server and its sessions have.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { type MysqlServer, mysqlServers } from "../support/mysql.ts";
import { Harness, READ } from "../unit/sql/decode/harness.ts";
import { MysqlLake } from "./stream-lake.ts";

setDefaultTimeout(180_000);

interface Case {
  /** The column, without its name. */
  readonly type: string;
  /** Literals. */
  readonly values: readonly string[];
  /** What lands of them, as text. */
  readonly lands: readonly (string | null)[];
  readonly as: string;
}

const hex = (text: string) => Buffer.from(text).toString("hex");

const CASES: readonly Case[] = [
  { type: "tinyint", values: ["-128", "127"], lands: ["-128", "127"], as: "int" },
  { type: "tinyint unsigned", values: ["0", "255"], lands: ["0", "255"], as: "int" },
  { type: "tinyint(1)", values: ["1", "-5"], lands: ["1", "-5"], as: "int" },
  { type: "smallint", values: ["-32768", "32767"], lands: ["-32768", "32767"], as: "int" },
  { type: "smallint unsigned zerofill", values: ["7", "65535"], lands: ["7", "65535"], as: "int" },
  { type: "mediumint", values: ["-8388608", "8388607"], lands: ["-8388608", "8388607"], as: "int" },
  { type: "mediumint unsigned", values: ["16777215"], lands: ["16777215"], as: "int" },
  {
    type: "int",
    values: ["-2147483648", "2147483647"],
    lands: ["-2147483648", "2147483647"],
    as: "int",
  },
  { type: "int unsigned", values: ["4294967295"], lands: ["4294967295"], as: "long" },
  {
    type: "bigint",
    values: ["-9223372036854775808", "9223372036854775807"],
    lands: ["-9223372036854775808", "9223372036854775807"],
    as: "long",
  },
  {
    type: "bigint unsigned",
    values: ["18446744073709551615", "0"],
    lands: ["18446744073709551615", "0"],
    as: "decimal",
  },
  {
    type: "decimal(10,2)",
    values: ["-12345678.90", "0", "0.01"],
    lands: ["-12345678.90", "0.00", "0.01"],
    as: "decimal",
  },
  {
    type: "decimal(38,9)",
    values: ["12345678901234567890123456789.123456789", "-0.000000001"],
    lands: ["12345678901234567890123456789.123456789", "-0.000000001"],
    as: "decimal",
  },
  {
    type: "decimal(65,30)",
    values: ["-99999999999999999999999999999999999.999999999999999999999999999999", "0.5"],
    lands: [
      "-99999999999999999999999999999999999.999999999999999999999999999999",
      "0.500000000000000000000000000000",
    ],
    as: "string",
  },
  { type: "decimal(5,0) zerofill", values: ["42"], lands: ["42"], as: "decimal" },
  {
    type: "float",
    values: ["0.1", "3.4028234e38", "16777217"],
    lands: [String(Math.fround(0.1)), String(Math.fround(3.4028234e38)), "16777216"],
    as: "float",
  },
  { type: "float(7,2)", values: ["12345.67"], lands: [String(Math.fround(12345.67))], as: "float" },
  {
    type: "double",
    values: ["0.1", "1.7976931348623157e308", "5e-324", "-2.2250738585072014e-308"],
    lands: ["0.1", "1.7976931348623157e+308", "5e-324", "-2.2250738585072014e-308"],
    as: "double",
  },
  { type: "double(12,3)", values: ["1234.5678"], lands: ["1234.568"], as: "double" },
  { type: "bit(1)", values: ["b'1'", "b'0'"], lands: ["true", "false"], as: "boolean" },
  { type: "bit(10)", values: ["b'1000000001'"], lands: ["1000000001"], as: "string" },
  { type: "bit(64)", values: ["18446744073709551615"], lands: ["1".repeat(64)], as: "string" },
  { type: "year", values: ["1901", "2155", "0"], lands: ["1901", "2155", "0"], as: "int" },
  {
    type: "date",
    values: [
      "'2024-02-29'",
      "'1000-01-01'",
      "'9999-12-31'",
      "'0000-00-00'",
      "'2024-00-10'",
      "'2023-02-31'",
    ],
    lands: ["2024-02-29", "1000-01-01", "9999-12-31", "0000-00-00", "2024-00-10", "2023-02-31"],
    as: "date",
  },
  {
    type: "datetime",
    values: ["'2024-02-29 23:59:59'", "'0000-00-00 00:00:00'"],
    lands: ["2024-02-29 23:59:59", "0000-00-00 00:00:00"],
    as: "timestamp",
  },
  {
    type: "datetime(6)",
    values: [
      "'1000-01-01 00:00:00.000001'",
      "'9999-12-31 23:59:59.999999'",
      "'2024-00-00 10:00:00.5'",
    ],
    lands: ["1000-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999", "2024-00-00 10:00:00.5"],
    as: "timestamp",
  },
  {
    type: "datetime(1)",
    values: ["'2024-02-29 01:02:03.4'"],
    lands: ["2024-02-29 01:02:03.4"],
    as: "timestamp",
  },
  {
    type: "datetime(3)",
    values: ["'2024-02-29 01:02:03.004'"],
    lands: ["2024-02-29 01:02:03.004"],
    as: "timestamp",
  },
  {
    type: "timestamp null",
    values: ["'2024-06-01 12:00:00'", "'0000-00-00 00:00:00'"],
    lands: ["2024-06-01 09:00:00+00", "0000-00-00 00:00:00"],
    as: "timestamptz",
  },
  {
    type: "timestamp(6) null",
    values: ["'1970-01-01 03:00:00.000001'", "'2038-01-19 06:14:07.999999'"],
    lands: ["1970-01-01 00:00:00.000001+00", "2038-01-19 03:14:07.999999+00"],
    as: "timestamptz",
  },
  {
    type: "time",
    values: ["'00:00:00'", "'23:59:59'", "'-838:59:59'", "'838:59:59'", "'-00:00:01'"],
    lands: ["00:00:00", "23:59:59", "-838:59:59", "838:59:59", "-00:00:01"],
    as: "time",
  },
  {
    type: "time(6)",
    values: ["'12:34:56.789012'", "'-00:00:00.000001'", "'-838:59:58.999999'"],
    lands: ["12:34:56.789012", "-00:00:00.000001", "-838:59:58.999999"],
    as: "time",
  },
  {
    type: "time(2)",
    values: ["'-01:00:00.25'", "'100:00:00.5'"],
    lands: ["-01:00:00.25", "100:00:00.5"],
    as: "time",
  },
  { type: "char(5)", values: ["'ab'", "''", "'ü😀'"], lands: ["ab", "", "ü😀"], as: "string" },
  {
    type: "varchar(20) character set latin1",
    values: ["'é€'", "x'81'"],
    lands: ["é€", "\u0081"],
    as: "string",
  },
  {
    type: "varchar(20) character set cp1251",
    values: ["'Привет'"],
    lands: ["Привет"],
    as: "string",
  },
  {
    type: "varchar(20) character set koi8r",
    values: ["'Привет'"],
    lands: ["Привет"],
    as: "string",
  },
  { type: "varchar(20) character set utf16", values: ["'ü😀'"], lands: ["ü😀"], as: "string" },
  { type: "varchar(20) character set utf32", values: ["'ü😀'"], lands: ["ü😀"], as: "string" },
  { type: "varchar(20) character set ucs2", values: ["'ü'"], lands: ["ü"], as: "string" },
  { type: "varchar(20) character set sjis", values: ["'日本'"], lands: ["日本"], as: "string" },
  { type: "varchar(20) character set gbk", values: ["'中文'"], lands: ["中文"], as: "string" },
  { type: "text character set cp850", values: ["'äöü'"], lands: ["äöü"], as: "string" },
  { type: "varchar(300)", values: [`repeat('ä', 300)`], lands: ["ä".repeat(300)], as: "string" },
  {
    type: "char(255) character set utf8mb4",
    values: ["'long char'"],
    lands: ["long char"],
    as: "string",
  },
  { type: "tinytext", values: ["'a'"], lands: ["a"], as: "string" },
  { type: "mediumtext", values: ["repeat('x', 70000)"], lands: ["x".repeat(70_000)], as: "string" },
  { type: "longtext", values: ["'\\\\ \\' \"'"], lands: ["\\ ' \""], as: "string" },
  {
    type: "binary(4)",
    values: ["x'01'", "x'ff000000'", "x'00000000'"],
    lands: ["01000000", "ff000000", "00000000"],
    as: "binary",
  },
  { type: "varbinary(10)", values: ["x'00ff00'"], lands: ["00ff00"], as: "binary" },
  { type: "blob", values: [`x'${hex("bytes")}'`], lands: [hex("bytes")], as: "binary" },
  { type: "longblob", values: ["x'00'"], lands: ["00"], as: "binary" },
  {
    type: "enum('a','b,c','ü','')",
    values: ["'b,c'", "'ü'", "''", "'nothing'"],
    lands: ["b,c", "ü", "", ""],
    as: "string",
  },
  { type: "enum('é','z') character set latin1", values: ["'é'"], lands: ["é"], as: "string" },
  { type: "set('a','b','ü')", values: ["'a,ü'", "''"], lands: ["a,ü", ""], as: "string" },
  {
    type: "json",
    values: [`'{"b": 1, "a": [1.50, null, "ü"]}'`],
    lands: [`{"b": 1, "a": [1.50, null, "ü"]}`],
    as: "string",
  },
  {
    type: "uuid",
    values: ["'01234567-89ab-4def-8123-456789abcd00'", "'00000000-0000-0000-0000-000000000000'"],
    lands: ["01234567-89ab-4def-8123-456789abcd00", "00000000-0000-0000-0000-000000000000"],
    as: "uuid",
  },
  {
    type: "inet6",
    values: [
      "'2001:db8::ff00:0'",
      "'::ffff:1.2.3.4'",
      "'::'",
      "'1:0:2::'",
      "'::1.2.3.4'",
      "'fe80:0:0:1::'",
    ],
    lands: ["2001:db8::ff00:0", "::ffff:1.2.3.4", "::", "1:0:2::", "::1.2.3.4", "fe80:0:0:1::"],
    as: "string",
  },
  {
    type: "inet4",
    values: ["'192.168.0.0'", "'0.0.0.0'"],
    lands: ["192.168.0.0", "0.0.0.0"],
    as: "string",
  },
  {
    type: "point",
    values: ["point(1, 2)"],
    lands: ["000000000101000000000000000000f03f0000000000000040"],
    as: "binary",
  },
  {
    type: "varchar(200) compressed",
    values: ["repeat('ab', 90)", "'short'", "''"],
    lands: ["ab".repeat(90), "short", ""],
    as: "string",
  },
  {
    type: "blob compressed",
    values: ["repeat('ab', 500)"],
    lands: [hex("ab".repeat(500))],
    as: "binary",
  },
  {
    type: "text compressed character set latin1",
    values: ["repeat('é', 500)"],
    lands: ["é".repeat(500)],
    as: "string",
  },
];

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  beforeAll(async () => {
    server = await choice.start({ "sql-mode": "ANSI_QUOTES" });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  async function landed(database: string, cases: readonly Case[]) {
    const session = ["SET sql_mode = 'ALLOW_INVALID_DATES'", "SET time_zone = '+03:00'"];
    const columns = cases.map(({ type }, index) => `c${index} ${type}`);
    await server.run(
      database,
      ...session,
      `create table t(id int primary key, ${columns.join(", ")})`,
    );
    const depth = Math.max(...cases.map(({ values }) => values.length));
    const insert = async (first: number): Promise<void> => {
      for (let row = 0; row <= depth; row++) {
        const values = cases.map(({ values }) => values[row] ?? "null");
        await server.run(
          database,
          `insert ignore into t values (${first + row}, ${values.join(", ")})`,
        );
      }
    };
    const lake = await MysqlLake.make(server, { database });
    await insert(100);
    await lake.untilNow();
    await server.run(database, "SET column_compression_zlib_wrap = 1");
    await insert(200);
    await server.run(database, "update t set id = id + 1000 where id >= 200");
    await lake.untilNow();
    return lake;
  }

  test("all of them at once: read, streamed and updated rows are the same and hold what was written", async () => {
    await using lake = await landed("whole", CASES);
    for (const [index, { type, lands, as }] of CASES.entries()) {
      const byId = new Map(
        lake.of("t").map(({ values }) => [Number(values.id), values[`c${index}`]]),
      );
      const of = (first: number) => lands.map((_, row) => byId.get(first + row));
      expect([type, ...of(100)]).toEqual([type, ...lands]);
      expect([type, ...of(200)]).toEqual([type, ...lands]);
      expect([type, ...of(1200)]).toEqual([type, ...lands]);
      expect([type, lake.types.get(`whole.t.c${index}`)?.includes(`"${as}"`)]).toEqual([
        type,
        true,
      ]);
    }
    expect(lake.of("t").filter(({ fault }) => fault !== null)).toEqual([]);
  });

  test("columns and rows of a segment are the same table, whatever its types", async () => {
    const database = "both";
    const session = ["SET sql_mode = 'ALLOW_INVALID_DATES'", "SET time_zone = '+03:00'"];
    await server.run(database, ...session);
    for (const [index, { type }] of CASES.entries()) {
      await server.run(
        database,
        `create table c${index}(id int primary key, v ${type}, w ${type})`,
      );
    }
    const insert = async (first: number): Promise<void> => {
      for (const [index, { values }] of CASES.entries()) {
        const rows = [...values, "null"].map((value, row) => `(${first + row}, ${value}, null)`);
        await server.run(database, `insert ignore into c${index} values ${rows.join(", ")}`);
      }
    };
    await using lake = await MysqlLake.make(server, { database, settings: { before: "all" } });
    await insert(1);
    await lake.untilNow();
    await lake.caughtUp();
    await insert(100);
    for (const index of CASES.keys()) {
      await server.run(database, `update c${index} set w = v, v = null where id >= 100`);
      await server.run(database, `delete from c${index} where id = 1`, `truncate c${index}`);
    }
    await lake.untilNow();
    await using h = await Harness.open();
    for (const { file, rows } of lake.segments) {
      if (file === null) continue;
      const bytes = await readFile(file.path);
      for (const table of Object.keys(rows)) {
        const dropped = h.file("one.segment", bytes);
        const read = { ...READ, table };
        const [seen] = (await h.inspect([dropped], read)).files;
        const types = Object.fromEntries(seen?.columns.map(({ name, type }) => [name, type]) ?? []);
        const fast = await h.decode([dropped], types, { read });
        // A correction, even of no row, has every row looked at.
        const fixes = [{ id: "none", raw: null, place: null }];
        const slow = await h.decode([dropped], types, { read, fixes });
        expect([table, fast.rejects, slow.rejects]).toEqual([table, [], []]);
        expect(fast.rows).toEqual(slow.rows);
      }
    }
  });

  test("bytes that are none of their charset set their row aside, and the stream goes on", async () => {
    const database = "broken";
    await server.run(
      database,
      "create table t(id int primary key, v varchar(10) character set cp1250)",
      "insert into t values (1, 'č'), (2, x'81')",
    );
    await using lake = await MysqlLake.make(server, { database });
    await lake.untilNow();
    await server.run(database, "insert into t values (3, x'81')", "insert into t values (4, 'č')");
    await lake.untilNow();
    const bad = "encoding: v holds bytes that are not cp1250";
    expect(lake.of("t").map(({ values, fault }) => [values.v, fault])).toEqual([
      ["č", null],
      [null, bad],
      [null, bad],
      ["č", null],
    ]);
  });
});
