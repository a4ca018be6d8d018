/** One cell of a sheet as an exact value, or what is wrong with it. ECMA-376, 18.3.1.4 and 18.17.4. */

import type { Type } from "../../../core/table/types.ts";
import {
  Day,
  Decimal,
  dayNumber,
  dayOf,
  type Exact,
  Instant,
  Time,
  timestampMicros,
} from "../lossless/exact-value.ts";
import { numberKey, survivesDouble, textFits } from "../lossless/text-fit.ts";
import { unescaped, type XlsxBook } from "./book.ts";
import type { NumberKind } from "./format.ts";

/** A cell as its sheet has it. */
export interface RawCell {
  /** From 0. */
  readonly column: number;
  /** `n`, `s`, `str`, `inlineStr`, `b`, `e` or `d`. */
  readonly type: string;
  readonly style: number;
  /** The stored value; null when there is none. */
  readonly text: string | null;
  readonly isFormula: boolean;
}

/** Thrown for a cell that has no value of its own: the row is set aside. */
export class CellFault extends Error {
  /** What stands in the cell, for the row's text. */
  readonly shown: string;

  constructor(shown: string, message: string) {
    super(message);
    this.shown = shown;
  }
}

const DAY_MICROS = 86_400_000_000;
const DAY_MILLIS = 86_400_000;
const LAST_DAY = dayNumber(9999, 12, 31);
const LAST_MICROS = BigInt(LAST_DAY + 1) * BigInt(DAY_MICROS) - 1n;
const EPOCH_1904 = dayNumber(1904, 1, 1);
const EPOCH_1900 = dayNumber(1899, 12, 30);
/** 1900 is a leap year to spreadsheets: this day never was. */
const FALSE_LEAP_DAY = 60;
/** Digits that some writers cut numbers to; others write 17. */
const SHORT_DIGITS = 15;
const DOUBLE_DIGITS = 17;
/** Binary digits of a float behind its first. */
const DOUBLE_BITS = 52;

/** The value of a cell; null for an empty one. Throws CellFault. */
export function cellValue(cell: RawCell, book: XlsxBook): Exact {
  const { text, type, isFormula } = cell;
  if (text === null || (text === "" && type !== "str" && type !== "inlineStr")) {
    if (!isFormula) return null;
    throw new CellFault("", "holds a formula without a stored value: open and save the file once");
  }
  switch (type) {
    case "s":
      return sharedText(text, book);
    case "str":
      return unescaped(text);
    case "inlineStr":
      return text;
    case "b":
      return booleanValue(text);
    case "e":
      throw new CellFault(text, `holds the error ${text}`);
    case "d":
      return isoValue(text);
    default:
      return numberValue(text, book.kinds[cell.style] ?? "number", book.epoch1904);
  }
}

/** `AB` for 27. */
export function columnLetters(column: number): string {
  const rest = Math.floor(column / 26);
  const last = String.fromCharCode(65 + (column % 26));
  return rest === 0 ? last : `${columnLetters(rest - 1)}${last}`;
}

function sharedText(text: string, book: XlsxBook): string {
  const found = /^\d+$/.test(text) ? book.texts[Number(text)] : undefined;
  if (found === undefined) throw new CellFault(text, "names a shared text that is not there");
  return found;
}

function booleanValue(text: string): boolean {
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw new CellFault(text, "is not a boolean");
}

const DATE: Type = { kind: "primitive", name: "date" };
const TIMESTAMP: Type = { kind: "primitive", name: "timestamp" };
const TIMESTAMPTZ: Type = { kind: "primitive", name: "timestamptz" };

function isoValue(text: string): Exact {
  if (textFits(DATE, text)) return new Day(dayOf(text));
  if (textFits(TIMESTAMP, text)) return new Instant(timestampMicros(text), 0, false);
  if (textFits(TIMESTAMPTZ, text)) return new Instant(timestampMicros(text), 0, true);
  return text;
}

function numberValue(given: string, kind: NumberKind, epoch1904: boolean): Exact {
  const text = given.trim();
  const value = Number(text);
  const isNumber = Number.isFinite(value) && (String(value) === text || numberKey(text) !== null);
  if (!isNumber) throw new CellFault(text, "is not a number");
  if (kind === "number" || kind === "elapsed") return exactNumber(text, value);
  return timeValue(text, value, kind, epoch1904);
}

/**
 * Spreadsheets hold floats and write up to 17 digits of them, of which the shortest text is kept. Integers that are
 * written in all their digits, and the longer numbers of other programs, stay as they are written.
 */
function exactNumber(text: string, value: number): Exact {
  const isWhole = /^-?\d+$/.test(text) && text !== "-0";
  if (isWhole && !Number.isSafeInteger(value)) return BigInt(text);
  if (survivesDouble(text)) return value;
  if (isWhole) return BigInt(text);
  if (significant(text) <= DOUBLE_DIGITS) return value;
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  const scale = (match?.[3] ?? "").length - Number(match?.[4] ?? 0);
  if (match === null || Math.abs(scale) > 400) return value;
  const digits = BigInt(`${match[1]}${match[2]}${match[3] ?? ""}`);
  return scale >= 0 ? new Decimal(digits, scale) : digits * 10n ** BigInt(-scale);
}

function significant(text: string): number {
  const key = numberKey(text) ?? "";
  return key.replace(/^-/, "").replace(/e.*$/, "").length;
}

function timeValue(
  text: string,
  value: number,
  kind: "date" | "time" | "datetime",
  epoch1904: boolean,
): Exact {
  if (kind === "time" && value >= 0 && value < 1) {
    const micros = dayMicros(text, value);
    // Half a microsecond before midnight is the next day to a clock.
    if (micros < DAY_MICROS) return new Time(BigInt(micros));
  }
  const whole = Math.floor(value);
  const day = dayOfSerial(whole, epoch1904);
  if (day !== null && kind === "date" && whole === value && day <= LAST_DAY) return new Day(day);
  const micros = BigInt(day ?? 0) * BigInt(DAY_MICROS) + BigInt(dayMicros(text, value));
  if (day === null || micros > LAST_MICROS) {
    throw new CellFault(text, `is day ${text}, which is none`);
  }
  return new Instant(micros, 0, false);
}

/** Day number since 1970 of a spreadsheet's day; null for days that are none. */
function dayOfSerial(serial: number, epoch1904: boolean): number | null {
  if (epoch1904) return serial < 0 ? null : EPOCH_1904 + serial;
  if (serial < 1 || serial === FALSE_LEAP_DAY) return null;
  return EPOCH_1900 + serial + (serial < FALSE_LEAP_DAY ? 1 : 0);
}

/**
 * Microseconds into the day. A number is only as exact as its text and its float are: where both tell microseconds
 * apart, the nearest one is meant, and else the nearest millisecond, which is what spreadsheets show.
 */
function dayMicros(text: string, value: number): number {
  const fraction = value - Math.floor(value);
  const [micros, millis] = [fraction * DAY_MICROS, Math.round(fraction * DAY_MILLIS) * 1000];
  if (value === 0) return 0;
  const digits = Math.min(DOUBLE_DIGITS, Math.max(SHORT_DIGITS, significant(text)));
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - digits + 1) * DAY_MICROS;
  const gap = 2 ** (Math.floor(Math.log2(Math.abs(value))) - DOUBLE_BITS) * DAY_MICROS;
  const reach = (unit + gap) / 2;
  if (reach >= 0.5 || Math.abs(millis - micros) <= reach + gap) return millis;
  return Math.round(micros);
}
