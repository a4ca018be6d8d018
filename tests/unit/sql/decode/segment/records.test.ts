/** Records of a segment: values of a topic in an envelope, and rows that were pushed as they are. */

import { expect, setDefaultTimeout, test } from "bun:test";
import type { ReadOptions } from "../../../../../core/ingest/contract.ts";
import { SegmentFile } from "../../../../support/segment-file.ts";
import { Harness, READ } from "../harness.ts";

setDefaultTimeout(120_000);

async function land(bytes: Uint8Array, read: Partial<ReadOptions> = {}) {
  await using h = await Harness.open();
  const file = h.file("0001.segment", bytes);
  const [seen] = (await h.inspect([file], read)).files;
  if (seen === undefined || seen.fault !== null) throw new Error(seen?.fault?.message ?? "none");
  const types = Object.fromEntries(seen.columns.map(({ name, type }) => [name, type]));
  return await h.decode([file], types, { read: { ...READ, ...read } });
}

function event(op: string, row: object | null, lsn: number): string {
  const image = op === "d" ? { before: row, after: null } : { before: null, after: row };
  return JSON.stringify({ ...image, op, source: { lsn, schema: "public", table: "guests" } });
}

test("E4: events of a topic are rows of a feed, a tombstone is none, and what is no event is set aside", async () => {
  const file = new SegmentFile()
    .record({ position: "0-1" }, event("c", { id: 1, name: "Ann" }, 256))
    .record({ position: "0-2" }, event("d", { id: 1, name: null }, 257))
    .record({ position: "0-3" }, "")
    .record({ position: "0-4" }, "no event")
    .record({ position: "0-5" }, Buffer.of(0xff, 0xfe));
  const { rows, rejects, decoded } = await land(file.bytes({ guests: 5 }), { format: "debezium" });
  expect(rows.map((row) => [row.id, row.name, row._op, row._position])).toEqual([
    [1n, "Ann", "c", "0000000000000100-00000000"],
    [1n, null, "d", "0000000000000101-00000000"],
  ]);
  expect(rejects.map((row) => [row.position, row.reason])).toEqual([
    ["row 3", "parse"],
    ["row 4", "encoding"],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 4, unread: "1 tombstone" });
});

test("a row that was pushed has its place in the stream, and what is said beside it", async () => {
  const file = new SegmentFile()
    .record(
      { position: "0000000a", timestamp: 1_772_355_600_000 },
      '{"id": 1, "big": 9007199254740993}',
    )
    .record({ position: "0000000b", op: "d" }, '{"id": 1}')
    .record({ position: "0000000c" }, "[1]");
  const { rows, rejects } = await land(file.bytes());
  expect(rows.map((row) => [row.id, row.big, row._op, row._position, row._committed_at])).toEqual([
    [1n, 9_007_199_254_740_993n, "c", "0000000a-00000000", "2026-03-01 09:00:00+00"],
    [1n, null, "d", "0000000b-00000000", null],
  ]);
  expect(rejects).toHaveLength(1);
});

test("a record with a wrong check sum is set aside alone; one that is missing is told", async () => {
  const file = new SegmentFile()
    .record({ position: "1" }, '{"id": 1, "name": "Ann"}')
    .record({ position: "2" }, '{"id": 2, "name": "Bo"}');
  const bytes = file.bytes({ pushed: 2 });
  bytes[bytes.indexOf("Ann")] = 0x78;
  const { rows, rejects } = await land(bytes);
  expect([rows.map((row) => row.id), rejects.map((row) => row.position)]).toEqual([
    [2n],
    ["row 1"],
  ]);
  const short = new SegmentFile().record({ position: "1" }, "{}").bytes({ pushed: 2 });
  await expect(land(short)).rejects.toThrow("holds 1 records where it says 2");
});
