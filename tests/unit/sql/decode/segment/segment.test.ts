/** Segments: the rows of one table as a feed, whatever else the file holds and whatever of it is damaged. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { ClaimedFile, Decoded, ObservedColumn } from "../../../../../core/engine.ts";
import type { ReadOptions } from "../../../../../core/ingest/contract.ts";
import type { Row } from "../../../../../sql/duckdb/duckdb.ts";
import {
  int32,
  int64,
  SegmentFile,
  shapeColumn,
  UNCHANGED,
} from "../../../../support/segment-file.ts";
import { Harness, READ, T, typeText } from "../harness.ts";

setDefaultTimeout(120_000);

const ID = shapeColumn("id", "int", 23, { key: true });
const NAME = shapeColumn("name", "varchar", 25);
const NOTE = shapeColumn("note", "varchar", 25);
const ORDERS: Partial<ReadOptions> = { table: "public.orders" };

interface Landed {
  readonly columns: readonly ObservedColumn[];
  readonly rows: readonly Row[];
  readonly rejects: readonly Row[];
  readonly decoded: Decoded;
}

/** Looks at a segment, then lands what it holds of a table under the types that were seen. */
async function land(bytes: Uint8Array, read: Partial<ReadOptions> = ORDERS): Promise<Landed> {
  await using h = await Harness.open();
  const file = h.file("0001.segment", bytes);
  return await landFile(h, file, read);
}

async function landFile(h: Harness, file: ClaimedFile, read: Partial<ReadOptions>) {
  const [seen] = (await h.inspect([file], read)).files;
  if (seen === undefined || seen.fault !== null) throw new Error(seen?.fault?.message ?? "none");
  const types = Object.fromEntries(seen.columns.map(({ name, type }) => [name, type]));
  const landed = await h.decode([file], types, { read: { ...READ, ...read } });
  return { ...landed, columns: seen.columns };
}

function typesOf(columns: readonly ObservedColumn[]) {
  return Object.fromEntries(columns.map(({ name, type }) => [name, typeText(type)]));
}

function pick(rows: readonly Row[], ...names: readonly string[]) {
  return rows.map((row) => names.map((name) => row[name] ?? null));
}

test("every change of a table is a row that says what happened, when and in which order", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME] });
  file
    .transaction(0x1a)
    .insert(orders, ["1", "ada"])
    .update(orders, ["1", "bob"])
    .transaction(0x2b)
    .update(orders, ["2", "bob"], { key: ["1", null] })
    .delete(orders, { key: ["2", null] })
    .truncate(orders);
  const { columns, rows } = await land(file.bytes());
  expect(typesOf(columns)).toEqual({
    id: "int",
    name: "string",
    _op: "string",
    _position: "string",
    _transaction: "string",
    _committed_at: "timestamptz",
    _before: "{id:int}",
    _unchanged: "[string]",
  });
  expect(pick(rows, "id", "name", "_op", "_position", "_transaction", "_before")).toEqual([
    [1, "ada", "c", "000000000000001A-00000000", "26", null],
    [1, "bob", "u", "000000000000001A-00000001", "26", null],
    [2, "bob", "u", "000000000000002B-00000000", "43", { id: 1 }],
    [2, null, "d", "000000000000002B-00000001", "43", { id: 2 }],
    [null, null, "t", "000000000000002B-00000002", "43", null],
  ]);
  expect(rows[0]?._committed_at).toBe("2025-11-24 16:00:00.000026+00");
});

test("a value that was not sent is named, or taken from the old row where that has it", async () => {
  const file = new SegmentFile();
  const part = file.shape({ columns: [ID, NAME, NOTE] });
  file.transaction(1).update(part, ["1", "ada", UNCHANGED]);
  const whole = file.shape({ columns: [ID, NAME, NOTE], identity: "full" });
  file
    .transaction(2)
    .update(whole, ["1", "bob", UNCHANGED], { old: ["1", "ada", "long"] })
    .delete(whole, { old: ["1", null, "long"] });
  const { rows } = await land(file.bytes());
  expect(pick(rows, "note", "_unchanged", "_before")).toEqual([
    [null, ["note"], null],
    ["long", null, { id: 1, name: "ada", note: "long" }],
    ["long", null, { id: 1, name: null, note: "long" }],
  ]);
});

test("several values that were not sent are named in one row, and none in the next", async () => {
  const file = new SegmentFile();
  const shape = file.shape({ columns: [ID, NAME, NOTE] });
  file
    .transaction(1)
    .update(shape, ["1", UNCHANGED, UNCHANGED])
    .update(shape, ["2", "b", "c"])
    .update(shape, ["3", "b", UNCHANGED]);
  const { rows } = await land(file.bytes());
  expect(pick(rows, "id", "name", "_unchanged")).toEqual([
    [1, null, ["name", "note"]],
    [2, "b", null],
    [3, "b", ["note"]],
  ]);
});

test("rows of other tables, between and in the same transaction, keep their places and stay away", async () => {
  const file = new SegmentFile();
  const others = file.shape({ columns: [ID], name: "public.others" });
  const orders = file.shape({ columns: [ID, NAME] });
  file.transaction(5).insert(others, ["7"]).insert(orders, ["1", "ada"]).insert(others, ["8"]);
  const bytes = file.bytes();
  const { rows } = await land(bytes);
  expect(pick(rows, "id", "_position")).toEqual([[1, "0000000000000005-00000001"]]);
  const other = await land(bytes, { table: "public.others" });
  expect(pick(other.rows, "id", "_position")).toEqual([
    [7, "0000000000000005-00000000"],
    [8, "0000000000000005-00000002"],
  ]);
});

test("copied rows stand at the point of the snapshot, one behind the other over its parts", async () => {
  const file = new SegmentFile();
  file.transaction(9);
  const orders = file.shape({ columns: [{ ...ID, binary: true }, NAME] });
  file.snapshot("public.orders", 0).rows(orders, [
    [int32(1), Buffer.from("ada")],
    [int32(2), null],
  ]);
  file.snapshot("public.orders", 300).rows(orders, [[int32(3), Buffer.from("bob")]]);
  const { rows } = await land(file.bytes());
  expect(pick(rows, "id", "name", "_op", "_position", "_transaction", "_committed_at")).toEqual([
    [1, "ada", "r", "0000000000000009-00000001", null, null],
    [2, null, "r", "0000000000000009-00000002", null, null],
    [3, "bob", "r", "0000000000000009-0000012d", null, null],
  ]);
});

test("a snapshot that stands in for what was before begins with a truncation", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID] });
  file.transaction(9).insert(orders, ["1"]);
  file.snapshot("public.orders", 0, { replaces: true }).rows(orders, [[Buffer.from("2")]]);
  const { rows } = await land(file.bytes());
  expect(pick(rows, "id", "_op", "_position")).toEqual([
    [1, "c", "0000000000000009-00000000"],
    [null, "t", "0000000000000009-00000000"],
    [2, "r", "0000000000000009-00000001"],
  ]);
});

test("a value that may not land as it is stands in no old row either", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME], identity: "full" });
  file.transaction(1).update(orders, ["1", "bob"], { old: ["1", "ada"] });
  await using h = await Harness.open();
  const claimed = h.file("0001.segment", file.bytes());
  const types = { name: T.string, _before: T.struct({ id: T.int, name: T.string }) };
  const request = h.request([claimed], types, {
    read: { ...READ, ...ORDERS },
    redacted: true,
    onUnknown: "rescue",
  });
  const columns = request.columns.map((column) =>
    column.name === "name" ? { ...column, expression: "upper(name)" } : column,
  );
  const { rows } = await h.run({ ...request, columns });
  expect(pick(rows, "name", "_before")).toEqual([["BOB", { id: 1, name: null }]]);
});

test("a logical message is a row of its own", async () => {
  const file = new SegmentFile();
  const columns = [shapeColumn("prefix", "varchar", 25), shapeColumn("content", "blob", 17)];
  const shape = file.shape({ columns, name: "pg_catalog.logical_messages", identity: "nothing" });
  const said = ["M", Buffer.of(0), int64(9n), "audit\0", int32(2), Buffer.of(0, 255)];
  file.transaction(0, "0").message(shape, said);
  const { rows } = await land(file.bytes(), { table: "pg_catalog.logical_messages" });
  expect(pick(rows, "prefix", "content", "_op", "_transaction", "_committed_at")).toEqual([
    ["audit", new Uint8Array([0, 255]), "m", null, null],
  ]);
});

test("old rows that hold more than before are learned from, not cut", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME], identity: "full" });
  file.transaction(1).update(orders, ["1", "bob"], { old: ["1", "ada"] });
  await using h = await Harness.open();
  const claimed = h.file("0001.segment", file.bytes());
  const types = { id: T.int, name: T.string, _before: T.struct({ id: T.int }) };
  const feed = { _op: T.string, _position: T.string, _transaction: T.string };
  const rest = { _committed_at: T.timestamptz, _unchanged: T.list(T.string) };
  const { decoded } = await h.decode(
    [claimed],
    { ...types, ...feed, ...rest },
    {
      read: { ...READ, ...ORDERS },
      onUnknown: "report",
      onMisfit: "report",
      onFirst: "report",
    },
  );
  const [misfit] = decoded.files[0]?.misfits ?? [];
  expect([misfit?.name, misfit && typeText(misfit.type)]).toEqual([
    "_before",
    "{id:int,name:string}",
  ]);
});

test("a table that changes its shape has the columns of all of them, each row in its own", async () => {
  const file = new SegmentFile();
  const first = file.shape({ columns: [ID, NAME] });
  file.transaction(1).insert(first, ["1", "ada"]);
  const wide = shapeColumn("id", "bigint", 20, { key: true });
  const second = file.shape({ columns: [shapeColumn("amount", "decimal(9,2)", 1700), wide] });
  file.insert(second, ["12.50", "5000000000"]).insert(first, ["2", "bob"]);
  const { columns, rows } = await land(file.bytes());
  expect(typesOf(columns)).toMatchObject({ id: "long", name: "string", amount: "decimal(9,2)" });
  expect(pick(rows, "id", "name", "amount")).toEqual([
    [1n, "ada", null],
    [5_000_000_000n, null, "12.50"],
    [2n, "bob", null],
  ]);
});

test("a column called like one of the feed's own has another name", async () => {
  const file = new SegmentFile();
  const shape = file.shape({ columns: [ID, shapeColumn("_op", "varchar", 25)] });
  file.transaction(1).insert(shape, ["1", "mine"]);
  const { rows } = await land(file.bytes());
  expect(pick(rows, "source_op", "_op")).toEqual([["mine", "c"]]);
});

test("text and binary values of one row are the same values", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, shapeColumn("at", "timestamptz", 1184)] });
  file
    .transaction(1)
    .insert(orders, [int32(1), "2024-02-29 12:00:00.5+00"])
    .insert(orders, ["1", int64(762_523_200_500_000n)]);
  const { rows } = await land(file.bytes());
  expect(pick(rows, "id", "at")).toEqual([
    [1, "2024-02-29 12:00:00.5+00"],
    [1, "2024-02-29 12:00:00.5+00"],
  ]);
});

test("a column with values that its type does not hold is text, in old rows too", async () => {
  const file = new SegmentFile();
  const shape = file.shape({
    identity: "full",
    columns: [
      ID,
      shapeColumn("until", "timestamptz", 1184),
      shapeColumn("rate", "decimal(9,2)", 1700),
    ],
  });
  file
    .transaction(1)
    .insert(shape, ["1", "infinity", "1.50"])
    .update(shape, ["1", "2024-01-01 00:00:00+00", "2.00"], { old: ["1", "infinity", "NaN"] });
  const { columns, rows } = await land(file.bytes());
  expect(typesOf(columns)).toMatchObject({
    until: "string",
    rate: "decimal(9,2)",
    _before: "{id:int,until:string,rate:string}",
  });
  expect(pick(rows, "until", "rate", "_before")).toEqual([
    ["infinity", "1.50", null],
    ["2024-01-01 00:00:00+00", "2.00", { id: 1, until: "infinity", rate: "NaN" }],
  ]);
});

test("rows that cannot be read are set aside with their place in the stream, the others land", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME] });
  file
    .transaction(1)
    .insert(orders, ["1", "ada"])
    .insert(orders, ["2"])
    .insert(orders, [Buffer.of(1, 2), "short"])
    .insert(orders, ["x4", "ada"])
    .insert(orders, ["5", Buffer.of(0xff)])
    .message(orders, ["U", int32(1), "N", Buffer.of(0)])
    .message(orders, ["Z"])
    .insert(orders, ["6", "eve"]);
  const { rows, rejects, decoded } = await land(file.bytes());
  expect(pick(rows, "id")).toEqual([["1"], ["x4"], ["6"]]);
  expect(rejects.map((row) => [row.position, row.reason, row.column_name])).toEqual([
    ["row 2", "parse", null],
    ["row 3", "parse", "id"],
    ["row 5", "encoding", "name"],
    ["row 6", "parse", null],
    ["row 7", "parse", null],
  ]);
  expect(String(rejects[0]?.raw)).toContain('"_position":"0000000000000001-00000001"');
  expect(decoded.files[0]).toMatchObject({ rowsIn: 8, rowsLanded: 3, rowsQuarantined: 5 });
});

test("a frame with a wrong check sum is set aside alone", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME] });
  file.transaction(1).insert(orders, ["1", "ada"]).insert(orders, ["2", "bob"]);
  const bytes = file.bytes();
  bytes[bytes.indexOf("ada")] = 0x78;
  const { rows, rejects } = await land(bytes);
  expect(pick(rows, "id")).toEqual([[2]]);
  expect(rejects.map((row) => [row.position, row.reason])).toEqual([["row 1", "parse"]]);
  expect(String(rejects[0]?.message)).toContain("check sum");
});

test("rows of a transaction that is damaged are set aside: nobody knows when they were", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME] });
  file.transaction(1).insert(orders, ["1", "ada"]);
  file.transaction(2).insert(orders, ["2", "bob"]);
  file.transaction(3).insert(orders, ["3", "eve"]);
  const bytes = file.bytes();
  bytes[bytes.indexOf('"xid":"2"') + 7] = 0x39;
  const { rows, rejects } = await land(bytes);
  expect(pick(rows, "id")).toEqual([[1], [3]]);
  expect(rejects.map((row) => row.position)).toEqual(["row 2"]);
});

test("rows of a shape that nobody knows are set aside once, with the first table's", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME] });
  const others = file.shape({ columns: [ID], name: "public.others" });
  file.transaction(1).insert(orders, ["1", "ada"]).insert(others, ["7"]).insert(99, ["8"]);
  const bytes = file.bytes({ "public.orders": 2 });
  const { rows, rejects } = await land(bytes);
  expect([rows.length, rejects.length]).toEqual([1, 1]);
  const other = await land(bytes, { table: "public.others" });
  expect([other.rows.length, other.rejects.length]).toEqual([1, 0]);
});

test("a segment that is torn, or holds fewer rows than it says, is not read at all", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID, NAME] });
  file.transaction(1).insert(orders, ["1", "ada"]);
  const bytes = file.bytes({ "public.orders": 2 });
  await expect(land(bytes)).rejects.toThrow("holds 1 rows of public.orders where it says 2");
  await expect(land(bytes.subarray(0, -10))).rejects.toThrow("cut short");
  await expect(land(bytes.subarray(0, bytes.indexOf('{"to"') - 5))).rejects.toThrow("does not end");
});

test("without a table named, a segment of one table is read, and one of several is refused", async () => {
  const file = new SegmentFile();
  const orders = file.shape({ columns: [ID] });
  file.transaction(1).insert(orders, ["1"]);
  expect((await land(file.bytes(), {})).rows).toHaveLength(1);
  const two = new SegmentFile();
  two.shape({ columns: [ID] });
  two.shape({ columns: [ID], name: "public.others" });
  await expect(land(two.bytes(), {})).rejects.toThrow("public.orders, public.others");
});
