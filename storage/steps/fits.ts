/** Whether the text of an answer is a value of its column, and exactly it: casts round, cut and guess. */

import { declaredTypeText } from "../../core/config/type-text.ts";
import type { Type } from "../../core/table/types.ts";

const INT_MAX = 2n ** 31n - 1n;
const LONG_MAX = 2n ** 63n - 1n;
const BOOLEANS = ["true", "false", "t", "f", "1", "0"];
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?$/;
const TIMESTAMP =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}(?::?\d{2})?)?)?$/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** What is wrong with a value, in words for the answer; null where nothing is. */
export function misfitOf(name: string, text: string | null, type: Type): string | null {
  if (text === null || fits(text, type)) return null;
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return `${name} is ${shown}, which is no ${declaredTypeText(type)}`;
}

function fits(text: string, type: Type): boolean {
  if (type.kind === "decimal") {
    const [, whole, fraction = ""] = /^[+-]?(\d+)(?:\.(\d*))?$/.exec(text) ?? [];
    if (whole === undefined || fraction.replace(/0+$/, "").length > type.scale) return false;
    return whole.replace(/^0+/, "").length <= type.precision - type.scale;
  }
  switch (type.kind === "primitive" ? type.name : null) {
    case "string":
      return true;
    case "boolean":
      return BOOLEANS.includes(text.toLowerCase());
    case "int":
      return isWhole(text, INT_MAX);
    case "long":
      return isWhole(text, LONG_MAX);
    case "float":
    case "double":
      return NUMBER.test(text) || /^[+-]?(?:nan|inf(?:inity)?)$/i.test(text);
    case "date":
      return isDay(text);
    case "time":
      return TIME.test(text);
    case "timestamp":
    case "timestamptz": {
      const [, day = "", time] = TIMESTAMP.exec(text) ?? [];
      return isDay(day) && (time === undefined || TIME.test(time));
    }
    case "uuid":
      return UUID.test(text);
    default:
      return false;
  }
}

function isWhole(text: string, greatest: bigint): boolean {
  if (!/^[+-]?\d{1,20}$/.test(text)) return false;
  const value = BigInt(text.replace("+", ""));
  return value <= greatest && value >= -greatest - 1n;
}

/** A day of the calendar, as YYYY-MM-DD: what reads dates takes 30 February for a day in March. */
export function isDay(text: string): boolean {
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (day === undefined) return false;
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  date.setUTCFullYear(Number(year));
  return date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
}
