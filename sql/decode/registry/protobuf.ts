/** Values in Protobuf, by a schema of a registry. Protobuf, "Encoding"; Confluent, "Wire format". */

import type { SegmentSchema } from "../../../core/ingest/segment.ts";
import { EnvelopeFault, NO_TYPES, type Types } from "../envelope/change.ts";
import { Entries } from "../lossless/exact-value.ts";
import { fieldType, type ProtoMessage, parseProto, protoType } from "./proto-schema.ts";
import { ProtoTap, type ProtoValue, protoMessage } from "./proto-values.ts";
import type { Compiled, SchemaReader } from "./schema-reader.ts";

/** Messages inside each other that one may be named by. */
const PATH_MAX = 100;

/** Throws Unreadable for a schema that is none. */
export function compileProtobuf(text: string, references: SegmentSchema["references"]): Compiled {
  const file = parseProto(text, references);
  const readers = new Map<string, SchemaReader>();
  return (bytes) => {
    const tap = new ProtoTap(bytes);
    const path = within(() => pathAt(tap));
    const name = path.join(".");
    let reader = readers.get(name);
    if (reader === undefined) {
      const message = file.message(path);
      if (message === null) throw new EnvelopeFault(`its schema has no message at ${name}`);
      reader = readerOf(message);
      readers.set(name, reader);
    }
    return { reader, bytes: bytes.subarray(tap.at) };
  };
}

/** Which message it is: how many places, then those of messages in each other; none is the first. */
function pathAt(tap: ProtoTap): readonly number[] {
  const count = tap.zigzag();
  if (count === 0n) return [0];
  if (count < 0n || count > PATH_MAX) throw new RangeError(`${count} places of messages`);
  return Array.from({ length: Number(count) }, () => Number(tap.zigzag()));
}

function readerOf(message: ProtoMessage): SchemaReader {
  const read = protoMessage(message);
  const whole = (bytes: Buffer): ProtoValue => within(() => readWhole(bytes, read));
  const inner = new Map(message.fields.map((field) => [field.name, typesOf(field.node)]));
  return {
    type: protoType(message),
    types: typesOf(message),
    typesOf: (field) => inner.get(field) ?? NO_TYPES,
    whole,
    fields: (bytes) => {
      const value = whole(bytes);
      return value instanceof Entries ? value : new Entries([["value", value]]);
    },
  };
}

function readWhole(bytes: Buffer, read: (tap: ProtoTap) => ProtoValue): ProtoValue {
  const tap = new ProtoTap(bytes);
  const value = read(tap);
  if (tap.badText === null) return value;
  throw new EnvelopeFault(`${tap.badText} holds bytes that are not UTF-8`, tap.badText);
}

/** None for a message that stands for something else as a whole. */
function typesOf(node: ProtoMessage["fields"][number]["node"]): Types {
  if (node.kind !== "message") return NO_TYPES;
  return new Map(
    node.fields.map((field) => [field.name, { type: fieldType(field, [node]), read: () => null }]),
  );
}

function within<T>(action: () => T): T {
  try {
    return action();
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    throw new EnvelopeFault(`it is not as its schema says: ${thrown.message}`);
  }
}
