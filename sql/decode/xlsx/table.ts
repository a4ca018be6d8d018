/** The table in a sheet: its header, the columns under it, and the rows below. */

import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { COLUMNS_MAX } from "../../../core/limits.ts";
import type { SampleRow } from "../csv/sample.ts";
import { tableTop } from "../csv/top.ts";
import { type Exact, exactText } from "../lossless/exact-value.ts";
import type { RowFault, SourceRow } from "../made/row-source.ts";
import { columnNames } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import type { XlsxBook } from "./book.ts";
import { CellFault, cellValue, columnLetters, type RawCell } from "./cell.ts";
import { type SheetBatch, type SheetRow, sheetRows } from "./sheet.ts";

/** Rows by which a header is told from titles. */
const SAMPLE_ROWS = 60;

/** Of rows of several sheets, the name of theirs: a text, whatever sheets are called. */
export const SHEET_COLUMN = "_sheet";

/** Which columns of the sheet are columns of the table. */
export interface Layout {
  readonly names: readonly string[];
  /** Place of the name, by the column of the sheet. */
  readonly places: ReadonlyMap<number, number>;
  /** Rows up to this one are no rows of the table. */
  readonly headerRow: number;
}

/** How the rows of a sheet are made. */
export interface SheetReading {
  readonly layout: Layout;
  readonly book: XlsxBook;
  readonly nulls: ReadonlySet<string>;
  /** Several are read: what is said of a cell says which. */
  readonly isNamed?: boolean;
}

/** Those below the header in which something stands. */
export function keptRows({ rows }: SheetBatch, reading: SheetReading): SourceRow[] {
  const own = rows.filter((row) => row.number > reading.layout.headerRow);
  const made = own.map((row) => sourceRow(row, reading));
  return made.filter((row) => row.fault !== null || row.values.some(isThere));
}

/** Names of the other sheets in which something stands, or that cannot be read at all. */
export async function unreadSheets(book: XlsxBook): Promise<string[]> {
  const names: string[] = [];
  for (const { name, part } of book.others) {
    if (await isEmptySheet({ ...book, sheetPart: part })) continue;
    names.push(name);
  }
  return names;
}

async function isEmptySheet(book: XlsxBook): Promise<boolean> {
  try {
    for await (const { rows } of sheetRows(book)) if (rows.length > 0) return false;
    return true;
  } catch (thrown) {
    if (thrown instanceof Unreadable) return false;
    throw thrown;
  }
}

/** The header: the given row, or the first one that is no title; without a header columns are numbered. */
export async function findLayout(book: XlsxBook, read: ReadOptions): Promise<Layout> {
  const hasHeader = read.header !== false || read.headerRow !== null;
  const header = hasHeader ? await findHeader(book, read) : null;
  if (hasHeader && header === null) {
    if (read.headerRow === null) return { names: [], places: new Map(), headerRow: 0 };
    const place = `row ${read.headerRow} of the sheet ${JSON.stringify(book.sheetName)}`;
    throw new Unreadable("unreadable", `${place} is to be the header, and it is empty`);
  }
  const cells: (string | null)[] = [];
  for (const cell of header?.cells ?? []) cells[cell.column] = headerText(cell, book);
  const given = Array.from(cells, (text) => (text === undefined || text === "" ? null : text));
  const headerRow = header?.number ?? 0;
  // A column without a name is one of the table only when something stands in it.
  const isSparse = header === null || given.includes(null);
  const used = isSparse ? await usedColumns(book, headerRow) : new Set<number>();
  const width = header === null ? Math.max(-1, ...used) + 1 : given.length;
  const byPosition = header === null ? read.names : given;
  const all = columnNames(Array.from({ length: width }, (_, index) => byPosition[index] ?? null));
  const columns = all.flatMap((_, index) =>
    (given[index] ?? null) !== null || used.has(index) ? [index] : [],
  );
  if (columns.length > COLUMNS_MAX) {
    throw new Unreadable("limit", `the sheet has more than ${COLUMNS_MAX} columns`);
  }
  const places = new Map(columns.map((column, place) => [column, place]));
  return { names: columns.map((index) => all[index] ?? ""), places, headerRow };
}

async function findHeader(book: XlsxBook, read: ReadOptions): Promise<SheetRow | null> {
  const wanted = read.headerRow;
  const sample: SheetRow[] = [];
  for await (const { rows } of sheetRows(book)) {
    for (const row of rows) {
      if (wanted === null) {
        // Above the first row in which something stands there is no table.
        if (sample.length === 0 && row.cells.every((cell) => cell.text === "")) continue;
        if (read.header === true) return row;
        sample.push(row);
        if (sample.length === SAMPLE_ROWS) return topOf(book, sample);
      } else if (row.number === wanted) return row;
      else if (row.number > wanted) return null;
    }
  }
  return topOf(book, sample);
}

/** The first of the rows that is no title. Throws Unreadable where nobody can tell. */
function topOf(book: XlsxBook, rows: readonly SheetRow[]): SheetRow | null {
  const [first] = rows;
  if (first === undefined) return null;
  const width = Math.max(...rows.flatMap(({ cells }) => cells.map(({ column }) => column))) + 1;
  const lines: SampleRow[] = [];
  const numbers: number[] = [];
  const add = (number: number, cells: readonly RawCell[], isApart: boolean): void => {
    const fields = Array.from({ length: width }, (): string | null => null);
    for (const cell of cells) fields[cell.column] = headerText(cell, book);
    const text = fields.find((field) => field !== null) ?? "";
    lines.push({ text, fields, line: number - 1, lines: 1, isApart });
    numbers.push(number);
  };
  for (const [index, { number, cells }] of rows.entries()) {
    const isApart = index > 0 && (numbers.at(-1) ?? 0) < number - 1;
    // Rows without a value are not told of: one stands for all of them.
    if (isApart) add(number - 1, [], false);
    add(number, cells, isApart);
  }
  const { at, doubt, other } = tableTop(lines, []);
  const [top = 0, below = 0] = [numbers[at], numbers[other ?? at]];
  if (doubt === null) return rows.find(({ number }) => number === top) ?? first;
  const sheet = JSON.stringify(book.sheetName);
  const compared = `row ${top} of the sheet ${sheet} is nearly empty and row ${below} is not`;
  const hint =
    `set header_row: ${below} if that is the header, header_row: ${top} if it is this one, ` +
    "header: false if there is none";
  throw new Unreadable("unreadable", `${compared}: ${hint}`);
}

function headerText(cell: RawCell, book: XlsxBook): string | null {
  try {
    return exactText(cellValue(cell, book));
  } catch (thrown) {
    if (thrown instanceof CellFault) return thrown.shown;
    throw thrown;
  }
}

async function usedColumns(book: XlsxBook, headerRow: number): Promise<ReadonlySet<number>> {
  const used = new Set<number>();
  for await (const { rows } of sheetRows(book)) {
    for (const row of rows) {
      if (row.number <= headerRow) continue;
      for (const cell of row.cells) used.add(cell.column);
    }
  }
  return used;
}

function sourceRow(row: SheetRow, { layout, book, nulls, isNamed }: SheetReading): SourceRow {
  const values: Exact[] = layout.names.map(() => null);
  const placeOf = ({ column }: RawCell): string =>
    `${isNamed === true ? `${book.sheetName}!` : ""}${columnLetters(column)}${row.number}`;
  let fault: RowFault | null = null;
  for (const cell of row.cells) {
    const place = layout.places.get(cell.column) ?? -1;
    let value: Exact;
    try {
      value = cellValue(cell, book);
    } catch (thrown) {
      if (!(thrown instanceof CellFault)) throw thrown;
      value = thrown.shown;
      const column = layout.names[place] ?? null;
      fault ??= { reason: "type", column, message: `cell ${placeOf(cell)} ${thrown.message}` };
    }
    if (value === null || (typeof value === "string" && nulls.has(value))) continue;
    if (place >= 0) values[place] = value;
    else {
      values.push(value);
      const message = `cell ${placeOf(cell)} stands under no header`;
      fault ??= { reason: "fields", column: null, message };
    }
  }
  return { row: row.number, values, fault };
}

function isThere(value: Exact): boolean {
  return value !== null;
}
