/**
 * The packets of a connection: found in the bytes as they come, joined where one is too large, and written. MySQL,
 * "MySQL Packets", "Basic Data Types".
 */

import type { Socket } from "node:net";
import { u32At, uintAt } from "../../../core/ingest/binlog-row.ts";
import { ServerError } from "./failure.ts";

/** First bytes of packets that are answers. */
export const PACKET = { ok: 0x00, more: 0x01, eof: 0xfe, error: 0xff, local: 0xfb } as const;

const HEAD_BYTES = 4;
/** A packet of this length goes on in the next one. */
const LENGTH_MAX = 0xff_ffff;
/** Bytes waiting to be looked at, above which the socket is told to wait, and below which it goes on. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
const WAITING_BYTES_LOW = 2 * 1024 * 1024;

/** Packets one after the other: `next` finds one among the bytes that are there, `more` waits for more of them. */
export class PacketSocket {
  #socket: Socket;
  readonly #nowMs: () => number;
  #chunks: Buffer[] = [];
  #waitingBytes = 0;
  #isEnded = false;
  #failure: unknown = null;
  #wake: (() => void) | null = null;
  #own: Buffer = Buffer.alloc(0);
  /** It was put together here. */
  #isJoined = false;
  #start = 0;
  #end = 0;
  #joined: Buffer[] = [];
  #sequence = 0;
  /** When the socket was paused; null while it is not. */
  pausedSinceMs: number | null = null;
  /** Of the packet found last: where in `bytes` its payload is. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  constructor(socket: Socket, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
    this.#listen();
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Goes on over another socket, such as one that encrypts. Nothing may be waiting. */
  replace(socket: Socket): void {
    this.#socket.removeAllListeners("data");
    this.#socket = socket;
    this.#listen();
  }

  /** The next packet that is there whole; false when there is none. */
  next(): boolean {
    for (;;) {
      const from = this.#start + HEAD_BYTES;
      const length = this.#end < from ? LENGTH_MAX : u32At(this.#own, this.#start) & LENGTH_MAX;
      if (this.#end < from + length) {
        if (!this.#append()) return false;
        continue;
      }
      this.#sequence = ((this.#own[from - 1] ?? 0) + 1) & 255;
      this.#start = from + length;
      if (length === LENGTH_MAX || this.#joined.length > 0) {
        this.#joined.push(Buffer.from(this.#own.subarray(from, from + length)));
        if (length === LENGTH_MAX) continue;
        this.bytes = Buffer.concat(this.#joined);
        this.#joined = [];
        this.start = 0;
        this.end = this.bytes.length;
        return true;
      }
      this.bytes = this.#own;
      this.start = from;
      this.end = from + length;
      return true;
    }
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

  /** Waits for the next packet. Throws ServerError for an error of the server, and when the connection ends. */
  async packet(): Promise<void> {
    while (!this.next()) {
      if (this.isOver) throw this.lost();
      await this.more();
    }
    if (this.bytes[this.start] === PACKET.error) throw this.reported();
  }

  lost(): unknown {
    return this.#failure ?? new Error("the server closed the connection");
  }

  /** The error of the packet found last. */
  reported(): ServerError {
    const { bytes, start, end } = this;
    const text = new TextDecoder().decode(bytes.subarray(start + 3, end));
    const hasState = text.startsWith("#");
    const state = hasState ? text.slice(1, 6) : "HY000";
    return new ServerError(uintAt(bytes, start + 1, 2), state, hasState ? text.slice(6) : text);
  }

  /** Writes a packet that begins an exchange. */
  command(code: number, body: Uint8Array): void {
    this.#sequence = 0;
    const payload = new Uint8Array(1 + body.length);
    payload[0] = code;
    payload.set(body, 1);
    this.answer(payload);
  }

  /** Writes a packet that goes on with one. */
  answer(payload: Uint8Array): void {
    const packet = new Uint8Array(HEAD_BYTES + payload.length);
    packet[0] = payload.length & 255;
    packet[1] = (payload.length >> 8) & 255;
    packet[2] = payload.length >> 16;
    packet[3] = this.#sequence;
    packet.set(payload, HEAD_BYTES);
    this.#sequence = (this.#sequence + 1) & 255;
    this.#socket.write(packet);
  }

  destroy(): void {
    this.#socket.destroy();
    this.#over(null);
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (thrown: unknown) => this.#over(thrown));
    socket.on("close", () => this.#over(null));
  }

  #take(chunk: Buffer): void {
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

  /** Takes what waits; false when nothing does. Of a packet that goes on only as much as it takes: it is copied. */
  #append(): boolean {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return false;
    const left = this.#end - this.#start;
    if (left === 0) {
      this.#own = chunk;
      this.#isJoined = false;
      this.#start = 0;
      this.#end = chunk.length;
      this.#taken(chunk.length);
      return true;
    }
    const wanted = this.#wanted();
    if (!this.#isJoined || this.#own.length - this.#start < wanted) {
      const joined = Buffer.allocUnsafe(wanted);
      joined.set(this.#own.subarray(this.#start, this.#end));
      this.#own = joined;
      this.#isJoined = true;
      this.#start = 0;
      this.#end = left;
    }
    const count = Math.min(chunk.length, wanted - left);
    this.#own.set(chunk.subarray(0, count), this.#end);
    this.#end += count;
    this.#taken(count);
    return true;
  }

  /** So many bytes of what waits do so no more. */
  #taken(count: number): void {
    const [chunk] = this.#chunks;
    if (chunk === undefined || chunk.length === count) this.#chunks.shift();
    else this.#chunks[0] = chunk.subarray(count);
    this.#waitingBytes -= count;
    if (this.pausedSinceMs !== null && this.#waitingBytes < WAITING_BYTES_LOW) {
      this.pausedSinceMs = null;
      this.#socket.resume();
    }
  }

  /** Bytes of the packet that is begun; those of its head, where that is not whole. */
  #wanted(): number {
    if (this.#end - this.#start < HEAD_BYTES) return HEAD_BYTES;
    return HEAD_BYTES + uintAt(this.#own, this.#start, 3);
  }
}

/** Of the high half of 64 bits, up to which a number holds both. */
const SAFE_HIGH = 2 ** 21;

/** Reads the fields of one packet or event in turn. Throws RangeError where it ends before. */
export class Fields {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  skip(count: number): void {
    this.#step(count);
  }

  /** Unsigned, of up to 6 bytes. */
  uint(width: number): number {
    return uintAt(this.bytes, this.#step(width), width);
  }

  u64(): bigint {
    const at = this.#step(8);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + at, 8).getBigUint64(0, true);
  }

  /** The same as text: most are numbers that need no object. */
  u64Text(): string {
    const high = u32At(this.bytes, this.at + 4);
    if (high >= SAFE_HIGH) return String(this.u64());
    const at = this.#step(8);
    return String(high * 2 ** 32 + u32At(this.bytes, at));
  }

  /** A number behind a byte that says how long it is. */
  length(): number {
    const first = this.uint(1);
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.uint(2);
    if (first === 0xfd) return this.uint(3);
    return Number(this.u64());
  }

  take(count: number): Uint8Array {
    const at = this.#step(count);
    return this.bytes.subarray(at, at + count);
  }

  /** Bytes behind their length. */
  sized(): Uint8Array {
    return this.take(this.length());
  }

  /** Up to a zero byte. */
  text(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end === -1 || end >= this.end) throw new RangeError("the bytes end early");
    const text = new TextDecoder().decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }

  rest(): Uint8Array {
    return this.take(this.left);
  }

  #step(count: number): number {
    const { at } = this;
    this.at += count;
    if (this.at > this.end) throw new RangeError("the bytes end early");
    return at;
  }
}
