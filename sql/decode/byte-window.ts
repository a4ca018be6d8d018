/** A file read front to back through one growing buffer, so that a record is always whole in memory. */

import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 4 * 1024 * 1024;

export class ByteWindow implements Disposable {
  /** Bytes in [start, end) are the unread part of the file. */
  bytes: Uint8Array = new Uint8Array(CHUNK_BYTES);
  start = 0;
  end = 0;
  /** Nothing follows `end`. */
  atEnd = false;
  #file: number;

  constructor(path: string) {
    this.#file = openSync(path, "r");
  }

  /** Reads more behind `end`, moving the unread part to the front and growing when it fills the buffer. */
  fill(): void {
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    if (this.bytes.length - this.end < CHUNK_BYTES / 2) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes.subarray(0, this.end));
      this.bytes = larger;
    }
    const count = readSync(this.#file, this.bytes, this.end, this.bytes.length - this.end, null);
    this.end += count;
    this.atEnd = count === 0;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}
