/** Comma- and tab-separated output: RFC 4180 with `\n`, NULL empty, the empty text in quotes. */

import type { Cell, Chunk, ResultColumn } from "../../sql/query/result.ts";
import { cellText } from "./text.ts";

/** The header line. */
export function csvHeader(columns: readonly ResultColumn[], delimiter: string): string {
  const odd = oddField(delimiter);
  return `${columns.map((column) => field(column.name, odd)).join(delimiter)}\n`;
}

/** A function that writes the rows of a chunk. */
export function csvRows(
  columns: readonly ResultColumn[],
  delimiter: string,
  timezone: string,
): (chunk: Chunk) => string {
  const odd = oddField(delimiter);
  const writers = columns.map(({ type }) => {
    const text = cellText(type, timezone);
    if (NEVER_ODD.has(type.kind)) return (cell: Cell) => text(cell) ?? "";
    return (cell: Cell) => {
      const written = text(cell);
      return written === null ? "" : field(written, odd);
    };
  });
  return (chunk) => {
    const texts = chunk.columns.map((cells, index) => cells.map(writers[index] ?? String));
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

/** Kinds whose text has no delimiter, quote, blank at an end or line end in it. */
const NEVER_ODD: ReadonlySet<string> = new Set([
  "boolean",
  "integer",
  "bignum",
  "decimal",
  "float",
  "double",
  "date",
  "time",
  "timetz",
  "timestamp",
  "uuid",
]);

/** What must stand in quotes: also the empty text, which would be NULL, and blanks that readers trim. */
function oddField(delimiter: string): RegExp {
  return new RegExp(`["\\r\\n${delimiter}]|^ | $|^$`);
}

function field(text: string, odd: RegExp): string {
  return odd.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
