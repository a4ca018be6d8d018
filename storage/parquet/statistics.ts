/** Parquet's column statistics as Iceberg's bounds. */

import { Buffer } from "node:buffer";
import type { ColumnMetrics, Type } from "../../core/table/types.ts";
import { floatBound } from "../iceberg/metrics.ts";
import type { SchemaColumn } from "../iceberg/schema.ts";
import {
  compareSingleValues,
  decodeDecimal,
  encodeSingleValue,
  type SingleValue,
} from "../iceberg/single-value.ts";

/** A leaf column of a Parquet file, and the Iceberg column that its field id names. */
export interface ParquetLeaf {
  readonly column: SchemaColumn | null;
  /** Below a repeated group: part of a list or a map. */
  readonly isRepeated: boolean;
  /** parquet.thrift, Type. */
  readonly physical: number;
  /** parquet.thrift, ConvertedType. */
  readonly converted: number | null;
  /** Of times and timestamps with a logical type. */
  readonly unit: "millis" | "micros" | "nanos" | null;
}

/** One column chunk's bounds as they stand in the footer. */
export interface RawBounds {
  readonly min: Uint8Array | null;
  readonly max: Uint8Array | null;
  /** The deprecated fields, whose order is only right for signed numbers. */
  readonly oldMin: Uint8Array | null;
  readonly oldMax: Uint8Array | null;
}

type Side = "lower" | "upper";

const BOOLEAN = 0;
const INT32 = 1;
const INT64 = 2;
const FLOAT = 4;
const DOUBLE = 5;
const BYTE_ARRAY = 6;
const FIXED = 7;
const CONVERTED_MILLIS: ReadonlySet<number> = new Set([7, 9]);
/** UINT_32 and UINT_64, whose order is not that of Iceberg's integers. */
const CONVERTED_UNSIGNED: ReadonlySet<number> = new Set([13, 14]);
const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** Bounds over all chunks that hold values; nothing when one of them has none, or one that is no bound. */
export function mergeBounds(leaf: ParquetLeaf, chunks: readonly RawBounds[]): ColumnMetrics {
  const { column } = leaf;
  if (column === null || chunks.length === 0) return {};
  const lower = extreme(leaf, column.type, chunks, "lower");
  const upper = extreme(leaf, column.type, chunks, "upper");
  if (lower === null || upper === null) return {};
  return {
    lower: encodeSingleValue(column.type, lower),
    upper: encodeSingleValue(column.type, upper),
  };
}

function extreme(
  leaf: ParquetLeaf,
  type: Type,
  chunks: readonly RawBounds[],
  side: Side,
): SingleValue | null {
  const hasOldOrder = leaf.physical !== BYTE_ARRAY && leaf.physical !== FIXED;
  let best: SingleValue | null = null;
  for (const chunk of chunks) {
    const [exact, old] = side === "lower" ? [chunk.min, chunk.oldMin] : [chunk.max, chunk.oldMax];
    const bytes = exact ?? (hasOldOrder ? old : null);
    const value = bytes === null ? null : boundValue(leaf, type, bytes, side);
    if (value === null) return null;
    if (best === null || compareSingleValues(value, best) < 0 === (side === "lower")) best = value;
  }
  return best;
}

/** A statistic in the Iceberg type's value; null when it is of no such type, or no bound at all. */
function boundValue(
  leaf: ParquetLeaf,
  type: Type,
  bytes: Uint8Array,
  side: Side,
): SingleValue | null {
  const raw = CONVERTED_UNSIGNED.has(leaf.converted ?? -1)
    ? null
    : physicalValue(leaf.physical, bytes);
  if (raw === null) return null;
  switch (type.kind) {
    case "decimal":
      if (raw instanceof Uint8Array) return raw.length > 0 ? decodeDecimal(raw) : null;
      return typeof raw === "bigint" || Number.isInteger(raw) ? BigInt(raw) : null;
    case "fixed":
      return raw instanceof Uint8Array && raw.length === type.length ? raw : null;
    case "primitive":
      break;
    default:
      return null;
  }
  switch (type.name) {
    case "boolean":
      return typeof raw === "boolean" ? raw : null;
    case "int":
    case "date":
      return leaf.physical === INT32 ? raw : null;
    case "long":
      return integer(leaf, raw);
    case "time":
    case "timestamp":
    case "timestamptz": {
      const value = integer(leaf, raw);
      return value === null ? null : toMicros(leaf, value, side);
    }
    case "float":
    case "double": {
      const isWide = leaf.physical === DOUBLE && type.name === "float";
      return typeof raw === "number" && leaf.physical !== INT32 && !isWide
        ? floatBound(raw, side)
        : null;
    }
    case "string":
      return raw instanceof Uint8Array ? text(raw) : null;
    case "uuid":
      return raw instanceof Uint8Array && raw.length === 16 ? raw : null;
    case "binary":
      return raw instanceof Uint8Array ? raw : null;
    default:
      return null;
  }
}

function physicalValue(physical: number, bytes: Uint8Array): SingleValue | null {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (physical) {
    case BOOLEAN:
      return bytes.length === 1 ? bytes[0] !== 0 : null;
    case INT32:
      return bytes.length === 4 ? data.readInt32LE() : null;
    case INT64:
      return bytes.length === 8 ? data.readBigInt64LE() : null;
    case FLOAT:
      return bytes.length === 4 ? data.readFloatLE() : null;
    case DOUBLE:
      return bytes.length === 8 ? data.readDoubleLE() : null;
    case BYTE_ARRAY:
    case FIXED:
      return new Uint8Array(bytes);
    default:
      return null;
  }
}

function integer(leaf: ParquetLeaf, raw: SingleValue): bigint | null {
  const isInteger = leaf.physical === INT32 || leaf.physical === INT64;
  return isInteger && (typeof raw === "number" || typeof raw === "bigint") ? BigInt(raw) : null;
}

/** Microseconds; nanoseconds are rounded away from the values, so that a bound stays one. */
function toMicros(leaf: ParquetLeaf, value: bigint, side: Side): bigint {
  const isMillis = leaf.unit === "millis" || CONVERTED_MILLIS.has(leaf.converted ?? -1);
  if (isMillis) return value * 1000n;
  if (leaf.unit !== "nanos") return value;
  const floor = (value - (((value % 1000n) + 1000n) % 1000n)) / 1000n;
  return side === "upper" && floor * 1000n !== value ? floor + 1n : floor;
}

/** A text cut inside a character is no text any more, and no bound. */
function text(bytes: Uint8Array): string | null {
  try {
    return UTF8.decode(bytes);
  } catch {
    return null;
  }
}
