/** The beginning of a CSV file as records, to find out how it is written. */

import { fieldStarts, splitRecord } from "./record-text.ts";
import type { CsvShape } from "./shape.ts";

export interface SampleRow {
  readonly text: string;
  readonly fields: readonly (string | null)[];
  /** Lines of the file above it. */
  readonly line: number;
  /** Lines that it spans. */
  readonly lines: number;
  /** A blank line stands above it. */
  readonly isApart: boolean;
}

export type SampleShape = Omit<CsvShape, "columns">;

const SAMPLE_RECORDS_MAX = 200;

/**
 * Records of the sample; quoted line ends are respected, blank lines and comments left out. The last one may be cut and
 * is left out too where the text is not `whole`. `firstLine` is what the text's first line is of the file, from 0.
 */
export function sampleRows(
  text: string,
  whole: boolean,
  shape: SampleShape,
  firstLine: number,
): SampleRow[] {
  const rows: SampleRow[] = [];
  let at = 0;
  let line = firstLine;
  let isApart = false;
  while (at < text.length && rows.length < SAMPLE_RECORDS_MAX) {
    const end = recordEnd(text, at, shape);
    if (end >= text.length && !whole && rows.length > 0) break;
    const record = text.slice(at, end);
    const isComment = shape.comment != null && record.startsWith(shape.comment);
    const lines = 1 + lineEnds(record);
    if (record.trim() === "") isApart = true;
    else if (!isComment) {
      const fields = splitRecord(record, { ...shape, columns: 0 });
      rows.push({ text: record, fields, line, lines, isApart });
      isApart = false;
    }
    line += lines;
    at = end + (text[end] === "\r" && text[end + 1] === "\n" ? 2 : 1);
  }
  return rows;
}

/** Where the line of this number begins, from 0; behind the text when it has fewer. */
export function lineStart(bytes: Uint8Array, line: number): number {
  let at = 0;
  for (let left = line; left > 0 && at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === LF || (byte === CR && bytes[at + 1] !== LF)) left--;
  }
  return at;
}

const LF = 10;
const CR = 13;

/** Whether a space, or more, stands behind every delimiter of these rows; false where there is none to tell by. */
export function isPadded(rows: readonly SampleRow[], shape: SampleShape): boolean {
  let padded = 0;
  for (const { text, fields } of rows) {
    const starts = fieldStarts(text, { ...shape, columns: 0 });
    for (let index = 1; index < fields.length; index++) {
      const isEmpty = fields[index] === null;
      if (text[starts[index] ?? 0] === " ") padded++;
      else if (!isEmpty) return false;
    }
  }
  return padded > 0;
}

/** Where the record that begins at `start` ends; a quote without an end is read as text. */
function recordEnd(text: string, start: number, shape: SampleShape): number {
  const { delimiter, quote } = shape;
  const escapeMark = shape.escapeMark ?? null;
  if (shape.comment != null && text.startsWith(shape.comment, start)) return lineEnd(text, start);
  let fieldStart = true;
  let at = start;
  while (at < text.length) {
    const char = text[at];
    if (char === "\n" || char === "\r") return at;
    if (escapeMark !== null && char === escapeMark) {
      fieldStart = false;
      at += 2;
      continue;
    }
    if (fieldStart && quote !== null && char === quote) {
      const close = closingQuote(text, at + 1, quote, escapeMark);
      if (close >= 0) at = close;
    }
    fieldStart = text.startsWith(delimiter, at) || (fieldStart && char === " ");
    at += 1;
  }
  return Math.min(at, text.length);
}

function lineEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\n" || text[at] === "\r") return at;
  }
  return text.length;
}

function closingQuote(
  text: string,
  from: number,
  quote: string,
  escapeMark: string | null,
): number {
  for (let at = from; at < text.length; at++) {
    if (escapeMark !== null && text[at] === escapeMark) at++;
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at;
      at++;
    }
  }
  return -1;
}

function lineEnds(text: string): number {
  return text.match(/\r\n|\n|\r/g)?.length ?? 0;
}
