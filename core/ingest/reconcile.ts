/** A source's tables against the delivered ones: counted and summed by windows of their keys, at one position. */

import type { Type } from "../table/types.ts";
import { type DigestForm, shownValue } from "./digest-form.ts";

/** How the keys of a table are parted. */
export type Windows =
  /** Of one whole number: ranges of this width from `low` on, WINDOWS of them. */
  | { readonly kind: "ranges"; readonly low: string; readonly width: string }
  /** By the first digits of their hash. */
  | { readonly kind: "hashes" };

/** Ranges that whole numbers are parted in. */
export const WINDOWS = 256;
/** Stands between the texts of a row. */
export const SEPARATOR = 31;

export interface WindowSum {
  readonly window: string;
  readonly rows: number;
  /** Sum of the rows' hashes: equal rows have equal ones. */
  readonly sum: string;
}

/** A table that is to be compared, as it has landed. */
export interface CountAsk {
  /** As the ledger calls it within its source. */
  readonly table: string;
  /** Columns by their names at the source. */
  readonly columns: readonly {
    readonly name: string;
    readonly here: string;
    readonly type: Type;
  }[];
}

export interface ComparedColumn {
  /** As the source calls it, and as the table here does. */
  readonly name: string;
  readonly here: string;
  readonly form: DigestForm;
}

/** A table as its source has it. */
export interface CountedTable {
  readonly table: string;
  readonly key: readonly ComparedColumn[];
  /** The others. */
  readonly values: readonly ComparedColumn[];
  /** Columns whose values cannot be compared. */
  readonly uncompared: readonly string[];
  readonly windows: Windows;
  readonly sums: readonly WindowSum[];
}

/** Hashes of rows by the texts of their keys. */
export type RowSums = ReadonlyMap<string, string>;
/** Hashes of the values of rows, by their keys and in the order of the columns; null: not known. */
export type ValueSums = ReadonlyMap<string, readonly (string | null)[]>;

export interface Counted {
  /** Rows of the feed before this count, as it sorts them; null: all do. */
  readonly until: string | null;
  /** The same, for people. */
  readonly at: string;
  readonly tables: readonly CountedTable[];
  /** Tables that cannot be compared, and why. */
  readonly leftOut: readonly { readonly table: string; readonly why: string }[];
  /** True once what is committed up to a position holds all that was counted. */
  readonly isReached: (position: string) => boolean;
  /** Rows of one window, as they were counted; a bounded number. */
  readonly rowsOf: (table: CountedTable, window: string) => Promise<RowSums>;
  /** The values of rows of a window by the texts of their keys, which are few. */
  readonly valuesOf: (
    table: CountedTable,
    window: string,
    keys: readonly string[],
  ) => Promise<ValueSums>;
  readonly close: () => Promise<void>;
}

/** A window on both sides that is not the same. */
export interface WindowDifference {
  readonly window: string;
  readonly rowsThere: number;
  readonly rowsHere: number;
}

/** Windows whose rows are others, in their order. */
export function differences(
  there: readonly WindowSum[],
  here: readonly WindowSum[],
): readonly WindowDifference[] {
  const mine = new Map(here.map((one) => [one.window, one]));
  const theirs = new Map(there.map((one) => [one.window, one]));
  return [...new Set([...theirs.keys(), ...mine.keys()])].flatMap((window) => {
    const [a, b] = [theirs.get(window), mine.get(window)];
    if (a?.sum === b?.sum && a?.rows === b?.rows) return [];
    return [{ window, rowsThere: a?.rows ?? 0, rowsHere: b?.rows ?? 0 }];
  });
}

/** A window as people read it. */
export function windowText({ windows, key }: CountedTable, window: string): string {
  const named = key.map(({ name }) => name).join(", ");
  if (windows.kind === "hashes") return `${named} with md5 ${window}…`;
  const { low, high } = rangeOf(windows, window);
  if (low === null) return `${named} below ${windows.low}`;
  return high === null ? `${named} from ${low} on` : `${named} ${low} to ${high}`;
}

/** First and last number of a range; null where it has none. */
export function rangeOf(
  { low, width }: Extract<Windows, { kind: "ranges" }>,
  window: string,
): { readonly low: bigint | null; readonly high: bigint | null } {
  const index = BigInt(window);
  if (index < 0n) return { low: null, high: BigInt(low) - 1n };
  const first = BigInt(low) + index * BigInt(width);
  return { low: first, high: index >= BigInt(WINDOWS) ? null : first + BigInt(width) - 1n };
}

/** Ranges of the keys from `min` to `max`; null where they are too far apart. */
export function rangesOf(min: string | null, max: string | null): Windows | null {
  const low = BigInt(min ?? 0);
  const range = BigInt(max ?? 0) - low;
  if (range > RANGE_MAX) return null;
  return { kind: "ranges", low: String(low), width: String(range / BigInt(WINDOWS) + 1n) };
}

/** The text of a key as people read it. */
export function keyShown(key: readonly ComparedColumn[], text: string): string {
  const parts = text.split(String.fromCharCode(SEPARATOR));
  return parts
    .map((part, index) => {
      const form = key[index]?.form;
      return form === undefined ? part : shownValue(part, form);
    })
    .join(", ");
}

/** Within what a server's own arithmetic of 64 bits holds. */
const RANGE_MAX = 1n << 62n;
