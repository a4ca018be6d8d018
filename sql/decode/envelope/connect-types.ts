/**
 * Types that Kafka Connect's schema says beside an event, with the logical ones of Debezium. Debezium 3, "Data type
 * mappings"; Kafka Connect, `org.apache.kafka.connect.data`.
 */

import { TYPE_DEPTH_MAX } from "../../../core/limits.ts";
import { STRING } from "../../../core/table/type-text.ts";
import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { exactFor, exactOf } from "../json/exact.ts";
import { type JsonNode, type JsonObjectNode, textOf } from "../json/parse.ts";
import { Day, Decimal, Entries, type Exact, Instant, Time } from "../lossless/exact-value.ts";
import { EnvelopeFault, type FieldType, objectAt, textAt } from "./change.ts";
import {
  INFINITE_DAYS_MAX,
  INFINITE_MICROS,
  infinite,
  isoDay,
  isoTime,
  isoTimestamp,
  zonedInstant,
} from "./iso-text.ts";

/** A type whose values are sent as whole numbers. */
export interface ConnectWhole {
  readonly type: Type;
  of(value: bigint, column: string): Exact;
}

/** A type whose values are sent as texts. */
export interface ConnectText {
  readonly type: Type;
  of(text: string, column: string): Exact;
}

/** The types of the fields of `before` and `after`, by name. */
export function connectTypes(schema: JsonObjectNode): ReadonlyMap<string, FieldType> {
  // The same text stands beside every event of a table.
  const known = KNOWN.get(schema.raw);
  if (known !== undefined) return known;
  const types = new Map<string, FieldType>();
  for (const part of itemsOf(schema, "fields")) {
    const name = textAt(part, "field");
    if (name !== "before" && name !== "after") continue;
    for (const field of itemsOf(part, "fields")) {
      const column = textAt(field, "field");
      if (column !== null) types.set(column, fieldType(field, column));
    }
  }
  if (KNOWN.size >= KNOWN_MAX) KNOWN.clear();
  KNOWN.set(schema.raw, types);
  return types;
}

/** What a whole number stands for by the name of its type; null: for itself. Values throw EnvelopeFault. */
export function connectWhole(name: string): ConnectWhole | null {
  return WHOLE.get(name) ?? null;
}

/** What a text stands for by the name of its type; null: for itself. Values throw EnvelopeFault. */
export function connectText(name: string): ConnectText | null {
  return TEXT.get(name) ?? null;
}

const UUID = "io.debezium.data.Uuid";
export const VARIABLE_DECIMAL = "io.debezium.data.VariableScaleDecimal";
const KNOWN = new Map<string, ReadonlyMap<string, FieldType>>();
const KNOWN_MAX = 64;
/** What a decimal has at most whose precision nobody said: Connect gives it 64 digits in Avro, and none in JSON. */
export const DECIMAL_PRECISION_MAX = 38;
/** The parameter that says how many digits a decimal has. */
export const CONNECT_PRECISION = "connect.decimal.precision";
export const DECIMAL = "org.apache.kafka.connect.data.Decimal";

type Read = (node: JsonNode) => Exact;

function itemsOf(node: JsonObjectNode, key: string): readonly JsonObjectNode[] {
  const list = node.entries.get(key);
  return list?.kind === "array" ? list.items.filter((item) => item.kind === "object") : [];
}

function fieldType(field: JsonObjectNode, column: string): FieldType {
  const [type, read] = valueType(field, column);
  return {
    type,
    read: (node, target) => {
      if (node.kind === "null") return null;
      const isText = target.kind === "primitive" && target.name === "string";
      // A structure in a text is JSON as it stands.
      if (isText && isNested(type)) return exactFor(node, STRING);
      return read === null ? exactFor(node, isText ? STRING : target) : read(node);
    },
  };
}

/** Without a reader values are JSON's own. */
function valueType(
  schema: JsonObjectNode,
  column: string,
  depth = 0,
): readonly [Type, Read | null] {
  if (depth > TYPE_DEPTH_MAX) return [STRING, null];
  const name = textAt(schema, "name") ?? "";
  const whole = connectWhole(name);
  if (whole !== null) return [whole.type, (node) => whole.of(wholeOf(node), column)];
  const text = connectText(name);
  if (text !== null) return [text.type, (node) => text.of(textOf(node) ?? "", column)];
  const inner = (field: JsonObjectNode) => valueType(field, column, depth + 1);
  return LOGICAL.get(name)?.(schema) ?? plainType(schema, inner);
}

function plainType(
  schema: JsonObjectNode,
  inner: (field: JsonObjectNode) => readonly [Type, Read | null],
): readonly [Type, Read | null] {
  switch (textAt(schema, "type")) {
    case "int8":
    case "int16":
    case "int32":
      return [primitive("int"), null];
    case "int64":
      return [primitive("long"), null];
    case "float":
    case "float32":
      return [primitive("float"), readFloat];
    case "double":
    case "float64":
      return [primitive("double"), readFloat];
    case "boolean":
      return [primitive("boolean"), null];
    case "bytes":
      return [primitive("binary"), bytesOf];
    case "array":
      return listType(objectAt(schema, "items"), inner);
    case "map":
      return mapType(schema, inner);
    case "struct":
      return structType(itemsOf(schema, "fields"), inner);
    default:
      return [STRING, null];
  }
}

type Inner = (field: JsonObjectNode) => readonly [Type, Read | null];

function listType(items: JsonObjectNode | null, inner: Inner): readonly [Type, Read | null] {
  const [element, read] = items === null ? [STRING, null] : inner(items);
  const each = nullable(read, element);
  return [
    { kind: "list", elementId: 0, elementRequired: false, element },
    (node) => (node.kind === "array" ? node.items.map(each) : exactOf(node)),
  ];
}

/** Of keys that are no texts JSON has pairs. */
function mapType(schema: JsonObjectNode, inner: Inner): readonly [Type, Read | null] {
  const values = objectAt(schema, "values");
  if (values === null || textAt(objectAt(schema, "keys"), "type") !== "string") {
    return [STRING, null];
  }
  const [value, read] = inner(values);
  const each = nullable(read, value);
  return [
    { kind: "map", keyId: 0, key: STRING, valueId: 0, valueRequired: false, value },
    (node) => (node.kind === "object" ? entriesOf(node, () => each) : exactOf(node)),
  ];
}

/** Of fields whose names are one to SQL it is a text. */
function structType(fields: readonly JsonObjectNode[], inner: Inner): readonly [Type, Read | null] {
  const named = fields.map((field) => [textAt(field, "field") ?? "", inner(field)] as const);
  const names = new Set(named.map(([name]) => name.toLowerCase()));
  if (names.size < named.length || names.size === 0 || names.has("")) return [STRING, null];
  const readers = new Map(named.map(([name, [type, read]]) => [name, nullable(read, type)]));
  return [
    {
      kind: "struct",
      fields: named.map(([name, [type]]) => ({ id: 0, name, required: false, type })),
    },
    (node) =>
      node.kind === "object"
        ? entriesOf(node, (key) => readers.get(key) ?? exactOf)
        : exactOf(node),
  ];
}

function nullable(read: Read | null, type: Type): Read {
  return (node) => {
    if (node.kind === "null") return null;
    return read === null ? exactFor(node, type) : read(node);
  };
}

function entriesOf(node: JsonObjectNode, readerOf: (key: string) => Read): Entries {
  return new Entries([...node.entries].map(([key, item]) => [key, readerOf(key)(item)]));
}

function isNested({ kind }: Type): boolean {
  return kind === "list" || kind === "map" || kind === "struct";
}

function days(): ConnectWhole {
  return {
    type: primitive("date"),
    of: (value, column) => {
      if (value < INFINITE_DAYS_MAX) throw infinite(column);
      return new Day(Number(value));
    },
  };
}

function instants(nanos: bigint): ConnectWhole {
  return {
    type: nanos === 1n ? STRING : primitive("timestamp"),
    of: (value, column) => {
      const all = value * nanos;
      const rest = ((all % 1000n) + 1000n) % 1000n;
      const micros = (all - rest) / 1000n;
      if (INFINITE_MICROS.has(micros)) throw infinite(column);
      return new Instant(micros, Number(rest), false);
    },
  };
}

function times(nanos: bigint): ConnectWhole {
  return {
    type: nanos === 1n ? STRING : primitive("time"),
    of: (value) => new Time((value * nanos) / 1000n, Number((value * nanos) % 1000n)),
  };
}

const WHOLE: ReadonlyMap<string, ConnectWhole> = new Map([
  ["io.debezium.time.Date", days()],
  ["org.apache.kafka.connect.data.Date", days()],
  ["io.debezium.time.Timestamp", instants(1_000_000n)],
  ["org.apache.kafka.connect.data.Timestamp", instants(1_000_000n)],
  ["io.debezium.time.MicroTimestamp", instants(1_000n)],
  ["io.debezium.time.NanoTimestamp", instants(1n)],
  ["io.debezium.time.Time", times(1_000_000n)],
  ["org.apache.kafka.connect.data.Time", times(1_000_000n)],
  ["io.debezium.time.MicroTime", times(1_000n)],
  ["io.debezium.time.NanoTime", times(1n)],
]);

const TEXT: ReadonlyMap<string, ConnectText> = new Map([
  ["io.debezium.time.ZonedTimestamp", { type: primitive("timestamptz"), of: zonedInstant }],
  ["io.debezium.time.IsoDate", { type: primitive("date"), of: isoDay }],
  ["io.debezium.time.IsoTime", { type: primitive("time"), of: isoTime }],
  ["io.debezium.time.IsoTimestamp", { type: primitive("timestamp"), of: isoTimestamp }],
  [UUID, { type: primitive("uuid"), of: (text: string) => text }],
]);

type Logical = (schema: JsonObjectNode) => readonly [Type, Read | null];

const LOGICAL: ReadonlyMap<string, Logical> = new Map<string, Logical>([
  [VARIABLE_DECIMAL, () => [STRING, variableDecimal]],
  [DECIMAL, fixedDecimal],
]);

/** Bytes in base64, or what `decimal.handling.mode` makes of them: a text or a number. */
function fixedDecimal(field: JsonObjectNode): readonly [Type, Read | null] {
  const given = field.entries.get("parameters");
  const parameters = given?.kind === "object" ? given : null;
  const scale = Number(textAt(parameters, "scale") ?? Number.NaN);
  const precision = Number(textAt(parameters, CONNECT_PRECISION) ?? DECIMAL_PRECISION_MAX);
  if (!Number.isInteger(scale)) return [STRING, null];
  const isDecimal = scale >= 0 && scale <= precision && precision <= DECIMAL_PRECISION_MAX;
  const type: Type = isDecimal ? { kind: "decimal", precision, scale } : STRING;
  return [type, (node) => new Decimal(unscaledOf(node), scale)];
}

function variableDecimal(node: JsonNode): Exact {
  if (node.kind !== "object") return textOf(node);
  const value = node.entries.get("value");
  const scale = Number(textAt(node, "scale") ?? Number.NaN);
  if (value === undefined || !Number.isInteger(scale)) throw new EnvelopeFault("no decimal");
  return new Decimal(unscaledOf(value), scale);
}

/** Big-endian, in two's complement. */
function unscaledOf(node: JsonNode): bigint {
  const bytes = bytesOf(node);
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) throw new EnvelopeFault("no decimal");
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).toString("hex")}`));
}

function bytesOf(node: JsonNode): Exact {
  const text = textOf(node) ?? "";
  if (node.kind !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return text;
  return Buffer.from(text, "base64");
}

/** What JSON has no number for is a text of its name. */
function readFloat(node: JsonNode): Exact {
  if (node.kind === "number") return Number(node.raw);
  const text = textOf(node) ?? "";
  return /^(NaN|-?Infinity)$/.test(text) ? Number(text) : text;
}

function wholeOf(node: JsonNode): bigint {
  const text = textOf(node) ?? "";
  if (/^-?\d+$/.test(text)) return BigInt(text);
  throw new EnvelopeFault(`"${text}" where a whole number belongs`);
}

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}
