/**
 * PostgreSQL's texts of values as exact values for columns of given types. What a column's type does not hold stays the
 * text that it is: infinite dates, NaN among decimals, an array of two dimensions where a list is.
 */

import type { WireType } from "../../../../core/ingest/wire-type.ts";
import type { Type } from "../../../../core/table/types.ts";
import {
  Day,
  Decimal,
  dayNumber,
  decimalOf,
  Entries,
  type Exact,
  Instant,
  Time,
  timeMicros,
} from "../../lossless/exact-value.ts";
import { findName } from "../../target-columns.ts";
import { intervalText } from "./binary-text.ts";
import { parseArray, parseHstore, parseRow } from "./literals.ts";
import { baseOf, OID, typeName } from "./oids.ts";

export type ExactText = (text: string) => Exact;

/** Reads the texts of a type for a column of `type`. */
export function exactText(wire: WireType, type: Type): ExactText {
  const base = baseOf(wire);
  if (base.kind === "array") return arrayReader(base, type);
  if (base.kind === "composite") return rowReader(base, type);
  if (base.kind !== "base") return asText;
  if (base.oid === OID.interval) return canonicalInterval;
  if (type.kind === "map" && typeName(base) === "hstore") return hstoreReader;
  if (type.kind === "primitive" && type.name === "string") {
    return base.oid === OID.bool ? wordOf : asText;
  }
  return BY_OID.get(base.oid) ?? asText;
}

const DAY_MICROS = 86_400_000_000n;

function asText(text: string): Exact {
  return text;
}

/** As every other format says it. */
function wordOf(text: string): Exact {
  return text === "t" ? "true" : text === "f" ? "false" : text;
}

const BY_OID: ReadonlyMap<number, ExactText> = new Map([
  [OID.bool, (text) => (text === "t" ? true : text === "f" ? false : text)],
  ...[OID.int2, OID.int4, OID.int8, OID.oid, OID.xid, OID.cid, OID.xid8].map(
    (oid) => [oid, integerOf] as const,
  ),
  [OID.float4, (text) => floatOf(text, Math.fround)],
  [OID.float8, (text) => floatOf(text, (value) => value)],
  [OID.numeric, (text) => decimalOf(text) ?? text],
  [OID.money, moneyOf],
  [OID.date, (text) => dateOf(text)],
  [OID.time, timeOf],
  [OID.timestamp, (text) => instantOf(text, false)],
  [OID.timestamptz, (text) => instantOf(text, true)],
  [OID.bytea, bytesOf],
]);

function integerOf(text: string): Exact {
  return /^-?\d+$/.test(text) ? BigInt(text) : text;
}

const FLOAT = /^(?:-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|-?Infinity)$/;

function floatOf(text: string, rounded: (value: number) => number): Exact {
  return FLOAT.test(text) ? rounded(Number(text)) : text;
}

/** Of the C locale. */
function moneyOf(text: string): Exact {
  const match = /^(-?)\$([\d,]+)\.(\d\d)$/.exec(text);
  if (match === null) return text;
  return new Decimal(BigInt(`${match[1]}${match[2]?.replaceAll(",", "")}${match[3]}`), 2);
}

const DATE = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/;

function dateOf(text: string): Exact {
  const match = DATE.exec(text);
  return match === null ? text : new Day(daysOf(match[1], match[2], match[3], match[4]));
}

/** Years before Christ are counted from 1. */
function daysOf(year = "", month = "", day = "", era: string | undefined): number {
  const counted = era === undefined ? Number(year) : 1 - Number(year);
  return dayNumber(counted, Number(month), Number(day));
}

/** 24:00:00 is a time of PostgreSQL, and of nobody else. */
function timeOf(text: string): Exact {
  if (!/^\d\d:\d\d:\d\d(?:\.\d{1,6})?$/.test(text)) return text;
  const time = new Time(timeMicros(text));
  return time.isOfDay ? time : text;
}

const TIMESTAMP =
  /^(\d{4,7})-(\d\d)-(\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?)?( BC)?$/;

function instantOf(text: string, zoned: boolean): Exact {
  const match = TIMESTAMP.exec(text);
  if (match === null || (match[5] !== undefined) !== zoned) return text;
  const [, year, month, day, clock = "", sign, hours = "0", minutes = "0", seconds = "0", era] =
    match;
  const east = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  const offset = BigInt(sign === "-" ? -east : east) * 1_000_000n;
  const midnight = BigInt(daysOf(year, month, day, era)) * DAY_MICROS;
  return new Instant(midnight + timeMicros(clock) - offset, 0, zoned);
}

/** `bytea_output` may be `hex` or `escape`. */
function bytesOf(text: string): Exact {
  if (/^\\x(?:[0-9a-f]{2})*$/.test(text)) return Buffer.from(text.slice(2), "hex");
  if (!/^(?:[ -[\]-~]|\\\\|\\[0-3][0-7]{2})*$/.test(text)) return text;
  const plain = text.replace(/\\(\\|[0-7]{3})/g, (_, sign: string) =>
    sign === "\\" ? sign : String.fromCharCode(Number.parseInt(sign, 8)),
  );
  return Buffer.from(plain, "latin1");
}

const ISO_INTERVAL =
  /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d{1,6}))?S)?)?$/;

/** In the style `postgres`, whatever of the two that are unambiguous it was sent in. */
function canonicalInterval(text: string): Exact {
  const match = ISO_INTERVAL.exec(text);
  if (match === null) return text;
  const [, years = "0", months = "0", days = "0", hours = "0", minutes = "0", sign = ""] = match;
  const seconds = BigInt(match[7] ?? "0") * 1_000_000n + BigInt((match[8] ?? "").padEnd(6, "0"));
  const micros =
    (BigInt(hours) * 3600n + BigInt(minutes) * 60n) * 1_000_000n +
    (sign === "-" ? -seconds : seconds);
  return intervalText(Number(years) * 12 + Number(months), Number(days), micros);
}

function arrayReader(wire: WireType, type: Type): ExactText {
  const { element, delimiter = "," } = wire;
  if (type.kind !== "list" || element === undefined) return asText;
  const item = exactText(element, type.element);
  return (text) => {
    const array = parseArray(text, delimiter);
    if (array === null || array.depth > 1 || !array.isPlain) return text;
    // Of one dimension: its items are texts.
    return array.items.map((word) => (typeof word === "string" ? item(word) : null));
  };
}

function rowReader({ fields = [] }: WireType, type: Type): ExactText {
  if (type.kind !== "struct") return asText;
  const names = type.fields.map(({ name }) => name);
  const readers = fields.map(({ name, wire }) => {
    const field = type.fields[findName(names, name)];
    return { name, read: field === undefined ? asText : exactText(wire, field.type) };
  });
  return (text) => {
    const words = parseRow(text);
    if (words?.length !== readers.length) return text;
    const pairs = readers.map(({ name, read }, index): readonly [string, Exact] => {
      const word = words[index] ?? null;
      return [name, word === null ? null : read(word)];
    });
    return new Entries(pairs);
  };
}

function hstoreReader(text: string): Exact {
  const pairs = parseHstore(text);
  return pairs === null ? text : new Entries(pairs);
}
