/** Arrow IPC streams in pieces: tables one after the other as a single stream. Arrow, "IPC Streaming Format". */

import { type Table, tableToIPC } from "apache-arrow";

/** How a stream ends. */
export const STREAM_END = Uint8Array.from([255, 255, 255, 255, 0, 0, 0, 0]);
/** A message is a mark, the length of its head, and the head; a schema has no body. */
const HEAD_OFFSET = 8;
const LENGTH_OFFSET = 4;

/** The next piece of a stream; the first begins with the schema, which all of the tables have. `STREAM_END` ends it. */
export function streamPiece(table: Table, isFirst: boolean): Uint8Array {
  const stream = tableToIPC(table, "stream");
  const end = stream.byteLength - STREAM_END.byteLength;
  if (isFirst) return stream.subarray(0, end);
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  return stream.subarray(HEAD_OFFSET + view.getInt32(LENGTH_OFFSET, true), end);
}

/** Bytes on their way, and whether the last of them are the end of a stream. */
export class EndWatch {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #tail: readonly number[] = [];
  byteCount = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Whoever reads them may stop: the rest is still to be had. */
  async *pieces(): AsyncGenerator<Uint8Array> {
    for (let next = await this.#next(); next !== null; next = await this.#next()) yield next;
  }

  /** Reads what is left. */
  async drain(): Promise<void> {
    while ((await this.#next()) !== null);
  }

  async #next(): Promise<Uint8Array | null> {
    const { done, value } = await this.#pieces.next();
    if (done === true) return null;
    this.byteCount += value.byteLength;
    const last = [...value.subarray(-STREAM_END.length)];
    this.#tail = [...this.#tail, ...last].slice(-STREAM_END.length);
    return value;
  }

  get isWhole(): boolean {
    return STREAM_END.every((byte, index) => this.#tail[index] === byte);
  }
}
