/** Values as a step in TypeScript sees and gives them: 64-bit integers are bigint, decimals and times are text. */

import { type Schema as ArrowSchema, DataType, Int64, TimeUnit, Vector } from "apache-arrow";
import type { Row } from "../../core/ports.ts";
import type { Type } from "../../core/table/types.ts";
import { isDay } from "./fits.ts";

export type StepRow = Readonly<Record<string, unknown>>;

export interface ValueReader {
  readonly name: string;
  /** Of a value that is there. */
  readonly read: (value: unknown) => unknown;
}

const DAY_MS = 86_400_000;
const MICROS = 1_000_000n;
const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = 2n ** 63n - 1n;

/** How the values of each column of a stream are read. */
export function valueReaders(schema: ArrowSchema): readonly ValueReader[] {
  return schema.fields.map(({ name, type }) => ({ name, read: readerOf(type) }));
}

function readerOf(type: DataType): (value: unknown) => unknown {
  if (DataType.isDecimal(type)) return (value) => decimalText(value, type.scale);
  if (DataType.isDate(type)) return (value) => new Date(Number(value)).toISOString().split("T")[0];
  if (DataType.isTimestamp(type)) {
    const isZoned = type.timezone !== null && type.timezone !== undefined;
    return (value) => timestampText(microsIn(value as bigint, type.unit), isZoned); // parse: wholeVector
  }
  if (DataType.isList(type)) return (value) => [...(value as Iterable<unknown>)].map(plain); // parse: a vector
  if (DataType.isStruct(type)) return plain;
  return (value) => value;
}

/** Timestamps as whole numbers: Arrow gives milliseconds with fractions, which years far away do not have. */
export function wholeVector(vector: Vector | null): Vector | null {
  if (vector === null || !DataType.isTimestamp(vector.type)) return vector;
  return new Vector(vector.data.map((data) => data.clone(new Int64())));
}

function microsIn(value: bigint, unit: TimeUnit): bigint {
  if (unit === TimeUnit.NANOSECOND) return value / 1_000n;
  return (
    value *
    { [TimeUnit.SECOND]: MICROS, [TimeUnit.MILLISECOND]: 1_000n, [TimeUnit.MICROSECOND]: 1n }[unit]
  );
}

/** What is inside of another value, without what Arrow has around it. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("toJSON" in value && typeof value.toJSON === "function") return plain(value.toJSON());
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    // parse: both are walked
    return [...(value as unknown as Iterable<unknown>)].map(plain); // parse: above
  }
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
}

/** Words of 32 bits, the lowest first. */
function decimalText(value: unknown, scale: number): string {
  if (!(value instanceof Uint32Array)) return String(value);
  let whole = 0n;
  for (const word of [...value].reverse()) whole = (whole << 32n) | BigInt(word);
  whole = BigInt.asIntN(value.length * 32, whole);
  const digits = (whole < 0n ? -whole : whole).toString().padStart(scale + 1, "0");
  const sign = whole < 0n ? "-" : "";
  return scale === 0
    ? `${sign}${digits}`
    : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function timestampText(micros: bigint, isZoned: boolean): string {
  const second = micros >= 0n ? micros / MICROS : -((-micros + MICROS - 1n) / MICROS);
  const rest = String(micros - second * MICROS)
    .padStart(6, "0")
    .replace(/0+$/, "");
  const text = new Date(Number(second) * 1_000).toISOString().replace("T", " ").slice(0, -5);
  return `${text}${rest === "" ? "" : `.${rest}`}${isZoned ? "+00" : ""}`;
}

/** A value as our columns take it; undefined for one that its type does not have. One that is not there is NULL. */
export function storedValue(value: unknown, type: Type): Row[string] | undefined {
  if (value === null || value === undefined) return null;
  if (type.kind === "decimal") return decimalOf(value, type.precision, type.scale);
  switch (type.kind === "primitive" ? type.name : null) {
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "int": {
      const whole = wholeOf(value);
      return whole !== undefined && whole >= -INT_MAX - 1 && whole <= INT_MAX
        ? Number(whole)
        : undefined;
    }
    case "long": {
      const whole = wholeOf(value);
      return whole !== undefined && whole >= -LONG_MAX - 1n && whole <= LONG_MAX
        ? whole
        : undefined;
    }
    case "float":
    case "double":
      return typeof value === "number" ? value : undefined;
    case "string":
      return typeof value === "string" ? value : undefined;
    case "date": {
      const ms = isDay(String(value)) ? Date.parse(String(value)) : Number.NaN;
      return Number.isNaN(ms) ? undefined : ms / DAY_MS;
    }
    case "timestamp":
    case "timestamptz":
      return microsOf(value);
    default:
      return undefined;
  }
}

function wholeOf(value: unknown): bigint | undefined {
  if (typeof value === "bigint") return value;
  return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}

/** Unscaled. */
function decimalOf(value: unknown, precision: number, scale: number): bigint | undefined {
  const isNumber = ["string", "number", "bigint"].includes(typeof value);
  const match = isNumber ? /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value)) : null;
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = ""] = match;
  const kept = fraction.replace(/0+$/, "");
  if (kept.length > scale) return undefined;
  const digits = BigInt(`${whole}${kept.padEnd(scale, "0")}`);
  if (digits >= 10n ** BigInt(precision)) return undefined;
  return sign === "-" ? -digits : digits;
}

const TIMESTAMP =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}(?::?\d{2})?)?$/;

function microsOf(value: unknown): bigint | undefined {
  if (value instanceof Date) {
    const ms = value.getTime();
    return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000n;
  }
  const match = TIMESTAMP.exec(String(value));
  if (match === null) return undefined;
  const [, day = "", time, fraction = "", zone = "Z"] = match;
  if (!isDay(day)) return undefined;
  const hours = zone.length === 3 ? `${zone}:00` : zone;
  const ms = Date.parse(`${day}T${time}${hours}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * 1_000n + BigInt(fraction.padEnd(6, "0"));
}
