/** Values of formats that carry types, as exact as the file holds them, and their texts. */

/**
 * Integers are `bigint`, floats `number`, texts and UUIDs `string`. Lists are arrays, structs and maps Entries; what
 * has no JavaScript type of its own has one of the classes below.
 */
export type Exact =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Decimal
  | Day
  | Time
  | Instant
  | Entries
  | Mapping
  | readonly Exact[];

/** `unscaled / 10^scale`. */
export class Decimal {
  readonly unscaled: bigint;
  readonly scale: number;

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }
}

/** Entries of a map whose keys are no texts. */
export class Mapping {
  readonly pairs: readonly (readonly [Exact, Exact])[];

  constructor(pairs: readonly (readonly [Exact, Exact])[]) {
    this.pairs = pairs;
  }
}

export const DAY_MICROS = 86_400_000_000n;
/** DuckDB's TIMESTAMP in microseconds: the ends of int64 are its infinities, and it begins in 290309 BC. */
export const INSTANT_MIN = -9_223_372_022_400_000_000n;
export const INSTANT_MAX = 2n ** 63n - 2n;
/** Likewise its DATE in days. */
export const DAY_MIN = -(2 ** 31) + 2;
export const DAY_MAX = 2 ** 31 - 2;

/** Days since 1970-01-01. */
export class Day {
  readonly days: number;

  constructor(days: number) {
    this.days = days;
  }
}

/** Since midnight. Files hold such that are no time of a day: negative ones, and 24 hours or more. */
export class Time {
  readonly micros: bigint;
  /** Nanoseconds beyond the microsecond, 0 to 999. */
  readonly nanos: number;

  constructor(micros: bigint, nanos = 0) {
    this.micros = micros;
    this.nanos = nanos;
  }

  /** A time of a day in whole microseconds: what a time column holds. */
  get isOfDay(): boolean {
    return this.nanos === 0 && this.micros >= 0n && this.micros < DAY_MICROS;
  }
}

/** Since 1970-01-01 00:00 in UTC when zoned, else by the clock on the wall. */
export class Instant {
  readonly micros: bigint;
  /** Nanoseconds beyond the microsecond, 0 to 999. */
  readonly nanos: number;
  readonly zoned: boolean;

  constructor(micros: bigint, nanos: number, zoned: boolean) {
    this.micros = micros;
    this.nanos = nanos;
    this.zoned = zoned;
  }
}

/** Fields of a struct or entries of a map, as they stand: a key may stand twice. */
export class Entries {
  readonly pairs: readonly (readonly [string, Exact])[];

  constructor(pairs: readonly (readonly [string, Exact])[]) {
    this.pairs = pairs;
  }
}

/** The value as text: what a string column holds of it. Structures are JSON, bytes hexadecimal. */
export function exactText(value: Exact): string | null {
  if (value === null) return null;
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return numberText(value);
    case "boolean":
    case "bigint":
      return String(value);
    default:
      return objectText(value);
  }
}

/** The value as JSON: numbers in all their digits; bytes, times and what is no JSON number as strings. */
export function exactJson(value: Exact): string {
  if (value === null || typeof value === "boolean" || typeof value === "bigint") {
    return String(value);
  }
  if (typeof value === "number") {
    return Number.isFinite(value) ? numberText(value) : JSON.stringify(numberText(value));
  }
  if (typeof value === "string") return JSON.stringify(value.toWellFormed());
  if (value instanceof Decimal) return decimalText(value);
  if (value instanceof Entries || Array.isArray(value)) return structureJson(value);
  if (value instanceof Mapping) return structureJson(textKeys(value));
  return JSON.stringify(exactText(value));
}

/** `{"name": value, …}` of a whole row; values without a name are called by their place. */
export function rowJson(names: readonly string[], values: readonly Exact[]): string {
  const length = Math.max(names.length, values.length);
  const pairs = Array.from({ length }, (_, index) => {
    return [names[index] ?? `column${index}`, values[index] ?? null] as const;
  });
  return exactJson(new Entries(pairs));
}

/** Days since 1970-01-01 of a day of the Gregorian calendar. */
export function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const days = ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear;
  return era * 146_097 + days - 719_468;
}

/** `2024-01-31`; a year beyond 9999 or before 1 has as many digits and the sign that it needs. */
export function dayText(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const cycles = Math.floor(ofEra / 1460) - Math.floor(ofEra / 36_524);
  const year = Math.floor((ofEra - cycles + Math.floor(ofEra / 146_096)) / 365);
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const march = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const whole = year + era * 400 + (month <= 2 ? 1 : 0);
  const digits = String(Math.abs(whole)).padStart(4, "0");
  return `${whole < 0 ? "-" : ""}${digits}-${two(month)}-${two(day)}`;
}

/** Plain digits with exactly `scale` of them behind the point. */
export function decimalText(value: Decimal): string {
  const sign = value.unscaled < 0n ? "-" : "";
  const digits = String(value.unscaled < 0n ? -value.unscaled : value.unscaled);
  if (value.scale <= 0) {
    return value.unscaled === 0n ? "0" : `${sign}${digits}${"0".repeat(-value.scale)}`;
  }
  const padded = digits.padStart(value.scale + 1, "0");
  const point = padded.length - value.scale;
  return `${sign}${padded.slice(0, point)}.${padded.slice(point)}`;
}

/** The plain decimal number of a text such as `-12.50`; null for any other text. */
export function decimalOf(text: string): Decimal | null {
  const match = /^(-?)([0-9]+)(?:\.([0-9]+))?$/.exec(text);
  if (match === null) return null;
  const fraction = match[3] ?? "";
  return new Decimal(BigInt(`${match[1]}${match[2]}${fraction}`), fraction.length);
}

/** Microseconds of `12:34:56.789`; the text is known to be a time. */
export function timeMicros(text: string): bigint {
  const [hours = 0, minutes = 0, seconds = 0] = text.slice(0, 8).split(":").map(Number);
  const fraction = text.slice(9).padEnd(6, "0");
  return BigInt((hours * 60 + minutes) * 60 + seconds) * 1_000_000n + BigInt(fraction);
}

/** Microseconds of `2024-01-31[ T]12:34:56.789[+02:00]`; the text is known to be a timestamp. */
export function timestampMicros(text: string): bigint {
  const day = dayOf(text);
  const match = /^(.{8}(?:\.\d+)?)(?:Z|([+-])(\d\d)(?::(\d\d))?)?$/.exec(text.slice(11));
  const midnight = BigInt(day) * DAY_MICROS;
  if (match === null) return midnight;
  const offset = (Number(match[3] ?? 0) * 60 + Number(match[4] ?? 0)) * 60_000_000;
  const east = BigInt(match[2] === "-" ? -offset : offset);
  return midnight + timeMicros(match[1] ?? "00:00:00") - east;
}

/** Day number of a text that begins with `2024-01-31`. */
export function dayOf(text: string): number {
  return dayNumber(Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10)));
}

/** The shortest text that reads back as the same float. */
export function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

export function isList(value: Exact): value is readonly Exact[] {
  return Array.isArray(value);
}

function objectText(value: Exclude<Exact, null | boolean | bigint | number | string>): string {
  if (value instanceof Decimal) return decimalText(value);
  if (value instanceof Day) return dayText(value.days);
  if (value instanceof Time) return timeText(value);
  if (value instanceof Instant) return instantText(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return exactJson(value);
}

function structureJson(value: Entries | readonly Exact[]): string {
  if (!(value instanceof Entries)) return `[${value.map(exactJson).join(",")}]`;
  const parts = value.pairs.map(
    ([key, item]) => `${JSON.stringify(key.toWellFormed())}:${exactJson(item)}`,
  );
  return `{${parts.join(",")}}`;
}

function textKeys({ pairs }: Mapping): Entries {
  return new Entries(pairs.map(([key, item]) => [exactText(key) ?? "null", item]));
}

function timeText({ micros, nanos }: Time): string {
  if (micros >= 0n) return clockText(micros, nanos);
  const whole = -(micros * 1000n + BigInt(nanos));
  return `-${clockText(whole / 1000n, Number(whole % 1000n))}`;
}

function instantText({ micros, nanos, zoned }: Instant): string {
  const ofDay = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS;
  const days = Number((micros - ofDay) / DAY_MICROS);
  return `${dayText(days)} ${clockText(ofDay, nanos)}${zoned ? "+00" : ""}`;
}

function clockText(micros: bigint, nanos: number): string {
  const seconds = Number(micros / 1_000_000n);
  const minutes = Math.floor(seconds / 60);
  const whole = `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:${two(seconds % 60)}`;
  const rest = String(micros % 1_000_000n).padStart(6, "0");
  if (nanos !== 0) return `${whole}.${rest}${String(nanos).padStart(3, "0")}`;
  const trimmed = rest.replace(/0+$/, "");
  return trimmed === "" ? whole : `${whole}.${trimmed}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
