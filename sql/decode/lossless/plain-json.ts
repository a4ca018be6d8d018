/**
 * JSON values that every parser reads alike: no escapes, no numbers that a double could lose, no dates that are none.
 * What is not plain is not wrong; it is only to be looked at closely.
 */

import type { Type } from "../../../core/table/types.ts";
import { digitsEnd, OUT, pairAt, startsWith, WORD } from "./json-text.ts";
import { DOUBLE, monthDays } from "./text-fit.ts";

/** Reads the value at an offset; the offset behind it, or OUT. Never reads past the end of a line. */
export type Reader = (bytes: Uint8Array, at: number) => number;

export interface PlainField {
  readonly key: string;
  readonly reader: Reader;
  /** May be null, or left out. */
  readonly optional: boolean;
}

/** Digits that 64 bits always hold, and 32 bits. */
const LONG_DIGITS = 18;
const INT_DIGITS = 9;
const FRACTION_DIGITS_MAX = 6;

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const MINUS = 45;
const POINT = 46;
const COLON = 58;
const ZERO = 48;
const SPACE = 32;
const UPPER_T = 84;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const EMPTY = utf8("{}");

/** The plain values of a type; null when there are none that are told so. */
export function plainReader(type: Type, spaced: boolean): Reader | null {
  switch (type.kind) {
    case "primitive":
      if (type.awaits !== undefined) return type.awaits === "value" ? plainNull : emptyObject;
      return PRIMITIVES[type.name] ?? null;
    case "decimal":
      if (type.precision > DOUBLE.digits) return null;
      return decimal(type.precision - type.scale, type.scale);
    case "struct": {
      const fields: PlainField[] = [];
      for (const { name, type: inner } of type.fields) {
        const reader = plainReader(inner, spaced);
        if (reader === null) return null;
        fields.push({ key: name, reader, optional: true });
      }
      return plainObject(fields, spaced);
    }
    case "list": {
      const element = plainReader(type.element, spaced);
      return element === null ? null : list(element, spaced);
    }
    default:
      return null;
  }
}

/** An object whose keys stand in the given order; `spaced` as Python writes them, else without any space. */
export function plainObject(fields: readonly PlainField[], spaced: boolean): Reader {
  const later = spaced ? ", " : ",";
  const colon = spaced ? ": " : ":";
  const places = fields.map(({ key, reader, optional }) => {
    const name = `${JSON.stringify(key)}${colon}`;
    return { first: utf8(name), later: utf8(later + name), reader, optional };
  });
  return (bytes, at) => {
    if (bytes[at] !== OPEN_BRACE) return OUT;
    let next = at + 1;
    let isFirst = true;
    for (const { first, later: following, reader, optional } of places) {
      const name = isFirst ? first : following;
      if (!startsWith(bytes, next, name)) {
        if (!optional) return OUT;
        continue;
      }
      isFirst = false;
      next += name.length;
      const end = reader(bytes, next);
      if (end !== OUT) next = end;
      else if (optional && startsWith(bytes, next, WORD.null)) next += WORD.null.length;
      else return OUT;
    }
    return bytes[next] === CLOSE_BRACE ? next + 1 : OUT;
  };
}

/** Null and nothing else: of places where no value was seen. */
const plainNull: Reader = (bytes, at) =>
  startsWith(bytes, at, WORD.null) ? at + WORD.null.length : OUT;

const emptyObject: Reader = (bytes, at) => (startsWith(bytes, at, EMPTY) ? at + EMPTY.length : OUT);

function list(element: Reader, spaced: boolean): Reader {
  return (bytes, at) => {
    if (bytes[at] !== OPEN_BRACKET) return OUT;
    let next = at + 1;
    if (bytes[next] === CLOSE_BRACKET) return next + 1;
    for (;;) {
      const end = element(bytes, next);
      next = end === OUT && startsWith(bytes, next, WORD.null) ? next + WORD.null.length : end;
      if (next === OUT) return OUT;
      if (bytes[next] === CLOSE_BRACKET) return next + 1;
      if (bytes[next] !== COMMA) return OUT;
      next++;
      if (!spaced) continue;
      if (bytes[next] !== SPACE) return OUT;
      next++;
    }
  };
}

const text: Reader = (bytes, at) => {
  if (bytes[at] !== QUOTE) return OUT;
  for (let next = at + 1; ; next++) {
    const byte = bytes[next];
    if (byte === QUOTE) return next + 1;
    if (byte === BACKSLASH || byte === undefined || byte < SPACE) return OUT;
  }
};

const boolean: Reader = (bytes, at) => {
  if (startsWith(bytes, at, WORD.true)) return at + WORD.true.length;
  return startsWith(bytes, at, WORD.false) ? at + WORD.false.length : OUT;
};

/** Plain texts of a type that no quotes are around: whether one ends where its text does, the caller sees. */
export function plainText(type: Type): Reader | null {
  if (type.kind === "decimal") {
    const { precision, scale } = type;
    return precision > DOUBLE.digits ? null : decimal(precision - scale, scale, anywhere);
  }
  return type.kind === "primitive" ? (TEXTS[type.name] ?? null) : null;
}

type IsEnd = (byte: number | undefined) => boolean;

const anywhere: IsEnd = () => true;

function integer(digitsMax: number, isEnd: IsEnd = isNumberEnd): Reader {
  return (bytes, at) => {
    const start = bytes[at] === MINUS ? at + 1 : at;
    const end = digitsEnd(bytes, start);
    const isPlain = end > start && end - start <= digitsMax && !isPadded(bytes, start, end);
    if (!isPlain || (start > at && bytes[start] === ZERO)) return OUT;
    return isEnd(bytes[end]) ? end : OUT;
  };
}

/** Minus zero is left out: its sign would be lost. */
function decimal(wholeMax: number, fractionMax: number, isEnd: IsEnd = isNumberEnd): Reader {
  return (bytes, at) => {
    const start = bytes[at] === MINUS ? at + 1 : at;
    const point = digitsEnd(bytes, start);
    const isZero = bytes[start] === ZERO;
    if (point === start || isPadded(bytes, start, point)) return OUT;
    if (!isZero && point - start > wholeMax) return OUT;
    if (bytes[point] !== POINT) {
      return (isZero && start > at) || !isEnd(bytes[point]) ? OUT : point;
    }
    const end = digitsEnd(bytes, point + 1);
    if (end === point + 1 || end - point - 1 > fractionMax) return OUT;
    if (isZero && start > at && isZeros(bytes, point + 1, end)) return OUT;
    return isEnd(bytes[end]) ? end : OUT;
  };
}

function double(isEnd: IsEnd): Reader {
  const anyDecimal = decimal(DOUBLE.digits, DOUBLE.digits, isEnd);
  return (bytes, at) => {
    const end = anyDecimal(bytes, at);
    return end === OUT || end - at > DOUBLE.digits ? OUT : end;
  };
}

const date: Reader = (bytes, at) => {
  if (bytes[at] !== QUOTE) return OUT;
  const end = day(bytes, at + 1);
  return end !== OUT && bytes[end] === QUOTE ? end + 1 : OUT;
};

/** With a space or a T; a day alone is left out. */
const timestamp: Reader = (bytes, at) => {
  if (bytes[at] !== QUOTE) return OUT;
  const end = moment(bytes, at + 1);
  return end !== OUT && bytes[end] === QUOTE ? end + 1 : OUT;
};

function moment(bytes: Uint8Array, at: number): number {
  const dayEnd = day(bytes, at);
  if (dayEnd === OUT || (bytes[dayEnd] !== SPACE && bytes[dayEnd] !== UPPER_T)) return OUT;
  return time(bytes, dayEnd + 1);
}

const PRIMITIVES: Readonly<Partial<Record<string, Reader>>> = {
  string: text,
  boolean,
  int: integer(INT_DIGITS),
  long: integer(LONG_DIGITS),
  double: double(isNumberEnd),
  date,
  timestamp,
};

const TEXTS: Readonly<Partial<Record<string, Reader>>> = {
  boolean,
  int: integer(INT_DIGITS, anywhere),
  long: integer(LONG_DIGITS, anywhere),
  double: double(anywhere),
  date: day,
  timestamp: moment,
};

function day(bytes: Uint8Array, at: number): number {
  const century = pairAt(bytes, at);
  const years = pairAt(bytes, at + 2);
  const month = pairAt(bytes, at + 5);
  const found = pairAt(bytes, at + 8);
  if (century < 0 || years < 0 || month < 1 || found < 1) return OUT;
  if (bytes[at + 4] !== MINUS || bytes[at + 7] !== MINUS) return OUT;
  const year = century * 100 + years;
  return year < 1 || found > monthDays(year, month) ? OUT : at + 10;
}

function time(bytes: Uint8Array, at: number): number {
  const hours = pairAt(bytes, at);
  const minutes = pairAt(bytes, at + 3);
  const seconds = pairAt(bytes, at + 6);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return OUT;
  if (seconds < 0 || seconds > 59) return OUT;
  if (bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return OUT;
  if (bytes[at + 8] !== POINT) return at + 8;
  const end = digitsEnd(bytes, at + 9);
  return end === at + 9 || end - at - 9 > FRACTION_DIGITS_MAX ? OUT : end;
}

function isZeros(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== ZERO) return false;
  return true;
}

function isPadded(bytes: Uint8Array, start: number, end: number): boolean {
  return bytes[start] === ZERO && end - start > 1;
}

function isNumberEnd(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET;
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
