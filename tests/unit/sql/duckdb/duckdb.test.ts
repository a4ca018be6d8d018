/** The engine's wrapper: lockdown, values, errors with their place. */

import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LakeError } from "../../../../core/base/errors.ts";
import { type DuckDB, type DuckDBOptions, openDuckDB } from "../../../../sql/duckdb/duckdb.ts";
import { quoteFilePath, quoteLiteral, quoteTargetPath } from "../../../../sql/syntax/quote.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

function open(change: Partial<DuckDBOptions> = {}): Promise<DuckDB> {
  return openDuckDB({
    threads: 1,
    memoryBytes: 500e6,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: true,
    ...change,
  });
}

async function failure(promise: Promise<unknown>): Promise<LakeError> {
  const error: unknown = await promise.catch((thrown: unknown) => thrown);
  if (!(error instanceof LakeError)) throw new Error(`not a LakeError: ${String(error)}`);
  return error;
}

describe("lockdown", () => {
  test("only the exact files and folders can be opened, and no setting changed", async () => {
    await using folder = await tempFolder();
    const path = (name: string) => join(folder.path, name);
    for (const name of ["staging", "staging_evil", "spill"]) mkdirSync(path(name));
    for (const name of ["a.csv", "b.csv", "staging_evil/c.csv"])
      writeFileSync(path(name), "x\n1\n");
    symlinkSync("/etc/passwd", path("link"));
    await using database = await open({
      allowedPaths: [path("a.csv")],
      allowedFolders: [path("staging")],
      tempFolder: path("spill"),
    });
    const read = (name: string) => `FROM read_csv(${quoteFilePath(path(name))})`;
    expect(await database.rows(read("a.csv"))).toEqual([{ x: 1n }]);
    await database.run(`COPY (SELECT 1 AS x) TO ${quoteTargetPath(path("staging/o.parquet"))}`);
    const refused = [
      read("b.csv"),
      read("staging_evil/c.csv"),
      read("link"),
      `FROM glob(${quoteLiteral(`${folder.path}/**`)})`,
      `FROM read_text('/etc/passwd')`,
      `FROM read_text(${quoteLiteral(`${path("staging")}/../b.csv`)})`,
      `FROM read_text('file:///etc/passwd')`,
      `FROM read_csv('http://localhost:1/x.csv')`,
      `COPY (SELECT 1) TO ${quoteTargetPath(path("b.csv"))}`,
      `ATTACH ${quoteLiteral(path("db"))}`,
      "INSTALL httpfs",
      "LOAD httpfs",
      "SET threads = 8",
      "SET enable_external_access = true",
      "SET lock_configuration = false",
      "RESET allowed_paths",
      "SET home_directory = '/etc'",
    ];
    for (const sql of refused) {
      const error = await failure(database.rows(sql));
      expect([sql, ["sql", "io"].includes(error.code)]).toEqual([sql, true]);
    }
    const settings = await database.rows(
      `SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_external_access',
       'lock_configuration', 'autoload_known_extensions', 'autoinstall_known_extensions',
       'allow_community_extensions', 'allow_unsigned_extensions', 'allow_persistent_secrets',
       'preserve_insertion_order') ORDER BY name`,
    );
    expect(Object.fromEntries(settings.map((row) => [row.name, row.value]))).toEqual({
      allow_community_extensions: "false",
      allow_persistent_secrets: "false",
      allow_unsigned_extensions: "false",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      enable_external_access: "false",
      lock_configuration: "true",
      preserve_insertion_order: "true",
    });
  });

  test("a path that is not resolved is refused before the engine sees it", async () => {
    expect((await failure(open({ allowedPaths: ["a.csv"] }))).code).toBe("internal");
    expect((await failure(open({ allowedFolders: ["/a/../etc"] }))).code).toBe("internal");
  });

  test("a time zone nobody knows is an error, a known one holds for every connection", async () => {
    expect((await failure(open({ timezone: "Mars/Olympus" }))).code).toBe("config");
    await using database = await open({ timezone: "Europe/Berlin" });
    await using second = await database.connect();
    const sql = "SELECT '2026-07-01 00:00:00+00'::TIMESTAMPTZ::VARCHAR AS text";
    expect(await second.rows(sql)).toEqual([{ text: "2026-07-01 02:00:00+02" }]);
  });
});

describe("values", () => {
  test("are exact and plain", async () => {
    await using database = await open({ timezone: "Europe/Berlin" });
    const [row] = await database.rows(
      `SELECT 1::TINYINT AS tiny, 9007199254740993 AS big, 170141183460469231731687303715884105727 AS huge,
       1.10::DECIMAL(9, 2) AS dec, DATE '2026-02-03' AS day, TIME '01:02:03.5' AS time,
       '2026-01-01 12:00:00+01'::TIMESTAMPTZ AS zoned, TIMESTAMP '2026-01-01 12:00:00.000001' AS stamp,
       'ab'::BLOB AS bytes, [1, NULL] AS list, {'a': [true]} AS struct, MAP {'k': 1.5e0} AS map,
       uuid '6ba7b810-9dad-11d1-80b4-00c04fd430c8' AS uuid, INTERVAL 3 DAY AS iv, union_value(n := 7) AS un,
       'x'::ENUM('x') AS en, NULL AS none, '101'::BIT AS bit`,
    );
    expect(row).toEqual({
      tiny: 1,
      big: 9007199254740993n,
      huge: 2n ** 127n - 1n,
      dec: "1.10",
      day: "2026-02-03",
      time: "01:02:03.5",
      zoned: "2026-01-01 11:00:00+00",
      stamp: "2026-01-01 12:00:00.000001",
      bytes: new TextEncoder().encode("ab"),
      list: [1, null],
      struct: { a: [true] },
      map: [["k", 1.5]],
      uuid: "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
      iv: "3 days",
      un: 7,
      en: "x",
      none: null,
      bit: "101",
    });
  });

  test("parameters have the type of their value", async () => {
    await using database = await open();
    const params = [
      null,
      true,
      5,
      1.5,
      2n ** 64n,
      "a\0'",
      new Uint8Array([0, 1]),
      ["a", "b"],
    ] as const;
    const stamp = { kind: "timestamptz", micros: 5n } as const;
    const list = [...params, stamp].map((_, index) => `typeof($${index + 1})`).join(" || ',' || ");
    const [types] = await database.rows(`SELECT ${list} AS t`, [...params, stamp]);
    expect(types?.t).toBe(
      '"NULL",BOOLEAN,BIGINT,DOUBLE,HUGEINT,VARCHAR,BLOB,VARCHAR[],TIMESTAMP WITH TIME ZONE',
    );
    const [row] = await database.rows("SELECT $1 AS text, $2 AS list, $3 AS bytes", [
      "a\0'",
      ["x", "'"],
      new Uint8Array([0, 39]),
    ]);
    expect(row).toEqual({ text: "a\0'", list: ["x", "'"], bytes: new Uint8Array([0, 39]) });
  });

  test("a stream has its columns first and rows in their order", async () => {
    await using database = await open();
    const stream = await database.stream("SELECT range AS n, 'x' AS n FROM range($1)", [5000]);
    expect(stream.columns).toEqual([
      { name: "n", type: "BIGINT" },
      { name: "n", type: "VARCHAR" },
    ]);
    let next = 0n;
    for await (const batch of stream) for (const [n] of batch) expect(n).toBe(next++);
    expect(next).toBe(5000n);
  });
});

describe("errors", () => {
  test("have code, message without the engine's frame, and the place in the statement", async () => {
    await using database = await open();
    const parser = await failure(database.rows("SELECT 1;\n  selekt 2"));
    expect(parser).toMatchObject({
      code: "sql",
      place: { file: "", line: 2, column: 3, length: 6 },
    });
    expect(parser.message).toBe('syntax error at or near "selekt"');
    const binder = await failure(database.rows("SELECT 'ü😀', foo"));
    expect(binder.place).toEqual({ file: "", line: 1, column: 15, length: 3 });
    expect(binder.context).toMatchObject({ engine: "binder", position: 14 });
    expect((await failure(database.rows("SELECT error('{boom')"))).message).toBe("{boom");
    const read = await failure(database.rows("FROM read_text('/nope')"));
    expect(read).toMatchObject({ code: "sql", context: { engine: "permission" } });
    expect(read.hint).not.toBeNull();
  });

  test("a running statement can be interrupted", async () => {
    await using database = await open();
    const running = failure(database.rows("SELECT count(*) FROM range(1e12::BIGINT) a"));
    let isOver = false;
    void running.finally(() => {
      isOver = true;
    });
    // DuckDB drops an interrupt that comes before the statement has started, so it is sent until it is heard.
    while (!isOver) {
      database.interrupt();
      await database.connect();
    }
    expect(await running).toMatchObject({ code: "sql", context: { engine: "interrupt" } });
  });

  test("memory that runs out is io, with a hint", async () => {
    await using database = await open({ memoryBytes: 20e6 });
    const sql = "SELECT list(range::VARCHAR || repeat('x', 100)) FROM range(1000000)";
    expect(await failure(database.rows(sql))).toMatchObject({
      code: "io",
      context: { engine: "out of memory" },
    });
  });
});
