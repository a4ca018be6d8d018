/**
 * Values in PostgreSQL's binary form as the texts that the server writes of them with ISO dates, intervals in its own
 * style, UTC, money of the C locale and bytes in hexadecimal. Sources: the send and out functions of each type.
 */

import type { WireType } from "../../../../core/ingest/wire-type.ts";
import { Decimal, dayText, decimalText } from "../../lossless/exact-value.ts";
import { float4Text, float8Text } from "./float-text.ts";
import { arrayText, hstoreText, rangeText, rowText } from "./literals.ts";
import { networkText } from "./network-text.ts";
import { OID, typeName } from "./oids.ts";
import { vectorText } from "./search-text.ts";

/** The text of the value in these bytes. Throws RangeError where they are none. */
export type BinaryText = (bytes: Buffer) => string;

/** What makes texts of a type's binary form; null for a type whose binary form is not read here. */
export function binaryText(wire: WireType): BinaryText | null {
  switch (wire.kind) {
    case "domain":
      return wire.base === undefined ? null : binaryText(wire.base);
    case "enum":
      return plainText;
    case "array":
      return withElement(wire, (element) => arrayReader(element, wire.delimiter ?? ","));
    case "range":
      return withElement(wire, rangeReader);
    case "multirange":
      return withElement(wire, (element) => multirangeReader(rangeReader(element)));
    case "composite":
      return rowReader(wire);
    case "base":
      return BY_OID.get(wire.oid) ?? BY_NAME.get(typeName(wire)) ?? null;
  }
}

/** PostgreSQL counts days and microseconds from 2000-01-01. */
export const EPOCH_DAYS = 10_957;
const DAY_MICROS = 86_400_000_000n;
const INT_MAX = 2 ** 31 - 1;
const INT_MIN = -(2 ** 31);
const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);
function plainText(bytes: Buffer): string {
  return bytes.toString("utf8");
}

/** A version byte, then the text. */
function versionedText(bytes: Buffer): string {
  if (bytes[0] !== 1) throw new RangeError(`version ${bytes[0]} of a value is not known`);
  return bytes.toString("utf8", 1);
}

function sized(length: number, text: BinaryText): BinaryText {
  return (bytes) => {
    if (bytes.length !== length) {
      throw new RangeError(`${bytes.length} bytes where ${length} belong`);
    }
    return text(bytes);
  };
}

const BY_OID: ReadonlyMap<number, BinaryText> = new Map([
  [OID.bool, sized(1, (bytes) => (bytes[0] === 0 ? "f" : "t"))],
  [OID.bytea, (bytes) => `\\x${bytes.toString("hex")}`],
  [OID.char, charText],
  [OID.int8, sized(8, (bytes) => String(bytes.readBigInt64BE(0)))],
  [OID.int2, sized(2, (bytes) => String(bytes.readInt16BE(0)))],
  [OID.int4, sized(4, (bytes) => String(bytes.readInt32BE(0)))],
  [OID.oid, sized(4, unsignedText)],
  [OID.xid, sized(4, unsignedText)],
  [OID.cid, sized(4, unsignedText)],
  [OID.xid8, sized(8, (bytes) => String(bytes.readBigUInt64BE(0)))],
  [OID.tid, sized(6, (bytes) => `(${bytes.readUInt32BE(0)},${bytes.readUInt16BE(4)})`)],
  [OID.int2vector, listReader((bytes) => String(bytes.readInt16BE(0)))],
  [OID.oidvector, listReader(unsignedText)],
  [OID.float4, sized(4, (bytes) => float4Text(bytes.readFloatBE(0)))],
  [OID.float8, sized(8, (bytes) => float8Text(bytes.readDoubleBE(0)))],
  [OID.numeric, numericText],
  [OID.money, sized(8, (bytes) => moneyText(bytes.readBigInt64BE(0)))],
  [OID.date, sized(4, (bytes) => dateText(bytes.readInt32BE(0)))],
  [OID.time, sized(8, (bytes) => clockText(bytes.readBigInt64BE(0)))],
  [OID.timetz, sized(12, timetzText)],
  [OID.timestamp, sized(8, (bytes) => timestampText(bytes.readBigInt64BE(0), ""))],
  [OID.timestamptz, sized(8, (bytes) => timestampText(bytes.readBigInt64BE(0), "+00"))],
  [OID.interval, sized(16, intervalBytes)],
  [OID.bit, bitText],
  [OID.varbit, bitText],
  [OID.uuid, sized(16, uuidText)],
  [OID.jsonb, versionedText],
  [OID.jsonpath, versionedText],
  [OID.inet, networkText],
  [OID.cidr, networkText],
  [OID.macaddr, sized(6, pairsText)],
  [OID.macaddr8, sized(8, pairsText)],
  [OID.point, sized(16, (bytes) => pointText(bytes, 0))],
  [OID.line, sized(24, (bytes) => `{${floats(bytes, 0, 3).join(",")}}`)],
  [OID.lseg, sized(32, (bytes) => `[${pointText(bytes, 0)},${pointText(bytes, 16)}]`)],
  [OID.box, sized(32, (bytes) => `${pointText(bytes, 0)},${pointText(bytes, 16)}`)],
  [OID.circle, sized(24, circleText)],
  [OID.path, pathText],
  [OID.polygon, (bytes) => `(${pointsText(bytes, 0)})`],
  [OID.pg_lsn, sized(8, (bytes) => `${hexOf(bytes, 0)}/${hexOf(bytes, 4)}`)],
  [OID.pg_snapshot, snapshotText],
  [OID.txid_snapshot, snapshotText],
  [OID.tsvector, vectorText],
  ...[OID.text, OID.name, OID.json, OID.xml, OID.bpchar, OID.varchar].map(
    (oid) => [oid, plainText] as const,
  ),
]);

/** Types of extensions have other oids in every database. */
const BY_NAME: ReadonlyMap<string, BinaryText> = new Map([
  ["citext", plainText],
  ["hstore", hstoreBytes],
  ["ltree", versionedText],
  ["lquery", versionedText],
]);

const NUMERIC_SIGNS: ReadonlyMap<number, string> = new Map([
  [0x0000, ""],
  [0x4000, "-"],
]);
const NUMERIC_WORDS: ReadonlyMap<number, string> = new Map([
  [0xc000, "NaN"],
  [0xd000, "Infinity"],
  [0xf000, "-Infinity"],
]);

/** Digits of base 10,000, the place of the first, the sign, and how many decimals are shown. */
function numericText(bytes: Buffer): string {
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const kind = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  const word = NUMERIC_WORDS.get(kind);
  if (word !== undefined) return word;
  const sign = NUMERIC_SIGNS.get(kind);
  if (sign === undefined || bytes.length !== 8 + 2 * count) throw new RangeError("not a numeric");
  const group = (place: number): string => {
    const index = weight - place;
    const value = index < 0 || index >= count ? 0 : bytes.readUInt16BE(8 + 2 * index);
    return String(value).padStart(4, "0");
  };
  let whole = "";
  for (let place = weight; place >= 0; place--) whole += group(place);
  let fraction = "";
  for (let place = -1; fraction.length < scale; place--) fraction += group(place);
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  return `${sign}${digits}${scale === 0 ? "" : `.${fraction.slice(0, scale)}`}`;
}

/** Of the C locale: cents, with commas. */
function moneyText(cents: bigint): string {
  const plain = decimalText(new Decimal(cents < 0n ? -cents : cents, 2));
  const [whole = "0", rest = ""] = plain.split(".");
  return `${cents < 0n ? "-" : ""}$${whole.replace(/\B(?=(?:\d{3})+$)/g, ",")}.${rest}`;
}

function dateText(days: number): string {
  if (days === INT_MAX) return "infinity";
  if (days === INT_MIN) return "-infinity";
  return withEra(days + EPOCH_DAYS, "");
}

/** A year before 1 is one before Christ, counted from 1. */
function withEra(days: number, rest: string): string {
  const text = dayText(days);
  const [, year = "", day = ""] = /^(-?\d+)(-\d\d-\d\d)$/.exec(text) ?? [];
  if (Number(year) > 0) return `${text}${rest}`;
  return `${String(1 - Number(year)).padStart(4, "0")}${day}${rest} BC`;
}

function timestampText(micros: bigint, zone: string): string {
  if (micros === LONG_MAX) return "infinity";
  if (micros === LONG_MIN) return "-infinity";
  const ofDay = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS;
  const days = Number((micros - ofDay) / DAY_MICROS) + EPOCH_DAYS;
  return withEra(days, ` ${clockText(ofDay)}${zone}`);
}

function timetzText(bytes: Buffer): string {
  const west = bytes.readInt32BE(8);
  const size = Math.abs(west);
  const parts = [Math.floor(size / 3600), Math.floor(size / 60) % 60, size % 60];
  while (parts.length > 1 && parts.at(-1) === 0) parts.pop();
  const zone = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return `${clockText(bytes.readBigInt64BE(0))}${west > 0 ? "-" : "+"}${zone}`;
}

function clockText(micros: bigint): string {
  const seconds = Number(micros / 1_000_000n);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const fraction = String(micros % 1_000_000n).padStart(6, "0");
  const rest = fraction.replace(/0+$/, "");
  const clock = parts.map((part) => String(part).padStart(2, "0")).join(":");
  return rest === "" ? clock : `${clock}.${rest}`;
}

function intervalBytes(bytes: Buffer): string {
  return intervalText(bytes.readInt32BE(12), bytes.readInt32BE(8), bytes.readBigInt64BE(0));
}

/** In the style `postgres`: `1 year 2 mons -3 days +04:05:06.789`. */
export function intervalText(months: number, days: number, micros: bigint): string {
  if (months === INT_MAX && days === INT_MAX && micros === LONG_MAX) return "infinity";
  if (months === INT_MIN && days === INT_MIN && micros === LONG_MIN) return "-infinity";
  const units: readonly (readonly [number, string])[] = [
    [Math.trunc(months / 12), "year"],
    [months % 12, "mon"],
    [days, "day"],
  ];
  let text = "";
  let isBefore = false;
  for (const [count, unit] of units) {
    if (count === 0) continue;
    const sign = isBefore && count > 0 ? "+" : "";
    text += `${text === "" ? "" : " "}${sign}${count} ${unit}${count === 1 ? "" : "s"}`;
    isBefore = count < 0;
  }
  if (micros === 0n && text !== "") return text;
  const sign = micros < 0n ? "-" : isBefore ? "+" : "";
  return `${text}${text === "" ? "" : " "}${sign}${clockText(micros < 0n ? -micros : micros)}`;
}

function bitText(bytes: Buffer): string {
  const length = bytes.readInt32BE(0);
  if (length < 0 || bytes.length !== 4 + Math.ceil(length / 8)) throw new RangeError("not bits");
  let text = "";
  for (const byte of bytes.subarray(4)) text += byte.toString(2).padStart(8, "0");
  return text.slice(0, length);
}

function uuidText(bytes: Buffer): string {
  const hex = bytes.toString("hex");
  const ends = [0, 8, 12, 16, 20, 32];
  return ends
    .slice(1)
    .map((end, index) => hex.slice(ends[index], end))
    .join("-");
}

function pairsText(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** One byte; beyond ASCII it is written in octal since PostgreSQL 16, and as it is before. */
function charText(bytes: Buffer): string {
  const [byte = 0] = bytes;
  if (byte === 0) return "";
  return byte < 128 ? String.fromCharCode(byte) : `\\${byte.toString(8)}`;
}

function unsignedText(bytes: Buffer): string {
  return String(bytes.readUInt32BE(0));
}

function hexOf(bytes: Buffer, at: number): string {
  return bytes.readUInt32BE(at).toString(16).toUpperCase();
}

function floats(bytes: Buffer, from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    float8Text(bytes.readDoubleBE(from + 8 * index)),
  );
}

function pointText(bytes: Buffer, at: number): string {
  return `(${floats(bytes, at, 2).join(",")})`;
}

function pointsText(bytes: Buffer, at: number): string {
  const count = bytes.readInt32BE(at);
  if (bytes.length !== at + 4 + 16 * count) throw new RangeError("not points");
  return Array.from({ length: count }, (_, index) => pointText(bytes, at + 4 + 16 * index)).join();
}

function pathText(bytes: Buffer): string {
  const points = pointsText(bytes, 1);
  return bytes[0] === 0 ? `[${points}]` : `(${points})`;
}

function circleText(bytes: Buffer): string {
  return `<${pointText(bytes, 0)},${float8Text(bytes.readDoubleBE(16))}>`;
}

function snapshotText(bytes: Buffer): string {
  const count = bytes.readUInt32BE(0);
  const at = (index: number): bigint => bytes.readBigUInt64BE(4 + 8 * index);
  const open = Array.from({ length: count }, (_, index) => at(2 + index));
  return `${at(0)}:${at(1)}:${open.join(",")}`;
}

function hstoreBytes(bytes: Buffer): string {
  const parts = new Parts(bytes);
  const pairs = Array.from({ length: parts.int() }, () => {
    const key = parts.sized();
    if (key === null) throw new RangeError("a key of a hstore is NULL");
    return [plainText(key), mapped(parts.sized(), plainText)] as const;
  });
  return hstoreText(pairs);
}

/** Parts of a value that holds others. */
class Parts {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  byte(): number {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  /** A length, then so many bytes; null for -1. */
  sized(): Buffer | null {
    const length = this.int();
    if (length === -1) return null;
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new RangeError("the bytes end early");
    this.#at = end;
    return this.#bytes.subarray(end - length, end);
  }
}

function mapped(bytes: Buffer | null, text: BinaryText): string | null {
  return bytes === null ? null : text(bytes);
}

function withElement(wire: WireType, read: (element: BinaryText) => BinaryText): BinaryText | null {
  const element = wire.element === undefined ? null : binaryText(wire.element);
  return element === null ? null : read(element);
}

/** Items of an array in bytes, with its sizes and lower bounds. */
function readArray(bytes: Buffer, element: BinaryText) {
  const parts = new Parts(bytes);
  const depth = parts.int();
  if (depth < 0 || depth > 6) throw new RangeError(`an array of ${depth} dimensions`);
  parts.int();
  parts.int();
  const dimensions = Array.from({ length: depth }, () => [parts.int(), parts.int()] as const);
  const sizes = dimensions.map(([size]) => size);
  const count = depth === 0 ? 0 : sizes.reduce((product, size) => product * size, 1);
  if (count < 0 || count * 4 > bytes.length) throw new RangeError("the bytes end early");
  const items = Array.from({ length: count }, () => mapped(parts.sized(), element));
  return { sizes, bounds: dimensions.map(([, bound]) => bound), items };
}

function arrayReader(element: BinaryText, delimiter: string): BinaryText {
  return (bytes) => {
    const { sizes, bounds, items } = readArray(bytes, element);
    return arrayText(sizes, bounds, items, delimiter);
  };
}

function listReader(element: BinaryText): BinaryText {
  return (bytes) => readArray(bytes, element).items.join(" ");
}

const RANGE = { empty: 1, withLower: 2, withUpper: 4, noLower: 8, noUpper: 16 } as const;

function rangeReader(element: BinaryText): BinaryText {
  return (bytes) => {
    const parts = new Parts(bytes);
    const flags = parts.byte();
    if ((flags & RANGE.empty) !== 0) return "empty";
    const bound = (without: number): string | null =>
      (flags & without) !== 0 ? null : mapped(parts.sized(), element);
    const lower = bound(RANGE.noLower);
    const upper = bound(RANGE.noUpper);
    return rangeText(
      lower,
      upper,
      (flags & RANGE.withLower) !== 0,
      (flags & RANGE.withUpper) !== 0,
    );
  };
}

function multirangeReader(range: BinaryText): BinaryText {
  return (bytes) => {
    const parts = new Parts(bytes);
    const count = parts.int();
    if (count < 0 || count * 4 > bytes.length) throw new RangeError("the bytes end early");
    const ranges = Array.from({ length: count }, () => mapped(parts.sized(), range));
    return `{${ranges.join(",")}}`;
  };
}

function rowReader({ fields = [] }: WireType): BinaryText | null {
  const texts = fields.map(({ wire }) => binaryText(wire));
  if (texts.some((text) => text === null)) return null;
  return (bytes) => {
    const parts = new Parts(bytes);
    const count = parts.int();
    if (count !== texts.length) {
      throw new RangeError(`a row of ${count} fields where ${texts.length} belong`);
    }
    const values = texts.map((text) => {
      parts.int();
      const field = parts.sized();
      return text === null ? null : mapped(field, text);
    });
    return rowText(values);
  };
}
