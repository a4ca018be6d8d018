/** Avro schemas as their JSON says them, with the attributes that Iceberg adds. */

import { LakeError } from "../../core/base/errors.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";

export type AvroPrimitive =
  | "null"
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "bytes"
  | "string";

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

/** A value that writes its own encoding: for what is not worth an object for each of its parts. */
export type AvroWrite = (writer: ByteWriter) => void;

/** Types declared with a name so far; Avro lets later places say the name alone. */
export type AvroNames = Map<string, AvroSchema>;

const PRIMITIVES: ReadonlySet<string> = new Set([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);

export function isAvroPrimitive(name: string): name is AvroPrimitive {
  return PRIMITIVES.has(name);
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
