/**
 * The file that bytes of a stream are kept in: framed as they were received, with what it takes to read them again.
 * Pure: it lays frames out in memory and finds them there; who writes and reads the file is elsewhere.
 */

import { assert } from "../base/assert.ts";
import { LakeError } from "../base/errors.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  listField,
  numberField,
  objectField,
  objectsField,
  parseJson,
  stringField,
  stringifyJson,
} from "../base/json.ts";
import { SEGMENT_FRAME_BYTES_MAX } from "../limits.ts";
import { readWireType, type WireType, wireTypeJson } from "./wire-type.ts";

/** CRC-32 of ISO 3309, as `crc32` of `node:zlib` computes it. */
export type Crc32 = (bytes: Uint8Array) => number;

/** Kinds of frames by the byte that stands for them. docs/format.md, "Segments". */
export const FRAME = {
  /** JSON, `SegmentHeader`: the first frame, once. */
  header: 0,
  /** JSON, `SegmentShape`: a table as it was described when what refers to it was received. */
  shape: 1,
  /** JSON, `SegmentTransaction`: rows up to the next one, or to the next snapshot, are its own. */
  transaction: 2,
  /** The number of a shape (u32 LE), then one message as it was received. */
  message: 3,
  /** The number of a shape (u32 LE), then whole rows of a snapshot as they were received. */
  rows: 4,
  /** JSON, `SegmentSnapshot`: rows up to the next one, or to the next transaction, are its own. */
  snapshot: 5,
  /** JSON, `SegmentEnd`: the last frame, once. Without it the file is torn, and nothing may name it. */
  end: 6,
  /** The length of a JSON head (u32 LE), the head, then the payload as it was received. */
  record: 7,
  /** JSON, `SegmentSchema`: what a registry says of records that name it; anywhere behind the first record. */
  schema: 8,
  /**
   * The number of a shape (u32 LE), then an event of a binary log with rows of it, as it was received but for its check
   * sum. The frame's own is that one, the CRC-32 of the event, with the bits of the number turned in it.
   */
  event: 9,
  /** The length of a JSON head (u32 LE), the head, `SegmentBatches`, then whole batches as they were received. */
  batches: 10,
} as const;

export interface SegmentHeader {
  /** The kind of source, such as `postgres`: how messages and rows are read. */
  readonly kind: string;
  /** The name of the source in the configuration. */
  readonly source: string;
  /** The position that the first byte follows; text that only the kind of source understands. */
  readonly from: string;
  /** What the server said of itself. */
  readonly server: JsonObject;
  /**
   * All of it are changes of one transaction that was not committed when they came: its frame stands behind them. So
   * many frames of the transaction are in segments before this one.
   */
  readonly late?: { readonly firstPlace: number };
}

export interface ShapeColumn {
  readonly name: string;
  /** The type it lands as, in the words of core/config/type-text.ts. */
  readonly type: string;
  readonly wire: WireType;
  /** Part of what old rows are found by. */
  readonly key: boolean;
  /**
   * How its values stand in `rows`: as the server's COPY BINARY has them (of bool, int2, int4, int8, float4, float8,
   * bytea, date, timestamp, timestamptz and uuid), or, when absent, as the text that messages have. Both behind their
   * length, as COPY BINARY has it.
   */
  readonly binary?: true;
}

export interface SegmentShape {
  /** What frames refer to it by; unique in the segment. */
  readonly shape: number;
  readonly schema: string;
  readonly table: string;
  readonly oid?: number;
  readonly columns: readonly ShapeColumn[];
  /** What the server sends of old rows. */
  readonly identity: "default" | "full" | "index" | "nothing";
}

export interface SegmentTransaction {
  /** Where it ends; text that sorts as the stream is ordered. */
  readonly position: string;
  readonly xid: string;
  /** Microseconds since 1970, as text. */
  readonly committedAt: string;
  readonly origin?: string;
}

export interface SegmentSnapshot {
  /** The point of the stream that its rows are as of. */
  readonly position: string;
  /** `schema.table`. */
  readonly table: string;
  /** Which part of the table: text that only the kind of source understands. */
  readonly range: string;
  /** Rows of the table's snapshot before these, in earlier frames and segments. */
  readonly firstRow: number;
  /** The rows stand in for all that the table held before: a truncation at the same position comes first. */
  readonly replaces?: true;
}

/** What stands in front of a record's payload. */
export interface SegmentRecord {
  /** Whose row it is. */
  readonly table: string;
  /** Sorts as records of one table are ordered, as far as they are. */
  readonly position: string;
  readonly partition?: number;
  /** A whole number, as text. */
  readonly offset?: string;
  /** Milliseconds since 1970, as text. */
  readonly timestamp?: string;
  /** In base64; absent: there is none. */
  readonly key?: string;
  /** Names with values in base64 or null, in their order; a name may stand several times. */
  readonly headers?: readonly (readonly [string, string | null])[];
  /** There is no payload, not even an empty one: what has this key is deleted. */
  readonly op?: "d";
}

/** What stands in front of batches that a broker handed over. */
export interface SegmentBatches {
  /** The topic that they are of. */
  readonly table: string;
  readonly partition: number;
  /** Records below this offset are not meant; absent: all are. */
  readonly from?: string;
}

/** A schema as a registry had it when what names it was received. */
export interface SegmentSchema {
  /** The number by which records name it. */
  readonly id: number;
  readonly type: "avro" | "protobuf" | "json";
  readonly text: string;
  /** What it refers to, by the names that it has for them; what these refer to stands before them. */
  readonly references: readonly { readonly name: string; readonly text: string }[];
}

export interface SegmentEnd {
  /** The position that whoever has read it goes on from. */
  readonly to: string;
  /** Frames before this one. */
  readonly frames: number;
  /** Rows by `schema.table`, with an event as one: nobody has counted what is in it. */
  readonly rows: Readonly<Record<string, number>>;
}

/** What every segment begins with. */
export const SEGMENT_MAGIC: Uint8Array = new TextEncoder().encode("TARNSEG1");
/** What a segment begins with whose header says `late`: builds that do not know of it read nothing of it. */
const LATE_MAGIC: Uint8Array = new TextEncoder().encode("TARNSEG2");

/** Length and kind before a payload, the check sum behind it. */
const FRAME_HEAD_BYTES = 5;
const FRAME_TAIL_BYTES = 4;
const NUMBER_BYTES = 4;
const BUFFER_BYTES = 4 * 1024;
/** A buffer that one large frame has made larger is not kept. */
const KEPT_BYTES_MAX = 8 * 1024 * 1024;

/** Lays frames out one behind the other in memory; `take` hands over what there is. */
export class FrameBuffer {
  readonly #crc32: Crc32;
  #bytes = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #frameCount = 0;

  constructor(crc32: Crc32) {
    this.#crc32 = crc32;
  }

  /** Bytes held. */
  get sizeBytes(): number {
    return this.#length;
  }

  /** Frames laid out since it was made. */
  get frameCount(): number {
    return this.#frameCount;
  }

  /** The first bytes of a segment; `isLate` as its header says. */
  magic(isLate = false): void {
    this.#reserve(SEGMENT_MAGIC.length);
    this.#bytes.set(isLate ? LATE_MAGIC : SEGMENT_MAGIC, this.#length);
    this.#length += SEGMENT_MAGIC.length;
  }

  json(
    kind: "header" | "shape" | "transaction" | "snapshot" | "schema" | "end",
    value: Json,
  ): void {
    const payload = new TextEncoder().encode(stringifyJson(value));
    const start = this.#open(kind, payload.length);
    this.#bytes.set(payload, start);
    this.#close();
  }

  /** As `json` has it; there may be one for each row, so its few letters and digits are written as they are. */
  transaction({ position, xid, committedAt, origin }: SegmentTransaction): void {
    if (origin !== undefined) {
      this.json("transaction", { position, xid, committedAt, origin });
      return;
    }
    const text = `{"position":"${position}","xid":"${xid}","committedAt":"${committedAt}"}`;
    const start = this.#open("transaction", text.length);
    for (let at = 0; at < text.length; at++) this.#bytes[start + at] = text.charCodeAt(at);
    this.#close();
  }

  /** Bytes that belong to a shape, as they were received. */
  rows(shape: number, bytes: Uint8Array): void {
    const start = this.#open("rows", NUMBER_BYTES + bytes.length);
    this.#view.setUint32(start, shape, true);
    this.#bytes.set(bytes, start + NUMBER_BYTES);
    this.#close();
  }

  /** One message of a shape: the byte that says what it is, and what follows it as it was received. */
  message(shape: number, type: number, rest: Uint8Array): void {
    const start = this.#open("message", NUMBER_BYTES + 1 + rest.length);
    this.#view.setUint32(start, shape, true);
    this.#view.setUint8(start + NUMBER_BYTES, type);
    this.#bytes.set(rest, start + NUMBER_BYTES + 1);
    this.#close();
  }

  /** An event of a binary log without its check sum, which is `sum`; null where the log has none. */
  event(shape: number, event: Uint8Array, sum: number | null): void {
    const start = this.#open("event", NUMBER_BYTES + event.length);
    this.#view.setUint32(start, shape, true);
    this.#bytes.set(event, start + NUMBER_BYTES);
    this.#end((sum ?? this.#crc32(event)) ^ shape);
  }

  /** Frames that were laid out elsewhere, as they are. */
  frames(bytes: Uint8Array, count: number): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#frameCount += count;
  }

  /** A JSON head, and behind it a payload as it was received. */
  headed(kind: "record" | "batches", head: Json, payload: Uint8Array): void {
    const text = new TextEncoder().encode(stringifyJson(head));
    const start = this.#open(kind, NUMBER_BYTES + text.length + payload.length);
    this.#view.setUint32(start, text.length, true);
    this.#bytes.set(text, start + NUMBER_BYTES);
    this.#bytes.set(payload, start + NUMBER_BYTES + text.length);
    this.#close();
  }

  /** Lets go of the memory that nothing is held in: little comes any more. */
  shrink(): void {
    if (this.#length > 0) return;
    this.#bytes = new Uint8Array(BUFFER_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What is held, which is then no longer: bytes of their own, or a view that the next frame overwrites. */
  take(own: boolean): Uint8Array {
    const held = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    if (own) return held.slice();
    if (this.#bytes.length > KEPT_BYTES_MAX) {
      this.#bytes = new Uint8Array(BUFFER_BYTES);
      this.#view = new DataView(this.#bytes.buffer);
    }
    return held;
  }

  #open(kind: keyof typeof FRAME, payloadBytes: number): number {
    assert(payloadBytes <= SEGMENT_FRAME_BYTES_MAX, "a frame has at most its limit of bytes");
    this.#reserve(FRAME_HEAD_BYTES + payloadBytes + FRAME_TAIL_BYTES);
    this.#view.setUint32(this.#length, payloadBytes, true);
    this.#view.setUint8(this.#length + 4, FRAME[kind]);
    return this.#length + FRAME_HEAD_BYTES;
  }

  #close(): void {
    const start = this.#length;
    const end = start + FRAME_HEAD_BYTES + this.#view.getUint32(start, true);
    this.#end(this.#crc32(this.#bytes.subarray(start + 4, end)));
  }

  #end(sum: number): void {
    const end = this.#length + FRAME_HEAD_BYTES + this.#view.getUint32(this.#length, true);
    this.#view.setUint32(end, sum, true);
    this.#length = end + FRAME_TAIL_BYTES;
    this.#frameCount += 1;
  }

  #reserve(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Finds frames in memory, one after the other, without an object for each. */
export class FrameCursor {
  readonly #crc32: Crc32;
  /** Of the frame found last: its kind, as in `FRAME`, and where its payload is. */
  kind = -1;
  start = 0;
  end = 0;
  /** Where the next frame begins. */
  next = 0;

  constructor(crc32: Crc32) {
    this.#crc32 = crc32;
  }

  /**
   * The frame that begins at `from`, of bytes that are there up to `until`. False when it is not there whole:
   * `next` is then where `until` must be at least. Throws `corrupt` when its check sum is wrong; that of a kind in
   * `passed` is not looked at.
   */
  read(bytes: Uint8Array, from: number, until: number, passed?: ReadonlySet<number>): boolean {
    this.next = from + FRAME_HEAD_BYTES;
    if (this.next > until) return false;
    const payloadBytes = u32(bytes, from);
    if (payloadBytes > SEGMENT_FRAME_BYTES_MAX) {
      throw damaged(`a frame claims ${payloadBytes} bytes`);
    }
    const end = this.next + payloadBytes;
    this.next = end + FRAME_TAIL_BYTES;
    if (this.next > until) return false;
    this.kind = bytes[from + 4] ?? -1;
    const isPassed = passed?.has(this.kind) === true;
    if (!isPassed && this.#sum(bytes, from + 4, end) !== u32(bytes, end)) {
      throw damaged("the check sum of a frame is wrong");
    }
    this.start = from + FRAME_HEAD_BYTES;
    this.end = end;
    return true;
  }

  /** Of what begins with the kind of a frame. */
  #sum(bytes: Uint8Array, kind: number, end: number): number {
    if (bytes[kind] !== FRAME.event) return this.#crc32(bytes.subarray(kind, end));
    const event = kind + 1 + NUMBER_BYTES;
    return (this.#crc32(bytes.subarray(event, end)) ^ u32(bytes, kind + 1)) >>> 0;
  }
}

/** True when the bytes begin as a segment does. */
export function isSegment(bytes: Uint8Array): boolean {
  return [SEGMENT_MAGIC, LATE_MAGIC].some((magic) =>
    magic.every((byte, index) => bytes[index] === byte),
  );
}

/** Where the head of a `record` or `batches` payload ends, and its bytes begin; both end at `end`. Throws `corrupt`. */
export function headCut(bytes: Uint8Array, start: number, end: number): number {
  const cut = start + NUMBER_BYTES + u32(bytes, start);
  if (cut > end) throw damaged("the head of a frame is longer than the frame");
  return cut;
}

/** The number of the shape that a `message`, `rows` or `event` payload begins with; the rest begins 4 bytes on. */
export function shapeNumber(bytes: Uint8Array, start: number): number {
  return u32(bytes, start);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON of a payload. Throws `corrupt`. */
export function frameJson(payload: Uint8Array): JsonObject {
  return payloadJson(payload, parseJson);
}

/** The transaction of a payload. There may be one for every row, and all of it are texts. Throws `corrupt`. */
export function frameTransaction(payload: Uint8Array): SegmentTransaction {
  return readTransaction(payloadJson(payload, transactionJson));
}

/** As FrameBuffer writes one without an origin. */
const PLAIN_TRANSACTION =
  /^\{"position":"([^"\\]*)","xid":"([^"\\]*)","committedAt":"([^"\\]*)"\}$/;

function transactionJson(text: string): unknown {
  const [, position, xid, committedAt] = PLAIN_TRANSACTION.exec(text) ?? [];
  return position === undefined ? parseJson(text) : { position, xid, committedAt };
}

function payloadJson(payload: Uint8Array, parse: (text: string) => unknown): JsonObject {
  let json: unknown;
  try {
    json = parse(UTF8.decode(payload));
  } catch (thrown) {
    throw damaged("a frame is not JSON", thrown);
  }
  if (!isJsonObject(json)) throw damaged("the JSON of a frame is not an object");
  return json;
}

export function readHeader(json: JsonObject): SegmentHeader {
  return {
    kind: stringField(json, "kind"),
    source: stringField(json, "source"),
    from: stringField(json, "from"),
    server: objectField(json, "server"),
    ...(json.late === undefined
      ? {}
      : { late: { firstPlace: numberField(objectField(json, "late"), "firstPlace") } }),
  };
}

export function readShape(json: JsonObject): SegmentShape {
  const identity = stringField(json, "identity");
  if (!isIdentity(identity)) throw damaged(`there is no identity "${identity}"`);
  return {
    shape: numberField(json, "shape"),
    schema: stringField(json, "schema"),
    table: stringField(json, "table"),
    ...(json.oid === undefined ? {} : { oid: numberField(json, "oid") }),
    columns: objectsField(json, "columns").map((column) => ({
      name: stringField(column, "name"),
      type: stringField(column, "type"),
      wire: readWireType(objectField(column, "wire")),
      key: column.key === true,
      ...(column.binary === true ? { binary: true } : {}),
    })),
    identity,
  };
}

export function readTransaction(json: JsonObject): SegmentTransaction {
  return {
    position: stringField(json, "position"),
    xid: stringField(json, "xid"),
    committedAt: stringField(json, "committedAt"),
    ...(json.origin === undefined ? {} : { origin: stringField(json, "origin") }),
  };
}

export function readSnapshot(json: JsonObject): SegmentSnapshot {
  return {
    position: stringField(json, "position"),
    table: stringField(json, "table"),
    range: stringField(json, "range"),
    firstRow: numberField(json, "firstRow"),
    ...(json.replaces === true ? { replaces: true } : {}),
  };
}

export function readRecord(json: JsonObject): SegmentRecord {
  return {
    table: stringField(json, "table"),
    position: stringField(json, "position"),
    ...(json.partition === undefined ? {} : { partition: numberField(json, "partition") }),
    ...(json.offset === undefined ? {} : { offset: stringField(json, "offset") }),
    ...(json.timestamp === undefined ? {} : { timestamp: stringField(json, "timestamp") }),
    ...(json.key === undefined ? {} : { key: stringField(json, "key") }),
    ...(json.headers === undefined ? {} : { headers: readHeaders(listField(json, "headers")) }),
    ...(json.op === "d" ? { op: "d" } : {}),
  };
}

export function readBatches(json: JsonObject): SegmentBatches {
  return {
    table: stringField(json, "table"),
    partition: numberField(json, "partition"),
    ...(json.from === undefined ? {} : { from: stringField(json, "from") }),
  };
}

function readHeaders(list: readonly Json[]): NonNullable<SegmentRecord["headers"]> {
  return list.map((pair) => {
    const [name, value] = Array.isArray(pair) ? pair : [];
    return [String(name), typeof value === "string" ? value : null];
  });
}

export function readSchema(json: JsonObject): SegmentSchema {
  const { type } = json;
  if (type !== "avro" && type !== "protobuf" && type !== "json") {
    throw damaged(`there is no kind of schema "${String(type)}"`);
  }
  return {
    id: numberField(json, "id"),
    type,
    text: stringField(json, "text"),
    references: objectsField(json, "references").map((reference) => ({
      name: stringField(reference, "name"),
      text: stringField(reference, "text"),
    })),
  };
}

export function readEnd(json: JsonObject): SegmentEnd {
  const rows = objectField(json, "rows");
  return {
    to: stringField(json, "to"),
    frames: numberField(json, "frames"),
    rows: Object.fromEntries(Object.keys(rows).map((table) => [table, numberField(rows, table)])),
  };
}

/** A shape as its frame has it. */
export function shapeJson(shape: SegmentShape): Json {
  const { columns, ...rest } = shape;
  return {
    ...rest,
    columns: columns.map(({ wire, ...column }) => ({ ...column, wire: wireTypeJson(wire) })),
  };
}

function isIdentity(text: string): text is SegmentShape["identity"] {
  return ["default", "full", "index", "nothing"].includes(text);
}

function u32(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}

function damaged(what: string, cause?: unknown): LakeError {
  return new LakeError("corrupt", `the segment is damaged: ${what}`, {
    hint: "restore the file from a copy of the lake",
    ...(cause === undefined ? {} : { cause }),
  });
}
