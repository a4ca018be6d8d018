/**
 * Values from the bytes that were received into columns, without an object for any of them. Each of these reads what is
 * usual; what it does not know for sure it leaves to whoever looks at every row.
 */

import type { WireType } from "../../../../core/ingest/wire-type.ts";
import type { Type } from "../../../../core/table/types.ts";
import { dayNumber, decimalOf } from "../../lossless/exact-value.ts";
import type { PartColumn } from "../../made/column-part.ts";
import { FIXED_BYTES, LONG_DIGITS } from "../../made/part-schema.ts";
import type { CellWriter, CellWriters } from "../cell.ts";
import { writeText } from "../text-writer.ts";
import { EPOCH_DAYS } from "./binary-text.ts";
import { baseOf, OID } from "./oids.ts";

/** The writers of a column; null for one whose rows are all to be looked at. */
export function cellWriters(wire: WireType, type: Type): CellWriters | null {
  const base = baseOf(wire);
  if (type.kind === "decimal") return base.oid === OID.numeric ? decimals(type) : null;
  if (type.kind !== "primitive") return null;
  if (type.name === "string") return isPlainText(base) ? TEXTS : null;
  const found = base.kind === "base" ? WRITERS.get(base.oid) : undefined;
  return found?.type === type.name ? found : null;
}

const EPOCH_MICROS = EPOCH_DAYS * 86_400_000_000;
const INT_MAX = 2 ** 31 - 1;
const INT_MIN = -(2 ** 31);
/** Digits of any integer that a number holds exactly. */
const SAFE_DIGITS = 15;
const ZERO = 48;
const MINUS = 45;
const POINT = 46;

function never(): boolean {
  return false;
}

const TEXTS: CellWriters = { text: writeText, binary: never };

/** A truth value and an interval are written otherwise than they are sent. */
function isPlainText({ kind, oid }: WireType): boolean {
  return kind !== "base" || (oid !== OID.bool && oid !== OID.interval);
}

interface Written extends CellWriters {
  readonly type: string;
}

const WRITERS: ReadonlyMap<number, Written> = new Map([
  [
    OID.bool,
    {
      type: "boolean",
      text: (bytes, start, end, to) => end - start === 1 && writeBoolean(bytes[start] === 116, to),
      binary: (bytes, start, end, to) => end - start === 1 && writeBoolean(bytes[start] !== 0, to),
    },
  ],
  [
    OID.int2,
    {
      type: "int",
      text: writeIntText,
      binary: (bytes, start, end, to) =>
        end - start === 2 && writeInt(bytes.readInt16BE(start), to),
    },
  ],
  [OID.int4, { type: "int", text: writeIntText, binary: writeIntBinary }],
  [
    OID.int8,
    {
      type: "long",
      text: writeLongText,
      binary: (bytes, start, end, to) => {
        if (end - start !== 8) return false;
        to.halves(bytes.readInt32BE(start + 4), bytes.readInt32BE(start));
        return true;
      },
    },
  ],
  [OID.oid, { type: "long", text: writeLongText, binary: never }],
  [
    OID.float4,
    {
      type: "float",
      text: (bytes, start, end, to) => writeFloat(floatOf(bytes, start, end), to),
      binary: (bytes, start, end, to) =>
        end - start === 4 && writeFloat(bytes.readFloatBE(start), to),
    },
  ],
  [
    OID.float8,
    {
      type: "double",
      text: (bytes, start, end, to) => writeDouble(floatOf(bytes, start, end), to),
      binary: (bytes, start, end, to) =>
        end - start === 8 && writeDouble(bytes.readDoubleBE(start), to),
    },
  ],
  [OID.date, { type: "date", text: writeDateText, binary: writeDateBinary }],
  [
    OID.timestamp,
    {
      type: "timestamp",
      text: (bytes, start, end, to) => writeInstantText(bytes, start, end, to, false),
      binary: writeInstantBinary,
    },
  ],
  [
    OID.timestamptz,
    {
      type: "timestamptz",
      text: (bytes, start, end, to) => writeInstantText(bytes, start, end, to, true),
      binary: writeInstantBinary,
    },
  ],
  [OID.time, { type: "time", text: writeTimeText, binary: never }],
  [OID.uuid, { type: "uuid", text: writeUuidText, binary: writeUuidBinary }],
  [
    OID.bytea,
    {
      type: "binary",
      text: writeHexText,
      binary: (bytes, start, end, to) => {
        to.copy(bytes, start, end);
        return true;
      },
    },
  ],
] satisfies [number, Written][]);

function writeBoolean(value: boolean, to: PartColumn): boolean {
  to.boolean(value);
  return true;
}

function writeInt(value: number, to: PartColumn): boolean {
  to.int(value);
  return true;
}

function writeIntBinary(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  return end - start === 4 && writeInt(bytes.readInt32BE(start), to);
}

/** NaN for what is no whole number of at most 15 digits. */
function wholeOf(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  const from = isNegative ? start + 1 : start;
  if (end === from || end - from > SAFE_DIGITS) return Number.NaN;
  let value = 0;
  for (let at = from; at < end; at++) {
    const digit = (bytes[at] ?? 0) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

function writeIntText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  const value = wholeOf(bytes, start, end);
  if (!(value >= INT_MIN && value <= INT_MAX)) return false;
  to.int(value);
  return true;
}

function writeLongText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  const value = wholeOf(bytes, start, end);
  if (!Number.isNaN(value)) {
    to.long(value);
    return true;
  }
  const text = bytes.toString("latin1", start, end);
  if (!/^-?\d{16,19}$/.test(text)) return false;
  const whole = BigInt(text);
  if (BigInt.asIntN(64, whole) !== whole) return false;
  to.bigint(whole);
  return true;
}

/** Undefined for what is none. */
function floatOf(bytes: Buffer, start: number, end: number): number | undefined {
  const text = bytes.toString("latin1", start, end);
  const value = Number(text);
  if (!Number.isNaN(value) && text !== "" && !/[^\d.e+-]/.test(text)) return value;
  return /^(?:NaN|-?Infinity)$/.test(text) ? value : undefined;
}

function writeFloat(value: number | undefined, to: PartColumn): boolean {
  if (value === undefined) return false;
  to.float(value);
  return true;
}

function writeDouble(value: number | undefined, to: PartColumn): boolean {
  if (value === undefined) return false;
  to.double(value);
  return true;
}

/** Digits around a point; those that a number does not hold are read as a text. */
function decimals(type: Type & { readonly kind: "decimal" }): CellWriters {
  const { precision, scale } = type;
  const limit = 10 ** Math.min(precision, SAFE_DIGITS);
  const isLong = precision <= LONG_DIGITS;
  const text: CellWriter = (bytes, start, end, to) => {
    const value = unscaledOf(bytes, start, end, scale);
    if (!(Math.abs(value) < limit)) return writeLongDecimal(bytes, start, end, to, type);
    if (isLong) to.long(value);
    else writeFixed(BigInt(value), to);
    return true;
  };
  return { text, binary: never };
}

/** NaN where it is none, or where a number may not hold its digits. */
function unscaledOf(bytes: Buffer, start: number, end: number, scale: number): number {
  const isNegative = bytes[start] === MINUS;
  const from = isNegative ? start + 1 : start;
  if (end === from || end - from > SAFE_DIGITS + 1) return Number.NaN;
  let value = 0;
  let places = -1;
  for (let at = from; at < end; at++) {
    const byte = bytes[at] ?? 0;
    const digit = byte - ZERO;
    if (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      if (places >= 0) places++;
    } else if (byte === POINT && places < 0 && at > from && at + 1 < end) places = 0;
    else return Number.NaN;
  }
  for (let place = Math.max(places, 0); place < scale; place++) value *= 10;
  return places > scale ? Number.NaN : isNegative ? -value : value;
}

function writeLongDecimal(
  bytes: Buffer,
  start: number,
  end: number,
  to: PartColumn,
  { precision, scale }: Type & { readonly kind: "decimal" },
): boolean {
  const found = decimalOf(bytes.toString("latin1", start, end));
  if (found === null || found.scale > scale) return false;
  const unscaled = found.unscaled * 10n ** BigInt(scale - found.scale);
  const limit = 10n ** BigInt(precision);
  if (unscaled >= limit || unscaled <= -limit) return false;
  if (precision <= LONG_DIGITS) to.bigint(unscaled);
  else writeFixed(unscaled, to);
  return true;
}

/** Big-endian, in two's complement. */
function writeFixed(value: bigint, to: PartColumn): void {
  const at = to.fixed(FIXED_BYTES);
  to.bytes.writeBigInt64BE(value >> 64n, at);
  to.bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at + 8);
}

function two(bytes: Buffer, at: number): number {
  const high = (bytes[at] ?? 0) - ZERO;
  const low = (bytes[at + 1] ?? 0) - ZERO;
  return high < 0 || high > 9 || low < 0 || low > 9 ? Number.NaN : high * 10 + low;
}

/** Of `2024-02-29` and of nothing longer; NaN for any other. */
function daysOf(bytes: Buffer, at: number): number {
  if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return Number.NaN;
  const year = two(bytes, at) * 100 + two(bytes, at + 2);
  return dayNumber(year, two(bytes, at + 5), two(bytes, at + 8));
}

function writeDateText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  if (end - start !== 10) return false;
  const days = daysOf(bytes, start);
  if (Number.isNaN(days)) return false;
  to.int(days);
  return true;
}

function writeDateBinary(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  if (end - start !== 4) return false;
  const days = bytes.readInt32BE(start);
  if (days === INT_MAX || days === INT_MIN) return false;
  to.int(days + EPOCH_DAYS);
  return true;
}

const COLON = 58;
const SPACE = 32;
const PLUS = 43;
const CLOCK_BYTES = 19;
const DAY_MICROS = 86_400_000_000;
/** Years that numbers count the microseconds of exactly. */
const MICROS_MAX = 2 ** 53;

/** `2024-02-29 12:34:56.789`, behind it `+00` where there is a zone. */
function writeInstantText(
  bytes: Buffer,
  start: number,
  end: number,
  to: PartColumn,
  zoned: boolean,
): boolean {
  let stop = end;
  if (zoned) {
    stop -= 3;
    const isUtc = bytes[stop] === PLUS && bytes[stop + 1] === ZERO && bytes[stop + 2] === ZERO;
    if (!isUtc) return false;
  }
  if (stop - start < CLOCK_BYTES || bytes[start + 10] !== SPACE) return false;
  const micros = daysOf(bytes, start) * DAY_MICROS + clockMicros(bytes, start + 11, stop);
  if (!(Math.abs(micros) < MICROS_MAX)) return false;
  to.long(micros);
  return true;
}

/** 24:00:00 is looked at: no other database has it. */
function writeTimeText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  const micros = clockMicros(bytes, start, end);
  if (!(micros < DAY_MICROS)) return false;
  to.long(micros);
  return true;
}

/** Of `12:34:56.789`; NaN of anything else. */
function clockMicros(bytes: Buffer, start: number, end: number): number {
  const isClock = bytes[start + 2] === COLON && bytes[start + 5] === COLON && end - start >= 8;
  if (!isClock) return Number.NaN;
  const minutes = two(bytes, start) * 60 + two(bytes, start + 3);
  const seconds = minutes * 60 + two(bytes, start + 6);
  return seconds * 1_000_000 + fractionMicros(bytes, start + 8, end);
}

/** Of `.789`; 0 of nothing, NaN of anything else. */
function fractionMicros(bytes: Buffer, start: number, end: number): number {
  if (start === end) return 0;
  const digits = end - start - 1;
  if (bytes[start] !== POINT || digits < 1 || digits > 6) return Number.NaN;
  return wholeOf(bytes, start + 1, end) * 10 ** (6 - digits);
}

function writeInstantBinary(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  if (end - start !== 8) return false;
  const micros = bytes.readInt32BE(start) * 4_294_967_296 + bytes.readUInt32BE(start + 4);
  if (!(Math.abs(micros) < MICROS_MAX / 2)) return false;
  to.long(micros + EPOCH_MICROS);
  return true;
}

function writeUuidBinary(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  if (end - start !== 16) return false;
  const at = to.fixed(16);
  to.bytes.set(bytes.subarray(start, end), at);
  return true;
}

function nibble(byte: number): number {
  if (byte >= ZERO && byte <= 57) return byte - ZERO;
  return byte >= 97 && byte <= 102 ? byte - 87 : Number.NaN;
}

function writeUuidText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  if (end - start !== 36) return false;
  for (const place of [8, 13, 18, 23]) if (bytes[start + place] !== MINUS) return false;
  const into = to.fixed(16);
  const target = to.bytes;
  let at = start;
  for (let index = 0; index < 16; index++) {
    if (bytes[at] === MINUS) at++;
    const value = nibble(bytes[at] ?? 0) * 16 + nibble(bytes[at + 1] ?? 0);
    if (Number.isNaN(value)) return false;
    target[into + index] = value;
    at += 2;
  }
  return true;
}

/** `\x00ff`. */
function writeHexText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  const length = (end - start - 2) / 2;
  if (!Number.isInteger(length) || length < 0) return false;
  if (bytes[start] !== 92 || bytes[start + 1] !== 120) return false;
  let at = to.room(length);
  const target = to.bytes;
  for (let place = start + 2; place < end; place += 2) {
    const value = nibble(bytes[place] ?? 0) * 16 + nibble(bytes[place + 1] ?? 0);
    if (Number.isNaN(value)) return false;
    target[at++] = value;
  }
  return true;
}
