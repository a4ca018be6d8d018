/** Exact values made into values of a column's type, or refused: the rule of lossless typing for typed formats. */

import type * as api from "@duckdb/node-api";
import type { DuckDBValue } from "@duckdb/node-api";
import { unreachable } from "../../../core/base/assert.ts";
import type { QuarantineReason } from "../../../core/ingest/quarantine.ts";
import { EMPTY_OBJECT_TEXT, typeToText } from "../../../core/table/type-text.ts";
import type { Field, PrimitiveName, Type } from "../../../core/table/types.ts";
import { findName, firstMessage, valueMessage } from "../target-columns.ts";
import {
  DAY_MAX,
  DAY_MICROS,
  DAY_MIN,
  Day,
  Decimal,
  dayOf,
  decimalOf,
  Entries,
  type Exact,
  exactJson,
  exactText,
  INSTANT_MAX,
  INSTANT_MIN,
  Instant,
  isList,
  Mapping,
  numberText,
  Time,
  timeMicros,
  timestampMicros,
} from "./exact-value.ts";
import { INT32_MAX, INT64_MAX, survivesDouble, survivesFloat, textFits } from "./text-fit.ts";

type Api = typeof api;

/** What a text may stand for besides itself: times only, numbers too, or also bytes in hexadecimal. */
export type TextMeaning = "times" | "numbers" | "all";

export interface FitPolicy {
  readonly text: TextMeaning;
  /** Fields of structs that the type does not have. */
  readonly onUnknown: "report" | "rescue" | "quarantine";
}

/** Makes a value; unknown fields go into `rescued`, or throw where it is null. Throws Misfit. */
export type Fitter = (value: Exact, rescued: Map<string, string> | null) => DuckDBValue;

/** A value that is not one of its column. */
export class Misfit extends Error {
  readonly reason: QuarantineReason;
  /** The value as text; null where the fault is not one's. */
  readonly value: string | null;
  /** It stands where none was seen before. */
  readonly isFirst: boolean;

  constructor(
    reason: QuarantineReason,
    message: string,
    value: string | null = null,
    isFirst = false,
  ) {
    super(message);
    this.reason = reason;
    this.value = value;
    this.isFirst = isFirst;
  }
}

/** The fitter of a type. */
export function fitterOf(api: Api, type: Type, policy: FitPolicy): Fitter {
  switch (type.kind) {
    case "primitive":
      if (type.awaits !== undefined) return (value) => placeholder(value, type.awaits);
      return nullable(type, primitiveFitter(api, type.name, policy));
    case "decimal":
      return nullable(type, decimalFitter(api, type.precision, type.scale, policy));
    case "fixed":
      return nullable(type, (value) => {
        const bytes = bytesOf(value, policy);
        return bytes?.length === type.length ? new api.DuckDBBlobValue(bytes) : undefined;
      });
    case "struct":
      return structFitter(api, type.fields, type, policy);
    case "list": {
      const item = fitterOf(api, type.element, policy);
      return nullable(type, (value) =>
        isList(value)
          ? new api.DuckDBListValue(value.map((element) => item(element, null)))
          : undefined,
      );
    }
    case "map":
      return mapFitter(api, type, policy);
    default:
      return unreachable(type);
  }
}

/** Undefined: the value is not one of the type. */
type Attempt = (value: Exclude<Exact, null>) => DuckDBValue | undefined;

function nullable(type: Type, attempt: Attempt): Fitter {
  return (value) => {
    if (value === null) return null;
    const fitted = attempt(value);
    if (fitted === undefined) throw misfit(value, type);
    return fitted;
  };
}

/** What says nothing about a type yet. */
function placeholder(value: Exact, awaits: "value" | "object" | undefined): DuckDBValue {
  if (value === null) return null;
  const isEmpty = value instanceof Entries && value.pairs.length === 0;
  if (isEmpty && awaits === "object") return EMPTY_OBJECT_TEXT;
  const text = exactText(value) ?? "null";
  throw new Misfit("type", firstMessage(text), text, true);
}

function misfit(value: Exact, type: Type): Misfit {
  const text = exactText(value) ?? "null";
  return new Misfit("type", valueMessage(text, typeToText(type)), text);
}

function primitiveFitter(api: Api, name: PrimitiveName, policy: FitPolicy): Attempt {
  const numbers = policy.text !== "times";
  switch (name) {
    case "string":
      return (value) => exactText(value) ?? undefined;
    case "boolean":
      return (value) => {
        if (typeof value === "boolean") return value;
        return numbers && (value === "true" || value === "false") ? value === "true" : undefined;
      };
    case "int":
      return (value) => {
        const whole = integerOf(value, numbers);
        return whole !== null && within(whole, INT32_MAX) ? Number(whole) : undefined;
      };
    case "long":
      return (value) => {
        const whole = integerOf(value, numbers);
        return whole !== null && within(whole, INT64_MAX) ? whole : undefined;
      };
    case "double":
      return (value) => doubleOf(value, policy) ?? undefined;
    case "float":
      return (value) => {
        const found = doubleOf(value, policy);
        return found === null || !survivesFloat(found) ? undefined : found;
      };
    case "binary":
      return (value) => {
        const bytes = bytesOf(value, policy);
        return bytes === null ? undefined : new api.DuckDBBlobValue(bytes);
      };
    case "uuid":
      return (value) => {
        if (typeof value !== "string" || !textFits({ kind: "primitive", name }, value)) return;
        return api.DuckDBUUIDValue.fromUint128(BigInt(`0x${value.replaceAll("-", "")}`));
      };
    case "date":
    case "time":
    case "timestamp":
    case "timestamptz":
      return timeFitter(api, name);
    default:
      return unreachable(name);
  }
}

function timeFitter(api: Api, name: "date" | "time" | "timestamp" | "timestamptz"): Attempt {
  const type: Type = { kind: "primitive", name };
  const textOr = (value: Exclude<Exact, null>): Exact =>
    typeof value === "string" && textFits(type, value) ? timeOf(name, value) : value;
  return (given) => {
    const value = textOr(given);
    if (name === "date") {
      if (!(value instanceof Day) || value.days < DAY_MIN || value.days > DAY_MAX) return;
      return new api.DuckDBDateValue(value.days);
    }
    if (name === "time") {
      if (!(value instanceof Time) || !value.isOfDay) return;
      return new api.DuckDBTimeValue(value.micros);
    }
    const zoned = name === "timestamptz";
    // A day is its midnight, as when Iceberg promotes date to timestamp; in which zone, nobody knows.
    const isDay = value instanceof Day && !zoned;
    const at = isDay ? new Instant(BigInt(value.days) * DAY_MICROS, 0, false) : value;
    if (!(at instanceof Instant) || at.zoned !== zoned || at.nanos !== 0) return;
    if (at.micros < INSTANT_MIN || at.micros > INSTANT_MAX) return;
    return zoned
      ? new api.DuckDBTimestampTZValue(at.micros)
      : new api.DuckDBTimestampValue(at.micros);
  };
}

function timeOf(name: "date" | "time" | "timestamp" | "timestamptz", text: string): Exact {
  if (name === "date") return new Day(dayOf(text));
  if (name === "time") return new Time(timeMicros(text));
  return new Instant(timestampMicros(text), 0, name === "timestamptz");
}

function decimalFitter(api: Api, precision: number, scale: number, policy: FitPolicy): Attempt {
  const type: Type = { kind: "decimal", precision, scale };
  const limit = 10n ** BigInt(precision);
  return (value) => {
    const found = plainNumber(value, policy.text !== "times", type);
    if (found === null) return;
    const unscaled = rescaled(found, scale);
    if (unscaled === null || unscaled >= limit || unscaled <= -limit) return;
    return new api.DuckDBDecimalValue(unscaled, precision, scale);
  };
}

function structFitter(api: Api, fields: readonly Field[], type: Type, policy: FitPolicy): Fitter {
  const names = fields.map((field) => field.name);
  const fitters = fields.map((field) => fitterOf(api, field.type, policy));
  const empty = Object.fromEntries(names.map((name) => [name, null]));
  return (value, rescued) => {
    if (value === null) return null;
    if (!(value instanceof Entries)) throw misfit(value, type);
    const found: Record<string, DuckDBValue> = { ...empty };
    const taken = new Set<number>();
    for (const [key, item] of value.pairs) {
      const at = findName(names, key);
      const fitter = fitters[at];
      const name = names[at];
      if (fitter === undefined || name === undefined) {
        unknownField(key, item, rescued, policy);
        continue;
      }
      if (taken.has(at)) throw new Misfit("duplicate-key", `${key} stands twice`);
      taken.add(at);
      const inner = rescued === null ? null : new Map<string, string>();
      found[name] = fitter(item, inner);
      if (inner !== null && inner.size > 0) rescued?.set(key, joinJson(inner));
    }
    return new api.DuckDBStructValue(found);
  };
}

function unknownField(
  key: string,
  item: Exact,
  rescued: Map<string, string> | null,
  policy: FitPolicy,
): void {
  if (item === null) return;
  if (policy.onUnknown === "rescue" && rescued !== null) rescued.set(key, exactJson(item));
  else throw new Misfit("unknown-field", `${key} is not a field of the contract`);
}

function mapFitter(api: Api, type: Type & { readonly kind: "map" }, policy: FitPolicy): Fitter {
  const key = fitterOf(api, type.key, { ...policy, text: "numbers" });
  const item = fitterOf(api, type.value, policy);
  return nullable(type, (value) => {
    if (!(value instanceof Entries || value instanceof Mapping)) return;
    const seen = new Set<string>();
    const entries = value.pairs.map(([name, found]) => {
      const text = exactText(name);
      if (text === null) throw new Misfit("type", "a key of the map is NULL");
      if (seen.has(text)) throw new Misfit("duplicate-key", `${text} stands twice in the map`);
      seen.add(text);
      return { key: key(name, null), value: item(found, null) };
    });
    return new api.DuckDBMapValue(entries);
  });
}

/** `{"key": json, …}` of values that are JSON already. */
export function joinJson(parts: ReadonlyMap<string, string>): string {
  return `{${[...parts].map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(",")}}`;
}

function integerOf(value: Exclude<Exact, null>, fromText: boolean): bigint | null {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : null;
  }
  if (value instanceof Decimal) return rescaled(value, 0);
  const isLong = fromText && typeof value === "string" && textFits(LONG, value);
  return isLong ? BigInt(value) : null;
}

const LONG: Type = { kind: "primitive", name: "long" };
const DOUBLE: Type = { kind: "primitive", name: "double" };

function doubleOf(value: Exclude<Exact, null>, policy: FitPolicy): number | null {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") {
    return BigInt(Number(value)) === value ? Number(value) : null;
  }
  if (value instanceof Decimal) {
    const text = exactText(value) ?? "";
    return survivesDouble(text) ? Number(text) : null;
  }
  if (typeof value !== "string" || policy.text === "times") return null;
  if (textFits(DOUBLE, value)) return Number(value);
  const isWord = policy.text === "all" && /^(?:NaN|-?Infinity)$/.test(value);
  return isWord ? Number(value) : null;
}

/** The decimal number that a value is, or that its float prints. */
function plainNumber(value: Exclude<Exact, null>, fromText: boolean, type: Type): Decimal | null {
  if (value instanceof Decimal) return value;
  if (typeof value === "bigint") return new Decimal(value, 0);
  if (typeof value === "number") {
    // Behind these a float has digits that it does not print.
    const isPrinted = Math.abs(value) <= Number.MAX_SAFE_INTEGER && !Object.is(value, -0);
    return isPrinted ? plainDecimal(value) : null;
  }
  return fromText && typeof value === "string" && textFits(type, value) ? decimalOf(value) : null;
}

/** The decimal number that the shortest text of a float says; null for NaN and infinities. */
export function plainDecimal(value: number): Decimal | null {
  const match = /^(.*?)(?:e([+-]\d+))?$/.exec(numberText(value));
  const digits = decimalOf(match?.[1] ?? "");
  if (digits === null) return null;
  const scale = digits.scale - Number(match?.[2] ?? 0);
  return scale >= 0
    ? new Decimal(digits.unscaled, scale)
    : new Decimal(digits.unscaled * 10n ** BigInt(-scale), 0);
}

/** The unscaled value at another scale; null when digits would be lost. */
function rescaled(value: Decimal, scale: number): bigint | null {
  const up = scale - value.scale;
  if (up >= 0) return value.unscaled * 10n ** BigInt(up);
  const factor = 10n ** BigInt(-up);
  return value.unscaled % factor === 0n ? value.unscaled / factor : null;
}

function bytesOf(value: Exclude<Exact, null>, policy: FitPolicy): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  const isHex = policy.text === "all" && typeof value === "string";
  return isHex && /^(?:[0-9a-f]{2})*$/.test(value) ? Buffer.from(value, "hex") : null;
}

function within(value: bigint, max: bigint): boolean {
  return value <= max && value >= -max - 1n;
}
