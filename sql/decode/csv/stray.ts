/** Records in which one quote is none: read in the one way that makes them as wide as the header, or not at all. */

import type { CsvShape } from "./shape.ts";

export interface StrayReading {
  readonly fields: readonly (string | null)[];
  /** The field begins with the quote and does not end with one: it might go on behind the line. */
  readonly isLone: boolean;
}

interface Field {
  readonly value: string | null;
  /** Where its delimiter stands, or the end of the record. */
  readonly end: number;
}

/** In longer records nobody looks for one. */
const RECORD_CHARS_MAX = 100_000;
/** Fields that may be the one. */
const TRIED_MAX = 200;
const SPACE = " ";
const BACKSLASH = "\\";

/**
 * The fields of a record that does not parse, where a single field of it explains that and in a single way: it begins
 * with a quote and does not end with one (`5,"x,7`), or it is quoted and holds quotes that are not doubled, none of
 * them beside a delimiter (`5,"a 7" pipe",7`). Each other field is as it should be. Null: nobody can tell.
 */
export function strayReading(
  text: string,
  shape: CsvShape,
  nulls: readonly string[] = [],
): StrayReading | null {
  const { quote, columns, escapeMark = null, padded = false, delimiter } = shape;
  const isPlain = quote !== null && quote !== delimiter && escapeMark === null && !padded;
  if (!isPlain || columns < 2 || text.length > RECORD_CHARS_MAX) return null;
  // Where backslashes escape quotes, they are no part of the text: tarn.yaml says so.
  if (text.includes(BACKSLASH + quote) || isParsed(text, shape)) return null;
  const found = new Map<string, StrayReading>();
  const before: (string | null)[] = [];
  for (let at = 0, tried = 0; at <= text.length; ) {
    const start = quoteAt(text, at, shape);
    if (start >= 0) {
      if (++tried > TRIED_MAX) return null;
      for (const { field, isLone, isTold } of strays(text, at, start, quote, delimiter)) {
        const rest = fieldsFrom(text, field.end, columns - before.length - 1, shape, nulls);
        if (rest === null) continue;
        // It may be that, and it may be another.
        if (!isTold) return null;
        const fields = [...before, field.value, ...rest];
        found.set(JSON.stringify(fields), { fields, isLone });
      }
    }
    const field = fieldAt(text, at, shape, nulls);
    if (field === null) break;
    before.push(field.value);
    if (field.end >= text.length || before.length >= columns) break;
    at = field.end + delimiter.length;
  }
  const [only, ...others] = found.values();
  return only === undefined || others.length > 0 ? null : only;
}

/** Whether a line is a record of its own, as wide as the header. */
export function isWholeRecord(text: string, shape: CsvShape): boolean {
  return fieldsFrom(text, -shape.delimiter.length, shape.columns, shape, []) !== null;
}

/** Whether each field of a record is as it should be. */
function isParsed(text: string, shape: CsvShape): boolean {
  for (let at = 0; ; at += shape.delimiter.length) {
    const field = fieldAt(text, at, shape, []);
    if (field === null) return false;
    at = field.end;
    if (at >= text.length) return true;
  }
}

/** What a field that begins with a quote may be when it is not as it should be. */
function* strays(text: string, at: number, start: number, quote: string, delimiter: string) {
  const next = text.indexOf(delimiter, at);
  const end = next < 0 ? text.length : next;
  const lone = text.slice(at, end);
  if (!lone.trimEnd().endsWith(quote) || lone.trim() === quote) {
    yield { field: { value: lone, end }, isLone: true, isTold: true };
  }
  for (const close of closings(text, start + 1, quote, delimiter)) {
    const inner = text.slice(start + 1, close);
    if (!inner.replaceAll(quote + quote, "").includes(quote)) continue;
    const isBeside = inner.includes(delimiter + quote) || inner.includes(quote + delimiter);
    // Doubled quotes beside single ones: which is which?
    const isTold = !isBeside && !inner.includes(quote + quote);
    yield { field: { value: inner, end: close + quote.length }, isLone: false, isTold };
  }
}

/** Quotes that a delimiter or the end stands behind. */
function* closings(text: string, from: number, quote: string, delimiter: string) {
  for (let at = text.indexOf(quote, from); at >= 0; at = text.indexOf(quote, at + 1)) {
    if (at + 1 >= text.length || text.startsWith(delimiter, at + 1)) yield at;
  }
}

/** So many fields as they should be, to the end of the record; null where it is not so. */
function fieldsFrom(
  text: string,
  end: number,
  count: number,
  shape: CsvShape,
  nulls: readonly string[],
): (string | null)[] | null {
  const fields: (string | null)[] = [];
  for (let at = end; at < text.length; ) {
    if (fields.length >= count) return null;
    const field = fieldAt(text, at + shape.delimiter.length, shape, nulls);
    if (field === null) return null;
    fields.push(field.value);
    at = field.end;
  }
  return fields.length === count ? fields : null;
}

/** One field by the rules of the scanner: a space before a quote, and those behind it, are no part of it. */
function fieldAt(
  text: string,
  at: number,
  shape: CsvShape,
  nulls: readonly string[],
): Field | null {
  const { delimiter, quote } = shape;
  const start = quoteAt(text, at, shape);
  if (start < 0 || quote === null) {
    const next = text.indexOf(delimiter, at);
    const end = next < 0 ? text.length : next;
    const value = text.slice(at, end);
    return { value: value === "" || nulls.includes(value) ? null : value, end };
  }
  let value = "";
  for (let from = start + 1; ; ) {
    const close = text.indexOf(quote, from);
    if (close < 0) return null;
    value += text.slice(from, close);
    if (text[close + 1] === quote) {
      value += quote;
      from = close + 2;
      continue;
    }
    let end = close + 1;
    while (text[end] === SPACE && delimiter !== SPACE) end++;
    return end >= text.length || text.startsWith(delimiter, end) ? { value, end } : null;
  }
}

/** Where the quote stands that a field begins with; -1: with none. */
function quoteAt(text: string, at: number, { quote, delimiter }: CsvShape): number {
  const start = text[at] === SPACE && delimiter !== SPACE ? at + 1 : at;
  return quote !== null && text[start] === quote ? start : -1;
}
