/** Results as Arrow IPC, a record batch a chunk, types kept. */

import * as arrow from "apache-arrow";
import type {
  Cell,
  Chunk,
  ResultColumn,
  ResultSet,
  TimeUnit,
  ValueType,
} from "../../sql/query/result.ts";
import { uniqueNames } from "./json.ts";
import { cellText } from "./text.ts";

/**
 * Writes the IPC stream format, or the file format (which tools that seek want), and answers the row count.
 * Types that Arrow lacks (enum, uuid, bit, interval, time with a zone, union) go out as DuckDB's text.
 */
export async function writeArrow(
  result: ResultSet,
  layout: "stream" | "file",
  timezone: string,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<bigint> {
  const names = uniqueNames(result.columns);
  const fields = result.columns.map(
    (column, index) => new arrow.Field(names[index] ?? "", arrowType(column.type, timezone), true),
  );
  const schema = new arrow.Schema(fields);
  const queue = new CollectingQueue();
  const writer =
    layout === "stream" ? new arrow.RecordBatchStreamWriter() : new arrow.RecordBatchFileWriter();
  writer.reset(queue, schema);
  let rowCount = 0n;
  for await (const chunk of result.chunks()) {
    writer.write(recordBatch(schema, result.columns, chunk, timezone));
    rowCount += BigInt(chunk.rowCount);
    await write(queue.take());
  }
  writer.finish();
  await write(queue.take());
  return rowCount;
}

/** Arrow's own queue grows without bound; this one is emptied after each batch. */
class CollectingQueue extends arrow.AsyncByteQueue {
  #made: Uint8Array[] = [];

  override write(value: ArrayBufferView | ArrayBufferLike | string): void {
    if (typeof value === "string") this.#made.push(new TextEncoder().encode(value));
    else if (ArrayBuffer.isView(value)) {
      this.#made.push(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else this.#made.push(new Uint8Array(value));
  }

  take(): Uint8Array {
    return Buffer.concat(this.#made.splice(0));
  }
}

function arrowType(type: ValueType, timezone: string): arrow.DataType {
  const nested = (name: string, inner: ValueType, nullable = true) =>
    new arrow.Field(name, arrowType(inner, timezone), nullable);
  switch (type.kind) {
    case "boolean":
      return new arrow.Bool();
    case "integer":
      // As DuckDB exports HUGEINT: 128 bits wide, counted as decimal.
      if (type.bits === 128) return new arrow.Decimal(0, 38, 128);
      return new arrow.Int(type.signed, type.bits);
    case "decimal":
      return new arrow.Decimal(type.scale, type.precision, 128);
    case "float":
      return new arrow.Float32();
    case "double":
      return new arrow.Float64();
    case "blob":
      return new arrow.Binary();
    case "date":
      return new arrow.DateDay();
    case "time":
      return new arrow.TimeMicrosecond();
    case "timestamp":
      return new arrow.Timestamp(ARROW_UNIT[type.unit], type.zoned ? timezone : null);
    case "list":
      return new arrow.List(nested("item", type.element));
    case "struct":
      return new arrow.Struct(type.fields.map((field) => nested(field.name, field.type)));
    case "map": {
      const entry = new arrow.Struct([nested("key", type.key, false), nested("value", type.value)]);
      // parse: Map_ wants the field of its entries, whose types are only known now
      return new arrow.Map_(new arrow.Field("entries", entry, false) as never); // parse: see above
    }
    default:
      return new arrow.Utf8();
  }
}

const ARROW_UNIT: Readonly<Record<TimeUnit, arrow.TimeUnit>> = {
  s: arrow.TimeUnit.SECOND,
  ms: arrow.TimeUnit.MILLISECOND,
  us: arrow.TimeUnit.MICROSECOND,
  ns: arrow.TimeUnit.NANOSECOND,
};

function recordBatch(
  schema: arrow.Schema,
  columns: readonly ResultColumn[],
  chunk: Chunk,
  timezone: string,
): arrow.RecordBatch {
  const children = columns.map((column, index) =>
    columnData(column.type, chunk.columns[index] ?? [], timezone),
  );
  const data = arrow.makeData({
    type: new arrow.Struct(schema.fields),
    length: chunk.rowCount,
    nullCount: 0,
    children,
  });
  return new arrow.RecordBatch(schema, data);
}

function columnData(type: ValueType, cells: readonly Cell[], timezone: string): arrow.Data {
  const target = arrowType(type, timezone);
  const { nullBitmap, nullCount } = validity(cells);
  const common = { type: target, length: cells.length, nullBitmap, nullCount };
  // parse: makeData is overloaded by type; each case below gives the parts that its type has
  const make = (parts: object) => arrow.makeData({ ...common, ...parts } as never); // parse: see above
  switch (type.kind) {
    case "boolean":
      return make({ data: bits(cells.map((cell) => cell === true)) });
    case "integer":
      return make({ data: integers(cells, type.bits, type.signed) });
    case "decimal":
      return make({ data: wideIntegers(cells) });
    case "float":
      return make({ data: Float32Array.from(cells, Number) });
    case "double":
      return make({ data: Float64Array.from(cells, Number) });
    case "date":
      return make({ data: Int32Array.from(cells, Number) });
    case "time":
    case "timestamp":
      return make({ data: BigInt64Array.from(cells, (cell) => BigInt(String(cell ?? 0))) });
    case "blob":
      return make(bytesParts(cells.map((c) => (c instanceof Uint8Array ? c : new Uint8Array()))));
    case "list": {
      const { valueOffsets, flat } = flattened(cells);
      return make({ valueOffsets, child: columnData(type.element, flat, timezone) });
    }
    case "struct": {
      const children = type.fields.map((field, index) =>
        columnData(
          field.type,
          cells.map((cell) => items(cell)[index] ?? null),
          timezone,
        ),
      );
      return make({ children });
    }
    case "map": {
      const { valueOffsets, flat } = flattened(cells);
      const fields = [
        { name: "key", type: type.key },
        { name: "value", type: type.value },
      ];
      const entry: ValueType = { kind: "struct", text: "", fields };
      return make({ valueOffsets, child: columnData(entry, flat, timezone) });
    }
    default: {
      const text = cellText(type, timezone);
      const encoder = new TextEncoder();
      return make(bytesParts(cells.map((cell) => encoder.encode(text(cell) ?? ""))));
    }
  }
}

function items(cell: Cell): readonly Cell[] {
  return Array.isArray(cell) ? cell : [];
}

function validity(cells: readonly Cell[]): { nullBitmap: Uint8Array; nullCount: number } {
  const nullCount = cells.reduce<number>((sum, cell) => sum + (cell === null ? 1 : 0), 0);
  return { nullBitmap: bits(cells.map((cell) => cell !== null)), nullCount };
}

function bits(flags: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(flags.length / 8));
  for (const [index, flag] of flags.entries()) {
    if (flag) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return bytes;
}

function integers(cells: readonly Cell[], size: number, signed: boolean): ArrayBufferView {
  if (size === 128) return wideIntegers(cells);
  const wide = (cell: Cell) => BigInt(String(cell ?? 0));
  if (size === 64) {
    return signed ? BigInt64Array.from(cells, wide) : BigUint64Array.from(cells, wide);
  }
  if (size === 32) return signed ? Int32Array.from(cells, Number) : Uint32Array.from(cells, Number);
  if (size === 16) return signed ? Int16Array.from(cells, Number) : Uint16Array.from(cells, Number);
  return signed ? Int8Array.from(cells, Number) : Uint8Array.from(cells, Number);
}

function wideIntegers(cells: readonly Cell[]): Uint32Array {
  const words = new BigUint64Array(cells.length * 2);
  for (const [index, cell] of cells.entries()) {
    const value = BigInt(String(cell ?? 0));
    words[index * 2] = BigInt.asUintN(64, value);
    words[index * 2 + 1] = BigInt.asUintN(64, value >> 64n);
  }
  return new Uint32Array(words.buffer);
}

function bytesParts(values: readonly Uint8Array[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const valueOffsets = new Int32Array(values.length + 1);
  let end = 0;
  for (const [index, value] of values.entries()) {
    end += value.length;
    valueOffsets[index + 1] = end;
  }
  return { valueOffsets, data: Buffer.concat(values) };
}

function flattened(cells: readonly Cell[]): { valueOffsets: Int32Array; flat: Cell[] } {
  const valueOffsets = new Int32Array(cells.length + 1);
  const flat: Cell[] = [];
  for (const [index, cell] of cells.entries()) {
    for (const item of items(cell)) flat.push(item);
    valueOffsets[index + 1] = flat.length;
  }
  return { valueOffsets, flat };
}
