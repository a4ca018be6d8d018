/** Decoders: a writer's Avro schema turned into one function that reads its values. */

import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import type { ByteReader } from "./bytes.ts";
import {
  type AvroField,
  type AvroNames,
  type AvroPrimitive,
  type AvroRecordSchema,
  type AvroSchema,
  type AvroValue,
  isAvroPrimitive,
} from "./schema.ts";

export type Decoder = (reader: ByteReader) => AvroValue;

/** The property a field is read into; null skips it. Iceberg binds by field id, whatever the name. */
export type FieldNaming = (field: AvroField) => string | null;

type Declared = Exclude<AvroSchema, string | readonly AvroSchema[]>;

/** Compiles a foreign schema. Throws `corrupt` or `unsupported` for what is not one. */
export function compileDecoder(
  schema: AvroSchema,
  naming: FieldNaming = (field) => field.name,
): Decoder {
  return new Compiler(naming).decoder(schema, 0);
}

/** Holds the names declared so far while a schema is compiled. */
class Compiler {
  readonly #naming: FieldNaming;
  readonly #names: AvroNames = new Map();

  constructor(naming: FieldNaming) {
    this.#naming = naming;
  }

  decoder(schema: AvroSchema, depth: number): Decoder {
    if (depth > TYPE_DEPTH_MAX) throw new LakeError("corrupt", "the Avro schema nests too deep");
    if (typeof schema === "string") {
      return isAvroPrimitive(schema)
        ? primitiveDecoder(schema)
        : this.decoder(this.#named(schema), depth + 1);
    }
    if (Array.isArray(schema)) {
      return unionDecoder(schema.map((branch) => this.decoder(branch, depth + 1)));
    }
    const declared = schema as Declared; // parse: neither a name nor a union
    switch (declared.type) {
      case "record":
        this.#names.set(declared.name, declared);
        return this.#record(declared, depth);
      case "array":
        return arrayDecoder(this.decoder(declared.items, depth + 1));
      case "map":
        return mapDecoder(this.decoder(declared.values, depth + 1));
      case "fixed":
        this.#names.set(declared.name, declared);
        return (reader) => reader.raw(declared.size);
      case "enum":
        this.#names.set(declared.name, declared);
        return (reader) => declared.symbols[reader.int()] ?? null;
      default:
        return this.#other(declared, depth);
    }
  }

  /** A primitive with attributes, or `{"type": <schema>}`, which Avro's Java library may write. */
  #other(declared: { readonly type: AvroSchema }, depth: number): Decoder {
    return this.decoder(declared.type, depth + 1);
  }

  #named(name: string): AvroSchema {
    const found = this.#names.get(name);
    if (found === undefined)
      throw new LakeError("corrupt", `the Avro type ${name} is not declared`);
    return found;
  }

  #record(schema: AvroRecordSchema, depth: number): Decoder {
    const names = schema.fields.map((field) => this.#naming(field));
    const decoders = schema.fields.map((field, index) =>
      names[index] === null
        ? this.skipper(field.type, depth + 1)
        : this.decoder(field.type, depth + 1),
    );
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

  /** Reads past a value; cheap for what has a length. */
  skipper(schema: AvroSchema, depth: number): Decoder {
    const decode = this.decoder(schema, depth);
    const plain = typeof schema === "object" && "type" in schema ? schema.type : schema;
    if (plain === "string" || plain === "bytes") return skipLength;
    if (plain === "int" || plain === "long") return skipVarint;
    return decode;
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
