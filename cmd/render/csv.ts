/** Comma- and tab-separated output: RFC 4180 with `\n`, NULL empty, the empty text in quotes. */

import type { Chunk, ResultColumn } from "../../sql/result.ts";
import { cellText } from "./text.ts";

/** The header line. */
export function csvHeader(columns: readonly ResultColumn[], delimiter: string): string {
  return `${columns.map((column) => field(column.name, delimiter)).join(delimiter)}\n`;
}

/** A function that writes the rows of a chunk. */
export function csvRows(
  columns: readonly ResultColumn[],
  delimiter: string,
  timezone: string,
): (chunk: Chunk) => string {
  const writers = columns.map((column) => cellText(column.type, timezone));
  return (chunk) => {
    const texts = chunk.columns.map((cells, index) =>
      cells.map((cell) => {
        const text = writers[index]?.(cell) ?? null;
        return text === null ? "" : field(text, delimiter);
      }),
    );
    let lines = "";
    for (let row = 0; row < chunk.rowCount; row++) {
      for (let column = 0; column < texts.length; column++) {
        if (column > 0) lines += delimiter;
        lines += texts[column]?.[row] ?? "";
      }
      // One column of NULL would be an empty line, which readers skip: RFC 4180 leaves it open.
      lines += texts.length === 1 && texts[0]?.[row] === "" ? '""\n' : "\n";
    }
    return lines;
  };
}

function field(text: string, delimiter: string): string {
  const plain = text !== "" && !/["\r\n]/.test(text) && !text.includes(delimiter);
  const spaced = text.startsWith(" ") || text.endsWith(" ");
  return plain && !spaced ? text : `"${text.replaceAll('"', '""')}"`;
}
