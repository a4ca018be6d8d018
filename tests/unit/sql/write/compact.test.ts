/** Files of a partition written as one: no row changes, places are real, what is deleted is left out and said again. */

import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import type { CompactRequest } from "../../../../core/table/compaction.ts";
import type { DataFile, Scan, ScanFile, Schema } from "../../../../core/table/types.ts";
import { ALL_HIDDEN, scanSql } from "../../../../sql/bind/scan.ts";
import { compact } from "../../../../sql/write/compact.ts";
import { Bench, plain, scanFile, scanOf, schemaOf } from "../../../support/lake-scan.ts";

const LANDED = schemaOf({ id: "long", s: "string", _source_file: "string", _batch: "string" });
/** The same, once places are stored. */
const REAL: Schema = {
  schemaId: 1,
  fields: [
    ...LANDED.fields,
    ...schemaOf({ _row: "long" }).fields.map((one) => ({ ...one, id: 9 })),
  ],
};
const DELETES = schemaOf({ file_path: "string", pos: "long" });
const POSITIONS: Schema = {
  ...DELETES,
  fields: DELETES.fields.map((one, index) => ({
    ...one,
    id: index === 0 ? 2147483546 : 2147483545,
  })),
};

function rowsSql(ids: readonly number[], drop: string): string {
  const values = ids.map((id) => `(${id}, 'v${id % 3}', '${drop}', 'b1')`);
  return `SELECT * FROM (VALUES ${values.join(", ")}) AS t(id, s, _source_file, _batch)`;
}

async function marksOf(
  bench: Bench,
  marks: readonly (readonly [ScanFile, number])[],
): Promise<DataFile> {
  const values = marks.map(([{ file }, pos]) => `('${file.path}', ${pos})`);
  const sql = `SELECT * FROM (VALUES ${values.join(", ")}) AS t(file_path, pos)`;
  const made = await bench.file(POSITIONS, sql, { content: "position-deletes", sequence: 2n });
  return made.file;
}

async function compacted(
  bench: Bench,
  scan: Scan,
  groups: readonly (readonly ScanFile[])[],
  more: Partial<CompactRequest> = {},
) {
  const staging = bench.path("staging");
  await mkdir(staging);
  return await compact(bench.context(), {
    scan,
    groups: groups.map((group) => group.map(({ file }) => file.path)),
    schema: scan.schema,
    specId: 0,
    partition: [],
    sortBy: [],
    staging,
    memoryBytes: 1024 ** 3,
    threads: 2,
    ...more,
  });
}

/** Rows as they stand in the files that were made. */
async function readBack(bench: Bench, schema: Schema, made: Awaited<ReturnType<typeof compact>>) {
  const files = made.files.map(({ path, rows, sizeBytes }) =>
    scanFile(path, rows, Number(sizeBytes)),
  );
  const sql = await scanSql(bench.db, scanOf("t", schema, files), { hidden: ALL_HIDDEN });
  return await bench.db.rows(sql);
}

function number(value: unknown): number | null {
  return value === null || value === undefined ? null : Number(value);
}

test("rows keep the places that they had in their drops, whatever is deleted before them", async () => {
  await using bench = await Bench.open();
  const one = await bench.file(LANDED, rowsSql([1, 2, 3], "a.csv"), { rowOrder: "0" });
  const grown = await bench.file(LANDED, rowsSql([4, 5], "a.csv"), { rowOrder: "3" });
  const foreign = await bench.file(LANDED, rowsSql([6], "b.csv"));
  const scan = scanOf("t", LANDED, [one, grown, foreign]);
  const deletes = [await marksOf(bench, [[one, 0]])];
  const made = await compacted(bench, { ...scan, deletes }, [[one, grown, foreign]], {
    schema: REAL,
  });
  const rows = await readBack(bench, REAL, made);
  expect(rows.map(({ id, _row }) => [number(id), number(_row)])).toEqual([
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, null],
  ]);
  expect(made.rowsLeftOut).toBe(1n);
});

test("marks of files that stay are said again, and only those", async () => {
  await using bench = await Bench.open();
  const [a, b, c] = [
    await bench.file(LANDED, rowsSql([1, 2], "a.csv")),
    await bench.file(LANDED, rowsSql([3, 4], "b.csv")),
    await bench.file(LANDED, rowsSql([5, 6], "c.csv")),
  ];
  const marks = await marksOf(bench, [
    [a, 1],
    [c, 0],
  ]);
  const scan = { ...scanOf("t", LANDED, [a, b, c]), deletes: [marks] };
  const made = await compacted(bench, scan, [[a, b]]);
  expect(made.replaced.toSorted()).toEqual([a.file.path, b.file.path, marks.path].toSorted());
  expect(made.rows).toBe(3n);
  const [said] = made.marks.files;
  const read = `SELECT file_path, pos FROM read_parquet('${said?.path}')`;
  expect(plain(await bench.db.rows(read))).toEqual([{ file_path: c.file.path, pos: 0 }]);
});

test("a file alone that loses nothing is left as it is, and so are marks of others", async () => {
  await using bench = await Bench.open();
  const a = await bench.file(LANDED, rowsSql([1, 2], "a.csv"));
  const b = await bench.file(LANDED, rowsSql([3, 4], "b.csv"));
  const scan = { ...scanOf("t", LANDED, [a, b]), deletes: [await marksOf(bench, [[b, 0]])] };
  const made = await compacted(bench, scan, [[a]]);
  expect([made.files, made.replaced, made.marks.rows]).toEqual([[], [], 0n]);
});

test("rows are sorted as the table says", async () => {
  await using bench = await Bench.open();
  const a = await bench.file(LANDED, rowsSql([1, 5, 3], "a.csv"));
  const b = await bench.file(LANDED, rowsSql([4, 2, 6], "b.csv"));
  const [id, s] = LANDED.fields;
  const made = await compacted(bench, scanOf("t", LANDED, [a, b]), [[a, b]], {
    sortBy: [
      { sourceId: s?.id ?? 0, transform: "identity", direction: "desc", nullOrder: "nulls-last" },
      { sourceId: id?.id ?? 0, transform: "identity", direction: "asc", nullOrder: "nulls-first" },
    ],
  });
  const rows = await readBack(bench, LANDED, made);
  expect(rows.map((row) => number(row.id))).toEqual([2, 5, 1, 4, 3, 6]);
});

test("rows that other writers deleted by value are left out", async () => {
  await using bench = await Bench.open();
  const a = await bench.file(LANDED, rowsSql([1, 2], "a.csv"));
  const b = await bench.file(LANDED, rowsSql([3], "b.csv"));
  const ids = schemaOf({ id: "long" });
  const dead = await bench.file(ids, "SELECT 2 AS id", {
    content: "equality-deletes",
    equalityIds: [1],
    sequence: 2n,
  });
  const scan = { ...scanOf("t", LANDED, [a, b]), deletes: [dead.file] };
  const made = await compacted(bench, scan, [[a, b]]);
  const left = (await readBack(bench, LANDED, made)).map(({ id }) => Number(id));
  expect(left.toSorted()).toEqual([1, 3]);
  expect(made.rowsLeftOut).toBe(1n);
});

test("a file that does not hold the rows that it is said to hold stops the work", async () => {
  await using bench = await Bench.open();
  const a = await bench.file(LANDED, rowsSql([1, 2], "a.csv"));
  const b = await bench.file(LANDED, rowsSql([3], "b.csv"));
  const lying = { ...b, file: { ...b.file, recordCount: 2n } };
  const scan = scanOf("t", LANDED, [a, lying]);
  await expect(compacted(bench, scan, [[a, lying]])).rejects.toThrow("of 4 rows 3 were read back");
});
