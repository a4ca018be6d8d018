/** What kind of value a cell of a CSV reads like, and what stands for none. */

import type { PrimitiveName, Type } from "../../../core/table/types.ts";
import { textFits } from "../lossless/text-fit.ts";

export type Cells = readonly (string | null)[];

export type Kind = "boolean" | "number" | "date" | "timestamp" | "time" | "text";

/** By the first type that a text is exactly a value of. */
const KINDS: readonly (readonly [PrimitiveName, Kind])[] = [
  ["boolean", "boolean"],
  ["double", "number"],
  ["date", "date"],
  ["timestamp", "timestamp"],
  ["timestamptz", "timestamp"],
  ["time", "time"],
];
const TYPES: readonly (readonly [Type, Kind])[] = KINDS.map(([name, kind]) => [
  { kind: "primitive", name },
  kind,
]);
/** Numbers and days as other countries write them: no names. What they are is for tarn.yaml to say. */
const WRITTEN: readonly (readonly [RegExp, Kind])[] = [
  [/^[-(]?\d{1,3}(?:[.'’ \u00a0\u202f]?\d{3})*,\d+[-)]?$/u, "number"],
  [/^[-(]?\d{1,3}(?:[,'’]\d{3})+(?:\.\d+)?[-)]?$/u, "number"],
  [/^\d{1,2}([./-])\d{1,2}\1\d{4}$/, "date"],
  [/^\d{1,2}([./-])\d{1,2}\1\d{4}[ T]\d{1,2}:\d{2}/, "timestamp"],
];
/** What stands for a missing value and is no name. */
export const MISSING: ReadonlySet<string> = new Set([
  "-",
  "--",
  "?",
  ".",
  "na",
  "n/a",
  "#n/a",
  "nan",
  "null",
  "none",
  "nil",
  "\\n",
]);

/** The kind of a text that is no missing value. */
export function kindOf(cell: string): Kind {
  const text = cell.trim();
  const plain = TYPES.find(([type]) => textFits(type, text));
  return (plain ?? WRITTEN.find(([pattern]) => pattern.test(text)))?.[1] ?? "text";
}
