/** The least and the greatest value of a column of a Parquet file. Parquet format, "Statistics"; parquet.thrift. */

import type { Type } from "../../../core/table/types.ts";
import type { PartColumn } from "./column-part.ts";
import { FIXED_BYTES, PHYSICAL, storedAs } from "./part-schema.ts";

/** As they stand in a footer. */
export interface Bounds {
  readonly nullCount: number;
  readonly min: Buffer | null;
  readonly max: Buffer | null;
}

/** Longer ones would make a footer of rows. DuckDB leaves out as many. */
const BOUND_BYTES_MAX = 10_000;

/** Null where the column is part of a list, whose entries are no rows. */
export function boundsOf(column: PartColumn, type: Type): Bounds | null {
  if (column.isRepeated) return null;
  const { nullCount, values } = column;
  const none = { nullCount, min: null, max: null };
  if (nullCount === column.count) return none;
  const extremes = extremesOf(column, type, values);
  if (extremes === null) return none;
  const [min, max] = extremes;
  const isLong = min.length > BOUND_BYTES_MAX || max.length > BOUND_BYTES_MAX;
  return isLong ? none : { nullCount, min, max };
}

type Extremes = readonly [min: Buffer, max: Buffer];

function extremesOf(column: PartColumn, type: Type, values: Buffer): Extremes | null {
  switch (column.physical) {
    case PHYSICAL.boolean:
      return among(values, 1, (at) => values[at] ?? 0, copied(values, 1));
    case PHYSICAL.int:
      return among(values, 4, (at) => values.readInt32LE(at), copied(values, 4));
    case PHYSICAL.long: {
      const width = storedAs(type) === PHYSICAL.int ? 4 : 8;
      return among(values, 8, (at) => values.readBigInt64LE(at), copied(values, width));
    }
    case PHYSICAL.float:
      return floats(
        values,
        4,
        (at) => values.readFloatLE(at),
        (to, one) => to.writeFloatLE(one),
      );
    case PHYSICAL.double:
      return floats(
        values,
        8,
        (at) => values.readDoubleLE(at),
        (to, one) => to.writeDoubleLE(one),
      );
    case PHYSICAL.fixed:
      return among(values, FIXED_BYTES, fixedKey(values, type), copied(values, FIXED_BYTES));
    default:
      return texts(values);
  }
}

/** The extremes by a key that compares as the values do. */
function among<Key extends number | bigint | string>(
  values: Buffer,
  width: number,
  keyAt: (at: number) => Key,
  bytesAt: (at: number) => Buffer,
): Extremes {
  let [least, greatest] = [0, 0];
  let [min, max] = [keyAt(0), keyAt(0)];
  for (let at = width; at < values.length; at += width) {
    const key = keyAt(at);
    if (key < min) [least, min] = [at, key];
    else if (key > max) [greatest, max] = [at, key];
  }
  return [bytesAt(least), bytesAt(greatest)];
}

function copied(values: Buffer, width: number): (at: number) => Buffer {
  return (at) => Buffer.from(values.subarray(at, at + width));
}

/** What is no number has no place; zero of either sign is within. */
function floats(
  values: Buffer,
  width: number,
  read: (at: number) => number,
  write: (to: Buffer, value: number) => void,
): Extremes | null {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = 0; at < values.length; at += width) {
    const value = read(at);
    if (Number.isNaN(value)) return null;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  const bytes = (value: number): Buffer => {
    const to = Buffer.alloc(width);
    write(to, value);
    return to;
  };
  return [bytes(min === 0 ? -0 : min), bytes(max === 0 ? 0 : max)];
}

/** Decimals are signed, big endian; of a UUID all bytes count alike. */
function fixedKey(values: Buffer, type: Type): (at: number) => bigint {
  const isSigned = type.kind === "decimal";
  return (at) => {
    const high = isSigned ? values.readBigInt64BE(at) : values.readBigUInt64BE(at);
    return (high << 64n) | values.readBigUInt64BE(at + 8);
  };
}

/** By their bytes, which for UTF-8 is by code points. */
function texts(values: Buffer): Extremes {
  let min: Buffer | null = null;
  let max: Buffer | null = null;
  for (let at = 0; at < values.length; ) {
    const start = at + 4;
    at = start + values.readUInt32LE(at);
    const value = values.subarray(start, at);
    if (min === null || value.compare(min) < 0) min = value;
    if (max === null || value.compare(max) > 0) max = value;
  }
  return [Buffer.from(min ?? []), Buffer.from(max ?? [])];
}
