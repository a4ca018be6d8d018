/** The text of one CSV record as fields, and fields as the text of a record. */

import { WHOLE_LINE } from "../../../core/ingest/contract.ts";
import type { CsvShape } from "./shape.ts";
import { strayReading } from "./stray.ts";

/** Splits one record as the scanner does: text of each field, null for an unquoted one that is empty or in `nulls`. */
export function splitRecord(
  text: string,
  shape: CsvShape,
  nulls: readonly string[] = [],
): (string | null)[] {
  const fields: (string | null)[] = [];
  for (let at = 0; ; at += shape.delimiter.length) {
    const field = fieldAt(text, at, fields.length === 0, shape, nulls);
    if (field.isBroken === true && shape.strays === true) {
      const stray = strayReading(text, shape, nulls);
      if (stray !== null) return [...stray.fields];
    }
    fields.push(field.value);
    at = field.end;
    if (at < text.length) continue;
    if (shape.fills === true) while (fields.length < shape.columns) fields.push(null);
    return fields;
  }
}

/** Where the fields of a record begin, spaces before them included. */
export function fieldStarts(text: string, shape: CsvShape): number[] {
  const starts: number[] = [];
  for (let at = 0; ; at += shape.delimiter.length) {
    starts.push(at);
    at = fieldAt(text, at, starts.length === 1, shape, []).end;
    if (at >= text.length) return starts;
  }
}

/** Writes a record so that every reader splits it the same way: quotes doubled, nothing escaped. */
export function joinRecord(fields: readonly (string | null)[], shape: CsvShape): string {
  const quote = writtenQuote(shape);
  if (quote === null) return fields.map((field) => field ?? "").join(shape.delimiter);
  const quoted = (field: string) => quote + field.replaceAll(quote, quote + quote) + quote;
  return fields.map((field) => (field === null ? "" : quoted(field))).join(shape.delimiter);
}

/** What quotes the fields of a record that is written anew: what escapes did has to be done by quotes. */
export function writtenQuote({
  quote,
  escapeMark,
}: Pick<CsvShape, "quote" | "escapeMark">): string | null {
  return quote ?? ((escapeMark ?? null) === null ? null : '"');
}

/** A header as it stands, with all of its names in quotes, and with none where no name needs them. */
export function headerSpellings(header: Uint8Array, shape: CsvShape): Uint8Array[] {
  const text = Buffer.from(header).toString();
  const names = splitRecord(text, shape);
  const spellings = new Set([text, joinRecord(names, shape)]);
  const plain = names.map((name) => name ?? "").join(shape.delimiter);
  const isSame = splitRecord(plain, shape).every((name, index) => name === names[index]);
  if (isSame) spellings.add(plain);
  return [...spellings].map((spelling) => Buffer.from(spelling));
}

interface Field {
  readonly value: string | null;
  /** Where its delimiter stands, or the end of the record. */
  readonly end: number;
  /** Text stands behind its closing quote, or none does. */
  readonly isBroken?: boolean;
}

function fieldAt(
  text: string,
  start: number,
  isFirst: boolean,
  shape: CsvShape,
  nulls: readonly string[],
): Field {
  const { delimiter, quote, escapeMark = null } = shape;
  let at = start;
  if (shape.padded === true && !isFirst) while (text[at] === " ") at++;
  let open = at;
  if (text[open] === " " && delimiter !== " ") open++;
  if (quote !== null && text[open] === quote) return quotedField(text, open, shape);
  if (escapeMark === null || !text.includes(escapeMark, at)) {
    const end = text.indexOf(delimiter, at);
    const stop = end < 0 ? text.length : end;
    const value = text.slice(at, stop);
    const isNull = (value === "" && delimiter !== WHOLE_LINE) || nulls.includes(value);
    return { value: isNull ? null : value, end: stop };
  }
  let value = "";
  let end = at;
  for (; end < text.length && !text.startsWith(delimiter, end); end++) {
    if (text[end] === escapeMark && isEscapable(text[end + 1], shape)) end++;
    value += text[end] ?? "";
  }
  const raw = text.slice(at, end);
  const isNull = raw === "" || raw === `${escapeMark}N` || nulls.includes(raw);
  return { value: isNull ? null : value, end: Math.min(end, text.length) };
}

/** A closing quote that is missing stands at the end. */
function quotedField(text: string, open: number, shape: CsvShape): Field {
  const { delimiter, quote, escapeMark = null } = shape;
  let value = "";
  let at = open + 1;
  for (let start = at; ; at++) {
    const char = text[at];
    const isEscape = escapeMark !== null && char === escapeMark && isEscapable(text[at + 1], shape);
    if (isEscape || (char === quote && text[at + 1] === quote)) {
      value += text.slice(start, at);
      start = ++at;
    } else if (char === quote || char === undefined) {
      value += text.slice(start, at);
      break;
    }
  }
  const end = text.indexOf(delimiter, at + 1);
  const behind = text.slice(at + 1, end < 0 ? text.length : end);
  const isBroken = at >= text.length || (behind !== "" && behind.trim() !== "");
  return { value, end: end < 0 ? text.length : end, isBroken };
}

function isEscapable(
  char: string | undefined,
  { delimiter, quote, escapeMark }: CsvShape,
): boolean {
  if (char === undefined) return false;
  return char === quote || char === escapeMark || delimiter.startsWith(char) || /[\r\n]/.test(char);
}
