/** Avro values made by somebody else's writer, with whole numbers of 64 bits as they are. */

import { createRequire } from "node:module";

const avro = createRequire(import.meta.url)("avsc") as typeof import("avsc"); // parse: its types are its own

/** A value by its schema; branches of unions are wrapped in their names: `{ long: 1n }`. */
export function avroBytes(schema: object | string, value: unknown): Buffer {
  const options = { typeHook: longs, wrapUnions: true };
  const type = avro.Type.forSchema(schema as never, options); // parse: any schema
  return type.toBuffer(value);
}

const LONG = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(0),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === "bigint",
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
});

function longs(schema: unknown) {
  const type = typeof schema === "object" && schema !== null && "type" in schema ? schema.type : "";
  return schema === "long" || type === "long" ? LONG : undefined;
}
