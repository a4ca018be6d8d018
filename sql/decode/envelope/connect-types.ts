/**
 * Types that Kafka Connect's schema says beside an event, with the logical ones of Debezium. Debezium 3, "Data type
 * mappings"; Kafka Connect, `org.apache.kafka.connect.data`.
 */

import { STRING } from "../../../core/table/type-text.ts";
import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { exactFor } from "../json/exact.ts";
import { type JsonNode, type JsonObjectNode, textOf } from "../json/parse.ts";
import { Day, Decimal, type Exact, Instant, Time } from "../lossless/exact-value.ts";
import { EnvelopeFault, type FieldType, textAt } from "./change.ts";

/** A type whose values are sent as whole numbers. */
export interface ConnectWhole {
  readonly type: Type;
  of(value: bigint, column: string): Exact;
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

/** The text of a time with its zone, as PostgreSQL's connector sends it. Throws EnvelopeFault for the infinities. */
export function finiteText(text: string, column: string): string {
  if (text !== "infinity" && text !== "-infinity") return text;
  throw new EnvelopeFault(`${column} is ${text} in the source, which no instant is`, column);
}

export const ZONED_TIMESTAMP = "io.debezium.time.ZonedTimestamp";
export const UUID = "io.debezium.data.Uuid";
export const VARIABLE_DECIMAL = "io.debezium.data.VariableScaleDecimal";
const KNOWN = new Map<string, ReadonlyMap<string, FieldType>>();
const KNOWN_MAX = 64;
const DECIMAL_PRECISION_MAX = 38;
/** What the driver of PostgreSQL makes of the infinities, as days and microseconds. */
const INFINITE_DAYS_MAX = -100_000_000;
const INFINITE_MICROS: ReadonlySet<bigint> = new Set([
  9_223_372_036_825_200_000n,
  -9_223_372_036_832_400_000n,
]);

type Read = (node: JsonNode) => Exact;

function itemsOf(node: JsonObjectNode, key: string): readonly JsonObjectNode[] {
  const list = node.entries.get(key);
  return list?.kind === "array" ? list.items.filter((item) => item.kind === "object") : [];
}

function fieldType(field: JsonObjectNode, column: string): FieldType {
  const name = textAt(field, "name") ?? "";
  const [type, read] =
    wholeType(name, column) ?? LOGICAL.get(name)?.(field, column) ?? plainType(field);
  return {
    type,
    read: (node, target) => {
      if (node.kind === "null") return null;
      const isText = target.kind === "primitive" && target.name === "string";
      return read === null ? exactFor(node, isText ? STRING : target) : read(node);
    },
  };
}

function wholeType(name: string, column: string): readonly [Type, Read] | null {
  const whole = WHOLE.get(name);
  if (whole === undefined) return null;
  return [whole.type, (node) => whole.of(wholeOf(node), column)];
}

/** Without a reader values are JSON's own. */
function plainType(field: JsonObjectNode): readonly [Type, Read | null] {
  switch (textAt(field, "type")) {
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
      return [listType(field), null];
    default:
      return [STRING, null];
  }
}

/** Lists of what JSON has itself; other items are texts. */
function listType(field: JsonObjectNode): Type {
  const items = field.entries.get("items");
  const [element, read] = items?.kind === "object" ? plainType(items) : [STRING, null];
  const isPlain = read === null && (items?.kind !== "object" || textAt(items, "name") === null);
  return {
    kind: "list",
    elementId: 0,
    elementRequired: false,
    element: isPlain ? element : STRING,
  };
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

type Logical = (field: JsonObjectNode, column: string) => readonly [Type, Read | null];

const LOGICAL: ReadonlyMap<string, Logical> = new Map<string, Logical>([
  [
    ZONED_TIMESTAMP,
    (_field, column) => [
      primitive("timestamptz"),
      (node) => finiteText(textOf(node) ?? "", column),
    ],
  ],
  [UUID, () => [primitive("uuid"), null]],
  [VARIABLE_DECIMAL, () => [STRING, variableDecimal]],
  ["org.apache.kafka.connect.data.Decimal", fixedDecimal],
]);

/** Bytes in base64, or what `decimal.handling.mode` makes of them: a text or a number. */
function fixedDecimal(field: JsonObjectNode): readonly [Type, Read | null] {
  const given = field.entries.get("parameters");
  const parameters = given?.kind === "object" ? given : null;
  const scale = Number(textAt(parameters, "scale") ?? Number.NaN);
  const precision = Number(
    textAt(parameters, "connect.decimal.precision") ?? DECIMAL_PRECISION_MAX,
  );
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

/** What JSON has no number for is a text. */
function readFloat(node: JsonNode): Exact {
  return node.kind === "number" ? Number(node.raw) : (textOf(node) ?? "");
}

function wholeOf(node: JsonNode): bigint {
  const text = textOf(node) ?? "";
  if (/^-?\d+$/.test(text)) return BigInt(text);
  throw new EnvelopeFault(`"${text}" where a whole number belongs`);
}

function infinite(column: string): EnvelopeFault {
  return new EnvelopeFault(
    `${column} is infinite in the source: the event only says a number`,
    column,
  );
}

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}
