/**
 * Avro schemas as their JSON says them, with the attributes that Iceberg adds; each is turned into one function that
 * reads its values, and one that writes them.
 */

import { assert, must, unreachable } from "../../core/base/assert.ts";
import { type AvroPrimitive, isAvroPrimitive } from "../../core/base/avro.ts";
import { LakeError } from "../../core/base/errors.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly doc?: string;
  readonly default?: null;
  readonly "field-id"?: number;
  readonly "iceberg-field-name"?: string;
}

export interface AvroRecordSchema {
  readonly type: "record";
  readonly name: string;
  readonly fields: readonly AvroField[];
}

export interface AvroArraySchema {
  readonly type: "array";
  readonly items: AvroSchema;
  readonly logicalType?: string;
  readonly "element-id"?: number;
}

export interface AvroMapSchema {
  readonly type: "map";
  readonly values: AvroSchema;
  readonly "key-id"?: number;
  readonly "value-id"?: number;
}

export interface AvroFixedSchema {
  readonly type: "fixed";
  readonly name: string;
  readonly size: number;
  readonly logicalType?: string;
  readonly precision?: number;
  readonly scale?: number;
}

export interface AvroEnumSchema {
  readonly type: "enum";
  readonly name: string;
  readonly symbols: readonly string[];
}

export interface AvroLogicalSchema {
  readonly type: AvroPrimitive;
  readonly logicalType?: string;
  readonly "adjust-to-utc"?: boolean;
}

/** Avro 1.12 spec, "Schema Declaration". A bare string is a primitive or a name declared before. */
export type AvroSchema =
  | string
  | readonly AvroSchema[]
  | AvroRecordSchema
  | AvroArraySchema
  | AvroMapSchema
  | AvroFixedSchema
  | AvroEnumSchema
  | AvroLogicalSchema;

/** `long` is bigint, `int` number, bytes and fixed are bytes, an enum is its symbol, a union its bare value. */
export type AvroValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroValue[]
  | ReadonlyMap<string, AvroValue>
  | AvroRaw
  | AvroWrite
  | AvroRecord;

export interface AvroRecord {
  readonly [field: string]: AvroValue;
}

/** A value that writes its own encoding: for what is not worth an object for each of its parts. */
export type AvroWrite = (writer: ByteWriter) => void;

/** Types declared with a name so far; Avro lets later places say the name alone. */
export type AvroNames = Map<string, AvroSchema>;

export type Decoder = (reader: ByteReader) => AvroValue;

/** What to do with a field of a foreign record; null skips it. Iceberg binds by field id, whatever the name. */
export type FieldBinding = (field: AvroField) => BoundField | null;

export interface BoundField {
  /** The property that it is read into. */
  readonly name: string;
  /** Left in its encoding, as AvroRaw: for what is mostly not looked at. */
  readonly raw: boolean;
}

export type Encoder = (writer: ByteWriter, value: AvroValue) => void;

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

/** A value left in its encoding: read when it is asked for, and written again as it is. */
export class AvroRaw {
  readonly #reader: ByteReader;
  readonly #start: number;
  readonly #end: number;
  readonly #decode: (reader: ByteReader) => AvroValue;

  constructor(
    reader: ByteReader,
    start: number,
    end: number,
    decode: (reader: ByteReader) => AvroValue,
  ) {
    this.#reader = reader;
    this.#start = start;
    this.#end = end;
    this.#decode = decode;
  }

  decode(): AvroValue {
    return this.#decode(this.#reader.range(this.#start, this.#end));
  }

  writeTo(writer: ByteWriter): void {
    writer.copy(this.#reader, this.#start, this.#end);
  }
}

export function isUnion(schema: AvroSchema): schema is readonly AvroSchema[] {
  return Array.isArray(schema);
}

/** The schema in an Avro header. Throws `corrupt` when it is not JSON; its parts are checked where used. */
export function parseAvroSchema(text: string): AvroSchema {
  try {
    return JSON.parse(text) as AvroSchema; // parse: the coders refuse what is not a schema, part by part
  } catch (cause) {
    throw new LakeError("corrupt", "the schema in the Avro header is not JSON", { cause });
  }
}

/** Compiles a foreign schema. Throws `corrupt` or `unsupported` for what is not one. */
export function compileDecoder(
  schema: AvroSchema,
  binding: FieldBinding = (field) => ({ name: field.name, raw: false }),
): Decoder {
  return new Compiler(binding).decoder(schema, 0);
}

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
