/**
 * Values of the binary log into columns without an object for any of them: those that most are. What is not usual is
 * left to whoever looks at every row. Sources as in values.ts.
 */

import { BINLOG_TYPE } from "../../../../core/ingest/binlog-row.ts";
import type { WireType } from "../../../../core/ingest/wire-type.ts";
import type { Type } from "../../../../core/table/types.ts";
import { dayNumber } from "../../lossless/exact-value.ts";
import type { PartColumn } from "../../made/column-part.ts";
import { LONG_DIGITS } from "../../made/part-schema.ts";
import type { CellWriter } from "../cell.ts";
import { unscaledAt } from "./packed.ts";
import { fraction, isDay, wordOf } from "./values.ts";

/** Digits of any integer that a number holds exactly. */
const SAFE_DIGITS = 15;
const DAY_MICROS = 86_400_000_000;
/** Days on either side of 1970 whose microseconds a number holds exactly: up to the year 2255. */
const SAFE_DAYS = 104_000;

/** The writer of a column's values in the log; null for one that has none here. */
export function binaryWriter(wire: WireType, type: Type): CellWriter | null {
  if (type.kind === "decimal") return decimals(wire, type);
  if (type.kind !== "primitive") return null;
  switch (`${wordOf(wire)} as ${type.name}`) {
    case "date as date":
      return wire.oid === BINLOG_TYPE.date || wire.oid === BINLOG_TYPE.newdate ? writeDate : null;
    case "datetime as timestamp":
      return wire.oid === BINLOG_TYPE.datetime2 ? datetimes(wire.typmod) : null;
    case "timestamp as timestamptz":
      return wire.oid === BINLOG_TYPE.timestamp2 ? timestamps(wire.typmod) : null;
    default:
      return type.name === "int" || type.name === "long" ? integers(wire, type.name) : null;
  }
}

function integers(wire: WireType, as: "int" | "long"): CellWriter | null {
  const read = READERS[wire.name];
  if (as === "int" && read !== undefined && wire.name !== UNSIGNED_INT) {
    return (bytes, start, _end, to) => {
      to.int(read(bytes, start));
      return true;
    };
  }
  if (as === "long" && read !== undefined) {
    return (bytes, start, _end, to) => {
      to.long(read(bytes, start));
      return true;
    };
  }
  if (as === "int" || wire.name !== "bigint") return null;
  return (bytes, start, _end, to) => {
    to.halves(bytes.readInt32LE(start), bytes.readInt32LE(start + 4));
    return true;
  };
}

const UNSIGNED_INT = "int unsigned";

/** Integers of up to 32 bits. */
const READERS: Readonly<Record<string, (bytes: Buffer, at: number) => number>> = {
  tinyint: (bytes, at) => bytes.readInt8(at),
  "tinyint unsigned": (bytes, at) => bytes.readUInt8(at),
  smallint: (bytes, at) => bytes.readInt16LE(at),
  "smallint unsigned": (bytes, at) => bytes.readUInt16LE(at),
  mediumint: (bytes, at) => bytes.readIntLE(at, 3),
  "mediumint unsigned": (bytes, at) => bytes.readUIntLE(at, 3),
  int: (bytes, at) => bytes.readInt32LE(at),
  [UNSIGNED_INT]: (bytes, at) => bytes.readUInt32LE(at),
};

function decimals(
  { name, oid, typmod }: WireType,
  { precision, scale }: Type & { readonly kind: "decimal" },
): CellWriter | null {
  const wireScale = typmod & 255;
  const digits = (typmod >> 8) + scale - wireScale;
  const isExact =
    oid === BINLOG_TYPE.newdecimal && name.startsWith("decimal") && scale >= wireScale;
  const isSafe = digits <= SAFE_DIGITS && digits <= precision && precision <= LONG_DIGITS;
  if (!isExact || !isSafe) return null;
  const times = 10 ** (scale - wireScale);
  return (bytes, start, _end, to) => {
    to.long(unscaledAt(bytes, start, typmod >> 8, wireScale) * times);
    return true;
  };
}

function writeDate(bytes: Buffer, start: number, _end: number, to: PartColumn): boolean {
  const value = bytes.readUIntLE(start, 3);
  const [year, month, day] = [value >> 9, (value >> 5) & 15, value & 31];
  if (!isDay(year, month, day)) return false;
  to.int(dayNumber(year, month, day));
  return true;
}

function datetimes(decimals: number): CellWriter {
  return (bytes, start, _end, to) => {
    // 1 bit of sign, 17 of years and months, 5 of days, 5 of hours, 6 of minutes, 6 of seconds.
    const high = bytes.readUIntBE(start, 3) - 0x80_0000;
    const low = bytes.readUInt16BE(start + 3);
    const months = high >> 6;
    const [year, month, day] = [Math.floor(months / 13), months % 13, (high >> 1) & 31];
    if (!isDay(year, month, day)) return false;
    const days = dayNumber(year, month, day);
    if (Math.abs(days) > SAFE_DAYS) return false;
    const hours = ((high & 1) << 4) | (low >> 12);
    const seconds = hours * 3600 + ((low >> 6) & 63) * 60 + (low & 63);
    to.long(days * DAY_MICROS + seconds * 1_000_000 + fraction(bytes, start + 5, decimals));
    return true;
  };
}

function timestamps(decimals: number): CellWriter {
  return (bytes, start, _end, to) => {
    const micros = bytes.readUInt32BE(start) * 1_000_000 + fraction(bytes, start + 4, decimals);
    if (micros === 0) return false;
    to.long(micros);
    return true;
  };
}
