/** Quoting against the real engine: what goes in as text comes back as the same value. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { type DuckDB, openDuckDB } from "../../../../sql/duckdb/duckdb.ts";
import {
  escapeGlob,
  type Literal,
  quoteFileList,
  quoteFilePath,
  quoteIdentifier,
  quoteList,
  quoteLiteral,
  quoteQualified,
  quoteTargetPath,
} from "../../../../sql/syntax/quote.ts";
import { tempFolder } from "../../../support/temp-folder.ts";

const NASTY = [
  "",
  "'",
  '"',
  "''",
  "a'; DROP TABLE x; --",
  "/* */ -- $1 ? :a",
  "\\",
  "\\'",
  "\\0",
  "\0",
  "a\0b\0",
  "line\nbreak\r\ttab",
  "$$x$$",
  "\u2019\uFF07\u02BC",
  "ünïcødé 😀 \u202Ertl",
  "%_*?[]{}",
  "NULL",
];

let database: DuckDB;
beforeAll(async () => {
  database = await unlocked();
});
afterAll(() => database.close());

function unlocked(): Promise<DuckDB> {
  return openDuckDB({
    threads: 1,
    memoryBytes: 500e6,
    tempFolder: null,
    allowedPaths: [],
    allowedFolders: [],
    lockdown: false,
  });
}

async function value(sql: string): Promise<{ readonly v: unknown; readonly t: unknown }> {
  const [row] = await database.rows(`SELECT ${sql} AS v, typeof(${sql}) AS t`);
  return { v: row?.v, t: row?.t };
}

describe("quoteLiteral", () => {
  test.each(NASTY)("text %j", async (text) => {
    expect(await value(quoteLiteral(text))).toEqual({ v: text, t: "VARCHAR" });
  });

  test("any text, also with another literal right after it", async () => {
    const texts = fc.string({ unit: "binary", maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(texts, texts, async (a, b) => {
        const [row] = await database.rows(
          `SELECT ${quoteLiteral(a)} = $1 AS a, ${quoteLiteral(b)} AS b`,
          [a],
        );
        expect(row).toEqual({ a: true, b });
      }),
      { numRuns: 200 },
    );
  });

  const cases: readonly [Literal, unknown, string][] = [
    [null, null, '"NULL"'],
    [true, true, "BOOLEAN"],
    [false, false, "BOOLEAN"],
    [0, 0n, "BIGINT"],
    [-7, -7n, "BIGINT"],
    [2 ** 53 - 1, 9007199254740991n, "BIGINT"],
    [2 ** 53, 2 ** 53, "DOUBLE"],
    [0.1, 0.1, "DOUBLE"],
    [-0, -0, "DOUBLE"],
    [5e-324, 5e-324, "DOUBLE"],
    [1.7976931348623157e308, 1.7976931348623157e308, "DOUBLE"],
    [Number.NaN, Number.NaN, "DOUBLE"],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, "DOUBLE"],
    [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, "DOUBLE"],
    [2n ** 63n - 1n, 2n ** 63n - 1n, "BIGINT"],
    [-(2n ** 63n), -(2n ** 63n), "BIGINT"],
    [2n ** 63n, 2n ** 63n, "HUGEINT"],
    [-(2n ** 127n) + 1n, -(2n ** 127n) + 1n, "HUGEINT"],
    [new Uint8Array([0, 39, 92, 255, 65]), new Uint8Array([0, 39, 92, 255, 65]), "BLOB"],
    [new Uint8Array(), new Uint8Array(), "BLOB"],
    [{ kind: "timestamp", micros: 1234567890123456n }, "2009-02-13 23:31:30.123456", "TIMESTAMP"],
    [
      { kind: "timestamptz", micros: -1n },
      "1969-12-31 23:59:59.999999+00",
      "TIMESTAMP WITH TIME ZONE",
    ],
  ];
  test.each(cases)("%p", async (literal, expected, type) => {
    expect(await value(quoteLiteral(literal))).toEqual({ v: expected, t: type });
  });

  test("operators around a literal do not change it", async () => {
    expect((await value(`-${quoteLiteral(-5)} - ${quoteLiteral(-3)}`)).v).toBe(8n);
    expect((await value(`${quoteLiteral("a\0b")} || 'c'`)).v).toBe("a\0bc");
    expect((await value(`upper(${quoteLiteral("a\0b")})`)).v).toBe("A\0B");
  });

  test("a number that no integer type holds is refused", () => {
    expect(() => quoteLiteral(2n ** 128n)).toThrow("128-bit");
  });
});

test("quoteList", async () => {
  expect((await value(quoteList(["a'", "b\0", "]"]))).v).toEqual(["a'", "b\0", "]"]);
  expect((await value(quoteList([1, 2n]))).v).toEqual([1n, 2n]);
  expect((await value(quoteList([]))).v).toEqual([]);
});

describe("quoteIdentifier", () => {
  test.each(NASTY.filter((name) => name !== "" && !name.includes("\0")))("%j", async (name) => {
    const column = quoteIdentifier(name);
    const [row] = await database.rows(`SELECT t.${column} FROM (SELECT 1 AS ${column}) AS t`);
    expect(row).toEqual({ [name]: 1 });
  });

  test("parts are quoted one by one", async () => {
    expect(quoteQualified(["a.b", 'c"d'])).toBe('"a.b"."c""d"');
  });

  test("what cannot be a name is refused", () => {
    expect(() => quoteIdentifier("")).toThrow("cannot be a name");
    expect(() => quoteIdentifier("a\0b")).toThrow("cannot be a name");
  });
});

describe("quoteFilePath", () => {
  const names = [
    "plain.csv",
    "a*b.csv",
    "a?b.csv",
    "a**b.csv",
    "[abc].csv",
    "]x[.csv",
    "it's.csv",
    'say "x".csv',
    "new\nline.csv",
    "back\\slash.csv",
    "back\\*star.csv",
    "{a,b}.csv",
    "k=v.csv",
    "~.csv",
    "-.csv",
    "%2e%2e.csv",
    "😀.csv",
  ];

  test.each([true, false])("names one file and no other, lockdown %p", async (lockdown) => {
    await using folder = await tempFolder();
    const root = join(folder.path, "l[a]k*e");
    for (const decoy of ["lake", "lak*e", "l[a]kxe"]) mkdirSync(join(folder.path, decoy));
    mkdirSync(root);
    for (const name of [...names, "axb.csv", "a.csv", "b.csv"]) {
      writeFileSync(join(root, name), `h\n${JSON.stringify(name).replaceAll(",", ";")}`);
    }
    await using reader = await openDuckDB({
      threads: 1,
      memoryBytes: 500e6,
      tempFolder: null,
      allowedPaths: names.slice(0, 8).map((name) => join(root, name)),
      allowedFolders: [root],
      lockdown,
    });
    for (const name of names) {
      const path = join(root, name);
      const rows = await reader.rows(`SELECT content FROM read_text(${quoteFilePath(path)})`);
      expect([name, rows.map((row) => row.content)]).toEqual([
        name,
        [`h\n${JSON.stringify(name).replaceAll(",", ";")}`],
      ]);
    }
    const all = names.map((name) => join(root, name));
    const [count] = await reader.rows(`SELECT count(*) AS n FROM read_text(${quoteFileList(all)})`);
    expect(count?.n).toBe(BigInt(names.length));
    const gone = quoteFilePath(join(root, "*.csv"));
    expect(reader.rows(`FROM read_csv(${gone})`)).rejects.toThrow("No files found");
    expect(await reader.rows(`FROM read_text(${gone})`)).toEqual([]);
  });

  test("a target path is written as it is", async () => {
    await using folder = await tempFolder();
    await using writer = await openDuckDB({
      threads: 1,
      memoryBytes: 500e6,
      tempFolder: null,
      allowedPaths: [],
      allowedFolders: [folder.path],
      lockdown: true,
    });
    for (const name of ["p*q'.parquet", "[a].parquet"]) {
      const path = join(folder.path, name);
      await writer.run(`COPY (SELECT 7 AS x) TO ${quoteTargetPath(path)}`);
      const rows = await writer.rows(`SELECT x FROM read_parquet(${quoteFilePath(path)})`);
      expect(rows).toEqual([{ x: 7 }]);
    }
  });

  test("only absolute paths, so no home, no network", () => {
    for (const path of ["~/x", "x.csv", "http://a/b", "s3://a/b", "", "/a\0b"]) {
      expect(() => quoteFilePath(path)).toThrow("not an absolute path");
    }
    expect(escapeGlob("/a/b.csv")).toBe("/a/b.csv");
    expect(escapeGlob("/a/[b]\\*.csv")).toBe("/a/[b]\\*.csv");
    expect(escapeGlob("/a/[b]?*.csv")).toBe("/a/[[]b][?][*].csv");
  });
});
