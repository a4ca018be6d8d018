/** Arrow columns under an Iceberg schema: the one place where rows born in JavaScript become columns. */

import {
  Field as ArrowField,
  Schema as ArrowSchema,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int32,
  Int64,
  makeBuilder,
  makeData,
  RecordBatch,
  Struct,
  Table,
  TimestampMicrosecond,
  Utf8,
} from "apache-arrow";
import { LakeError } from "../../core/base/errors.ts";
import type { Row } from "../../core/ports.ts";
import { typeToText } from "../../core/table/type-text.ts";
import type { Field, Schema } from "../../core/table/types.ts";

/** Metadata key by which parquet-wasm puts a field id into the file. */
const FIELD_ID_KEY = "PARQUET:field_id";
type Value = Row[string];

/**
 * An Arrow table of flat rows. Values: text for string; boolean; number for int, float, double and date (days);
 * bigint for long, decimal (unscaled) and timestamps (microseconds). Throws `unsupported` for other types.
 */
export function rowsToArrow(schema: Schema, rows: readonly Row[]): Table {
  const fields = schema.fields.map(arrowField);
  const children = schema.fields.map((field, index) => {
    const type = fields[index]?.type ?? new Utf8();
    return column(
      type,
      rows.map((row) => row[field.name] ?? null),
    );
  });
  const struct = new Struct(fields);
  const data = makeData({ type: struct, length: rows.length, nullCount: 0, children });
  const arrowSchema = new ArrowSchema(fields);
  return new Table(arrowSchema, [new RecordBatch(arrowSchema, data)]);
}

function arrowField(field: Field): ArrowField {
  const id = new Map([[FIELD_ID_KEY, String(field.id)]]);
  return new ArrowField(field.name, arrowType(field), !field.required, id);
}

function arrowType(field: Field): DataType {
  const { type } = field;
  if (type.kind === "decimal") return new Decimal(type.scale, type.precision, 128);
  switch (type.kind === "primitive" ? type.name : null) {
    case "string":
      return new Utf8();
    case "boolean":
      return new Bool();
    case "int":
      return new Int32();
    case "long":
      return new Int64();
    case "float":
      return new Float32();
    case "double":
      return new Float64();
    case "date":
      return new DateDay();
    case "timestamp":
      return new TimestampMicrosecond();
    case "timestamptz":
      return new TimestampMicrosecond("UTC");
    default:
      throw new LakeError("unsupported", `rows of type ${typeToText(type)} are not written here`, {
        context: { column: field.name },
      });
  }
}

/**
 * Fixed-width values go in as the bytes they are: Arrow's builders would take a timestamp for milliseconds and a
 * date for a Date object.
 */
function column(type: DataType, values: readonly Value[]): Data {
  const { nullBitmap, nullCount } = validity(values);
  const base = { length: values.length, nullCount, nullBitmap };
  if (type instanceof Int64) {
    return makeData({ type, ...base, data: BigInt64Array.from(values, toBigint) });
  }
  if (type instanceof TimestampMicrosecond) {
    return makeData({ type, ...base, data: BigInt64Array.from(values, toBigint) });
  }
  if (type instanceof Int32) {
    return makeData({ type, ...base, data: Int32Array.from(values, toNumber) });
  }
  if (type instanceof DateDay) {
    return makeData({ type, ...base, data: Int32Array.from(values, toNumber) });
  }
  if (type instanceof Float64) {
    return makeData({ type, ...base, data: Float64Array.from(values, toNumber) });
  }
  if (type instanceof Float32) {
    return makeData({ type, ...base, data: Float32Array.from(values, toNumber) });
  }
  if (type instanceof Decimal) {
    const words = BigInt64Array.from(values.flatMap((value) => decimalWords(toBigint(value))));
    return makeData({ type, ...base, data: new Uint32Array(words.buffer) });
  }
  const builder = makeBuilder({ type, nullValues: [null, undefined] });
  for (const value of values) builder.append(value);
  return builder.finish().flush();
}

function validity(values: readonly Value[]): { nullBitmap: Uint8Array; nullCount: number } {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  let nullCount = 0;
  for (const [index, value] of values.entries()) {
    if (value === null) nullCount += 1;
    else nullBitmap[index >> 3] = (nullBitmap[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return { nullBitmap, nullCount };
}

function toBigint(value: Value): bigint {
  return typeof value === "bigint" ? value : typeof value === "number" ? BigInt(value) : 0n;
}

function toNumber(value: Value): number {
  return value === null ? 0 : Number(value);
}

/** Low and high word of a 128-bit two's complement number. */
function decimalWords(value: bigint): [bigint, bigint] {
  return [BigInt.asIntN(64, value), value >> 64n];
}
