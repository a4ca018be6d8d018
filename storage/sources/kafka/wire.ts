/** Values as Kafka's protocol lays them out, read and written in turn. Kafka, "Protocol Primitive Types". */

/** Topic ids have 16 bytes. */
const ID_BYTES = 16;

/** Reads an answer. Throws RangeError where it ends early. */
export class WireReader {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  boolean(): boolean {
    return this.int8() !== 0;
  }

  int8(): number {
    return this.bytes.readInt8(this.#step(1));
  }

  int16(): number {
    return this.bytes.readInt16BE(this.#step(2));
  }

  int32(): number {
    return this.bytes.readInt32BE(this.#step(4));
  }

  int64(): bigint {
    return this.bytes.readBigInt64BE(this.#step(8));
  }

  /** Null where it is absent. */
  text(): string | null {
    return this.#text(this.int16());
  }

  data(): Buffer {
    const length = this.int32();
    return this.#take(Math.max(length, 0));
  }

  /** Null is no list, which reads as an empty one. */
  list<T>(item: () => T): readonly T[] {
    return this.#list(this.int32(), item);
  }

  /** As versions have it that are called flexible: lengths are one more than they are. */
  compactText(): string | null {
    return this.#text(this.#unsigned() - 1);
  }

  compactList<T>(item: () => T): readonly T[] {
    return this.#list(this.#unsigned() - 1, item);
  }

  /** Passes over what later versions may add. */
  tags(): void {
    for (let left = this.#unsigned(); left > 0; left--) {
      this.#unsigned();
      this.#take(this.#unsigned());
    }
  }

  id(): string {
    return this.#take(ID_BYTES).toString("hex");
  }

  #text(length: number): string | null {
    return length < 0 ? null : this.#take(length).toString();
  }

  #list<T>(length: number, item: () => T): readonly T[] {
    const items: T[] = [];
    for (let index = 0; index < length; index++) items.push(item());
    return items;
  }

  #unsigned(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes.readUInt8(this.#step(1));
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #take(length: number): Buffer {
    const start = this.#step(length);
    if (this.at > this.bytes.length) throw new RangeError("an answer ends early");
    return this.bytes.subarray(start, this.at);
  }

  #step(length: number): number {
    const start = this.at;
    this.at += length;
    return start;
  }
}

/** Lays a request out. */
export class WireWriter {
  readonly #parts: Buffer[] = [];

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  int8(value: number): this {
    return this.#add(1, (part) => part.writeInt8(value));
  }

  int16(value: number): this {
    return this.#add(2, (part) => part.writeInt16BE(value));
  }

  int32(value: number): this {
    return this.#add(4, (part) => part.writeInt32BE(value));
  }

  int64(value: bigint): this {
    return this.#add(8, (part) => part.writeBigInt64BE(value));
  }

  text(value: string): this {
    const part = Buffer.from(value);
    this.int16(part.length);
    this.#parts.push(part);
    return this;
  }

  data(value: Uint8Array): this {
    this.int32(value.length);
    this.#parts.push(Buffer.from(value));
    return this;
  }

  list<T>(items: readonly T[], item: (value: T) => void): this {
    this.int32(items.length);
    for (const value of items) item(value);
    return this;
  }

  compactText(value: string): this {
    const part = Buffer.from(value);
    this.unsigned(part.length + 1);
    this.#parts.push(part);
    return this;
  }

  /** Null is no list, which is not an empty one. */
  compactList<T>(items: readonly T[] | null, item: (value: T) => void): this {
    this.unsigned(items === null ? 0 : items.length + 1);
    for (const value of items ?? []) item(value);
    return this;
  }

  /** No more than this version has. */
  tags(): this {
    return this.unsigned(0);
  }

  noId(): this {
    return this.raw(Buffer.alloc(ID_BYTES));
  }

  /** Bytes without their length. */
  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  unsigned(value: number): this {
    let left = value;
    for (; left > 127; left = Math.floor(left / 128)) this.#byte((left & 127) | 128);
    return this.#byte(left);
  }

  #byte(value: number): this {
    return this.#add(1, (part) => part.writeUInt8(value));
  }

  #add(length: number, write: (part: Buffer) => void): this {
    const part = Buffer.alloc(length);
    write(part);
    this.#parts.push(part);
    return this;
  }
}
