/**
 * Which texts are exactly a value of a type: the rule of lossless typing, in SQL and in TypeScript. Its other back ends
 * stand beside it: values of typed files (exact-fit.ts), JSON as it was parsed (json-fit.ts) and as its bytes stand
 * (plain-json.ts), columns of the engine (column-cast.ts). What a type may be at all is learned by narrowest-type.ts.
 */

import { unreachable } from "../../../core/base/assert.ts";
import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { quoteLiteral } from "../../syntax/quote.ts";

/** SQL of a typed value and of the test that it is exactly its text. */
export interface TextFit {
  /** The typed value; NULL when the text cannot be cast. */
  readonly value: string;
  /** True, false, or NULL for a NULL text; never an error. */
  readonly fits: string;
}

export const INT64_MAX = 2n ** 63n - 1n;
export const INT32_MAX = 2n ** 31n - 1n;
/** Every decimal number of so many significant digits survives: DBL_DIG, FLT_DIG of C. Below `least` are subnormals. */
export const DOUBLE = { name: "DOUBLE", digits: 15, least: 1e-300 } as const;
const FLOAT = { name: "FLOAT", digits: 6, least: 1e-37 } as const;
/** So many digits tell every float from the others: FLT_DECIMAL_DIG of C. */
const FLOAT_DIGITS_MAX = 9;
/** From here to PRINTED_MAX DuckDB prints a floating point number without an exponent. */
const PRINTED_MIN = 1e-4;
const PRINTED_MAX = 2 ** 53;
const FEBRUARY = 2;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const INTEGER = "-?(?:0|[1-9][0-9]*)";
/** R, SAS and SPSS leave out the zero before a point: `.81` is the number 0.81. */
const NUMBER = numberPattern("(?:0|[1-9][0-9]*)", "[0-9]+");
const DATE = "[0-9]{4}-[0-9][0-9]-[0-9][0-9]";
const TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?";
const ZONE = "(?:Z|[+-](?:0[0-9]|1[0-5])(?::[0-5][0-9])?)";
const UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

const INTEGER_TEXT = new RegExp(`^${INTEGER}$`);
const PLAIN_TEXT = new RegExp(`^${NUMBER}$`);
const DATE_TEXT = new RegExp(`^${DATE}$`);
const TIMESTAMP_TEXT = new RegExp(`^${DATE}(?:[ T]${TIME})?$`);
const TIMESTAMPTZ_TEXT = new RegExp(`^${DATE}[ T]${TIME}${ZONE}$`);
const TIME_TEXT = new RegExp(`^${TIME}$`);
const UUID_TEXT = new RegExp(`^${UUID}$`);

/**
 * DuckDB's casts bend (1.5 becomes 2, a zone is dropped), so the cast value is printed back, or its text is
 * matched. robustness.md F19; speed.md (a) for the costs. Null when no text can be of this type. `held` is where the
 * value was computed already, for the test to use.
 */
export function textFit(type: Type, text: string, held: string | null = null): TextFit | null {
  switch (type.kind) {
    case "decimal":
      return decimalFit(text, type.precision, type.scale, held);
    case "primitive":
      return primitiveFit(type.name, text, held);
    case "fixed":
    case "struct":
    case "list":
    case "map":
      return null;
    default:
      return unreachable(type);
  }
}

/** The same rule for one text in TypeScript. Held equal to the SQL by tests/property/decode-fit.test.ts. */
export function textFits(type: Type, text: string): boolean {
  switch (type.kind) {
    case "decimal":
      return fitsDecimal(text, type.precision, type.scale);
    case "primitive":
      return fitsPrimitive(type.name, text);
    case "fixed":
    case "struct":
    case "list":
    case "map":
      return false;
    default:
      return unreachable(type);
  }
}

/** True for `-?(0|[1-9]\d*)` within 64 bits; minus zero would lose its sign. */
export function isLong(text: string): boolean {
  return INTEGER_TEXT.test(text) && text !== "-0" && within(text, INT64_MAX);
}

/** Digits before and after the point of a plain decimal number, or null for any other text. */
export function decimalDigits(text: string): { whole: number; fraction: number } | null {
  if (!PLAIN_TEXT.test(text) || isNegativeZero(text)) return null;
  const start = text.startsWith("-") ? 1 : 0;
  const point = text.indexOf(".");
  const end = point < 0 ? text.length : point;
  const isZero = start === end || text[start] === "0";
  return { whole: isZero ? 0 : end - start, fraction: point < 0 ? 0 : text.length - point - 1 };
}

/** The same decimal number in one spelling: sign, digits without outer zeros, power of ten. */
export function numberKey(text: string): string | null {
  const match = /^(-?)([0-9]+|(?=\.))(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text);
  if (match === null) return null;
  const fraction = match[3] ?? "";
  const digits = ((match[2] ?? "") + fraction).replace(/^0+/, "");
  const trimmed = digits.replace(/0+$/, "");
  if (trimmed === "") return `${match[1]}0`;
  const power = BigInt(match[4] ?? "0") - BigInt(fraction.length);
  return `${match[1]}${trimmed}e${power + BigInt(digits.length - trimmed.length)}`;
}

/** True when the nearest double prints the same digits: nothing is lost by storing it as a double. */
export function survivesDouble(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return false;
  const printed = printDouble(value);
  return printed === text || numberKey(text) === numberKey(printed);
}

/** True for a double that a float prints back: its shortest decimal number is the same. */
export function survivesFloat(value: number): boolean {
  const float = Math.fround(value);
  if (Object.is(float, value)) return true;
  return Number.isFinite(float) && float !== 0 && Number(printedFloat(float)) === value;
}

/** Days of a month of the Gregorian calendar, from 1; 0 for what is no month. */
export function monthDays(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === FEBRUARY && isLeap ? 29 : (DAYS[month - 1] ?? 0);
}

function printDouble(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function decimalFit(text: string, precision: number, scale: number, held: string | null): TextFit {
  const cast = `TRY_CAST(${text} AS DECIMAL(${precision},${scale}))`;
  const value = held ?? cast;
  const printed = `${value}::VARCHAR = ${text}`;
  if (scale === 0) return { value: cast, fits: `coalesce(${printed}, ${text} IS NULL)` };
  // DuckDB lets 1 into DECIMAL(18,18), so the whole part is counted where there is room for none.
  const isFraction = precision === scale;
  const whole = isFraction ? "0" : "(?:0|[1-9][0-9]*)";
  const pattern = regex(text, numberPattern(whole, `[0-9]{1,${scale}}0*`));
  const signed = `NOT (starts_with(${text}, '-') AND ${value} = 0)`;
  const matches = `${pattern} AND ${signed} AND ${value} IS NOT NULL`;
  return { value: cast, fits: fitCase(text, isFraction ? null : printed, matches) };
}

function primitiveFit(name: PrimitiveName, text: string, held: string | null): TextFit | null {
  switch (name) {
    case "string":
      return { value: text, fits: "TRUE" };
    case "boolean":
      return { value: `(${text} = 'true')`, fits: `coalesce(${text} IN ('true', 'false'), TRUE)` };
    case "int":
      return printedBack(text, "INTEGER", held);
    case "long":
      return printedBack(text, "BIGINT", held);
    case "double":
      return floatFit(text, DOUBLE, held);
    case "float":
      return floatFit(text, FLOAT, held);
    case "date":
      return dateFit(text, held);
    case "time":
      return matched(text, "TIME", TIME, held);
    case "timestamp":
      return timestampFit(text, held);
    case "timestamptz":
      return matched(text, "TIMESTAMPTZ", `${DATE}[ T]${TIME}${ZONE}`, held, `${text} >= '0001'`);
    case "uuid":
      return matched(text, "UUID", UUID, held);
    case "binary":
      return null;
    default:
      return unreachable(name);
  }
}

function printedBack(text: string, type: string, held: string | null): TextFit {
  const cast = `TRY_CAST(${text} AS ${type})`;
  return { value: cast, fits: `coalesce(${held ?? cast}::VARCHAR = ${text}, ${text} IS NULL)` };
}

/** ISO text of ten characters is compared as text, so `0001` is the first year. */
function dateFit(text: string, held: string | null): TextFit {
  const cast = `TRY_CAST(${text} AS DATE)`;
  const printed = `${held ?? cast}::VARCHAR = ${text} AND strlen(${text}) = 10`;
  return { value: cast, fits: `coalesce(${printed}, ${text} IS NULL)` };
}

/**
 * A day is its midnight, as when Iceberg promotes date to timestamp. Most texts print back as they are; `T`, days
 * and trailing zeros need the pattern.
 */
function timestampFit(text: string, held: string | null): TextFit {
  const cast = `TRY_CAST(${text} AS TIMESTAMP)`;
  const value = held ?? cast;
  // In these years DuckDB prints four digits of it, and neither `(BC)` nor `infinity`.
  const years = "TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31 23:59:59.999999'";
  const printed = `${value} BETWEEN ${years} AND ${value}::VARCHAR = ${text}`;
  const isMoment = regex(text, `${DATE}(?:[ T]${TIME})?`);
  const pattern = `${isMoment} AND ${value} IS NOT NULL AND ${text} >= '0001'`;
  return { value: cast, fits: fitCase(text, printed, pattern) };
}

function matched(
  text: string,
  type: string,
  pattern: string,
  held: string | null,
  more = "TRUE",
): TextFit {
  const cast = `TRY_CAST(${text} AS ${type})`;
  const fits = `${regex(text, pattern)} AND ${held ?? cast} IS NOT NULL AND ${more}`;
  return { value: cast, fits: fitCase(text, null, fits) };
}

/** Few digits always survive; more must print back; a sign on zero is kept by a float. */
function floatFit(text: string, type: typeof DOUBLE | typeof FLOAT, held: string | null): TextFit {
  const cast = `TRY_CAST(${text} AS ${type.name})`;
  const value = held ?? cast;
  const size = `abs(${value}) BETWEEN ${PRINTED_MIN} AND ${PRINTED_MAX}`;
  const whole = `regexp_replace(${text}, '^(-?)\\.', '\\10.')`;
  const printed = `(${size} AND ${value}::VARCHAR IN (${text}, ${text} || '.0', ${whole}))`;
  const digits = `ltrim(replace(replace(${text}, '-', ''), '.', ''), '0')`;
  const short = `(strlen(${digits}) <= ${type.digits} AND (abs(${value}) >= ${type.least} OR ${digits} = ''))`;
  const costly = `${regex(text, NUMBER)} AND ${value} IS NOT NULL AND (${short} OR ${printed})`;
  return { value: cast, fits: fitCase(text, `${size} AND ${value}::VARCHAR = ${text}`, costly) };
}

/** The costly test only where the cheap one does not hold: CASE is lazy wherever it stands, OR is not. */
function fitCase(text: string, cheap: string | null, costly: string): string {
  const first = cheap === null ? "" : ` WHEN ${cheap} THEN TRUE`;
  return `CASE WHEN ${text} IS NULL THEN TRUE${first} ELSE coalesce(${costly}, FALSE) END`;
}

function numberPattern(whole: string, fraction: string): string {
  return `-?(?:${whole}(?:\\.${fraction})?|\\.${fraction})`;
}

function regex(text: string, pattern: string): string {
  return `regexp_full_match(${text}, ${quoteLiteral(pattern)})`;
}

function fitsDecimal(text: string, precision: number, scale: number): boolean {
  const digits = decimalDigits(text);
  if (digits === null || digits.whole > precision - scale) return false;
  if (digits.fraction <= scale) return true;
  return scale > 0 && /^0*$/.test(text.slice(text.indexOf(".") + 1 + scale));
}

function fitsPrimitive(name: PrimitiveName, text: string): boolean {
  switch (name) {
    case "string":
      return true;
    case "boolean":
      return text === "true" || text === "false";
    case "int":
      return isLong(text) && within(text, INT32_MAX);
    case "long":
      return isLong(text);
    case "double":
    case "float":
      return fitsFloat(text, name);
    case "date":
      return DATE_TEXT.test(text) && isDay(text);
    case "time":
      return TIME_TEXT.test(text);
    case "timestamp":
      return TIMESTAMP_TEXT.test(text) && isDay(text);
    case "timestamptz":
      return TIMESTAMPTZ_TEXT.test(text) && isDay(text);
    case "uuid":
      return UUID_TEXT.test(text);
    case "binary":
      return false;
    default:
      return unreachable(name);
  }
}

function fitsFloat(text: string, name: "double" | "float"): boolean {
  if (!PLAIN_TEXT.test(text)) return false;
  const type = name === "double" ? DOUBLE : FLOAT;
  const value = name === "double" ? Number(text) : Math.fround(Number(text));
  const size = Math.abs(value);
  const digits = text.replace(/[-.]/g, "").replace(/^0+/, "");
  if (digits.length <= type.digits && (size >= type.least || digits === "")) return true;
  const printed = name === "double" ? String(value) : printedFloat(value);
  const whole = text.replace(/^(?<sign>-?)\./, "$<sign>0.");
  const isPrinted = printed === whole || `${printed}.0` === whole;
  return size >= PRINTED_MIN && size <= PRINTED_MAX && isPrinted;
}

/** The fewest digits that are this float and no other. */
function printedFloat(value: number): string {
  for (let digits = FLOAT.digits; digits < FLOAT_DIGITS_MAX; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(FLOAT_DIGITS_MAX)));
}

/** The first ten characters are a day of the calendar from year 1 on. */
function isDay(text: string): boolean {
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const day = Number(text.slice(8, 10));
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  return day <= monthDays(year, month);
}

function within(text: string, max: bigint): boolean {
  const digits = text.length - (text.startsWith("-") ? 1 : 0);
  if (digits > 19) return false;
  const value = BigInt(text);
  return value <= max && value >= -max - 1n;
}

function isNegativeZero(text: string): boolean {
  return text.startsWith("-") && !/[1-9]/.test(text);
}
