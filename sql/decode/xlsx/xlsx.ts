/** XLSX files: one sheet under a header, each row as exact values. */

import type { ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { COLUMNS_MAX } from "../../../core/limits.ts";
import { NOTHING, STRING } from "../../../core/table/type-text.ts";
import type { FormatReader } from "../format.ts";
import { Decimal, type Exact, exactText, Time } from "../lossless/exact-value.ts";
import { type Learned, TextColumn } from "../lossless/narrowest-type.ts";
import { survivesDouble } from "../lossless/text-fit.ts";
import type { RowBatch, RowFault, RowSource, SourceRow } from "../made/row-source.ts";
import { columnNames, type Prepared } from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import { openBook, type XlsxBook } from "./book.ts";
import { CellFault, cellValue, columnLetters, type RawCell } from "./cell.ts";
import { type SheetRow, sheetRows } from "./sheet.ts";

/** Which columns of the sheet are columns of the table. */
interface Layout {
  readonly names: readonly string[];
  /** Place of the name, by the column of the sheet. */
  readonly places: ReadonlyMap<number, number>;
  /** Rows up to this one are no rows of the table. */
  readonly headerRow: number;
}

/** The columns of a sheet, each with the narrowest type that holds its values. Throws Unreadable. */
export async function inspectXlsx(
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  const source = await openXlsx(prepared, read);
  const learned = source.names.map(() => new SheetColumn());
  for await (const { rows } of source.read()) {
    for (const { values, fault } of rows) {
      if (fault !== null) continue;
      for (const [index, column] of learned.entries()) column.add(values[index] ?? null);
    }
  }
  return source.names.map((name, index) => {
    const { type, unseen } = learned[index]?.learned() ?? { type: NOTHING, unseen: true };
    return { name, type, unseen };
  });
}

/** The rows of a sheet. A cell without a value of its own, or under no header, sets its row aside. */
export async function openXlsx(prepared: Prepared, read: ReadOptions): Promise<RowSource> {
  const book = await openBook(prepared.path, read.sheet);
  const layout = await findLayout(book, read);
  const nulls = new Set(read.nulls);
  async function* rows(): AsyncGenerator<RowBatch> {
    const again = await openBook(prepared.path, read.sheet);
    for await (const batch of sheetRows(again)) {
      const own = batch.rows.filter((row) => row.number > layout.headerRow);
      const made = own.map((row) => sourceRow(row, layout, again, nulls));
      const kept = made.filter((row) => row.fault !== null || row.values.some(isThere));
      if (kept.length > 0) yield { rows: kept, bytes: batch.chars };
    }
  }
  const unread = read.sheet === null ? await unreadSheets(book) : [];
  const source = { names: layout.names, text: "numbers", read: rows } as const;
  if (unread.length === 0) return source;
  const names = unread.map((name) => JSON.stringify(name)).join(", ");
  const which = unread.length === 1 ? `sheet ${names} has` : `sheets ${names} have`;
  return { ...source, unread: `${which} rows that were not read (sheet: names the one to read)` };
}

/**
 * Numbers alone are long or double: to a spreadsheet each of them is a float. Times alone are times; everything else is
 * learned from its text as in CSV, in which days, timestamps and booleans are themselves.
 */
class SheetColumn {
  #isLong = true;
  #isDouble = true;
  #texts = new TextColumn();
  #kinds = new Set<"number" | "time" | "other">();

  add(value: Exact): void {
    const text = exactText(value);
    if (text === null) return;
    const isNumber = ["number", "bigint"].includes(typeof value) || value instanceof Decimal;
    this.#kinds.add(isNumber ? "number" : value instanceof Time ? "time" : "other");
    this.#texts.add(text);
    if (!isNumber) return;
    if (typeof value === "bigint") {
      if (BigInt.asIntN(64, value) !== value) this.#isLong = false;
      if (BigInt(Number(value)) !== value) this.#isDouble = false;
      return;
    }
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.#isLong = false;
    if (typeof value !== "number" && !survivesDouble(text)) this.#isDouble = false;
  }

  learned(): Learned {
    const [kind, ...others] = this.#kinds;
    if (kind === undefined || others.length > 0 || kind === "other") return this.#texts.learned();
    if (kind === "time") return { type: { kind: "primitive", name: "time" }, unseen: false };
    const name = this.#isLong ? "long" : this.#isDouble ? "double" : null;
    return { type: name === null ? STRING : { kind: "primitive", name }, unseen: false };
  }
}

/** Names of the other sheets in which something stands, or that cannot be read at all. */
async function unreadSheets(book: XlsxBook): Promise<string[]> {
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

/** The header: the given row, or the first one with a value; without a header columns are numbered. */
async function findLayout(book: XlsxBook, read: ReadOptions): Promise<Layout> {
  const hasHeader = read.header !== false || read.headerRow !== null;
  const header = hasHeader ? await findHeader(book, read.headerRow) : null;
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

async function findHeader(book: XlsxBook, wanted: number | null): Promise<SheetRow | null> {
  for await (const { rows } of sheetRows(book)) {
    for (const row of rows) {
      const isIt =
        wanted === null ? row.cells.some((cell) => cell.text !== "") : row.number === wanted;
      if (isIt) return row;
      if (wanted !== null && row.number > wanted) return null;
    }
  }
  return null;
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

function sourceRow(
  row: SheetRow,
  layout: Layout,
  book: XlsxBook,
  nulls: ReadonlySet<string>,
): SourceRow {
  const values: Exact[] = layout.names.map(() => null);
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
      fault ??= { reason: "type", column, message: `cell ${placeOf(row, cell)} ${thrown.message}` };
    }
    if (value === null || (typeof value === "string" && nulls.has(value))) continue;
    if (place >= 0) values[place] = value;
    else {
      values.push(value);
      const message = `cell ${placeOf(row, cell)} stands under no header`;
      fault ??= { reason: "fields", column: null, message };
    }
  }
  return { row: row.number, values, fault };
}

function placeOf(row: SheetRow, cell: RawCell): string {
  return `${columnLetters(cell.column)}${row.number}`;
}

function isThere(value: Exact): boolean {
  return value !== null;
}

export const FORMAT: FormatReader = {
  isCounted: false,
  isTyped: false,
  inspect: (_db, prepared, read) => inspectXlsx(prepared, read),
  groupKey: () => "rows",
  byRow:
    async ({ read }) =>
    (prepared) =>
      openXlsx(prepared, read),
};
