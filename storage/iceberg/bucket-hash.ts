/** The hash of bucket partitioning: Murmur3, 32 bit, x86 variant. Iceberg spec, Appendix B. */

import { Buffer } from "node:buffer";
import { AssertionError, assert, unreachable } from "../../core/base/assert.ts";
import type { Type } from "../../core/table/types.ts";
import { encodeDecimal, type SingleValue } from "./single-value.ts";

const C1 = 0xcc9e2d51;
const C2 = 0x1b873593;

/** Hash of a value as a signed 32-bit number. Types that cannot be bucketed are an assertion. */
export function bucketHash(type: Type, value: SingleValue): number {
  return murmur3(hashedBytes(type, value));
}

/** Murmur3 x86 32 with seed 0, as a signed 32-bit number. */
export function murmur3(bytes: Uint8Array): number {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks = bytes.length >> 2;
  let hash = 0;
  for (let block = 0; block < blocks; block++) {
    hash ^= scramble(data.getInt32(block * 4, true));
    hash = Math.imul(rotate(hash, 13), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let index = bytes.length - 1; index >= blocks * 4; index--) {
    tail = (tail << 8) | (bytes[index] ?? 0);
  }
  if (bytes.length % 4 !== 0) hash ^= scramble(tail);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** True for types whose values have a bucket hash. */
export function canBucket(type: Type): boolean {
  if (type.kind === "decimal" || type.kind === "fixed") return true;
  return (
    type.kind === "primitive" &&
    type.name !== "boolean" &&
    type.name !== "float" &&
    type.name !== "double"
  );
}

/** An int hashes as the long of its value, so that promotion keeps buckets. */
function hashedBytes(type: Type, value: SingleValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return Buffer.from(value, "utf8");
  if (type.kind === "decimal") {
    assert(typeof value === "bigint", "a bigint stands for decimal");
    return encodeDecimal(value);
  }
  switch (typeof value) {
    case "number":
    case "bigint": {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes;
    }
    case "boolean":
      throw new AssertionError("booleans are not bucketed");
    default:
      return unreachable(value);
  }
}

function scramble(block: number): number {
  return Math.imul(rotate(Math.imul(block, C1), 15), C2);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
