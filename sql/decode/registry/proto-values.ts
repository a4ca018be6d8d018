/** The bytes of Protobuf's binary encoding as exact values. Protobuf, "Encoding". */

import { isUtf8 } from "node:buffer";
import { Decimal, Entries, type Exact, Instant, Mapping } from "../lossless/exact-value.ts";
import type { ProtoField, ProtoMessage, ProtoNode, ProtoScalar } from "./proto-schema.ts";

export type ProtoValue = Exact;
export type ProtoReader = (tap: ProtoTap) => Exact;

/** Messages inside each other; deeper ones end the stack. Protobuf's own readers stop at 100. */
const DEPTH_MAX = 200;
const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 } as const;
const LOW = 2 ** 28;
const NANOS = 1_000_000_000n;

/** A place in the bytes of a message. */
export class ProtoTap {
  at = 0;
  depth = 0;
  /** A text that is not UTF-8. */
  badText: string | null = null;
  readonly bytes: Buffer;

  constructor(bytes: Buffer, outer: ProtoTap | null = null) {
    this.bytes = bytes;
    if (outer !== null) this.depth = outer.depth + 1;
    if (this.depth > DEPTH_MAX) throw new RangeError(`messages nest deeper than ${DEPTH_MAX}`);
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  take(length: number): Buffer {
    if (length > this.bytes.length - this.at) throw new RangeError("the bytes end early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** An integer of 64 bits without a sign. */
  varint(): bigint {
    let low = 0;
    for (let shift = 1; shift < LOW; shift *= 128) {
      const byte = this.#byte();
      low += (byte & 127) * shift;
      if (byte < 128) return BigInt(low);
    }
    let rest = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      rest |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, rest);
    }
    throw new RangeError("an integer of more than 64 bits");
  }

  zigzag(): bigint {
    const raw = this.varint();
    return (raw >> 1n) ^ -(raw & 1n);
  }

  /** What stands behind its length. */
  sized(): Buffer {
    const length = this.varint();
    if (length > BigInt(this.bytes.length)) throw new RangeError("the bytes end early");
    return this.take(Number(length));
  }

  skip(wire: number, number: number): void {
    switch (wire) {
      case WIRE.varint:
        this.varint();
        return;
      case WIRE.fixed64:
        this.take(8);
        return;
      case WIRE.bytes:
        this.sized();
        return;
      case WIRE.fixed32:
        this.take(4);
        return;
      case WIRE.groupStart:
        this.group(number);
        return;
      default:
        throw new RangeError("bytes that begin no field");
    }
  }

  /** The bytes up to the mark that ends the group of this number. */
  group(number: number): Buffer {
    const start = this.at;
    if (++this.depth > DEPTH_MAX) throw new RangeError(`messages nest deeper than ${DEPTH_MAX}`);
    for (;;) {
      const before = this.at;
      const tag = this.tag();
      if ((tag & 7) === WIRE.groupEnd) {
        if (tag >>> 3 !== number) throw new RangeError("a group ends that was not begun");
        this.depth--;
        return this.bytes.subarray(start, before);
      }
      this.skip(tag & 7, tag >>> 3);
    }
  }

  tag(): number {
    const tag = this.varint();
    if (tag >= 1n << 32n || tag < 8n) throw new RangeError("bytes that begin no field");
    return Number(tag);
  }

  #byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new RangeError("the bytes end early");
    return byte;
  }
}

/** Compiles the reader of a message, which takes all that its tap has. Throws RangeError where the bytes are none. */
export function protoMessage(node: ProtoMessage): ProtoReader {
  return new Compiler().message(node);
}

/** How one field is gathered while its message is read, and what it is at the end. */
interface FieldPlan {
  readonly place: number;
  /** Places of the fields of which only one may be there. */
  readonly others: readonly number[];
  /** False: it does not stand there as it should, and is nothing that is known. */
  take(tap: ProtoTap, wire: number, before: unknown): unknown;
  finish(gathered: unknown, tap: ProtoTap): Exact;
}

const FOREIGN = Symbol("a field of another kind");

class Compiler {
  readonly #readers = new Map<ProtoMessage, ProtoReader>();

  message(node: ProtoMessage): ProtoReader {
    const known = this.#readers.get(node);
    if (known !== undefined) return known;
    // A message may hold itself: what holds it sees the finished reader later.
    let made: ProtoReader | null = null;
    this.#readers.set(node, (tap) => (made === null ? null : made(tap)));
    const stands = STANDS_FOR.get(node.name);
    const plain = this.#plain(node);
    made = stands === undefined ? plain : (tap) => stands(plain(tap));
    return made;
  }

  #plain({ fields }: ProtoMessage): ProtoReader {
    const plans = fields.map((field, place) => this.#plan(field, place, fields));
    const byNumber = new Map(fields.map(({ number }, place) => [number, plans[place]]));
    const names = fields.map(({ name }) => name);
    return (tap) => {
      const gathered: unknown[] = new Array(plans.length);
      while (!tap.isAtEnd) {
        const tag = tap.tag();
        const plan = byNumber.get(tag >>> 3);
        const start = tap.at;
        const taken = plan === undefined ? FOREIGN : plan.take(tap, tag & 7, gathered[plan.place]);
        if (plan === undefined || taken === FOREIGN) {
          tap.at = start;
          tap.skip(tag & 7, tag >>> 3);
          continue;
        }
        for (const other of plan.others) gathered[other] = undefined;
        gathered[plan.place] = taken;
      }
      const pairs = plans.map(
        ({ place, finish }) => [names[place] ?? "", finish(gathered[place], tap)] as const,
      );
      return new Entries(pairs);
    };
  }

  #plan(field: ProtoField, place: number, fields: readonly ProtoField[]): FieldPlan {
    const { oneOf } = field;
    const others = fields.flatMap((other, at) =>
      oneOf !== null && other.oneOf === oneOf && at !== place ? [at] : [],
    );
    const { node, label } = field;
    if (label === "map") return { place, others, ...this.#map(field) };
    const read = node.kind === "message" ? this.#inner(field, node) : valueReader(node, field.name);
    return { place, others, ...(label === "many" ? many(read) : one(field, read)) };
  }

  /** A message that comes twice is both, one behind the other: its bytes are joined, and read at the end. */
  #inner({ number, isGroup }: ProtoField, node: ProtoMessage): ValueReader {
    const read = this.message(node);
    return {
      wire: isGroup ? WIRE.groupStart : WIRE.bytes,
      isPacked: false,
      take: (tap) => (isGroup ? tap.group(number) : tap.sized()),
      finish: (bytes, tap) => inside(bytes, tap, read),
      join: (before, bytes) => Buffer.concat([bufferOf(before), bufferOf(bytes)]),
    };
  }

  #map({ key, node }: ProtoField): Pick<FieldPlan, "take" | "finish"> {
    const entry: ProtoMessage = {
      kind: "message",
      name: "",
      fields: [fieldOf("key", 1, { kind: "scalar", name: key }), fieldOf("value", 2, node)],
    };
    const read = this.message(entry);
    const list = many({
      wire: WIRE.bytes,
      isPacked: false,
      take: (tap) => tap.sized(),
      finish: (bytes, tap) => inside(bytes, tap, read),
    });
    return {
      take: list.take,
      finish: (gathered, tap) => {
        const entries = list.finish(gathered, tap);
        return mapOf(Array.isArray(entries) ? entries : [], key === "string");
      },
    };
  }
}

/** How a value stands behind its tag. */
interface ValueReader {
  readonly wire: number;
  /** Several may stand behind one tag. */
  readonly isPacked: boolean;
  take(tap: ProtoTap): unknown;
  /** Absent: what was taken is the value. */
  readonly finish?: (taken: unknown, tap: ProtoTap) => Exact;
  /** Absent: the last one counts. */
  readonly join?: (before: unknown, taken: unknown) => unknown;
}

function one(field: ProtoField, read: ValueReader): Pick<FieldPlan, "take" | "finish"> {
  const absent = field.hasPresence ? null : absentOf(field.node);
  return {
    take: (tap, wire, before) => {
      if (wire !== read.wire) return FOREIGN;
      const taken = read.take(tap);
      return before === undefined || read.join === undefined ? taken : read.join(before, taken);
    },
    finish: (gathered, tap) => {
      return gathered === undefined ? absent : finished(read, gathered, tap);
    },
  };
}

function many(read: ValueReader): Pick<FieldPlan, "take" | "finish"> {
  return {
    take: (tap, wire, before) => {
      const list: unknown[] = Array.isArray(before) ? before : [];
      if (wire === read.wire) list.push(read.take(tap));
      else if (wire === WIRE.bytes && read.isPacked) {
        const packed = new ProtoTap(tap.sized(), tap);
        while (!packed.isAtEnd) list.push(read.take(packed));
      } else return FOREIGN;
      return list;
    },
    finish: (gathered, tap) => {
      const list: readonly unknown[] = Array.isArray(gathered) ? gathered : [];
      return list.map((taken) => finished(read, taken, tap));
    },
  };
}

function finished({ finish }: ValueReader, taken: unknown, tap: ProtoTap): Exact {
  // parse: a reader without finish takes values
  return finish === undefined ? (taken as Exact) : finish(taken, tap); // parse: above
}

function inside(bytes: unknown, outer: ProtoTap, read: ProtoReader): Exact {
  const tap = new ProtoTap(bufferOf(bytes), outer);
  const value = read(tap);
  outer.badText ??= tap.badText;
  return value;
}

function bufferOf(bytes: unknown): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.alloc(0);
}

function fieldOf(name: string, number: number, node: ProtoNode): ProtoField {
  return {
    name,
    number,
    node,
    label: "one",
    key: "string",
    // A value of an entry that is a message and was not sent is an empty one.
    hasPresence: false,
    isGroup: false,
    oneOf: null,
  };
}

/** A key that stands twice has what stands last. */
function mapOf(entries: readonly Exact[], isText: boolean): Exact {
  const byKey = new Map<Exact, Exact>();
  for (const entry of entries) {
    if (!(entry instanceof Entries)) continue;
    const [key, value] = entry.pairs;
    byKey.set(key?.[1] ?? null, value?.[1] ?? null);
  }
  if (!isText) return new Mapping([...byKey]);
  return new Entries([...byKey].map(([key, value]) => [String(key), value]));
}

function absentOf(node: ProtoNode): Exact {
  if (node.kind === "enum") return node.names.get(node.first) ?? String(node.first);
  if (node.kind === "message") return null;
  switch (node.name) {
    case "double":
    case "float":
      return 0;
    case "bool":
      return false;
    case "string":
      return "";
    case "bytes":
      return Buffer.alloc(0);
    default:
      return 0n;
  }
}

function valueReader(node: Exclude<ProtoNode, ProtoMessage>, field: string): ValueReader {
  if (node.kind === "scalar") return scalarReader(node.name, field);
  const { names } = node;
  const take = (tap: ProtoTap): Exact => {
    const number = Number(BigInt.asIntN(32, tap.varint()));
    return names.get(number) ?? String(number);
  };
  return { wire: WIRE.varint, isPacked: true, take };
}

function scalarReader(name: ProtoScalar, field: string): ValueReader {
  const reader = (wire: number, take: ProtoReader): ValueReader => {
    return { wire, isPacked: wire !== WIRE.bytes, take };
  };
  switch (name) {
    case "double":
      return reader(WIRE.fixed64, (tap) => tap.take(8).readDoubleLE(0));
    case "float":
      return reader(WIRE.fixed32, (tap) => tap.take(4).readFloatLE(0));
    case "int32":
      return reader(WIRE.varint, (tap) => BigInt.asIntN(32, tap.varint()));
    case "uint32":
      return reader(WIRE.varint, (tap) => BigInt.asUintN(32, tap.varint()));
    case "sint32":
      return reader(WIRE.varint, (tap) => BigInt.asIntN(32, tap.zigzag()));
    case "int64":
      return reader(WIRE.varint, (tap) => BigInt.asIntN(64, tap.varint()));
    case "uint64":
      return reader(WIRE.varint, (tap) => tap.varint());
    case "sint64":
      return reader(WIRE.varint, (tap) => tap.zigzag());
    case "fixed32":
      return reader(WIRE.fixed32, (tap) => BigInt(tap.take(4).readUInt32LE(0)));
    case "sfixed32":
      return reader(WIRE.fixed32, (tap) => BigInt(tap.take(4).readInt32LE(0)));
    case "fixed64":
      return reader(WIRE.fixed64, (tap) => tap.take(8).readBigUInt64LE(0));
    case "sfixed64":
      return reader(WIRE.fixed64, (tap) => tap.take(8).readBigInt64LE(0));
    case "bool":
      return reader(WIRE.varint, (tap) => tap.varint() !== 0n);
    case "string":
      return reader(WIRE.bytes, (tap) => {
        const bytes = tap.sized();
        if (!isUtf8(bytes)) tap.badText ??= field;
        return bytes.toString();
      });
    case "bytes":
      return reader(WIRE.bytes, (tap) => Buffer.from(tap.sized()));
  }
}

type Stands = (value: Exact) => Exact;

/** What the messages stand for that have a meaning of their own. Protobuf, "Well-Known Types". */
const STANDS_FOR: ReadonlyMap<string, Stands> = new Map<string, Stands>([
  [
    "google.protobuf.Timestamp",
    (value) => {
      const nanos = secondsOf(value);
      const rest = ((nanos % 1000n) + 1000n) % 1000n;
      return new Instant((nanos - rest) / 1000n, Number(rest), true);
    },
  ],
  ["google.protobuf.Duration", (value) => new Decimal(secondsOf(value), 9)],
  ...["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map(
    (name) => [`google.protobuf.${name}Value`, (value: Exact) => at(value, "value")] as const,
  ),
  ["google.protobuf.Struct", (value) => at(value, "fields")],
  ["google.protobuf.ListValue", (value) => at(value, "values")],
  ["google.protobuf.Value", jsonValue],
  [
    "confluent.type.Decimal",
    (value) => {
      const [unscaled, scale] = [at(value, "value"), at(value, "scale")];
      if (!(unscaled instanceof Buffer) || typeof scale !== "bigint") return value;
      const hex = unscaled.toString("hex");
      const whole = hex === "" ? 0n : BigInt.asIntN(8 * unscaled.length, BigInt(`0x${hex}`));
      return new Decimal(whole, Number(scale));
    },
  ],
]);

/** In nanoseconds. */
function secondsOf(value: Exact): bigint {
  const [seconds, nanos] = [at(value, "seconds"), at(value, "nanos")];
  if (typeof seconds !== "bigint" || typeof nanos !== "bigint") return 0n;
  return seconds * NANOS + nanos;
}

/** Its fields are called as in its .proto, or as in JSON, by where the schema came from. */
const NULL_NAMES: readonly string[] = ["null_value", "nullValue"];

function jsonValue(value: Exact): Exact {
  if (!(value instanceof Entries)) return null;
  const sent = value.pairs.find(([name, item]) => item !== null && !NULL_NAMES.includes(name));
  return sent?.[1] ?? null;
}

function at(value: Exact, name: string): Exact {
  if (!(value instanceof Entries)) return null;
  return value.pairs.find(([own]) => own === name)?.[1] ?? null;
}
