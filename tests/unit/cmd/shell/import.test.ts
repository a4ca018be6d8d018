/** Databases of others become tables of the lake, value by value as they were, and once. */

import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";
import { openDuckDBFile } from "../../../../cmd/shell/import-duckdb.ts";
import { buildIfStale } from "../../../../examples/shop/binary.ts";
import { tarn } from "../../../support/binary.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

setDefaultTimeout(180_000);
if ((await buildIfStale()) !== 0) throw new Error("dist/tarn cannot be built");

async function project(folder: string): Promise<void> {
  mkdirSync(`${folder}/drops`);
}

async function duckdb(path: string, ...statements: readonly string[]): Promise<void> {
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  for (const sql of statements) await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
}

async function lines(folder: string, ...words: readonly string[]): Promise<string> {
  const { code, out, err } = await tarn(folder, words);
  return code === 0 ? out.trim() : `exit ${code}: ${err.trim()}`;
}

const csv = (folder: string, sql: string): Promise<string> =>
  lines(folder, "sql", "-q", "--format", "csv", "-c", sql);

test("types of DuckDB are kept, or become what holds each of their values", async () => {
  await using folder = await tempFolder();
  await project(folder.path);
  await duckdb(
    `${folder.path}/shop.duckdb`,
    `create table t as select 1::utinyint as small, 18446744073709551615::ubigint as big,
      1.50::decimal(18,3) as price, interval 1 day as span, timestamp_ns '2024-01-01 00:00:00.123456' as exact,
      timestamp_ns '2024-01-01 00:00:00.123456789' as finer, {'a': 1, 'bit': '101'::bit} as s, [1, null] as l,
      map {'k': 1} as m, '007' as code, date '1969-12-31' as d, encode('x') as raw`,
    "create schema other",
    "create table other.t as select 2 as x",
    "create view v as select 1 as y",
  );
  const printed = await tarn(folder.path, ["import", "shop.duckdb"]);
  expect(printed.code).toBe(0);
  expect(printed.err).toContain("view main.v is not imported");
  expect(printed.err).toContain("span: INTERVAL as VARCHAR");
  expect(
    await csv(folder.path, "select small, big, price, span, exact, finer, code, d from bronze.t"),
  ).toBe(
    "small,big,price,span,exact,finer,code,d\n" +
      "1,18446744073709551615,1.500,1 day,2024-01-01 00:00:00.123456,2024-01-01 00:00:00.123456789,007,1969-12-31",
  );
  expect(
    await csv(
      folder.path,
      "select typeof(exact), typeof(finer), typeof(s), l, m['k'] as k from bronze.t",
    ),
  ).toBe(
    'typeof(exact),typeof(finer),typeof(s),l,k\nTIMESTAMP,VARCHAR,"STRUCT(a INTEGER, ""bit"" VARCHAR)","[1, NULL]",1',
  );
  expect(await csv(folder.path, "from bronze.other_t")).toBe("x\n2");
});

test("values of SQLite have a type that holds each of them", async () => {
  await using folder = await tempFolder();
  await project(folder.path);
  const db = new Database(`${folder.path}/app.sqlite`);
  db.run(`create table c(id integer primary key, name text, born date, seen datetime, active boolean, score real,
    mixed, raw blob, huge integer, wrong date, number)`);
  const insert = db.query("insert into c values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.run(
    1,
    'A "x",\ny',
    "2000-01-02",
    "2024-01-01 10:00:00",
    1,
    0.1,
    "a",
    new Uint8Array([0, 255]),
    9223372036854775807n,
    "soon",
    1,
  );
  insert.run(
    2,
    "",
    null,
    "2024-01-01T10:00:00.5",
    0,
    1e300,
    2,
    null,
    -9223372036854775808n,
    "2024-01-01",
    2.5,
  );
  insert.run(3, null, null, null, null, null, null, new Uint8Array(), 0, "\\N", null);
  db.close();
  expect(await lines(folder.path, "import", "app.sqlite")).toBe("bronze.c   3 rows");
  expect(await csv(folder.path, "select typeof(columns(*)) from bronze.c limit 1")).toBe(
    "id,name,born,seen,active,score,mixed,raw,huge,wrong,number\n" +
      "BIGINT,VARCHAR,DATE,TIMESTAMP,BOOLEAN,DOUBLE,VARCHAR,BLOB,BIGINT,VARCHAR,DOUBLE",
  );
  expect(
    await csv(
      folder.path,
      "select id, name is null as n, name = '' as e, score, mixed, hex(raw) as raw, huge, wrong " +
        "from bronze.c order by id",
    ),
  ).toBe(
    "id,n,e,score,mixed,raw,huge,wrong\n" +
      "1,false,false,0.1,a,00FF,9223372036854775807,soon\n" +
      "2,false,true,1e+300,2,,-9223372036854775808,2024-01-01\n" +
      '3,true,,,,"",0,\\N',
  );
  expect(
    await csv(folder.path, "select chr(10) || 'y' = name[-2:] as same from bronze.c where id = 1"),
  ).toBe("same\ntrue");
});

test("said again it is there already; changed, it is replaced or added when that is said", async () => {
  await using folder = await tempFolder();
  await project(folder.path);
  const file = `${folder.path}/shop.duckdb`;
  await duckdb(file, "create table a as select 1 as x", "create table b as select 1 as x");
  await lines(folder.path, "import", "shop.duckdb", "a");
  expect(await lines(folder.path, "import", "shop.duckdb")).toBe(
    "bronze.a   its source is as it was imported: nothing to do\nbronze.b   1 row",
  );
  await duckdb(file, "insert into a values (2)", "create table c as select 1 as x");
  expect(await lines(folder.path, "import", "shop.duckdb")).toContain("bronze.a is there already");
  expect(await csv(folder.path, "select count(*) as n from lake.commits")).toBe("n\n2");
  expect(await lines(folder.path, "import", "shop.duckdb", "a", "--append")).toBe(
    "bronze.a   2 rows more",
  );
  expect(await lines(folder.path, "import", "shop.duckdb", "a", "--append")).toContain(
    "nothing to do",
  );
  expect(await csv(folder.path, "select x from bronze.a order by x")).toBe("x\n1\n1\n2");
  await duckdb(file, "delete from a where x = 1");
  expect(await lines(folder.path, "import", "shop.duckdb", "a", "--replace")).toContain(
    "in place of what it held",
  );
  expect(await csv(folder.path, "select x from bronze.a")).toBe("x\n2");
  expect(await csv(folder.path, "select x from bronze.a@1")).toBe("x\n1");
});

test("each of several sources comes into a table once, and a table that was changed since is told", async () => {
  await using folder = await tempFolder();
  await project(folder.path);
  for (const [month, x] of [
    ["jan", 1],
    ["feb", 2],
  ] as const) {
    await duckdb(
      `${folder.path}/${month}.duckdb`,
      `create table m as select ${x} as x`,
      `create table n as select ${x}0 as x`,
    );
  }
  const rows = (): Promise<string> => csv(folder.path, "select x from bronze.m order by x");
  const into = (...words: readonly string[]): Promise<string> =>
    lines(folder.path, "import", ...words, "--as", "m");
  await into("jan.duckdb", "m");
  await into("feb.duckdb", "m", "--append");
  await into("jan.duckdb", "n", "--append");
  for (const words of [
    ["jan.duckdb", "m"],
    ["feb.duckdb", "m", "--append"],
    ["jan.duckdb", "n", "--append"],
  ]) {
    expect(await into(...words)).toContain("nothing to do");
  }
  expect(await rows()).toBe("x\n1\n2\n10");
  await lines(folder.path, "restore", "bronze.m", "--to", "@1");
  const { err } = await tarn(folder.path, ["import", "feb.duckdb", "m", "--as", "m", "--append"]);
  expect(err).toContain("it was changed or restored since");
  await into("jan.duckdb", "m", "--replace");
  expect(await rows()).toBe("x\n1");
  expect(await into("feb.duckdb", "m", "--append")).toBe("bronze.m   1 row more");
  expect(await rows()).toBe("x\n1\n2");
});

test("what is no text and what no table is called so are refused, and nothing is done", async () => {
  await using folder = await tempFolder();
  await project(folder.path);
  const db = new Database(`${folder.path}/app.sqlite`);
  db.run("create table good(t text)");
  db.run("create table broken(t text)");
  db.run("insert into broken values (cast(x'c328' as text))");
  db.run("insert into good values ('\uFFFD')");
  db.close();
  expect(await lines(folder.path, "import", "app.sqlite")).toContain(
    "holds a text whose bytes are no UTF-8",
  );
  expect(await lines(folder.path, "ls")).toBe("");
  expect(await lines(folder.path, "import", "app.sqlite", "god")).toContain('did you mean "good"?');
  expect(await lines(folder.path, "import", "app.sqlite", "good")).toBe("bronze.good   1 row");
  await Bun.write(`${folder.path}/bad.sqlite`, "SQLite format 3\0 and nothing of it");
  expect(await lines(folder.path, "import", "bad.sqlite")).toContain("cannot be read");
});

test("a damaged file is no locked one, and one of a newer DuckDB says how it becomes readable", async () => {
  await using folder = await tempFolder();
  await project(folder.path);
  await duckdb(`${folder.path}/shop.duckdb`, "create table t as select 1 as a");
  const bytes = readFileSync(`${folder.path}/shop.duckdb`);
  bytes.fill(7, 16, 24);
  writeFileSync(`${folder.path}/damaged.duckdb`, bytes);
  const damaged = await lines(folder.path, "import", "damaged.duckdb");
  expect(damaged).toContain("damaged.duckdb cannot be opened");
  expect(damaged).toContain("as DuckDB says:");
  // What this engine says of a file of DuckDB 2.0.1.
  const says =
    "IO Error: Trying to read a database file with version number 69, but we can only read versions between 64 and 68.";
  const newer = openDuckDBFile("new.duckdb", () => Promise.reject(new Error(says)));
  const thrown = await newer.catch((error: unknown) => error);
  expect(thrown).toMatchObject({
    code: "input",
    message: "new.duckdb was written by a newer DuckDB (storage version 69)",
  });
});
