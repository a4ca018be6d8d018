/** One connection to a broker: requests go out one behind the other, and are answered in that order. */

import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { LakeError } from "../../../core/base/errors.ts";
import { SEGMENT_FRAME_BYTES_MAX } from "../../../core/limits.ts";
import { ERROR, refusal, unreachable } from "./failure.ts";
import {
  API_VERSIONS,
  answerOf,
  authenticateRequest,
  handshakeRequest,
  type KafkaRequest,
  KEY,
  requestBytes,
  VERSION,
} from "./requests.ts";
import { type Credentials, type Login, plainLogin, scramLogin } from "./sasl.ts";

/** How one gets to brokers. */
export interface Access {
  /** The authorities, null for the system's; absent: connections are not encrypted. */
  readonly tls?: { readonly authorities: string | null };
  readonly sasl: "none" | "plain" | "scram-sha-256" | "scram-sha-512";
  readonly credentials: Credentials;
}

const NO_ROOM = Buffer.alloc(0);

interface Waiting {
  readonly id: number;
  readonly settle: (answer: Buffer) => void;
  readonly fail: (thrown: unknown) => void;
}

/** A connection that takes longer does not come, nor does an answer: fetches wait for less. */
const SILENT_MS = 20_000;
const ANSWER_BYTES_MAX = SEGMENT_FRAME_BYTES_MAX;
const LENGTH_BYTES = 4;
const ID_BYTES = 4;
/** Answers of so many bytes are gathered where others were: memory that is new costs more than what is done with it. */
const ROOM_BYTES_MIN = 1024 * 1024;

export class Connection {
  /** `host:port`. */
  readonly broker: string;
  readonly #isEncrypted: boolean;
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  /** What is coming in: a length, then an answer of so many bytes. */
  #coming: Buffer = this.#length;
  #haveBytes = 0;
  /** Where large answers are gathered by turns. */
  readonly #rooms: [Buffer, Buffer] = [NO_ROOM, NO_ROOM];
  #turn: 0 | 1 = 0;
  #lastId = 0;
  #failure: LakeError | null = null;

  /** Connects, sees that the broker is new enough, and logs in. Throws LakeError. */
  static async open(host: string, port: number, access: Access): Promise<Connection> {
    const broker = `${host}:${port}`;
    const socket = await connected(host, port, access);
    const connection = new Connection(socket, broker, access.tls !== undefined);
    try {
      await connection.#checkVersions();
      await connection.#logIn(access);
      return connection;
    } catch (thrown) {
      connection.close();
      throw unreachable(thrown, broker, access.tls !== undefined);
    }
  }

  private constructor(socket: Socket, broker: string, isEncrypted: boolean) {
    this.broker = broker;
    this.#isEncrypted = isEncrypted;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the broker closed the connection")));
    socket.on("timeout", () => {
      if (this.#waiting.length > 0) this.#fail(new Error("the broker answers no more"));
    });
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  /**
   * Throws LakeError `io` when the connection ends before the answer is there. The bytes of a large answer are valid
   * until the next but one is asked for.
   */
  async ask<T>(request: KafkaRequest<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    const id = ++this.#lastId;
    const answer = await new Promise<Buffer>((settle, fail) => {
      this.#waiting.push({ id, settle, fail });
      this.#socket.write(requestBytes(request, id));
    });
    try {
      return answerOf(request, answer);
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown;
      this.#fail(new Error("an answer is none that Kafka gives"));
      throw this.#failure;
    }
  }

  close(): void {
    this.#fail(new Error("the connection is closed"));
  }

  async #checkVersions(): Promise<void> {
    const { error, ranges } = await this.ask(API_VERSIONS);
    const needed = ["fetch", "listOffsets", "metadata"] as const;
    const missing = needed.filter((name) => {
      const range = ranges.find(({ key }) => key === KEY[name]);
      return range === undefined || range.min > VERSION[name] || range.max < VERSION[name];
    });
    if (error === 0 && missing.length === 0) return;
    throw refusal(
      "config",
      `${this.broker} does not answer as Kafka 2.8 and newer do (${missing.join(", ")})`,
      "read from a newer broker",
    );
  }

  async #logIn({ sasl, credentials }: Access): Promise<void> {
    if (sasl === "none") return;
    const shake = await this.ask(handshakeRequest(sasl.toUpperCase()));
    if (shake.error !== 0) {
      throw mechanismRefused(this.broker, sasl, shake.mechanisms);
    }
    const login = loginOf(sasl, credentials);
    try {
      let step = login.next();
      while (step.done !== true) step = login.next(await this.#authenticate(step.value));
    } catch (thrown) {
      if (thrown instanceof LakeError) throw thrown;
      throw loginRefused(this.broker, credentials.user, String(thrown));
    }
  }

  async #authenticate(said: Buffer): Promise<Buffer> {
    const { error, message, bytes } = await this.ask(authenticateRequest(said));
    if (error === 0) return bytes;
    if (error === ERROR.loginRefused) throw new Error(message);
    throw refusal("io", `${this.broker} answered error ${error} to the login`, message);
  }

  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && this.#failure === null; ) {
      const count = bytes.copy(this.#coming, this.#haveBytes, at);
      at += count;
      this.#haveBytes += count;
      if (this.#haveBytes < this.#coming.length) return;
      this.#haveBytes = 0;
      if (this.#coming === this.#length) this.#begin(this.#length.readInt32BE(0));
      else {
        const answer = this.#coming;
        this.#coming = this.#length;
        this.#settle(answer);
      }
    }
  }

  #begin(length: number): void {
    if (length < ID_BYTES || length > ANSWER_BYTES_MAX) {
      this.#fail(new Error(`an answer claims ${length} bytes`));
    } else this.#coming = this.#room(length);
  }

  #settle(answer: Buffer): void {
    const first = this.#waiting.shift();
    if (first === undefined || first.id !== answer.readInt32BE(0)) {
      const wrong = new Error("an answer to nothing that was asked");
      first?.fail(unreachable(wrong, this.broker, this.#isEncrypted));
      this.#fail(wrong);
    } else first.settle(answer.subarray(ID_BYTES));
  }

  #room(length: number): Buffer {
    if (length < ROOM_BYTES_MIN) {
      // Little comes: what was used for much is given back.
      this.#rooms.fill(NO_ROOM);
      return Buffer.allocUnsafeSlow(length);
    }
    this.#turn = this.#turn === 0 ? 1 : 0;
    if (this.#rooms[this.#turn].length < length) {
      this.#rooms[this.#turn] = Buffer.allocUnsafeSlow(length);
    }
    return this.#rooms[this.#turn].subarray(0, length);
  }

  #fail(thrown: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = unreachable(thrown, this.broker, this.#isEncrypted);
    this.#socket.destroy();
    for (const { fail } of this.#waiting.splice(0)) fail(this.#failure);
  }
}

function connected(host: string, port: number, { tls }: Access): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: unknown): void => {
      socket.destroy();
      reject(unreachable(thrown, `${host}:${port}`, tls !== undefined));
    };
    const ready = (): void => {
      socket.removeListener("error", fail);
      socket.removeAllListeners("timeout");
      resolve(socket);
    };
    const authorities = tls?.authorities ?? null;
    const socket =
      tls === undefined
        ? connectPlain({ host, port, timeout: SILENT_MS, keepAlive: true }, ready)
        : connectTls(
            {
              host,
              port,
              timeout: SILENT_MS,
              // An address has no name that a certificate could be asked for.
              ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }),
              ...(authorities === null ? {} : { ca: authorities }),
            },
            ready,
          );
    socket.on("timeout", () => fail(new Error(`no connection within ${SILENT_MS} ms`)));
    socket.on("error", fail);
  });
}

function loginOf(sasl: Exclude<Access["sasl"], "none">, credentials: Credentials): Login {
  if (sasl === "plain") return plainLogin(credentials);
  return scramLogin(sasl === "scram-sha-256" ? "sha256" : "sha512", credentials);
}

/** Offers none where nobody is asked to log in. */
function mechanismRefused(broker: string, sasl: string, offered: readonly string[]): LakeError {
  if (offered.length > 0) {
    const hint = `write one of: ${offered.join(", ").toLowerCase()}`;
    return refusal("config", `${broker} knows no ${sasl}`, hint);
  }
  const hint = "take sasl, user and password out, or name a broker's listener that asks for them";
  return refusal("config", `${broker} asks nobody to log in`, hint);
}

function loginRefused(broker: string, user: string, said: string): LakeError {
  return refusal(
    "config",
    `${broker} does not let "${user}" in: ${said.replace(/^Error: /, "")}`,
    "correct user, password and sasl of the source",
  );
}
