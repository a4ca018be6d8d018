/** The first values that did not fit a column, and where they stand: said with what is learned from them. */

import { compareCodePoints } from "../../core/base/order.ts";
import type { DecodeRequest, ObservedColumn } from "../../core/engine.ts";
import type { ReadOptions } from "../../core/ingest/contract.ts";
import { MISFIT_VALUES_SPAN } from "../../core/limits.ts";
import { positionOf } from "./rejects.ts";

/** Names of a file whose values do not fit, or that nobody knows, each with its first one; null: not known. */
export type Misfits = ReadonlyMap<string, string | null>;

const VALUE_CHARS_MAX = 40;
/** Different texts that are counted; what comes later is one of the others. */
const TEXTS_MAX = 16;
const TEXTS_SHOWN = 3;

export const NO_MISFITS: Misfits = new Map();

/** So many of these values at most are set aside as misfits, whatever landed before. */
export function misfitsMax({ misfits = 0 }: Pick<ReadOptions, "misfits">, values: number): number {
  return Math.floor(misfits * Math.max(values, MISFIT_VALUES_SPAN) + Number.EPSILON * values);
}

/** Counts texts that do not fit, for a line on the screen. */
export class MisfitTexts {
  readonly #counts = new Map<string, number>();

  add(text: string): void {
    const count = this.#counts.get(text);
    if (count === undefined && this.#counts.size >= TEXTS_MAX) return;
    this.#counts.set(text, (count ?? 0) + 1);
  }

  get shown(): string {
    return shownTexts([...this.#counts].map(([text, count]) => ({ text, count })));
  }
}

/** `"n/a" (2), "-"`: the most frequent of them. */
export function shownTexts(
  counts: readonly { readonly text: string; readonly count: number }[],
): string {
  const sorted = [...counts].sort((a, b) => b.count - a.count || compareCodePoints(a.text, b.text));
  const few = sorted
    .slice(0, TEXTS_SHOWN)
    .map(({ text, count }) => (count === 1 ? shortText(text) : `${shortText(text)} (${count})`));
  return [...few, ...(sorted.length > TEXTS_SHOWN ? ["…"] : [])].join(", ");
}

/** `"12.50" at line 4711`; without a value only its place. */
export function firstMisfit(
  value: string | null,
  place: { readonly line: number | null; readonly row: number },
): string {
  const at = `at ${positionOf(place)}`;
  if (value === null) return at;
  return `${shortText(value)} ${at}`;
}

/** In quotes, and cut where it is long. */
function shortText(value: string): string {
  const isLong = value.length > VALUE_CHARS_MAX;
  const shown = isLong ? `${value.slice(0, VALUE_CHARS_MAX).toWellFormed()}…` : value;
  return JSON.stringify(shown);
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
