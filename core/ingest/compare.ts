/** Compares two sides of a table window by window, and the rows of those that are not the same one by one. */

import {
  type CountedTable,
  differences,
  keyShown,
  type RowSums,
  type ValueSums,
  type WindowDifference,
  type WindowSum,
  windowText,
} from "./reconcile.ts";
import type { ReconciledWindow } from "./reconciliation.ts";

/** The rows of a table on one side. */
export interface Side {
  sums(): Promise<readonly WindowSum[]>;
  rowsOf(window: string): Promise<RowSums>;
  /** Of rows that are few. */
  valuesOf(window: string, keys: readonly string[]): Promise<ValueSums>;
}

/** Windows whose rows are looked at one by one; of each, the rows whose values are, and those that are told. */
const WINDOWS_MAX = 20;
const CHANGED_MAX = 200;
const TOLD_MAX = 5;

export interface Compared {
  readonly rowsThere: number;
  readonly rowsHere: number;
  readonly differing: number;
  readonly windows: readonly ReconciledWindow[];
}

export async function compareSides(
  table: CountedTable,
  there: Side,
  here: Side,
): Promise<Compared> {
  const [theirs, mine] = [await there.sums(), await here.sums()];
  const windows: ReconciledWindow[] = [];
  let looked = 0;
  for (const found of differences(theirs, mine)) {
    looked += 1;
    // Of a table that is not compared as of one position, a window may differ by what changed meanwhile alone.
    const isLookedAt = looked <= WINDOWS_MAX || table.cursor !== undefined;
    const window = !isLookedAt
      ? notLookedAt(table, found)
      : await looking(table, found, there, here);
    if (window.differing > 0) windows.push(window);
  }
  const rows = (sums: readonly WindowSum[]) => sums.reduce((sum, each) => sum + each.rows, 0);
  const differing = windows.reduce((sum, window) => sum + window.differing, 0);
  return { rowsThere: rows(theirs), rowsHere: rows(mine), differing, windows };
}

function notLookedAt(table: CountedTable, found: WindowDifference): ReconciledWindow {
  const { window, rowsThere, rowsHere } = found;
  const differing = Math.max(1, Math.abs(rowsThere - rowsHere));
  const nothing = { missing: [], extra: [], changed: [] };
  const note = "there are more: its rows were not looked at one by one";
  return { window: windowText(table, window), rowsThere, rowsHere, differing, ...nothing, note };
}

async function looking(
  table: CountedTable,
  { window, rowsThere, rowsHere }: WindowDifference,
  there: Side,
  here: Side,
): Promise<ReconciledWindow> {
  const [theirs, mine] = [await there.rowsOf(window), await here.rowsOf(window)];
  // What changed while it was compared is equal to nothing, and no difference.
  const missing = [...theirs].flatMap(([key, sum]) => (sum === null || mine.has(key) ? [] : [key]));
  const extra = [...mine].flatMap(([key, sum]) => (sum === null || theirs.has(key) ? [] : [key]));
  const others = [...theirs].flatMap(([key, sum]) => {
    const own = mine.get(key);
    return own === undefined || own === null || sum === null || own === sum ? [] : [key];
  });
  const asked = others.slice(0, CHANGED_MAX);
  const changed = asked.length === 0 ? [] : await changedOf(table, window, asked, there, here);
  const changedCount = changed.length + others.length - asked.length;
  const told = (keys: readonly string[]) =>
    keys
      .toSorted()
      .slice(0, TOLD_MAX)
      .map((key) => keyShown(table.key, key));
  return {
    window: windowText(table, window),
    rowsThere,
    rowsHere,
    differing: missing.length + extra.length + changedCount,
    missing: told(missing),
    extra: told(extra),
    changed: changed.slice(0, TOLD_MAX),
    note: null,
  };
}

/** Rows that have another value in some column. One whose value is not known here, for it never came, is none. */
async function changedOf(
  table: CountedTable,
  window: string,
  keys: readonly string[],
  there: Side,
  here: Side,
): Promise<ReconciledWindow["changed"]> {
  const theirs = await there.valuesOf(window, keys);
  const mine = await here.valuesOf(window, keys);
  return keys.flatMap((key) => {
    const [a, b] = [theirs.get(key), mine.get(key)];
    const columns = table.values.flatMap(({ name }, index) => {
      const [left, right] = [a?.[index] ?? null, b?.[index] ?? null];
      return left === null || right === null || left === right ? [] : [name];
    });
    return columns.length === 0 ? [] : [{ key: keyShown(table.key, key), columns }];
  });
}
