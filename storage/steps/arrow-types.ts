/** Arrow columns as tables of the lake have them: which types there are, and how others become them. */

import {
  Field as ArrowField,
  Schema as ArrowSchema,
  Binary,
  Bool,
  type Data,
  DataType,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  RecordBatch,
  Struct,
  TimestampMicrosecond,
  TimeUnit,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { LakeError } from "../../core/base/errors.ts";
import { declaredTypeText } from "../../core/config/type-text.ts";
import { freshSchema } from "../../core/table/evolution.ts";
import type { Column, Field, Schema, Type } from "../../core/table/types.ts";

/** Metadata key by which a field's id comes into a Parquet file. */
const FIELD_ID_KEY = "PARQUET:field_id";
const DAY_MS = 86_400_000n;
const LONG_MAX = 2n ** 63n - 1n;

/** The columns of a stream. Throws `input` for one of a type that tables do not have, and for names that are twice. */
export function schemaOf(schema: ArrowSchema): Schema {
  const seen = new Set<string>();
  const columns = schema.fields.map((field): Column => {
    if (field.name === "") throw unfit("a column has no name", "give each column a name");
    const name = field.name.toLowerCase();
    if (seen.has(name))
      throw unfit(`two columns are named ${field.name}`, "give each another name");
    seen.add(name);
    return { name: field.name, type: typeOf(field.type, field.name) };
  });
  if (columns.length === 0) throw unfit("it gives no columns", "write at least one");
  return freshSchema(columns, new Set());
}

function typeOf(type: DataType, name: string): Type {
  const primitive = (word: Extract<Type, { kind: "primitive" }>["name"]): Type => ({
    kind: "primitive",
    name: word,
  });
  if (DataType.isDictionary(type)) return typeOf(type.dictionary, name);
  if (DataType.isNull(type)) return primitive("string");
  if (DataType.isBool(type)) return primitive("boolean");
  if (DataType.isInt(type)) {
    const isWide = type.bitWidth === 64 || (type.bitWidth === 32 && !type.isSigned);
    return primitive(isWide ? "long" : "int");
  }
  if (DataType.isFloat(type)) return primitive(type.precision === 2 ? "double" : "float");
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return primitive("string");
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) return primitive("binary");
  if (DataType.isDate(type)) return primitive("date");
  if (DataType.isTimestamp(type)) {
    return primitive(
      type.timezone === null || type.timezone === undefined ? "timestamp" : "timestamptz",
    );
  }
  if (DataType.isDecimal(type) && type.bitWidth === 128) {
    return { kind: "decimal", precision: type.precision, scale: type.scale };
  }
  if (DataType.isList(type)) {
    const element = plainType(type.children[0]?.type ?? new Utf8(), name);
    return { kind: "list", elementId: 0, elementRequired: false, element };
  }
  if (DataType.isStruct(type)) {
    const fields = type.children.map(
      (child): Field => ({
        id: 0,
        name: child.name,
        required: false,
        type: plainType(child.type, name),
      }),
    );
    return { kind: "struct", fields };
  }
  throw unfit(
    `${name} is of the Arrow type ${type}`,
    "cast it to one that tables have, such as string",
  );
}

/** Inside of others, values stand as they are. */
function plainType(type: DataType, name: string): Type {
  const isPlain =
    DataType.isList(type) ||
    DataType.isStruct(type) ||
    !needsConverting(type) ||
    DataType.isDate(type);
  if (isPlain) return typeOf(type, name);
  throw unfit(
    `${name} has the Arrow type ${type} inside of another`,
    "cast it to one that tables have, such as int32, int64, double or string",
  );
}

function needsConverting(type: DataType): boolean {
  if (DataType.isInt(type)) return !type.isSigned || type.bitWidth < 32;
  if (DataType.isFloat(type)) return type.precision === 0;
  if (DataType.isDate(type)) return !(type instanceof DateDay);
  if (DataType.isTimestamp(type)) return type.unit !== TimeUnit.MICROSECOND;
  return DataType.isDictionary(type) || DataType.isNull(type);
}

/** The columns of a batch under what `schemaOf` made of its schema. Throws `input` for values that do not fit. */
export function fittedBatch(batch: RecordBatch, schema: Schema): RecordBatch {
  const arrow = arrowSchema(schema, batch.schema);
  const children = arrow.fields.map((field, index) => {
    const data = batch.data.children[index];
    if (data === undefined)
      throw unfit(`a batch has no ${field.name}`, "write all columns in each");
    return converted(data, batch.getChildAt(index), field);
  });
  const type = new Struct(arrow.fields);
  const data = makeData({ type, length: batch.numRows, nullCount: 0, children });
  return new RecordBatch(arrow, data);
}

/** The Arrow schema of our columns; what is inside of others keeps the type that it has in `given`. */
export function arrowSchema(schema: Schema, given: ArrowSchema | null): ArrowSchema {
  const fields = schema.fields.map((field, index) =>
    arrowField(field, given?.fields[index]?.type ?? null),
  );
  return new ArrowSchema(fields);
}

function arrowField(
  { id, name, type }: Pick<Field, "id" | "name" | "type">,
  given: DataType | null,
): ArrowField {
  const metadata = new Map([[FIELD_ID_KEY, String(id)]]);
  return new ArrowField(name, arrowType(type, given, name), true, metadata);
}

function arrowType(type: Type, given: DataType | null, name: string): DataType {
  if (type.kind === "decimal") return new Decimal(type.scale, type.precision, 128);
  if (type.kind === "list") {
    const child = given === null ? null : (given.children?.[0] ?? null);
    const element = { id: type.elementId, name: child?.name ?? "element", type: type.element };
    return new List(arrowField(element, child?.type ?? null));
  }
  if (type.kind === "struct") {
    return new Struct(
      type.fields.map((field, index) => arrowField(field, given?.children?.[index]?.type ?? null)),
    );
  }
  switch (type.kind === "primitive" ? type.name : null) {
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
    case "binary":
      return given !== null && DataType.isLargeBinary(given) ? given : new Binary();
    case "string":
    case "uuid":
      return given !== null && DataType.isLargeUtf8(given) ? given : new Utf8();
    default:
      throw new LakeError(
        "unsupported",
        `${name} is ${declaredTypeText(type)}, which programs are not given`,
        {
          hint: "cast it in the query, such as to varchar",
        },
      );
  }
}

function converted(data: Data, vector: Iterable<unknown> | null, field: ArrowField): Data {
  const { type } = data;
  if (!needsConverting(type)) return sameBytes(data, field.type);
  const { length, nullCount, nullBitmap } = data;
  const base = { length, nullCount, nullBitmap, offset: 0 };
  const isPlaced = data.offset === 0 && !DataType.isDictionary(type) && !DataType.isNull(type);
  if (!isPlaced) return repeated(vector ?? [], field);
  const values = [...(data.values as Iterable<number | bigint>)].slice(0, length); // parse: fixed width
  if (field.type instanceof Int32) {
    return makeData({ type: field.type, ...base, data: Int32Array.from(values, Number) });
  }
  if (field.type instanceof Float32) return repeated(vector ?? [], field);
  const longs = (DataType.isDate(type) ? wide(data) : values.map(BigInt)).map((value, row) =>
    isNull(nullBitmap, row) ? 0n : exact(value, type, field.name),
  );
  if (field.type instanceof DateDay) {
    return makeData({ type: field.type, ...base, data: Int32Array.from(longs, Number) });
  }
  const words = BigInt64Array.from(longs);
  if (field.type instanceof TimestampMicrosecond) {
    return makeData({ type: field.type, ...base, data: words });
  }
  return makeData({ type: new Int64(), ...base, data: words });
}

/** Milliseconds of dates that are written so. */
function wide(data: Data): bigint[] {
  const values = data.values as ArrayBufferView; // parse: fixed width
  return [...new BigInt64Array(values.buffer, values.byteOffset, data.length)];
}

function isNull(bitmap: Uint8Array | null | undefined, row: number): boolean {
  if (bitmap === null || bitmap === undefined || bitmap.length === 0) return false;
  return ((bitmap[row >> 3] ?? 0) & (1 << (row & 7))) === 0;
}

/** A value in the unit that tables have. */
function exact(value: bigint, type: DataType, name: string): bigint {
  if (DataType.isTimestamp(type)) {
    if (type.unit === TimeUnit.SECOND) return value * 1_000_000n;
    if (type.unit === TimeUnit.MILLISECOND) return value * 1_000n;
    if (value % 1_000n === 0n) return value / 1_000n;
    throw unfit(`${name} has nanoseconds that tables do not keep`, "round them to microseconds");
  }
  if (DataType.isDate(type)) {
    if (value % DAY_MS === 0n) return value / DAY_MS;
    throw unfit(`${name} is a date with a time`, "write it as date32, or as a timestamp");
  }
  if (value > LONG_MAX) {
    throw unfit(
      `${name} has ${value}, which is greater than any bigint`,
      "write it as decimal(20,0)",
    );
  }
  return value;
}

/** Values taken one by one, of types that have no plain layout. */
function repeated(values: Iterable<unknown>, field: ArrowField): Data {
  const [data] = vectorFromArray([...values], field.type).data;
  if (data === undefined) throw new LakeError("internal", `${field.name} has no values`);
  return data;
}

/** The same bytes under a type with our ids. */
function sameBytes(data: Data, type: DataType): Data {
  const children = data.children.map((child, index) => {
    const field = type.children?.[index];
    return field === undefined ? child : sameBytes(child, field.type);
  });
  return data.clone(type, data.offset, data.length, data.nullCount, undefined, children);
}

/** What a program gives and a table cannot hold. */
function unfit(message: string, hint: string): LakeError {
  return new LakeError("input", message, { hint });
}
