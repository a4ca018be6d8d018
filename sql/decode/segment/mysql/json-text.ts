/** MySQL's binary JSON as the text that the server writes of it. Source: json_binary.h, json_dom.cc. */

import { uintAt } from "../../../../core/ingest/binlog-row.ts";

const TYPE = {
  smallObject: 0x00,
  largeObject: 0x01,
  smallArray: 0x02,
  largeArray: 0x03,
  literal: 0x04,
  int16: 0x05,
  uint16: 0x06,
  int32: 0x07,
  uint32: 0x08,
  int64: 0x09,
  uint64: 0x0a,
  double: 0x0b,
  text: 0x0c,
  opaque: 0x0f,
} as const;
const LITERALS = ["null", "true", "false"] as const;
const DEPTH_MAX = 100;

/** Throws RangeError where the bytes are none, and for values of SQL that JSON has no word for. */
export function jsonText(bytes: Buffer): string {
  // What is not a whole value is written as NULL by the server.
  if (bytes.length === 0) return "null";
  return valueText(bytes.readUInt8(0), bytes.subarray(1), 0);
}

function valueText(type: number, bytes: Buffer, depth: number): string {
  if (depth > DEPTH_MAX) throw new RangeError("a JSON value is too deep");
  switch (type) {
    case TYPE.smallObject:
    case TYPE.smallArray:
      return structureText(type === TYPE.smallObject, bytes, 2, depth);
    case TYPE.largeObject:
    case TYPE.largeArray:
      return structureText(type === TYPE.largeObject, bytes, 4, depth);
    case TYPE.literal:
      return LITERALS[bytes.readUInt8(0)] ?? "null";
    case TYPE.int16:
      return String(bytes.readInt16LE(0));
    case TYPE.uint16:
      return String(bytes.readUInt16LE(0));
    case TYPE.int32:
      return String(bytes.readInt32LE(0));
    case TYPE.uint32:
      return String(bytes.readUInt32LE(0));
    case TYPE.int64:
      return String(bytes.readBigInt64LE(0));
    case TYPE.uint64:
      return String(bytes.readBigUInt64LE(0));
    case TYPE.double:
      return doubleText(bytes.readDoubleLE(0));
    case TYPE.text: {
      const { start, length } = sizeAt(bytes);
      return quoted(bytes.toString("utf8", start, start + length));
    }
    default:
      throw new RangeError(`a JSON value of type ${type}`);
  }
}

/** Counts, then where keys are, then where values are, or small ones themselves. */
function structureText(isObject: boolean, bytes: Buffer, width: 2 | 4, depth: number): string {
  const count = uintAt(bytes, 0, width);
  const keyBytes = isObject ? width + 2 : 0;
  const valuesAt = 2 * width + count * keyBytes;
  const parts: string[] = [];
  for (let index = 0; index < count; index++) {
    const at = valuesAt + index * (1 + width);
    const type = bytes.readUInt8(at);
    const inner = isInline(type, width)
      ? bytes.subarray(at + 1)
      : bytes.subarray(uintAt(bytes, at + 1, width));
    const value = valueText(type, inner, depth + 1);
    if (!isObject) {
      parts.push(value);
      continue;
    }
    const key = 2 * width + index * keyBytes;
    const start = uintAt(bytes, key, width);
    const name = bytes.toString("utf8", start, start + uintAt(bytes, key + width, 2));
    parts.push(`${quoted(name)}: ${value}`);
  }
  return isObject ? `{${parts.join(", ")}}` : `[${parts.join(", ")}]`;
}

function isInline(type: number, width: 2 | 4): boolean {
  const isShort = type === TYPE.literal || type === TYPE.int16 || type === TYPE.uint16;
  return isShort || (width === 4 && (type === TYPE.int32 || type === TYPE.uint32));
}

/** A length of seven bits a byte. */
function sizeAt(bytes: Buffer): { readonly start: number; readonly length: number } {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = bytes.readUInt8(at);
    length += (byte & 127) * 128 ** at;
    if (byte < 128) return { start: at + 1, length };
  }
  throw new RangeError("a length without an end");
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

function doubleText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0` : String(value);
}
