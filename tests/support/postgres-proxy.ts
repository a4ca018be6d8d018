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
}

const HEAD_BYTES = 5;
const SSL_REQUEST = 80_877_103;

export async function postgresProxy(serverPort: number): Promise<PostgresProxy> {
  let meddler: Meddler | null = null;
  const silent = new Set<net.Socket>();
  const open = new Set<net.Socket>();
  const replicating = new Set<net.Socket>();
  const listener = net.createServer((client) => {
    const upstream = net.connect(serverPort, "127.0.0.1");
    const end = (): void => {
      // A network that is gone does not tell that the server has hung up either.
      if (silent.has(client) && !client.destroyed) return;
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", end);
      socket.on("close", end);
    }
    let isReplication = false;
    let isFirst = true;
    /** One byte answers the question for encryption. */
    let bareBytes = 0;
    client.on("data", (bytes: Buffer) => {
      if (isFirst) {
        const isQuestion = bytes.length === 8 && bytes.readInt32BE(4) === SSL_REQUEST;
        if (isQuestion) bareBytes = 1;
        else {
          isFirst = false;
          isReplication = bytes.includes("replication\0database\0");
          if (isReplication) replicating.add(client);
        }
      }
      if (!silent.has(client)) upstream.write(bytes);
    });
    let held = Buffer.alloc(0);
    upstream.on("data", (bytes: Buffer) => {
      if (bareBytes > 0) {
        bareBytes = 0;
        client.write(bytes);
        return;
      }
      if (!isReplication) {
        client.write(bytes);
        return;
      }
      if (silent.has(client)) return;
      held = Buffer.concat([held, bytes]);
      for (let whole = messageIn(held); whole !== null; whole = messageIn(held)) {
        held = held.subarray(whole.length);
        for (const one of meddler?.(whole) ?? [whole]) client.write(one);
      }
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    meddle: (given) => {
      meddler = given;
    },
    fallSilent: () => {
      for (const socket of replicating) silent.add(socket);
    },
    cut: () => {
      for (const socket of replicating) socket.destroy();
      replicating.clear();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
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
