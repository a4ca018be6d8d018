/** Rewriting files under a new schema: exact casts, order and places kept, nothing bent. */

import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import type { RewriteRequest } from "../../../../core/engine.ts";
import type { Field, Schema } from "../../../../core/table/types.ts";
import { ALL_HIDDEN, scanSql } from "../../../../sql/bind/scan.ts";
import { rewrite } from "../../../../sql/write/rewrite.ts";
import {
  Bench,
  plain,
  scanFile,
  scanOf,
  schemaOf,
  simpleType,
} from "../../../support/lake-scan.ts";

const OLD = schemaOf({
  l: "long",
  e: "decimal(12,2)",
  d: "date",
  z: "timestamptz",
  f: "double",
  _source_file: "string",
  _batch: "string",
});

function field(id: number, name: string, type: string): Field {
  return { id, name, required: false, type: simpleType(type) };
}

async function run(
  bench: Bench,
  schema: Schema,
  casts: RewriteRequest["casts"],
  sql: string,
  without: RewriteRequest["without"] = [],
) {
  const first = await bench.file(OLD, sql, { rowOrder: "7" });
  const second = await bench.file(OLD, sql);
  const scan = scanOf("t", OLD, [first, second]);
  const staging = bench.path("staging");
  await mkdir(staging);
  const written = await rewrite(bench.context(), {
    scan,
    paths: [first.file.path],
    schema,
    casts,
    without,
    fileColumn: "_source_file",
    spec: { specId: 0, fields: [] },
    staging,
    memoryBytes: 1024 ** 3,
    threads: 2,
  });
  const files = written.files.map((file) => scanFile(file.path, file.rows, Number(file.sizeBytes)));
  const read = await scanSql(bench.db, scanOf("t", schema, files), { hidden: ALL_HIDDEN });
  return { written, rows: plain(await bench.db.rows(read)) };
}

const ROWS = `SELECT 9007199254740993 AS l, 1.50 AS e, DATE '2026-01-02' AS d,
  TIMESTAMPTZ '2026-01-02 03:04:05+02' AS z, 0.1 AS f, 'a.csv' AS _source_file, 'b1' AS _batch
  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, 'a.csv', 'b1'`;

test("columns are given a new type by exact casts, order and provenance kept", async () => {
  await using bench = await Bench.open("Asia/Tokyo");
  const schema: Schema = {
    schemaId: 1,
    fields: [
      field(11, "l", "decimal(20,1)"),
      field(12, "e", "string"),
      field(13, "d", "timestamp"),
      field(14, "z", "string"),
      field(15, "f", "string"),
      field(6, "_source_file", "string"),
    ],
  };
  const casts = { l: "l", e: "e", d: "d", z: "z", f: "f" };
  const { written, rows } = await run(bench, schema, casts, ROWS);
  expect(written.rows).toBe(2n);
  expect(rows).toEqual([
    {
      l: "9007199254740993.0",
      e: "1.50",
      d: "2026-01-02 00:00:00",
      z: "2026-01-02 01:04:05+00",
      f: "0.1",
      _source_file: "a.csv",
      _row: 8,
    },
    { l: null, e: null, d: null, z: null, f: null, _source_file: "a.csv", _row: 9 },
  ]);
});

test("places that are stored come from the order of the file", async () => {
  await using bench = await Bench.open();
  const schema = { ...OLD, fields: [...OLD.fields, field(20, "_row", "long")] };
  const { written, rows } = await run(bench, schema, {}, ROWS);
  expect(rows.map((row) => (row as { _row: number })._row)).toEqual([8, 9]);
  const keys = await bench.db.rows(
    `SELECT decode(key) AS k FROM parquet_kv_metadata('${written.files[0]?.path}') WHERE decode(key) LIKE 'tarn%'`,
  );
  expect(keys).toEqual([]);
});

test("a cast that would change a value stops the rewrite", async () => {
  await using bench = await Bench.open();
  const schema: Schema = { schemaId: 1, fields: [field(11, "f", "decimal(10,0)")] };
  const bent = run(bench, schema, { f: "f" }, ROWS);
  expect(bent).rejects.toMatchObject({ message: expect.stringContaining("does not fit") });
});

const SEVERAL = `SELECT range AS l, NULL AS e, NULL AS d, NULL AS z, NULL AS f,
  CASE range WHEN 4 THEN NULL WHEN 3 THEN 'b.csv' ELSE 'a.csv' END AS _source_file,
  CASE range WHEN 4 THEN NULL WHEN 2 THEN 'b2' ELSE 'b1' END AS _batch FROM range(5)`;

test("rows of replaced files are left out: those of their batch, none of another engine", async () => {
  await using bench = await Bench.open();
  const without = [{ batch: "b1", file: "a.csv" }];
  const { rows, written } = await run(bench, OLD, {}, SEVERAL, without);
  expect(rows).toMatchObject([
    { l: 2, _source_file: "a.csv" },
    { l: 3, _source_file: "b.csv", _row: 8 },
    { l: 4, _source_file: null },
  ]);
  expect(written.rowsLeftOut).toBe(2n);
});

test("a file that keeps all of its rows is not written again", async () => {
  await using bench = await Bench.open();
  const { written } = await run(bench, OLD, {}, SEVERAL, [{ batch: "b2", file: "b.csv" }]);
  expect([written.files.length, written.replaced.length]).toEqual([0, 0]);
});
