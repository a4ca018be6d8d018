/** Encoders: an Avro schema turned into one function that writes its values. */

import { assert, must, unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { ByteWriter } from "./bytes.ts";
import {
  type AvroNames,
  type AvroPrimitive,
  type AvroRecord,
  type AvroRecordSchema,
  type AvroSchema,
  type AvroValue,
  isAvroPrimitive,
  isUnion,
} from "./schema.ts";

export type Encoder = (writer: ByteWriter, value: AvroValue) => void;

/** Compiles a schema of ours. Unions are `["null", T]` only: Iceberg writes no other. */
export function compileEncoder(schema: AvroSchema, names: AvroNames = new Map()): Encoder {
  if (typeof schema === "string") {
    return isAvroPrimitive(schema)
      ? primitiveEncoder(schema)
      : compileEncoder(must(names.get(schema), `Avro type ${schema} is schema`), names);
  }
  if (isUnion(schema)) return optionEncoder(schema, names);
  switch (schema.type) {
    case "record":
      names.set(schema.name, schema);
      return recordEncoder(schema, names);
    case "array":
      return arrayEncoder(compileEncoder(schema.items, names));
    case "fixed":
      names.set(schema.name, schema);
      return fixedEncoder(schema.size);
    case "map":
    case "enum":
      throw new LakeError("internal", `Iceberg metadata has no Avro ${schema.type}`);
    default:
      return primitiveEncoder(schema.type);
  }
}

function primitiveEncoder(name: AvroPrimitive): Encoder {
  switch (name) {
    case "null":
      return () => {};
    case "boolean":
      return (writer, value) => writer.byte(value === true ? 1 : 0);
    case "int":
      return (writer, value) => writer.int(asNumber(value));
    case "long":
      return (writer, value) => {
        if (typeof value === "number") writer.int(value);
        else writer.long(asBigint(value));
      };
    case "float":
      return (writer, value) => writer.float(asNumber(value));
    case "double":
      return (writer, value) => writer.double(asNumber(value));
    case "bytes":
      return (writer, value) => writer.bytes(asBytes(value));
    case "string":
      return (writer, value) => writer.string(asString(value));
    default:
      return unreachable(name);
  }
}

function optionEncoder(branches: readonly AvroSchema[], names: AvroNames): Encoder {
  const [first, second] = branches;
  assert(branches.length === 2 && first === "null", 'unions of ours are ["null", T]');
  const encode = compileEncoder(must(second, "a second branch"), names);
  return (writer, value) => {
    if (value === null || value === undefined) {
      writer.byte(0);
      return;
    }
    writer.byte(2);
    encode(writer, value);
  };
}

function recordEncoder(schema: AvroRecordSchema, names: AvroNames): Encoder {
  const fieldNames = schema.fields.map((field) => field.name);
  const encoders = schema.fields.map((field) => compileEncoder(field.type, names));
  return (writer, value) => {
    const record = value as AvroRecord; // parse: the writers build records for record schemas
    for (let index = 0; index < encoders.length; index++) {
      const name = fieldNames[index] ?? "";
      const field = record[name] ?? null;
      if (typeof field === "function") field(writer);
      else encoders[index]?.(writer, field);
    }
  };
}

function arrayEncoder(encode: Encoder): Encoder {
  return (writer, value) => {
    const items = value as readonly AvroValue[]; // parse: the writers build arrays for array schemas
    if (items.length > 0) {
      writer.int(items.length);
      for (const item of items) encode(writer, item);
    }
    writer.byte(0);
  };
}

function fixedEncoder(size: number): Encoder {
  return (writer, value) => {
    const bytes = asBytes(value);
    assert(bytes.length === size, `a fixed of ${size} bytes`);
    writer.raw(bytes);
  };
}

function asNumber(value: AvroValue): number {
  assert(typeof value === "number", "a number for an Avro int, float or double");
  return value;
}

function asBigint(value: AvroValue): bigint {
  assert(typeof value === "bigint", "a bigint for an Avro long");
  return value;
}

function asString(value: AvroValue): string {
  assert(typeof value === "string", "a string for an Avro string");
  return value;
}

function asBytes(value: AvroValue): Uint8Array {
  assert(value instanceof Uint8Array, "bytes for Avro bytes or fixed");
  return value;
}
