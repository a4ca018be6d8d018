/** Batches of records as a producer lays them out, of bytes made here: for readers to walk. Kafka, "Message Format". */

import { crc32c } from "../../storage/sources/kafka/crc32c.ts";

export interface TestRecord {
  readonly key?: string | Uint8Array | null;
  readonly value?: string | Uint8Array | null;
  readonly headers?: readonly (readonly [string, string | Uint8Array | null])[];
  /** Behind the batch's first. Default: its place. */
  readonly offsetDelta?: number;
  readonly timestampDelta?: number;
}

export interface TestBatch {
  readonly baseOffset?: bigint;
  readonly records: readonly TestRecord[];
  readonly codec?: number;
  /** Packs what follows the head. */
  readonly pack?: (plain: Buffer) => Uint8Array;
  readonly producer?: bigint;
  readonly epoch?: number;
  readonly sequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  readonly isAppendTime?: boolean;
  readonly baseTimestamp?: bigint;
  readonly maxTimestamp?: bigint;
  readonly lastOffsetDelta?: number;
}

export function batchBytes(batch: TestBatch): Buffer {
  const { records, pack, codec = 0, baseTimestamp = 1_700_000_000_000n } = batch;
  const plain = Buffer.concat(records.map(recordBytes));
  const packed = pack === undefined ? plain : Buffer.from(pack(plain));
  const flag = (isSet: boolean | undefined, bit: number): number => (isSet ? bit : 0);
  const attributes =
    codec |
    flag(batch.isAppendTime, 8) |
    flag(batch.isTransactional, 16) |
    flag(batch.isControl, 32);
  const bytes = Buffer.alloc(61 + packed.length);
  bytes.writeBigInt64BE(batch.baseOffset ?? 0n, 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt32BE(0, 12);
  bytes.writeInt8(2, 16);
  bytes.writeInt16BE(attributes, 21);
  bytes.writeInt32BE(batch.lastOffsetDelta ?? records.length - 1, 23);
  bytes.writeBigInt64BE(baseTimestamp, 27);
  bytes.writeBigInt64BE(batch.maxTimestamp ?? baseTimestamp, 35);
  bytes.writeBigInt64BE(batch.producer ?? -1n, 43);
  bytes.writeInt16BE(batch.epoch ?? -1, 51);
  bytes.writeInt32BE(batch.sequence ?? -1, 53);
  bytes.writeInt32BE(records.length, 57);
  bytes.set(packed, 61);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

/** What says that a transaction is over. */
export function markBytes(baseOffset: bigint, producer: bigint, kind: "abort" | "commit"): Buffer {
  const key = Uint8Array.of(0, 0, 0, kind === "abort" ? 0 : 1);
  const value = Uint8Array.of(0, 0, 0, 0, 0, 0);
  const records = [{ key, value }];
  return batchBytes({ baseOffset, records, producer, isTransactional: true, isControl: true });
}

function recordBytes(record: TestRecord, index: number): Buffer {
  const headers = record.headers ?? [];
  const body = Buffer.concat([
    Buffer.of(0),
    zigzag(record.timestampDelta ?? 0),
    zigzag(record.offsetDelta ?? index),
    data(record.key ?? null),
    data(record.value ?? null),
    zigzag(headers.length),
    ...headers.flatMap(([name, value]) => [data(name), data(value)]),
  ]);
  return Buffer.concat([zigzag(body.length), body]);
}

function data(value: string | Uint8Array | null): Buffer {
  if (value === null) return zigzag(-1);
  const bytes = Buffer.from(value);
  return Buffer.concat([zigzag(bytes.length), bytes]);
}

function zigzag(value: number): Buffer {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  for (; left > 127n; left >>= 7n) bytes.push(Number(left & 127n) | 128);
  return Buffer.of(...bytes, Number(left));
}
