/** What the values of records are: each tells of changes, or what is wrong with it. */

import { isUtf8 } from "node:buffer";
import { RECORD, type RecordText } from "../../../core/ingest/feed.ts";
import type { SegmentRecord } from "../../../core/ingest/segment.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import {
  type Change,
  type Envelope,
  EnvelopeFault,
  fieldsOf,
  madeFields,
  NO_TYPES,
  type Types,
} from "../envelope/change.ts";
import { type Event, faulty, tellEvent } from "../envelope/events.ts";
import { type JsonNode, kindText } from "../json/parse.ts";
import type { Entries, Exact } from "../lossless/exact-value.ts";
import type { RowFault } from "../made/row-source.ts";
import { isFramed, type SchemaSet } from "../registry/schemas.ts";
import { escapedText } from "../rejects.ts";

/** A record with what it tells. */
export interface RecordEvent extends Event {
  /** Null: its frame is damaged, and nobody knows what it was. */
  readonly head: SegmentRecord | null;
  readonly key: RecordKey | null;
  /** Of its value. */
  readonly sizeBytes: number;
}

export interface RecordKey {
  readonly value: Exact;
  readonly type: Type;
}

/** How the records of a topic are to be read. */
export interface Telling {
  readonly envelope: Envelope | null;
  /** For events that are decoded already; null where the tool writes none. */
  readonly made: MadeEnvelope | null;
  /** As the segment's header has it. */
  readonly word: unknown;
  readonly keys: RecordText;
  /** Null: nothing is asked of a registry. */
  readonly schemas: SchemaSet | null;
  /** Values are given by a person, in place of those that came: as texts. */
  readonly isGiven: boolean;
}

export type MadeEnvelope = (
  event: Entries,
  typesOf: (row: string) => Types,
) => readonly Change[] | string;

export type RecordTeller = (head: SegmentRecord, payload: Buffer) => RecordEvent;

type Told = Event["told"];
type Tell = (head: SegmentRecord, payload: Buffer) => Told;

const OFFSET_DIGITS = 16;
const BINARY: Type = { kind: "primitive", name: "binary" };

/** How records are read: by an envelope, or where there is none as the word of the segment's header says. */
export function tellerOf(telling: Telling): RecordTeller {
  const { envelope, word, schemas, isGiven } = telling;
  const tellText = envelope === null ? tellAs(word) : tellBy(envelope);
  const isPlain = schemas === null || isGiven || isWhole(word);
  const tell = isPlain ? tellText : tellFramed(telling, tellText, schemas);
  return (head, payload) => {
    const key = keyOf(head, telling);
    const told = key !== null && "reason" in key ? key : tell(head, payload);
    return {
      line: null,
      told: typeof told === "object" && "reason" in told ? placed(head, told) : told,
      head,
      key: key === null || "reason" in key ? null : key,
      sizeBytes: payload.length,
      get text() {
        return shownText(head, payload);
      },
    };
  };
}

/** The key as it is shown of a record that is set aside; null: there is none. */
export function shownKey({ key }: SegmentRecord): string | null {
  return key === undefined ? null : shownBytes(Buffer.from(key, "base64"));
}

/** Values that land as they are. */
function isWhole(word: unknown): boolean {
  return word === "text" || word === "bytes";
}

/** What names a schema is read by it, and anything else as it would be without a registry, if it may be so. */
function tellFramed({ envelope, made, word }: Telling, tell: Tell, schemas: SchemaSet): Tell {
  const isStrict = word === "avro" || word === "protobuf";
  return (head, payload) => {
    if (head.op === "d") return tell(head, payload);
    if (!isFramed(payload)) return isStrict ? unframed(payload) : tell(head, payload);
    return faulty((): readonly Change[] | string => {
      const framed = schemas.framed(payload);
      if (framed.kind === "json") {
        const told = tell(head, framed.bytes);
        if (typeof told === "object" && "reason" in told) {
          throw new EnvelopeFault(told.message, told.column);
        }
        return told;
      }
      const { reader, bytes } = framed;
      const value = reader.fields(bytes);
      if (envelope === null) {
        return [{ ...change(head, madeFields(value)), types: reader.types }];
      }
      if (made === null) throw new EnvelopeFault("events of this tool are read as JSON alone");
      return atOffset(
        head,
        made(value, (row) => reader.typesOf(row)),
      );
    });
  };
}

function unframed(payload: Buffer): Told {
  const first = payload.subarray(0, 1).toString("hex");
  const begin = payload.length === 0 ? "it is empty" : `it begins with the byte 0x${first}`;
  const message = `the value names no schema: ${begin}`;
  return { reason: "parse", column: null, message };
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
    return tellText(payload, (node) => atOffset(head, envelope(node)));
  };
}

function atOffset(
  head: SegmentRecord,
  told: readonly Change[] | string,
): readonly Change[] | string {
  if (typeof told === "string") return told;
  const offset = BigInt(head.offset ?? "0")
    .toString(16)
    .padStart(OFFSET_DIGITS, "0");
  return told.map((each) => ({ ...each, position: `${each.position}-${offset}` }));
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
  const fields = new Map([["value", { kind: "exact", value } as const]]);
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

/** Null: there is none. */
function keyOf({ key }: SegmentRecord, { keys, schemas }: Telling): RecordKey | RowFault | null {
  if (key === undefined) return null;
  const bytes = Buffer.from(key, "base64");
  if (keys === "bytes") return { value: bytes, type: BINARY };
  if (schemas !== null && isFramed(bytes)) return faulty(() => framedKey(bytes, schemas));
  return isUtf8(bytes) ? { value: bytes.toString(), type: STRING } : notUtf8("key");
}

/** A key in JSON is its text: nothing says the type of what is in it. */
function framedKey(bytes: Buffer, schemas: SchemaSet): RecordKey {
  try {
    const framed = schemas.framed(bytes);
    if (framed.kind === "json") return { value: framed.bytes.toString(), type: STRING };
    return { value: framed.reader.whole(framed.bytes), type: framed.reader.type };
  } catch (thrown) {
    if (!(thrown instanceof EnvelopeFault)) throw thrown;
    const hint = "say key: bytes where keys are numbers in bytes";
    throw new EnvelopeFault(`of the key: ${thrown.message}; ${hint}`, RECORD.key);
  }
}

function notUtf8(what: "key" | "value"): RowFault {
  const column = what === "key" ? RECORD.key : null;
  const hint = what === "key" ? ": say key: bytes" : "";
  return { reason: "encoding", column, message: `the ${what} is no text in UTF-8${hint}` };
}

function placed<T extends { readonly message: string }>(head: SegmentRecord, fault: T): T {
  const where = `partition ${head.partition}, offset ${head.offset}`;
  return { ...fault, message: `${where}: ${fault.message}` };
}

function shownText(head: SegmentRecord, payload: Buffer): string {
  const { partition, offset, timestamp } = head;
  return JSON.stringify({
    _partition: partition,
    _offset: offset,
    _timestamp: timestamp,
    _key: shownKey(head) ?? undefined,
    _value: shownBytes(payload),
  });
}

function shownBytes(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString() : escapedText(bytes);
}
