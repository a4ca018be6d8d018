/** Large files, read by their own names where their ids prove them: renamed, dropped, promoted, foreign. */

import { expect, test } from "bun:test";
import type { ScanFile, Schema, Type } from "../../../../core/table/types.ts";
import { POSITION_COLUMN, scanSql } from "../../../../sql/bind/scan.ts";
import {
  Bench,
  plain,
  scanFile,
  scanOf,
  schemaOf,
  simpleType,
} from "../../../support/lake-scan.ts";

const NONE: ReadonlySet<string> = new Set();

const POSITIONS: Schema = {
  schemaId: 0,
  fields: [
    { id: 2147483546, name: "file_path", required: true, type: simpleType("string") },
    { id: 2147483545, name: "pos", required: true, type: simpleType("long") },
  ],
};

/** Enough rows for more than one row group: such a file is read by name where that is proven right. */
const MANY = 130_000;

const CHANGES: Readonly<Record<string, readonly [Schema["fields"], string]>> = {
  "a renamed column and a new one of its old name": [
    [column(1, "b", "int"), column(3, "a", "int"), column(2, "n", "string")],
    "sum(b) = 8449935000 AND count(a) = 0 AND max(n) = 'x9'",
  ],
  "a dropped column and a new one of its name": [
    [column(4, "a", "string"), column(2, "n", "string")],
    "count(a) = 0 AND max(n) = 'x9'",
  ],
  "two columns that changed names": [
    [column(1, "n", "int"), column(2, "a", "string")],
    "sum(n) = 8449935000 AND max(a) = 'x9'",
  ],
  "another order of columns": [
    [column(2, "n", "string"), column(1, "a", "int")],
    "sum(a) = 8449935000 AND max(n) = 'x9'",
  ],
};

test("a large file is read by its own names where its ids prove them, whatever they are called now", async () => {
  await using bench = await Bench.open();
  const old = schemaOf({ a: "int", n: "string" });
  const file = await bench.file(
    old,
    `SELECT range AS a, 'x' || range % 10 AS n FROM range(${MANY})`,
  );
  for (const [name, [fields, check]] of Object.entries(CHANGES)) {
    const sql = await scanSql(bench.db, scanOf("t", { schemaId: 1, fields }, [file]), {
      hidden: NONE,
    });
    const answer = await bench.db.rows(`SELECT ${check} AS ok, count(*) AS n FROM (${sql})`);
    expect([name, sql.includes("MAP {"), plain(answer)]).toEqual([
      name,
      false,
      [{ ok: true, n: MANY }],
    ]);
  }
});

test("a large file is mapped where its names or types prove nothing", async () => {
  await using bench = await Bench.open();
  const query = `SELECT range AS a, 'x' || range % 10 AS n FROM range(${MANY})`;
  const old = schemaOf({ a: "int", n: "string" });
  const plainFile = await bench.file(old, query);
  const promoted = schemaOf({ a: "long", n: "string" });
  const ofReader = schemaOf({ filename: "int", n: "string" });
  const named = await bench.file(ofReader, query.replace("AS a", "AS filename"));
  const foreign = bench.path("foreign.parquet");
  await bench.db.run(`COPY (${query}) TO '${foreign}' (FORMAT parquet)`);
  const listed = schemaOf({ a: "int", l: listOf("string") });
  const lists = await bench.file(listed, `SELECT a, [n] AS l FROM (${query})`);
  const small = await bench.file(old, query.replace(String(MANY), "10"));
  const cases: [string, Schema, ScanFile[]][] = [
    ["promoted", promoted, [plainFile]],
    ["a column called as the reader's own", ofReader, [named]],
    ["no ids", old, [scanFile(foreign, BigInt(MANY), 1)]],
    ["a nested column", listed, [lists]],
    ["one row group", old, [small]],
    ["two files", old, [plainFile, small]],
  ];
  for (const [name, schema, files] of cases) {
    const sql = await scanSql(bench.db, scanOf("t", schema, files), { hidden: NONE });
    expect([name, sql.includes("MAP {")]).toEqual([name, true]);
    if (name === "no ids") continue;
    const [first] = schema.fields;
    const [row] = plain(await bench.db.rows(`SELECT max("${first?.name}") AS m FROM (${sql})`));
    expect([name, row]).toEqual([name, { m: name === "one row group" ? 9 : MANY - 1 }]);
  }
});

test("_row and places of a large file are those of its rows, with deletes applied", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "int", _source_file: "string" });
  const rows = (drops: string) =>
    `SELECT range AS id, ${drops} AS _source_file FROM range(${MANY})`;
  const one = await bench.file(schema, rows("'f'"), { rowOrder: "7" });
  const two = await bench.file(schema, rows(`CASE WHEN range < 10 THEN 'f' ELSE 'g' END`), {
    rowOrder: "0",
  });
  const none = await bench.file(schema, rows(`CASE WHEN range < 10 THEN 'f' END`), {
    rowOrder: "0",
  });
  const lasts: unknown[] = [];
  for (const file of [one, two, none]) {
    const path = file.file.path;
    const deletes = await bench.file(POSITIONS, `SELECT '${path}' AS file_path, 0 AS pos`, {
      content: "position-deletes",
      sequence: 2n,
    });
    const scan = scanOf("t", schema, [file], [deletes]);
    const sql = await scanSql(bench.db, scan, { hidden: new Set(["_row"]), positions: true });
    const list = `SELECT id, _row, ${POSITION_COLUMN} AS at FROM (${sql}) ORDER BY id`;
    const read = plain(await bench.db.rows(`${list} LIMIT 1`));
    const last = plain(await bench.db.rows(`${list} DESC LIMIT 1`));
    const [count] = await bench.db.rows(`SELECT count(*) AS n FROM (${sql})`);
    lasts.push([...read, ...last, Number(count?.n)]);
  }
  const at = MANY - 1;
  const first = { id: 1, _row: 2, at: 1 };
  expect(lasts).toEqual([
    [{ ...first, _row: 9 }, { id: at, _row: MANY + 7, at }, at],
    [first, { id: at, _row: MANY - 10, at }, at],
    [first, { id: at, _row: MANY - 10, at }, at],
  ]);
});

test("_row of several large files is counted in each, by drop where a file holds more than one", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "int", _source_file: "string" });
  const write = (from: number, drop: string) =>
    bench.file(
      schema,
      `SELECT range + ${from} AS id, ${drop} AS _source_file FROM range(${MANY})`,
      { rowOrder: "0" },
    );
  const lastsOf = async (files: ScanFile[]) => {
    const sql = await scanSql(bench.db, scanOf("t", schema, files), { hidden: new Set(["_row"]) });
    const rows = await bench.db.rows(
      `SELECT _row FROM (${sql}) WHERE id % ${MANY} = ${MANY - 1} ORDER BY id`,
    );
    return rows.map((row) => Number(row._row));
  };
  const one = await write(0, "'f'");
  const other = await write(MANY, "'g'");
  const mixed = await write(MANY, `CASE WHEN range < 10 THEN 'f' ELSE 'g' END`);
  expect(await lastsOf([one, other])).toEqual([MANY, MANY]);
  expect(await lastsOf([one, mixed])).toEqual([MANY, MANY - 10]);
});

function column(id: number, name: string, type: string): Schema["fields"][number] {
  return { id, name, required: false, type: simpleType(type) };
}

function listOf(type: string): Type {
  return { kind: "list", elementId: 0, elementRequired: false, element: simpleType(type) };
}
