/** Bytes of a page read one after the other; nothing is read beyond their end. */

/** Bytes of a number of 64 bits, seven at a time. */
const VARINT_BYTES_MAX = 10;

export class ByteReader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Throws RangeError when fewer are left. */
  take(length: number): Uint8Array {
    const start = this.at;
    this.skip(length);
    return this.bytes.subarray(start, this.at);
  }

  /** Throws RangeError when fewer are left. */
  skip(length: number): void {
    if (length > this.left) throw new RangeError("a page ends early");
    this.at += length;
  }

  /** Throws RangeError at the end. */
  next(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new RangeError("a page ends early");
    return byte;
  }

  /** A whole number of so many bytes, little-endian. */
  little(length: number): number {
    let value = 0;
    for (let index = 0; index < length; index++) value += this.next() * 2 ** (8 * index);
    return value;
  }

  /** ULEB128. Throws RangeError beyond what a number holds exactly. */
  varint(): number {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index++) {
      const byte = this.next();
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80 && value <= Number.MAX_SAFE_INTEGER) return value;
      if (byte < 0x80) break;
    }
    throw new RangeError("a page holds a number that is too large");
  }
}
