/**
 * Values from the bytes that were received into columns, without an object for most of them. What is not usual is left
 * to whoever looks at every row.
 */

import { BINLOG_TYPE } from "../../../../core/ingest/binlog-row.ts";
import { UTF8_CHARSETS } from "../../../../core/ingest/charset-text.ts";
import type { WireType } from "../../../../core/ingest/wire-type.ts";
import type { Type } from "../../../../core/table/types.ts";
import { Day, Decimal, type Exact, Instant, Time } from "../../lossless/exact-value.ts";
import type { PartColumn } from "../../made/column-part.ts";
import { FIXED_BYTES, LONG_DIGITS } from "../../made/part-schema.ts";
import type { CellWriter, CellWriters } from "../cell.ts";
import { writeText } from "../text-writer.ts";
import { binaryWriter } from "./binary-writer.ts";
import { prefixOf, type ValueReader, valueReaders, wordOf } from "./values.ts";

/** The writers of a column; null for one whose rows are all to be looked at. */
export function cellWriters(wire: WireType, type: Type): CellWriters | null {
  const { text, binary } = valueReaders(wire);
  if (type.kind === "decimal") {
    return quicker(both((value, to) => writeDecimal(value, to, type)));
  }
  if (type.kind !== "primitive") return null;
  const write = WRITERS[type.name];
  if (write === undefined) return null;
  const plain = both(write);
  if (type.name === "string") {
    // Whatever else lands as text is text in the values' own words.
    if (!TEXT_WORDS.has(wordOf(wire))) return null;
    return plainTexts(wire) ?? plain;
  }
  return quicker(plain);

  function quicker(all: CellWriters): CellWriters {
    const most = binaryWriter(wire, type);
    if (most === null) return all;
    return {
      text: all.text,
      binary: (...of) => most(...of) || all.binary(...of),
    };
  }

  function both(put: (value: Exact, to: PartColumn) => boolean): CellWriters {
    return { text: writerOf(text, put), binary: writerOf(binary, put) };
  }
}

/** Types whose values are texts however they are read. */
const TEXT_WORDS: ReadonlySet<string> = new Set([
  "char",
  "varchar",
  "text",
  "enum",
  "set",
  "json",
  "inet4",
  "inet6",
  "bit",
]);

function writerOf(read: ValueReader, put: (value: Exact, to: PartColumn) => boolean): CellWriter {
  return (bytes, start, end, to) => {
    let value: Exact;
    try {
      value = read(bytes, start, end);
    } catch {
      // Whoever looks at the row says what is wrong with it.
      return false;
    }
    return put(value, to);
  };
}

const INT_MAX = 2n ** 31n - 1n;
const INT_MIN = -(2n ** 31n);

const WRITERS: Readonly<Record<string, (value: Exact, to: PartColumn) => boolean>> = {
  boolean: (value, to) => {
    if (typeof value !== "boolean") return false;
    to.boolean(value);
    return true;
  },
  int: (value, to) => {
    if (typeof value !== "bigint" || value > INT_MAX || value < INT_MIN) return false;
    to.int(Number(value));
    return true;
  },
  long: (value, to) => {
    if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) return false;
    to.bigint(value);
    return true;
  },
  float: (value, to) => {
    if (typeof value !== "number") return false;
    to.float(value);
    return true;
  },
  double: (value, to) => {
    if (typeof value !== "number") return false;
    to.double(value);
    return true;
  },
  date: (value, to) => {
    if (!(value instanceof Day)) return false;
    to.int(value.days);
    return true;
  },
  time: (value, to) => {
    if (!(value instanceof Time) || !value.isOfDay) return false;
    to.bigint(value.micros);
    return true;
  },
  timestamp: (value, to) => {
    if (!(value instanceof Instant) || value.zoned) return false;
    to.bigint(value.micros);
    return true;
  },
  timestamptz: (value, to) => {
    if (!(value instanceof Instant) || !value.zoned) return false;
    to.bigint(value.micros);
    return true;
  },
  string: (value, to) => {
    if (typeof value !== "string") return false;
    to.text(value);
    return true;
  },
  binary: (value, to) => {
    if (!(value instanceof Uint8Array)) return false;
    to.copy(value, 0, value.length);
    return true;
  },
  uuid: (value, to) => {
    if (typeof value !== "string") return false;
    const bytes = Buffer.from(value.replaceAll("-", ""), "hex");
    if (bytes.length !== 16) return false;
    const at = to.fixed(16);
    to.bytes.set(bytes, at);
    return true;
  },
};

function writeDecimal(
  value: Exact,
  to: PartColumn,
  { precision, scale }: Type & { readonly kind: "decimal" },
): boolean {
  const found = typeof value === "bigint" ? new Decimal(value, 0) : value;
  if (!(found instanceof Decimal) || found.scale > scale) return false;
  const unscaled = found.unscaled * 10n ** BigInt(scale - found.scale);
  const limit = 10n ** BigInt(precision);
  if (unscaled >= limit || unscaled <= -limit) return false;
  if (precision <= LONG_DIGITS) to.bigint(unscaled);
  else {
    const at = to.fixed(FIXED_BYTES);
    to.bytes.writeBigInt64BE(unscaled >> 64n, at);
    to.bytes.writeBigUInt64BE(BigInt.asUintN(64, unscaled), at + 8);
  }
  return true;
}

/** Texts that are UTF-8 already are copied; null for others. */
function plainTexts({ oid, typmod, charset, kind }: WireType): CellWriters | null {
  if (kind !== "base" || charset === undefined || !UTF8_CHARSETS.has(charset)) return null;
  const isPacked = oid === BINLOG_TYPE.blobCompressed || oid === BINLOG_TYPE.varcharCompressed;
  if (isPacked) return null;
  const prefix = oid === BINLOG_TYPE.blob ? typmod : prefixOf(typmod);
  return {
    text: writeText,
    binary: (bytes, start, end, to) => writeText(bytes, start + prefix, end, to),
  };
}
