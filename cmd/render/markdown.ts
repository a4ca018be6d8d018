/** Markdown tables, and one field a line, for results that people paste or read downwards. */

import type { Chunk, ResultColumn } from "../../sql/query/result.ts";
import { cellText, isNumeric } from "../format/text.ts";
import { printable } from "./style.ts";

/** The two lines above the rows; numbers are set right. */
export function markdownHeader(columns: readonly ResultColumn[]): string {
  const names = columns.map((column) => ` ${markdownCell(column.name)} |`);
  const rules = columns.map((column) => (isNumeric(column.type) ? "---:|" : "---|"));
  return `|${names.join("")}\n|${rules.join("")}\n`;
}

/** A function that writes the rows of a chunk. */
export function markdownRows(
  columns: readonly ResultColumn[],
  timezone: string,
): (chunk: Chunk) => string {
  const writers = columns.map((column) => cellText(column.type, timezone));
  return (chunk) => {
    let lines = "";
    for (let row = 0; row < chunk.rowCount; row++) {
      const cells = writers.map((write, index) => {
        const text = write(chunk.columns[index]?.[row] ?? null);
        return ` ${text === null ? "NULL" : markdownCell(text)} |`;
      });
      lines += `|${cells.join("")}\n`;
    }
    return lines;
  };
}

/** A function that writes each row as `name = value` lines, with an empty line between rows. */
export function lineRows(
  columns: readonly ResultColumn[],
  timezone: string,
): (chunk: Chunk, isFirst: boolean) => string {
  const writers = columns.map((column) => cellText(column.type, timezone));
  const names = columns.map((column) => printable(column.name));
  const width = Math.max(0, ...names.map((name) => Bun.stringWidth(name)));
  const labels = names.map((name) => " ".repeat(width - Bun.stringWidth(name)) + name);
  return (chunk, isFirst) => {
    let lines = "";
    for (let row = 0; row < chunk.rowCount; row++) {
      if (row > 0 || !isFirst) lines += "\n";
      for (const [index, write] of writers.entries()) {
        const text = write(chunk.columns[index]?.[row] ?? null);
        lines += `${labels[index]} = ${text === null ? "NULL" : printable(text)}\n`;
      }
    }
    return lines;
  };
}

function markdownCell(text: string): string {
  const lines = text.replaceAll("|", "\\|").split(/\r\n|\r|\n/);
  return lines.map(printable).join("<br>");
}
