/**
 * Values of MySQL and MariaDB in the two forms that they come in: as the binary log lays them out, and as the texts of
 * an answer. Sources: MySQL, "Date and Time Data Type Representation"; decimal.c; log_event of both servers.
 */

import { inflateRawSync, inflateSync } from "node:zlib";
import { BINLOG_TYPE, uintAt } from "../../../../core/ingest/binlog-row.ts";
import { textOfBytes, UTF8_CHARSETS } from "../../../../core/ingest/charset-text.ts";
import type { WireType } from "../../../../core/ingest/wire-type.ts";
import {
  Day,
  dayNumber,
  decimalOf,
  type Exact,
  Instant,
  Time,
} from "../../lossless/exact-value.ts";
import { ipv6Text } from "../postgres/network-text.ts";
import { jsonText } from "./json-text.ts";
import { dayWords, decimalAt, two } from "./packed.ts";

/** The value in these bytes. Throws RangeError where they are none, `NoText` where they are no text. */
export type ValueReader = (bytes: Buffer, start: number, end: number) => Exact;

export interface ValueReaders {
  /** Of the log. */
  readonly binary: ValueReader;
  /** Of an answer. */
  readonly text: ValueReader;
}

/** Bytes that are none of their charset. */
export class NoText extends Error {}

/** What reads the values of a type. */
export function valueReaders(wire: WireType): ValueReaders {
  switch (wordOf(wire)) {
    case "tinyint":
    case "smallint":
    case "mediumint":
    case "int":
    case "bigint":
      return { binary: integer(wire), text: integerText };
    case "year":
      return { binary: yearOf, text: integerText };
    case "float":
      return {
        binary: (bytes, start) => bytes.readFloatLE(start),
        text: (bytes, start, end) => Math.fround(numberText(bytes, start, end)),
      };
    case "double":
      return { binary: (bytes, start) => bytes.readDoubleLE(start), text: numberText };
    case "decimal":
      return {
        binary: (bytes, start) => decimalAt(bytes, start, wire.typmod >> 8, wire.typmod & 255),
        text: decimalText,
      };
    case "date":
      return { binary: dateOf, text: dateText };
    case "datetime":
      return { binary: datetime(wire), text: (...of) => instantText(...of, false) };
    case "timestamp":
      return { binary: timestamp(wire), text: (...of) => instantText(...of, true) };
    case "time":
      return { binary: time(wire), text: timeText };
    case "bit":
      return bits(wire);
    case "enum":
      return { binary: enumOf(wire), text: textReader(wire) };
    case "set":
      return { binary: setOf(wire), text: textReader(wire) };
    default:
      return bytesReaders(wire);
  }
}

/** The first word of a type's name. */
export function wordOf({ name }: WireType): string {
  return name.split(/[ (]/, 1)[0] ?? "";
}

const CENTURY = 1900;
const DAY_MICROS = 86_400_000_000n;

function bytesReaders(wire: WireType): ValueReaders {
  const inner = innerOf(wire);
  const whole: ValueReader = (bytes, start, end) => Buffer.from(bytes.subarray(start, end));
  switch (wordOf(wire)) {
    case "binary": {
      const width = Number(/\((\d+)\)/.exec(wire.name)?.[1] ?? 0);
      return { binary: (...of) => padded(inner(...of), width), text: whole };
    }
    case "varbinary":
    case "blob":
    case "geometry":
    case "vector":
      return { binary: (...of) => Buffer.from(inner(...of)), text: whole };
    case "uuid":
      return { binary: (...of) => uuidText(padded(inner(...of), 16)), text: plain };
    case "inet6":
      return { binary: (...of) => ipv6Text(padded(inner(...of), 16)), text: plain };
    case "inet4":
      return { binary: (...of) => padded(inner(...of), 4).join("."), text: plain };
    case "json":
      if (wire.oid === BINLOG_TYPE.json) {
        return { binary: (...of) => jsonText(inner(...of)), text: plain };
      }
      return { binary: (...of) => plainOf(inner(...of)), text: plain };
    default: {
      const read = textReader(wire);
      const binary: ValueReader = (...of) => {
        const value = inner(...of);
        return read(value, 0, value.length);
      };
      return { binary, text: read };
    }
  }
}

function plain(bytes: Buffer, start: number, end: number): string {
  return plainOf(bytes.subarray(start, end));
}

function plainOf(value: Buffer): string {
  return value.toString("utf8");
}

const REPLACEMENT = "\ufffd";

function textReader({ charset = "utf8mb4", alphabet }: WireType): ValueReader {
  const read = textOfBytes(charset, alphabet);
  const isPlain = UTF8_CHARSETS.has(charset);
  return (bytes, start, end) => {
    if (isPlain) {
      const text = bytes.toString("utf8", start, end);
      if (!text.includes(REPLACEMENT)) return text;
    }
    const text = read?.(bytes.subarray(start, end)) ?? null;
    if (text === null) throw new NoText(`bytes that are not ${charset}`);
    return text;
  };
}

/** What is behind the length in front of a value, unpacked where the column is compressed. */
function innerOf({ oid, typmod }: WireType): (bytes: Buffer, start: number, end: number) => Buffer {
  switch (oid) {
    case BINLOG_TYPE.blob:
    case BINLOG_TYPE.geometry:
    case BINLOG_TYPE.json:
    case BINLOG_TYPE.vector:
      return (bytes, start, end) => bytes.subarray(start + typmod, end);
    case BINLOG_TYPE.blobCompressed:
      return (bytes, start, end) => unpacked(bytes.subarray(start + typmod, end));
    case BINLOG_TYPE.varcharCompressed:
      return (bytes, start, end) => unpacked(bytes.subarray(start + prefixOf(typmod), end));
    default:
      return (bytes, start, end) => bytes.subarray(start + prefixOf(typmod), end);
  }
}

/** Bytes of the length in front of a string. */
export function prefixOf(bytesMax: number): number {
  return bytesMax > 255 ? 2 : 1;
}

const LENGTH_BITS = 7;
/** Deflated without the head of zlib. */
const RAW = 8;

/** A value of a compressed column. MariaDB, "Storage-Engine Independent Column Compression"; field_comp.cc. */
function unpacked(value: Buffer): Buffer {
  const [first] = value;
  if (first === undefined) return value;
  if (first === 0) return value.subarray(1);
  const packed = value.subarray(1 + (first & LENGTH_BITS));
  return (first & RAW) === 0 ? inflateSync(packed) : inflateRawSync(packed);
}

function padded(value: Buffer, width: number): Buffer {
  if (value.length >= width) return Buffer.from(value);
  const whole = Buffer.alloc(width);
  value.copy(whole);
  return whole;
}

function uuidText(value: Buffer): string {
  return value.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// Numbers.

function integer(wire: WireType): ValueReader {
  const isUnsigned = wire.name.endsWith(" unsigned");
  switch (wordOf(wire)) {
    case "tinyint":
      return (bytes, at) => BigInt(isUnsigned ? bytes.readUInt8(at) : bytes.readInt8(at));
    case "smallint":
      return (bytes, at) => BigInt(isUnsigned ? bytes.readUInt16LE(at) : bytes.readInt16LE(at));
    case "mediumint":
      return (bytes, at) => BigInt(isUnsigned ? bytes.readUIntLE(at, 3) : bytes.readIntLE(at, 3));
    case "int":
      return (bytes, at) => BigInt(isUnsigned ? bytes.readUInt32LE(at) : bytes.readInt32LE(at));
    default:
      return (bytes, at) => (isUnsigned ? bytes.readBigUInt64LE(at) : bytes.readBigInt64LE(at));
  }
}

function integerText(bytes: Buffer, start: number, end: number): Exact {
  const text = bytes.toString("latin1", start, end);
  return /^-?\d+$/.test(text) ? BigInt(text) : text;
}

function yearOf(bytes: Buffer, start: number): Exact {
  const year = bytes.readUInt8(start);
  return year === 0 ? 0n : BigInt(CENTURY + year);
}

function numberText(bytes: Buffer, start: number, end: number): number {
  return Number(bytes.toString("latin1", start, end));
}

function decimalText(bytes: Buffer, start: number, end: number): Exact {
  const text = bytes.toString("latin1", start, end);
  return decimalOf(text) ?? text;
}

function bits(wire: WireType): ValueReaders {
  const count = Number(/\((\d+)\)/.exec(wire.name)?.[1] ?? 1);
  const read: ValueReader = (bytes, start, end) => {
    let text = "";
    for (let at = start; at < end; at++) text += (bytes[at] ?? 0).toString(2).padStart(8, "0");
    const shown = text.slice(-count).padStart(count, "0");
    return count === 1 ? shown === "1" : shown;
  };
  return { binary: read, text: read };
}

function enumOf({ labels = [] }: WireType): ValueReader {
  return (bytes, start, end) => {
    const index = uintAt(bytes, start, end - start);
    // What was no label was kept as an empty text.
    if (index === 0) return "";
    const label = labels[index - 1];
    if (label === undefined) throw new RangeError(`an enum has no label ${index}`);
    return label;
  };
}

function setOf({ labels = [] }: WireType): ValueReader {
  return (bytes, start, end) => {
    let mask = 0n;
    for (let at = end - 1; at >= start; at--) mask = (mask << 8n) | BigInt(bytes[at] ?? 0);
    return labels.filter((_, index) => (mask & (1n << BigInt(index))) !== 0n).join(",");
  };
}

// Times.

const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** False for what is no day of a calendar: a zero for a year, a month or a day, and days that a month does not have. */
export function isDay(year: number, month: number, day: number): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > (MONTH_DAYS[month - 1] ?? 0)) {
    return false;
  }
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return isLeap || month !== 2 || day < 29;
}

function dayOr(year: number, month: number, day: number): Exact {
  return isDay(year, month, day)
    ? new Day(dayNumber(year, month, day))
    : dayWords(year, month, day);
}

function dateOf(bytes: Buffer, start: number): Exact {
  const value = bytes.readUIntLE(start, 3);
  return dayOr(value >> 9, (value >> 5) & 15, value & 31);
}

/** Microseconds since midnight, as they are written behind a day. */
function clockWords(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const rest = String(micros % 1_000_000)
    .padStart(6, "0")
    .replace(/0+$/, "");
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${clock.map(two).join(":")}${rest === "" ? "" : `.${rest}`}`;
}

/** A zero date stays the text that it is. */
function instantOr(
  year: number,
  month: number,
  day: number,
  micros: number,
  zoned: boolean,
): Exact {
  if (!isDay(year, month, day)) return `${dayWords(year, month, day)} ${clockWords(micros)}`;
  const midnight = BigInt(dayNumber(year, month, day)) * DAY_MICROS;
  return new Instant(midnight + BigInt(micros), 0, zoned);
}

/** Microseconds of the decimals behind a time: as many bytes as it takes, two digits each. */
export function fraction(bytes: Buffer, start: number, decimals: number): number {
  const width = (decimals + 1) >> 1;
  if (width === 0) return 0;
  return bytes.readUIntBE(start, width) * 100 ** (3 - width);
}

function datetime({ oid, typmod }: WireType): ValueReader {
  if (oid === BINLOG_TYPE.datetime) {
    return (bytes, start) => {
      const value = Number(bytes.readBigUInt64LE(start));
      const day = Math.floor(value / 1_000_000);
      return instantOr(
        Math.floor(day / 10_000),
        Math.floor(day / 100) % 100,
        day % 100,
        clockOf(value % 1_000_000) * 1_000_000,
        false,
      );
    };
  }
  return (bytes, start) => {
    const high = bytes.readUIntBE(start, 3) - 0x80_0000;
    const low = bytes.readUInt16BE(start + 3);
    // 17 bits of years and months, 5 of days, 5 of hours, 6 of minutes, 6 of seconds.
    const months = high >> 6;
    const day = (high >> 1) & 31;
    const hours = ((high & 1) << 4) | (low >> 12);
    const seconds = hours * 3600 + ((low >> 6) & 63) * 60 + (low & 63);
    const micros = seconds * 1_000_000 + fraction(bytes, start + 5, typmod);
    return instantOr(Math.floor(months / 13), months % 13, day, micros, false);
  };
}

/** Seconds of `123456`, which is 12:34:56. */
function clockOf(value: number): number {
  return Math.floor(value / 10_000) * 3600 + (Math.floor(value / 100) % 100) * 60 + (value % 100);
}

const NO_TIME = "0000-00-00 00:00:00";

function timestamp({ oid, typmod }: WireType): ValueReader {
  const isOld = oid === BINLOG_TYPE.timestamp;
  return (bytes, start) => {
    const seconds = isOld ? bytes.readUInt32LE(start) : bytes.readUInt32BE(start);
    const micros = isOld ? 0 : fraction(bytes, start + 4, typmod);
    if (seconds === 0 && micros === 0) return NO_TIME;
    return new Instant(BigInt(seconds) * 1_000_000n + BigInt(micros), 0, true);
  };
}

function time({ oid, typmod }: WireType): ValueReader {
  if (oid === BINLOG_TYPE.time) {
    return (bytes, start) => {
      const value = bytes.readIntLE(start, 3);
      const seconds = clockOf(Math.abs(value));
      return new Time(BigInt(value < 0 ? -seconds : seconds) * 1_000_000n);
    };
  }
  const width = (typmod + 1) >> 1;
  const scale = 256 ** width;
  return (bytes, start) => {
    // Below zero both parts together are, so that they sort.
    const packed = bytes.readUIntBE(start, 3 + width) - 0x80_0000 * scale;
    const size = Math.abs(packed);
    const whole = Math.floor(size / scale);
    const part = width === 0 ? 0 : (size % scale) * 100 ** (3 - width);
    const seconds = ((whole >> 12) & 1023) * 3600 + ((whole >> 6) & 63) * 60 + (whole & 63);
    const micros = BigInt(seconds) * 1_000_000n + BigInt(part);
    return new Time(packed < 0 ? -micros : micros);
  };
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DATETIME = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;
const CLOCK = /^(-?)(\d{2,3}):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;

function dateText(bytes: Buffer, start: number, end: number): Exact {
  const text = bytes.toString("latin1", start, end);
  const match = DATE.exec(text);
  return match === null ? text : dayOr(Number(match[1]), Number(match[2]), Number(match[3]));
}

function instantText(bytes: Buffer, start: number, end: number, zoned: boolean): Exact {
  const text = bytes.toString("latin1", start, end);
  const match = DATETIME.exec(text);
  if (match === null) return text;
  const [year = 0, month = 0, day = 0, hours = 0, minutes = 0, seconds = 0] = match
    .slice(1, 7)
    .map(Number);
  const part = Number((match[7] ?? "").padEnd(6, "0"));
  const micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + part;
  return instantOr(year, month, day, micros, zoned);
}

function timeText(bytes: Buffer, start: number, end: number): Exact {
  const text = bytes.toString("latin1", start, end);
  const match = CLOCK.exec(text);
  if (match === null) return text;
  const [, sign, hours, minutes, seconds, rest = ""] = match;
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  const micros = BigInt(whole) * 1_000_000n + BigInt(rest.padEnd(6, "0"));
  return new Time(sign === "-" ? -micros : micros);
}
