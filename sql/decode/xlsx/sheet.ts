/** The rows of a sheet, streamed: each cell as its sheet has it. Rows without a value are passed over. */

import { BATCH_ROWS } from "../made/row-source.ts";
import { Unreadable } from "../unreadable.ts";
import { TextRuns, type XlsxBook } from "./book.ts";
import type { RawCell } from "./cell.ts";
import { attributesOf, type XmlHandler, XmlReader } from "./xml.ts";

export interface SheetRow {
  /** As the spreadsheet numbers it, from 1. */
  readonly number: number;
  /** Cells with a value, an error or a formula, by column. */
  readonly cells: readonly RawCell[];
}

export interface SheetBatch {
  readonly rows: readonly SheetRow[];
  /** Characters of XML read for them. */
  readonly chars: number;
}

/** Rows and columns of a sheet. ECMA-376; Excel's limits. */
const ROWS_MAX = 1_048_576;
const COLUMNS_MAX = 16_384;

/** Rows in their order, BATCH_ROWS at most at once. Throws Unreadable. */
export async function* sheetRows(book: XlsxBook): AsyncGenerator<SheetBatch> {
  const collector = new RowCollector();
  const reader = new XmlReader(collector);
  let chars = 0;
  for await (const text of book.parts.texts(book.sheetPart)) {
    reader.feed(text);
    chars += text.length;
    while (collector.rows.length >= BATCH_ROWS) {
      yield { rows: collector.rows.splice(0, BATCH_ROWS), chars };
      chars = 0;
    }
  }
  reader.end();
  if (collector.rows.length > 0) yield { rows: collector.rows, chars };
}

class RowCollector implements XmlHandler {
  rows: SheetRow[] = [];
  #row = 0;
  #cells: RawCell[] = [];
  #column = -1;
  #attributes: ReadonlyMap<string, string> = new Map();
  #value: string | null = null;
  #isFormula = false;
  #inValue = false;
  #inline = false;
  #runs = new TextRuns();

  open(name: string, attributes: string): void {
    switch (name) {
      case "row":
        this.#startRow(attributesOf(attributes).get("r"));
        return;
      case "c":
        this.#attributes = attributesOf(attributes);
        this.#column = this.#columnOf(this.#attributes.get("r"));
        this.#value = null;
        this.#isFormula = false;
        return;
      case "v":
        this.#value = "";
        this.#inValue = true;
        return;
      case "f":
        this.#isFormula = true;
        return;
      case "is":
        this.#inline = true;
        this.#runs.start();
        return;
      default:
        if (this.#inline) this.#runs.open(name);
    }
  }

  text(text: string): void {
    if (this.#inValue) this.#value += text;
    else if (this.#inline) this.#runs.text(text);
  }

  close(name: string): void {
    switch (name) {
      case "row":
        if (this.#cells.length > 0) this.rows.push({ number: this.#row, cells: this.#cells });
        return;
      case "c":
        this.#endCell();
        return;
      case "v":
        this.#inValue = false;
        return;
      case "is":
        this.#inline = false;
        this.#value = this.#runs.value;
        return;
      default:
        if (this.#inline) this.#runs.close(name);
    }
  }

  #startRow(given: string | undefined): void {
    const number = given === undefined ? this.#row + 1 : Number(given);
    if (!Number.isInteger(number) || number <= this.#row || number > ROWS_MAX) {
      throw broken(`row ${given} follows row ${this.#row}`);
    }
    this.#row = number;
    this.#cells = [];
    this.#column = -1;
  }

  #columnOf(reference: string | undefined): number {
    if (reference === undefined) return this.#column + 1;
    const letters = /^([A-Z]{1,3})\d+$/.exec(reference)?.[1];
    let column = 0;
    for (const letter of letters ?? "") column = column * 26 + letter.charCodeAt(0) - 64;
    if (letters === undefined || column > COLUMNS_MAX || column - 1 <= this.#column) {
      throw broken(
        `cell ${reference} stands behind column ${this.#column + 1} of row ${this.#row}`,
      );
    }
    return column - 1;
  }

  #endCell(): void {
    const given = this.#attributes;
    const type = given.get("t") ?? "n";
    if (this.#value === null && !this.#isFormula) return;
    this.#cells.push({
      column: this.#column,
      type,
      style: Number(given.get("s") ?? "0"),
      text: this.#value,
      isFormula: this.#isFormula,
    });
  }
}

function broken(message: string): Unreadable {
  return new Unreadable("unreadable", `the sheet is broken: ${message}`);
}
