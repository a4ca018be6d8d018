/** Numbers, booleans and moments of JSON, as their bytes stand, written into a column that holds them exactly. */

import type { Type } from "../../../core/table/types.ts";
import type { PartColumn } from "../made/column-part.ts";
import { LONG_DIGITS } from "../made/part-schema.ts";
import { dayNumber } from "./exact-value.ts";
import { digitsEnd, numberEnd, OUT, pairAt, startsWith, WORD } from "./json-text.ts";
import { INT32_MAX, INT64_MAX, monthDays, survivesDouble, survivesFloat } from "./text-fit.ts";

/** As `write` of a JsonColumn, of a value that is not null. */
export type ScalarWriter = (bytes: Uint8Array, at: number, repetition: number) => number;

/** Null for a type whose values are all to be looked at. */
export function jsonScalar(type: Type, leaf: PartColumn): ScalarWriter | null {
  if (type.kind === "decimal") return decimalWriter(leaf, type.precision, type.scale);
  if (type.kind !== "primitive") return null;
  switch (type.name) {
    case "boolean":
      return booleanWriter(leaf);
    case "int":
      return intWriter(leaf);
    case "long":
      return longWriter(leaf);
    case "double":
      return doubleWriter(leaf);
    case "float":
      return floatWriter(leaf);
    case "date":
      return dateWriter(leaf);
    case "timestamp":
      return instantWriter(leaf, false);
    case "timestamptz":
      return instantWriter(leaf, true);
    default:
      return null;
  }
}

const QUOTE = 34;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const COLON = 58;
const UPPER_E = 69;
const UPPER_T = 84;
const UPPER_Z = 90;
const LOWER_E = 101;
const SPACE = 32;
/** Digits of which a number of JavaScript loses none: DBL_DIG of C. */
const PLAIN_DIGITS = 15;
const LONG_DIGITS_MAX = 19;
const POWERS = Array.from({ length: PLAIN_DIGITS + 1 }, (_, power) => 10 ** power);
const DAY_MICROS = 86_400_000_000;
/** Microseconds of so many days from 1970 are numbers that a double holds. */
const PLAIN_DAYS = 100_000;
const ZONE_HOURS_MAX = 15;

function booleanWriter(leaf: PartColumn): ScalarWriter {
  return (bytes, at, repetition) => {
    const isTrue = startsWith(bytes, at, WORD.true);
    if (!isTrue && !startsWith(bytes, at, WORD.false)) return OUT;
    leaf.present(repetition);
    leaf.boolean(isTrue);
    return at + (isTrue ? WORD.true : WORD.false).length;
  };
}

/** Digits of a number, taken together: read by `digitsOf`, used again for the next one. */
const FOUND = { whole: 0, fraction: 0, value: 0, end: OUT };

/**
 * Reads a number of at most PLAIN_DIGITS digits without an exponent: how many stand before and after the point, and
 * all of them as one number. False for any other, which may be a number all the same.
 */
function digitsOf(bytes: Uint8Array, start: number): boolean {
  let value = 0;
  let next = start;
  let point = -1;
  for (; ; next++) {
    const byte = bytes[next] ?? 0;
    if (byte >= ZERO && byte <= 57) value = value * 10 + (byte - ZERO);
    else if (byte === POINT && point < 0) point = next;
    else {
      if (byte === LOWER_E || byte === UPPER_E) return false;
      break;
    }
  }
  const whole = (point < 0 ? next : point) - start;
  const fraction = point < 0 ? 0 : next - point - 1;
  if (whole === 0 || whole + fraction > PLAIN_DIGITS) return false;
  if ((bytes[start] === ZERO && whole > 1) || (point >= 0 && fraction === 0)) return false;
  FOUND.whole = whole;
  FOUND.fraction = fraction;
  FOUND.value = value;
  FOUND.end = next;
  return true;
}

function longWriter(leaf: PartColumn): ScalarWriter {
  return (bytes, at, repetition) => {
    const isNegative = bytes[at] === MINUS;
    if (!digitsOf(bytes, isNegative ? at + 1 : at)) return wideLong(leaf, bytes, at, repetition);
    const { value, fraction, end } = FOUND;
    // Minus zero is none, and a fraction is looked at.
    if (fraction > 0 || (isNegative && value === 0)) return OUT;
    leaf.present(repetition);
    leaf.long(isNegative ? -value : value);
    return end;
  };
}

function wideLong(leaf: PartColumn, bytes: Uint8Array, at: number, repetition: number): number {
  const start = bytes[at] === MINUS ? at + 1 : at;
  const end = digitsEnd(bytes, start);
  const isPlain = end - start > PLAIN_DIGITS && end - start <= LONG_DIGITS_MAX;
  const isWhole = isPlain && bytes[start] !== ZERO && numberEnd(bytes, at) === end;
  const value = isWhole ? BigInt(textOf(bytes, at, end)) : null;
  if (value === null || value > INT64_MAX || value < -INT64_MAX - 1n) return OUT;
  leaf.present(repetition);
  leaf.bigint(value);
  return end;
}

function intWriter(leaf: PartColumn): ScalarWriter {
  const max = Number(INT32_MAX);
  return (bytes, at, repetition) => {
    const isNegative = bytes[at] === MINUS;
    if (!digitsOf(bytes, isNegative ? at + 1 : at)) return OUT;
    const { value, fraction, end } = FOUND;
    const isFit = value <= max || (isNegative && value === max + 1);
    if (fraction > 0 || (isNegative && value === 0) || !isFit) return OUT;
    leaf.present(repetition);
    leaf.int(isNegative ? -value : value);
    return end;
  };
}

function doubleWriter(leaf: PartColumn): ScalarWriter {
  return (bytes, at, repetition) => {
    const value = doubleAt(bytes, at);
    if (Number.isNaN(value)) return OUT;
    leaf.present(repetition);
    leaf.double(value);
    return FOUND.end;
  };
}

function floatWriter(leaf: PartColumn): ScalarWriter {
  return (bytes, at, repetition) => {
    const value = doubleAt(bytes, at);
    if (Number.isNaN(value) || !survivesFloat(value)) return OUT;
    leaf.present(repetition);
    leaf.float(value);
    return FOUND.end;
  };
}

/** The double that is exactly the number at an offset, which ends at `FOUND.end`; NaN where there is none. */
function doubleAt(bytes: Uint8Array, at: number): number {
  const isNegative = bytes[at] === MINUS;
  if (digitsOf(bytes, isNegative ? at + 1 : at)) {
    // Both are exact, and so few digits survive.
    const value = FOUND.value / (POWERS[FOUND.fraction] ?? 1);
    return isNegative ? -value : value;
  }
  const end = numberEnd(bytes, at);
  if (end === OUT) return Number.NaN;
  const text = textOf(bytes, at, end);
  FOUND.end = end;
  const isWhole = /^-?\d+$/.test(text);
  const isExact = isWhole ? BigInt(Number(text)) === BigInt(text) : survivesDouble(text);
  return isExact ? Number(text) : Number.NaN;
}

function decimalWriter(leaf: PartColumn, precision: number, scale: number): ScalarWriter {
  return (bytes, at, repetition) => {
    const isNegative = bytes[at] === MINUS;
    if (!digitsOf(bytes, isNegative ? at + 1 : at)) return OUT;
    const { whole, fraction, value, end } = FOUND;
    if (isNegative && value === 0) return OUT;
    const missing = scale - fraction;
    // What stands behind the scale may be zeros alone.
    if (missing < 0 && value % (POWERS[-missing] ?? 1) !== 0) return OUT;
    if (missing >= 0 && whole + fraction + missing > PLAIN_DIGITS) {
      return wideDecimal(leaf, isNegative, { precision, scale }, repetition);
    }
    const size = missing < 0 ? value / (POWERS[-missing] ?? 1) : value * (POWERS[missing] ?? 1);
    if (precision <= PLAIN_DIGITS && size >= (POWERS[precision] ?? 0)) return OUT;
    leaf.present(repetition);
    if (precision <= LONG_DIGITS) leaf.long(isNegative ? -size : size);
    else writeWide(leaf, BigInt(isNegative ? -size : size));
    return end;
  };
}

/** The number that was found, with so many zeros behind it that a double does not hold it. */
function wideDecimal(
  leaf: PartColumn,
  isNegative: boolean,
  { precision, scale }: { readonly precision: number; readonly scale: number },
  repetition: number,
): number {
  const { value, fraction, end } = FOUND;
  const size = BigInt(value) * 10n ** BigInt(scale - fraction);
  if (size >= 10n ** BigInt(precision)) return OUT;
  const signed = isNegative ? -size : size;
  leaf.present(repetition);
  if (precision <= LONG_DIGITS) leaf.bigint(signed);
  else writeWide(leaf, signed);
  return end;
}

/** Of 128 bits, the highest first. */
function writeWide(leaf: PartColumn, value: bigint): void {
  const at = leaf.fixed(16);
  leaf.bytes.writeBigInt64BE(value >> 64n, at);
  leaf.bytes.writeBigUInt64BE(BigInt.asUintN(64, value), at + 8);
}

function dateWriter(leaf: PartColumn): ScalarWriter {
  return (bytes, at, repetition) => {
    const days = dayAt(bytes, at + 1);
    if (bytes[at] !== QUOTE || bytes[at + 11] !== QUOTE || Number.isNaN(days)) return OUT;
    leaf.present(repetition);
    leaf.int(days);
    return at + 12;
  };
}

/** A moment; of one without a zone a day alone is its midnight. */
function instantWriter(leaf: PartColumn, isZoned: boolean): ScalarWriter {
  return (bytes, at, repetition) => {
    const days = dayAt(bytes, at + 1);
    if (bytes[at] !== QUOTE || Number.isNaN(days)) return OUT;
    let behind = at + 11;
    let micros = 0;
    if (bytes[behind] !== QUOTE || isZoned) {
      if (bytes[behind] !== SPACE && bytes[behind] !== UPPER_T) return OUT;
      micros = timeAt(bytes, behind + 1);
      behind = FOUND.end;
      if (isZoned) micros -= zoneAt(bytes, behind);
      if (isZoned) behind = FOUND.end;
      if (Number.isNaN(micros) || bytes[behind] !== QUOTE) return OUT;
    }
    leaf.present(repetition);
    const isPlain = days > -PLAIN_DAYS && days < PLAIN_DAYS;
    if (isPlain) leaf.long(days * DAY_MICROS + micros);
    else leaf.bigint(BigInt(days) * BigInt(DAY_MICROS) + BigInt(micros));
    return behind + 1;
  };
}

/** Days since 1970 of `2024-01-31`; NaN for what is no day. */
function dayAt(bytes: Uint8Array, at: number): number {
  const [century, years] = [pairAt(bytes, at), pairAt(bytes, at + 2)];
  const [month, day] = [pairAt(bytes, at + 5), pairAt(bytes, at + 8)];
  if (century < 0 || years < 0 || month < 1 || day < 1) return Number.NaN;
  if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return Number.NaN;
  const year = century * 100 + years;
  return year < 1 || day > monthDays(year, month) ? Number.NaN : dayNumber(year, month, day);
}

/** Microseconds since midnight of `12:34:56.789`, which ends at `FOUND.end`; NaN for what is no time. */
function timeAt(bytes: Uint8Array, at: number): number {
  const [hours, minutes, seconds] = [
    pairAt(bytes, at),
    pairAt(bytes, at + 3),
    pairAt(bytes, at + 6),
  ];
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return Number.NaN;
  if (seconds < 0 || seconds > 59) return Number.NaN;
  if (bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return Number.NaN;
  const micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
  FOUND.end = at + 8;
  if (bytes[at + 8] !== POINT) return micros;
  const end = digitsEnd(bytes, at + 9);
  const count = end - at - 9;
  if (count === 0 || count > 6) return Number.NaN;
  let fraction = 0;
  for (let next = at + 9; next < end; next++) fraction = fraction * 10 + (bytes[next] ?? 0) - ZERO;
  FOUND.end = end;
  return micros + fraction * (POWERS[6 - count] ?? 1);
}

/** Microseconds east of Greenwich of `Z`, `+02` or `+02:00`; NaN for what is no zone. */
function zoneAt(bytes: Uint8Array, at: number): number {
  FOUND.end = at + 1;
  if (bytes[at] === UPPER_Z) return 0;
  if (bytes[at] !== PLUS && bytes[at] !== MINUS) return Number.NaN;
  const hours = pairAt(bytes, at + 1);
  const hasMinutes = bytes[at + 3] === COLON;
  const minutes = hasMinutes ? pairAt(bytes, at + 4) : 0;
  if (hours < 0 || hours > ZONE_HOURS_MAX || minutes < 0 || minutes > 59) return Number.NaN;
  FOUND.end = at + (hasMinutes ? 6 : 3);
  const micros = (hours * 60 + minutes) * 60_000_000;
  return bytes[at] === MINUS ? -micros : micros;
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
