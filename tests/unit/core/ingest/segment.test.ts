/** Frames of a segment: what is laid out is found again; what is torn or flipped is never taken for a frame. */

import { expect, test } from "bun:test";
import { crc32 } from "node:zlib";
import {
  FRAME,
  FrameBuffer,
  FrameCursor,
  frameJson,
  isSegment,
  readEnd,
  readHeader,
  readShape,
  readSnapshot,
  readTransaction,
  SEGMENT_MAGIC,
  type SegmentShape,
  shapeJson,
  shapeNumber,
} from "../../../../core/ingest/segment.ts";

const SHAPE: SegmentShape = {
  shape: 7,
  schema: "public",
  table: "orders",
  oid: 16_385,
  identity: "full",
  columns: [
    {
      name: "status",
      type: "varchar",
      key: true,
      wire: {
        oid: 16_390,
        typmod: -1,
        name: "public.state_domain",
        kind: "domain",
        base: { oid: 16_388, typmod: -1, name: "state", kind: "enum", labels: ["open", "shut"] },
      },
    },
    {
      name: "lines",
      type: "varchar[]",
      key: false,
      wire: {
        oid: 16_400,
        typmod: -1,
        name: "_line",
        kind: "array",
        delimiter: ",",
        element: {
          oid: 16_399,
          typmod: -1,
          name: "line",
          kind: "composite",
          fields: [{ name: "n", wire: { oid: 23, typmod: -1, name: "int4", kind: "base" } }],
        },
      },
    },
  ],
};

test("a shape with domains, enums, arrays and composites is read back as it was", () => {
  expect(readShape(frameJson(payloadsOf(segment())[1] ?? new Uint8Array()))).toEqual(SHAPE);
});

test("a segment begins with its magic", () => {
  expect(isSegment(segment())).toBe(true);
});

test("another file is no segment", () => {
  expect(isSegment(new TextEncoder().encode("PAR1TARN"))).toBe(false);
});

test("frames are found in the order in which they were laid out", () => {
  expect(kindsOf(segment())).toEqual([
    FRAME.header,
    FRAME.shape,
    FRAME.transaction,
    FRAME.message,
    FRAME.snapshot,
    FRAME.rows,
    FRAME.record,
    FRAME.end,
  ]);
});

test("a header is read back", () => {
  const header = { kind: "postgres", source: "shop", from: "0/1", server: { version: "17.1" } };
  expect(readHeader(frameJson(payloadsOf(segment())[0] ?? new Uint8Array()))).toEqual(header);
});

test("a transaction is read back", () => {
  const json = { position: "0000000000000001", xid: "12", committedAt: "-5", origin: "east" };
  expect(readTransaction(json)).toEqual(json);
});

test("a snapshot is read back", () => {
  const json = { position: "0000000000000001", table: "public.t", range: "0-9", firstRow: 3 };
  expect(readSnapshot(json)).toEqual(json);
});

test("an end is read back", () => {
  const end = readEnd(frameJson(payloadsOf(segment())[7] ?? new Uint8Array()));
  expect(end).toEqual({ to: "0/2", frames: 7, rows: { "public.orders": 2 } });
});

test("a message names its shape and keeps its bytes", () => {
  const payload = payloadsOf(segment())[3] ?? new Uint8Array();
  expect([shapeNumber(payload, 0), ...payload.subarray(4)]).toEqual([7, 73, 0, 255]);
});

test("a frame larger than the buffer is laid out whole", () => {
  const frames = new FrameBuffer(crc32);
  frames.rows(1, new Uint8Array(1_000_000).fill(9));
  frames.rows(2, new Uint8Array(2));
  const cursor = new FrameCursor(crc32);
  const bytes = frames.take(true);
  cursor.read(bytes, 0, bytes.length);
  const found = cursor.read(bytes, cursor.next, bytes.length);
  expect([found, shapeNumber(bytes, cursor.start)]).toEqual([true, 2]);
});

test("what is taken is no longer held", () => {
  const frames = new FrameBuffer(crc32);
  frames.json("end", {});
  const first = frames.take(true);
  frames.json("end", {});
  expect(frames.take(true)).toEqual(first);
});

test("a file cut anywhere never has its last frame", () => {
  const bytes = segment();
  const whole = kindsOf(bytes).length;
  for (let length = SEGMENT_MAGIC.length; length < bytes.length; length++) {
    expect(kindsOf(bytes.subarray(0, length)).length).toBeLessThan(whole);
  }
});

test("a cut frame says how many bytes it takes", () => {
  const bytes = segment();
  const cursor = new FrameCursor(crc32);
  cursor.read(bytes, SEGMENT_MAGIC.length, bytes.length);
  const whole = cursor.next;
  cursor.read(bytes, SEGMENT_MAGIC.length, whole - 1);
  expect(cursor.next).toBe(whole);
});

test("a flipped byte in any frame is seen, or leaves it unfinished", () => {
  const bytes = segment();
  const whole = kindsOf(bytes).length;
  for (let at = SEGMENT_MAGIC.length; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    expect(foundOrNone(flipped)).toBeLessThan(whole);
  }
});

function segment(): Uint8Array {
  const frames = new FrameBuffer(crc32);
  frames.magic();
  frames.json("header", {
    kind: "postgres",
    source: "shop",
    from: "0/1",
    server: { version: "17.1" },
  });
  frames.json("shape", shapeJson(SHAPE));
  frames.json("transaction", { position: "0000000000000002", xid: "700", committedAt: "1" });
  frames.message(7, 73, Uint8Array.of(0, 255));
  frames.json("snapshot", { position: "0000000000000002", table: "public.orders", range: "" });
  frames.rows(7, Uint8Array.of(0, 1));
  frames.headed("record", { position: "3" }, Uint8Array.of(1, 2, 3));
  frames.json("end", { to: "0/2", frames: frames.frameCount, rows: { "public.orders": 2 } });
  return frames.take(true);
}

function payloadsOf(bytes: Uint8Array): Uint8Array[] {
  const cursor = new FrameCursor(crc32);
  const payloads: Uint8Array[] = [];
  let at = SEGMENT_MAGIC.length;
  while (cursor.read(bytes, at, bytes.length)) {
    payloads.push(bytes.subarray(cursor.start, cursor.end));
    at = cursor.next;
  }
  return payloads;
}

function kindsOf(bytes: Uint8Array): number[] {
  const cursor = new FrameCursor(crc32);
  const kinds: number[] = [];
  let at = SEGMENT_MAGIC.length;
  while (cursor.read(bytes, at, bytes.length)) {
    kinds.push(cursor.kind);
    at = cursor.next;
  }
  return kinds;
}

/** Frames found before the first that is damaged. */
function foundOrNone(bytes: Uint8Array): number {
  try {
    return kindsOf(bytes).length;
  } catch {
    return 0;
  }
}

test("an event keeps the check sum that its log has of it, which holds for its shape alone", () => {
  const event = new TextEncoder().encode("an event");
  const frames = new FrameBuffer(crc32);
  frames.event(7, event, crc32(event));
  const bytes = frames.take(true);
  expect(new FrameCursor(crc32).read(bytes, 0, bytes.length)).toBe(true);
  for (let at = 4; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    expect(() => new FrameCursor(crc32).read(flipped, 0, flipped.length)).toThrow("check sum");
  }
});
