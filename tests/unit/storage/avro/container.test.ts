/** Avro container files: round trips, codecs, and damage that is found. */

import { describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import { ByteReader, ByteWriter } from "../../../../storage/avro/bytes.ts";
import { readAvro, writeAvro } from "../../../../storage/avro/container.ts";
import { AvroRaw, type AvroSchema } from "../../../../storage/avro/values.ts";

const SCHEMA: AvroSchema = {
  type: "record",
  name: "row",
  fields: [
    { name: "id", type: "long", "field-id": 1 },
    { name: "label", type: ["null", "string"], default: null, "field-id": 2 },
    { name: "numbers", type: { type: "array", items: "int" }, "field-id": 3 },
    { name: "raw", type: { type: "fixed", name: "f4", size: 4 }, "field-id": 4 },
    { name: "again", type: ["null", "f4"], default: null, "field-id": 5 },
  ],
};
const ROWS = [
  { id: 9223372036854775807n, label: "é😀", numbers: [1, -1], raw: bytes(1, 2, 3, 4), again: null },
  {
    id: -9223372036854775808n,
    label: null,
    numbers: [],
    raw: bytes(0, 0, 0, 0),
    again: bytes(9, 9, 9, 9),
  },
];

describe("container", () => {
  test("gives back what was written, with its header", () => {
    const file = readAvro(writeAvro(SCHEMA, new Map([["content", "data"]]), ROWS), "x.avro");
    expect(file.records).toEqual(ROWS);
    expect(file.metadata.get("content")).toBe("data");
    expect(file.metadata.get("avro.codec")).toBe("deflate");
    expect(file.schema).toEqual(SCHEMA);
  });

  test("splits many records into blocks", () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => ({ ...ROWS[0], id: BigInt(index) }));
    const file = readAvro(writeAvro(SCHEMA, new Map(), rows), "x.avro");
    expect(file.records).toHaveLength(20_000);
    expect(file.records[19_999]?.id).toBe(19_999n);
  });

  test("reads fields under other names, skips some and leaves some encoded", () => {
    const file = readAvro(writeAvro(SCHEMA, new Map(), ROWS), "x.avro", (field) =>
      field.name === "raw"
        ? null
        : { name: `#${field["field-id"]}`, raw: field.name === "numbers" },
    );
    const numbers = file.records[0]?.["#3"];
    expect(numbers instanceof AvroRaw && numbers.decode()).toEqual([1, -1]);
    expect(Object.keys(file.records[0] ?? {})).toEqual(["#1", "#2", "#3", "#5"]);
  });

  test("reads null, zstandard and snappy blocks", () => {
    const plain = bytes(2, 84);
    const snapped = bytes(2, 4, 2, 84, 0, 0, 0, 0);
    new DataView(snapped.buffer).setUint32(4, Bun.hash.crc32(plain));
    const blocks = {
      null: plain,
      zstandard: new Uint8Array(zstdCompressSync(plain)),
      snappy: snapped,
    };
    for (const [codec, block] of Object.entries(blocks)) {
      expect(readAvro(container('"long"', codec, 2, block), codec).records as unknown).toEqual([
        1n,
        42n,
      ]); // parse: not records here
    }
  });

  test("expands snappy copies", () => {
    const text = "abcabcabcabc";
    const body = bytes(12, 2 << 2, 97, 98, 99, ((9 - 4) << 2) | 1, 3);
    const block = new Uint8Array([...body, 0, 0, 0, 0]);
    const plain = new TextEncoder().encode(text);
    new DataView(block.buffer).setUint32(body.length, Bun.hash.crc32(plain));
    const file = container('{"type":"fixed","name":"f","size":12}', "snappy", 1, block);
    expect(readAvro(file, "s").records as unknown).toEqual([plain]); // parse: not records here
  });

  test("says which file is damaged", () => {
    const file = writeAvro(SCHEMA, new Map(), ROWS);
    const cut = file.subarray(0, file.length - 20);
    expect(() => readAvro(cut, "m0.avro")).toThrow(/^m0\.avro: /);
    expect(() => readAvro(bytes(1, 2, 3), "m1.avro")).toThrow("m1.avro: not an Avro file");
    expect(() => readAvro(container('"long"', "lzma", 1, bytes(2)), "m2")).toThrow(/codec lzma/);
  });
});

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function container(schema: string, codec: string, count: number, block: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.raw(bytes(0x4f, 0x62, 0x6a, 1));
  writer.int(2);
  writer.string("avro.schema");
  writer.string(schema);
  writer.string("avro.codec");
  writer.string(codec);
  writer.byte(0);
  const sync = new Uint8Array(16).fill(7);
  writer.raw(sync);
  writer.int(count);
  writer.bytes(block);
  writer.raw(sync);
  const file = new Uint8Array(writer.view());
  expect(new ByteReader(file).remaining).toBe(file.length);
  return file;
}
