/** Batches of records as brokers store them, walked byte by byte. Kafka, "Message Format", magic 2. */

import { unpacked } from "./codecs.ts";
import { crc32c } from "./crc32c.ts";

/** A record as it lies in the bytes of its batch: valid while it is visited. */
export interface KafkaRecord {
  readonly offset: bigint;
  /** Milliseconds since 1970; -1: none. */
  readonly timestamp: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [string, Buffer | null])[];
}

/** A transaction that was given up: its producer, and where its first record is. */
export interface Aborted {
  readonly producer: bigint;
  readonly firstOffset: bigint;
}

/** The bytes are not what a broker stores; `at` is the offset from which on nothing is known. */
export class BrokenBatch extends Error {
  readonly at: bigint;

  constructor(at: bigint, message: string) {
    super(message);
    this.at = at;
  }
}

const BATCH = {
  length: 8,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producer: 43,
  count: 57,
  records: 61,
} as const;
/** The length counts what is behind it. */
const LENGTH_END = 12;
const MAGIC = 2;
const CODEC_BITS = 7;
const LOG_APPEND_TIME = 8;
const TRANSACTIONAL = 16;
const CONTROL = 32;
const ABORT_MARK = 0;

/**
 * Visits the records from offset `from` on that are not of aborted transactions, in their order. Returns the offset to
 * go on at. The aborted ones are those that came with the bytes, in any order. A last batch that is cut is left for
 * the next answer. Throws BrokenBatch.
 */
export function walkBatches(
  bytes: Buffer,
  from: bigint,
  aborted: readonly Aborted[],
  visit: (record: KafkaRecord) => void,
): bigint {
  // Brokers list them by where they were given up.
  const waiting = [...aborted].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const dead = new Set<bigint>();
  let next = from;
  for (let at = 0; at + BATCH.records <= bytes.length; ) {
    const end = at + LENGTH_END + bytes.readInt32BE(at + BATCH.length);
    if (end > bytes.length) break;
    if (end < at + BATCH.records) throw new BrokenBatch(next, "a batch is shorter than its head");
    const batch = bytes.subarray(at, end);
    at = end;
    checkBatch(batch, next);
    const last = batch.readBigInt64BE(0) + BigInt(batch.readInt32BE(BATCH.lastOffsetDelta));
    const attributes = batch.readInt16BE(BATCH.attributes);
    const producer = batch.readBigInt64BE(BATCH.producer);
    for (let one = waiting[0]; one !== undefined && one.firstOffset <= last; one = waiting[0]) {
      dead.add(one.producer);
      waiting.shift();
    }
    if ((attributes & CONTROL) !== 0) {
      if (isAbort(batch, next)) dead.delete(producer);
    } else if ((attributes & TRANSACTIONAL) === 0 || !dead.has(producer)) {
      visitRecords(batch, next, (record) => {
        if (record.offset >= from) visit(record);
      });
    }
    // Those that are no longer there count too: a log that is compacted has holes.
    if (last >= next) next = last + 1n;
  }
  return next;
}

/** The offset behind all whole batches, none of them looked into. */
export function offsetBehind(bytes: Buffer, from: bigint): bigint {
  let next = from;
  for (let at = 0; at + BATCH.records <= bytes.length; ) {
    const end = at + LENGTH_END + bytes.readInt32BE(at + BATCH.length);
    if (end > bytes.length || end < at + BATCH.records) break;
    const last = bytes.readBigInt64BE(at) + BigInt(bytes.readInt32BE(at + BATCH.lastOffsetDelta));
    if (last >= next) next = last + 1n;
    at = end;
  }
  return next;
}

function checkBatch(batch: Buffer, at: bigint): void {
  const magic = batch.readInt8(BATCH.magic);
  if (magic !== MAGIC) {
    throw new BrokenBatch(
      at,
      `a batch of version ${magic}, where brokers since 0.11 write ${MAGIC}`,
    );
  }
  if (crc32c(batch.subarray(BATCH.attributes)) !== batch.readUInt32BE(BATCH.crc)) {
    throw new BrokenBatch(at, "the check sum of a batch is wrong");
  }
}

function isAbort(batch: Buffer, at: bigint): boolean {
  let isAbortMark = false;
  visitRecords(batch, at, ({ key }) => {
    // A version, then what is marked.
    isAbortMark = key !== null && key.length >= 4 && key.readInt16BE(2) === ABORT_MARK;
  });
  return isAbortMark;
}

function visitRecords(batch: Buffer, at: bigint, visit: (record: KafkaRecord) => void): void {
  const count = batch.readInt32BE(BATCH.count);
  const attributes = batch.readInt16BE(BATCH.attributes);
  try {
    const plain = unpacked(attributes & CODEC_BITS, batch.subarray(BATCH.records));
    const cursor = new RecordCursor(plain, batch, (attributes & LOG_APPEND_TIME) !== 0);
    for (let index = 0; index < count; index++) visit(cursor.next());
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new BrokenBatch(at, `the records of a batch are broken: ${thrown.message}`);
  }
}

class RecordCursor {
  readonly #bytes: Buffer;
  readonly #baseOffset: bigint;
  readonly #baseTimestamp: bigint;
  /** The broker's clock is that of all of them; null: each has its producer's. */
  readonly #appended: bigint | null;
  #at = 0;

  constructor(bytes: Buffer, batch: Buffer, isAppendTime: boolean) {
    this.#bytes = bytes;
    this.#baseOffset = batch.readBigInt64BE(0);
    this.#baseTimestamp = batch.readBigInt64BE(BATCH.baseTimestamp);
    this.#appended = isAppendTime ? batch.readBigInt64BE(BATCH.maxTimestamp) : null;
  }

  /** Throws RangeError. */
  next(): KafkaRecord {
    const length = this.#number();
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new RangeError("a record is cut");
    // Attributes, of which there are none.
    this.#at++;
    const timestampDelta = this.#long();
    const offset = this.#baseOffset + BigInt(this.#number());
    const key = this.#data();
    const value = this.#data();
    const headers: (readonly [string, Buffer | null])[] = [];
    for (let left = this.#number(); left > 0; left--) {
      const name = this.#data();
      headers.push([name?.toString() ?? "", this.#data()]);
    }
    if (this.#at !== end) throw new RangeError("a record has another length than it says");
    const timestamp = this.#appended ?? this.#baseTimestamp + timestampDelta;
    return { offset, timestamp, key, value, headers };
  }

  #data(): Buffer | null {
    const length = this.#number();
    if (length < 0) return null;
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw new RangeError("a record is cut");
    return this.#bytes.subarray(start, this.#at);
  }

  /** Zigzag of 32 bits. */
  #number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
    throw new RangeError("a number is too long");
  }

  /** Zigzag of 64 bits: most are short. */
  #long(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw new RangeError("a number is too long");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("a record is cut");
    return byte;
  }
}
