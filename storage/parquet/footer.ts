/** Footers of Parquet files: what Iceberg wants to know of a data file, its bounds too, without reading its rows. */

import { Buffer } from "node:buffer";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import { LakeError } from "../../core/base/errors.ts";
import { PARQUET_FOOTER_BYTES_MAX } from "../../core/limits.ts";
import type { ColumnMetrics, FieldId, NamedField, Schema, Type } from "../../core/table/types.ts";
import { floatBound } from "../iceberg/metrics.ts";
import { findColumn, type SchemaColumn } from "../iceberg/schema.ts";
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

/** A file to read ranges of: `start` inclusive, `end` exclusive. */
export interface RangeSource {
  /** Stands in errors. */
  readonly name: string;
  readonly sizeBytes: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

export interface DataFileMetrics {
  readonly recordCount: bigint;
  readonly sizeBytes: bigint;
  /** Whole, untruncated; see `limitMetrics`. Columns below lists and maps have sizes and counts only. */
  readonly metrics: ReadonlyMap<FieldId, ColumnMetrics>;
  /** Where each row group starts; null for a file without rows. */
  readonly splitOffsets: readonly bigint[] | null;
  readonly keyValue: ReadonlyMap<string, string>;
}

type Thrift = { readonly [key: `field_${number}`]: unknown };

const TAIL_BYTES = 64 * 1024;
const MAGIC = "PAR1";
/** The length of the metadata, and the magic after it. */
const TRAILER_BYTES = 8;
const REPEATED = 2;

/**
 * Reads the footer of a data file of ours or of another engine. Columns are found by field id, or by `names` in a file
 * without ids, at the top; bounds are single
 * values in the column's type under `schema`. What the file does not say is left out. Throws `corrupt` or `io`.
 */
export async function readDataFileMetrics(
  source: RangeSource,
  schema: Schema,
  names: readonly NamedField[] = [],
): Promise<DataFileMetrics> {
  const footer = await readFooter(source);
  try {
    const groups = structs(footer.field_4);
    const leaves = readLeaves(structs(footer.field_2), schema, names);
    const metrics = new Map<FieldId, ColumnMetrics>();
    leaves.forEach((leaf, index) => {
      if (leaf.column === null) return;
      const chunks = groups.map((group) => struct(structs(group.field_1)[index]?.field_3));
      metrics.set(leaf.column.id, leafMetrics(leaf, chunks));
    });
    const offsets = groups.map(groupStart);
    return {
      recordCount: long(footer.field_3),
      sizeBytes: BigInt(source.sizeBytes),
      metrics,
      splitOffsets: offsets.length > 0 ? offsets : null,
      keyValue: keyValues(footer.field_5),
    };
  } catch (cause) {
    if (cause instanceof LakeError) throw cause;
    throw damaged(source, "its footer does not hold together", cause);
  }
}

async function readFooter(source: RangeSource): Promise<Thrift> {
  const { sizeBytes } = source;
  if (sizeBytes < TRAILER_BYTES) throw damaged(source, "it is too short");
  const tail = await source.read(Math.max(0, sizeBytes - TAIL_BYTES), sizeBytes);
  const trailer = tail.subarray(tail.length - TRAILER_BYTES);
  if (new TextDecoder().decode(trailer.subarray(4)) !== MAGIC) {
    throw damaged(source, "it does not end as a Parquet file does");
  }
  const length = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true);
  const start = sizeBytes - TRAILER_BYTES - length;
  if (start < MAGIC.length || length > PARQUET_FOOTER_BYTES_MAX) {
    throw damaged(source, `its footer claims ${length} bytes`);
  }
  const fromTail = tail.length - TRAILER_BYTES - length;
  const bytes =
    fromTail >= 0
      ? tail.subarray(fromTail, fromTail + length)
      : await source.read(start, start + length);
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return deserializeTCompactProtocol({ view, offset: 0 });
  } catch (cause) {
    throw damaged(source, "its footer is not Thrift", cause);
  }
}

/** The leaves of the flattened schema tree, in the order of the column chunks. */
function readLeaves(
  elements: readonly Thrift[],
  schema: Schema,
  names: readonly NamedField[],
): readonly ParquetLeaf[] {
  const leaves: ParquetLeaf[] = [];
  const hasIds = elements.some((element) => typeof element.field_9 === "number");
  const idOf = (element: Thrift, isTop: boolean): number | null => {
    if (hasIds) return typeof element.field_9 === "number" ? element.field_9 : null;
    const { field_4: bytes } = element;
    const name = bytes instanceof Uint8Array ? UTF8.decode(bytes) : bytes;
    return isTop ? (names.find((one) => one.name === name)?.id ?? null) : null;
  };
  let at = 1;
  const visit = (isRepeated: boolean, isTop: boolean): void => {
    const element = elements[at++];
    if (element === undefined) throw new Error("the schema ends early");
    const repeated = isRepeated || element.field_3 === REPEATED;
    const children = Number(element.field_5 ?? 0);
    if (children > 0) {
      for (let child = 0; child < children; child++) visit(repeated, false);
      return;
    }
    const id = idOf(element, isTop);
    leaves.push({
      column: id === null ? null : findColumn(schema, id),
      isRepeated: repeated,
      physical: Number(element.field_1),
      converted: typeof element.field_6 === "number" ? element.field_6 : null,
      unit: timeUnit(struct(element.field_10)),
    });
  };
  const roots = Number(elements[0]?.field_5 ?? 0);
  for (let root = 0; root < roots; root++) visit(false, true);
  return leaves;
}

/** Unit of a TIME (7) or TIMESTAMP (8) logical type. parquet-format, parquet.thrift. */
function timeUnit(logical: Thrift): ParquetLeaf["unit"] {
  const unit = struct(struct(logical.field_7 ?? logical.field_8).field_2);
  if (unit.field_1 !== undefined) return "millis";
  if (unit.field_2 !== undefined) return "micros";
  return unit.field_3 === undefined ? null : "nanos";
}

function leafMetrics(leaf: ParquetLeaf, chunks: readonly Thrift[]): ColumnMetrics {
  let sizeBytes = 0n;
  let valueCount = 0n;
  let nullCount: bigint | null = 0n;
  const bounds: RawBounds[] = [];
  for (const chunk of chunks) {
    sizeBytes += long(chunk.field_7);
    const values = long(chunk.field_5);
    valueCount += values;
    const statistics = struct(chunk.field_12);
    const nulls = statistics.field_3 === undefined ? null : long(statistics.field_3);
    nullCount = nullCount === null || nulls === null ? null : nullCount + nulls;
    if (nulls !== values) {
      bounds.push({
        min: bytesOrNull(statistics.field_6),
        max: bytesOrNull(statistics.field_5),
        oldMin: bytesOrNull(statistics.field_2),
        oldMax: bytesOrNull(statistics.field_1),
      });
    }
  }
  const counts = { sizeBytes, valueCount };
  if (leaf.isRepeated) return counts;
  return { ...counts, ...(nullCount === null ? {} : { nullCount }), ...mergeBounds(leaf, bounds) };
}

/** The first byte of a row group: its first column's dictionary or data page. */
function groupStart(group: Thrift): bigint {
  const first = struct(structs(group.field_1)[0]?.field_3);
  const data = long(first.field_9);
  const dictionary = first.field_11 === undefined ? data : long(first.field_11);
  return dictionary > 0n && dictionary < data ? dictionary : data;
}

function keyValues(list: unknown): ReadonlyMap<string, string> {
  const decoder = new TextDecoder();
  const text = (value: unknown): string =>
    value instanceof Uint8Array ? decoder.decode(value) : "";
  return new Map(structs(list).map((pair) => [text(pair.field_1), text(pair.field_2)]));
}

function struct(value: unknown): Thrift {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object") throw new Error("a struct is missing");
  return value as Thrift; // parse: Thrift decodes a struct to an object of fields
}

function structs(value: unknown): readonly Thrift[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new Error("a list is missing");
  return value.map(struct);
}

function long(value: unknown): bigint {
  if (typeof value !== "bigint") throw new Error("a number is missing");
  return value;
}

function bytesOrNull(value: unknown): Uint8Array | null {
  return value instanceof Uint8Array ? value : null;
}

function damaged(source: RangeSource, why: string, cause?: unknown): LakeError {
  return new LakeError("corrupt", `${source.name} is not a readable Parquet file: ${why}`, {
    hint: "write the file again, or restore it from a copy",
    cause,
  });
}
