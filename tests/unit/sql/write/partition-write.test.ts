/** Partition transforms in SQL against those of the format, and files per partition. */

import { expect, test } from "bun:test";
import type { PartitionSpec, Schema } from "../../../../core/table/types.ts";
import { partitionColumns, writeRows } from "../../../../sql/write/partition.ts";
import { applyTransform, parseTransform } from "../../../../storage/iceberg/partition.ts";
import { Bench, schemaOf } from "../../../support/lake-scan.ts";

const SCHEMA = schemaOf({
  i: "int",
  l: "long",
  s: "string",
  b: "binary",
  u: "uuid",
  d: "date",
  t: "timestamp",
  z: "timestamptz",
  e: "decimal(20,2)",
  w: "decimal(9,0)",
  o: "boolean",
});

function spec(...fields: readonly (readonly [string, string])[]): PartitionSpec {
  return {
    specId: 1,
    fields: fields.map(([column, transform], index) => ({
      sourceId: SCHEMA.fields.find((field) => field.name === column)?.id ?? 0,
      fieldId: 1000 + index,
      name: `${column}_${index}`,
      transform,
    })),
  };
}

const ROWS = `
  SELECT 34::INT AS i, 34::BIGINT AS l, 'iceberg' AS s, '\\x00\\x01\\x02\\x03'::BLOB AS b,
    'f79c3e09-677c-4bbd-a479-3f349cb785e7'::UUID AS u, DATE '2017-11-16' AS d,
    TIMESTAMP '2017-11-16 22:31:08' AS t, TIMESTAMPTZ '2017-11-16 14:31:08-08' AS z,
    14.20::DECIMAL(20,2) AS e, -129::DECIMAL(9,0) AS w, true AS o
  UNION ALL SELECT -1, -1, '', ''::BLOB, '00000000-0000-0000-0000-000000000000'::UUID, DATE '1969-12-31',
    TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMPTZ '1969-12-31 23:59:59.999999+00', -0.01, 0, false
  UNION ALL SELECT 7, 9223372036854775807, 'ёжик 😀 x', '\\xFF\\xFE\\xFD\\xFC\\xFB'::BLOB,
    'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID, DATE '0001-01-01', TIMESTAMP '0001-01-01 00:00:00',
    TIMESTAMPTZ '2200-01-01 00:00:00+00', 123456789012345678.90, 128, NULL
  UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`;

const ACCEPTED: readonly (readonly [string, readonly string[]])[] = [
  ["identity", ["i", "l", "s", "b", "u", "d", "t", "z", "e", "w", "o"]],
  ["bucket[16]", ["i", "l", "s", "b", "u", "d", "t", "z", "e", "w"]],
  ["bucket[1000000]", ["l", "s", "b", "e", "w"]],
  ["truncate[3]", ["i", "l", "s", "b", "e", "w"]],
  ["year", ["d", "t", "z"]],
  ["month", ["d", "t", "z"]],
  ["day", ["d", "t", "z"]],
  ["hour", ["t", "z"]],
];

test("transforms in SQL are those of the format, value for value", async () => {
  await using bench = await Bench.open("Asia/Tokyo");
  for (const [transform, columns] of ACCEPTED) {
    for (const column of columns) {
      const [ours] = partitionColumns(spec([column, transform]), SCHEMA);
      const [plain] = partitionColumns(spec([column, "identity"]), SCHEMA);
      if (ours === undefined || plain === undefined) throw new Error("one column");
      const type = SCHEMA.fields.find((field) => field.name === column)?.type;
      if (type === undefined) throw new Error("known column");
      const rows = await bench.db.rows(
        `SELECT ${ours.sql} AS got, ${plain.sql} AS source FROM (${ROWS})`,
      );
      const got = rows.map((row) => ours.value(row.got ?? null));
      const expected = rows.map((row) =>
        applyTransform(parseTransform(transform), type, plain.value(row.source ?? null)),
      );
      expect([transform, column, got]).toEqual([transform, column, expected]);
    }
  }
});

test("each partition's rows are in files of their own, with their tuple", async () => {
  await using bench = await Bench.open();
  const schema: Schema = { ...SCHEMA, fields: SCHEMA.fields.filter((f) => "isd".includes(f.name)) };
  const written = await writeRows(
    bench.db,
    `SELECT i, s, d FROM (${ROWS}) UNION ALL SELECT 34, 'x', DATE '2017-11-16'`,
    { schema, spec: spec(["d", "day"], ["i", "bucket[4]"]), folder: bench.folder, name: "out" },
  );
  expect(written.rows).toBe(5n);
  const tuples = written.files.map((file) => [file.rows, file.partition] as const);
  expect(tuples).toContainEqual([2n, [17486, 3]]);
  expect(tuples).toContainEqual([1n, [null, null]]);
  const [first] = written.files;
  const ids = await bench.db.rows(
    `SELECT name, field_id FROM parquet_schema('${first?.path}') WHERE field_id IS NOT NULL`,
  );
  expect(ids.map((row) => row.name)).toEqual(["i", "s", "d"]);
});

test("no rows make no file, and an unpartitioned table keeps the order", async () => {
  await using bench = await Bench.open();
  const schema = schemaOf({ n: "long" });
  const target = { schema, spec: { specId: 0, fields: [] }, folder: bench.folder };
  const none = await writeRows(bench.db, "SELECT 1::BIGINT AS n WHERE false", {
    ...target,
    name: "a",
  });
  expect(none).toEqual({ files: [], rows: 0n });
  const many = await writeRows(bench.db, "SELECT 500000 - range AS n FROM range(500000)", {
    ...target,
    name: "b",
  });
  expect(many.files.map((file) => file.rows)).toEqual([500000n]);
  const rows = await bench.db.rows(
    `SELECT count(*) AS bad FROM (SELECT n, lag(n) OVER (ORDER BY file_row_number) AS p
     FROM '${many.files[0]?.path}') WHERE p <= n`,
  );
  expect(rows[0]?.bad).toBe(0n);
});
