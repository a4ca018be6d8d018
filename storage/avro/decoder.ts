/** Decoders: a writer's Avro schema turned into one function that reads its values. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import type { ByteReader } from "./bytes.ts";
import {
  type AvroField,
  type AvroNames,
  type AvroPrimitive,
  AvroRaw,
  type AvroRecordSchema,
  type AvroSchema,
  type AvroValue,
  isAvroPrimitive,
  isUnion,
} from "./schema.ts";

export type Decoder = (reader: ByteReader) => AvroValue;

/** What to do with a field of a foreign record; null skips it. Iceberg binds by field id, whatever the name. */
export type FieldBinding = (field: AvroField) => BoundField | null;

export interface BoundField {
  /** The property that it is read into. */
  readonly name: string;
  /** Left in its encoding, as AvroRaw: for what is mostly not looked at. */
  readonly raw: boolean;
}

/** Compiles a foreign schema. Throws `corrupt` or `unsupported` for what is not one. */
export function compileDecoder(
  schema: AvroSchema,
  binding: FieldBinding = (field) => ({ name: field.name, raw: false }),
): Decoder {
  return new Compiler(binding).decoder(schema, 0);
}

/** Holds the names declared so far while a schema is compiled. */
class Compiler {
  readonly #binding: FieldBinding;
  readonly #names: AvroNames = new Map();

  constructor(binding: FieldBinding) {
    this.#binding = binding;
  }

  decoder(schema: AvroSchema, depth: number): Decoder {
    if (depth > TYPE_DEPTH_MAX) throw new LakeError("corrupt", "the Avro schema nests too deep");
    if (typeof schema === "string") {
      return isAvroPrimitive(schema)
        ? primitiveDecoder(schema)
        : this.decoder(this.#named(schema), depth + 1);
    }
    if (isUnion(schema)) {
      return unionDecoder(schema.map((branch) => this.decoder(branch, depth + 1)));
    }
    switch (schema.type) {
      case "record":
        this.#names.set(schema.name, schema);
        return this.#record(schema, depth);
      case "array":
        return arrayDecoder(this.decoder(schema.items, depth + 1));
      case "map":
        return mapDecoder(this.decoder(schema.values, depth + 1));
      case "fixed":
        this.#names.set(schema.name, schema);
        return (reader) => reader.raw(schema.size);
      case "enum":
        this.#names.set(schema.name, schema);
        return (reader) => schema.symbols[reader.int()] ?? null;
      default:
        return this.#other(schema, depth);
    }
  }

  /** A primitive with attributes, or `{"type": <schema>}`, which Avro's Java library may write. */
  #other(schema: { readonly type: AvroSchema }, depth: number): Decoder {
    return this.decoder(schema.type, depth + 1);
  }

  #named(name: string): AvroSchema {
    const found = this.#names.get(name);
    if (found === undefined)
      throw new LakeError("corrupt", `the Avro type ${name} is not declared`);
    return found;
  }

  #record(schema: AvroRecordSchema, depth: number): Decoder {
    const bound = schema.fields.map((field) => this.#binding(field));
    const decoders = schema.fields.map((field, index) => {
      const decode = this.decoder(field.type, depth + 1);
      if (bound[index] !== null && bound[index]?.raw === false) return decode;
      const skip = this.#skipper(field.type, depth + 1);
      return bound[index] === null ? skip : rawDecoder(decode, skip);
    });
    const names = bound.map((field) => field?.name ?? null);
    return (reader) => {
      const record: Record<string, AvroValue> = {};
      for (let index = 0; index < decoders.length; index++) {
        const value = decoders[index]?.(reader) ?? null;
        const name = names[index];
        if (name !== null && name !== undefined) record[name] = value;
      }
      return record;
    };
  }

  /** Reads past a value without making it. The schema was compiled before: its names are known. */
  #skipper(schema: AvroSchema, depth: number): Decoder {
    if (depth > TYPE_DEPTH_MAX) throw new LakeError("corrupt", "the Avro schema nests too deep");
    if (typeof schema === "string") {
      return SKIPPERS.get(schema) ?? this.#skipper(this.#named(schema), depth + 1);
    }
    if (isUnion(schema)) {
      return unionDecoder(schema.map((branch) => this.#skipper(branch, depth + 1)));
    }
    switch (schema.type) {
      case "record": {
        const skips = schema.fields.map((field) => this.#skipper(field.type, depth + 1));
        return (reader) => {
          for (const skip of skips) skip(reader);
          return null;
        };
      }
      case "array":
        return arraySkipper(this.#skipper(schema.items, depth + 1));
      case "map": {
        const skip = this.#skipper(schema.values, depth + 1);
        return arraySkipper((reader) => {
          skipLength(reader);
          return skip(reader);
        });
      }
      case "fixed":
        return skipBytes(schema.size);
      case "enum":
        return skipVarint;
      default:
        return this.#skipper(schema.type, depth + 1);
    }
  }
}

function skipLength(reader: ByteReader): null {
  reader.skip(reader.size());
  return null;
}

function skipVarint(reader: ByteReader): null {
  reader.skipVarint();
  return null;
}

function skipBytes(size: number): Decoder {
  return (reader) => {
    reader.skip(size);
    return null;
  };
}

const SKIPPERS: ReadonlyMap<string, Decoder> = new Map([
  ["null", () => null],
  ["boolean", skipBytes(1)],
  ["int", skipVarint],
  ["long", skipVarint],
  ["float", skipBytes(4)],
  ["double", skipBytes(8)],
  ["bytes", skipLength],
  ["string", skipLength],
]);

function rawDecoder(decode: Decoder, skip: Decoder): Decoder {
  return (reader) => {
    const start = reader.position;
    skip(reader);
    return new AvroRaw(reader, start, reader.position, decode);
  };
}

function arraySkipper(skip: Decoder): Decoder {
  return (reader) => {
    for (let count = reader.size(); count !== 0; count = reader.size()) {
      if (count < 0) reader.skip(reader.size());
      else for (let index = 0; index < count; index++) skip(reader);
    }
    return null;
  };
}

function primitiveDecoder(name: AvroPrimitive): Decoder {
  switch (name) {
    case "null":
      return () => null;
    case "boolean":
      return (reader) => reader.byte() === 1;
    case "int":
      return (reader) => reader.int();
    case "long":
      return (reader) => reader.long();
    case "float":
      return (reader) => reader.float();
    case "double":
      return (reader) => reader.double();
    case "bytes":
      return (reader) => reader.bytes();
    case "string":
      return (reader) => reader.string();
    default:
      return unreachable(name);
  }
}

function unionDecoder(branches: readonly Decoder[]): Decoder {
  return (reader) => {
    const decode = branches[reader.int()];
    if (decode === undefined) throw new LakeError("corrupt", "an Avro union has no such branch");
    return decode(reader);
  };
}

function arrayDecoder(decode: Decoder): Decoder {
  return (reader) => {
    const items: AvroValue[] = [];
    for (let count = blockCount(reader); count > 0; count = blockCount(reader)) {
      for (let index = 0; index < count; index++) items.push(decode(reader));
    }
    return items;
  };
}

function mapDecoder(decode: Decoder): Decoder {
  return (reader) => {
    const map = new Map<string, AvroValue>();
    for (let count = blockCount(reader); count > 0; count = blockCount(reader)) {
      for (let index = 0; index < count; index++) map.set(reader.string(), decode(reader));
    }
    return map;
  };
}

/** Items in the next block; a negative count is followed by the block's bytes. Avro spec, "Arrays". */
function blockCount(reader: ByteReader): number {
  const count = reader.size();
  if (count < 0) reader.size();
  const items = Math.abs(count);
  if (items > reader.remaining) throw new LakeError("corrupt", "an Avro block ends too early");
  return items;
}
