/** DuckDB's types and values, and ours: which is which, both ways. */

import type * as api from "@duckdb/node-api";
import type { DuckDBType, DuckDBValue } from "@duckdb/node-api";
import { unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import { TYPE_DEPTH_MAX } from "../../core/limits.ts";
import type { Field, PrimitiveName, Type } from "../../core/table/types.ts";
import { isSymbol, isWord, nameOf, type Token, tokensOf } from "../syntax/lexer.ts";
import { quoteIdentifier } from "../syntax/quote.ts";

/**
 * A result value. BIGINT and wider are `bigint`, other integers and floats `number`, BLOB bytes, LIST and ARRAY
 * arrays, STRUCT objects, MAP an array of [key, value], UNION its value. DECIMAL, dates, times, timestamps (zoned
 * ones in UTC with `+00`), UUID, INTERVAL and BIT are text as DuckDB prints them.
 */
export type SqlValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly SqlValue[]
  | { readonly [field: string]: SqlValue };

/** A bound parameter. A list holds texts; an integer `number` is BIGINT, any other DOUBLE. */
export type Param =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly string[]
  | { readonly kind: "timestamp" | "timestamptz"; readonly micros: bigint };

type Api = typeof api;

const PRIMITIVES: Readonly<Record<PrimitiveName, string>> = {
  boolean: "BOOLEAN",
  int: "INTEGER",
  long: "BIGINT",
  float: "FLOAT",
  double: "DOUBLE",
  date: "DATE",
  time: "TIME",
  timestamp: "TIMESTAMP",
  timestamptz: "TIMESTAMP WITH TIME ZONE",
  string: "VARCHAR",
  uuid: "UUID",
  binary: "BLOB",
};

/** Promotions without loss. date -> timestamp is exact too (midnight). */
const WIDENS: Readonly<Partial<Record<PrimitiveName, readonly PrimitiveName[]>>> = {
  int: ["long", "double", "string"],
  long: ["string"],
  float: ["double"],
  date: ["timestamp", "string"],
  boolean: ["string"],
  uuid: ["string"],
};

/** DuckDB types that are one Iceberg primitive, by their first words in upper case. */
const SIMPLE: Readonly<Record<string, Type>> = Object.fromEntries(
  (
    [
      ["BOOLEAN", "boolean"],
      ["TINYINT", "int"],
      ["SMALLINT", "int"],
      ["INTEGER", "int"],
      ["UTINYINT", "int"],
      ["USMALLINT", "int"],
      ["UINTEGER", "long"],
      ["BIGINT", "long"],
      ["FLOAT", "float"],
      ["DOUBLE", "double"],
      ["DATE", "date"],
      ["TIME", "time"],
      ["TIMESTAMP", "timestamp"],
      ["TIMESTAMP_S", "timestamp"],
      ["TIMESTAMP_MS", "timestamp"],
      ["TIMESTAMPTZ", "timestamptz"],
      ["VARCHAR", "string"],
      ["JSON", "string"],
      ["UUID", "uuid"],
      ["BLOB", "binary"],
    ] as const
  ).map(([name, primitive]) => [name, { kind: "primitive", name: primitive } as const]),
);

/** What to write instead, for types that Iceberg v2 does not have. */
const REFUSED: Readonly<Record<string, string>> = {
  INTERVAL: "VARCHAR",
  TIME_NS: "TIME",
  TIMESTAMP_NS: "TIMESTAMP",
  TIMETZ: "VARCHAR",
  BIT: "VARCHAR",
  BIGNUM: "VARCHAR",
  VARIANT: "JSON",
  UNION: "VARCHAR",
  GEOMETRY: "BLOB",
};

const STRING: Type = { kind: "primitive", name: "string" };

/** The DuckDB type that holds every value of an Iceberg type and nothing else, such as `STRUCT("a" INTEGER)`. */
export function duckDBType(type: Type): string {
  switch (type.kind) {
    case "primitive":
      return PRIMITIVES[type.name];
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
    case "fixed":
      return "BLOB";
    case "struct":
      return `STRUCT(${type.fields.map(structField).join(", ")})`;
    case "list":
      return `${duckDBType(type.element)}[]`;
    case "map":
      return `MAP(${duckDBType(type.key)}, ${duckDBType(type.value)})`;
    default:
      return unreachable(type);
  }
}

/**
 * The Iceberg type of a query's column; nested ids are 0. Small and unsigned integers widen, HUGEINT is
 * decimal(38,0), enum and JSON are string. Throws LakeError `schema` with the cast to write for types that would
 * lose something.
 */
export function icebergType(text: string, column: string): Type {
  const reader = new TypeReader(text, column);
  return reader.read();
}

/**
 * True when every value of a query's type is a value of the column's type: equal, or a promotion that Iceberg or
 * DuckDB makes without loss. Nested fields are compared by name, ignoring case.
 */
export function isLossless(from: Type, to: Type): boolean {
  if (from.kind === "primitive" && to.kind === "primitive") {
    return from.name === to.name || (WIDENS[from.name] ?? []).includes(to.name);
  }
  if (to.kind === "decimal") return fitsDecimal(from, to.precision, to.scale);
  if (from.kind === "struct" && to.kind === "struct") {
    return from.fields.every((field) => {
      const match = to.fields.find((other) => sameName(other.name, field.name));
      return match !== undefined && isLossless(field.type, match.type);
    });
  }
  if (from.kind === "list" && to.kind === "list") return isLossless(from.element, to.element);
  if (from.kind === "map" && to.kind === "map") {
    return isLossless(from.key, to.key) && isLossless(from.value, to.value);
  }
  return false;
}

/** A type as a person reads it: `decimal(10,2)`, `struct<a: int>`. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "primitive":
      return type.name;
    case "decimal":
      return `decimal(${type.precision},${type.scale})`;
    case "fixed":
      return `fixed(${type.length})`;
    case "struct":
      return `struct<${type.fields.map((f) => `${f.name}: ${typeText(f.type)}`).join(", ")}>`;
    case "list":
      return `list<${typeText(type.element)}>`;
    case "map":
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
    default:
      return unreachable(type);
  }
}

/** Parameters with the types they are bound as. */
export function toNative(
  api: Api,
  params: readonly Param[],
): { readonly values: DuckDBValue[]; readonly types: DuckDBType[] } {
  const bound = params.map((param) => bind(api, param));
  return { values: bound.map(([value]) => value), types: bound.map(([, type]) => type) };
}

/** A result value as plain data. */
export function fromNative(api: Api, value: DuckDBValue): SqlValue {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof api.DuckDBBlobValue || value instanceof api.DuckDBGeometryValue) {
    return value.bytes;
  }
  if (value instanceof api.DuckDBListValue || value instanceof api.DuckDBArrayValue) {
    return value.items.map((item) => fromNative(api, item));
  }
  if (value instanceof api.DuckDBStructValue) {
    const fields = Object.entries(value.entries);
    return Object.fromEntries(fields.map(([name, item]) => [name, fromNative(api, item)]));
  }
  if (value instanceof api.DuckDBMapValue) {
    return value.entries.map((entry) => [fromNative(api, entry.key), fromNative(api, entry.value)]);
  }
  if (value instanceof api.DuckDBUnionValue || value instanceof api.DuckDBVariantValue) {
    return fromNative(api, value.value);
  }
  return value.toString();
}

function structField(field: Field): string {
  return `${quoteIdentifier(field.name)} ${duckDBType(field.type)}`;
}

/** Reads one DuckDB type from its tokens. */
class TypeReader {
  readonly #text: string;
  readonly #column: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string, column: string) {
    this.#text = text;
    this.#column = column;
    this.#tokens = tokensOf(text);
  }

  read(): Type {
    this.#depth++;
    if (this.#depth > TYPE_DEPTH_MAX) {
      throw new LakeError("schema", `column ${this.#column} nests deeper than ${TYPE_DEPTH_MAX}`, {
        hint: "flatten the column in the query",
      });
    }
    let type = this.#readBase();
    while (isSymbol(this.#tokens[this.#at], "[")) {
      while (!isSymbol(this.#tokens[this.#at], "]")) this.#at++;
      this.#at++;
      type = { kind: "list", elementId: 0, elementRequired: false, element: type };
    }
    this.#depth--;
    return type;
  }

  #readBase(): Type {
    const name = this.#takeName();
    switch (name) {
      case "STRUCT":
        return { kind: "struct", fields: this.#readFields() };
      case "MAP":
        return this.#readMap();
      case "DECIMAL":
        return this.#readDecimal();
      case "ENUM":
        this.#skipBrackets();
        return STRING;
      case "HUGEINT":
      case "UHUGEINT":
        return { kind: "decimal", precision: 38, scale: 0 };
      case "UBIGINT":
        return { kind: "decimal", precision: 20, scale: 0 };
      default:
        return SIMPLE[name] ?? this.#refuse(name);
    }
  }

  #takeName(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) return this.#refuse(this.#text);
    let name = nameOf(token).toUpperCase();
    if (isWord(this.#tokens[this.#at], "with")) {
      // `WITH TIME ZONE`
      this.#at += 3;
      name += "TZ";
    }
    return name;
  }

  #readFields(): Field[] {
    const fields: Field[] = [];
    this.#at++; // (
    while (this.#at < this.#tokens.length && !isSymbol(this.#tokens[this.#at], ")")) {
      const token = this.#tokens[this.#at++];
      if (token === undefined) break;
      fields.push({ id: 0, name: nameOf(token), required: false, type: this.read() });
      if (isSymbol(this.#tokens[this.#at], ",")) this.#at++;
    }
    this.#at++; // )
    return fields;
  }

  #readMap(): Type {
    this.#at++; // (
    const key = this.read();
    this.#at++; // ,
    const value = this.read();
    this.#at++; // )
    return { kind: "map", keyId: 0, key, valueId: 0, valueRequired: false, value };
  }

  #readDecimal(): Type {
    const precision = Number(this.#tokens[this.#at + 1]?.text);
    const scale = Number(this.#tokens[this.#at + 3]?.text);
    this.#skipBrackets();
    return { kind: "decimal", precision, scale };
  }

  #skipBrackets(): void {
    if (!isSymbol(this.#tokens[this.#at], "(")) return;
    while (this.#at < this.#tokens.length && !isSymbol(this.#tokens[this.#at], ")")) this.#at++;
    this.#at++;
  }

  #refuse(name: string): never {
    const instead = REFUSED[name] ?? "VARCHAR";
    throw new LakeError(
      "schema",
      `column ${this.#column} is ${this.#text}, which a table cannot hold`,
      {
        hint: `write a cast in the query, such as ${quoteIdentifier(this.#column)}::${instead}`,
        context: { column: this.#column, type: this.#text },
      },
    );
  }
}

function fitsDecimal(from: Type, precision: number, scale: number): boolean {
  const whole = precision - scale;
  if (from.kind === "decimal") return from.scale <= scale && from.precision - from.scale <= whole;
  if (from.kind !== "primitive") return false;
  if (from.name === "int") return whole >= 10;
  return from.name === "long" && whole >= 19;
}

function sameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function bind(api: Api, param: Param): [DuckDBValue, DuckDBType] {
  if (param === null) return [null, api.SQLNULL];
  switch (typeof param) {
    case "boolean":
      return [param, api.BOOLEAN];
    case "string":
      return [param, api.VARCHAR];
    case "bigint":
      return [param, BigInt.asIntN(64, param) === param ? api.BIGINT : api.HUGEINT];
    case "number":
      return Number.isSafeInteger(param) && !Object.is(param, -0)
        ? [BigInt(param), api.BIGINT]
        : [param, api.DOUBLE];
    case "object":
      return bindObject(api, param);
    default:
      return unreachable(param);
  }
}

function bindObject(api: Api, param: Param & object): [DuckDBValue, DuckDBType] {
  if (param instanceof Uint8Array) return [new api.DuckDBBlobValue(param), api.BLOB];
  if ("kind" in param) {
    return param.kind === "timestamp"
      ? [new api.DuckDBTimestampValue(param.micros), api.TIMESTAMP]
      : [new api.DuckDBTimestampTZValue(param.micros), api.TIMESTAMPTZ];
  }
  return [new api.DuckDBListValue([...param]), api.LIST(api.VARCHAR)];
}
