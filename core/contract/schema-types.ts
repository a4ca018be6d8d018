/**
 * Types of columns as keywords of a JSON Schema, both ways. `format` is that of JSON Schema, section 7.3, and of the
 * OpenAPI registry of formats where that has none: `int64`, `float`, `date-time-local`.
 */

import { isJsonObject, type JsonObject } from "../base/json.ts";
import { declaredTypeText, parseTypeText } from "../config/type-text.ts";
import { widen } from "../ingest/contract-rules.ts";
import { awaited, EMPTY_OBJECT, NOTHING, STRING, sameType } from "../table/type-text.ts";
import type { PrimitiveName, Type } from "../table/types.ts";
import type { Keywords } from "./subschemas.ts";

/** The keyword in which stands what no other one says: the exact type, a column's own name. */
export const OWN_KEYWORD = "x-tarn";

/** The words of `type:`, but for null. */
export const KINDS = ["object", "array", "string", "number", "integer", "boolean"] as const;
export type Kind = (typeof KINDS)[number];

/** What values of a type are in JSON, and what says so; without its parts, and without what it may be null. */
export function keywordsOfType(type: Type): JsonObject {
  const expected = awaited(type);
  if (expected !== null) {
    const own = { [OWN_KEYWORD]: { awaits: expected } };
    return expected === "object" ? { type: "object", ...own } : { type: [...KINDS], ...own };
  }
  switch (type.kind) {
    case "struct":
      return { type: "object" };
    case "list":
      return { type: "array" };
    case "map": {
      const { key } = type;
      const own = { [OWN_KEYWORD]: { key: declaredTypeText(key) } };
      return { type: "object", ...(sameType(key, STRING) ? {} : own) };
    }
    default: {
      const plain = plainKeywords(type);
      if (sameType(plainType(plain), type)) return plain;
      return { ...plain, [OWN_KEYWORD]: { type: declaredTypeText(type) } };
    }
  }
}

/** What `x-tarn` says; empty where there is none. */
export function ownWords(keywords: Keywords): JsonObject {
  const own = keywords[OWN_KEYWORD];
  return isJsonObject(own) ? own : {};
}

/** The type that is stated exactly; null where none is, a text where it is no type. */
export function statedType(keywords: Keywords): Type | string | null {
  const { type, awaits } = ownWords(keywords);
  if (awaits === "value") return NOTHING;
  if (awaits === "object") return EMPTY_OBJECT;
  if (type === undefined) return null;
  if (typeof type !== "string") return "a type is a text, such as decimal(10,2)";
  const parsed = parseTypeText(type);
  return parsed.kind === "type" ? parsed.type : parsed.reason;
}

/** The kinds of value that may come, as `type` says, or the other keywords where it does not. */
export function kindsIn(keywords: Keywords): {
  readonly kinds: readonly Kind[];
  readonly isNullable: boolean;
  /** A word that is no kind. */
  readonly unknown: unknown;
} {
  const { type, enum: values, const: one, nullable } = keywords;
  if (type !== undefined) {
    const words: readonly unknown[] = Array.isArray(type) ? type : [type];
    const isNullable = words.includes("null") || nullable === true;
    const unknown = words.find((word) => word !== "null" && !isKind(word));
    return { kinds: withoutIntegers(words.filter(isKind)), isNullable, unknown };
  }
  const listed: readonly unknown[] | null = Array.isArray(values)
    ? values
    : "const" in keywords
      ? [one]
      : null;
  const isNullable = nullable === true || listed === null || listed.includes(null);
  const kinds =
    listed === null ? impliedKinds(keywords) : listed.flatMap((value) => kindsOfValue(value));
  return { kinds: withoutIntegers([...new Set(kinds)]), isNullable, unknown: undefined };
}

/** The narrowest type that holds what keywords allow a value of this kind. */
function leafType(keywords: Keywords, kind: Kind): Type {
  const { format } = keywords;
  switch (kind) {
    case "boolean":
      return primitive("boolean");
    case "integer":
      return integerType(keywords);
    case "number":
      return numberType(keywords);
    case "string":
      return typeof format === "string" ? (typeOfFormat(format) ?? STRING) : STRING;
    default:
      return STRING;
  }
}

/** The type of a value without parts: the one that holds values of every kind that may come. */
export function plainType(keywords: Keywords): Type {
  const [first = STRING, ...others] = kindsIn(keywords).kinds.map((kind) =>
    leafType(keywords, kind),
  );
  return others.reduce(widen, first);
}

/** Whether the type alone keeps values to what the keyword says. */
export function isHeld(word: string, value: unknown, type: Type): boolean {
  const range = rangeOf(type);
  if (range === null) return false;
  if (word === "minimum") return isNumeric(value) && Number(value) <= range.least;
  if (word === "maximum") return isNumeric(value) && Number(value) >= range.most;
  if (word !== "multipleOf" || !isNumeric(value)) return false;
  // Not 10 ** -scale, which is another double than the one that is written so.
  return Number(value) === Number(`1e-${range.scale}`);
}

const PLAIN: Readonly<Record<PrimitiveName, JsonObject>> = {
  boolean: { type: "boolean" },
  int: { type: "integer", format: "int32" },
  long: { type: "integer", format: "int64" },
  float: { type: "number", format: "float" },
  double: { type: "number" },
  date: { type: "string", format: "date" },
  time: { type: "string", format: "time-local" },
  timestamp: { type: "string", format: "date-time-local" },
  timestamptz: { type: "string", format: "date-time" },
  string: { type: "string" },
  uuid: { type: "string", format: "uuid" },
  binary: { type: "string" },
};

function plainKeywords(type: Type): JsonObject {
  if (type.kind === "primitive") return PLAIN[type.name];
  if (type.kind !== "decimal") return { type: "string" };
  return { type: type.scale === 0 ? "integer" : "number" };
}

/** Types of texts by their format; `time` and `partial-time` are written by many where a zone is not meant. */
const FORMATS: Readonly<Record<string, Type>> = {
  date: primitive("date"),
  time: primitive("time"),
  "time-local": primitive("time"),
  "local-time": primitive("time"),
  "partial-time": primitive("time"),
  "date-time": primitive("timestamptz"),
  "date-time-local": primitive("timestamp"),
  "local-date-time": primitive("timestamp"),
  uuid: primitive("uuid"),
  // Integers as texts, as in the JSON of Protocol Buffers.
  int32: primitive("int"),
  int64: primitive("long"),
  uint32: primitive("long"),
  uint64: { kind: "decimal", precision: 20, scale: 0 },
};

function typeOfFormat(format: string): Type | undefined {
  return Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
}

const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = 2 ** 63;
const DIGITS_MAX = 38;

function integerType(keywords: Keywords): Type {
  const { format } = keywords;
  const named = typeof format === "string" && /^u?int/.test(format) && typeOfFormat(format);
  if (named) return named;
  const { least, most } = bounds(keywords);
  if (least === null || most === null) return primitive("long");
  if (least >= -INT_MAX - 1 && most <= INT_MAX) return primitive("int");
  if (least >= -LONG_MAX && most <= LONG_MAX) return primitive("long");
  return { kind: "decimal", precision: DIGITS_MAX, scale: 0 };
}

function numberType(keywords: Keywords): Type {
  const { format, multipleOf } = keywords;
  if (format === "float") return primitive("float");
  if (typeof format === "string" && /^u?int/.test(format)) return integerType(keywords);
  const scale = isNumeric(multipleOf) ? scaleOf(multipleOf) : null;
  if (scale === null || scale > DIGITS_MAX) return primitive("double");
  if (scale === 0) return integerType(keywords);
  const { least, most } = bounds(keywords);
  const largest = least === null || most === null ? null : Math.max(Math.abs(least), most);
  const digits = largest === null ? DIGITS_MAX : wholeDigits(largest) + scale;
  return { kind: "decimal", precision: Math.min(digits, DIGITS_MAX), scale };
}

/** Of numbers that may come; null where there is none. `exclusiveMinimum` is a flag in draft 04, and a number since. */
function bounds({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Keywords): {
  readonly least: number | null;
  readonly most: number | null;
} {
  const lower = [minimum, exclusiveMinimum].filter(isNumeric).map(Number);
  const upper = [maximum, exclusiveMaximum].filter(isNumeric).map(Number);
  return {
    least: lower.length === 0 ? null : Math.max(...lower),
    most: upper.length === 0 ? null : Math.min(...upper),
  };
}

/** Digits behind the point of a number as it is written shortest. */
function scaleOf(value: number | bigint): number {
  const [, fraction = "", exponent = "0"] =
    /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return Math.max(0, fraction.length - Number(exponent));
}

function wholeDigits(value: number): number {
  return value < 1 ? 0 : BigInt(Math.trunc(value)).toString().length;
}

/** Of a type of exact numbers; null of any other. */
function rangeOf(
  type: Type,
): { readonly least: number; readonly most: number; readonly scale: number } | null {
  if (type.kind === "decimal") {
    const { precision, scale } = type;
    const most = 10 ** (precision - scale) - 10 ** -scale;
    return { least: -most, most, scale };
  }
  if (type.kind !== "primitive") return null;
  if (type.name === "int") return { least: -INT_MAX - 1, most: INT_MAX, scale: 0 };
  return type.name === "long" ? { least: -LONG_MAX, most: LONG_MAX, scale: 0 } : null;
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isFinite(value));
}

function isKind(word: unknown): word is Kind {
  return KINDS.some((kind) => kind === word);
}

function withoutIntegers(kinds: readonly Kind[]): readonly Kind[] {
  return kinds.includes("number") ? kinds.filter((kind) => kind !== "integer") : kinds;
}

function kindsOfValue(value: unknown): Kind[] {
  if (value === null) return [];
  if (Array.isArray(value)) return ["array"];
  if (typeof value === "bigint" || Number.isInteger(value)) return ["integer"];
  const word = typeof value;
  return isKind(word) ? [word] : [];
}

const IMPLIED: Readonly<Record<string, Kind>> = {
  properties: "object",
  patternProperties: "object",
  items: "array",
  prefixItems: "array",
  pattern: "string",
  minLength: "string",
  maxLength: "string",
  multipleOf: "number",
  minimum: "number",
  maximum: "number",
};

function impliedKinds(keywords: Keywords): Kind[] {
  const { format } = keywords;
  const named = typeof format === "string" ? typeOfFormat(format) : undefined;
  const byFormat: Kind[] =
    named === undefined ? [] : [/^u?int/.test(String(format)) ? "integer" : "string"];
  return [
    ...Object.entries(IMPLIED).flatMap(([word, kind]) => (word in keywords ? [kind] : [])),
    ...byFormat,
  ];
}

function primitive(name: PrimitiveName): Type {
  return { kind: "primitive", name };
}
