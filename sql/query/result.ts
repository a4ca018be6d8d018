/** A query's result as plain data: typed columns and chunks of cells, whatever engine made them. */

import type {
  DuckDBDataChunk,
  DuckDBResult,
  DuckDBStructVector,
  DuckDBType,
  DuckDBValue,
} from "@duckdb/node-api";
import type { DuckDB } from "../duckdb/duckdb.ts";

/** The type of a column or of a part of one; `text` is how DuckDB's shell writes it. */
export type ValueType = { readonly text: string } & (
  | { readonly kind: SimpleKind }
  | { readonly kind: "integer"; readonly bits: 8 | 16 | 32 | 64 | 128; readonly signed: boolean }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  | { readonly kind: "timestamp"; readonly unit: TimeUnit; readonly zoned: boolean }
  | { readonly kind: "list"; readonly element: ValueType }
  | { readonly kind: "struct"; readonly fields: readonly ResultColumn[] }
  | { readonly kind: "map"; readonly key: ValueType; readonly value: ValueType }
  | { readonly kind: "union"; readonly members: readonly ResultColumn[] }
);

export type SimpleKind =
  | "boolean"
  | "bignum"
  | "float"
  | "double"
  | "string"
  | "json"
  | "enum"
  | "uuid"
  | "blob"
  | "bit"
  | "date"
  | "time"
  | "timetz"
  | "interval"
  | "other";

export type TimeUnit = "s" | "ms" | "us" | "ns";

export interface ResultColumn {
  readonly name: string;
  readonly type: ValueType;
}

/**
 * One value. Integers up to 32 bits, dates (days) and floats are numbers; wider integers, decimals (unscaled),
 * timestamps (in their unit since 1970), and times (microseconds) are bigint; uuid, bit, enum, json and
 * `other` are text; structs are their fields' values in order; maps are pairs.
 */
export type Cell =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Interval
  | OffsetTime
  | Tagged
  | readonly Cell[];

export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

export interface OffsetTime {
  readonly micros: bigint;
  readonly offsetSeconds: number;
}

/** A value of a union. */
export interface Tagged {
  readonly tag: string;
  readonly value: Cell;
}

/** Some rows of a result, by column. */
export interface Chunk {
  readonly rowCount: number;
  /** Made when first asked for: rows that are only counted cost nothing. */
  readonly columns: readonly (readonly Cell[])[];
}

/** A result that is read once, from start to end. */
export interface ResultSet {
  readonly columns: readonly ResultColumn[];
  /** Chunks of about 2,048 rows. Throws what the engine throws half-way. */
  chunks(): AsyncIterable<Chunk>;
}

export interface Executed {
  /** Null for statements that answer with no rows. */
  readonly result: ResultSet | null;
  /** Rows written; null when it wrote none or says nothing. */
  readonly rowsChanged: number | null;
}

/** One statement's answer. */
export interface QueryResult extends Executed {
  /** The statement as written. */
  readonly sql: string;
  /** Tables of the lake that were read, with their sequence numbers: `silver.orders@5`. */
  readonly tables: readonly string[];
  readonly notes: readonly string[];
}

export interface ExecuteHooks {
  /** True when the statement was called off while it was being prepared. */
  isCancelled(): boolean;
  /** Turns what the engine throws, now or half-way, into what the caller throws. */
  mapError(thrown: unknown): unknown;
  /** Is told of every call into the engine: a connection must not be closed under one. */
  track<T>(call: Promise<T>): Promise<T>;
}

const OTHER: ValueType = { kind: "other", text: "varchar" };

/** By DuckDB's type number (duckdb.h, enum DUCKDB_TYPE). */
const SIMPLE: { readonly [typeId: number]: ValueType } = {
  1: { kind: "boolean", text: "boolean" },
  2: { kind: "integer", bits: 8, signed: true, text: "int8" },
  3: { kind: "integer", bits: 16, signed: true, text: "int16" },
  4: { kind: "integer", bits: 32, signed: true, text: "int32" },
  5: { kind: "integer", bits: 64, signed: true, text: "int64" },
  6: { kind: "integer", bits: 8, signed: false, text: "uint8" },
  7: { kind: "integer", bits: 16, signed: false, text: "uint16" },
  8: { kind: "integer", bits: 32, signed: false, text: "uint32" },
  9: { kind: "integer", bits: 64, signed: false, text: "uint64" },
  10: { kind: "float", text: "float" },
  11: { kind: "double", text: "double" },
  12: { kind: "timestamp", unit: "us", zoned: false, text: "timestamp" },
  13: { kind: "date", text: "date" },
  14: { kind: "time", text: "time" },
  15: { kind: "interval", text: "interval" },
  16: { kind: "integer", bits: 128, signed: true, text: "int128" },
  17: { kind: "string", text: "varchar" },
  18: { kind: "blob", text: "blob" },
  20: { kind: "timestamp", unit: "s", zoned: false, text: "timestamp_s" },
  21: { kind: "timestamp", unit: "ms", zoned: false, text: "timestamp_ms" },
  22: { kind: "timestamp", unit: "ns", zoned: false, text: "timestamp_ns" },
  27: { kind: "uuid", text: "uuid" },
  29: { kind: "bit", text: "bit" },
  30: { kind: "timetz", text: "time with time zone" },
  31: { kind: "timestamp", unit: "us", zoned: true, text: "timestamp with time zone" },
  32: { kind: "integer", bits: 128, signed: false, text: "uint128" },
  35: { kind: "bignum", text: "bignum" },
};

/** DuckDB's kinds of result (duckdb.h, duckdb_result_type). */
const CHANGED_ROWS = 1;
const QUERY_RESULT = 3;

/** A result over rows that are already here. */
export function resultOf(
  columns: readonly ResultColumn[],
  rows: readonly (readonly Cell[])[],
): ResultSet {
  const byColumn = columns.map((_column, index) => rows.map((row) => row[index] ?? null));
  return {
    columns,
    async *chunks() {
      if (rows.length > 0) yield { rowCount: rows.length, columns: byColumn };
    },
  };
}

/** A streaming or materialised DuckDB result as plain data. `track` is told of every fetch. */
export function resultFromDuckDB(
  result: DuckDBResult,
  track: <T>(call: Promise<T>) => Promise<T> = (call) => call,
): ResultSet {
  const types = result.columnTypes();
  const columns = result.columnNames().map((name, index) => ({
    name,
    type: valueType(types[index]),
  }));
  return {
    columns,
    async *chunks() {
      for (;;) {
        const chunk = await track(result.fetchChunk());
        if (chunk === null || chunk.rowCount === 0) return;
        yield plainChunk(chunk, columns);
      }
    },
  };
}

/** DuckDB's type as plain data. */
export function valueType(type: DuckDBType | undefined): ValueType {
  const id = type === undefined ? 0 : Number(type.typeId);
  const simple = SIMPLE[id];
  if (simple !== undefined && type?.alias?.toUpperCase() === "JSON") {
    return { kind: "json", text: "json" };
  }
  if (simple !== undefined) return simple;
  if (type === undefined) return OTHER;
  if ("entryNames" in type) {
    const fields = type.entryNames.map((name, index) => ({
      name,
      type: valueType(type.entryTypes[index]),
    }));
    const inner = fields.map((field) => `${quotedIfOdd(field.name)} ${field.type.text}`);
    return { kind: "struct", fields, text: `struct(${inner.join(", ")})` };
  }
  if ("memberTags" in type) {
    const members = type.memberTags.map((name, index) => ({
      name,
      type: valueType(type.memberTypes[index]),
    }));
    const inner = members.map((member) => `${quotedIfOdd(member.name)} ${member.type.text}`);
    return { kind: "union", members, text: `union(${inner.join(", ")})` };
  }
  if ("keyType" in type) {
    const key = valueType(type.keyType);
    const value = valueType(type.valueType);
    return { kind: "map", key, value, text: `map(${key.text}, ${value.text})` };
  }
  if ("valueType" in type) {
    const element = valueType(type.valueType);
    const length = "length" in type ? String(type.length) : "";
    return { kind: "list", element, text: `${element.text}[${length}]` };
  }
  if ("scale" in type) {
    const { width: precision, scale } = type;
    return { kind: "decimal", precision, scale, text: `decimal(${precision},${scale})` };
  }
  if ("values" in type) return { kind: "enum", text: "enum" };
  return { ...OTHER, text: String(type).toLowerCase() };
}

/** Runs a statement; its rows stream. */
export async function execute(db: DuckDB, sql: string, hooks: ExecuteHooks): Promise<Executed> {
  const mapError = (thrown: unknown) => hooks.mapError(thrown);
  try {
    const pending = await hooks.track(db.native.startStream(sql));
    // DuckDB forgets an interrupt that comes before this point, and a statement that was started and is then
    // dropped blocks the next one: so it is run, and interrupted at once.
    if (hooks.isCancelled()) db.interrupt();
    const native = await hooks.track(pending.getResult());
    if (Number(native.returnType) === QUERY_RESULT) {
      return {
        result: mappedErrors(resultFromDuckDB(native, hooks.track), mapError),
        rowsChanged: null,
      };
    }
    const rows = await hooks.track(native.getRows());
    const isCount = Number(native.returnType) === CHANGED_ROWS;
    return { result: null, rowsChanged: isCount ? Number(rows[0]?.[0] ?? 0) : null };
  } catch (thrown) {
    throw mapError(thrown);
  }
}

/** The result with what reading it throws turned into something else. */
export function mappedErrors(result: ResultSet, mapError: (thrown: unknown) => unknown): ResultSet {
  return {
    columns: result.columns,
    async *chunks() {
      try {
        yield* result.chunks();
      } catch (thrown) {
        throw mapError(thrown);
      }
    },
  };
}

function quotedIfOdd(name: string): string {
  return /^[a-z_][a-z0-9_]*$/i.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

function plainChunk(chunk: DuckDBDataChunk, columns: readonly ResultColumn[]): Chunk {
  let cells: readonly (readonly Cell[])[] | null = null;
  return {
    rowCount: chunk.rowCount,
    get columns() {
      cells ??= columns.map((column, index) => plainColumn(chunk, index, column.type));
      return cells;
    },
  };
}

function plainColumn(chunk: DuckDBDataChunk, index: number, type: ValueType): readonly Cell[] {
  const tuples = tupleCells(chunk, index, type);
  if (tuples !== null) return tuples;
  const values = chunk.getColumnValues(index);
  return isAsIs(type)
    ? (values as readonly Cell[]) // parse: these kinds come as null, boolean, number, bigint or string
    : values.map((value) => plainCell(value, type));
}

/** Values of `row(…)`, whose nameless fields the binding's objects cannot hold; null for any other column. */
function tupleCells(
  chunk: DuckDBDataChunk,
  index: number,
  type: ValueType,
): readonly Cell[] | null {
  if (type.kind !== "struct" || type.fields.some((field) => field.name !== "")) return null;
  const vector = chunk.getColumnVector(index) as unknown as DuckDBStructVector; // parse: of a STRUCT column
  return Array.from({ length: chunk.rowCount }, (_none, row) =>
    vector.isItemValid(row)
      ? type.fields.map((field, at) => plainCell(vector.getItemValue(row, at), field.type))
      : null,
  );
}

function isAsIs(type: ValueType): boolean {
  switch (type.kind) {
    case "boolean":
    case "integer":
    case "float":
    case "double":
    case "string":
    case "json":
    case "enum":
    case "bignum":
      return true;
    default:
      return false;
  }
}

function plainCell(value: DuckDBValue | undefined, type: ValueType): Cell {
  if (value === null || value === undefined) return null;
  if (typeof value !== "object") return value;
  if ("items" in value) {
    const element = type.kind === "list" ? type.element : OTHER;
    return value.items.map((item) => plainCell(item, element));
  }
  if ("tag" in value) {
    const members = type.kind === "union" ? type.members : [];
    const member = members.find((candidate) => candidate.name === value.tag)?.type ?? OTHER;
    return { tag: value.tag, value: plainCell(value.value, member) };
  }
  if ("entries" in value) {
    const { entries } = value;
    if (Array.isArray(entries)) {
      const [key, item] = type.kind === "map" ? [type.key, type.value] : [OTHER, OTHER];
      return entries.map((entry) => [plainCell(entry.key, key), plainCell(entry.value, item)]);
    }
    const fields = type.kind === "struct" ? type.fields : [];
    const byName = entries as Readonly<Record<string, DuckDBValue>>; // parse: not the array of a map
    return fields.map((field) => plainCell(byName[field.name], field.type));
  }
  return plainScalar(value, type);
}

type ScalarObject = Exclude<DuckDBValue, null | boolean | number | bigint | string>;

function plainScalar(value: ScalarObject, type: ValueType): Cell {
  if (type.kind === "uuid" || type.kind === "bit" || type.kind === "other") return String(value);
  if ("months" in value) {
    return { months: value.months, days: value.days, micros: value.micros };
  }
  if ("bytes" in value) return value.bytes;
  if ("scale" in value) return value.value;
  if ("offset" in value) return { micros: value.micros, offsetSeconds: value.offset };
  if ("micros" in value) return value.micros;
  if ("days" in value) return value.days;
  if ("seconds" in value) return value.seconds;
  if ("millis" in value) return value.millis;
  if ("nanos" in value && type.kind === "timestamp") return value.nanos;
  return String(value);
}
