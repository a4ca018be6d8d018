/** A connection's socket taken over: its messages found in the bytes as they come, without an object for each. */

import type { Socket } from "node:net";
import { LakeError } from "../../../core/base/errors.ts";
import type { Connection } from "./connection.ts";
import { ServerError, type ServerReport, sourceError } from "./failure.ts";

/** Types of messages by their byte. PostgreSQL, "Message Formats". */
export const MESSAGE = {
  copyBoth: 0x57,
  copyOut: 0x48,
  copyData: 0x64,
  copyDone: 0x63,
  error: 0x45,
  notice: 0x4e,
  complete: 0x43,
  ready: 0x5a,
} as const;

/** Bytes waiting to be looked at, above which the socket is told to wait, and below which it goes on. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_BYTES_LOW = 2 * 1024 * 1024;
const OWN_BYTES_MIN = 256 * 1024;
const HEAD_BYTES = 5;
/** A length counts itself, and no message is larger than a buffer of the server (MaxAllocSize). */
const LENGTH_MIN = 4;
const LENGTH_MAX = 1024 * 1024 * 1024;
const QUERY = 0x51;
const COPY_DATA = 0x64;

/**
 * Messages one after the other: `next` finds one among the bytes that are there, `more` waits for more of them. What
 * comes while nobody looks waits in memory up to a limit; then the socket is paused: `pausedSinceMs` says since when.
 */
export class CopySocket {
  readonly #connection: Connection;
  readonly #socket: Socket;
  readonly #nowMs: () => number;
  readonly #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  #isEnded = false;
  #failure: unknown = null;
  #wake: (() => void) | null = null;
  /** When the socket was paused; null while it is not. */
  pausedSinceMs: number | null = null;
  /** Bytes in [#start, #end) are those that were not looked at. */
  bytes: Uint8Array = new Uint8Array();
  #start = 0;
  #end = 0;
  /** Where messages are put together that came in several chunks: the chunks are the socket's. */
  #own: Uint8Array = new Uint8Array();
  /** Of the message found last: its type, and where in `bytes` its body is. */
  type = 0;
  start = 0;
  end = 0;

  constructor(connection: Connection, nowMs: () => number) {
    this.#connection = connection;
    this.#nowMs = nowMs;
    this.#socket = connection.takeSocket();
    this.#socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    this.#socket.on("error", (thrown: unknown) => this.#over(thrown));
    this.#socket.on("close", () => this.#over(null));
  }

  /** Sends a statement. */
  query(sql: string): void {
    const text = new TextEncoder().encode(`${sql}\0`);
    const message = new Uint8Array(HEAD_BYTES + text.length);
    new DataView(message.buffer).setUint32(1, 4 + text.length);
    message[0] = QUERY;
    message.set(text, HEAD_BYTES);
    this.#socket.write(message);
  }

  /** Sends a piece of copied data, as it is given. */
  copyData(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    const message = new Uint8Array(HEAD_BYTES + bytes.length);
    new DataView(message.buffer).setUint32(1, 4 + bytes.length);
    message[0] = COPY_DATA;
    message.set(bytes, HEAD_BYTES);
    this.#socket.write(message);
  }

  /** The next message that is there whole; false when there is none. Throws for one that cannot be. */
  next(): boolean {
    while (this.#end - this.#start < HEAD_BYTES || !this.#isWhole()) {
      if (!this.#append()) return false;
    }
    const { bytes } = this;
    const at = this.#start;
    this.type = bytes[at] ?? 0;
    this.start = at + HEAD_BYTES;
    this.end = at + 1 + this.#lengthAt(at);
    this.#start = this.end;
    return true;
  }

  /** True when bytes are there that `next` did not look at. */
  get hasMore(): boolean {
    return this.#chunks.length > 0;
  }

  /** Resolves when there are more bytes, or none will come. */
  async more(): Promise<void> {
    if (this.#chunks.length > 0 || this.#isEnded) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** True when the connection is gone and all that came was looked at. */
  get isOver(): boolean {
    return this.#isEnded && this.#chunks.length === 0;
  }

  /** Waits for the next message. Throws what the server answers, and when the connection ends. */
  async message(doing: string): Promise<void> {
    while (!this.next()) {
      if (this.isOver) throw this.lost(doing);
      await this.more();
    }
    if (this.type === MESSAGE.error) throw this.reported(doing);
  }

  /** What ended the connection. */
  lost(doing: string): Error {
    const thrown = this.#failure ?? new Error("the server closed the connection");
    return sourceError(thrown, doing, this.#connection.target);
  }

  /** What the server answered in an error message, which was found last. */
  reported(doing: string): Error {
    return sourceError(new ServerError(this.report()), doing, this.#connection.target);
  }

  /** The fields of an error or a notice, which was found last. */
  report(): ServerReport {
    return readReport(this.bytes.subarray(this.start, this.end));
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.#connection.destroy();
    this.#over(null);
  }

  #take(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX && this.pausedSinceMs === null) {
      this.#socket.pause();
      this.pausedSinceMs = this.#nowMs();
    }
    this.#awaken();
  }

  #over(thrown: unknown): void {
    this.#failure ??= thrown;
    this.#isEnded = true;
    this.#awaken();
  }

  #awaken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  #lengthAt(at: number): number {
    const { bytes } = this;
    const high = ((bytes[at + 1] ?? 0) << 24) | ((bytes[at + 2] ?? 0) << 16);
    return (high | ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0)) >>> 0;
  }

  #isWhole(): boolean {
    const length = this.#lengthAt(this.#start);
    // Nothing that follows could be found, and no memory is to be had for what does not come.
    if (length < LENGTH_MIN || length > LENGTH_MAX) throw this.#damaged(length);
    return this.#end - this.#start >= 1 + length;
  }

  #damaged(length: number): LakeError {
    const { host, port } = this.#connection.target;
    const what = `${host}:${port} sent a message that says to have ${length} bytes`;
    return new LakeError("io", what, {
      hint: "the connection is damaged, or it is no PostgreSQL that answers; it is tried again",
      scope: "source",
    });
  }

  /** Takes the next chunk behind what is left of the last; false when there is none. */
  #append(): boolean {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return false;
    this.#waitingBytes -= chunk.length;
    if (this.pausedSinceMs !== null && this.#waitingBytes < WAITING_BYTES_LOW) {
      this.pausedSinceMs = null;
      this.#socket.resume();
    }
    const left = this.#end - this.#start;
    if (left === 0) {
      this.bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return true;
    }
    this.#join(chunk, left);
    return true;
  }

  /** What is left goes to the front of a buffer of ours, which doubles for a message that is longer than it. */
  #join(chunk: Uint8Array, left: number): void {
    const needed = left + chunk.length;
    const held = this.bytes.subarray(this.#start, this.#end);
    if (this.#own.length < needed) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#own.length, OWN_BYTES_MIN));
      larger.set(held);
      this.#own = larger;
    } else if (this.bytes === this.#own) this.#own.copyWithin(0, this.#start, this.#end);
    else this.#own.set(held);
    this.#own.set(chunk, left);
    this.bytes = this.#own;
    this.#start = 0;
    this.#end = needed;
  }
}

function readReport(body: Uint8Array): ServerReport {
  const fields = new Map<string, string>();
  for (const field of new TextDecoder().decode(body).split("\0")) {
    if (field.length > 0) fields.set(field.slice(0, 1), field.slice(1));
  }
  const of = (key: string) => fields.get(key) ?? "";
  return {
    severity: fields.get("V") ?? of("S"),
    code: of("C"),
    message: of("M"),
    detail: of("D"),
    hint: of("H"),
  };
}
