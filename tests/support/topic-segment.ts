/** Segments of a broker's topics for tests: batches of records as they are received. */

import { crc32 } from "node:zlib";
import { FrameBuffer } from "../../core/ingest/segment.ts";
import { batchBytes, type TestBatch } from "./kafka-batch.ts";

/** Batches of one partition, that stand in one frame. */
export interface TestBatches {
  readonly topic?: string;
  readonly partition?: number;
  readonly from?: bigint;
  readonly batches: readonly TestBatch[];
}

/** Each batch begins at the offset that it says, or behind the last one; `topic` is `orders` unless it is said. */
export function batchSegment(
  frames: readonly TestBatches[],
  server: Readonly<Record<string, string | boolean>> = {},
): Buffer {
  const buffer = new FrameBuffer(crc32);
  buffer.magic();
  buffer.json("header", { kind: "kafka", source: "shop", from: "", server });
  const rows: Record<string, number> = {};
  let offset = 0n;
  for (const { topic = "orders", partition = 0, from, batches } of frames) {
    const bytes = batches.map((batch) => {
      const { baseOffset = offset, records } = batch;
      offset = baseOffset + BigInt(records.length);
      const meant = records.filter((_, at) => baseOffset + BigInt(at) >= (from ?? 0n));
      rows[topic] = (rows[topic] ?? 0) + meant.length;
      return batchBytes({ ...batch, baseOffset });
    });
    const head = { table: topic, partition, ...(from === undefined ? {} : { from: String(from) }) };
    buffer.headed("batches", head, Buffer.concat(bytes));
  }
  buffer.json("end", { to: "", frames: buffer.frameCount, rows });
  return Buffer.from(buffer.take(true));
}
