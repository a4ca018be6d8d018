/** Events of a binary log in segments: their rows, whatever stands beside them and whatever of them is damaged. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { crc32 } from "node:zlib";
import { ROWS_EVENT } from "../../../../../core/ingest/binlog-rows.ts";
import type { Row } from "../../../../../sql/duckdb/duckdb.ts";
import {
  compressed,
  deleted,
  event,
  ID_COLUMN,
  inserted,
  NAME_COLUMN,
  updated,
} from "../../../../support/binlog-events.ts";
import { SegmentFile } from "../../../../support/segment-file.ts";
import { Harness, READ } from "../harness.ts";

setDefaultTimeout(120_000);

const COLUMNS = [ID_COLUMN, NAME_COLUMN];

/** What lands of a table, by columns and row by row: the same. */
async function land(bytes: Uint8Array, table = "shop.orders") {
  await using h = await Harness.open();
  const file = h.file("0001.segment", bytes);
  const read = { ...READ, table };
  const [seen] = (await h.inspect([file], read)).files;
  if (seen === undefined || seen.fault !== null) throw new Error(seen?.fault?.message ?? "none");
  const types = Object.fromEntries(seen.columns.map(({ name, type }) => [name, type]));
  const landed = await h.decode([file], types, { read });
  // A correction, even of no row, has every row looked at.
  const fixes = [{ id: "none", raw: null, place: null }];
  const { rows, rejects } = await h.decode([file], types, { read, fixes });
  expect(rows).toEqual(landed.rows);
  expect(rejects).toEqual(landed.rejects);
  return landed;
}

function told(rows: readonly Row[]) {
  return rows.map((row) => [row._op, row.id, row.name, String(row._position).slice(-8)]);
}

test("the rows of events are counted through their transaction", async () => {
  const file = new SegmentFile("mysql");
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  const first = inserted([
    [1, "ada"],
    [2, null],
  ]);
  file
    .transaction(1)
    .event(orders, first, crc32(first))
    .event(
      orders,
      updated([
        [
          [1, "ada"],
          [1, "bob"],
        ],
      ]),
    )
    .event(
      orders,
      compressed([
        [3, "eve"],
        [4, "kim"],
      ]),
    )
    .transaction(2)
    .event(orders, deleted([[2, null]]))
    .message(orders, ["T"]);
  const { rows } = await land(file.bytes());
  expect(told(rows)).toEqual([
    ["c", 1, "ada", "00000000"],
    ["c", 2, null, "00000001"],
    ["u", 1, "bob", "00000002"],
    ["c", 3, "eve", "00000003"],
    ["c", 4, "kim", "00000004"],
    ["d", 2, null, "00000000"],
    ["t", null, null, "00000001"],
  ]);
  expect(rows[2]?._before).toEqual({ id: 1 });
});

test("rows of other tables in a transaction count as they did one by one", async () => {
  const file = new SegmentFile("mysql");
  const others = file.shape({ columns: COLUMNS, name: "shop.others" });
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  file
    .transaction(1)
    .event(
      others,
      inserted([
        [7, "a"],
        [8, "b"],
      ]),
    )
    .event(orders, inserted([[1, "ada"]]))
    .event(others, compressed([[9, "c"]]));
  const bytes = file.bytes();
  expect(told((await land(bytes)).rows)).toEqual([["c", 1, "ada", "00000002"]]);
  expect(told((await land(bytes, "shop.others")).rows)).toEqual([
    ["c", 7, "a", "00000000"],
    ["c", 8, "b", "00000001"],
    ["c", 9, "c", "00000003"],
  ]);
});

test("columns that an image leaves out did not change", async () => {
  const file = new SegmentFile("mysql");
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  file.transaction(1).event(
    orders,
    updated([
      [
        [1, "ada"],
        [2, undefined],
      ],
    ]),
  );
  file.event(
    orders,
    updated([
      [
        [3, undefined],
        [4, undefined],
      ],
    ]),
  );
  const { rows } = await land(file.bytes());
  expect(rows.map(({ id, name, _unchanged }) => [id, name, _unchanged])).toEqual([
    [2, "ada", null],
    [4, null, ["name"]],
  ]);
});

test("rows of an event whose check sum is wrong are set aside each, the others land", async () => {
  const file = new SegmentFile("mysql");
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  file
    .transaction(1)
    .event(
      orders,
      inserted([
        [1, "ada"],
        [2, "bob"],
      ]),
    )
    .event(orders, inserted([[3, "eve"]]));
  const bytes = file.bytes();
  bytes[bytes.indexOf("ada")] = 0x78;
  const { rows, rejects, decoded } = await land(bytes);
  expect(told(rows)).toEqual([["c", 3, "eve", "00000002"]]);
  expect(rejects.map(({ position, reason }) => [position, reason])).toEqual([
    ["row 1", "parse"],
    ["row 2", "parse"],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 3, rowsLanded: 1, rowsQuarantined: 2 });
});

test.each([
  ["bytes that end in a value", event(ROWS_EVENT.writeV1, [0xff], [Buffer.of(0xfc, 1, 0, 0)])],
  ["a row without bytes", Buffer.concat([inserted([]), Buffer.of(1)])],
  ["a type that has no rows", event(19, [0xff], [])],
  ["more columns than its table", Buffer.from(inserted([[1, "ada"]])).fill(3, 27, 28)],
  [
    "bytes that are not compressed",
    event(ROWS_EVENT.mariaWriteCompressed, [0xff], [Buffer.of(0x81, 9, 1)]),
  ],
  ["no bytes", Buffer.alloc(0)],
])("an event with %s is set aside as one row, and the others land", async (_, broken) => {
  const file = new SegmentFile("mysql");
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  file.transaction(1).event(orders, inserted([[1, "ada"]]));
  file.event(orders, broken).event(orders, inserted([[2, "bob"]]));
  const { rows, rejects } = await land(file.bytes());
  expect(told(rows)).toEqual([
    ["c", 1, "ada", "00000000"],
    ["c", 2, "bob", "00000002"],
  ]);
  expect(rejects.map(({ position }) => position)).toEqual(["row 2"]);
});

test("a row that is broken behind others of its event is set aside with its place", async () => {
  const file = new SegmentFile("mysql");
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  const whole = inserted([
    [1, "ada"],
    [2, "bob"],
  ]);
  file
    .transaction(1)
    .event(orders, whole.subarray(0, -1))
    .event(orders, inserted([[3, "eve"]]));
  const { rows, rejects } = await land(file.bytes());
  expect(told(rows)).toEqual([
    ["c", 1, "ada", "00000000"],
    ["c", 3, "eve", "00000002"],
  ]);
  expect(rejects.map(({ position }) => position)).toEqual(["row 2"]);
});

test("a segment with fewer events than it says is not read at all", async () => {
  const file = new SegmentFile("mysql");
  const orders = file.shape({ columns: COLUMNS, name: "shop.orders" });
  file.transaction(1).event(orders, inserted([[1, "ada"]]));
  await expect(land(file.bytes({ "shop.orders": 2 }))).rejects.toThrow("where it says 2");
});
