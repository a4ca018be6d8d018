/** What MySQL packs into bits wherever it stands, in rows and in JSON: decimals, and the words of days. */

import { Decimal } from "../../lossless/exact-value.ts";

const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4] as const;
const WORD_DIGITS = 9;

/** Words of nine digits, most significant first; all bits of a negative one are turned, and the first bit of any. */
export function decimalAt(bytes: Buffer, start: number, precision: number, scale: number): Decimal {
  const isNegative = ((bytes[start] ?? 0) & 0x80) === 0;
  const turn = isNegative ? 0xff : 0;
  let at = start;
  const part = (digits: number, flip: number): number => {
    let value = 0;
    const width = DIGIT_BYTES[digits] ?? 4;
    for (let index = 0; index < width; index++) {
      const first = at === start ? flip : 0;
      value = value * 256 + ((bytes[at] ?? 0) ^ turn ^ first);
      at += 1;
    }
    return value;
  };
  let digits = "";
  const add = (count: number): void => {
    if (count > 0) digits += String(part(count, 0x80)).padStart(count, "0");
  };
  const whole = precision - scale;
  add(whole % WORD_DIGITS);
  for (let left = Math.floor(whole / WORD_DIGITS); left > 0; left--) add(WORD_DIGITS);
  for (let left = Math.floor(scale / WORD_DIGITS); left > 0; left--) add(WORD_DIGITS);
  add(scale % WORD_DIGITS);
  const unscaled = BigInt(digits === "" ? "0" : digits);
  return new Decimal(isNegative ? -unscaled : unscaled, scale);
}

export function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function dayWords(year: number, month: number, day: number): string {
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}
