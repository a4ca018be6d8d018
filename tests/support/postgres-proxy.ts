/** Stands between a reader and a real PostgreSQL server, message by message, and misbehaves as it is told. */

import net from "node:net";

/** What becomes of a message of the server, type and length with it; null: it passes as it is. */
export type Meddler = (message: Buffer) => readonly Buffer[] | null;

export interface PostgresProxy extends AsyncDisposable {
  readonly port: number;
  /** Of connections that replicate: of all others everything passes. */
  meddle(meddler: Meddler | null): void;
  /** On connections that replicate now nothing passes any more, in either direction, and nobody is told. */
  fallSilent(): void;
  /** Ends connections that replicate, in the middle of whatever comes. */
  cut(): void;
  /** Messages of readers that say how far they are. */
  readonly statusCount: number;
}

const HEAD_BYTES = 5;
const SSL_REQUEST = 80_877_103;

export async function postgresProxy(serverPort: number): Promise<PostgresProxy> {
  let meddler: Meddler | null = null;
  let statusCount = 0;
  const links = new Set<Link>();
  const listener = net.createServer((client) => {
    const link = new Link(client, serverPort, {
      answer: (message) => meddler?.(message) ?? [message],
      ask: (message) => {
        const isStatus = message[0] === 0x64 && message[HEAD_BYTES] === 0x72;
        if (isStatus) statusCount += 1;
      },
    });
    links.add(link);
    client.once("close", () => links.delete(link));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  const replicating = (): Link[] => [...links].filter(({ isReplication }) => isReplication);
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    meddle: (given) => {
      meddler = given;
    },
    fallSilent: () => {
      for (const link of replicating()) link.isSilent = true;
    },
    cut: () => {
      for (const link of replicating()) link.end();
    },
    get statusCount() {
      return statusCount;
    },
    [Symbol.asyncDispose]: async () => {
      for (const link of links) link.end();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/** What is done with the messages of a connection that replicates. */
interface Meddling {
  readonly answer: (message: Buffer) => readonly Buffer[];
  readonly ask: (message: Buffer) => void;
}

/** One connection through here. */
class Link {
  isReplication = false;
  isSilent = false;
  readonly #client: net.Socket;
  readonly #server: net.Socket;
  readonly #meddle: Meddling;
  #isFirst = true;
  /** The answer to the question for encryption is one byte without a head. */
  #isBare = false;
  #held: Buffer = Buffer.alloc(0);
  #heldAsked: Buffer = Buffer.alloc(0);

  constructor(client: net.Socket, serverPort: number, meddle: Meddling) {
    this.#client = client;
    this.#meddle = meddle;
    this.#server = net.connect(serverPort, "127.0.0.1");
    client.on("data", (bytes: Buffer) => this.#ask(bytes));
    this.#server.on("data", (bytes: Buffer) => this.#answer(bytes));
    for (const socket of [client, this.#server]) socket.on("error", () => {});
    client.on("close", () => this.end());
    this.#server.on("close", () => {
      // A network that is gone does not tell that the server has hung up either.
      if (!this.isSilent) this.end();
    });
  }

  end(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #ask(bytes: Buffer): void {
    if (this.#isFirst) {
      this.#isBare = bytes.length === 8 && bytes.readInt32BE(4) === SSL_REQUEST;
      this.#isFirst = this.#isBare;
      this.isReplication = bytes.includes("replication\0database\0");
    } else if (this.isReplication) {
      this.#heldAsked = Buffer.concat([this.#heldAsked, bytes]);
      for (let one = messageIn(this.#heldAsked); one !== null; one = messageIn(this.#heldAsked)) {
        this.#heldAsked = this.#heldAsked.subarray(one.length);
        this.#meddle.ask(one);
      }
    }
    if (!this.isSilent) this.#server.write(bytes);
  }

  #answer(bytes: Buffer): void {
    if (this.isSilent) return;
    if (this.#isBare || !this.isReplication) {
      this.#isBare = false;
      this.#client.write(bytes);
      return;
    }
    this.#held = Buffer.concat([this.#held, bytes]);
    for (let one = messageIn(this.#held); one !== null; one = messageIn(this.#held)) {
      this.#held = this.#held.subarray(one.length);
      for (const part of this.#meddle.answer(one)) this.#client.write(part);
    }
  }
}

/** A message as the server would send it. */
export function serverMessage(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(type, "latin1");
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

/** A keepalive within the stream that says where the server is. */
export function keepalive(lsn: bigint): Buffer {
  const body = Buffer.alloc(18);
  body.write("k", "latin1");
  body.writeBigInt64BE(lsn, 1);
  return serverMessage("d", body);
}

export function notice(text: string): Buffer {
  const fields = `SWARNING\0VWARNING\0C01000\0M${text}\0\0`;
  return serverMessage("N", Buffer.from(fields));
}

/** The letter of the plugin's message in a piece of the stream; null for anything else. */
export function pluginLetter(message: Buffer): string | null {
  const isData = message[0] === 0x64 && message[HEAD_BYTES] === 0x77;
  return isData ? String.fromCharCode(message[HEAD_BYTES + 25] ?? 0) : null;
}

function messageIn(bytes: Buffer): Buffer | null {
  if (bytes.length < HEAD_BYTES) return null;
  const end = 1 + bytes.readInt32BE(1);
  return bytes.length < end ? null : bytes.subarray(0, end);
}
