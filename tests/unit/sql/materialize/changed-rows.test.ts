/** Stored rows of keys: those that an index holds are those that their files have. */

import { expect, test } from "bun:test";
import { join } from "node:path";
import { FILE_COLUMN, POSITION_COLUMN } from "../../../../sql/bind/scan.ts";
import { rowsOfKeys } from "../../../../sql/materialize/changed-rows.ts";
import { columnList, Staging } from "../../../../sql/materialize/rows.ts";
import { Bench, scanOf, schemaOf } from "../../../support/lake-scan.ts";

const ROWS = 5_000;
const COLUMNS = schemaOf({
  flag: "boolean",
  small: "int",
  id: "long",
  ratio: "double",
  less: "float",
  day: "date",
  clock: "time",
  moment: "timestamp",
  instant: "timestamptz",
  name: "string",
  raw: "binary",
  own: "uuid",
  price: "decimal(38,4)",
});
const SPECIAL = `CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN -0.0 WHEN 2 THEN 'nan' WHEN 3 THEN '-inf'
  WHEN 4 THEN i / 3 ELSE 0 END`;
const SOURCE = `SELECT i % 2 = 0 AS flag, nullif((i % 300 - 150)::INT, 3) AS small, i % 700 AS id,
  ${SPECIAL}::DOUBLE AS ratio, ${SPECIAL}::FLOAT AS less,
  CASE i % 50 WHEN 0 THEN 'infinity' WHEN 1 THEN '0044-03-15 (BC)' ELSE NULL END::DATE AS day,
  TIME '00:00:00' + to_microseconds(i * 17280001) AS clock,
  CASE i % 50 WHEN 0 THEN '-infinity'::TIMESTAMP
    ELSE TIMESTAMP '1969-12-31' + to_microseconds(i * 7000000001) END AS moment,
  TIMESTAMPTZ '1915-10-31 00:00:00+00' + to_microseconds(i * 777000000001) AS instant,
  CASE i % 7 WHEN 0 THEN '' WHEN 1 THEN NULL WHEN 2 THEN 'a"\\,[]' || chr(10) || chr(9) || chr(0)
    WHEN 3 THEN 'null' ELSE repeat('ä€😀', (i % 4)::INT) || i END AS name,
  encode(chr(1 + (i % 127)::INT) || i) AS raw,
  ('00000000-0000-4000-8000-' || lpad(i::VARCHAR, 12, '0'))::UUID AS own,
  (i * 1234567890123 - 9)::DECIMAL(38, 4) / 1000 AS price FROM range(${ROWS}) t(i)`;

for (const zone of ["UTC", "Europe/Amsterdam"]) {
  for (const key of [["id"], ["name", "flag"], ["day"], ["instant", "small"]]) {
    test(`rows of ${key.join(", ")} in ${zone} are as their file has them`, async () => {
      await using bench = await Bench.open(zone);
      const { db } = bench;
      const file = await bench.file(COLUMNS, SOURCE);
      const target = {
        scan: scanOf("gold.rows", COLUMNS, [file]),
        schema: COLUMNS,
        spec: { specId: 0, fields: [] },
      };
      await using staging = new Staging(db, bench.folder, { isSmall: true });
      const names = key.join(", ");
      await db.run(
        `CREATE OR REPLACE TEMP TABLE lake_feed_keys AS SELECT DISTINCT ${names}
         FROM (${SOURCE}) WHERE id % 5 = 0`,
      );
      const what = `${columnList(COLUMNS.fields)}, ${FILE_COLUMN}, ${POSITION_COLUMN}`;
      const asked = async (indexes: { folder: string; lookupRows: number } | null) => {
        const wanted = { target, key, indexes, indexedRowsMin: 0, staging, holdsRows: true };
        const sql = await rowsOfKeys(db, wanted, what, "TRUE", false);
        const ordered = `SELECT *, signbit(ratio) AS s, signbit(less) AS l FROM (${sql}) ORDER BY ${POSITION_COLUMN}`;
        return { isRead: sql.includes("read_parquet"), rows: await db.rows(ordered) };
      };
      const plain = await asked(null);
      const held = await asked({ folder: join(bench.folder, "keys"), lookupRows: 0 });
      expect(plain.rows.length).toBeGreaterThan(50);
      expect([plain.isRead, held.isRead]).toEqual([true, false]);
      expect(held.rows).toEqual(plain.rows);
    });
  }
}
