/** Rows of texts as bytes: a count of columns, and each value behind its length, as COPY BINARY lays rows out. */

const BUFFER_BYTES = 64 * 1024;
const COUNT_BYTES = 2;
const LENGTH_BYTES = 4;
/** A character of UTF-16 is at most so many bytes of UTF-8. */
const CHARACTER_BYTES = 3;

export class RowBytes {
  #bytes = new Uint8Array(BUFFER_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  count = 0;
  readonly #encoder = new TextEncoder();

  /** The rows; valid until the next call of another method. */
  get taken(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  add(values: readonly (string | null)[]): void {
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
    this.count += 1;
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
