/** The one text that a value has on both sides of a comparison, whichever engine writes it. */

import { parseTypeText } from "../config/type-text.ts";
import type { Type } from "../table/types.ts";

/**
 * `text`: as it is. `whole`: digits. `decimal`: digits with the places that it has here. `boolean`: t, f. `days` since
 * 1970-01-01. `micros`: microseconds since 1970-01-01, as of UTC where there is no zone. `time`: microseconds since
 * midnight. `hex`: bytes in small letters. `bits`: the 64 bits of a double.
 */
export type DigestForm =
  | { readonly kind: "text" | "whole" | "boolean" | "days" | "micros" | "time" | "hex" | "bits" }
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number };

const WHOLE: ReadonlySet<string> = new Set(["int", "long"]);
const FLOATS: ReadonlySet<string> = new Set(["float", "double"]);
const SAME: Readonly<
  Record<string, DigestForm["kind"] & ("text" | "boolean" | "days" | "micros" | "time" | "hex")>
> = {
  string: "text",
  uuid: "text",
  boolean: "boolean",
  date: "days",
  timestamp: "micros",
  timestamptz: "micros",
  time: "time",
  binary: "hex",
};

/**
 * How values of a column are written for comparing, of which the source says that it lands as `natural` (in the words
 * of `columns:`), and which has landed as `type`. Null where no text is the same on both sides.
 */
export function digestForm(natural: string, type: Type): DigestForm | null {
  const parsed = parseTypeText(natural);
  if (parsed.kind === "invalid") return null;
  const from = parsed.type;
  if (type.kind === "decimal") {
    const isNumber = from.kind === "decimal" || (from.kind === "primitive" && WHOLE.has(from.name));
    return isNumber ? { kind: "decimal", precision: type.precision, scale: type.scale } : null;
  }
  if (type.kind !== "primitive" || from.kind !== "primitive") return null;
  if (WHOLE.has(type.name)) return WHOLE.has(from.name) ? { kind: "whole" } : null;
  if (FLOATS.has(type.name)) return FLOATS.has(from.name) ? { kind: "bits" } : null;
  const kind = SAME[type.name];
  return kind !== undefined && from.name === type.name ? { kind } : null;
}

/** A value of a key as people read it. */
export function shownValue(text: string, { kind }: DigestForm): string {
  if (kind === "days") return new Date(Number(text) * DAY_MS).toISOString().slice(0, 10);
  if (kind === "micros" && /^-?\d+$/.test(text)) {
    const micros = BigInt(text);
    const rest = ((micros % 1000n) + 1000n) % 1000n;
    const ms = Number((micros - rest) / 1000n);
    return `${new Date(ms).toISOString().slice(0, -1)}${String(rest).padStart(3, "0")}`;
  }
  return text;
}

const DAY_MS = 86_400_000;
