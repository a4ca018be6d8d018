/** The records of a segment as change events: values of a topic, pushed rows, lines of a log. */

import { isUtf8 } from "node:buffer";
import type { FileFormat } from "../../../core/ingest/contract.ts";
import type { FeedOp } from "../../../core/ingest/feed.ts";
import { FRAME, frameJson, readEnd } from "../../../core/ingest/segment.ts";
import {
  type Change,
  type Envelope,
  EnvelopeFault,
  fieldsOf,
  NO_TYPES,
} from "../envelope/change.ts";
import { type Event, tellEvent } from "../envelope/events.ts";
import { type JsonNode, kindText } from "../json/parse.ts";
import { escapedText } from "../rejects.ts";
import { Unreadable } from "../unreadable.ts";
import { type Frame, framesOf } from "./frames.ts";

/** What a source says of one record. */
interface RecordHead {
  readonly position: string;
  readonly op: FeedOp;
  /** Microseconds since 1970. */
  readonly at: bigint | null;
}

/** True for a segment of records: one of tables has shapes, and begins with what they belong to. */
export function holdsRecords(path: string): boolean {
  for (const { kind } of framesOf(path)) {
    if (kind !== FRAME.header) return kind === FRAME.record || kind === FRAME.batches;
  }
  return false;
}

/** What understands the records where tarn.yaml says how they are written; null: each is a row, in JSON. */
export async function envelopeOf(format: FileFormat | null): Promise<Envelope | null> {
  switch (format) {
    case "debezium":
      return (await import("../envelope/debezium.ts")).debezium;
    case "maxwell":
      return (await import("../envelope/maxwell.ts")).maxwell;
    case "dms":
      return (await import("../envelope/dms.ts")).dms;
    case "canal":
      return (await import("../envelope/canal.ts")).canal;
    case null:
    case "json":
    case "segment":
      return null;
    default:
      throw new Unreadable("unreadable", `records of a stream are not read as ${format}`);
  }
}

/** All records in their order. Throws Unreadable where there are fewer or more than the segment says. */
export function* recordEvents(path: string, envelope: Envelope | null): Generator<Event> {
  let count = 0;
  for (const frame of framesOf(path)) {
    if (frame.kind === FRAME.record) {
      count++;
      yield recordEvent(frame, envelope);
    } else if (frame.kind === FRAME.end) checkCount(frame, count);
  }
}

const LENGTH_BYTES = 4;

function recordEvent(frame: Frame, envelope: Envelope | null): Event {
  const { bytes, start, end, at, isDamaged } = frame;
  const from = start + LENGTH_BYTES + bytes.readUInt32LE(start);
  const payload = bytes.subarray(Math.min(from, end), end);
  if (isDamaged || from > end) {
    const message = `the check sum of the frame at byte ${at} is wrong`;
    const told = { reason: "parse", column: null, message } as const;
    return { line: null, text: escapedText(payload), told };
  }
  if (payload.length === 0) return { line: null, text: "", told: "tombstone" };
  if (!isUtf8(payload)) {
    const message = "the record holds bytes that are not UTF-8";
    const told = { reason: "encoding", column: null, message } as const;
    return { line: null, text: escapedText(payload), told };
  }
  const text = payload.toString("utf8");
  const own = envelope ?? plainRecord(headOf(bytes.subarray(start + LENGTH_BYTES, from)));
  return { line: null, text, told: tellEvent(text, own) };
}

function headOf(bytes: Uint8Array): RecordHead {
  const { position, op, timestamp } = frameJson(bytes);
  const isMillis = typeof timestamp === "number" && Number.isSafeInteger(timestamp);
  return {
    position: String(position),
    op: isOp(op) ? op : "c",
    at: isMillis ? BigInt(timestamp) * 1000n : null,
  };
}

/** A record that is a row itself: what it is about is said beside it. */
export function plainRecord({ position, op, at }: RecordHead): Envelope {
  return (node: JsonNode): readonly Change[] => {
    if (node.kind !== "object") {
      throw new EnvelopeFault(`a row is an object, not ${kindText(node)}`);
    }
    const fields = fieldsOf(node);
    const isDelete = op === "d";
    return [
      {
        op,
        table: null,
        position,
        transaction: null,
        committedAt: at,
        before: isDelete ? fields : null,
        after: isDelete ? null : fields,
        unchanged: [],
        types: NO_TYPES,
      },
    ];
  };
}

function isOp(op: unknown): op is FeedOp {
  return typeof op === "string" && ["c", "u", "d", "r"].includes(op);
}

function checkCount({ bytes, start, end, isDamaged }: Frame, count: number): void {
  const rows = isDamaged ? [] : Object.values(readEnd(frameJson(bytes.subarray(start, end))).rows);
  const said = rows.reduce((sum, each) => sum + each, 0);
  if (rows.length === 0 || said === count) return;
  throw new Unreadable("unreadable", `the segment holds ${count} records where it says ${said}`);
}
