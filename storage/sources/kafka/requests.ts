/** The few requests that reading takes, each in one version, and their answers. Kafka, "Protocol API Keys". */

import type { Aborted } from "./record-batch.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** One request: how it is laid out, and how its answer is read. */
export interface KafkaRequest<T> {
  readonly key: number;
  readonly version: number;
  /** Versions from a certain one on have lengths of another form, and tags. */
  readonly isFlexible?: true;
  readonly write: (writer: WireWriter) => void;
  readonly read: (reader: WireReader) => T;
}

export const KEY = {
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  saslHandshake: 17,
  apiVersions: 18,
  saslAuthenticate: 36,
} as const;

/** What is asked for of each, which brokers since 2.8 have. */
export const VERSION = {
  fetch: 11,
  listOffsets: 5,
  metadata: 10,
  saslHandshake: 1,
  apiVersions: 0,
  saslAuthenticate: 0,
} as const satisfies Record<keyof typeof KEY, number>;

export interface ApiVersions {
  readonly error: number;
  readonly ranges: readonly { readonly key: number; readonly min: number; readonly max: number }[];
}

export interface BrokerAddress {
  readonly node: number;
  readonly host: string;
  readonly port: number;
}

export interface ClusterMetadata {
  readonly brokers: readonly BrokerAddress[];
  readonly clusterId: string;
  readonly topics: readonly TopicMetadata[];
}

export interface TopicMetadata {
  readonly error: number;
  readonly name: string;
  /** A topic that is deleted and made again has another one. */
  readonly id: string;
  readonly isInternal: boolean;
  readonly partitions: readonly { readonly partition: number; readonly leader: number }[];
}

/** A place in a topic. */
export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface OffsetAnswer extends TopicPartition {
  readonly error: number;
  /** -1: there is none. */
  readonly offset: bigint;
}

export interface FetchAsked extends TopicPartition {
  readonly offset: bigint;
}

export interface FetchAnswer extends TopicPartition {
  readonly error: number;
  /** Up to here transactions are decided; what is behind it is not handed over. */
  readonly stableOffset: bigint;
  readonly startOffset: bigint;
  readonly aborted: readonly Aborted[];
  readonly records: Buffer;
}

export interface FetchLimits {
  readonly waitMs: number;
  readonly bytes: number;
  readonly partitionBytes: number;
}

/** For ListOffsets in place of a time. */
export const LATEST = -1n;
export const EARLIEST = -2n;

const CONSUMER = -1;
const READ_COMMITTED = 1;
const NO_EPOCH = -1;

export const API_VERSIONS: KafkaRequest<ApiVersions> = {
  key: KEY.apiVersions,
  version: VERSION.apiVersions,
  write: () => {},
  read: (reader) => ({
    error: reader.int16(),
    ranges: reader.list(() => ({
      key: reader.int16(),
      min: reader.int16(),
      max: reader.int16(),
    })),
  }),
};

/** Of these topics, or of all when null. None is made. */
export function metadataRequest(topics: readonly string[] | null): KafkaRequest<ClusterMetadata> {
  return {
    key: KEY.metadata,
    version: VERSION.metadata,
    isFlexible: true,
    write: (writer) => {
      writer.compactList(topics, (topic) => writer.noId().compactText(topic).tags());
      // Nothing is made; what one may do with clusters and topics is not asked for.
      writer.boolean(false).boolean(false).boolean(false).tags();
    },
    read: readMetadata,
  };
}

function readMetadata(reader: WireReader): ClusterMetadata {
  reader.int32();
  const brokers = reader.compactList(() => {
    const node = reader.int32();
    const host = reader.compactText() ?? "";
    const port = reader.int32();
    reader.compactText();
    reader.tags();
    return { node, host, port };
  });
  const clusterId = reader.compactText() ?? "";
  reader.int32();
  const topics = reader.compactList(() => {
    const [error, name, id] = [reader.int16(), reader.compactText() ?? "", reader.id()];
    const isInternal = reader.boolean();
    const partitions = reader.compactList(() => {
      reader.int16();
      const [partition, leader] = [reader.int32(), reader.int32()];
      reader.int32();
      for (let list = 0; list < 3; list++) reader.compactList(() => reader.int32());
      reader.tags();
      return { partition, leader };
    });
    reader.int32();
    reader.tags();
    return { error, name, id, isInternal, partitions };
  });
  return { brokers, clusterId, topics };
}

/** Offsets of decided transactions at a time, in milliseconds, or at LATEST or EARLIEST. */
export function offsetsRequest(
  partitions: readonly TopicPartition[],
  time: bigint,
): KafkaRequest<readonly OffsetAnswer[]> {
  return {
    key: KEY.listOffsets,
    version: VERSION.listOffsets,
    write: (writer) => {
      writer.int32(CONSUMER).int8(READ_COMMITTED);
      writer.list(byTopic(partitions), ([topic, own]) => {
        writer.text(topic).list(own, ({ partition }) => {
          writer.int32(partition).int32(NO_EPOCH).int64(time);
        });
      });
    },
    read: (reader) => {
      reader.int32();
      return perTopic(reader, (topic) => {
        const [partition, error] = [reader.int32(), reader.int16()];
        reader.int64();
        const offset = reader.int64();
        reader.int32();
        return { topic, partition, error, offset };
      });
    },
  };
}

/** What is there behind the offsets, waited for a while where it is nothing. */
export function fetchRequest(
  asked: readonly FetchAsked[],
  limits: FetchLimits,
): KafkaRequest<readonly FetchAnswer[]> {
  return {
    key: KEY.fetch,
    version: VERSION.fetch,
    write: (writer) => {
      writer.int32(CONSUMER).int32(limits.waitMs).int32(1).int32(limits.bytes);
      // No session: each request says all that it asks for.
      writer.int8(READ_COMMITTED).int32(0).int32(-1);
      writer.list(byTopic(asked), ([topic, own]) => {
        writer.text(topic).list(own, ({ partition, offset }) => {
          writer.int32(partition).int32(NO_EPOCH).int64(offset).int64(-1n);
          writer.int32(limits.partitionBytes);
        });
      });
      writer.list([], () => {}).text("");
    },
    read: (reader) => {
      reader.int32();
      const error = reader.int16();
      reader.int32();
      const answers = perTopic(reader, (topic) => readFetched(reader, topic));
      return error === 0 ? answers : answers.map((answer) => ({ ...answer, error }));
    },
  };
}

function readFetched(reader: WireReader, topic: string): FetchAnswer {
  const [partition, error] = [reader.int32(), reader.int16()];
  reader.int64();
  const [stableOffset, startOffset] = [reader.int64(), reader.int64()];
  const aborted = reader.list(() => ({ producer: reader.int64(), firstOffset: reader.int64() }));
  reader.int32();
  const records = reader.data();
  return { topic, partition, error, stableOffset, startOffset, aborted, records };
}

export function handshakeRequest(mechanism: string) {
  return {
    key: KEY.saslHandshake,
    version: VERSION.saslHandshake,
    write: (writer: WireWriter) => void writer.text(mechanism),
    read: (reader: WireReader) => ({
      error: reader.int16(),
      mechanisms: reader.list(() => reader.text() ?? ""),
    }),
  };
}

export function authenticateRequest(bytes: Uint8Array) {
  return {
    key: KEY.saslAuthenticate,
    version: VERSION.saslAuthenticate,
    write: (writer: WireWriter) => void writer.data(bytes),
    read: (reader: WireReader) => ({
      error: reader.int16(),
      message: reader.text() ?? "",
      bytes: reader.data(),
    }),
  };
}

/** A request as it goes over the wire, its length in front. */
export function requestBytes(request: KafkaRequest<unknown>, id: number): Buffer {
  const writer = new WireWriter();
  writer.int16(request.key).int16(request.version).int32(id).text(CLIENT);
  if (request.isFlexible) writer.tags();
  request.write(writer);
  const bytes = writer.bytes();
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The answer behind its number. Throws RangeError. */
export function answerOf<T>(request: KafkaRequest<T>, bytes: Buffer): T {
  const reader = new WireReader(bytes);
  if (request.isFlexible) reader.tags();
  return request.read(reader);
}

const CLIENT = "tarn";

function byTopic<T extends TopicPartition>(items: readonly T[]): readonly [string, T[]][] {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const own = found.get(item.topic);
    if (own === undefined) found.set(item.topic, [item]);
    else own.push(item);
  }
  return [...found];
}

function perTopic<T>(reader: WireReader, item: (topic: string) => T): readonly T[] {
  const lists = reader.list(() => {
    const topic = reader.text() ?? "";
    return reader.list(() => item(topic));
  });
  return lists.flat();
}
