/** What a segment of a broker holds of one of its topics: its records as events, and the columns that they fill. */

import { errorText, LakeError } from "../../../core/base/errors.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { widen } from "../../../core/ingest/contract-rules.ts";
import {
  FEED,
  feedColumns,
  keyType,
  recordColumns,
  recordName,
} from "../../../core/ingest/feed.ts";
import {
  FRAME,
  frameJson,
  readEnd,
  readHeader,
  readRecord,
  readSchema,
  recordCut,
  type SegmentEnd,
  type SegmentHeader,
  type SegmentSchema,
} from "../../../core/ingest/segment.ts";
import type { Column, Type } from "../../../core/table/types.ts";
import { type EventsPlan, planEvents } from "../envelope/events-plan.ts";
import { SchemaSet } from "../registry/schemas.ts";
import { Unreadable } from "../unreadable.ts";
import { type Frame, framesOf } from "./frames.ts";
import { envelopeOf } from "./records.ts";
import { type RecordEvent, type RecordTeller, type Telling, tellerOf } from "./topic-values.ts";

export interface TopicPlan extends EventsPlan, TopicRecords {
  /** A value says itself what happened to which row. */
  readonly isFeed: boolean;
}

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

const BROKER = "kafka";
const HEAD_LENGTH_BYTES = 4;

/** Null for a segment of no broker. Throws Unreadable for one that is cut, or of several topics and none is named. */
export async function planTopic(path: string, read: ReadOptions): Promise<TopicPlan | null> {
  const { header, end, schemas } = readEnds(path);
  if (header.kind !== BROKER) return null;
  const topics = Object.keys(end.rows);
  const topic = read.table ?? onlyTopic(topics);
  const keys = header.server.keys === "bytes" ? "bytes" : "text";
  const envelope = await envelopeOf(read.format);
  const telling: Telling = {
    envelope,
    made:
      read.format === "debezium" ? (await import("../envelope/debezium.ts")).debeziumMade : null,
    word: header.server.values,
    keys,
    schemas: header.server.registry === true ? await SchemaSet.of(schemas) : null,
    isGiven: false,
  };
  const records: TopicRecords = {
    path,
    topic,
    teller: tellerOf(telling),
    givenTeller: tellerOf({ ...telling, isGiven: true }),
    recordCount: end.rows[topic] ?? 0,
    takesOrphans: topics[0] === topic,
  };
  const isFeed = envelope !== null;
  const columnsOf = (own: readonly Column[]): readonly Column[] => [
    ...(isFeed ? feedColumns(own, own) : [...own, ...feedColumns([], []).filter(isOfAll)]),
    ...recordColumns(keyColumn.type ?? keyType(keys)),
  ];
  const frame = { columnsOf, nameOf: recordName };
  const keyColumn = new KeyColumn();
  const events = () => keyColumn.watched(topicEvents(records));
  return { ...records, isFeed, ...planEvents(events, null, frame) };
}

/** What the keys of a topic are. */
class KeyColumn {
  /** Null while none was seen. */
  type: Type | null = null;
  #last: Type | null = null;

  *watched(events: Iterable<RecordEvent>): Generator<RecordEvent> {
    for (const event of events) {
      const type = event.key?.type ?? null;
      if (type !== null && type !== this.#last) {
        this.type = this.type === null ? type : widen(this.type, type);
        this.#last = type;
      }
      yield event;
    }
  }
}

/** The records of the topic in their order. Throws Unreadable where they are fewer or more than the segment says. */
export function* topicEvents(records: TopicRecords): Generator<RecordEvent> {
  const { path, topic, recordCount } = records;
  let count = 0;
  for (const frame of framesOf(path)) {
    if (frame.kind !== FRAME.record) continue;
    const event = eventOf(frame, records);
    if (event === null) continue;
    count++;
    yield event;
  }
  if (count === recordCount) return;
  const found = `the segment holds ${count} records of ${topic}`;
  throw new Unreadable("unreadable", `${found} where it says ${recordCount}`);
}

/** What is said of every record, whatever its value is. */
function isOfAll({ name }: Column): boolean {
  return name === FEED.op || name === FEED.position;
}

/** Null for a record of another topic. */
function eventOf(
  { bytes, start, end, at, isDamaged }: Frame,
  { topic, teller, takesOrphans }: TopicRecords,
): RecordEvent | null {
  try {
    if (isDamaged) throw new RangeError("its check sum is wrong");
    const cut = recordCut(bytes, start, end);
    const head = readRecord(frameJson(bytes.subarray(start + HEAD_LENGTH_BYTES, cut)));
    return head.table === topic ? teller(head, bytes.subarray(cut, end)) : null;
  } catch (thrown) {
    if (!(thrown instanceof RangeError || thrown instanceof LakeError)) throw thrown;
    if (!takesOrphans) return null;
    const message = `the frame at byte ${at} is damaged: ${errorText(thrown)}`;
    const told = { reason: "parse", column: null, message } as const;
    return { line: null, text: "", told, head: null, key: null, sizeBytes: 0 };
  }
}

function readEnds(path: string): {
  readonly header: SegmentHeader;
  readonly end: SegmentEnd;
  readonly schemas: readonly SegmentSchema[];
} {
  const schemas: SegmentSchema[] = [];
  let header: SegmentHeader | null = null;
  let end: SegmentEnd | null = null;
  for (const frame of framesOf(path)) {
    const json = () => frameJson(frame.bytes.subarray(frame.start, frame.end));
    if (frame.isDamaged) continue;
    if (frame.kind === FRAME.header) header = readHeader(json());
    if (frame.kind === FRAME.schema) schemas.push(readSchema(json()));
    end = frame.kind === FRAME.end ? readEnd(json()) : null;
  }
  if (header === null) throw new Unreadable("unreadable", "the segment does not begin as one does");
  if (end === null) throw new Unreadable("unreadable", "the segment does not end as one does");
  return { header, end, schemas };
}

function onlyTopic(topics: readonly string[]): string {
  const [only, ...others] = topics;
  if (only !== undefined && others.length === 0) return only;
  const found = topics.length === 0 ? "no topic" : topics.join(", ");
  throw new Unreadable("unreadable", `a segment of a stream, which holds ${found}`);
}
