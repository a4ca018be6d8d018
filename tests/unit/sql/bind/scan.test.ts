/** Scans as SQL: field ids, nested renames, deletes, places of rows, odd paths. */

import { expect, test } from "bun:test";
import { rename } from "node:fs/promises";
import { type VectorPlace, writeVectors } from "../../../../core/table/deletion-vector.ts";
import { rowSet } from "../../../../core/table/row-set.ts";
import { POSITION_DELETES } from "../../../../core/table/system-columns.ts";
import type { DataFile, Scan, Schema, Type } from "../../../../core/table/types.ts";
import { scanSql } from "../../../../sql/bind/scan.ts";
import {
  Bench,
  plain,
  scanFile,
  scanOf,
  schemaOf,
  simpleType,
} from "../../../support/lake-scan.ts";

const NONE: ReadonlySet<string> = new Set();

async function read(bench: Bench, scan: Scan, hidden = NONE, order = "1"): Promise<unknown[]> {
  const sql = await scanSql(bench.db, scan, { hidden });
  return plain(await bench.db.rows(`SELECT * FROM (${sql}) ORDER BY ${order}`));
}

function struct(fields: readonly (readonly [number, string, Type])[]): Type {
  return {
    kind: "struct",
    fields: fields.map(([id, name, type]) => ({ id, name, required: false, type })),
  };
}

test("columns are found by field id: renamed, added, promoted", async () => {
  await using bench = await Bench.open();
  const old = schemaOf({ id: "int", price: "decimal(5,2)", f: "float", d: "date" });
  const file = await bench.file(
    old,
    "SELECT 1 AS id, 1.25 AS price, 0.5 AS f, DATE '2026-01-02' AS d",
  );
  const now: Schema = {
    schemaId: 1,
    fields: [
      { id: 9, name: "added", required: false, type: simpleType("string") },
      { id: 1, name: "order id", required: false, type: simpleType("long") },
      { id: 2, name: "filename", required: false, type: simpleType("decimal(10,2)") },
      { id: 3, name: "f", required: false, type: simpleType("double") },
      { id: 4, name: "d", required: false, type: simpleType("timestamp") },
    ],
  };
  expect(await read(bench, scanOf("t", now, [file]))).toEqual([
    { added: null, "order id": 1, filename: "1.25", f: 0.5, d: "2026-01-02 00:00:00" },
  ]);
});

test("renamed nested fields keep their values, at every depth", async () => {
  await using bench = await Bench.open();
  const text = simpleType("string");
  const shape = (names: readonly [string, string, string, string]): Schema => ({
    schemaId: 1,
    fields: [
      {
        id: 1,
        name: "s",
        required: false,
        type: struct([
          [2, names[0], text],
          [3, "kept", simpleType("int")],
        ]),
      },
      {
        id: 4,
        name: "l",
        required: false,
        type: {
          kind: "list",
          elementId: 5,
          elementRequired: false,
          element: struct([[6, names[1], struct([[7, names[2], text]])]]),
        },
      },
      {
        id: 8,
        name: "m",
        required: false,
        type: {
          kind: "map",
          keyId: 9,
          key: text,
          valueId: 10,
          valueRequired: false,
          value: struct([[11, names[3], text]]),
        },
      },
    ],
  });
  const before = await bench.file(
    shape(["a", "b", "c", "d"]),
    `SELECT {a: 'one', kept: 1} AS s, [{b: {c: 'two'}}, NULL] AS l, MAP {'k': {d: 'three'}} AS m
     UNION ALL SELECT NULL, NULL, NULL`,
  );
  const renamed = shape(["x", "y", "z", "w"]);
  const after = await bench.file(
    renamed,
    "SELECT {x: 'four', kept: 2} AS s, [{y: {z: 'five'}}] AS l, MAP {'k': {w: 'six'}} AS m",
  );
  expect(
    await read(bench, scanOf("t", renamed, [before, after]), NONE, "s.kept NULLS LAST"),
  ).toEqual([
    { s: { x: "one", kept: 1 }, l: [{ y: { z: "two" } }, null], m: [["k", { w: "three" }]] },
    { s: { x: "four", kept: 2 }, l: [{ y: { z: "five" } }], m: [["k", { w: "six" }]] },
    { s: null, l: null, m: null },
  ]);
});

test("a nested field that was dropped and made anew under its name is NULL in old files", async () => {
  await using bench = await Bench.open();
  const text = simpleType("string");
  const shape = (id: number): Schema => ({
    schemaId: 0,
    fields: [{ id: 1, name: "s", required: false, type: struct([[id, "a", text]]) }],
  });
  const file = await bench.file(shape(2), "SELECT {a: 'old'} AS s");
  expect(await read(bench, scanOf("t", shape(3), [file]))).toEqual([{ s: { a: null } }]);
});

test("an empty table has its columns and no rows", async () => {
  await using bench = await Bench.open();
  const scan = scanOf("t", schemaOf({ id: "long", _source_file: "string" }), []);
  const sql = await scanSql(bench.db, scan, { hidden: new Set(["_source_file", "_row"]) });
  const described = await bench.db.rows(`DESCRIBE ${sql}`);
  expect(described.map((row) => [row.column_name, row.column_type])).toEqual([
    ["id", "BIGINT"],
    ["_source_file", "VARCHAR"],
    ["_row", "BIGINT"],
  ]);
  expect(await bench.db.rows(sql)).toEqual([]);
});

test("paths are opened as they are, whatever is in them", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long" });
  const name = "we ird%20[x]*{a}'\"é.parquet";
  const file = await bench.file(schema, "SELECT 7 AS id", { name });
  expect(await read(bench, scanOf("t", schema, [file]))).toEqual([{ id: 7 }]);
});

test("_row is the place in the drop where the footer says so, as stored, else NULL", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long", _source_file: "string" });
  const rows = (ids: string) => `SELECT id, f AS _source_file FROM (VALUES ${ids}) t(id, f)`;
  const ordered = await bench.file(schema, rows("(1,'a'),(2,'a'),(3,'b')"), { rowOrder: "0" });
  const tail = await bench.file(schema, rows("(4,'b'),(5,'b')"), { rowOrder: "1" });
  const foreign = await bench.file(schema, rows("(6,'c')"));
  const scan = scanOf("t", schema, [ordered, tail, foreign]);
  expect(await read(bench, scan, new Set(["_row"]))).toEqual([
    { id: 1, _row: 1 },
    { id: 2, _row: 2 },
    { id: 3, _row: 1 },
    { id: 4, _row: 2 },
    { id: 5, _row: 3 },
    { id: 6, _row: null },
  ]);
  const withRow = { ...schema, fields: [...schema.fields, rowField()] };
  const stored = await bench.file(withRow, "SELECT 7 AS id, 'a' AS _source_file, 70 AS _row");
  const both = scanOf("t", withRow, [stored, ordered]);
  expect(await read(bench, both, new Set(["_row"]), "id DESC LIMIT 2")).toEqual([
    { id: 7, _row: 70 },
    { id: 3, _row: 1 },
  ]);
});

test("_row of files that each hold one drop is had without a second look at them", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long", _source_file: "string" });
  const rows = (ids: string, file: string) =>
    `SELECT id, '${file}' AS _source_file FROM (VALUES ${ids}) t(id)`;
  const files = [
    await bench.file(schema, rows("(1),(2)", "a"), { rowOrder: "0" }),
    await bench.file(schema, rows("(3),(4)", "it''s"), { rowOrder: "7" }),
    await bench.file(schema, rows("(5)", "c")),
  ];
  const scan = scanOf("t", schema, files);
  const hidden = new Set(["_row"]);
  const sql = await scanSql(bench.db, scan, { hidden });
  expect(sql).not.toContain("JOIN");
  expect(await read(bench, scan, hidden)).toEqual([
    { id: 1, _row: 1 },
    { id: 2, _row: 2 },
    { id: 3, _row: 8 },
    { id: 4, _row: 9 },
    { id: 5, _row: null },
  ]);
  const two = await bench.file(
    schema,
    "SELECT * FROM (VALUES (6, 'd'), (7, 'e')) t(id, _source_file)",
    { rowOrder: "0" },
  );
  const none = await bench.file(
    schema,
    "SELECT * FROM (VALUES (8, 'f'), (9, NULL)) t(id, _source_file)",
    { rowOrder: "0" },
  );
  expect(await read(bench, scanOf("t", schema, [two, none]), hidden)).toEqual([
    { id: 6, _row: 1 },
    { id: 7, _row: 1 },
    { id: 8, _row: 1 },
    { id: 9, _row: 1 },
  ]);
});

function rowField() {
  return { id: 50, name: "_row", required: false, type: simpleType("long") };
}

const POSITIONS: Schema = {
  schemaId: 0,
  fields: [
    { id: 2147483546, name: "file_path", required: true, type: simpleType("string") },
    { id: 2147483545, name: "pos", required: true, type: simpleType("long") },
  ],
};

test("position deletes take out their rows, and only in files that are not newer", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long", _source_file: "string" });
  const old = await bench.file(schema, "SELECT range AS id, 'f' AS _source_file FROM range(5)", {
    sequence: 1n,
    rowOrder: "0",
  });
  const newer = await bench.file(
    schema,
    "SELECT range + 10 AS id, 'g' AS _source_file FROM range(3)",
    {
      sequence: 3n,
    },
  );
  const deletes = await bench.file(
    POSITIONS,
    `SELECT '${old.file.path}' AS file_path, unnest([0, 3]) AS pos UNION ALL SELECT '${newer.file.path}', 1`,
    { content: "position-deletes", sequence: 2n },
  );
  const scan = scanOf("t", schema, [old, newer], [deletes]);
  expect(await read(bench, scan, new Set(["_row"]))).toEqual([
    { id: 1, _row: 2 },
    { id: 2, _row: 3 },
    { id: 4, _row: 5 },
    { id: 10, _row: null },
    { id: 11, _row: null },
    { id: 12, _row: null },
  ]);
});

test("equality deletes take out equal rows of older files, NULL equal to NULL", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long", name: "string" });
  const rows = "SELECT * FROM (VALUES (1, 'a'), (2, NULL), (2, 'b')) t(id, name)";
  const old = await bench.file(schema, rows, { sequence: 1n });
  const same = await bench.file(schema, rows, { sequence: 2n });
  const deletes = await bench.file(schema, "SELECT 2 AS id, NULL AS name", {
    content: "equality-deletes",
    equalityIds: [1, 2],
    sequence: 2n,
  });
  const scan = scanOf("t", schema, [old, same], [deletes]);
  expect(await read(bench, scan, NONE, "1, 2 NULLS LAST")).toEqual([
    { id: 1, name: "a" },
    { id: 1, name: "a" },
    { id: 2, name: "b" },
    { id: 2, name: "b" },
    { id: 2, name: null },
  ]);
  const dropped = { ...scan, schema: { ...schema, fields: schema.fields.slice(0, 1) } };
  expect(scanSql(bench.db, dropped, { hidden: NONE })).rejects.toMatchObject({
    code: "unsupported",
  });
});

test("a deletion vector takes its rows out, and stands for position deletes of before", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long" });
  const file = await bench.file(schema, "SELECT range AS id FROM range(200000)");
  const other = await bench.file(schema, "SELECT 900000 + range AS id FROM range(3)");
  // Two vectors in one file: few rows, and so many of a range that they are said as bits.
  const many = Array.from({ length: 5_000 }, (_, index) => 65_536 + index * 7);
  const rowsOf = [rowSet([0, 199_999, ...many]), rowSet([1])];
  const { bytes, places } = writeVectors(
    [file, other].map(({ file: { path } }, index) => ({
      dataFile: path,
      rows: rowsOf[index] ?? [],
    })),
    "tests",
    (part) => Bun.hash.crc32(part),
  );
  const path = `${bench.folder}/both.puffin`;
  await Bun.write(path, bytes);
  const vectors = places.map((place) => vectorOf(path, bytes.length, place));
  const older = await bench.file(
    POSITION_DELETES,
    `SELECT '${file.file.path}' AS file_path, 5 AS pos UNION ALL SELECT '${other.file.path}', 2`,
    { content: "position-deletes" },
  );
  const sumsOf = async (deletes: readonly DataFile[]) => {
    const scan = { ...scanOf("t", schema, [file, other]), deletes };
    const sql = await scanSql(bench.db, scan, { hidden: NONE });
    return plain(await bench.db.rows(`SELECT count(*) AS n, sum(id)::BIGINT AS s FROM (${sql})`));
  };
  const all = (199_999 * 200_000) / 2 + 2_700_003;
  const gone = 199_999 + many.reduce((sum, row) => sum + row, 0) + 900_001;
  expect(await sumsOf(vectors)).toEqual([{ n: 200_003 - 5_003, s: all - gone }]);
  // The first file has a vector, which counts alone; of the other a position delete does.
  const [first] = vectors;
  if (first === undefined) throw new Error("there are two");
  const mixed = await sumsOf([first, older.file]);
  expect(mixed).toEqual([{ n: 200_003 - 5_003, s: all - (gone - 900_001 + 900_002) }]);

  const damaged = (change: Partial<DataFile>) => sumsOf([{ ...first, ...change }]);
  expect(await failure(damaged({ recordCount: 3n }))).toContain("its entry says 3");
  expect(await failure(damaged({ referencedDataFile: null }))).toContain("names no data file");
  expect(await failure(damaged({ path: "file:///nowhere/gone.puffin" }))).toContain(
    "cannot be read",
  );
  expect(await failure(sumsOf([first, { ...first }]))).toContain("has two deletion vectors");
});

function vectorOf(path: string, sizeBytes: number, place: VectorPlace): DataFile {
  const { offset, sizeBytes: blobBytes, dataFile, rows } = place;
  const { file } = scanFile(path, rows, sizeBytes, { content: "position-deletes", sequence: 9n });
  const blob = { offset, sizeBytes: blobBytes };
  return { ...file, format: "PUFFIN", referencedDataFile: dataFile, blob };
}

async function failure(action: Promise<unknown>): Promise<string> {
  try {
    return `it gave ${JSON.stringify(await action)}`;
  } catch (thrown) {
    return String(thrown);
  }
}

test("a moved lake finds its delete files beside its data files", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ id: "long" });
  const recorded = "file:///old/root/data/a.parquet";
  const file = await bench.file(schema, "SELECT range AS id FROM range(3)");
  const local = `${bench.folder}/data-a.parquet`;
  const localDeletes = `${bench.folder}/data-d.parquet`;
  await rename(file.localPath, local);
  const deletes = await bench.file(POSITIONS, `SELECT '${recorded}' AS file_path, 1 AS pos`, {
    content: "position-deletes",
  });
  await rename(deletes.localPath, localDeletes);
  const moved = scanFile(local, 3n, 1, { recorded: "file:///old/root/data-a.parquet" });
  const movedDeletes = scanFile(localDeletes, 1n, 1, {
    content: "position-deletes",
    recorded: "file:///old/root/data-d.parquet",
  });
  const renamed = await bench.file(
    POSITIONS,
    "SELECT 'file:///old/root/data-a.parquet' AS file_path, 1 AS pos",
  );
  await rename(renamed.localPath, localDeletes);
  expect(await read(bench, scanOf("t", schema, [moved], [movedDeletes]))).toEqual([
    { id: 0 },
    { id: 2 },
  ]);
});
