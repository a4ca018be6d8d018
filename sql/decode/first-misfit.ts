/** The first value that did not fit a column, and where it stands: said with what is learned from it. */

import type { DecodeRequest, ObservedColumn } from "../../core/engine.ts";
import { positionOf } from "./rejects.ts";

/** Names of a file whose values do not fit, or that nobody knows, each with its first one; null: not known. */
export type Misfits = ReadonlyMap<string, string | null>;

const VALUE_CHARS_MAX = 40;

export const NO_MISFITS: Misfits = new Map();

/** `"12.50" at line 4711`; without a value only its place. */
export function firstMisfit(
  value: string | null,
  place: { readonly line: number | null; readonly row: number },
): string {
  const at = `at ${positionOf(place)}`;
  if (value === null) return at;
  const isLong = value.length > VALUE_CHARS_MAX;
  const shown = isLong ? `${value.slice(0, VALUE_CHARS_MAX).toWellFormed()}…` : value;
  return `${JSON.stringify(shown)} ${at}`;
}

/**
 * The columns with the first value of each that is known: `found` has them by their name in lower case, and `look`
 * finds others. None where values are taken out: what does not fit is what an expression made of it.
 */
export function withFirst(
  request: DecodeRequest,
  columns: readonly ObservedColumn[],
  found: Misfits,
  look: (columns: readonly ObservedColumn[]) => Misfits,
): ObservedColumn[] {
  if (request.redacted) return [...columns];
  const unknown = columns.filter(
    (column) => (found.get(column.name.toLowerCase()) ?? null) === null,
  );
  const firsts = new Map([...found, ...look(unknown)]);
  return columns.map((column) => {
    const first = firsts.get(column.name.toLowerCase()) ?? null;
    return first === null ? column : { ...column, first };
  });
}
