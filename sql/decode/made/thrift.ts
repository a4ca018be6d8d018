/** Thrift's compact protocol, as far as Parquet's headers and footers need it to be written. */

export const THRIFT = {
  true: 1,
  false: 2,
  int: 5,
  long: 6,
  binary: 8,
  list: 9,
  struct: 12,
} as const;

export class ThriftWriter {
  readonly #bytes: number[] = [];
  #last = 0;

  int(id: number, value: number): void {
    this.#field(id, THRIFT.int);
    this.#zigzag(value);
  }

  long(id: number, value: number): void {
    this.#field(id, THRIFT.long);
    this.#zigzag(value);
  }

  boolean(id: number, value: boolean): void {
    this.#field(id, value ? THRIFT.true : THRIFT.false);
  }

  text(id: number, value: string): void {
    this.bytes(id, Buffer.from(value));
  }

  bytes(id: number, value: Uint8Array): void {
    this.#field(id, THRIFT.binary);
    this.#binary(value);
  }

  struct(id: number, write: () => void): void {
    this.#field(id, THRIFT.struct);
    this.element(write);
  }

  /** `write` adds so many items. */
  list(id: number, type: number, count: number, write: () => void): void {
    this.#field(id, THRIFT.list);
    this.#bytes.push((Math.min(count, 15) << 4) | type);
    if (count >= 15) this.#varint(count);
    write();
  }

  /** A struct in a list. */
  element(write: () => void): void {
    const last = this.#last;
    this.#last = 0;
    write();
    this.#bytes.push(0);
    this.#last = last;
  }

  item(value: number): void {
    this.#zigzag(value);
  }

  itemText(value: string): void {
    this.#binary(Buffer.from(value));
  }

  /** The struct as a whole. */
  end(): Buffer {
    this.#bytes.push(0);
    return Buffer.from(this.#bytes);
  }

  #binary(value: Uint8Array): void {
    this.#varint(value.length);
    for (const byte of value) this.#bytes.push(byte);
  }

  #field(id: number, type: number): void {
    const step = id - this.#last;
    this.#last = id;
    this.#bytes.push((step << 4) | type);
  }

  #zigzag(value: number): void {
    this.#varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes.push((rest % 128) + 128);
    this.#bytes.push(rest);
  }
}
