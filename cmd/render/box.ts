/** Results as a box for people: names, types, aligned cells, head and tail of what is long. */

import { must } from "../../core/base/assert.ts";
import type { Chunk, ResultColumn, ResultSet } from "../../sql/query/result.ts";
import { type CellText, cellText, isNumeric } from "../format/text.ts";
import { printable, type Style } from "./style.ts";

export interface BoxOptions {
  readonly style: Style;
  readonly timezone: string;
  /** Columns of the terminal. */
  readonly width: number;
  /** A result with more rows than this shows half as many: the first and the last. */
  readonly rowsMax: number;
}

export interface Box {
  readonly text: string;
  readonly rowCount: bigint;
  readonly rowsShown: number;
  readonly columnsShown: number;
}

/** Reads the result to its end, keeping only the rows that can be shown. */
export async function drawBox(result: ResultSet, options: BoxOptions): Promise<Box> {
  const kept = await keepEnds(result, options);
  if (result.columns.length === 0) {
    return { text: "", rowCount: kept.rowCount, rowsShown: 0, columnsShown: 0 };
  }
  const cut = kept.tail.length > 0;
  const columns = fitColumns(measureColumns(result.columns, kept), options.width);
  const rows = cut ? [...kept.head, null, null, null, ...kept.tail] : kept.head;
  const lines = drawLines(columns, rows, options.style);
  return {
    text: `${lines.join("\n")}\n`,
    rowCount: kept.rowCount,
    rowsShown: kept.head.length + kept.tail.length,
    columnsShown: columns.filter((column) => column.index !== null).length,
  };
}

type TextRow = readonly (string | null)[];

interface Kept {
  readonly head: readonly TextRow[];
  /** Empty when the head is everything. */
  readonly tail: readonly TextRow[];
  readonly rowCount: bigint;
}

async function keepEnds(result: ResultSet, options: BoxOptions): Promise<Kept> {
  const writers = result.columns.map((column) => cellText(column.type, options.timezone));
  const half = Math.max(1, Math.floor(options.rowsMax / 4));
  const head: TextRow[] = [];
  let last: Chunk[] = [];
  let rowCount = 0n;
  for await (const chunk of result.chunks()) {
    rowCount += BigInt(chunk.rowCount);
    for (let row = 0; row < chunk.rowCount && head.length < options.rowsMax; row++) {
      head.push(textRow(chunk, row, writers));
    }
    last.push(chunk);
    let spare = last.reduce((sum, each) => sum + each.rowCount, 0);
    while (last[0] !== undefined && spare - last[0].rowCount >= half) {
      spare -= last[0].rowCount;
      last = last.slice(1);
    }
  }
  if (rowCount <= BigInt(options.rowsMax)) return { head, tail: [], rowCount };
  const tail = last.flatMap((chunk) => {
    const start = Math.max(0, chunk.rowCount - half);
    const rows: TextRow[] = [];
    for (let row = start; row < chunk.rowCount; row++) rows.push(textRow(chunk, row, writers));
    return rows;
  });
  return { head: head.slice(0, half), tail: tail.slice(-half), rowCount };
}

function textRow(chunk: Chunk, row: number, writers: readonly CellText[]): TextRow {
  return writers.map((write, index) => {
    const text = write(chunk.columns[index]?.[row] ?? null);
    return text === null ? null : printable(text);
  });
}

interface BoxColumn {
  /** Place in the row; null for the column that stands for those left out. */
  readonly index: number | null;
  readonly name: string;
  readonly type: string;
  readonly right: boolean;
  readonly width: number;
}

const NULL_TEXT = "NULL";

function measureColumns(columns: readonly ResultColumn[], kept: Kept): BoxColumn[] {
  return columns.map((column, index) => {
    const name = printable(column.name);
    const type = printable(column.type.text);
    let width = Math.max(Bun.stringWidth(name), Math.min(Bun.stringWidth(type), TYPE_WIDTH_MAX));
    for (const rows of [kept.head, kept.tail]) {
      for (const row of rows) width = Math.max(width, Bun.stringWidth(row[index] ?? NULL_TEXT));
    }
    return { index, name, type, right: isNumeric(column.type), width };
  });
}

/** A struct's type can be longer than all its values: the type row is cut first. */
const TYPE_WIDTH_MAX = 30;
/** No column is made narrower than this to make room for others. DuckDB: 20. */
const COLUMN_WIDTH_MIN = 12;
/** Border, and a blank on each side. */
const FRAME_WIDTH = 3;

/** Narrows wide columns, and leaves out the middle ones when that is not enough. */
function fitColumns(columns: readonly BoxColumn[], width: number): BoxColumn[] {
  const least = (column: BoxColumn) => Math.min(column.width, COLUMN_WIDTH_MIN);
  const leastWidth = (kept: readonly BoxColumn[]) =>
    kept.reduce((sum, column) => sum + least(column) + FRAME_WIDTH, 1) +
    (kept.length < columns.length ? 1 + FRAME_WIDTH : 0);
  let count = columns.length;
  while (count > 2 && leastWidth(endsOf(columns, count)) > width) count--;
  const kept = endsOf(columns, count);
  const cut = kept.length < columns.length;
  let room = width - kept.length * FRAME_WIDTH - 1 - (cut ? 1 + FRAME_WIDTH : 0);
  const fitted = new Map<BoxColumn, number>();
  const byWidth = [...kept].sort((a, b) => a.width - b.width);
  for (const [position, column] of byWidth.entries()) {
    const share = Math.floor(room / (byWidth.length - position));
    const given = Math.max(1, Math.min(column.width, share));
    fitted.set(column, given);
    room -= given;
  }
  const narrowed = kept.map((column) => ({ ...column, width: fitted.get(column) ?? 1 }));
  if (!cut) return narrowed;
  const gap: BoxColumn = { index: null, name: "…", type: "…", right: false, width: 1 };
  const middle = Math.ceil(count / 2);
  return [...narrowed.slice(0, middle), gap, ...narrowed.slice(middle)];
}

/** So many of the columns, the middle ones left out: the first half of them, and the last. */
function endsOf(columns: readonly BoxColumn[], count: number): readonly BoxColumn[] {
  const left = Math.ceil(count / 2);
  return [...columns.slice(0, left), ...columns.slice(columns.length - (count - left))];
}

function drawLines(
  columns: readonly BoxColumn[],
  rows: readonly (TextRow | null)[],
  style: Style,
): string[] {
  const rule = (left: string, cross: string, right: string) =>
    style.dim(left + columns.map((c) => "─".repeat(c.width + 2)).join(cross) + right);
  const border = style.dim("│");
  const line = (cells: readonly string[]) =>
    border + cells.map((cell) => ` ${cell} `).join(border) + border;
  const lines = [
    rule("┌", "┬", "┐"),
    line(columns.map((c) => centred(style.bold(cutTo(c.name, c.width)), c.width))),
    line(columns.map((c) => centred(style.dim(cutTo(c.type, c.width)), c.width))),
    rule(
      rows.length === 0 ? "└" : "├",
      rows.length === 0 ? "┴" : "┼",
      rows.length === 0 ? "┘" : "┤",
    ),
  ];
  for (const row of rows) {
    lines.push(line(columns.map((column) => cellIn(column, row, style))));
  }
  if (rows.length > 0) lines.push(rule("└", "┴", "┘"));
  return lines;
}

function cellIn(column: BoxColumn, row: TextRow | null, style: Style): string {
  if (row === null) return style.dim(aligned("·", column));
  if (column.index === null) return style.dim("…");
  const text = must(
    row[column.index] === undefined ? "" : (row[column.index] ?? NULL_TEXT),
    "cell",
  );
  const shown = aligned(cutTo(text, column.width), column);
  return row[column.index] === null ? style.dim(shown) : shown;
}

function aligned(text: string, column: BoxColumn): string {
  const blanks = " ".repeat(Math.max(0, column.width - Bun.stringWidth(text)));
  return column.right ? blanks + text : text + blanks;
}

function centred(text: string, width: number): string {
  const blanks = Math.max(0, width - Bun.stringWidth(text));
  const left = Math.floor(blanks / 2);
  return " ".repeat(left) + text + " ".repeat(blanks - left);
}

/** The text in at most `width` terminal columns, ending in `…` when something is missing. */
function cutTo(text: string, width: number): string {
  if (Bun.stringWidth(text) <= width) return text;
  const cut = Bun.sliceAnsi(text, 0, width - 1);
  return `${cut}${" ".repeat(Math.max(0, width - 1 - Bun.stringWidth(cut)))}…`;
}
