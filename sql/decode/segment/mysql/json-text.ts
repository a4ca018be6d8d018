/** MySQL's binary JSON as the text that the server writes of it. Source: json_binary.h, json_dom.cc. */

import { BINLOG_TYPE, uintAt } from "../../../../core/ingest/binlog-row.ts";
import { exactText } from "../../lossless/exact-value.ts";
import { dayWords, decimalAt, two } from "./packed.ts";

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

/** Throws RangeError where the bytes are none. */
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
    case TYPE.opaque: {
      const { start, length } = sizeAt(bytes.subarray(1));
      return opaqueText(bytes.readUInt8(0), bytes.subarray(1 + start, 1 + start + length));
    }
    default:
      throw new RangeError(`a JSON value of type ${type}`);
  }
}

/** A value of SQL that JSON has no word for. */
function opaqueText(type: number, bytes: Buffer): string {
  switch (type) {
    case BINLOG_TYPE.newdecimal:
      return exactText(decimalAt(bytes, 2, bytes.readUInt8(0), bytes.readUInt8(1))) ?? "null";
    case BINLOG_TYPE.date:
      return `"${instantText(bytes.readBigInt64LE(0)).slice(0, DAY_CHARS)}"`;
    case BINLOG_TYPE.datetime:
    case BINLOG_TYPE.timestamp:
      return `"${instantText(bytes.readBigInt64LE(0))}"`;
    case BINLOG_TYPE.time:
      return `"${timeText(bytes.readBigInt64LE(0))}"`;
    default:
      return `"base64:type${type}:${bytes.toString("base64")}"`;
  }
}

const DAY_CHARS = "2024-02-29".length;
const MICROS_BITS = 24n;
const CLOCK_BITS = 17;

/** my_time.cc, "TIME_from_longlong_datetime_packed". */
function instantText(packed: bigint): string {
  const whole = Number(packed >> MICROS_BITS);
  const days = Math.floor(whole / 2 ** CLOCK_BITS);
  const months = Math.floor(days / 32);
  const day = dayWords(Math.floor(months / 13), months % 13, days % 32);
  return `${day} ${clockText(whole % 2 ** CLOCK_BITS, packed)}`;
}

function timeText(packed: bigint): string {
  const size = packed < 0n ? -packed : packed;
  return `${packed < 0n ? "-" : ""}${clockText(Number(size >> MICROS_BITS), size)}`;
}

function clockText(clock: number, packed: bigint): string {
  const micros = String(BigInt.asUintN(Number(MICROS_BITS), packed)).padStart(6, "0");
  return `${two(clock >> 12)}:${two((clock >> 6) % 64)}:${two(clock % 64)}.${micros}`;
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

/** Places before or behind the point up to which a number is written without a power of ten. dtoa.cc, "my_gcvt". */
const PLAIN_PLACES = { before: 15, behind: -14 } as const;

function doubleText(value: number): string {
  const [digits = "0", power = "0"] = value.toExponential().split("e");
  const point = Number(power) + 1;
  if (point > PLAIN_PLACES.before || point < PLAIN_PLACES.behind) {
    return `${digits}e${Number(power)}`;
  }
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const all = digits.replace(/[-.]/g, "");
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${all}`;
  const whole = all.slice(0, point).padEnd(point, "0");
  return `${sign}${whole}.${all.slice(point) || "0"}`;
}
