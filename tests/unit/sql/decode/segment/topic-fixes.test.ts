/** Corrections of records that were set aside: the value is read again, what stands beside it is the record's own. */

import { expect, setDefaultTimeout, test } from "bun:test";
import { avroBytes } from "../../../../support/avro-long.ts";
import { framed } from "../../../../support/schema-frame.ts";
import { base64, landTopic, topicSegment } from "./topic-segment.ts";

setDefaultTimeout(120_000);

const BESIDE = {
  key: base64("k"),
  timestamp: "1772355600000",
  headers: [["h", base64("v")]],
} as const;
const OWN = {
  _op: "c",
  _key: "k",
  _partition: 3,
  _offset: 1n,
  _timestamp: "2026-03-01 09:00:00+00",
};

test("a value that was no JSON, given anew, lands with key, headers, time and place of its record", async () => {
  const bytes = topicSegment({ t: [{ value: '{"id": 1}' }, { value: "no json", ...BESIDE }] });
  const read = { table: "t", format: "json" };
  const shown = '{"_partition":3,"_offset":"1","_timestamp":"1772355600000","_key":"k","_value":';
  for (const fix of [
    `${shown}"{\\"id\\": 9007199254740993}"}`,
    `${shown}{"id": 9007199254740993}}`,
    '{"_value": {"id": 9007199254740993}}',
    '{"id": 9007199254740993}',
    '{"id": 9007199254740993, "_offset": 1}',
  ]) {
    const { rows, rejects } = await landTopic(bytes, read, { 2: fix });
    expect(rejects).toEqual([]);
    expect(rows[1]).toMatchObject({ ...OWN, id: 9_007_199_254_740_993n, _position: "01-3" });
    expect(JSON.stringify(rows[1]?._headers)).toContain('"value":"v"');
  }
});

test("a key that was no text is given with the record; what is still wrong stays aside", async () => {
  const broken = { value: '{"id": 2}', key: base64(Uint8Array.of(255)) };
  const bytes = topicSegment({ t: [{ value: '{"id": 1}' }, broken, { value: "no" }] });
  const fixes = {
    2: '{"_partition":3,"_offset":"1","_key":"mended","_value":"{\\"id\\": 2}"}',
    3: '{"_value": "still no"}',
  };
  const { rows, rejects } = await landTopic(bytes, { table: "t", format: "json" }, fixes);
  expect(rows[1]).toMatchObject({ id: 2n, _key: "mended", _offset: 1n });
  expect(rejects.map(({ message }) => String(message))).toEqual([
    expect.stringContaining("partition 3, offset 2"),
  ]);
});

test("an event that was none is given as the event that it should have been, at its own offset", async () => {
  const event = (id: unknown) =>
    JSON.stringify({ before: null, after: { id }, op: "c", source: { lsn: 16, table: "t" } });
  const bytes = topicSegment({ t: [{ value: event(1) }, { value: '{"op": "c"}', ...BESIDE }] });
  const read = { table: "t", format: "debezium" };
  const { rows, rejects } = await landTopic(bytes, read, { 2: `{"_value": ${event(2)}}` });
  expect(rejects).toEqual([]);
  const position = "0000000000000010-0000000000000001-00000000";
  expect(rows[1]).toMatchObject({ ...OWN, id: 2n, _position: position });
});

test("where a schema describes values, one that is no value of it is given as JSON", async () => {
  const schema = { type: "record", name: "R", fields: [{ name: "id", type: "long" }] };
  const schemas = [{ id: 1, type: "avro", text: JSON.stringify(schema), references: [] } as const];
  const good = framed(1, avroBytes(schema, { id: 1n }));
  const bad = { value: framed(7, Buffer.of(2)), ...BESIDE };
  const bytes = topicSegment(
    { t: [{ value: good }, bad] },
    { values: "avro", registry: true },
    schemas,
  );
  const fix = '{"_value": {"id": 9007199254740993}}';
  const { rows, rejects } = await landTopic(bytes, { table: "t", format: "segment" }, { 2: fix });
  expect(rejects).toEqual([]);
  expect(rows[1]).toMatchObject({ ...OWN, id: 9_007_199_254_740_993n });
});

test("text is given as it is, and a tombstone is one still", async () => {
  const bytes = topicSegment(
    { t: [{ value: "a" }, { value: Uint8Array.of(255), ...BESIDE }] },
    { values: "text" },
  );
  const read = { table: "t", format: "segment" };
  const { rows } = await landTopic(bytes, read, { 2: '{"_value": "{b"}' });
  expect(rows[1]).toMatchObject({ ...OWN, value: "{b" });
  const dead = { op: "d", key: base64(Uint8Array.of(255)) } as const;
  const deleted = topicSegment({ t: [{ value: '{"id": 1}' }, dead] });
  const landed = await landTopic(deleted, { table: "t", format: "json" }, { 2: '{"_key": "x"}' });
  expect(landed.rows[1]).toMatchObject({ _op: "d", _key: "x", _offset: 1n, id: null });
});
