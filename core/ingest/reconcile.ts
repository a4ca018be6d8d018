/** Keys of a source's tables against those of the delivered ones: counted and summed by windows, at one position. */

/** How the keys of a table are parted. */
export type Windows =
  /** Of one whole number: ranges of this width from `low` on. */
  | { readonly kind: "ranges"; readonly low: string; readonly width: string }
  /** By the first digits of their hash. */
  | { readonly kind: "hashes" };

export interface WindowSum {
  readonly window: string;
  readonly keys: number;
  /** Sum of the keys' hashes: equal sets have equal ones. */
  readonly sum: string;
}

/** A table as its server has it. */
export interface CountedTable {
  /** `schema.table`. */
  readonly table: string;
  readonly key: readonly string[];
  readonly windows: Windows;
  readonly sums: readonly WindowSum[];
}

export interface Counted {
  /** The position that the tables were counted at, as the feed sorts it: what is behind it does not count. */
  readonly until: string;
  /** The same, for people. */
  readonly at: string;
  readonly tables: readonly CountedTable[];
  /** Tables that cannot be compared, and why. */
  readonly leftOut: readonly { readonly table: string; readonly why: string }[];
  /** True once what is committed up to a position holds all that was counted. */
  readonly isReached: (position: string) => boolean;
  /** Keys of one window, as they were counted, in their order; a bounded number. */
  readonly keysOf: (table: CountedTable, window: string) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
}

/** A window on both sides that is not the same. */
export interface WindowDifference {
  readonly window: string;
  readonly thereKeys: number;
  readonly hereKeys: number;
}

/** Windows whose keys are others. */
export function differences(
  there: readonly WindowSum[],
  here: readonly WindowSum[],
): readonly WindowDifference[] {
  const mine = new Map(here.map((one) => [one.window, one]));
  const theirs = new Map(there.map((one) => [one.window, one]));
  return [...new Set([...theirs.keys(), ...mine.keys()])].flatMap((window) => {
    const [a, b] = [theirs.get(window), mine.get(window)];
    if (a?.sum === b?.sum && a?.keys === b?.keys) return [];
    return [{ window, thereKeys: a?.keys ?? 0, hereKeys: b?.keys ?? 0 }];
  });
}

/** A window as people read it. */
export function windowText(windows: Windows, key: readonly string[], window: string): string {
  const named = key.join(", ");
  if (windows.kind === "hashes") return `${named} with md5 ${window}…`;
  const low = BigInt(windows.low) + BigInt(window) * BigInt(windows.width);
  return `${named} ${low} to ${low + BigInt(windows.width) - 1n}`;
}
