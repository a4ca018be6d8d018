/** Several sheets of one workbook as rows of one table, each with the name of its sheet. */

import type { ReadOptions } from "../../../core/ingest/contract.ts";
import type { Exact } from "../lossless/exact-value.ts";
import type { RowBatch, RowSource, SourceRow } from "../made/row-source.ts";
import type { Prepared } from "../prepared.ts";
import { isPattern, openSheets, type XlsxBook } from "./book.ts";
import { sheetRows } from "./sheet.ts";
import { findLayout, keptRows, type Layout, SHEET_COLUMN, unreadSheets } from "./table.ts";

interface Sheet {
  readonly book: XlsxBook;
  readonly layout: Layout;
}

/**
 * The rows of the sheets that `sheets` is about, one sheet after the other, each under its own header; a column that a
 * sheet does not have is NULL in its rows. Rows are numbered on from the last of the sheet before. Of sheets that a
 * pattern finds, one that shares no column with the others is left out and named. Throws Unreadable.
 */
export async function openAll(prepared: Prepared, read: ReadOptions): Promise<RowSource> {
  const wanted = (read.sheets ?? []).map((name) => (name.toLowerCase() === "all" ? "*" : name));
  const found: Sheet[] = [];
  for (const book of await openSheets(prepared.path, wanted)) {
    const layout = await findLayout(book, read);
    if (layout.names.length > 0) found.push({ book, layout });
  }
  const isFound = wanted.some(isPattern);
  const sheets = isFound ? acquainted(found) : found;
  const names = columnsOf(sheets);
  const nulls = new Set(read.nulls);
  const isOwn = sheets.some(({ layout }) => placeOf(layout.names, SHEET_COLUMN) >= 0);
  async function* rows(): AsyncGenerator<RowBatch> {
    let before = 0;
    for (const { book, layout } of sheets) {
      const places = layout.names.map((name) => placeOf(names, name));
      let last = 0;
      for await (const batch of sheetRows(book)) {
        last = batch.rows.at(-1)?.number ?? last;
        const kept = keptRows(batch, { layout, book, nulls, isNamed: true });
        const sheet = isOwn ? null : book.sheetName;
        const made = kept.map((row) => placed(row, { names, places, before, sheet }));
        if (made.length > 0) yield { rows: made, bytes: batch.chars };
      }
      before += last;
    }
  }
  const source = { names, text: "numbers", read: rows } as const;
  const unread = isFound ? await unreadOf(found, sheets) : missing(wanted, found);
  return unread === null ? source : { ...source, unread };
}

/** All that stands in one of them; `_sheet` first, where no sheet has a column of that name itself. */
function columnsOf(sheets: readonly Sheet[]): readonly string[] {
  const names: string[] = [];
  for (const name of sheets.flatMap(({ layout }) => layout.names)) {
    if (placeOf(names, name) < 0) names.push(name);
  }
  return placeOf(names, SHEET_COLUMN) < 0 ? [SHEET_COLUMN, ...names] : names;
}

function placeOf(names: readonly string[], name: string): number {
  const folded = name.toLowerCase();
  return names.findIndex((one) => one.toLowerCase() === folded);
}

/** A row of a sheet as one of all; values that stand under no header stay behind the others. */
function placed(
  row: SourceRow,
  to: {
    readonly names: readonly string[];
    readonly places: readonly number[];
    readonly before: number;
    /** Null where the column of that name is the file's own. */
    readonly sheet: string | null;
  },
): SourceRow {
  const values: Exact[] = to.names.map((name) => (name === SHEET_COLUMN ? to.sheet : null));
  for (const [index, place] of to.places.entries()) {
    const value = row.values[index] ?? null;
    if (value !== null) values[place] = value;
  }
  values.push(...row.values.slice(to.places.length));
  return { ...row, row: row.row + to.before, values };
}

/** The most that share a column with one another; the first ones where it is a tie. */
function acquainted(sheets: readonly Sheet[]): readonly Sheet[] {
  let rest = sheets;
  let most: readonly Sheet[] = [];
  while (rest.length > most.length) {
    const circle = new Set(rest.slice(0, 1));
    const known = new Set<string>();
    for (const { layout } of circle) {
      for (const name of layout.names) known.add(name.toLowerCase());
      for (const other of rest) {
        // Those that are added while the set is walked are walked too.
        if (other.layout.names.some((name) => known.has(name.toLowerCase()))) circle.add(other);
      }
    }
    if (circle.size > most.length) most = rest.filter((sheet) => circle.has(sheet));
    rest = rest.filter((sheet) => !circle.has(sheet));
  }
  return most;
}

async function unreadOf(found: readonly Sheet[], read: readonly Sheet[]): Promise<string | null> {
  const strangers = found
    .filter((sheet) => !read.includes(sheet))
    .map(({ book }) => book.sheetName);
  const [first] = found;
  const others = first === undefined ? [] : await unreadSheets(first.book);
  const parts = [
    ...(strangers.length === 0
      ? []
      : [
          `${quoted(strangers)} ${strangers.length === 1 ? "shares" : "share"} no column with the others`,
        ]),
    ...(others.length === 0
      ? []
      : [`${quoted(others)} ${others.length === 1 ? "has" : "have"} rows too`]),
  ];
  return parts.length === 0
    ? null
    : `sheets that were not read: ${parts.join("; ")} (sheets: names those to read)`;
}

function missing(wanted: readonly string[], found: readonly Sheet[]): string | null {
  const own = new Set(found.map(({ book }) => book.sheetName.toLowerCase()));
  const gone = wanted.filter((name) => !own.has(name.toLowerCase()));
  return gone.length === 0 ? null : `there is no sheet ${quoted(gone)} with rows`;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}
