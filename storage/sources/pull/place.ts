/** How far tables are pulled: for each up to where, and the run that is under way. */

import { type JsonObject, parseJson, stringifyJson } from "../../../core/base/json.ts";

export interface TablePlace {
  /** The greatest cursor of runs that are over. */
  readonly mark: string | null;
  /** Of rows that may come again: by key, what they were, and their cursor. */
  readonly seen: Readonly<Record<string, readonly [hash: string, cursor: string | null]>>;
  /** What the last load of a table without a cursor was. */
  readonly load: string | null;
}

/** A table in a run. */
export interface TableRun {
  /** The row that was read last; null: none was. */
  readonly after: readonly string[] | null;
  /** Whether rows with a cursor are read, which come before those without. */
  readonly hasCursor: boolean;
  readonly page: number;
  /** The greatest cursor of the run. */
  readonly greatest: string | null;
}

export interface PullPlace {
  readonly tables: Readonly<Record<string, TablePlace>>;
  /** Null between runs. */
  readonly run: { readonly id: number; readonly table: string; readonly at: TableRun } | null;
  /** Runs that are over. */
  readonly runs: number;
}

export const NEW_TABLE: TablePlace = { mark: null, seen: {}, load: null };
export const FIRST_PAGE: TableRun = { after: null, hasCursor: true, page: 0, greatest: null };
/** Of a position, that say which run read a row. */
export const RUN_DIGITS = 10;
const NO_PLACE: PullPlace = { tables: {}, run: null, runs: 0 };

/** For people first, then as it is read. */
export function placeText(place: PullPlace): string {
  // parse: plain data, as its type says
  const json = place as unknown as JsonObject; // parse: above
  return `run ${place.runs + 1} ${stringifyJson(json)}`;
}

export function placeFromText(text: string | null): PullPlace {
  if (text === null) return NO_PLACE;
  // parse: `placeText` wrote it
  return parseJson(text.slice(text.indexOf("{"))) as unknown as PullPlace; // parse: above
}

/** True for a text that `placeText` wrote. */
export function isPlace(text: string): boolean {
  return text.startsWith("run ") && placeFromText(text).tables !== undefined;
}

/** The place from which a table, or all, are read from their beginning. */
export function readAgain(text: string, table: string | null): string {
  const place = placeFromText(text);
  const tables = Object.entries(place.tables).filter(([name]) => table !== null && name !== table);
  return placeText({ ...place, tables: Object.fromEntries(tables), run: null });
}
