/** What MySQL packs into bits wherever it stands, in rows and in JSON: decimals, and the words of days. */

import { Decimal } from "../../lossless/exact-value.ts";

const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;
const WORD_DIGITS = 9;
const SIGN = 0x80;

/** Words of nine digits, most significant first; all bits of a negative one are turned, and the first bit of any. */
export function decimalAt(bytes: Buffer, start: number, precision: number, scale: number): Decimal {
  let digits = isNegativeAt(bytes, start) ? "-0" : "0";
  let at = start;
  for (let left = precision; left > 0; ) {
    const count = wordDigits(left, scale);
    digits += String(wordAt(bytes, start, at, count)).padStart(count, "0");
    at += DIGIT_BYTES[count] ?? 0;
    left -= count;
  }
  return new Decimal(BigInt(digits), scale);
}

/** The digits of one as a whole number, which holds 15 exactly. */
export function unscaledAt(bytes: Buffer, start: number, precision: number, scale: number): number {
  let unscaled = 0;
  let at = start;
  for (let left = precision; left > 0; ) {
    const count = wordDigits(left, scale);
    unscaled = unscaled * 10 ** count + wordAt(bytes, start, at, count);
    at += DIGIT_BYTES[count] ?? 0;
    left -= count;
  }
  return isNegativeAt(bytes, start) ? -unscaled : unscaled;
}

function isNegativeAt(bytes: Buffer, start: number): boolean {
  return ((bytes[start] ?? 0) & SIGN) === 0;
}

/** Digits of the next word of so many that are left: none has some before the point and some behind it. */
function wordDigits(left: number, scale: number): number {
  return left > scale ? (left - scale) % WORD_DIGITS || WORD_DIGITS : Math.min(left, WORD_DIGITS);
}

function wordAt(bytes: Buffer, start: number, from: number, count: number): number {
  const turn = isNegativeAt(bytes, start) ? 0xff : 0;
  const end = from + (DIGIT_BYTES[count] ?? 0);
  let value = 0;
  for (let at = from; at < end; at++) {
    const sign = at === start ? SIGN : 0;
    value = value * 256 + ((bytes[at] ?? 0) ^ turn ^ sign);
  }
  return value;
}

export function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function dayWords(year: number, month: number, day: number): string {
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}
