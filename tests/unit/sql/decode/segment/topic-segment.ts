/** Segments of a broker's topics, made and landed by tests. */

import { crc32 } from "node:zlib";
import type { ReadOptions } from "../../../../../core/ingest/contract.ts";
import {
  FrameBuffer,
  type SegmentRecord,
  type SegmentSchema,
} from "../../../../../core/ingest/segment.ts";
import { Harness, READ, typeText } from "../harness.ts";

export type Given = Partial<SegmentRecord> & { readonly value?: string | Uint8Array };

/** Records by topic, numbered from 0 in partition 3 of each. */
export function topicSegment(
  topics: Readonly<Record<string, readonly Given[]>>,
  server: Readonly<Record<string, string | boolean>> = {},
  schemas: readonly SegmentSchema[] = [],
): Uint8Array {
  const frames = new FrameBuffer(crc32);
  frames.magic();
  frames.json("header", { kind: "kafka", source: "shop", from: "", server });
  for (const [table, records] of Object.entries(topics)) {
    for (const [index, { value, ...head }] of records.entries()) {
      const place = { table, position: `0${index}-3`, partition: 3, offset: String(index) };
      frames.headed("record", { ...place, ...head }, Buffer.from(value ?? ""));
    }
  }
  for (const { references, ...schema } of schemas) {
    frames.json("schema", { ...schema, references: references.map((one) => ({ ...one })) });
  }
  const rows = Object.fromEntries(
    Object.entries(topics).map(([name, list]) => [name, list.length]),
  );
  frames.json("end", { to: "", frames: frames.frameCount, rows });
  return frames.take(true);
}

/** `fixes` are texts for rows, by their numbers. */
export async function landTopic(
  bytes: Uint8Array,
  read: Partial<ReadOptions>,
  fixes: Readonly<Record<number, string>> = {},
) {
  await using h = await Harness.open();
  const file = h.file("0001.segment", bytes);
  const [seen] = (await h.inspect([file], read)).files;
  if (seen === undefined || seen.fault !== null) throw new Error(seen?.fault?.message ?? "none");
  const types = Object.fromEntries(seen.columns.map(({ name, type }) => [name, type]));
  const placed = Object.entries(fixes).map(([row, raw]) => {
    return { id: row, raw, place: { file: file.name, position: `row ${row}` } };
  });
  const request = { read: { ...READ, ...read }, fixes: placed };
  const landed = await h.decode([file], types, request);
  const texts = Object.fromEntries(seen.columns.map(({ name, type }) => [name, typeText(type)]));
  return { ...landed, types: texts };
}

export const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString("base64");
