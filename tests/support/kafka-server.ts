/** Brokers of a test's own, which speak as much of the protocol as reading takes, and misbehave when they are told. */

import net from "node:net";
import { WireReader, WireWriter } from "../../storage/sources/kafka/wire.ts";

export interface FakePartition {
  leader: number;
  start: bigint;
  /** Behind the last batch. */
  end: bigint;
  readonly batches: { readonly first: bigint; readonly next: bigint; readonly bytes: Buffer }[];
  aborted: { readonly producer: bigint; readonly firstOffset: bigint }[];
}

export interface FakeTopic {
  id: string;
  readonly partitions: FakePartition[];
}

/** What a broker does with the fetches that come next, in their order. */
export type Prank = { readonly error: number } | "close" | "garbage" | "foreign answer";

export class FakeCluster implements AsyncDisposable {
  clusterId = "cluster-1";
  readonly topics = new Map<string, FakeTopic>();
  readonly pranks: Prank[] = [];
  /** Nodes that were fetched from. */
  readonly fetched: number[] = [];
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();

  static async start(brokers = 1): Promise<FakeCluster> {
    const cluster = new FakeCluster();
    for (let node = 1; node <= brokers; node++) {
      const server = net.createServer((socket) => cluster.#serve(socket, node));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
      cluster.#servers.push(server);
    }
    return cluster;
  }

  get addresses(): string[] {
    return this.#servers.map((_, index) => `127.0.0.1:${this.#port(index + 1)}`);
  }

  topic(name: string, partitions: number, id = "a".repeat(32)): FakeTopic {
    const made = { id, partitions: Array.from({ length: partitions }, () => emptyPartition()) };
    this.topics.set(name, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  #port(node: number): number {
    const address = this.#servers[node - 1]?.address();
    return typeof address === "object" ? (address?.port ?? 0) : 0;
  }

  #serve(socket: net.Socket, node: number): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    let held: Buffer = Buffer.alloc(0);
    // One connection is answered in the order in which it asked.
    let answered = Promise.resolve();
    socket.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      while (held.length >= 4 && held.length >= 4 + held.readInt32BE(0)) {
        const end = 4 + held.readInt32BE(0);
        const request = held.subarray(4, end);
        answered = answered.then(() => this.#answer(socket, node, request));
        held = held.subarray(end);
      }
    });
  }

  async #answer(socket: net.Socket, node: number, request: Buffer): Promise<void> {
    const reader = new WireReader(request);
    const [key, , id] = [reader.int16(), reader.int16(), reader.int32()];
    reader.text();
    const writer = new WireWriter();
    if (key === 18) this.#versions(writer);
    else if (key === 3) this.#metadata(reader, writer);
    else if (key === 2) this.#offsets(reader, writer);
    else {
      const prank = this.pranks.shift();
      if (prank === "close") return void socket.destroy();
      if (prank === "garbage") writer.int32(7);
      else {
        this.fetched.push(node);
        const isEmpty = await this.#fetch(reader, writer, node, prank);
        if (isEmpty) await Bun.sleep(5);
        if (prank === "foreign answer") return void send(socket, id + 1, writer.bytes());
      }
    }
    send(socket, id, writer.bytes());
  }

  #versions(writer: WireWriter): void {
    writer.int16(0).list([1, 2, 3], (key) => writer.int16(key).int16(0).int16(20));
  }

  #metadata(reader: WireReader, writer: WireWriter): void {
    reader.tags();
    const asked = reader.compactList(() => {
      reader.id();
      const name = reader.compactText() ?? "";
      reader.tags();
      return name;
    });
    const names = asked.length > 0 ? asked : [...this.topics.keys()];
    writer.tags().int32(0);
    writer.compactList(this.#servers, (server) => {
      const node = this.#servers.indexOf(server) + 1;
      writer.int32(node).compactText("127.0.0.1").int32(this.#port(node)).unsigned(0).tags();
    });
    writer.compactText(this.clusterId).int32(1);
    writer.compactList(names, (name) => {
      const topic = this.topics.get(name);
      writer.int16(topic === undefined ? 3 : 0).compactText(name);
      writer.raw(Buffer.from(topic?.id ?? "0".repeat(32), "hex")).boolean(false);
      writer.compactList(topic?.partitions ?? [], (partition) => {
        writer
          .int16(0)
          .int32(topic?.partitions.indexOf(partition) ?? 0)
          .int32(partition.leader);
        writer.int32(0).unsigned(1).unsigned(1).unsigned(1).tags();
      });
      writer.int32(0).tags();
    });
    writer.int32(0).tags();
  }

  #offsets(reader: WireReader, writer: WireWriter): void {
    reader.int32();
    reader.int8();
    const asked = reader.list(() => {
      const topic = reader.text() ?? "";
      const partitions = reader.list(() => {
        const partition = reader.int32();
        reader.int32();
        return { partition, time: reader.int64() };
      });
      return { topic, partitions };
    });
    writer.int32(0).list(asked, ({ topic, partitions }) => {
      writer.text(topic).list(partitions, ({ partition, time }) => {
        const found = this.topics.get(topic)?.partitions[partition];
        const offset = (time === -2n ? found?.start : found?.end) ?? -1n;
        writer.int32(partition).int16(0).int64(-1n).int64(offset).int32(0);
      });
    });
  }

  /** True when nothing is handed over. */
  async #fetch(
    reader: WireReader,
    writer: WireWriter,
    node: number,
    prank: Prank | undefined,
  ): Promise<boolean> {
    reader.at += 4 + 4 + 4 + 4 + 1 + 4 + 4;
    const asked = reader.list(() => {
      const topic = reader.text() ?? "";
      const partitions = reader.list(() => {
        const partition = reader.int32();
        reader.int32();
        const offset = reader.int64();
        reader.int64();
        reader.int32();
        return { partition, offset };
      });
      return { topic, partitions };
    });
    let isEmpty = true;
    writer
      .int32(0)
      .int16(0)
      .int32(0)
      .list(asked, ({ topic, partitions }) => {
        writer.text(topic).list(partitions, ({ partition, offset }) => {
          const found = this.topics.get(topic)?.partitions[partition] ?? emptyPartition();
          const isOutside = offset < found.start || offset > found.end;
          const own = found.leader === node ? (isOutside ? 1 : 0) : 6;
          const error = typeof prank === "object" ? prank.error : own;
          const batch = found.batches.find(({ next }) => next > offset);
          const bytes = error === 0 ? (batch?.bytes ?? Buffer.alloc(0)) : Buffer.alloc(0);
          if (bytes.length > 0 || error !== 0) isEmpty = false;
          writer.int32(partition).int16(error).int64(found.end).int64(found.end).int64(found.start);
          writer.list(found.aborted, (one) => writer.int64(one.producer).int64(one.firstOffset));
          writer.int32(-1).data(bytes);
        });
      });
    return isEmpty;
  }
}

/** Adds a batch behind those that are there. */
export function append(partition: FakePartition, bytes: Buffer): void {
  const first = bytes.readBigInt64BE(0);
  const next = first + BigInt(bytes.readInt32BE(23)) + 1n;
  partition.batches.push({ first, next, bytes });
  partition.end = next;
}

function emptyPartition(): FakePartition {
  return { leader: 1, start: 0n, end: 0n, batches: [], aborted: [] };
}

function send(socket: net.Socket, id: number, answer: Buffer): void {
  const head = Buffer.alloc(8);
  head.writeInt32BE(answer.length + 4, 0);
  head.writeInt32BE(id, 4);
  socket.write(Buffer.concat([head, answer]));
}
