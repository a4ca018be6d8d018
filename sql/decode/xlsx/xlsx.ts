/** XLSX files: one sheet under a header, each row as exact values. */

import type { ObservedColumn } from "../../../core/engine.ts";
import type { ReadOptions } from "../../../core/ingest/contract.ts";
import { FILE_ROWS_MAX } from "../../../core/limits.ts";
import { NOTHING, STRING, sameType } from "../../../core/table/type-text.ts";
import type { Type } from "../../../core/table/types.ts";
import { MisfitTexts, misfitsMax } from "../first-misfit.ts";
import type { FormatReader } from "../format.ts";
import { Decimal, type Exact, exactText, Time } from "../lossless/exact-value.ts";
import { type Learned, TextColumn } from "../lossless/narrowest-type.ts";
import { survivesDouble } from "../lossless/text-fit.ts";
import type { RowBatch, RowSource } from "../made/row-source.ts";
import type { Prepared } from "../prepared.ts";
import { openBook } from "./book.ts";
import { sheetRows } from "./sheet.ts";
import { findLayout, keptRows, SHEET_COLUMN, unreadSheets } from "./table.ts";

/** The columns of a sheet, each with the narrowest type that holds its values. Throws Unreadable. */
export async function inspectXlsx(
  prepared: Prepared,
  read: ReadOptions,
): Promise<readonly ObservedColumn[]> {
  const source = await openXlsx(prepared, read);
  // Rows are not counted beforehand.
  const max = misfitsMax(read, FILE_ROWS_MAX);
  const learned = source.names.map(() => new SheetColumn(max));
  for await (const { rows } of source.read()) {
    for (const { values, fault } of rows) {
      if (fault !== null) continue;
      for (const [index, column] of learned.entries()) column.add(values[index] ?? null);
    }
  }
  return source.names.map((name, index) => {
    if (name === SHEET_COLUMN) return { name, type: STRING, unseen: false };
    const { mixed = [], ...rest } = learned[index]?.learned() ?? { type: NOTHING, unseen: true };
    const few = mixed.filter(({ values, misfits }) => misfits <= misfitsMax(read, values));
    return { name, ...rest, ...(few.length === 0 ? {} : { mixed: few }) };
  });
}

/** The rows of a sheet. A cell without a value of its own, or under no header, sets its row aside. */
export async function openXlsx(prepared: Prepared, read: ReadOptions): Promise<RowSource> {
  if ((read.sheets ?? null) !== null) return (await import("./sheets.ts")).openAll(prepared, read);
  const book = await openBook(prepared.path, read.sheet);
  const layout = await findLayout(book, read);
  const nulls = new Set(read.nulls);
  async function* rows(): AsyncGenerator<RowBatch> {
    const again = await openBook(prepared.path, read.sheet);
    for await (const batch of sheetRows(again)) {
      const kept = keptRows(batch, { layout, book: again, nulls });
      if (kept.length > 0) yield { rows: kept, bytes: batch.chars };
    }
  }
  const unread = read.sheet === null ? await unreadSheets(book) : [];
  const source = { names: layout.names, text: "numbers", read: rows } as const;
  if (unread.length === 0) return source;
  const names = unread.map((name) => JSON.stringify(name)).join(", ");
  const which = unread.length === 1 ? `sheet ${names} has` : `sheets ${names} have`;
  return {
    ...source,
    unread: `${which} rows that were not read (sheet: names the one to read, sheets: all reads them too)`,
  };
}

/**
 * Numbers alone are long or double: to a spreadsheet each of them is a float. Times alone are times; everything else is
 * learned from its text as in CSV, in which days, timestamps and booleans are themselves.
 */
class SheetColumn {
  #isLong = true;
  #isDouble = true;
  readonly #texts: TextColumn;
  readonly #others = new MisfitTexts();
  readonly #counts = { number: 0, time: 0, other: 0 };
  readonly #isCounted: boolean;

  constructor(misfitsMax: number) {
    this.#texts = new TextColumn(null, misfitsMax);
    this.#isCounted = misfitsMax > 0;
  }

  add(value: Exact): void {
    const text = exactText(value);
    if (text === null) return;
    const isNumber = ["number", "bigint"].includes(typeof value) || value instanceof Decimal;
    this.#counts[isNumber ? "number" : value instanceof Time ? "time" : "other"]++;
    this.#texts.add(text);
    if (!isNumber) {
      this.#others.add(text);
      return;
    }
    if (typeof value === "bigint") {
      if (BigInt.asIntN(64, value) !== value) this.#isLong = false;
      if (BigInt(Number(value)) !== value) this.#isDouble = false;
      return;
    }
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.#isLong = false;
    if (typeof value !== "number" && !survivesDouble(text)) this.#isDouble = false;
  }

  learned(): Learned {
    const { number, time, other } = this.#counts;
    const values = number + time + other;
    const texts = this.#texts.learned();
    const known = { unseen: false, ...(this.#isCounted ? { values } : {}) };
    if (number === values && number > 0) return { type: this.#numberType(), ...known };
    if (time === values && time > 0) return { type: TIME, ...known };
    if (values === 0 || !sameType(texts.type, STRING)) return texts;
    const [place] = texts.mixed ?? [];
    const misfits = values - number;
    const type = this.#numberType();
    // What numbers alone would be, unless texts among them are numbers as well.
    const isNumbers = misfits <= (place?.misfits ?? number) && !sameType(type, STRING);
    if (!this.#isCounted || !isNumbers || this.#texts.isPadded) return texts;
    const mixed = [{ way: [], type, values, misfits, shown: this.#others.shown }];
    return { ...texts, mixed };
  }

  #numberType(): Type {
    const name = this.#isLong ? "long" : this.#isDouble ? "double" : "string";
    return { kind: "primitive", name };
  }
}

const TIME: Type = { kind: "primitive", name: "time" };

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
