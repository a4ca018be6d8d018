/** The records of one topic in a segment, in their order: those that stand by themselves, and those in batches. */

import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { errorText, LakeError } from "../../../core/base/errors.ts";
import { batchHead, NO_TIMESTAMP, RecordCursor } from "../../../core/ingest/record-batch.ts";
import { unpackWith } from "../../../core/ingest/record-codecs.ts";
import {
  FRAME,
  frameJson,
  headCut,
  readBatches,
  readRecord,
  type SegmentBatches,
  type SegmentRecord,
} from "../../../core/ingest/segment.ts";
import { Unreadable } from "../unreadable.ts";
import { type Frame, framesOf } from "./frames.ts";
import type { RecordEvent, RecordTeller } from "./topic-values.ts";

/** Which records of a file are meant, and how they are read. */
export interface TopicRecords {
  readonly path: string;
  readonly topic: string;
  readonly teller: RecordTeller;
  /** Of records whose values are given anew. */
  readonly givenTeller: RecordTeller;
  /** Records that the segment says it holds of the topic. */
  readonly recordCount: number;
  /** Frames that say of no topic that they are its own are set aside with this one's. */
  readonly takesOrphans: boolean;
}

/** All of them. Throws Unreadable where they are fewer or more than the segment says. */
export function* topicEvents(records: TopicRecords): Generator<RecordEvent> {
  let count = 0;
  for (const frame of framesOf(records.path)) {
    if (frame.kind === FRAME.record) {
      const event = eventOf(frame, records);
      if (event === null) continue;
      count++;
      yield event;
    } else if (frame.kind === FRAME.batches) {
      for (const event of batchEvents(frame, records)) {
        count++;
        yield event;
      }
    }
  }
  checkCount(records, count);
}

/** Throws Unreadable where it is not as many as the segment says. */
export function checkCount({ topic, recordCount }: TopicRecords, count: number): void {
  if (count === recordCount) return;
  const found = `the segment holds ${count} records of ${topic}`;
  throw new Unreadable("unreadable", `${found} where it says ${recordCount}`);
}

/** Where batches of a topic stand in the bytes of a frame. */
export interface TopicBatches extends SegmentBatches {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Null for those of another topic, and where nobody knows whose they are. */
export function batchesOf(frame: Frame, topic: string): TopicBatches | null {
  const { bytes, start, end, isDamaged } = frame;
  if (isDamaged) return null;
  const cut = headCut(bytes, start, end);
  const head = readBatches(frameJson(bytes.subarray(start + HEAD_LENGTH_BYTES, cut)));
  return head.table === topic ? { ...head, bytes, start: cut, end } : null;
}

/** The record that the cursor is at. */
export function recordAt(
  batches: TopicBatches,
  cursor: RecordCursor,
  teller: RecordTeller,
): RecordEvent {
  return teller(headOf(batches, cursor), payloadOf(cursor));
}

/** Finds the records of batches, in whatever they are packed. */
export function newCursor(): RecordCursor {
  return new RecordCursor(unpackWith(gunzipSync, zstdDecompressSync));
}

const HEAD_LENGTH_BYTES = 4;

/** Null for a record of another topic. */
function eventOf(frame: Frame, { topic, teller, takesOrphans }: TopicRecords): RecordEvent | null {
  const { bytes, start, end, at, isDamaged } = frame;
  try {
    if (isDamaged) throw new RangeError("its check sum is wrong");
    const cut = headCut(bytes, start, end);
    const head = readRecord(frameJson(bytes.subarray(start + HEAD_LENGTH_BYTES, cut)));
    return head.table === topic ? teller(head, bytes.subarray(cut, end)) : null;
  } catch (thrown) {
    if (!(thrown instanceof RangeError || thrown instanceof LakeError)) throw thrown;
    return takesOrphans
      ? brokenEvent(`the frame at byte ${at} is damaged: ${errorText(thrown)}`)
      : null;
  }
}

function* batchEvents(frame: Frame, records: TopicRecords): Generator<RecordEvent> {
  const { topic, teller, takesOrphans } = records;
  if (frame.isDamaged && takesOrphans) {
    const message = `the check sum of the batches at byte ${frame.at} is wrong`;
    throw new Unreadable("unreadable", message);
  }
  const batches = batchesOf(frame, topic);
  if (batches === null) return;
  const { bytes, partition } = batches;
  const from = batches.from === undefined ? null : BigInt(batches.from);
  const cursor = newCursor();
  for (let at = batches.start; at < batches.end; ) {
    const { end, baseOffset } = batchIn(batches, at);
    try {
      cursor.begin(bytes, at, end);
      while (cursor.next()) {
        if (from !== null && cursor.offset < from) continue;
        yield recordAt(batches, cursor, teller);
      }
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      const where = `partition ${partition}, in the batch from offset ${baseOffset} on`;
      const event = brokenEvent(`${where}: the records are broken: ${thrown.message}`);
      for (let { left } = cursor; left > 0; left--) yield event;
    }
    at = end;
  }
}

/** Throws Unreadable where none stands there whole. */
export function batchIn({ bytes, end }: TopicBatches, at: number) {
  try {
    const head = batchHead(bytes.subarray(0, end), at);
    if (head !== null) return head;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
  }
  throw new Unreadable("unreadable", "the segment holds a batch that is cut short");
}

function brokenEvent(message: string): RecordEvent {
  const told = { reason: "parse", column: null, message } as const;
  return { line: null, text: "", told, head: null, key: null, sizeBytes: 0 };
}

function headOf({ table, partition }: TopicBatches, cursor: RecordCursor): SegmentRecord {
  const { offset, timestamp } = cursor;
  const key = partOf(cursor, cursor.keyStart, cursor.keyEnd);
  const headers = cursor
    .headers()
    .map(([name, bytes]) => [name, bytes === null ? null : base64(bytes)] as const);
  return {
    table,
    position: `${hex(offset, 16)}-${hex(partition, 8)}`,
    partition,
    offset: String(offset),
    ...(timestamp <= NO_TIMESTAMP ? {} : { timestamp: String(timestamp) }),
    ...(key === null ? {} : { key: key.toString("base64") }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(cursor.valueStart < 0 ? { op: "d" } : {}),
  };
}

function payloadOf(cursor: RecordCursor): Buffer {
  return partOf(cursor, cursor.valueStart, cursor.valueEnd) ?? NO_BYTES;
}

const NO_BYTES = Buffer.alloc(0);

function partOf({ bytes }: RecordCursor, start: number, end: number): Buffer | null {
  if (start < 0) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

function hex(value: bigint | number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
