/** Cells as text, character for character as DuckDB casts them to VARCHAR. */

import { must } from "../../core/base/assert.ts";
import type {
  Cell,
  Interval,
  OffsetTime,
  Tagged,
  TimeUnit,
  ValueType,
} from "../../sql/query/result.ts";

export type CellText = (cell: Cell) => string | null;

/** True for types whose values line up at their last digit. */
export function isNumeric(type: ValueType): boolean {
  return ["integer", "bignum", "decimal", "float", "double"].includes(type.kind);
}

/**
 * A function that writes cells of one type. `timezone` is the session's zone, in which instants are shown.
 * NULL answers null; inside lists and structs it is the word NULL.
 */
export function cellText(type: ValueType, timezone: string): CellText {
  const write = writer(type, timezone);
  return (cell) => (cell === null ? null : write(cell));
}

/** The decimal number of an unscaled integer, with all its digits. */
export function decimalText(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const fraction = scale === 0 ? "" : `.${digits.slice(digits.length - scale)}`;
  return `${negative ? "-" : ""}${whole}${fraction}`;
}

/**
 * A double (or a float, when `single`) in its shortest form, as DuckDB's fmt writes it: exponent below 1e-4 and
 * from 1e16, at least one digit after the point.
 */
export function floatText(value: number, single: boolean): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const size = Math.abs(value);
  if (!single && size >= 1e-4 && size < 1e16) {
    const text = String(value);
    return text.includes(".") ? text : `${text}.0`;
  }
  const scientific = single ? shortestSingle(value) : value.toExponential();
  const [mantissa = "", power = "0"] = scientific.split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 16) {
    const plain = plainNumber(mantissa, exponent);
    return plain.includes(".") ? plain : `${plain}.0`;
  }
  const digits = String(Math.abs(exponent)).padStart(2, "0");
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
}

type Write = (cell: Exclude<Cell, null>) => string;

function writer(type: ValueType, timezone: string): Write {
  switch (type.kind) {
    case "float":
    case "double": {
      const single = type.kind === "float";
      return (cell) => (typeof cell === "number" ? floatText(cell, single) : String(cell));
    }
    case "decimal":
      return (cell) => (typeof cell === "bigint" ? decimalText(cell, type.scale) : String(cell));
    case "date":
      return (cell) => dateText(Number(cell));
    case "time":
      return (cell) => timeText(Number(cell), 6);
    case "timetz":
      return (cell) => offsetTimeText(cell as OffsetTime); // parse: the cell of this kind, see Cell
    case "timestamp":
      return timestampWriter(type.unit, type.zoned ? timezone : null);
    case "interval":
      return (cell) => intervalText(cell as Interval); // parse: the cell of this kind, see Cell
    case "blob":
      return (cell) => (cell instanceof Uint8Array ? blobText(cell) : String(cell));
    case "list":
    case "struct":
    case "map":
    case "union":
      return nestedWriter(type, timezone);
    default:
      return String;
  }
}

function nestedWriter(
  type: Extract<ValueType, { kind: "list" | "struct" | "map" | "union" }>,
  timezone: string,
): Write {
  if (type.kind === "list") {
    const element = innerWriter(type.element, timezone);
    return (cell) => `[${items(cell).map(element).join(", ")}]`;
  }
  if (type.kind === "map") {
    const key = innerWriter(type.key, timezone);
    const value = innerWriter(type.value, timezone);
    return (cell) => {
      const pairs = items(cell).map((pair) => {
        const [k = null, v = null] = items(pair ?? []);
        return `${key(k)}=${value(v)}`;
      });
      return `{${pairs.join(", ")}}`;
    };
  }
  if (type.kind === "union") {
    const byTag = new Map(type.members.map((m) => [m.name, cellText(m.type, timezone)]));
    return (cell) => {
      const { tag, value } = cell as Tagged; // parse: the cell of this kind, see Cell
      return byTag.get(tag)?.(value) ?? "NULL";
    };
  }
  const fields = type.fields.map((field) => ({
    name: field.name,
    write: innerWriter(field.type, timezone),
  }));
  if (fields.every((field) => field.name === "")) {
    return (cell) =>
      `(${items(cell)
        .map((item, index) => must(fields[index], "a value per field").write(item))
        .join(", ")})`;
  }
  return (cell) => {
    const values = items(cell);
    const parts = fields.map(
      (field, index) => `${quoted(field.name)}: ${field.write(values[index] ?? null)}`,
    );
    return `{${parts.join(", ")}}`;
  };
}

function items(cell: Cell): readonly Cell[] {
  return Array.isArray(cell) ? cell : [];
}

/** A part of a nested value: quoted where it could be taken for something else. */
function innerWriter(type: ValueType, timezone: string): (cell: Cell) => string {
  const write = writer(type, timezone);
  const bare = ["list", "struct", "map", "union", "json"].includes(type.kind);
  return (cell) => {
    if (cell === null) return "NULL";
    const text = write(cell);
    return bare || !needsQuotes(text) ? text : quoted(text);
  };
}

/** The characters that DuckDB 1.5 quotes inside nested values; found by casting every one. */
function needsQuotes(text: string): boolean {
  return (
    text === "" ||
    /["'(),:=[\]{}]/.test(text) ||
    /^[ \t-\r]|[ \t-\r]$/.test(text) ||
    text.toUpperCase() === "NULL"
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

const DAY_MICROS = 86_400_000_000n;
const DATE_INFINITY = 2_147_483_647;
const INSTANT_INFINITY = 9_223_372_036_854_775_807n;
/** Days of 400 years: the Gregorian calendar repeats, so far dates are shown by near ones. */
const CYCLE_DAYS = 146_097;

function dateText(days: number): string {
  if (Math.abs(days) === DATE_INFINITY) return days > 0 ? "infinity" : "-infinity";
  const cycles = Math.floor(days / CYCLE_DAYS);
  const date = new Date((days - cycles * CYCLE_DAYS) * 86_400_000);
  const year = date.getUTCFullYear() + cycles * 400;
  const month = String(date.getUTCMonth() + 1).padStart(2, "0");
  const day = String(date.getUTCDate()).padStart(2, "0");
  const shownYear = String(year > 0 ? year : 1 - year).padStart(4, "0");
  return `${shownYear}-${month}-${day}${year > 0 ? "" : " (BC)"}`;
}

/** Time of day from a count of 10^-digits seconds; a day's count is below 2^53 for every unit. */
function timeText(count: number, digits: number): string {
  const perSecond = 10 ** digits;
  const seconds = Math.floor(count / perSecond);
  const rest = count - seconds * perSecond;
  const clock = `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
  if (rest === 0) return clock;
  return `${clock}.${String(rest).padStart(digits, "0").replace(/0+$/, "")}`;
}

function two(value: number): string {
  const whole = Math.floor(value);
  return whole < 10 ? `0${whole}` : String(whole);
}

function offsetText(seconds: number): string {
  const size = Math.abs(seconds);
  const pad = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const minutes = size % 3600 === 0 ? "" : `:${pad((size / 60) % 60)}`;
  const rest = size % 60 === 0 ? "" : `:${pad(size % 60)}`;
  return `${seconds < 0 ? "-" : "+"}${pad(size / 3600)}${minutes}${rest}`;
}

function offsetTimeText(time: OffsetTime): string {
  return timeText(Number(time.micros), 6) + offsetText(time.offsetSeconds);
}

const UNIT_DIGITS: Readonly<Record<TimeUnit, number>> = { s: 0, ms: 3, us: 6, ns: 9 };

function timestampWriter(unit: TimeUnit, timezone: string | null): Write {
  const digits = UNIT_DIGITS[unit];
  const perSecond = 10n ** BigInt(digits);
  const perDay = 86_400n * perSecond;
  const perSecondSafe = 10 ** digits;
  const perDaySafe = 86_400 * perSecondSafe;
  const offsetAt = timezone === null ? null : zoneOffsets(timezone);
  let shownDay = Number.NaN;
  let shownDate = "";
  const dateOf = (day: number) => {
    if (day !== shownDay) shownDate = dateText(day);
    shownDay = day;
    return shownDate;
  };
  return (cell) => {
    const instant = typeof cell === "bigint" ? cell : BigInt(String(cell));
    if (instant === INSTANT_INFINITY) return "infinity";
    if (instant === -INSTANT_INFINITY) return "-infinity";
    const offset = offsetAt === null ? 0 : offsetAt(toMicros(instant, digits));
    const safe = Number(instant) + offset * perSecondSafe;
    if (Number.isSafeInteger(safe)) {
      const day = Math.floor(safe / perDaySafe);
      const text = `${dateOf(day)} ${timeText(safe - day * perDaySafe, digits)}`;
      return offsetAt === null ? text : text + offsetText(offset);
    }
    const local = offset === 0 ? instant : instant + BigInt(offset) * perSecond;
    let rest = local % perDay;
    if (rest < 0n) rest += perDay;
    const day = Number((local - rest) / perDay);
    const text = `${dateOf(day)} ${timeText(Number(rest), digits)}`;
    return offsetAt === null ? text : text + offsetText(offset);
  };
}

function toMicros(count: bigint, digits: number): bigint {
  return digits > 6 ? count / 10n ** BigInt(digits - 6) : count * 10n ** BigInt(6 - digits);
}

const QUARTER_HOUR_MICROS = 900_000_000n;
const INSTANT_MS_MAX = 8_640_000_000_000_000n;

/** Offset of the zone in seconds at an instant in microseconds; zones change on quarter hours only. */
function zoneOffsets(timezone: string): (micros: bigint) => number {
  if (timezone === "UTC" || timezone === "Etc/UTC") return () => 0;
  const known = new Map<bigint, number>();
  return (micros) => {
    const quarter = micros / QUARTER_HOUR_MICROS;
    const cached = known.get(quarter);
    if (cached !== undefined) return cached;
    const ms = micros / 1000n;
    const within = ms > INSTANT_MS_MAX || ms < -INSTANT_MS_MAX ? 0n : ms;
    const instant = Temporal.Instant.fromEpochMilliseconds(Number(within));
    const offset = instant.toZonedDateTimeISO(timezone).offsetNanoseconds / 1e9;
    if (known.size > 10_000) known.clear();
    known.set(quarter, offset);
    return offset;
  };
}

function intervalText(interval: Interval): string {
  const parts: string[] = [];
  const add = (count: number, unit: string) => {
    if (count !== 0) parts.push(`${count} ${unit}${Math.abs(count) === 1 ? "" : "s"}`);
  };
  add(Math.trunc(interval.months / 12), "year");
  add(interval.months % 12, "month");
  add(interval.days, "day");
  if (interval.micros !== 0n || parts.length === 0) {
    const negative = interval.micros < 0n;
    const size = negative ? -interval.micros : interval.micros;
    const hours = size / 3_600_000_000n;
    const clock = timeText(Number(size % DAY_MICROS), 6);
    parts.push(`${negative ? "-" : ""}${String(hours).padStart(2, "0")}${clock.slice(2)}`);
  }
  return parts.join(" ");
}

function blobText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const plain = byte >= 32 && byte <= 126 && byte !== 34 && byte !== 39 && byte !== 92;
    text += plain
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/**
 * The shortest digits nearer to this 32-bit float than to any other, as fmt 6 finds them: where two decimals
 * are as near, or one lies exactly between two floats, it writes the digits of the double instead.
 */
function shortestSingle(value: number): string {
  const size = Math.abs(value);
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, size);
  const pattern = bits.getUint32(0);
  bits.setUint32(0, pattern - 1);
  const low = (bits.getFloat32(0) + size) / 2;
  bits.setUint32(0, pattern + 1);
  const next = bits.getFloat32(0);
  const high = Number.isFinite(next) ? (next + size) / 2 : 2 * size - low;
  const double = value.toExponential();
  const digitCount = double.replace(/e.*/, "").replace(/[-.]/g, "").length;
  for (let precision = 0; precision < 9; precision++) {
    const text = value.toExponential(precision);
    const near = Math.abs(Number(text));
    if (near < low || near > high) continue;
    const isTie = digitCount === precision + 2 && /5e/.test(double);
    if (near === low || near === high || isTie) return double;
    return text.replace(/(\.\d*?)0+e/, "$1e").replace(".e", "e");
  }
  return double;
}

function plainNumber(mantissa: string, exponent: number): string {
  const negative = mantissa.startsWith("-");
  const digits = mantissa.replace("-", "").replace(".", "");
  const point = exponent + 1;
  let plain: string;
  if (point <= 0) plain = `0.${"0".repeat(-point)}${digits}`;
  else if (point >= digits.length) plain = digits + "0".repeat(point - digits.length);
  else plain = `${digits.slice(0, point)}.${digits.slice(point)}`;
  return negative ? `-${plain}` : plain;
}
