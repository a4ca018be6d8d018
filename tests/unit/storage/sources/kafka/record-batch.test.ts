/** Batches of records, of bytes made here: each codec, transactions that were given up, holes, and what is broken. */

import { expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { RecordCursor } from "../../../../../core/ingest/record-batch.ts";
import { crc32c } from "../../../../../storage/sources/kafka/crc32c.ts";
import {
  type Aborted,
  BrokenBatch,
  keptBatches,
  offsetBehind,
  visitRecords,
} from "../../../../../storage/sources/kafka/record-batch.ts";
import { batchBytes, markBytes, type TestRecord } from "../../../../support/kafka-batch.ts";

function walked(bytes: Buffer, from = 0n, aborted: readonly Aborted[] = []) {
  const values: string[] = [];
  const next = walkBatches(bytes, from, aborted, (cursor) =>
    values.push(`${cursor.offset}:${part(cursor, cursor.valueStart, cursor.valueEnd)}`),
  );
  return { values, next };
}

/** All records of the batches that are kept, which are as many as is said. */
function walkBatches(
  bytes: Buffer,
  from: bigint,
  aborted: readonly Aborted[],
  visit: (cursor: RecordCursor) => void,
): bigint {
  return keptBatches(bytes, from, aborted, (kept) => {
    let count = 0;
    visitRecords(kept, (cursor) => {
      count++;
      visit(cursor);
    });
    expect(count).toBe(kept.count);
  });
}

function part({ bytes }: RecordCursor, start: number, end: number): string | undefined {
  return start < 0 ? undefined : Buffer.from(bytes.subarray(start, end)).toString();
}

function valuesOf(...values: readonly string[]): TestRecord[] {
  return values.map((value) => ({ value }));
}

test("the check sum is that of RFC 3720", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("keys, values and headers come as they are: missing, empty, repeated, in order", () => {
  const bytes = batchBytes({
    baseOffset: 7n,
    records: [
      {
        key: "",
        value: "",
        headers: [
          ["h", "1"],
          ["h", null],
          ["", ""],
        ],
      },
      { key: null, value: null, timestampDelta: -5 },
    ],
  });
  const found: unknown[] = [];
  walkBatches(bytes, 0n, [], (cursor) =>
    found.push([
      cursor.offset,
      cursor.timestamp,
      part(cursor, cursor.keyStart, cursor.keyEnd),
      part(cursor, cursor.valueStart, cursor.valueEnd),
      cursor
        .headers()
        .map(([name, value]) => [name, value === null ? null : Buffer.from(value).toString()]),
    ]),
  );
  expect(found).toEqual([
    [
      7n,
      1_700_000_000_000n,
      "",
      "",
      [
        ["h", "1"],
        ["h", null],
        ["", ""],
      ],
    ],
    [8n, 1_699_999_999_995n, undefined, undefined, []],
  ]);
});

test("each codec is unpacked: gzip, snappy with and without Java's framing, lz4, zstd", () => {
  const records = valuesOf("aaaaaaaaaaaaaaaaaaaaaaaa", "b");
  const expected = { values: ["0:aaaaaaaaaaaaaaaaaaaaaaaa", "1:b"], next: 2n };
  const xerial = (plain: Buffer) =>
    Buffer.concat([
      Buffer.from([0x82, ...Buffer.from("SNAPPY"), 0, 0, 0, 0, 1, 0, 0, 0, 1]),
      ...[plain.subarray(0, 9), plain.subarray(9)].flatMap((part) => {
        const block = snappyLiteral(part);
        return [u32(block.length), block];
      }),
    ]);
  const packs: [number, (plain: Buffer) => Uint8Array][] = [
    [1, (plain) => gzipSync(plain)],
    [2, snappyLiteral],
    [2, xerial],
    [3, lz4Stored],
    [3, (plain) => lz4Linked(plain)],
    [4, (plain) => zstdCompressSync(plain)],
  ];
  for (const [codec, pack] of packs) {
    expect(walked(batchBytes({ records, codec, pack }))).toEqual(expected);
  }
});

test("E2: records below the offset that was asked for are not handed over, and offsets may have holes", () => {
  const bytes = Buffer.concat([
    batchBytes({
      baseOffset: 10n,
      records: [{ value: "a" }, { value: "b", offsetDelta: 4 }],
      lastOffsetDelta: 6,
    }),
    batchBytes({ baseOffset: 20n, records: [], lastOffsetDelta: 3, baseTimestamp: -1n }),
  ]);
  expect(walked(bytes, 11n)).toEqual({ values: ["14:b"], next: 24n });
  expect(offsetBehind(bytes, 11n)).toBe(24n);
});

test("a last batch that is cut is left for the next answer", () => {
  const first = batchBytes({ records: valuesOf("a") });
  const cut = batchBytes({ baseOffset: 1n, records: valuesOf("b") }).subarray(0, 65);
  expect(walked(Buffer.concat([first, cut]))).toEqual({ values: ["0:a"], next: 1n });
  expect(offsetBehind(Buffer.concat([first, cut]), 0n)).toBe(1n);
});

test("where the broker's clock counts, it is that of all records of a batch", () => {
  const records = [{ value: "a" }, { value: "b", timestampDelta: 9 }];
  const bytes = batchBytes({ records, isAppendTime: true, maxTimestamp: 1_800_000_000_000n });
  const times: bigint[] = [];
  walkBatches(bytes, 0n, [], ({ timestamp }) => times.push(timestamp));
  expect(times).toEqual([1_800_000_000_000n, 1_800_000_000_000n]);
});

test("E3: transactions that were given up are left out, in whatever order the broker lists them", () => {
  const batch = (baseOffset: bigint, producer: bigint, value: string) =>
    batchBytes({ baseOffset, producer, isTransactional: true, records: valuesOf(value) });
  const bytes = Buffer.concat([
    batch(0n, 1n, "a1"),
    batch(1n, 2n, "dead"),
    batch(2n, 1n, "dead"),
    markBytes(3n, 1n, "abort"),
    batch(4n, 1n, "kept"),
    markBytes(5n, 2n, "abort"),
    batch(6n, 2n, "kept"),
    markBytes(7n, 1n, "commit"),
    batch(8n, 1n, "dead"),
    batchBytes({ baseOffset: 9n, records: valuesOf("plain") }),
    markBytes(10n, 2n, "commit"),
    markBytes(11n, 1n, "abort"),
  ]);
  // By their ends: the producer 1 stands twice.
  const aborted = [
    { producer: 1n, firstOffset: 0n },
    { producer: 2n, firstOffset: 1n },
    { producer: 1n, firstOffset: 8n },
  ];
  const expected = { values: ["4:kept", "6:kept", "9:plain"], next: 12n };
  expect(walked(bytes, 0n, aborted)).toEqual(expected);
  expect(walked(bytes, 0n, [...aborted].reverse())).toEqual(expected);
});

test("a record whose key looks like the mark of an end is a record", () => {
  const dead = batchBytes({
    baseOffset: 0n,
    producer: 5n,
    isTransactional: true,
    records: [{ key: Uint8Array.of(0, 0, 0, 0), value: "dead" }, { value: "dead" }],
  });
  const bytes = Buffer.concat([dead, markBytes(2n, 5n, "abort")]);
  expect(walked(bytes, 0n, [{ producer: 5n, firstOffset: 0n }])).toEqual({ values: [], next: 3n });
});

test("what is broken is told by the offset from which on nothing is known", () => {
  const bytes = batchBytes({ baseOffset: 40n, records: valuesOf("abc") });
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(bytes.length - 2) ^ 1, bytes.length - 2);
  const old = Buffer.from(bytes);
  old.writeInt8(1, 16);
  const broken = (given: Buffer): string => {
    try {
      walked(given, 40n);
      return "whole";
    } catch (thrown) {
      return thrown instanceof BrokenBatch ? `${thrown.at}: ${thrown.message}` : String(thrown);
    }
  };
  expect(broken(flipped)).toBe("40: the check sum of a batch is wrong");
  expect(broken(old)).toStartWith("40: a batch of version 1");
  const baseOffset = 40n;
  const pack = (plain: Buffer): Buffer => plain.subarray(0, 4);
  const cut = batchBytes({ baseOffset, records: valuesOf("abc"), pack });
  expect(broken(cut)).toBe("40: the records of a batch are broken: a record is cut");
  expect(broken(batchBytes({ baseOffset, records: valuesOf("a"), codec: 5 }))).toContain(
    "there is no codec 5",
  );
});

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** One literal of fewer than 61 bytes, or in two bytes' length. */
function snappyLiteral(plain: Buffer): Buffer {
  const length = plain.length;
  const head = length <= 60 ? [(length - 1) << 2] : [60 << 2, length - 1];
  return Buffer.concat([Buffer.of(length, ...head), plain]);
}

const LZ4_HEAD = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

function lz4Block(block: Buffer, stored: boolean): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(block.length + (stored ? 0x80000000 : 0));
  return Buffer.concat([size, block]);
}

function lz4Stored(plain: Buffer): Buffer {
  return Buffer.concat([Buffer.from(LZ4_HEAD), lz4Block(plain, true), Buffer.alloc(4)]);
}

/** Two blocks of literals, of which the second begins with what the first ended with, 12 bytes of one letter. */
function lz4Linked(plain: Buffer): Buffer {
  const at = plain.indexOf("aaaaaaaaaaaaaaaaaaaa") + 2;
  const literals = (part: Buffer): Buffer =>
    Buffer.concat([
      part.length < 15 ? Buffer.of(part.length << 4) : Buffer.of(0xf0, part.length - 15),
      part,
    ]);
  const first = literals(plain.subarray(0, at));
  const rest = plain.subarray(at + 8);
  // Nothing of its own, then 8 bytes from one byte back: in the block before.
  const second = Buffer.concat([Buffer.of(0x04, 1, 0), literals(rest)]);
  return Buffer.concat([
    Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0]),
    lz4Block(first, false),
    lz4Block(second, false),
    Buffer.alloc(4),
  ]);
}
