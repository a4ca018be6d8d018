/** What a segment of a broker holds of one of its topics: how its records are read, and the columns that they fill. */

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
  readSchema,
  type SegmentEnd,
  type SegmentHeader,
  type SegmentSchema,
} from "../../../core/ingest/segment.ts";
import type { Column, Type } from "../../../core/table/types.ts";
import { type EventsPlan, planEvents } from "../envelope/events-plan.ts";
import { SchemaSet } from "../registry/schemas.ts";
import { Unreadable } from "../unreadable.ts";
import { framesOf } from "./frames.ts";
import { envelopeOf } from "./records.ts";
import { type TopicRecords, topicEvents } from "./topic-records.ts";
import { type RecordEvent, type Telling, tellerOf } from "./topic-values.ts";

/** A topic in a file. */
export interface Topic extends TopicRecords {
  /** A value says itself what happened to which row. */
  readonly isFeed: boolean;
  readonly telling: Telling;
}

export interface TopicPlan extends EventsPlan, Topic {}

const BROKER = "kafka";

/** Null for a segment of no broker. Throws Unreadable for one that is cut, or of several topics and none is named. */
export async function openTopic(path: string, read: ReadOptions): Promise<Topic | null> {
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
  return {
    path,
    topic,
    teller: tellerOf(telling),
    givenTeller: tellerOf({ ...telling, isGiven: true }),
    recordCount: end.rows[topic] ?? 0,
    takesOrphans: topics[0] === topic,
    isFeed: envelope !== null,
    telling,
  };
}

/** Looks at all of its records, or at those that are given. */
export function planTopic(topic: Topic, given?: readonly RecordEvent[]): TopicPlan {
  const { isFeed, telling } = topic;
  const columnsOf = (own: readonly Column[]): readonly Column[] => [
    ...(isFeed ? feedColumns(own, own) : [...own, ...feedColumns([], []).filter(isOfAll)]),
    ...recordColumns(keyColumn.type ?? keyType(telling.keys)),
  ];
  const frame = { columnsOf, nameOf: recordName };
  const keyColumn = new KeyColumn();
  const events = () => keyColumn.watched(given ?? topicEvents(topic));
  return { ...topic, ...planEvents(events, null, frame) };
}

export function typesOf({ columns }: TopicPlan): ReadonlyMap<string, Type> {
  return new Map(columns.map(({ name, type }) => [name, type]));
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

/** What is said of every record, whatever its value is. */
function isOfAll({ name }: Column): boolean {
  return name === FEED.op || name === FEED.position;
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
