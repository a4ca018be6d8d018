/** Floats as PostgreSQL writes them: the fewest digits nearer to it than to any other. Sources: d2s.c, f2s.c. */

import { numberText } from "../../lossless/exact-value.ts";

/** As `float8out` writes it. */
export function float8Text(value: number): string {
  if (!Number.isFinite(value) || value === 0) return wordText(value);
  const text = numberText(value);
  if (!isEdge(text, value, DOUBLE)) return shown(text, DOUBLE.shownMax);
  // JavaScript takes digits for it that are as near to a neighbour.
  return shown(shortest(value, DOUBLE), DOUBLE.shownMax);
}

/** As `float4out` writes it. */
export function float4Text(value: number): string {
  if (!Number.isFinite(value) || value === 0) return wordText(value);
  return shown(shortest(value, FLOAT), FLOAT.shownMax);
}

interface Width {
  /** Digits that tell any two apart. */
  readonly digitsMax: number;
  /** Digits before the point with which one is written without an exponent. */
  readonly shownMax: number;
  readonly round: (value: number) => number;
  /** The next one away from zero, and towards it. */
  readonly neighbours: (value: number) => readonly [number, number];
}

const BITS = new DataView(new ArrayBuffer(8));

const FLOAT: Width = {
  digitsMax: 9,
  shownMax: 6,
  round: Math.fround,
  neighbours: (value) => {
    BITS.setFloat32(0, value);
    const bits = BITS.getUint32(0);
    return [bits + 1, bits - 1].map((next) => {
      BITS.setUint32(0, next);
      return BITS.getFloat32(0);
    }) as [number, number]; // parse: of two
  },
};

const DOUBLE: Width = {
  digitsMax: 17,
  shownMax: 15,
  round: (value) => value,
  neighbours: (value) => {
    BITS.setFloat64(0, value);
    const bits = BITS.getBigUint64(0);
    return [bits + 1n, bits - 1n].map((next) => {
      BITS.setBigUint64(0, next);
      return BITS.getFloat64(0);
    }) as [number, number]; // parse: of two
  },
};

/** The words and the zeros are the same in both languages. */
function wordText(value: number): string {
  return numberText(value);
}

function shortest(value: number, width: Width): string {
  for (let digits = 1; digits < width.digitsMax; digits++) {
    const text = evenly(value, digits);
    if (width.round(Number(text)) === value && !isEdge(text, value, width)) return text;
  }
  return value.toPrecision(width.digitsMax);
}

/** So many digits of the value; of two that are as near to it the even one, where `toPrecision` takes the larger. */
function evenly(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  const longer = value.toPrecision(digits + 1);
  const [mantissa = "", power] = longer.split("e");
  if (!mantissa.endsWith("5") || Number(longer) !== value) return text;
  const isEven = Number(mantissa.replace(".", "").at(-2)) % 2 === 0;
  if (!isEven) return text;
  const down = mantissa.slice(0, -1).replace(/\.$/, "");
  return power === undefined ? down : `${down}e${power}`;
}

/** True where the digits are exactly between the value and one of its neighbours. */
function isEdge(text: string, value: number, { neighbours }: Width): boolean {
  const number = rationalOf(text);
  const own = dyadicOf(value);
  return neighbours(value).some((next) => {
    if (!Number.isFinite(next)) return false;
    const other = dyadicOf(next);
    // 2 * text = value + neighbour, all of it in whole numbers.
    const [low, high] = own.power < other.power ? [own, other] : [other, own];
    const sum = low.whole + (high.whole << BigInt(high.power - low.power));
    const twos = low.power;
    const left = 2n * number.whole * 10n ** BigInt(Math.max(0, number.power));
    const right = sum * 10n ** BigInt(Math.max(0, -number.power));
    return twos >= 0 ? left === right << BigInt(twos) : left << BigInt(-twos) === right;
  });
}

/** `whole * 10^power`. */
function rationalOf(text: string): { readonly whole: bigint; readonly power: number } {
  const [, sign = "", whole = "", fraction = "", power = "0"] = FLOAT_TEXT.exec(text) ?? [];
  return { whole: BigInt(`${sign}${whole}${fraction}`), power: Number(power) - fraction.length };
}

const FRACTION_BITS = 52n;
const EXPONENT_BIAS = 1075;

/** `whole * 2^power`. */
function dyadicOf(value: number): { readonly whole: bigint; readonly power: number } {
  BITS.setFloat64(0, value);
  const bits = BITS.getBigUint64(0);
  const exponent = Number((bits >> FRACTION_BITS) & 0x7ffn);
  const fraction = bits & ((1n << FRACTION_BITS) - 1n);
  const whole = exponent === 0 ? fraction : fraction | (1n << FRACTION_BITS);
  return { whole: value < 0 ? -whole : whole, power: Math.max(exponent, 1) - EXPONENT_BIAS };
}

const FLOAT_TEXT = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/;

/** Digits as the C library shows them: with an exponent of two digits at least, or without one. */
function shown(text: string, digitsMax: number): string {
  const [, sign = "", whole = "", fraction = "", power = "0"] = FLOAT_TEXT.exec(text) ?? [];
  const all = `${whole}${fraction}`;
  const digits = all.replace(/^0+/, "").replace(/0+$/, "");
  const leading = all.length - all.replace(/^0+/, "").length;
  const exponent = whole.length - 1 - leading + Number(power);
  if (exponent >= -4 && exponent < digitsMax) {
    if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
    const padded = digits.padEnd(exponent + 1, "0");
    const rest = padded.slice(exponent + 1);
    return `${sign}${padded.slice(0, exponent + 1)}${rest === "" ? "" : `.${rest}`}`;
  }
  const rest = digits.length === 1 ? "" : `.${digits.slice(1)}`;
  const size = String(Math.abs(exponent)).padStart(2, "0");
  return `${sign}${digits[0]}${rest}e${exponent < 0 ? "-" : "+"}${size}`;
}
