/** Rows of texts as bytes: as COPY BINARY lays rows out, or as a server of MySQL answers. */

import type { PullDatabase, RowTexts } from "./database.ts";

const BUFFER_BYTES = 64 * 1024;
const COUNT_BYTES = 2;
const LENGTH_BYTES = 4;
/** A character of UTF-16 is at most so many bytes of UTF-8. */
const CHARACTER_BYTES = 3;
const ANSWER_HEAD_BYTES = 9;
const NULL_ANSWER = 0xfb;

export class RowBytes {
  #bytes = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  count = 0;
  readonly #encoder = new TextEncoder();
  readonly #isAnswer: boolean;

  constructor(dialect: PullDatabase["dialect"]) {
    this.#isAnswer = dialect === "mysql";
  }

  /** The rows; valid until the next call of another method. */
  get taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  add(values: RowTexts): void {
    this.count += 1;
    if (this.#isAnswer) this.#answer(values);
    else this.#copy(values);
  }

  /** A count of columns, and each value behind its length. */
  #copy(values: RowTexts): void {
    this.#reserve(COUNT_BYTES);
    this.#view.setInt16(this.#length, values.length);
    this.#length += COUNT_BYTES;
    for (const value of values) {
      this.#reserve(LENGTH_BYTES + (value?.length ?? 0) * CHARACTER_BYTES);
      const start = this.#length + LENGTH_BYTES;
      const length =
        value === null ? -1 : this.#encoder.encodeInto(value, this.#bytes.subarray(start)).written;
      this.#view.setInt32(this.#length, length);
      this.#length = start + Math.max(0, length);
    }
  }

  /** Each value behind its length, whose bytes are its characters. MySQL, "Protocol::LengthEncodedString". */
  #answer(values: RowTexts): void {
    for (const value of values) {
      this.#reserve(ANSWER_HEAD_BYTES + (value?.length ?? 0));
      const head = value === null ? [NULL_ANSWER] : lengthBytes(value.length);
      this.#bytes.set(head, this.#length);
      this.#length += head.length;
      if (value === null) continue;
      this.#bytes.set(Buffer.from(value, "latin1"), this.#length);
      this.#length += value.length;
    }
  }

  clear(): void {
    this.#length = 0;
    this.count = 0;
  }

  #reserve(byteCount: number): void {
    const needed = this.#length + byteCount;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function lengthBytes(length: number): readonly number[] {
  const bytes = [length & 255, (length >> 8) & 255, (length >> 16) & 255];
  if (length < NULL_ANSWER) return [length];
  if (length < 2 ** 16) return [0xfc, ...bytes.slice(0, 2)];
  if (length < 2 ** 24) return [0xfd, ...bytes];
  return [0xfe, ...bytes, Math.floor(length / 2 ** 24), 0, 0, 0, 0];
}
