/** The records of a topic, written as columns without looking at each: where all of them are usual. */

import { isUtf8 } from "node:buffer";
import type { DecodeRequest } from "../../../core/engine.ts";
import {
  FEED,
  feedColumns,
  keyType,
  RECORD,
  recordColumns,
  recordName,
} from "../../../core/ingest/feed.ts";
import type { RecordCursor } from "../../../core/ingest/record-batch.ts";
import { FRAME } from "../../../core/ingest/segment.ts";
import { sameType } from "../../../core/table/type-text.ts";
import type { Field, Type } from "../../../core/table/types.ts";
import { jsonColumn, ObjectColumns, type ObjectField } from "../lossless/json-columns.ts";
import { OUT, spaceEnd } from "../lossless/json-text.ts";
import type { PartColumn } from "../made/column-part.ts";
import type { FilledColumn } from "../made/group-target.ts";
import type { PageForm } from "../made/pages.ts";
import { leavesOf } from "../made/part-leaves.ts";
import type { WholeRows } from "../made/row-source.ts";
import { PART_BYTES, PART_ROWS } from "../made/row-table.ts";
import { RunColumn } from "../made/run-column.ts";
import type { WholeFile } from "../made/whole-file.ts";
import { type SourceColumn, sourceColumns } from "../target-columns.ts";
import { framesOf } from "./frames.ts";
import type { OddRecords } from "./odd-records.ts";
import type { Topic } from "./topic-plan.ts";
import {
  batchesOf,
  batchIn,
  checkCount,
  newCursor,
  recordAt,
  type TopicBatches,
} from "./topic-records.ts";

/** The records of the topic that land; null, and nothing is left, where all have to be looked at. */
export async function writeTopic(
  topic: Topic,
  request: DecodeRequest,
  odd: OddRecords,
  { target, reject }: WholeRows,
): Promise<WholeFile | null> {
  const columns = TopicColumns.of(topic, request, target.form);
  if (columns === null) return null;
  const writer = new TopicParts(topic, columns, odd, { target, reject });
  try {
    for (const frame of framesOf(topic.path)) {
      if (frame.kind === FRAME.record || frame.isDamaged) return writer.discard();
      const batches = frame.kind === FRAME.batches ? batchesOf(frame, topic.topic) : null;
      if (batches !== null && !writer.take(batches)) return writer.discard();
      if (target.isPending) await target.settle();
    }
    return await writer.finish();
  } catch (thrown) {
    writer.discard();
    if (thrown instanceof RangeError) return null;
    throw thrown;
  }
}

/** What is said of every record of a topic without an envelope. */
const SAID: ReadonlySet<string> = new Set([FEED.op, FEED.position, ...Object.values(RECORD)]);
/** What is the same for many of them. */
const IN_RUNS: ReadonlySet<string> = new Set([FEED.op, RECORD.partition]);
const JSON_WORDS: ReadonlySet<unknown> = new Set([undefined, "json"]);
/** Of the leaves of a list of structs: the level of a list that is not there, and of a field that is null. */
const HEADER = { none: 0, null: 3 } as const;

/** The columns of the table that records fill, each with its leaves. */
class TopicColumns {
  /** In the order of the table's. */
  readonly filled: FilledColumn[] = [];
  /** Of all columns but those in runs. */
  readonly leaves: PartColumn[] = [];
  /** The fields of values. */
  readonly own: ObjectField[] = [];
  /** Of what is said of every record, by its name; those that the table has. */
  readonly said = new Map<string, readonly PartColumn[]>();
  readonly runs = new Map<string, RunColumn>();
  /** Columns that no record fills. */
  readonly unfilled: PartColumn[] = [];

  /** Null where values of the columns are to be looked at, whatever they are. */
  static of(
    { isFeed, telling }: Topic,
    request: DecodeRequest,
    form: PageForm,
  ): TopicColumns | null {
    if (isFeed || telling.schemas !== null || !JSON_WORDS.has(telling.word)) return null;
    const types = saidTypes(keyType(telling.keys));
    const columns = new TopicColumns();
    for (const column of sourceColumns(request)) {
      const type = types.get(column.decode.source) ?? null;
      const isTaken = SAID.has(column.decode.source)
        ? columns.#takeSaid(column, type, form)
        : columns.#takeOwn(column, form);
      if (column.decode.expression !== null || !isTaken) return null;
    }
    return columns;
  }

  #takeSaid({ field, decode }: SourceColumn, type: Type | null, form: PageForm): boolean {
    const { source, required, awaits } = decode;
    if (type === null || !sameType(type, field.type) || required || awaits !== undefined) {
      return false;
    }
    if (IN_RUNS.has(source)) {
      const runs = new RunColumn(type, form);
      this.runs.set(source, runs);
      this.filled.push({ field, leaves: [runs] });
      return true;
    }
    const leaves = leavesOf(type, form);
    this.said.set(source, leaves);
    this.#fill(field, leaves);
    return true;
  }

  #takeOwn({ field, decode }: SourceColumn, form: PageForm): boolean {
    const { source: key, required, awaits } = decode;
    const column = jsonColumn(awaits ?? field.type, form);
    if (column === null) return false;
    if (recordName(key) !== key) this.unfilled.push(...column.leaves);
    else this.own.push({ key, column, isRequired: required });
    this.#fill(field, column.leaves);
    return true;
  }

  #fill(field: Field, leaves: readonly PartColumn[]): void {
    this.filled.push({ field, leaves });
    this.leaves.push(...leaves);
  }

  /** Ends pages that are large enough; answers how much is held. */
  endPages(): number {
    let total = 0;
    for (const leaf of this.leaves) {
      leaf.endPage();
      total += leaf.sizeBytes;
    }
    return total;
  }
}

function saidTypes(key: Type): ReadonlyMap<string, Type> {
  const columns = [...feedColumns([], []), ...recordColumns(key)];
  return new Map(columns.map(({ name, type }) => [name, type]));
}

const HEX = Buffer.from("0123456789abcdef");
const DASH = 45;
const OPEN_BRACE = 123;
const OFFSET_DIGITS = 16;
const PARTITION_DIGITS = 8;
/** Records between two looks at how much is held. */
const LOOK_ROWS = 1024;
/** So many records may be odd, or so large a share of all: more are decided together. */
const ODD_RECORDS_FREE = 100;
const ODD_SHARE_MAX = 0.02;
/** Offsets and microseconds up to here are numbers that a double holds, whatever a batch adds to them. */
const PLAIN_OFFSET_MAX = 2n ** 52n;
const PLAIN_MILLIS_MAX = 4_000_000_000_000;

class TopicParts {
  readonly #topic: Topic;
  readonly #columns: TopicColumns;
  readonly #object: ObjectColumns;
  readonly #odd: OddRecords;
  readonly #rows: WholeRows;
  readonly #cursor = newCursor();
  readonly #op: RunColumn | null;
  readonly #partition: RunColumn | null;
  readonly #position: PartColumn | null;
  readonly #key: PartColumn | null;
  readonly #offset: PartColumn | null;
  readonly #timestamp: PartColumn | null;
  readonly #headers: readonly PartColumn[];
  readonly #isTextKey: boolean;
  /** In the columns. */
  #held = 0;
  #landed = 0;
  #rejected = 0;

  constructor(topic: Topic, columns: TopicColumns, odd: OddRecords, rows: WholeRows) {
    const leaf = (name: string): PartColumn | null => columns.said.get(name)?.[0] ?? null;
    this.#topic = topic;
    this.#columns = columns;
    this.#object = new ObjectColumns(columns.own, 0);
    this.#odd = odd;
    this.#rows = rows;
    this.#op = columns.runs.get(FEED.op) ?? null;
    this.#partition = columns.runs.get(RECORD.partition) ?? null;
    this.#position = leaf(FEED.position);
    this.#key = leaf(RECORD.key);
    this.#offset = leaf(RECORD.offset);
    this.#timestamp = leaf(RECORD.timestamp);
    this.#headers = columns.said.get(RECORD.headers) ?? [];
    this.#isTextKey = topic.telling.keys === "text";
  }

  /** False where something is to be looked at. Throws RangeError for broken records. */
  take(batches: TopicBatches): boolean {
    const { bytes, partition } = batches;
    const from = batches.from === undefined ? 0 : Number(batches.from);
    const cursor = this.#cursor;
    for (let at = batches.start; at < batches.end; ) {
      const { end, baseOffset } = batchIn(batches, at);
      if (baseOffset > PLAIN_OFFSET_MAX) return false;
      cursor.begin(bytes, at, end);
      const base = Number(baseOffset);
      const millis = cursor.baseTimestamp;
      const baseMillis = Number(millis ?? cursor.timestamp);
      while (cursor.next()) {
        const offset = base + cursor.offsetDelta;
        if (offset < from) continue;
        const ownMillis = millis === null ? baseMillis : baseMillis + cursor.timestampDelta;
        if (this.#value(cursor) && this.#said(cursor, partition, offset, ownMillis)) {
          this.#op?.add(cursor.valueStart < 0 ? "d" : "c");
          this.#partition?.add(partition);
          this.#count();
        } else if (!this.#setAside(batches)) return false;
      }
      at = end;
    }
    return true;
  }

  async finish(): Promise<WholeFile> {
    checkCount(this.#topic, this.#landed + this.#rejected);
    this.#flush();
    return await this.#rows.target.finish();
  }

  discard(): null {
    this.#rows.target.discard();
    return null;
  }

  /** What was written of the record is taken back. False where it lands all the same, or too many are odd. */
  #setAside(batches: TopicBatches): boolean {
    for (const leaf of this.#columns.leaves) leaf.reset();
    this.#rejected++;
    const isMany = this.#rejected > ODD_RECORDS_FREE + this.#landed * ODD_SHARE_MAX;
    const event = recordAt(batches, this.#cursor, this.#topic.teller);
    const aside = isMany ? null : this.#odd.asideOf(event);
    if (aside === null) return false;
    this.#rows.reject(this.#landed + this.#rejected, aside.fault, aside.raw);
    return true;
  }

  #value({ bytes, valueStart, valueEnd }: RecordCursor): boolean {
    const object = this.#object;
    if (valueStart < 0) return object.none();
    const start = spaceEnd(bytes, valueStart);
    if (bytes[start] !== OPEN_BRACE) return false;
    const end = object.write(bytes, start, 0);
    if (end === valueEnd) return true;
    return end !== OUT && end < valueEnd && spaceEnd(bytes, end) >= valueEnd;
  }

  /** What stands beside the value. */
  #said(cursor: RecordCursor, partition: number, offset: number, millis: number): boolean {
    this.#placed(partition, offset);
    if (this.#offset !== null) {
      this.#offset.present();
      this.#offset.long(offset);
    }
    return this.#at(millis) && this.#keyed(cursor) && this.#headed(cursor);
  }

  #at(millis: number): boolean {
    const column = this.#timestamp;
    if (column === null) return true;
    if (millis < 0) {
      column.missing(0);
      return true;
    }
    column.present();
    column.long(millis * 1000);
    return millis <= PLAIN_MILLIS_MAX;
  }

  #keyed({ bytes, keyStart, keyEnd }: RecordCursor): boolean {
    const column = this.#key;
    if (column === null) return true;
    if (keyStart < 0) {
      column.missing(0);
      return true;
    }
    column.present();
    column.copy(bytes, keyStart, keyEnd);
    return !this.#isTextKey || isAscii(bytes, keyStart, keyEnd) || isText(bytes, keyStart, keyEnd);
  }

  #headed(cursor: RecordCursor): boolean {
    const [names, values, data] = this.#headers;
    if (names === undefined || values === undefined || data === undefined) return true;
    if (cursor.headerCount <= 0) {
      for (const leaf of this.#headers) leaf.missing(HEADER.none);
      return true;
    }
    for (const [index, [name, bytes]] of cursor.headers().entries()) {
      const repetition = index === 0 ? 0 : 1;
      const isValue = bytes !== null && isUtf8(bytes);
      names.present(repetition);
      names.text(name);
      for (const [leaf, isOwn] of [
        [values, isValue],
        [data, !isValue],
      ] as const) {
        if (bytes === null || !isOwn) leaf.missing(HEADER.null, 1, repetition);
        else {
          leaf.present(repetition);
          leaf.copy(bytes, 0, bytes.length);
        }
      }
    }
    return true;
  }

  #placed(partition: number, offset: number): void {
    const column = this.#position;
    if (column === null) return;
    column.present();
    let at = column.room(OFFSET_DIGITS + 1 + PARTITION_DIGITS);
    const { bytes } = column;
    at = writeHex(bytes, at, Math.floor(offset / 2 ** 32));
    at = writeHex(bytes, at, offset);
    bytes[at++] = DASH;
    writeHex(bytes, at, partition);
  }

  #count(): void {
    this.#landed++;
    this.#held++;
    const isLooked = this.#held % LOOK_ROWS === 0;
    if (this.#held >= PART_ROWS || (isLooked && this.#columns.endPages() >= PART_BYTES)) {
      this.#flush();
    }
    for (const leaf of this.#columns.leaves) leaf.mark();
  }

  #flush(): void {
    if (this.#held === 0) return;
    for (const leaf of this.#columns.unfilled) leaf.missing(0, this.#held);
    this.#rows.target.group(this.#columns.filled, this.#held);
    this.#held = 0;
  }
}

/** Eight digits of the lowest 32 bits. */
function writeHex(bytes: Buffer, start: number, value: number): number {
  let at = start;
  for (let shift = 28; shift >= 0; shift -= 4) bytes[at++] = HEX[(value >>> shift) & 15] ?? 0;
  return at;
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if ((bytes[at] ?? 0) > 127) return false;
  return true;
}

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  return isUtf8(bytes.subarray(start, end));
}
