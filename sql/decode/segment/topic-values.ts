/** What the values of records are: each tells of changes, or what is wrong with it. */

import { isUtf8 } from "node:buffer";
import type { RecordText } from "../../../core/ingest/feed.ts";
import type { SegmentRecord } from "../../../core/ingest/segment.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import {
  type Change,
  type Envelope,
  EnvelopeFault,
  fieldsOf,
  NO_TYPES,
} from "../envelope/change.ts";
import { type Event, tellEvent } from "../envelope/events.ts";
import { type JsonNode, kindText } from "../json/parse.ts";
import type { Exact } from "../lossless/exact-value.ts";
import { escapedText } from "../rejects.ts";

/** A record with what it tells. */
export interface RecordEvent extends Event {
  /** Null: its frame is damaged, and nobody knows what it was. */
  readonly head: SegmentRecord | null;
  /** Of its value. */
  readonly sizeBytes: number;
}

export type RecordTeller = (head: SegmentRecord, payload: Buffer) => RecordEvent;

type Told = Event["told"];
type Tell = (head: SegmentRecord, payload: Buffer) => Told;

const OFFSET_DIGITS = 16;
const BINARY: Type = { kind: "primitive", name: "binary" };
const NULL: JsonNode = { kind: "null" };

/** How records are read: by an envelope, or where there is none as the word of the segment's header says. */
export function tellerOf(envelope: Envelope | null, word: unknown, keys: RecordText): RecordTeller {
  const tell = envelope === null ? tellAs(word) : tellBy(envelope);
  return (head, payload) => {
    const told = keyFault(head, keys) ?? tell(head, payload);
    return {
      line: null,
      told: typeof told === "object" && "reason" in told ? placed(head, told) : told,
      head,
      sizeBytes: payload.length,
      get text() {
        return shownText(head, payload);
      },
    };
  };
}

function tellAs(word: unknown): Tell {
  if (word === "text") return textValue;
  if (word === "bytes") return (head, payload) => [wholeValue(head, payload, BINARY)];
  return (head, payload) => {
    if (head.op === "d") return [change(head, null)];
    return tellText(payload, (node) => [objectChange(head, node)]);
  };
}

/**
 * Two events of one position are ordered as the topic has them, in whatever segments they are. What has the key of a
 * row that was deleted and no value is told of by the event before it.
 */
function tellBy(envelope: Envelope): Tell {
  return (head, payload) => {
    if (head.op === "d") return "tombstone";
    const offset = BigInt(head.offset ?? "0")
      .toString(16)
      .padStart(OFFSET_DIGITS, "0");
    return tellText(payload, (node) => {
      const told = envelope(node);
      if (typeof told === "string") return told;
      return told.map((each) => ({ ...each, position: `${each.position}-${offset}` }));
    });
  };
}

function tellText(payload: Buffer, envelope: Envelope): Told {
  return isUtf8(payload) ? tellEvent(payload.toString(), envelope) : notUtf8("value");
}

function objectChange(head: SegmentRecord, node: JsonNode): Change {
  if (node.kind === "object") return change(head, fieldsOf(node));
  throw new EnvelopeFault(`the value is an object, not ${kindText(node)}`);
}

function textValue(head: SegmentRecord, payload: Buffer): Told {
  if (!isUtf8(payload)) return notUtf8("value");
  return [wholeValue(head, payload.toString(), STRING)];
}

/** The value as it is, in a column of its own. */
function wholeValue(head: SegmentRecord, value: Exact, type: Type): Change {
  const types = new Map([["value", { type, read: () => value }]]);
  const fields = new Map([["value", NULL]]);
  return head.op === "d" ? { ...change(head, null), types } : { ...change(head, fields), types };
}

function change(head: SegmentRecord, after: Change["after"]): Change {
  return {
    op: head.op ?? "c",
    table: null,
    position: head.position,
    transaction: null,
    committedAt: null,
    before: null,
    after,
    unchanged: [],
    types: NO_TYPES,
  };
}

function keyFault({ key }: SegmentRecord, keys: RecordText): Told | null {
  if (key === undefined || keys === "bytes" || isUtf8(Buffer.from(key, "base64"))) return null;
  return notUtf8("key");
}

function notUtf8(what: "key" | "value"): Told {
  const column = what === "key" ? "_key" : null;
  const hint = what === "key" ? ": say key: bytes" : "";
  return { reason: "encoding", column, message: `the ${what} is no text in UTF-8${hint}` };
}

function placed<T extends { readonly message: string }>(head: SegmentRecord, fault: T): T {
  const where = `partition ${head.partition}, offset ${head.offset}`;
  return { ...fault, message: `${where}: ${fault.message}` };
}

function shownText(head: SegmentRecord, payload: Buffer): string {
  const text = (bytes: Buffer) => (isUtf8(bytes) ? bytes.toString() : escapedText(bytes));
  const { partition, offset, timestamp, key } = head;
  return JSON.stringify({
    _partition: partition,
    _offset: offset,
    _timestamp: timestamp,
    _key: key === undefined ? undefined : text(Buffer.from(key, "base64")),
    _value: text(payload),
  });
}
