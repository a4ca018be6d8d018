/** What writes to a broker in tests: topics are made, records produced, in transactions that end as one says. */

import { type Access, Connection } from "../../storage/sources/kafka/connection.ts";
import { type KafkaRequest, metadataRequest } from "../../storage/sources/kafka/requests.ts";
import type { WireReader, WireWriter } from "../../storage/sources/kafka/wire.ts";
import { batchBytes, type TestBatch, type TestRecord } from "./kafka-batch.ts";

export const OPEN_ACCESS: Access = { sasl: "none", credentials: { user: "", password: "" } };
/** Concurrent transactions, a coordinator that loads, a topic that is being made: it is asked again. */
const AGAIN: ReadonlySet<number> = new Set([3, 5, 6, 14, 15, 16, 51]);
const AGAIN_MS = 20;

export interface Sent {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly TestRecord[];
  readonly codec?: number;
  readonly pack?: NonNullable<TestBatch["pack"]>;
}

/** One producer, transactional where it has a name. Speaks to a cluster of one broker. */
export class TestProducer implements Disposable {
  readonly #connection: Connection;
  readonly #name: string | null;
  #id = -1n;
  #epoch = -1;
  readonly #sequences = new Map<string, number>();

  static async open(
    port: number,
    name: string | null,
    access = OPEN_ACCESS,
  ): Promise<TestProducer> {
    const connection = await Connection.open("127.0.0.1", port, access);
    const producer = new TestProducer(connection, name);
    if (name !== null) await producer.#begin(name);
    return producer;
  }

  private constructor(connection: Connection, name: string | null) {
    this.#connection = connection;
    this.#name = name;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  async topic(topic: string, partitions: number, config: Readonly<Record<string, string>> = {}) {
    await this.#ask(
      19,
      2,
      (writer) => {
        writer.list([topic], () => {
          writer.text(topic).int32(partitions).int16(1);
          writer.list([], () => {});
          writer.list(Object.entries(config), ([key, value]) => writer.text(key).text(value));
        });
        writer.int32(10_000).boolean(false);
      },
      (reader) => {
        reader.int32();
        return (
          reader.list(() => [reader.text(), reader.int16(), reader.text()] as const)[0]?.[1] ?? 0
        );
      },
    );
    await this.#led(topic, partitions);
  }

  async partitions(topic: string, count: number): Promise<void> {
    await this.#ask(
      37,
      0,
      (writer) => {
        writer.list([topic], () => writer.text(topic).int32(count).int32(-1));
        writer.int32(10_000).boolean(false);
      },
      (reader) => {
        reader.int32();
        return (
          reader.list(() => [reader.text(), reader.int16(), reader.text()] as const)[0]?.[1] ?? 0
        );
      },
    );
    await this.#led(topic, count);
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#ask(
      20,
      1,
      (writer) => {
        writer.list([topic], () => writer.text(topic)).int32(10_000);
      },
      (reader) => {
        reader.int32();
        return reader.list(() => [reader.text(), reader.int16()] as const)[0]?.[1] ?? 0;
      },
    );
  }

  /** Removes the records before an offset, as retention does. */
  async removeBefore(topic: string, partition: number, offset: bigint): Promise<void> {
    await this.#ask(
      21,
      0,
      (writer) => {
        writer.list([topic], () => {
          writer.text(topic).list([partition], () => writer.int32(partition).int64(offset));
        });
        writer.int32(10_000);
      },
      (reader) => {
        reader.int32();
        const codes = reader.list(() => {
          reader.text();
          return reader.list(() => [reader.int32(), reader.int64(), reader.int16()] as const);
        });
        return codes[0]?.[0]?.[2] ?? 0;
      },
    );
  }

  async send({ topic, partition, ...batch }: Sent): Promise<void> {
    const isTransactional = this.#name !== null;
    if (isTransactional) await this.#enter(topic, partition);
    const key = `${topic}/${partition}`;
    const sequence = isTransactional ? (this.#sequences.get(key) ?? 0) : -1;
    const baseTimestamp = BigInt(Date.now());
    const producer = { producer: this.#id, epoch: this.#epoch, sequence, isTransactional };
    const bytes = batchBytes({ ...batch, ...producer, baseTimestamp });
    await this.#ask(
      0,
      7,
      (writer) => {
        if (this.#name === null) writer.int16(-1);
        else writer.text(this.#name);
        writer.int16(-1).int32(10_000);
        writer.list([topic], () => {
          writer.text(topic).list([partition], () => writer.int32(partition).data(bytes));
        });
      },
      (reader) => {
        const codes = reader.list(() => {
          reader.text();
          return reader.list(() => {
            const [, error] = [reader.int32(), reader.int16()];
            reader.int64();
            reader.int64();
            reader.int64();
            return error;
          });
        });
        return codes[0]?.[0] ?? 0;
      },
    );
    if (isTransactional) this.#sequences.set(key, sequence + batch.records.length);
  }

  /** Ends the transaction that was begun with the first record. */
  async end(kind: "commit" | "abort"): Promise<void> {
    await this.#ask(
      26,
      1,
      (writer) => {
        writer
          .text(this.#name ?? "")
          .int64(this.#id)
          .int16(this.#epoch)
          .boolean(kind === "commit");
      },
      (reader) => {
        reader.int32();
        return reader.int16();
      },
    );
  }

  async #begin(name: string): Promise<void> {
    await this.#ask(
      10,
      1,
      (writer) => writer.text(name).int8(1),
      (reader) => {
        reader.int32();
        return reader.int16();
      },
    );
    await this.#ask(
      22,
      1,
      (writer) => writer.text(name).int32(60_000),
      (reader) => {
        reader.int32();
        const error = reader.int16();
        this.#id = reader.int64();
        this.#epoch = reader.int16();
        return error;
      },
    );
  }

  async #enter(topic: string, partition: number): Promise<void> {
    await this.#ask(
      24,
      1,
      (writer) => {
        writer
          .text(this.#name ?? "")
          .int64(this.#id)
          .int16(this.#epoch);
        writer.list([topic], () => {
          writer.text(topic).list([partition], () => writer.int32(partition));
        });
      },
      (reader) => {
        reader.int32();
        const codes = reader.list(() => {
          reader.text();
          return reader.list(() => [reader.int32(), reader.int16()] as const);
        });
        return codes[0]?.[0]?.[1] ?? 0;
      },
    );
  }

  async #led(topic: string, partitions: number): Promise<void> {
    for (;;) {
      const { topics } = await this.#connection.ask(metadataRequest([topic]));
      const led = topics[0]?.partitions.filter(({ leader }) => leader >= 0) ?? [];
      if (led.length >= partitions) return;
      await Bun.sleep(AGAIN_MS);
    }
  }

  async #ask(
    key: number,
    version: number,
    write: (writer: WireWriter) => void,
    errorOf: (reader: WireReader) => number,
  ): Promise<void> {
    const request: KafkaRequest<number> = { key, version, write, read: errorOf };
    for (let times = 0; ; times++) {
      const error = await this.#connection.ask(request);
      if (error === 0) return;
      if (!AGAIN.has(error) || times > 500)
        throw new Error(`the broker answered ${error} to ${key}`);
      await Bun.sleep(AGAIN_MS);
    }
  }
}
