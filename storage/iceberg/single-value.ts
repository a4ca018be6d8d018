/**
 * Single values: in bytes (bounds, partition summaries), in JSON and as text that people read, with the proleptic
 * Gregorian calendar that this takes, exact before 1970 and far from it. Iceberg spec, Appendix D.
 */

import { Buffer } from "node:buffer";
import { AssertionError, assert, unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import { compareCodePoints } from "../../core/base/order.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type { PartitionValue, PrimitiveName, Type } from "../../core/table/types.ts";

/** A value that is there; see PartitionValue for which JavaScript type stands for which Iceberg type. */
export type SingleValue = Exclude<PartitionValue, null>;

export interface CivilDate {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  /** From 1. */
  readonly day: number;
}

const DATE = /^([+-]?\d{4,})-(\d\d)-(\d\d)$/;
const TIME = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;

export const MICROS_PER_HOUR = 3_600_000_000n;
export const MICROS_PER_DAY = 86_400_000_000n;

const DAYS_PER_ERA = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH_SHIFT = 719_468;

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

/** A scalar value as JSON. */
export function singleValueToJson(type: Type, value: SingleValue): Json {
  switch (type.kind) {
    case "primitive":
      return primitiveToJson(type.name, value);
    case "decimal":
      assert(typeof value === "bigint", "a bigint stands for decimal");
      return decimalText(value, type.scale);
    case "fixed":
      assert(value instanceof Uint8Array, "bytes stand for fixed");
      return Buffer.from(value).toString("hex");
    case "struct":
    case "list":
    case "map":
      throw new AssertionError("nested types have no scalar value");
    default:
      return unreachable(type);
  }
}

/** The scalar value that JSON says. Throws `input` when it is none of the type. */
export function singleValueFromJson(type: Type, json: Json): SingleValue {
  const value =
    type.kind === "primitive"
      ? primitiveFromJson(type.name, json)
      : type.kind === "decimal" && typeof json === "string"
        ? parseDecimal(json, type.scale)
        : type.kind === "fixed" && typeof json === "string"
          ? parseHex(json, type.length)
          : null;
  if (value === null) {
    throw new LakeError("input", `${JSON.stringify(String(json))} is not a ${typeToText(type)}`, {
      hint: "write the value as in Iceberg's JSON: 2017-11-16, 22:31:08, 14.20, hexadecimal bytes",
    });
  }
  return value;
}

/** An unscaled decimal with its point: `-14.20`. */
export function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const sign = unscaled < 0n ? "-" : "";
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-scale)}`;
}

/** A uuid's sixteen bytes in the usual form. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The date of a day number; day 0 is 1970-01-01. Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
export function civilDate(days: number): CivilDate {
  const shifted = days + EPOCH_SHIFT;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** The day number of a date. */
export function dayNumber(date: CivilDate): number {
  const year = date.month <= 2 ? date.year - 1 : date.year;
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const shiftedMonth = date.month > 2 ? date.month - 3 : date.month + 9;
  const dayOfYear = Math.floor((153 * shiftedMonth + 2) / 5) + date.day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - EPOCH_SHIFT;
}

/** Division that rounds towards minus infinity. */
export function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value % divisor !== 0n && value < 0n !== divisor < 0n ? quotient - 1n : quotient;
}

/** `2017-11-16`; years outside 0000–9999 carry their sign, as in ISO 8601. */
export function dateText(days: number): string {
  const { year, month, day } = civilDate(days);
  return `${yearText(year)}-${two(month)}-${two(day)}`;
}

/** `22:31:08.000001` of microseconds of a day; no fraction when it is zero. */
export function timeText(micros: bigint): string {
  const seconds = Number(micros / 1_000_000n);
  const fraction = String(micros % 1_000_000n).padStart(6, "0");
  const text = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two);
  return text.join(":") + (fraction === "000000" ? "" : `.${fraction}`);
}

/** `2017-11-16T22:31:08.000001` of microseconds since 1970. */
export function timestampText(micros: bigint): string {
  const days = floorDivide(micros, MICROS_PER_DAY);
  return `${dateText(Number(days))}T${timeText(micros - days * MICROS_PER_DAY)}`;
}

/** At least four digits of a year. */
export function yearText(year: number): string {
  const digits = String(Math.abs(year)).padStart(4, "0");
  return year < 0 ? `-${digits}` : year > 9999 ? `+${digits}` : digits;
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

function primitiveToJson(name: PrimitiveName, value: SingleValue): Json {
  switch (name) {
    case "boolean":
    case "int":
    case "long":
    case "float":
    case "double":
    case "string":
      return value instanceof Uint8Array ? null : value;
    case "date":
      return dateText(Number(value));
    case "time":
      return timeText(micros(value));
    case "timestamp":
      return timestampText(micros(value));
    case "timestamptz":
      return `${timestampText(micros(value))}+00:00`;
    case "uuid":
    case "binary": {
      assert(value instanceof Uint8Array, "bytes stand for uuid and binary");
      return name === "uuid" ? uuidText(value) : Buffer.from(value).toString("hex");
    }
    default:
      return unreachable(name);
  }
}

function primitiveFromJson(name: PrimitiveName, json: Json): SingleValue | null {
  switch (name) {
    case "boolean":
      return typeof json === "boolean" ? json : null;
    case "int":
      return typeof json === "number" && Number.isInteger(json) && json === (json | 0)
        ? json
        : null;
    case "long":
      if (typeof json === "bigint") return BigInt.asIntN(64, json) === json ? json : null;
      return typeof json === "number" && Number.isSafeInteger(json) ? BigInt(json) : null;
    case "float":
    case "double":
      return typeof json === "number" ? json : null;
    case "string":
      return typeof json === "string" ? json : null;
    default:
      return typeof json === "string" ? textValue(name, json) : null;
  }
}

function textValue(name: PrimitiveName, text: string): SingleValue | null {
  switch (name) {
    case "date":
      return parseDate(text);
    case "time":
      return parseTime(text);
    case "timestamp":
      return parseTimestamp(text);
    case "timestamptz":
      return text.endsWith("+00:00") ? parseTimestamp(text.slice(0, -"+00:00".length)) : null;
    case "uuid":
      return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
        ? parseHex(text.replaceAll("-", ""), 16)
        : null;
    case "binary":
      return parseHex(text, null);
    default:
      return null;
  }
}

function parseDate(text: string): number | null {
  const parts = DATE.exec(text);
  if (parts === null) return null;
  const days = dayNumber({
    year: Number(parts[1]),
    month: Number(parts[2]),
    day: Number(parts[3]),
  });
  return dateText(days) === text ? days : null;
}

function parseTime(text: string): bigint | null {
  const parts = TIME.exec(text);
  if (parts === null) return null;
  const [hour, minute, second] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  if (hour > 23 || minute > 59 || second > 59) return null;
  const fraction = BigInt((parts[4] ?? "").padEnd(6, "0"));
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + fraction;
}

function parseTimestamp(text: string): bigint | null {
  const [date, time, ...rest] = text.split("T");
  const days = parseDate(date ?? "");
  const ofDay = parseTime(time ?? "");
  return days === null || ofDay === null || rest.length > 0
    ? null
    : BigInt(days) * MICROS_PER_DAY + ofDay;
}

function parseDecimal(text: string, scale: number): bigint | null {
  const parts = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
  if (parts === null || (parts[2] ?? "").length !== scale) return null;
  return BigInt(`${parts[1]}${parts[2] ?? ""}`);
}

function parseHex(text: string, length: number | null): Uint8Array | null {
  if (!/^([0-9a-f]{2})*$/i.test(text)) return null;
  const bytes = new Uint8Array(Buffer.from(text, "hex"));
  return length === null || bytes.length === length ? bytes : null;
}

function micros(value: SingleValue): bigint {
  assert(typeof value === "bigint", "a bigint stands for time and timestamps");
  return value;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
