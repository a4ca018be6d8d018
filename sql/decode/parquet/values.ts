/** Stored values of Parquet as exact values. LogicalTypes.md. */

import { isUtf8 } from "node:buffer";
import { counted } from "../../../core/base/quantity.ts";
import { Day, Decimal, type Exact, exactText, Instant, Time } from "../lossless/exact-value.ts";
import { escapedText } from "../rejects.ts";
import type { Meaning, ParquetNode, Unit } from "./footer.ts";
import type { Stored } from "./page-values.ts";
import { wktOf } from "./wkb.ts";

/** What was found on the way, for the row that is being read. */
export interface RowState {
  /** A column with a text that is not UTF-8. */
  badText: string | null;
}

export type Convert = (stored: Stored) => Exact;

/** 4713 BC, in which the days of INT96 begin, to 1970. */
const JULIAN_EPOCH_DAY = 2_440_588n;
const DAY_NANOS = 86_400_000_000_000n;
const REPLACEMENT = "\ufffd";

/** Compiles what a leaf's values stand for. Throws RangeError, when used, for what is none. */
export function convertOf({ meaning, leaf }: ParquetNode, state: RowState): Convert {
  const physical = leaf?.physical ?? "BOOLEAN";
  if (physical === "INT96") {
    return (stored) => new Instant(...split(julianNanos(integer(stored))), false);
  }
  switch (meaning.kind) {
    case "text":
    case "json":
      return (stored) => textOf(bytesOf(stored), leaf?.path ?? "", state);
    case "decimal":
      return (stored) => new Decimal(unscaled(stored), meaning.scale);
    case "integer": {
      const { bits, signed } = meaning;
      const cut = signed ? BigInt.asIntN : BigInt.asUintN;
      return (stored) => cut(bits, integer(stored));
    }
    case "date":
      return (stored) => new Day(Number(integer(stored)));
    case "time":
      return (stored) => timeOf(integer(stored), meaning.unit);
    case "timestamp":
      return (stored) => instantOf(integer(stored), meaning);
    case "uuid":
      return (stored) => uuidText(bytesOf(stored));
    case "float16":
      return (stored) => halfFloat(bytesOf(stored));
    case "interval":
      return (stored) => intervalText(bytesOf(stored));
    case "geometry":
      return (stored) => geometryOf(bytesOf(stored));
    default:
      return physical === "INT32" ? integer : (stored) => stored;
  }
}

/** Nanoseconds since 1970 of an INT96: those of its day, then the day's number. */
export function julianNanos(value: bigint): bigint {
  return ((value >> 64n) - JULIAN_EPOCH_DAY) * DAY_NANOS + BigInt.asIntN(64, value);
}

function integer(stored: Stored): bigint {
  if (typeof stored === "bigint") return stored;
  if (typeof stored === "number") return BigInt(stored);
  throw new RangeError("a value is no integer");
}

function bytesOf(stored: Stored): Uint8Array {
  if (stored instanceof Uint8Array) return stored;
  throw new RangeError("a value is no bytes");
}

/** Big-endian and signed, where it is bytes. */
function unscaled(stored: Stored): bigint {
  if (!(stored instanceof Uint8Array)) return integer(stored);
  if (stored.length === 0) return 0n;
  const { buffer, byteOffset, length } = stored;
  if (length === 8) return new DataView(buffer, byteOffset, 8).getBigInt64(0);
  return BigInt.asIntN(
    8 * length,
    BigInt(`0x${Buffer.from(buffer, byteOffset, length).toString("hex")}`),
  );
}

function textOf(bytes: Uint8Array, path: string, state: RowState): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
  if (!text.includes(REPLACEMENT) || isUtf8(bytes)) return text;
  state.badText ??= path;
  return escapedText(bytes);
}

function timeOf(value: bigint, unit: Unit): Time {
  if (unit === "millis") return new Time(value * 1000n);
  if (unit === "micros") return new Time(value);
  const [micros, nanos] = split(value);
  return new Time(micros, nanos);
}

function instantOf(
  value: bigint,
  { unit, zoned }: Meaning & { readonly kind: "timestamp" },
): Instant {
  if (unit === "millis") return new Instant(value * 1000n, 0, zoned);
  if (unit === "micros") return new Instant(value, 0, zoned);
  const [micros, nanos] = split(value);
  return new Instant(micros, nanos, zoned);
}

function split(value: bigint): [micros: bigint, nanos: number] {
  const nanos = ((value % 1000n) + 1000n) % 1000n;
  return [(value - nanos) / 1000n, Number(nanos)];
}

function uuidText(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new RangeError("a UUID is not 16 bytes long");
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** IEEE 754 binary16, little-endian. */
function halfFloat(bytes: Uint8Array): number {
  const [low, high] = bytes;
  if (low === undefined || high === undefined) throw new RangeError("a half float is cut");
  const sign = high > 127 ? -1 : 1;
  const exponent = (high >> 2) & 31;
  const fraction = ((high & 3) << 8) | low;
  if (exponent === 0) return (sign * fraction) / 2 ** 24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** Bytes that are no geometry, whatever the footer says, stay bytes. */
function geometryOf(bytes: Uint8Array): Exact {
  try {
    return wktOf(bytes);
  } catch (thrown) {
    if (thrown instanceof RangeError) return bytes;
    throw thrown;
  }
}

/** `1 year 2 months 3 days 00:00:04.005`: three counts that are no sums of each other. */
function intervalText(bytes: Uint8Array): string {
  if (bytes.length !== 12) throw new RangeError("an interval is not 12 bytes long");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [months, days, millis] = [
    view.getUint32(0, true),
    view.getUint32(4, true),
    view.getUint32(8, true),
  ];
  const counts = [
    [Math.floor(months / 12), "year"],
    [months % 12, "month"],
    [days, "day"],
  ] as const;
  const parts = counts.flatMap(([count, unit]) => (count === 0 ? [] : [counted(count, unit)]));
  const clock = exactText(new Time(BigInt(millis) * 1000n)) ?? "";
  return [...parts, ...(millis === 0 && parts.length > 0 ? [] : [clock])].join(" ");
}
