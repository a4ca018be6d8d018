/** Single values in JSON: defaults, REST expressions, and text that people read. Iceberg spec, Appendix D. */

import { Buffer } from "node:buffer";
import { AssertionError, assert, unreachable } from "../../core/base/assert.ts";
import { LakeError } from "../../core/base/errors.ts";
import type { Json } from "../../core/base/json.ts";
import type { PrimitiveName, Type } from "../../core/table/types.ts";
import { dateText, dayNumber, MICROS_PER_DAY, timestampText, timeText } from "./calendar.ts";
import type { SingleValue } from "./single-value.ts";
import { typeText } from "./type.ts";

const DATE = /^([+-]?\d{4,})-(\d\d)-(\d\d)$/;
const TIME = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/;

/** A scalar value as JSON. */
export function singleValueToJson(type: Type, value: SingleValue): Json {
  switch (type.kind) {
    case "primitive":
      return primitiveToJson(type.name, value);
    case "decimal":
      assert(typeof value === "bigint", "a bigint stands for decimal");
      return decimalText(value, type.scale);
    case "fixed":
      assert(value instanceof Uint8Array, "bytes stand for fixed");
      return Buffer.from(value).toString("hex");
    case "struct":
    case "list":
    case "map":
      throw new AssertionError("nested types have no scalar value");
    default:
      return unreachable(type);
  }
}

/** The scalar value that JSON says. Throws `input` when it is none of the type. */
export function singleValueFromJson(type: Type, json: Json): SingleValue {
  const value =
    type.kind === "primitive"
      ? primitiveFromJson(type.name, json)
      : type.kind === "decimal" && typeof json === "string"
        ? parseDecimal(json, type.scale)
        : type.kind === "fixed" && typeof json === "string"
          ? parseHex(json, type.length)
          : null;
  if (value === null) {
    throw new LakeError("input", `${JSON.stringify(String(json))} is not a ${typeText(type)}`, {
      hint: "write the value as in Iceberg's JSON: 2017-11-16, 22:31:08, 14.20, hexadecimal bytes",
    });
  }
  return value;
}

/** An unscaled decimal with its point: `-14.20`. */
export function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const sign = unscaled < 0n ? "-" : "";
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-scale)}`;
}

/** A uuid's sixteen bytes in the usual form. */
export function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function primitiveToJson(name: PrimitiveName, value: SingleValue): Json {
  switch (name) {
    case "boolean":
    case "int":
    case "long":
    case "float":
    case "double":
    case "string":
      return value instanceof Uint8Array ? null : value;
    case "date":
      return dateText(Number(value));
    case "time":
      return timeText(micros(value));
    case "timestamp":
      return timestampText(micros(value));
    case "timestamptz":
      return `${timestampText(micros(value))}+00:00`;
    case "uuid":
    case "binary": {
      assert(value instanceof Uint8Array, "bytes stand for uuid and binary");
      return name === "uuid" ? uuidText(value) : Buffer.from(value).toString("hex");
    }
    default:
      return unreachable(name);
  }
}

function primitiveFromJson(name: PrimitiveName, json: Json): SingleValue | null {
  switch (name) {
    case "boolean":
      return typeof json === "boolean" ? json : null;
    case "int":
      return typeof json === "number" && Number.isInteger(json) && json === (json | 0)
        ? json
        : null;
    case "long":
      if (typeof json === "bigint") return BigInt.asIntN(64, json) === json ? json : null;
      return typeof json === "number" && Number.isSafeInteger(json) ? BigInt(json) : null;
    case "float":
    case "double":
      return typeof json === "number" ? json : null;
    case "string":
      return typeof json === "string" ? json : null;
    default:
      return typeof json === "string" ? textValue(name, json) : null;
  }
}

function textValue(name: PrimitiveName, text: string): SingleValue | null {
  switch (name) {
    case "date":
      return parseDate(text);
    case "time":
      return parseTime(text);
    case "timestamp":
      return parseTimestamp(text);
    case "timestamptz":
      return text.endsWith("+00:00") ? parseTimestamp(text.slice(0, -"+00:00".length)) : null;
    case "uuid":
      return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
        ? parseHex(text.replaceAll("-", ""), 16)
        : null;
    case "binary":
      return parseHex(text, null);
    default:
      return null;
  }
}

function parseDate(text: string): number | null {
  const parts = DATE.exec(text);
  if (parts === null) return null;
  const days = dayNumber({
    year: Number(parts[1]),
    month: Number(parts[2]),
    day: Number(parts[3]),
  });
  return dateText(days) === text ? days : null;
}

function parseTime(text: string): bigint | null {
  const parts = TIME.exec(text);
  if (parts === null) return null;
  const [hour, minute, second] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  if (hour > 23 || minute > 59 || second > 59) return null;
  const fraction = BigInt((parts[4] ?? "").padEnd(6, "0"));
  return BigInt((hour * 60 + minute) * 60 + second) * 1_000_000n + fraction;
}

function parseTimestamp(text: string): bigint | null {
  const [date, time, ...rest] = text.split("T");
  const days = parseDate(date ?? "");
  const ofDay = parseTime(time ?? "");
  return days === null || ofDay === null || rest.length > 0
    ? null
    : BigInt(days) * MICROS_PER_DAY + ofDay;
}

function parseDecimal(text: string, scale: number): bigint | null {
  const parts = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
  if (parts === null || (parts[2] ?? "").length !== scale) return null;
  return BigInt(`${parts[1]}${parts[2] ?? ""}`);
}

function parseHex(text: string, length: number | null): Uint8Array | null {
  if (!/^([0-9a-f]{2})*$/i.test(text)) return null;
  const bytes = new Uint8Array(Buffer.from(text, "hex"));
  return length === null || bytes.length === length ? bytes : null;
}

function micros(value: SingleValue): bigint {
  assert(typeof value === "bigint", "a bigint stands for time and timestamps");
  return value;
}
