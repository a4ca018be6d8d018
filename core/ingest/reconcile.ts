/** A source's tables against the delivered ones: counted and summed by windows of their keys, at one position. */

import type { Type } from "../table/types.ts";
import { type DigestForm, shownValue } from "./digest-form.ts";

/** How the keys of a table are parted. */
export type Windows =
  /** Of one whole number: ranges of this width from `low` on, WINDOWS of them. */
  | { readonly kind: "ranges"; readonly low: string; readonly width: string }
  /** By the first digits of their hash. */
  | { readonly kind: "hashes" }
  /** Of records: OFFSETS offsets of one partition, as `partition/which`. */
  | { readonly kind: "offsets" };

/** Ranges that whole numbers are parted in. */
export const WINDOWS = 256;
/** Offsets that are one window. */
export const OFFSETS = 10_000n;
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
  /** Of records: the first offset that has landed or was set aside, by partition. */
  readonly first?: ReadonlyMap<number, bigint>;
}

export interface ComparedColumn {
  /** As the source calls it, and as the table here does. */
  readonly name: string;
  readonly here: string;
  readonly form: DigestForm;
}

export interface OffsetRange {
  readonly from: bigint;
  /** Not of it any more. */
  readonly to: bigint;
}

/** Which rows count where a table is read by a column that grows: those up to a value, and those without. */
export interface CursorBound {
  readonly column: ComparedColumn;
  /** The greatest there is, as a text; null: no row has one. */
  readonly until: string | null;
}

/** A table as its source has it. */
export interface CountedTable {
  readonly table: string;
  /** Absent where changes are read, each with its position. */
  readonly cursor?: CursorBound;
  /** All of its rows are read each time, as one load: the last one counts. */
  readonly isLoad?: boolean;
  /** Of records: the offsets that count, by partition. */
  readonly offsets?: ReadonlyMap<number, OffsetRange>;
  readonly key: readonly ComparedColumn[];
  /** The others. */
  readonly values: readonly ComparedColumn[];
  /** Columns whose values cannot be compared. */
  readonly uncompared: readonly string[];
  readonly windows: Windows;
  readonly sums: readonly WindowSum[];
}

/** Hashes of rows by the texts of their keys; null: it changed while it was compared. */
export type RowSums = ReadonlyMap<string, string | null>;
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
  /** True once what is committed up to a position holds all that was counted; null: nothing is committed. */
  readonly isReached: (position: string | null) => boolean;
  /** How long it may take until a running engine has read so far; absent: as long as with any source. */
  readonly waitMs?: number;
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
  if (windows.kind === "offsets") {
    const { partition, from, to } = offsetsOf(window);
    return `partition ${partition}, offsets ${from} to ${to - 1n}`;
  }
  const { low, high } = rangeOf(windows, window);
  if (low === null) return `${named} below ${windows.low}`;
  return high === null ? `${named} from ${low} on` : `${named} ${low} to ${high}`;
}

/** The offsets of a window of records. */
export function offsetsOf(window: string): OffsetRange & { readonly partition: number } {
  const [partition = "0", which = "0"] = window.split("/");
  const from = BigInt(which) * OFFSETS;
  return { partition: Number(partition), from, to: from + OFFSETS };
}

/** The window of a record. */
export function offsetWindow(partition: number, offset: bigint): string {
  return `${partition}/${offset / OFFSETS}`;
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
