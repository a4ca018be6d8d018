/**
 * Batches of records as brokers store them, and the records in them, walked byte by byte. Kafka, "Message Format",
 * magic 2.
 */

import type { Unpack } from "./record-codecs.ts";

/** What a batch says of itself. */
export interface BatchHead {
  readonly baseOffset: bigint;
  /** Of its last record, which may no longer be there. */
  readonly lastOffset: bigint;
  readonly magic: number;
  /** Over the bytes from `summedFrom` to `end`. */
  readonly sum: number;
  readonly summedFrom: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly producer: bigint;
  /** Records that are in it. */
  readonly count: number;
  /** Where the next one begins. */
  readonly end: number;
}

const BATCH = {
  length: 8,
  magic: 16,
  sum: 17,
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
const CODEC_BITS = 7;
const LOG_APPEND_TIME = 8;
const TRANSACTIONAL = 16;
const CONTROL = 32;

/** The batch that begins at `at`; null where it is not there whole. Throws RangeError. */
export function batchHead(bytes: Uint8Array, at: number): BatchHead | null {
  if (at + BATCH.records > bytes.length) return null;
  const view = viewOf(bytes, at);
  const end = at + LENGTH_END + view.getInt32(BATCH.length);
  if (end > bytes.length) return null;
  if (end < at + BATCH.records) throw new RangeError("a batch is shorter than its head");
  const attributes = view.getInt16(BATCH.attributes);
  const baseOffset = view.getBigInt64(0);
  return {
    baseOffset,
    lastOffset: baseOffset + BigInt(view.getInt32(BATCH.lastOffsetDelta)),
    magic: view.getInt8(BATCH.magic),
    sum: view.getUint32(BATCH.sum),
    summedFrom: at + BATCH.attributes,
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    producer: view.getBigInt64(BATCH.producer),
    count: view.getInt32(BATCH.count),
    end,
  };
}

/** Milliseconds of a record that has none. */
export const NO_TIMESTAMP = -1n;
/** Varints of so many bytes are numbers that a double holds. */
const PLAIN_VARINT_BYTES = 7;

/** Finds the records of batches, one after the other, without an object for each: they are in `bytes`. */
export class RecordCursor {
  readonly #unpack: Unpack;
  #baseOffset = 0n;
  #baseTimestamp = 0n;
  /** The broker's clock is that of all records of the batch; null: each has its producer's. */
  #appended: bigint | null = null;
  #timestampStart = 0;
  #at = 0;
  /** What the places of the record found last are places in: valid until another batch is begun. */
  bytes: Uint8Array = NO_BYTES;
  /** Records of the batch that were not found yet. */
  left = 0;
  offsetDelta = 0;
  /** Behind the batch's first; NaN where it is no number that a double holds: `timestamp` has it all the same. */
  timestampDelta = 0;
  /** -1: there is none. */
  keyStart = -1;
  keyEnd = -1;
  valueStart = -1;
  valueEnd = -1;
  headerCount = 0;
  #headersStart = 0;

  constructor(unpack: Unpack) {
    this.#unpack = unpack;
  }

  /** Begins the batch that stands from `start` to `end`. Throws RangeError for broken data. */
  begin(batches: Uint8Array, start: number, end: number): void {
    const view = viewOf(batches, start);
    const attributes = view.getInt16(BATCH.attributes);
    this.#baseOffset = view.getBigInt64(0);
    this.#baseTimestamp = view.getBigInt64(BATCH.baseTimestamp);
    const isAppendTime = (attributes & LOG_APPEND_TIME) !== 0;
    this.#appended = isAppendTime ? view.getBigInt64(BATCH.maxTimestamp) : null;
    this.left = view.getInt32(BATCH.count);
    this.#at = 0;
    this.bytes = NO_BYTES;
    const packed = batches.subarray(start + BATCH.records, end);
    this.bytes = this.#unpack(attributes & CODEC_BITS, packed);
  }

  get baseOffset(): bigint {
    return this.#baseOffset;
  }

  get offset(): bigint {
    return this.#baseOffset + BigInt(this.offsetDelta);
  }

  /** What `timestampDelta` counts from; null where all records have one time, which is `timestamp`. */
  get baseTimestamp(): bigint | null {
    return this.#appended === null ? this.#baseTimestamp : null;
  }

  /** Milliseconds since 1970, or NO_TIMESTAMP. */
  get timestamp(): bigint {
    return this.#appended ?? this.#baseTimestamp + this.#bigVarint(this.#timestampStart);
  }

  /** False behind the last one. Throws RangeError. */
  next(): boolean {
    if (this.left <= 0) return false;
    const length = this.#varint();
    const end = this.#at + length;
    if (length < 0 || end > this.bytes.length) throw new RangeError("a record is cut");
    // Attributes, of which there are none.
    this.#at++;
    this.#timestampStart = this.#at;
    this.timestampDelta = this.#longVarint();
    this.offsetDelta = this.#varint();
    this.keyStart = this.#data();
    this.keyEnd = this.#at;
    this.valueStart = this.#data();
    this.valueEnd = this.#at;
    this.headerCount = this.#varint();
    this.#headersStart = this.#at;
    for (let header = 0; header < this.headerCount; header++) {
      this.#data();
      this.#data();
    }
    if (this.#at !== end) throw new RangeError("a record has another length than it says");
    this.left--;
    return true;
  }

  /** Names with values, in their order. */
  headers(): readonly (readonly [string, Uint8Array | null])[] {
    if (this.headerCount <= 0) return [];
    const behind = this.#at;
    this.#at = this.#headersStart;
    const found = Array.from({ length: this.headerCount }, () => {
      const name = this.#slice(this.#data());
      return [new TextDecoder().decode(name ?? NO_BYTES), this.#slice(this.#data())] as const;
    });
    this.#at = behind;
    return found;
  }

  #slice(start: number): Uint8Array | null {
    return start < 0 ? null : this.bytes.subarray(start, this.#at);
  }

  /** Where bytes behind their length begin; -1: there are none, not even no bytes. */
  #data(): number {
    const length = this.#varint();
    if (length < 0) return -1;
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.bytes.length) throw new RangeError("a record is cut");
    return start;
  }

  /** Zigzag of 32 bits. */
  #varint(): number {
    const { bytes } = this;
    let byte = bytes[this.#at++];
    if (byte !== undefined && byte < 128) return (byte >>> 1) ^ -(byte & 1);
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (byte === undefined) throw new RangeError("a record is cut");
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
      byte = bytes[this.#at++];
    }
    throw new RangeError("a number is too long");
  }

  /** Zigzag of 64 bits: most are short; NaN for one that is not. */
  #longVarint(): number {
    const start = this.#at;
    let value = 0;
    let factor = 1;
    for (let count = 1; count <= 10; count++) {
      const byte = this.bytes[this.#at++];
      if (byte === undefined) throw new RangeError("a record is cut");
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte > 127) continue;
      if (this.#at - start > PLAIN_VARINT_BYTES) return Number.NaN;
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new RangeError("a number is too long");
  }

  #bigVarint(start: number): bigint {
    let value = 0n;
    for (let at = start, shift = 0n; shift < 70n; at++, shift += 7n) {
      const byte = this.bytes[at] ?? 0;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  }
}

const NO_BYTES = new Uint8Array(0);

function viewOf(bytes: Uint8Array, at: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
}
