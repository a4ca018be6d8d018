/** Records in batches, as brokers hand them over: the same rows as records that stand by themselves; what is broken. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { gzipSync } from "node:zlib";
import type { TestRecord } from "../../../../support/kafka-batch.ts";
import { batchSegment } from "../../../../support/topic-segment.ts";
import { landTopic as land } from "./topic-segment.ts";

setDefaultTimeout(120_000);

const READ = { table: "orders", format: "json" } as const;

function valued(...values: readonly (string | null)[]): TestRecord[] {
  return values.map((value) => ({ value }));
}

test("what stands beside values comes along: places, times, keys, headers; no value is a delete", async () => {
  const records: TestRecord[] = [
    {
      value: '{"id": 9007199254740993, "_key": "own"}',
      key: "k1",
      timestampDelta: 7,
      headers: [
        ["h", "v"],
        ["h", null],
        ["b", Uint8Array.of(255)],
      ],
    },
    { value: null, key: "k1" },
  ];
  const other = { topic: "other", batches: [{ records: valued('{"x": 1}') }] };
  const { rows, types, rejects } = await land(
    batchSegment([other, { partition: 10, batches: [{ baseOffset: 4_294_967_296n, records }] }]),
    READ,
  );
  expect(rejects).toEqual([]);
  expect(types._headers).toBe("[{name:string,value:string,bytes:binary}]");
  expect(rows).toMatchObject([
    {
      id: 9_007_199_254_740_993n,
      source_key: "own",
      _op: "c",
      _position: "0000000100000000-0000000a",
      _key: "k1",
      _partition: 10,
      _offset: 4_294_967_296n,
      _timestamp: "2023-11-14 22:13:20.007+00",
    },
    { id: null, _op: "d", _key: "k1", _position: "0000000100000001-0000000a", _headers: null },
  ]);
});

test("only records from an offset on are meant, in whatever they are packed", async () => {
  const records = valued('{"id": 1}', '{"id": 2}', '{"id": 3}');
  const pack = (plain: Buffer) => gzipSync(plain);
  const bytes = batchSegment([
    { from: 2n, batches: [{ records, codec: 1, pack }] },
    { batches: [{ records: valued('{"id": 4}') }] },
  ]);
  const { rows, decoded } = await land(bytes, READ);
  expect(rows.map(({ id, _offset }) => [id, _offset])).toEqual([
    [3n, 2n],
    [4n, 3n],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 2, rowsLanded: 2 });
});

test("E4: a record that does not fit is set aside where it stands, and the others are columns", async () => {
  const values = ['{"id": 1, "at": "2026-01-01T00:00:00Z"}', "no json", '{"id": 2}', "[1]"];
  const bytes = batchSegment([{ partition: 3, batches: [{ records: valued(...values) }] }]);
  const { rows, rejects, decoded } = await land(bytes, READ);
  expect(rows.map(({ id }) => id)).toEqual([1n, 2n]);
  expect(rejects.map(({ position, reason, message }) => [position, reason, message])).toEqual([
    ["row 2", "parse", "partition 3, offset 1: not a value (character 1)"],
    ["row 4", "parse", "partition 3, offset 3: the value is an object, not an array"],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 4, rowsLanded: 2, rowsQuarantined: 2 });
});

test("records that are broken within a batch are set aside, as many as it says, and the others land", async () => {
  const pack = (plain: Buffer) => plain.subarray(0, plain.length - 2);
  const bytes = batchSegment([
    { partition: 1, batches: [{ records: valued('{"id": 1}', '{"id": 2}'), pack }] },
    { partition: 1, batches: [{ records: valued('{"id": 3}') }] },
  ]);
  const { rows, rejects } = await land(bytes, READ);
  expect(rows.map(({ id }) => id)).toEqual([1n, 3n]);
  expect(rejects.map(({ message }) => message)).toEqual([
    "partition 1, in the batch from offset 0 on: the records are broken: a record is cut",
  ]);
});

test("a frame of batches that is damaged makes the segment unreadable: nobody knows what it held", async () => {
  const bytes = batchSegment([{ batches: [{ records: valued('{"id": 1, "n": "Ann"}') }] }]);
  bytes[bytes.indexOf("Ann")] = 0x78;
  await expect(land(bytes, READ)).rejects.toThrow("the check sum of the batches at byte");
});
