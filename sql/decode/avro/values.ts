/** The bytes of Avro's binary encoding as exact values. Avro spec, "Binary Encoding". */

import { isUtf8 } from "node:buffer";
import { connectText, connectWhole } from "../envelope/connect-types.ts";
import { Day, Decimal, Entries, type Exact, Instant, Time } from "../lossless/exact-value.ts";
import { escapedText } from "../rejects.ts";
import { Unreadable } from "../unreadable.ts";
import { type AvroNode, branchNames, type Logical } from "./schema.ts";

/** Reads one value at the place of the tap. Throws RangeError where the bytes are none. */
export type AvroReader = (tap: Tap) => Exact;

/** Values inside each other; deeper ones end the stack. */
const DEPTH_MAX = 1_000;
/** Items of a list that take no bytes: a count alone must not fill the memory. */
const FREE_ITEMS_MAX = 1_000_000;
const REPLACEMENT = "\ufffd";
const LOW = 2 ** 28;

/** A place in the plain bytes of a block. */
export class Tap {
  at = 0;
  depth = 0;
  /** A text of the current row that is not UTF-8; the reader of rows clears it. */
  badText: string | null = null;
  readonly bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new RangeError("the bytes end early");
    return byte;
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.remaining) throw new RangeError("the bytes end early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A zig-zag integer of 64 bits. */
  long(): bigint {
    let low = 0;
    for (let shift = 1; shift < LOW; shift *= 128) {
      const byte = this.byte();
      low += (byte & 127) * shift;
      if (byte < 128) return BigInt(low % 2 === 0 ? low / 2 : -(low + 1) / 2);
    }
    let rest = 0n;
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      rest |= BigInt(byte & 127) << shift;
      if (byte >= 128) continue;
      const raw = rest | BigInt(low);
      if (raw >= 1n << 64n) break;
      return (raw >> 1n) ^ -(raw & 1n);
    }
    throw new RangeError("an integer of more than 64 bits");
  }

  /** A count, a length or an index. */
  size(): number {
    const first = this.bytes[this.at] ?? 128;
    if (first < 128) {
      this.at++;
      return first % 2 === 0 ? first / 2 : -(first + 1) / 2;
    }
    const value = this.long();
    if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`a count of ${value}`);
    }
    return Number(value);
  }

  text(field: string): string {
    const length = this.size();
    if (length < 0 || length > this.remaining) throw new RangeError("the bytes end early");
    const start = this.at;
    this.at += length;
    const text = this.bytes.toString("utf8", start, this.at);
    if (!text.includes(REPLACEMENT)) return text;
    const bytes = this.bytes.subarray(start, this.at);
    if (isUtf8(bytes)) return text;
    this.badText ??= field;
    return escapedText(bytes);
  }
}

/** Compiles the reader of a schema. */
export function avroReader(node: AvroNode, field: string): AvroReader {
  return new Compiler().reader(node, field);
}

class Compiler {
  #readers = new Map<AvroNode, AvroReader>();

  reader(node: AvroNode, field: string): AvroReader {
    const known = this.#readers.get(node);
    if (known !== undefined) return known;
    if (node.kind !== "record") return this.#compile(node, field);
    // A record may hold itself: what holds it sees the finished reader later.
    let made: AvroReader | null = null;
    this.#readers.set(node, (tap) => (made === null ? null : made(tap)));
    made = this.#compile(node, field);
    return made;
  }

  #compile(node: AvroNode, field: string): AvroReader {
    switch (node.kind) {
      case "primitive":
        return logicalReader(node.logical, primitiveReader(node.name, field), field);
      case "fixed": {
        const { size } = node;
        return logicalReader(node.logical, (tap) => Buffer.from(tap.take(size)), field);
      }
      case "enum": {
        const { symbols, name } = node;
        return (tap) => {
          const symbol = symbols[tap.size()];
          if (symbol === undefined) throw new RangeError(`no symbol of ${name}`);
          return symbol;
        };
      }
      case "array":
        return this.#array(this.reader(node.items, field));
      case "map":
        return this.#map(this.reader(node.values, field), field);
      case "record": {
        const fields = node.fields.map(({ name, type }) => ({
          name,
          read: this.reader(type, name),
        }));
        const read = nested((tap) => {
          const pairs = fields.map(({ name, read }) => [name, read(tap)] as const);
          return new Entries(pairs);
        });
        return node.isDecimal === true ? (tap) => variableDecimal(read(tap)) : read;
      }
      case "union":
        return this.#union(node.branches, field);
    }
  }

  #array(item: AvroReader): AvroReader {
    return nested((tap) => {
      const items: Exact[] = [];
      eachItem(tap, () => items.push(item(tap)));
      return items;
    });
  }

  #map(item: AvroReader, field: string): AvroReader {
    return nested((tap) => {
      const pairs: [string, Exact][] = [];
      eachItem(tap, () => pairs.push([tap.text(field), item(tap)]));
      return new Entries(pairs);
    });
  }

  #union(branches: readonly AvroNode[], field: string): AvroReader {
    const names = branchNames(branches);
    const readers = branches.map((branch) => this.reader(branch, field));
    return (tap) => {
      const index = tap.size();
      const read = readers[index];
      if (read === undefined) throw new RangeError("no branch of the union");
      const name = names[index] ?? null;
      const value = read(tap);
      return name === null ? value : new Entries([[name, value]]);
    };
  }
}

function nested(read: AvroReader): AvroReader {
  return (tap) => {
    if (++tap.depth > DEPTH_MAX) {
      throw new Unreadable("limit", `a value nests deeper than ${DEPTH_MAX}`);
    }
    const value = read(tap);
    tap.depth--;
    return value;
  };
}

/** Items come in blocks; a negative count has the size in bytes behind it. */
function eachItem(tap: Tap, take: () => void): void {
  let free = 0;
  for (;;) {
    const count = tap.size();
    if (count === 0) return;
    if (count < 0) tap.size();
    for (let left = Math.abs(count); left > 0; left--) {
      const before = tap.at;
      take();
      if (tap.at === before && ++free > FREE_ITEMS_MAX) {
        throw new Unreadable("limit", `a list of more than ${FREE_ITEMS_MAX} items without bytes`);
      }
    }
  }
}

function primitiveReader(name: string, field: string): AvroReader {
  switch (name) {
    case "null":
      return () => null;
    case "boolean":
      return (tap) => {
        const byte = tap.byte();
        if (byte > 1) throw new RangeError("a boolean that is neither 0 nor 1");
        return byte === 1;
      };
    case "int":
      return (tap) => {
        const value = tap.long();
        if (BigInt.asIntN(32, value) !== value) throw new RangeError("an int of more than 32 bits");
        return value;
      };
    case "long":
      return (tap) => tap.long();
    case "float":
      return (tap) => tap.take(4).readFloatLE(0);
    case "double":
      return (tap) => tap.take(8).readDoubleLE(0);
    case "bytes":
      return (tap) => Buffer.from(tap.take(tap.size()));
    default:
      return (tap) => tap.text(field);
  }
}

function logicalReader(logical: Logical, read: AvroReader, field: string): AvroReader {
  if (logical === null) return read;
  const integer = (tap: Tap): bigint => {
    const value = read(tap);
    return typeof value === "bigint" ? value : 0n;
  };
  const bytes = (tap: Tap): Buffer => {
    const value = read(tap);
    return value instanceof Buffer ? value : Buffer.alloc(0);
  };
  switch (logical.kind) {
    case "connect":
      return connectReader(logical.name, read, integer, field);
    case "decimal":
      return (tap) => new Decimal(bigEndian(bytes(tap)), logical.scale);
    case "big-decimal":
      return (tap) => bigDecimal(bytes(tap));
    case "date":
      return (tap) => new Day(Number(integer(tap)));
    case "time-millis":
      return (tap) => new Time(integer(tap) * 1000n);
    case "time-micros":
      return (tap) => new Time(integer(tap));
    case "uuid":
      return (tap) => {
        const value = read(tap);
        return value instanceof Uint8Array ? uuidText(value) : value;
      };
    case "duration":
      return (tap) => {
        const value = bytes(tap);
        const part = (index: number) => BigInt(value.readUInt32LE(index * 4));
        return new Entries([
          ["months", part(0)],
          ["days", part(1)],
          ["millis", part(2)],
        ]);
      };
    case "timestamp":
      return (tap) => instantOf(integer(tap), logical.unit, logical.zoned);
  }
}

function connectReader(
  name: string,
  read: AvroReader,
  integer: (tap: Tap) => bigint,
  field: string,
): AvroReader {
  const whole = connectWhole(name);
  if (whole !== null) return (tap) => whole.of(integer(tap), field);
  const text = connectText(name);
  return (tap) => {
    const value = read(tap);
    return typeof value === "string" && text !== null ? text.of(value, field) : value;
  };
}

/** `{scale, value}`, the value in bytes. */
function variableDecimal(value: Exact): Exact {
  if (!(value instanceof Entries)) return value;
  const byName = new Map(value.pairs);
  const [unscaled, scale] = [byName.get("value"), byName.get("scale")];
  if (!(unscaled instanceof Buffer) || typeof scale !== "bigint") return value;
  return new Decimal(bigEndian(unscaled), Number(scale));
}

function instantOf(value: bigint, unit: "millis" | "micros" | "nanos", zoned: boolean): Instant {
  if (unit === "millis") return new Instant(value * 1000n, 0, zoned);
  if (unit === "micros") return new Instant(value, 0, zoned);
  const nanos = ((value % 1000n) + 1000n) % 1000n;
  return new Instant((value - nanos) / 1000n, Number(nanos), zoned);
}

function bigEndian(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n;
  if (bytes.length <= 6) return BigInt(bytes.readIntBE(0, bytes.length));
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${bytes.toString("hex")}`));
}

/** The unscaled bytes, then the scale. Avro 1.12, "Decimal", arbitrary scale. */
function bigDecimal(bytes: Buffer): Exact {
  const tap = new Tap(bytes);
  const unscaled = bigEndian(tap.take(tap.size()));
  const scale = tap.size();
  if (Math.abs(scale) > 100_000) throw new RangeError(`a decimal of scale ${scale}`);
  return new Decimal(unscaled, scale);
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
