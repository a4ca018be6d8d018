/** Avro schemas: names resolved, logical types known, and the column types that hold their values. */

import { type AvroPrimitive, isAvroPrimitive } from "../../../core/base/avro.ts";
import { COLUMNS_MAX, TYPE_DEPTH_MAX } from "../../../core/limits.ts";
import { NOTHING, STRING } from "../../../core/table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../../../core/table/types.ts";
import {
  CONNECT_PRECISION,
  connectText,
  connectWhole,
  DECIMAL,
  DECIMAL_PRECISION_MAX,
  VARIABLE_DECIMAL,
} from "../envelope/connect-types.ts";
import { Unreadable } from "../unreadable.ts";

/** A schema; a record may hold itself. */
export type AvroNode =
  | { readonly kind: "primitive"; readonly name: AvroPrimitive; readonly logical: Logical }
  | {
      readonly kind: "fixed";
      readonly name: string;
      readonly size: number;
      readonly logical: Logical;
    }
  | { readonly kind: "enum"; readonly name: string; readonly symbols: readonly string[] }
  | { readonly kind: "array"; readonly items: AvroNode }
  | { readonly kind: "map"; readonly values: AvroNode }
  | { readonly kind: "union"; readonly branches: readonly AvroNode[] }
  | AvroRecordNode;

export interface AvroRecordNode {
  readonly kind: "record";
  readonly name: string;
  /** Filled once the record's own name is known: its fields may name it. */
  readonly fields: { readonly name: string; readonly type: AvroNode }[];
  /** A number with its scale, `VariableScaleDecimal` of Debezium. */
  readonly isDecimal?: true;
}

/** What a primitive or fixed stands for; null: itself. Avro spec, "Logical Types". */
export type Logical =
  | null
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  /** Kafka Connect's word for a number or a text, which it writes beside it. */
  | { readonly kind: "connect"; readonly name: string; readonly type: Type }
  | { readonly kind: "big-decimal" | "date" | "time-millis" | "time-micros" | "uuid" | "duration" }
  | {
      readonly kind: "timestamp";
      readonly unit: "millis" | "micros" | "nanos";
      readonly zoned: boolean;
    };

const DURATION_BYTES = 12;
const UUID_BYTES = 16;
/** Deeper schemas are refused: nobody means them. */
const SCHEMA_DEPTH_MAX = 500;

/** The schema of the rows; a root that is no record is a record with the one field `value`. Throws Unreadable. */
export function parseAvroSchema(text: string): AvroRecordNode {
  return recordOf(new SchemaReader(false).read(jsonOf(text), "", 0));
}

/** A schema of a registry: the words of Kafka Connect count, and what it refers to comes first. Throws Unreadable. */
export function parseRegisteredSchema(text: string, references: readonly string[]): AvroNode {
  const reader = new SchemaReader(true);
  for (const reference of references) reader.read(jsonOf(reference), "", 0);
  return reader.read(jsonOf(text), "", 0);
}

/** A root that is no record is a record with the one field `value`. Throws Unreadable. */
export function recordOf(root: AvroNode): AvroRecordNode {
  const record: AvroRecordNode =
    root.kind === "record"
      ? root
      : { kind: "record", name: "", fields: [{ name: "value", type: root }] };
  if (record.fields.length > COLUMNS_MAX) {
    throw new Unreadable("limit", `the Avro schema has more than ${COLUMNS_MAX} fields`);
  }
  return record;
}

/**
 * The type whose values are exactly those of a schema. A union with null is its other branch; int and long, float and
 * double join; every other union is a struct with a field for each branch. Text of JSON: what holds itself, records
 * without fields or with names that differ in case only, and what nests too deep.
 */
export function columnType(node: AvroNode, path: readonly AvroNode[] = []): Type {
  if (path.length > TYPE_DEPTH_MAX || path.includes(node)) return STRING;
  const inner = [...path, node];
  switch (node.kind) {
    case "primitive":
      return primitiveType(node.name, node.logical);
    case "fixed":
      return fixedType(node.logical);
    case "enum":
      return STRING;
    case "array":
      return {
        kind: "list",
        elementId: 0,
        elementRequired: false,
        element: columnType(node.items, inner),
      };
    case "map":
      return {
        kind: "map",
        keyId: 0,
        key: STRING,
        valueId: 0,
        valueRequired: false,
        value: columnType(node.values, inner),
      };
    case "record": {
      if (node.isDecimal === true) return STRING;
      if (node.fields.length === 0 || collision(node) !== null) return STRING;
      return structOf(node.fields.map(({ name, type }) => [name, columnType(type, inner)]));
    }
    case "union":
      return unionType(node, inner);
  }
}

/** Branches of a union that hold a value, each with the name of its field; one of no name: the value stands alone. */
export function branchNames(branches: readonly AvroNode[]): (string | null)[] {
  const values = branches.filter((branch) => !isNull(branch));
  if (values.length <= 1 || joined(values) !== null) return branches.map(() => null);
  const shorts = branches.map((branch) => shortName(branch));
  const isUnique = new Set(shorts.map((name) => name.toLowerCase())).size === shorts.length;
  if (isUnique)
    return branches.map((branch, index) => (isNull(branch) ? null : (shorts[index] ?? "")));
  return branches.map((branch, index) => (isNull(branch) ? null : `${index}_${shorts[index]}`));
}

export function isNull(node: AvroNode): boolean {
  return node.kind === "primitive" && node.name === "null";
}

/** True for a schema that holds nothing but null. */
export function isEmpty(node: AvroNode): boolean {
  return isNull(node) || (node.kind === "union" && node.branches.every(isNull));
}

/** The one type of a union whose branches are numbers that join; null when they do not. */
function joined(values: readonly AvroNode[]): Type | null {
  const names = values.map((node) =>
    node.kind === "primitive" && node.logical === null ? node.name : null,
  );
  if (names.every((name) => name === "int" || name === "long")) return primitive("long");
  return names.every((name) => name === "float" || name === "double") ? primitive("double") : null;
}

function unionType(node: AvroNode & { readonly kind: "union" }, path: readonly AvroNode[]): Type {
  const values = node.branches.filter((branch) => !isNull(branch));
  const [only] = values;
  if (only === undefined) return NOTHING;
  if (values.length === 1) return columnType(only, path);
  const one = joined(values);
  if (one !== null) return one;
  const names = branchNames(node.branches);
  return structOf(
    node.branches.flatMap((branch, index) => {
      const name = names[index] ?? null;
      return name === null ? [] : [[name, columnType(branch, path)] as const];
    }),
  );
}

function structOf(fields: readonly (readonly [string, Type])[]): Type {
  return {
    kind: "struct",
    fields: fields.map(([name, type]): Field => ({ id: 0, name, required: false, type })),
  };
}

function primitiveType(name: AvroPrimitive, logical: Logical): Type {
  if (logical !== null) return logicalType(logical);
  switch (name) {
    case "null":
      return NOTHING;
    case "string":
      return STRING;
    case "bytes":
      return primitive("binary");
    default:
      return primitive(name);
  }
}

/** Bytes of one length are binary: the length is not a rule of the values. */
function fixedType(logical: Logical): Type {
  return logical === null ? primitive("binary") : logicalType(logical);
}

function logicalType(logical: Exclude<Logical, null>): Type {
  switch (logical.kind) {
    case "decimal": {
      const { precision, scale } = logical;
      return precision > DECIMAL_PRECISION_MAX ? STRING : { kind: "decimal", precision, scale };
    }
    case "connect":
      return logical.type;
    case "big-decimal":
      return STRING;
    case "date":
      return primitive("date");
    case "time-millis":
    case "time-micros":
      return primitive("time");
    case "uuid":
      return primitive("uuid");
    case "duration":
      return structOf(["months", "days", "millis"].map((name) => [name, primitive("long")]));
    case "timestamp":
      return logical.unit === "nanos"
        ? STRING
        : primitive(logical.zoned ? "timestamptz" : "timestamp");
  }
}

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}

function shortName(node: AvroNode): string {
  switch (node.kind) {
    case "primitive":
      return node.name;
    case "fixed":
    case "enum":
    case "record":
      return node.name.slice(node.name.lastIndexOf(".") + 1);
    default:
      return node.kind;
  }
}

/** A name that stands twice among the fields, ignoring case. */
function collision(record: AvroRecordNode): string | null {
  const seen = new Set<string>();
  for (const { name } of record.fields) {
    if (seen.has(name.toLowerCase())) return name;
    seen.add(name.toLowerCase());
  }
  return null;
}

type Json = Readonly<Record<string, unknown>>;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Unreadable("unreadable", "the Avro schema is not JSON");
  }
}

/** Reads a schema and the names that it defines on the way. */
class SchemaReader {
  #named = new Map<string, AvroNode>();
  /** What Kafka Connect says beside a type counts. */
  #isConnect: boolean;

  constructor(isConnect: boolean) {
    this.#isConnect = isConnect;
  }

  read(json: unknown, namespace: string, depth: number): AvroNode {
    if (depth > SCHEMA_DEPTH_MAX) throw fault("it nests too deep");
    if (typeof json === "string") return this.#reference(json, namespace);
    if (Array.isArray(json)) {
      const branches = json.map((branch: unknown) => this.read(branch, namespace, depth + 1));
      return { kind: "union", branches };
    }
    if (!isObject(json)) throw fault("a type is a name, an object or a list");
    const { type } = json;
    if (typeof type !== "string") return this.read(type, namespace, depth + 1);
    switch (type) {
      case "array":
        return { kind: "array", items: this.read(json.items, namespace, depth + 1) };
      case "map":
        return { kind: "map", values: this.read(json.values, namespace, depth + 1) };
      case "record":
      case "error":
        return this.#record(json, namespace, depth);
      case "enum":
        return this.#define(json, namespace, (name) => {
          const symbols = listOf(json.symbols).map(String);
          return { kind: "enum", name, symbols };
        });
      case "fixed":
        return this.#define(json, namespace, (name) => {
          const size = json.size;
          if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
            throw fault(`fixed ${name} has no size`);
          }
          return { kind: "fixed", name, size, logical: fixedLogical(json, size) };
        });
      default:
        return isAvroPrimitive(type)
          ? this.#primitive(type, json)
          : this.#reference(type, namespace);
    }
  }

  #primitive(type: AvroPrimitive, json: Json): AvroNode {
    const logical = this.#isConnect ? connectLogical(type, json) : null;
    return logical === null
      ? primitiveNode(type, json)
      : { kind: "primitive", name: type, logical };
  }

  #reference(name: string, namespace: string): AvroNode {
    if (isAvroPrimitive(name)) return primitiveNode(name, {});
    const found = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name);
    if (found === undefined) throw fault(`it names ${name}, which it does not define`);
    return found;
  }

  #record(json: Json, namespace: string, depth: number): AvroNode {
    const isDecimal = this.#isConnect && json["connect.name"] === VARIABLE_DECIMAL;
    const record = this.#define(json, namespace, (name) => ({
      kind: "record",
      name,
      fields: [],
      ...(isDecimal ? { isDecimal } : {}),
    }));
    if (record.kind !== "record") return record;
    const own = record.name.includes(".") ? record.name.slice(0, record.name.lastIndexOf(".")) : "";
    for (const field of listOf(json.fields)) {
      if (!isObject(field) || typeof field.name !== "string" || field.name === "") {
        throw fault(`record ${record.name} has a field without a name`);
      }
      record.fields.push({ name: field.name, type: this.read(field.type, own, depth + 1) });
    }
    return record;
  }

  #define(json: Json, namespace: string, make: (name: string) => AvroNode): AvroNode {
    if (typeof json.name !== "string") throw fault("a record, enum or fixed has no name");
    const own = typeof json.namespace === "string" ? json.namespace : namespace;
    const name = fullName(json.name, own);
    const node = make(name);
    this.#named.set(name, node);
    return node;
  }
}

function primitiveNode(name: AvroPrimitive, json: Json): AvroNode {
  return { kind: "primitive", name, logical: primitiveLogical(name, json) };
}

/** Of what another type holds Avro's own word says enough, but for how many digits a decimal has. */
function connectLogical(type: AvroPrimitive, json: Json): Logical {
  const name = json["connect.name"];
  if (typeof name !== "string") return null;
  if (type === "bytes" && name === DECIMAL) return connectDecimal(json);
  const known =
    type === "string"
      ? connectText(name)
      : type === "int" || type === "long"
        ? connectWhole(name)
        : null;
  return known === null ? null : { kind: "connect", name, type: known.type };
}

/** Where nobody said a precision it is 64. Kafka Connect, `AvroData`. */
function connectDecimal(json: Json): Logical {
  const logical = primitiveLogical("bytes", json);
  if (logical?.kind !== "decimal" || logical.precision <= DECIMAL_PRECISION_MAX) return logical;
  const isSaid =
    isObject(json["connect.parameters"]) && CONNECT_PRECISION in json["connect.parameters"];
  const isHeld = !isSaid && logical.scale <= DECIMAL_PRECISION_MAX;
  return isHeld ? { ...logical, precision: DECIMAL_PRECISION_MAX } : logical;
}

/** A logical type that does not fit its type is ignored. Avro spec, "Logical Types". */
function primitiveLogical(name: string, json: Json): Logical {
  const logical = json.logicalType;
  switch (`${name} ${logical}`) {
    case "bytes decimal":
      return decimalLogical(json, null);
    case "bytes big-decimal":
      return { kind: "big-decimal" };
    case "int date":
      return { kind: "date" };
    case "int time-millis":
      return { kind: "time-millis" };
    case "long time-micros":
      return { kind: "time-micros" };
    case "string uuid":
      return { kind: "uuid" };
  }
  const match = /^long (local-)?timestamp-(millis|micros|nanos)$/.exec(`${name} ${logical}`);
  if (match === null) return null;
  const unit = match[2] === "millis" || match[2] === "micros" ? match[2] : "nanos";
  return { kind: "timestamp", unit, zoned: match[1] === undefined };
}

function fixedLogical(json: Json, size: number): Logical {
  if (json.logicalType === "decimal") return decimalLogical(json, size);
  if (json.logicalType === "duration" && size === DURATION_BYTES) return { kind: "duration" };
  return json.logicalType === "uuid" && size === UUID_BYTES ? { kind: "uuid" } : null;
}

function decimalLogical(json: Json, size: number | null): Logical {
  const { precision, scale = 0 } = json;
  if (typeof precision !== "number" || typeof scale !== "number") return null;
  if (!Number.isInteger(precision) || !Number.isInteger(scale)) return null;
  const digitsMax = size === null ? Infinity : Math.floor(Math.log10(2) * (8 * size - 1));
  if (precision < 1 || precision > digitsMax || scale < 0 || scale > precision) return null;
  return { kind: "decimal", precision, scale };
}

function fullName(name: string, namespace: string): string {
  return name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw fault("a list of fields or symbols is missing");
  return value;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fault(message: string): Unreadable {
  return new Unreadable("unreadable", `the Avro schema is broken: ${message}`);
}
