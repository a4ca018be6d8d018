/** Values in Avro, by a schema of a registry. Avro spec, "Binary Encoding"; Kafka Connect, `AvroData`. */

import type { SegmentSchema } from "../../../core/ingest/segment.ts";
import {
  type AvroNode,
  type AvroRecordNode,
  columnType,
  isNull,
  parseRegisteredSchema,
  recordOf,
} from "../avro/schema.ts";
import { type AvroReader, avroReader, Tap } from "../avro/values.ts";
import { EnvelopeFault, NO_TYPES, type Types } from "../envelope/change.ts";
import { Entries, type Exact } from "../lossless/exact-value.ts";
import { Unreadable } from "../unreadable.ts";
import type { Compiled, SchemaReader } from "./schema-reader.ts";

/** Throws Unreadable for a schema that is none. */
export function compileAvro(text: string, references: SegmentSchema["references"]): Compiled {
  const reader = readerOf(text, references);
  return (bytes) => ({ reader, bytes });
}

function readerOf(text: string, references: SegmentSchema["references"]): SchemaReader {
  const root = parseRegisteredSchema(
    text,
    references.map((reference) => reference.text),
  );
  const record = recordOf(root);
  const read = avroReader(root, record === root ? record.name : "value");
  const inner = new Map(record.fields.map(({ name, type }) => [name, fieldTypes(rowOf(type))]));
  const whole = (bytes: Buffer): Exact => readWhole(bytes, read);
  return {
    type: columnType(root),
    types: fieldTypes(record),
    typesOf: (field) => inner.get(field) ?? NO_TYPES,
    whole,
    fields: (bytes) => {
      const value = whole(bytes);
      return record === root && value instanceof Entries ? value : new Entries([["value", value]]);
    },
  };
}

function readWhole(bytes: Buffer, read: AvroReader): Exact {
  const tap = new Tap(bytes);
  try {
    const value = read(tap);
    if (tap.remaining > 0) throw new EnvelopeFault("bytes are left over behind the value");
    if (tap.badText === null) return value;
    throw new EnvelopeFault(`${tap.badText} holds bytes that are not UTF-8`, tap.badText);
  } catch (thrown) {
    if (thrown instanceof RangeError || thrown instanceof Unreadable) {
      throw new EnvelopeFault(`it is not as its schema says: ${thrown.message}`);
    }
    throw thrown;
  }
}

/** The record that a value is, where it is one or null. */
function rowOf(node: AvroNode): AvroRecordNode | null {
  if (node.kind === "record") return node;
  if (node.kind !== "union") return null;
  const [only, ...others] = node.branches.filter((branch) => !isNull(branch));
  return others.length === 0 && only?.kind === "record" ? only : null;
}

function fieldTypes(record: AvroRecordNode | null): Types {
  if (record === null) return NO_TYPES;
  return new Map(
    record.fields.map(({ name, type }) => [
      name,
      { type: columnType(type, [record]), read: () => null },
    ]),
  );
}
