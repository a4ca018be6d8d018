/** Single values in binary: bounds and partition summaries. Iceberg spec, Appendix D. */

import { Buffer } from "node:buffer";
import { AssertionError, assert, unreachable } from "../../core/base/assert.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import type { PartitionValue, PrimitiveName, Type } from "../../core/table/types.ts";

/** A value that is there; see PartitionValue for which JavaScript type stands for which Iceberg type. */
export type SingleValue = Exclude<PartitionValue, null>;

const MICROS_PER_DAY = 86_400_000_000n;

/** The bytes of a scalar value. Structs, lists and maps have none. */
export function encodeSingleValue(type: Type, value: SingleValue): Uint8Array {
  switch (type.kind) {
    case "primitive":
      return encodePrimitive(type.name, value);
    case "decimal":
      return encodeDecimal(bigintOf(value));
    case "fixed":
      return bytesOf(value);
    case "struct":
    case "list":
    case "map":
      throw new AssertionError("nested types have no single value");
    default:
      return unreachable(type);
  }
}

/**
 * The value of bytes that were written when the column had this type or one that promotes to it: a long may
 * have 4 bytes, a double 4, a timestamp 4 (a date). Null when the bytes are no such value: then nothing is known.
 */
export function decodeSingleValue(type: Type, bytes: Uint8Array): SingleValue | null {
  switch (type.kind) {
    case "primitive":
      return decodePrimitive(type.name, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    case "decimal":
      return bytes.length === 0 ? null : decodeDecimal(bytes);
    case "fixed":
      return bytes;
    case "struct":
    case "list":
    case "map":
      return null;
    default:
      return unreachable(type);
  }
}

/** Order of two values of one type: strings by code point, bytes unsigned, -0.0 before 0.0, NaN last. */
export function compareSingleValues(a: SingleValue, b: SingleValue): number {
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (typeof a === "number" && typeof b === "number") return compareNumbers(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Unscaled decimal as big-endian two's complement of the least number of bytes. */
export function encodeDecimal(unscaled: bigint): Uint8Array {
  let size = 1;
  while (BigInt.asIntN(size * 8, unscaled) !== unscaled) size++;
  return decimalBytes(unscaled, size);
}

/** Unscaled decimal as big-endian two's complement of exactly `size` bytes. */
export function decimalBytes(unscaled: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let rest = BigInt.asUintN(size * 8, unscaled);
  for (let index = size - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

/** Unscaled decimal of big-endian two's complement bytes. */
export function decodeDecimal(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, value);
}

/** Bytes a decimal of this precision takes at most, as Avro and Parquet `fixed` store it. */
export function decimalByteSize(precision: number): number {
  return encodeDecimal(10n ** BigInt(precision) - 1n).length;
}

function encodePrimitive(name: PrimitiveName, value: SingleValue): Uint8Array {
  switch (name) {
    case "boolean":
      return Uint8Array.of(value === true ? 1 : 0);
    case "int":
    case "date": {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(numberOf(value));
      return bytes;
    }
    case "long":
    case "time":
    case "timestamp":
    case "timestamptz": {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(bigintOf(value));
      return bytes;
    }
    case "float": {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(numberOf(value));
      return bytes;
    }
    case "double": {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleLE(numberOf(value));
      return bytes;
    }
    case "string":
      return Buffer.from(stringOf(value), "utf8");
    case "uuid":
    case "binary":
      return bytesOf(value);
    default:
      return unreachable(name);
  }
}

function decodePrimitive(name: PrimitiveName, bytes: Buffer): SingleValue | null {
  switch (name) {
    case "boolean":
      return bytes.length === 1 ? bytes[0] !== 0 : null;
    case "int":
    case "date":
      return bytes.length === 4 ? bytes.readInt32LE() : null;
    case "long":
      if (bytes.length === 4) return BigInt(bytes.readInt32LE());
      return bytes.length === 8 ? bytes.readBigInt64LE() : null;
    case "timestamp":
    case "timestamptz":
      if (bytes.length === 4) return BigInt(bytes.readInt32LE()) * MICROS_PER_DAY;
      return bytes.length === 8 ? bytes.readBigInt64LE() : null;
    case "time":
      return bytes.length === 8 ? bytes.readBigInt64LE() : null;
    case "float":
      return bytes.length === 4 ? bytes.readFloatLE() : null;
    case "double":
      if (bytes.length === 4) return bytes.readFloatLE();
      return bytes.length === 8 ? bytes.readDoubleLE() : null;
    case "string":
      return bytes.toString("utf8");
    case "uuid":
      return bytes.length === 16 ? new Uint8Array(bytes) : null;
    case "binary":
      return new Uint8Array(bytes);
    default:
      return unreachable(name);
  }
}

function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  if (a === 0 && b === 0) return Number(Object.is(b, -0)) - Number(Object.is(a, -0));
  return a - b;
}

function numberOf(value: SingleValue): number {
  assert(typeof value === "number", "a number stands for int, date, float and double");
  return value;
}

function bigintOf(value: SingleValue): bigint {
  assert(typeof value === "bigint", "a bigint stands for long, time, timestamp and decimal");
  return value;
}

function stringOf(value: SingleValue): string {
  assert(typeof value === "string", "a string stands for string");
  return value;
}

function bytesOf(value: SingleValue): Uint8Array {
  assert(value instanceof Uint8Array, "bytes stand for uuid, fixed and binary");
  return value;
}
