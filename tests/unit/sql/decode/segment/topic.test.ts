/** Records of topics: what their values tell, with keys, headers and places beside; what is none is set aside. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { base64, landTopic as land, topicSegment as segment } from "./topic-segment.ts";

setDefaultTimeout(120_000);

test("a value's fields are columns, and what stands beside it too; no value is a delete", async () => {
  const bytes = segment({
    other: [{ value: '{"x": 1}' }],
    orders: [
      {
        value: '{"id": 9007199254740993, "_key": "own"}',
        key: base64("k1"),
        timestamp: "1772355600000",
        headers: [
          ["h", base64("v")],
          ["h", null],
          ["b", base64(Uint8Array.of(255))],
        ],
      },
      { op: "d", key: base64("k1") },
    ],
  });
  const { rows, types } = await land(bytes, { table: "orders", format: "json" });
  expect(types).toEqual({
    id: "long",
    source_key: "string",
    _op: "string",
    _position: "string",
    _key: "string",
    _partition: "int",
    _offset: "long",
    _timestamp: "timestamptz",
    _headers: "[{name:string,value:string,bytes:binary}]",
  });
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatchObject({
    id: 9_007_199_254_740_993n,
    source_key: "own",
    _op: "c",
    _position: "00-3",
    _key: "k1",
    _partition: 3,
    _offset: 0n,
    _timestamp: "2026-03-01 09:00:00+00",
  });
  expect(rows[1]).toMatchObject({ id: null, source_key: null, _op: "d", _key: "k1", _offset: 1n });
});

test("E4: a value that is no object, and what is no text, is set aside with where it stands", async () => {
  const bytes = segment({
    orders: [
      { value: '{"id": 1}' },
      { value: "no json" },
      { value: "[1]" },
      { value: "" },
      { value: Uint8Array.of(255) },
      { value: '{"id": 2}', key: base64(Uint8Array.of(255)) },
    ],
  });
  const { rows, rejects, decoded } = await land(bytes, { table: "orders" });
  expect(rows.map(({ id }) => id)).toEqual([1n]);
  expect(rejects.map(({ reason, raw }) => [reason, String(raw)])).toEqual([
    ["parse", '{"_partition":3,"_offset":"1","_value":"no json"}'],
    ["parse", '{"_partition":3,"_offset":"2","_value":"[1]"}'],
    ["parse", '{"_partition":3,"_offset":"3","_value":""}'],
    ["encoding", '{"_partition":3,"_offset":"4","_value":"\\\\xFF"}'],
    ["encoding", '{"_partition":3,"_offset":"5","_key":"\\\\xFF","_value":"{\\"id\\": 2}"}'],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 6, rowsLanded: 1, rowsQuarantined: 5 });
});

test("events of a tool are ordered by their place, then by the topic's; their tombstones are no rows", async () => {
  const event = (op: string, row: object) => {
    const image = op === "d" ? { before: row, after: null } : { before: null, after: row };
    return JSON.stringify({ ...image, op, source: { lsn: 256, schema: "public", table: "t" } });
  };
  const bytes = segment({
    "shop.t": [
      { value: event("d", { id: 1 }), key: base64('{"id":1}') },
      { op: "d", key: base64('{"id":1}') },
      { value: event("c", { id: 2 }), key: base64('{"id":2}') },
    ],
  });
  const { rows, decoded } = await land(bytes, { table: "shop.t", format: "debezium" });
  expect(rows.map((row) => [row.id, row._op, row._position, row._key])).toEqual([
    [1n, "d", "0000000000000100-0000000000000000-00000000", '{"id":1}'],
    [2n, "c", "0000000000000100-0000000000000002-00000000", '{"id":2}'],
  ]);
  expect(decoded.files[0]).toMatchObject({ rowsIn: 2, unread: "1 tombstone" });
});

test("text and bytes land as they are, in one column", async () => {
  const text = segment({ logs: [{ value: "2026-01-01" }, { op: "d" }] }, { values: "text" });
  const read = { table: "logs", format: "segment" };
  const asText = await land(text, read);
  expect(asText.types.value).toBe("string");
  expect(asText.rows.map(({ value, _op }) => [value, _op])).toEqual([
    ["2026-01-01", "c"],
    [null, "d"],
  ]);
  const server = { values: "bytes", keys: "bytes" };
  const bytes = segment({ logs: [{ value: Uint8Array.of(255), key: base64("k") }] }, server);
  const asBytes = await land(bytes, read);
  expect([asBytes.types.value, asBytes.types._key]).toEqual(["binary", "binary"]);
  expect(asBytes.rejects).toEqual([]);
});

test("a damaged record is set aside alone; one that is missing is told", async () => {
  const records = [{ value: '{"id": 1, "n": "Ann"}' }, { value: '{"id": 2, "n": "Bo"}' }];
  const bytes = Buffer.from(segment({ orders: records }));
  bytes[bytes.indexOf("Ann")] = 0x78;
  const { rows, rejects } = await land(bytes, { table: "orders" });
  expect([rows.map(({ id }) => id), rejects.length]).toEqual([[2n], 1]);
  await expect(land(segment({ orders: [] }), { table: "none" })).resolves.toMatchObject({
    rows: [],
  });
});
