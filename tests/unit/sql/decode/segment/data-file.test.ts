/** A data file that is written without the engine holds the rows that the engine's would, and says the same of them. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { readFile } from "node:fs/promises";
import type { DecodeRequest } from "../../../../../core/engine.ts";
import { planTable } from "../../../../../sql/decode/segment/table-plan.ts";
import { metricsOf } from "../../../../support/data-file-metrics.ts";
import {
  SegmentFile,
  type Sent,
  shapeColumn,
  UNCHANGED,
} from "../../../../support/segment-file.ts";
import { Harness, READ } from "../harness.ts";

setDefaultTimeout(120_000);

const numeric = (precision: number, scale: number) => ({ typmod: precision * 65_536 + scale + 4 });
const COLUMNS = [
  shapeColumn("id", "long", 20, { key: true }),
  shapeColumn("b", "boolean", 16),
  shapeColumn("i2", "int", 21),
  shapeColumn("i4", "int", 23),
  shapeColumn("f4", "float", 700),
  shapeColumn("f8", "double", 701),
  shapeColumn("d", "date", 1082),
  shapeColumn("t", "time", 1083),
  shapeColumn("ts", "timestamp", 1114),
  shapeColumn("tz", "timestamptz", 1184),
  shapeColumn("u", "uuid", 2950),
  shapeColumn("x", "binary", 17),
  shapeColumn("s", "string", 25),
  shapeColumn("n9", "decimal(9,2)", 1700, numeric(9, 2)),
  shapeColumn("n18", "decimal(18,4)", 1700, numeric(18, 4)),
  shapeColumn("n38", "decimal(38,6)", 1700, numeric(38, 6)),
  shapeColumn("none", "long", 20),
];
/** Each value of a row next to another of its kind, so that the order of them is seen. */
const ROWS: readonly (readonly Sent[])[] = [
  ["-9223372036854775808", "t", "-32768", "-2147483648", "-1.5", "-0", "0001-01-01", "00:00:00"],
  [
    "9223372036854775807",
    "t",
    "32767",
    "2147483647",
    "3.25",
    "1e300",
    "9999-12-31",
    "23:59:59.999999",
  ],
  ["4294967296", "f", "0", "-1", "0", "-1e-300", "1969-12-31", "12:00:00.5"],
  ["4294967295", null, null, null, null, null, null, null],
];
const MORE: readonly (readonly Sent[])[] = [
  [
    ...["1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999+00"],
    ...["f79c3e09-677c-4bbd-a479-3f349cb785e7", "\\xff00", "zoë"],
    ...["-9999999.99", "-99999999999999.9999", "-12345678901234567890123456789012.345678"],
  ],
  [
    ...["2024-02-29 12:34:56.789", "2024-02-29 12:34:56.789+00"],
    ...["079c3e09-677c-4bbd-a479-3f349cb785e7", "\\x", "Ω".repeat(40)],
    ...["9999999.99", "99999999999999.9999", "12345678901234567890123456789012.345678"],
  ],
  [
    ...["1970-01-01 00:00:00", "1970-01-01 00:00:00+00"],
    ...["879c3e09-677c-4bbd-a479-3f349cb785e7", "\\x00ff", ""],
    ...["0.01", "-0.0001", "0.000001"],
  ],
  [null, null, null, null, null, null, null, null],
];
const all = ROWS.map((row, index): readonly Sent[] => [...row, ...(MORE[index] ?? []), null]);
/** A correction of a row that is not there: each row is looked at, and the engine writes them. */
const BY_ENGINE: Partial<DecodeRequest> = {
  fixes: [{ id: "none", raw: null, place: { file: "0001.segment", position: "row 0" } }],
};

/** What a data file holds and says, and who wrote it. */
async function landed(h: Harness, bytes: Uint8Array, more: Partial<DecodeRequest> = {}) {
  const drop = h.file("0001.segment", bytes);
  const read = { ...READ, table: "public.orders" };
  const { columns } = planTable(drop.path, read.table);
  const types = Object.fromEntries(columns.map(({ name, type }) => [name, type]));
  const request = h.request([drop], types, { read, ...more });
  const { decoded } = await h.run(request);
  const [data] = decoded.data.files;
  const path = data?.path ?? "";
  const { recordCount, keyValue, metrics } = await metricsOf(path, request.schema);
  expect(Number(data?.sizeBytes)).toBe(Bun.file(path).size);
  const isOwn = (await readFile(path, "latin1")).includes("lake version");
  const said = [...metrics].map(([id, { sizeBytes: _, ...rest }]) => ({ id, ...rest }));
  return { path, isOwn, whole: { recordCount, keyValue, said: said.toSorted(byId) } };
}

function byId(a: { readonly id: number }, b: { readonly id: number }): number {
  return a.id - b.id;
}

test("values of every type, old rows and what was not sent", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: COLUMNS, identity: "full" });
  const [first = [], second = [], third = [], nulls = []] = all;
  file.transaction(0x1a);
  for (const row of all) file.insert(orders, row);
  file
    .transaction(0x2b)
    .update(orders, second, { old: first })
    .update(orders, third.with(12, UNCHANGED))
    .delete(orders, { old: nulls })
    .transaction(0x2c)
    .truncate(orders);
  await using h = await Harness.open();
  const bytes = file.bytes();
  const own = await landed(h, bytes);
  const engines = await landed(h, bytes, BY_ENGINE);
  expect([own.isOwn, engines.isOwn]).toEqual([true, false]);
  expect(own.whole).toEqual(engines.whole);
  expect(await h.read([own.path])).toEqual(await h.read([engines.path]));
});

test("more rows than a group, and more bytes than a page", async () => {
  const rows = 130_000;
  const file = new SegmentFile();
  const columns = COLUMNS.filter(({ name }) => ["id", "b", "s"].includes(name));
  const orders = file.shape({ columns });
  for (let id = 0; id < rows; id++) {
    if (id % 450 === 0) file.transaction(0x10 + id);
    file.insert(orders, [
      `${id}`,
      id % 3 === 0 ? "t" : "f",
      id % 7 === 0 ? null : `${id}`.repeat(9),
    ]);
  }
  await using h = await Harness.open();
  const { path, isOwn } = await landed(h, file.bytes());
  expect(isOwn).toBe(true);
  const [found] = await h.read(
    [path],
    `count(*) FILTER (b = (id % 3 = 0)) AS b, min(id) AS first, max(id) AS last,
     count(*) FILTER (s IS NOT DISTINCT FROM if(id % 7 = 0, NULL, repeat(id::VARCHAR, 9))) AS s,
     count(DISTINCT _position) AS positions, count(DISTINCT _transaction) AS transactions`,
  );
  const counts = { b: rows, first: 0, last: rows - 1, s: rows, positions: rows, transactions: 289 };
  const wanted = Object.entries(counts).map(([name, count]) => [name, BigInt(count)]);
  expect(found).toEqual(Object.fromEntries(wanted));
});
