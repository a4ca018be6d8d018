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
  /** Where one of the two alone has it. */
  readonly of?: "MariaDB" | "MySQL";
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
  {
    type: "bit(8)",
    values: ["b'0'", "b'11111111'"],
    lands: ["00000000", "11111111"],
    as: "string",
  },
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
    values: ["'1970-01-01 03:00:01.000001'", "'2038-01-19 06:14:07.999999'"],
    lands: ["1970-01-01 00:00:01.000001+00", "2038-01-19 03:14:07.999999+00"],
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
  {
    type: `set(${Array.from({ length: 64 }, (_, at) => `'m${at}'`).join()})`,
    values: ["'m0,m63'", "18446744073709551615", "'m31,m32'"],
    lands: ["m0,m63", Array.from({ length: 64 }, (_, at) => `m${at}`).join(), "m31,m32"],
    as: "string",
  },
  {
    type: `enum(${Array.from({ length: 300 }, (_, at) => `'e${at}'`).join()})`,
    values: ["'e0'", "'e255'", "'e299'"],
    lands: ["e0", "e255", "e299"],
    as: "string",
  },
  { type: "set('a','b','ü')", values: ["'a,ü'", "''"], lands: ["a,ü", ""], as: "string" },
  {
    type: "json",
    of: "MariaDB",
    values: [`'{"b": 1, "a": [1.50, null, "ü"]}'`],
    lands: [`{"b": 1, "a": [1.50, null, "ü"]}`],
    as: "string",
  },
  {
    // As the server writes it: keys by their length, numbers by what they are.
    type: "json",
    of: "MySQL",
    values: [
      `'{"bb": 1, "a": [1.50, null, "ü", -1, 18446744073709551615, 1e300, true, {}, []]}'`,
      "cast(json_quote(concat('a', char(92 using utf8mb4), char(34, 10, 1, 47 using utf8mb4))) as json)",
      "'null'",
      `json_object('d', cast(12345678901234567890.123 as decimal(30, 3)), 'at', timestamp'2024-02-29 01:02:03.5',
        't', time'-12:00:00.25', 'day', date'2024-02-29', 'raw', x'00ff', 'b', b'101')`,
      `json_object('long', repeat('x', 70000), 'n', 1)`,
    ],
    lands: [
      `{"a": [1.5, null, "ü", -1, 18446744073709551615, 1e300, true, {}, []], "bb": 1}`,
      String.raw`"a\\\"\n\u0001/"`,
      "null",
      `{"b": "base64:type15:BQ==", "d": 12345678901234567890.123, "t": "-12:00:00.250000", ` +
        `"at": "2024-02-29 01:02:03.500000", "day": "2024-02-29", "raw": "base64:type15:AP8="}`,
      `{"n": 1, "long": "${"x".repeat(70_000)}"}`,
    ],
    as: "string",
  },
  {
    type: "vector(3)",
    of: "MySQL",
    values: ["string_to_vector('[1,2,3]')"],
    lands: ["0000803f0000004000004040"],
    as: "binary",
  },
  {
    type: "uuid",
    of: "MariaDB",
    values: ["'01234567-89ab-4def-8123-456789abcd00'", "'00000000-0000-0000-0000-000000000000'"],
    lands: ["01234567-89ab-4def-8123-456789abcd00", "00000000-0000-0000-0000-000000000000"],
    as: "uuid",
  },
  {
    type: "inet6",
    of: "MariaDB",
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
    of: "MariaDB",
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
    type: "geometry",
    values: ["st_geomfromtext('linestring(0 0, 1 1)', 4326)"],
    lands: [`e6100000010200000002000000${"0".repeat(32)}000000000000f03f000000000000f03f`],
    as: "binary",
  },
  { type: "decimal(65,0)", values: ["9".repeat(65)], lands: ["9".repeat(65)], as: "string" },
  { type: "decimal(9,9)", values: ["-0.123456789"], lands: ["-0.123456789"], as: "decimal" },
  {
    type: "decimal(10,5) unsigned",
    values: ["99999.99999"],
    lands: ["99999.99999"],
    as: "decimal",
  },
  { type: "float unsigned", values: ["1.5"], lands: ["1.5"], as: "float" },
  { type: "double unsigned", values: ["1e300"], lands: ["1e+300"], as: "double" },
  { type: "nvarchar(5)", values: ["'ü'"], lands: ["ü"], as: "string" },
  { type: "binary(255)", values: ["x'01'"], lands: [`01${"00".repeat(254)}`], as: "binary" },
  { type: "varbinary(300)", values: ["''", "x'0000'"], lands: ["", "0000"], as: "binary" },
  { type: "tinyblob", values: ["x'00'"], lands: ["00"], as: "binary" },
  {
    type: "mediumblob",
    values: ["repeat(x'ab', 70000)"],
    lands: ["ab".repeat(70_000)],
    as: "binary",
  },
  {
    type: "varchar(200) compressed",
    of: "MariaDB",
    values: ["repeat('ab', 90)", "'short'", "''"],
    lands: ["ab".repeat(90), "short", ""],
    as: "string",
  },
  {
    type: "blob compressed",
    of: "MariaDB",
    values: ["repeat('ab', 500)"],
    lands: [hex("ab".repeat(500))],
    as: "binary",
  },
  {
    type: "text compressed character set latin1",
    of: "MariaDB",
    values: ["repeat('é', 500)"],
    lands: ["é".repeat(500)],
    as: "string",
  },
];

describe.each(mysqlServers().map((choice) => [choice.name, choice] as const))("%s", (_, choice) => {
  let server: MysqlServer;
  const cases = CASES.filter(
    ({ of }) => of === undefined || (of === "MariaDB") === choice.isMariaDb,
  );
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
    if (choice.isMariaDb) await server.run(database, "SET column_compression_zlib_wrap = 1");
    await insert(200);
    await server.run(database, "update t set id = id + 1000 where id >= 200");
    await lake.untilNow();
    return lake;
  }

  test("all of them at once: read, streamed and updated rows are the same and hold what was written", async () => {
    await using lake = await landed("whole", cases);
    for (const [index, { type, lands, as }] of cases.entries()) {
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
    for (const [index, { type }] of cases.entries()) {
      await server.run(
        database,
        `create table c${index}(id int primary key, v ${type}, w ${type})`,
      );
    }
    const insert = async (first: number): Promise<void> => {
      for (const [index, { values }] of cases.entries()) {
        const rows = [...values, "null"].map((value, row) => `(${first + row}, ${value}, null)`);
        await server.run(database, `insert ignore into c${index} values ${rows.join(", ")}`);
      }
    };
    await using lake = await MysqlLake.make(server, { database, settings: { before: "all" } });
    await insert(1);
    await lake.untilNow();
    await lake.caughtUp();
    await insert(100);
    for (const index of cases.keys()) {
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

  // MariaDB keeps JSON as the text that was written.
  test.skipIf(choice.isMariaDb)(
    "binary JSON is read as the text that the server writes of it",
    async () => {
      const database = "documents";
      const numbers = [
        -0, 0, 0.1, -2.5, 1e14, 123456789012345.6, 1e15, 1e16, 1.5e20, 1e21, 1e100, 5e-324,
      ];
      const small = [
        1e-4,
        1e-6,
        1.25e-7,
        1e-14,
        1e-15,
        9.99e-15,
        1e-16,
        1.7976931348623157e308,
        1 / 3,
      ];
      const doubles = [...numbers, ...small].map((value) => value.toExponential()).join();
      const documents = [
        `'[${doubles}]'`,
        `'{"": 0, "ü": "😀", "\\\\u0000": null, "${"k".repeat(3_000)}": [[[[]]]]}'`,
        `json_array(timestamp'0001-01-01 00:00:00', timestamp'9999-12-31 23:59:59.999999', time'-838:59:59',
        time'838:59:59', time'00:00:00.000001', date'1000-01-01', cast(-0.5 as decimal(65, 30)), b'1', x'')`,
        `json_array(32767, -32768, 65535, 65536, 2147483647, -2147483648, 4294967295, 4294967296, 9223372036854775807)`,
        `json_array(${Array.from({ length: 3_000 }, (_, at) => `${at * 40_000}, 'text ${at}'`).join()})`,
        `json_array(repeat('a', 127), repeat('b', 128), repeat('c', 16384))`,
      ];
      const rows = documents.map((value, id) => `(${id}, ${value})`).join();
      await server.run(database, "create table t(id int primary key, j json)");
      await using lake = await MysqlLake.make(server, { database });
      await lake.untilNow();
      await server.run(database, `insert into t values ${rows}`);
      await lake.untilNow();
      const written = await server.run(database, "select cast(j as char) from t order by id");
      expect(lake.of("t").map(({ values }) => values.j)).toEqual(written.map(([j]) => j ?? null));
    },
  );

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
