/** Where the records of a CSV file begin and end, found independently of DuckDB, byte by byte. */

import { isUtf8 } from "node:buffer";
import { counted } from "../../../core/base/count.ts";
import { ByteWindow } from "../byte-window.ts";

export interface CsvShape {
  readonly delimiter: string;
  /** Null: no quoting at all. */
  readonly quote: string | null;
  /** Fields of a good record; 0: any number. */
  readonly columns: number;
}

export type RecordFault = "fields" | "parse" | "encoding" | "limit";

/** One record in place; the scanner's own object, changed by the next record. */
export interface CsvRecord {
  readonly bytes: Uint8Array;
  readonly start: number;
  /** Without the line end. */
  readonly end: number;
  /** 1-based line of the file that the record begins at. */
  readonly line: number;
  readonly fields: number;
  readonly fault: RecordFault | null;
  readonly message: string;
  /** DuckDB might read it another way unless it is written anew: a space before a quote, odd line ends. */
  readonly odd: boolean;
  /** Its quote is open to the last line of the file: with more behind that it may be whole. */
  readonly isOpen: boolean;
  /** Nothing on the line, in a file of several columns: not a row. */
  readonly blank: boolean;
}

export interface CsvTotals {
  /** Line ends of more than one kind, or lone carriage returns: DuckDB refuses these. */
  readonly mixedLineEnds: boolean;
  readonly longestBytes: number;
}

const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;
/** A quoted field that is longer has lost its closing quote. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Times that a quote may be found to have no end before quotes must end on their line. */
const RECOVERIES_MAX = 64;

/**
 * Calls `onRecord` for every record in order until it returns false; a faulty one that spans lines ends at its first
 * line.
 */
export function scanCsv(
  path: string,
  shape: CsvShape,
  onRecord: (record: CsvRecord) => unknown,
): CsvTotals {
  using window = new ByteWindow(path);
  const scanner = new CsvScanner(shape);
  window.fill();
  skipMark(window);
  let validTo = validUntil(window);
  for (;;) {
    if (window.start >= window.end && window.atEnd) break;
    const whole =
      window.start < window.end &&
      scanner.next(window.bytes, window.start, window.end, window.atEnd);
    if (!whole) {
      window.fill();
      validTo = validUntil(window);
      continue;
    }
    if (scanner.nextStart > validTo) scanner.checkEncoding();
    const goOn = onRecord(scanner);
    scanner.advance();
    if (goOn === false) break;
    window.start = scanner.nextStart;
  }
  return { mixedLineEnds: scanner.mixedLineEnds, longestBytes: scanner.longestBytes };
}

/** Splits one record as the scanner does: text of each field, null for an unquoted one that is empty or in `nulls`. */
export function splitRecord(
  text: string,
  shape: CsvShape,
  nulls: readonly string[] = [],
): (string | null)[] {
  const fields: (string | null)[] = [];
  const quote = shape.quote;
  let at = 0;
  for (;;) {
    let open = at;
    if (text[open] === " " && shape.delimiter !== " ") open++;
    let value: string | null;
    if (quote !== null && text[open] === quote) {
      let close = open + 1;
      value = "";
      for (;;) {
        const found = text.indexOf(quote, close);
        const end = found < 0 ? text.length : found;
        value += text.slice(close, end);
        close = end + 1;
        if (text[close] !== quote) break;
        value += quote;
        close++;
      }
      at = text.indexOf(shape.delimiter, close);
      if (at < 0) at = text.length;
    } else {
      const end = text.indexOf(shape.delimiter, at);
      const stop = end < 0 ? text.length : end;
      value = stop === at ? null : text.slice(at, stop);
      if (value !== null && nulls.includes(value)) value = null;
      at = stop;
    }
    fields.push(value);
    if (at >= text.length) return fields;
    at += shape.delimiter.length;
  }
}

/** Writes a record so that every reader splits it the same way. */
export function joinRecord(fields: readonly (string | null)[], shape: CsvShape): string {
  const quote = shape.quote;
  if (quote === null) return fields.map((field) => field ?? "").join(shape.delimiter);
  const quoted = (field: string) => quote + field.replaceAll(quote, quote + quote) + quote;
  return fields.map((field) => (field === null ? "" : quoted(field))).join(shape.delimiter);
}

class CsvScanner implements CsvRecord {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  line = 1;
  fields = 0;
  fault: RecordFault | null = null;
  message = "";
  odd = false;
  isOpen = false;
  blank = false;
  nextStart = 0;
  mixedLineEnds = false;
  longestBytes = 0;
  #lineEnds = "";
  #linesInside = 0;
  #brokenAt = 0;
  #filled = 0;
  #recoveries = 0;
  #at = 0;
  #delimiter: Uint8Array;
  #first: number;
  #quote: number;
  #columns: number;

  constructor(shape: CsvShape) {
    this.#delimiter = new TextEncoder().encode(shape.delimiter);
    this.#first = this.#delimiter[0] ?? 0;
    this.#quote = shape.quote === null ? -1 : shape.quote.charCodeAt(0);
    this.#columns = shape.columns;
  }

  /** Finds the record at `start`; false when its end may lie behind `end`. */
  next(bytes: Uint8Array, start: number, end: number, atEnd: boolean): boolean {
    this.bytes = bytes;
    this.start = start;
    this.fields = 0;
    this.fault = null;
    this.isOpen = false;
    this.odd = false;
    this.blank = false;
    this.#linesInside = 0;
    this.#at = start;
    this.#filled = 0;
    for (;;) {
      const fieldStart = this.#at;
      const state = this.#field(end, atEnd);
      if (state === "more") return false;
      if (state === "broken") return this.#giveUp(end, atEnd);
      this.fields++;
      const fieldEnd = state === "last" ? this.#at : this.#at - this.#delimiter.length;
      if (!this.#isNothing(fieldStart, fieldEnd)) this.#filled = this.fields;
      if (state === "last") break;
    }
    this.end = this.#at;
    if (!this.#takeLineEnd(end, atEnd)) return false;
    this.#judge();
    return true;
  }

  checkEncoding(): void {
    if (this.fault !== null || isUtf8(this.bytes.subarray(this.start, this.end))) return;
    this.fault = "encoding";
    this.message = "bytes that are not UTF-8";
    this.blank = false;
  }

  /** Steps over the record that was just handed out. */
  advance(): void {
    this.longestBytes = Math.max(this.longestBytes, this.nextStart - this.start);
    this.line += 1 + this.#linesInside;
  }

  #field(end: number, atEnd: boolean): "next" | "last" | "more" | "broken" {
    const bytes = this.bytes;
    let at = this.#at;
    if (this.#quote >= 0) {
      // DuckDB passes over one space before a quote; behind two, a quote is text.
      if (at < end && bytes[at] === SPACE && this.#first !== SPACE) at++;
      if (at >= end && !atEnd) return "more";
      if (at < end && bytes[at] === this.#quote) {
        if (at > this.#at) this.odd = true;
        return this.#quoted(at + 1, end, atEnd);
      }
      at = this.#at;
    }
    const first = this.#first;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === first && this.#isDelimiter(at, end)) return this.#closeField(at);
      if (byte === LF || byte === CR) break;
    }
    if (at >= end && !atEnd) return "more";
    this.#at = at;
    return "last";
  }

  #quoted(open: number, end: number, atEnd: boolean): "next" | "last" | "more" | "broken" {
    const bytes = this.bytes;
    const quote = this.#quote;
    for (let at = open; at < end; at++) {
      const byte = bytes[at];
      if (byte === LF) {
        this.#linesInside++;
        if (this.#recoveries > RECOVERIES_MAX) return this.#broken("a quote without an end", end);
      }
      if (byte !== quote) continue;
      if (at + 1 >= end && !atEnd) return "more";
      if (bytes[at + 1] === quote && at + 1 < end) {
        at++;
        continue;
      }
      return this.#afterQuote(at + 1, end, atEnd);
    }
    if (!atEnd && end - this.start < RECORD_BYTES_MAX) return "more";
    return this.#broken("a quote without an end", end);
  }

  #afterQuote(from: number, end: number, atEnd: boolean): "next" | "last" | "more" | "broken" {
    const bytes = this.bytes;
    let at = from;
    while (at < end && bytes[at] === SPACE && this.#first !== SPACE) at++;
    if (at > from) this.odd = true;
    if (at >= end && !atEnd) return "more";
    this.#at = at;
    if (at >= end || bytes[at] === LF || bytes[at] === CR) return "last";
    if (bytes[at] === this.#first && this.#isDelimiter(at, end)) return this.#closeField(at);
    return this.#broken("text after a closing quote", at);
  }

  #closeField(at: number): "next" {
    this.#at = at + this.#delimiter.length;
    return "next";
  }

  #isDelimiter(at: number, end: number): boolean {
    const delimiter = this.#delimiter;
    if (delimiter.length === 1) return true;
    if (at + delimiter.length > end) return false;
    for (let i = 1; i < delimiter.length; i++)
      if (this.bytes[at + i] !== delimiter[i]) return false;
    return true;
  }

  #broken(message: string, at: number): "broken" {
    this.message = message;
    this.#brokenAt = at;
    return "broken";
  }

  /** The first line alone is bad; what follows it is read as if the quote had not been. */
  #giveUp(end: number, atEnd: boolean): boolean {
    let at = this.start;
    while (at < end && this.bytes[at] !== LF && this.bytes[at] !== CR) at++;
    if (at >= end && !atEnd) return false;
    if (this.#linesInside > 0) this.#recoveries++;
    const next = this.bytes.indexOf(LF, this.#brokenAt);
    const isLast = next < 0 || next >= end;
    if (isLast && !atEnd && end - this.start < RECORD_BYTES_MAX) return false;
    this.isOpen = isLast && atEnd;
    this.#linesInside = 0;
    this.end = at;
    this.#at = at;
    this.fault = "parse";
    return this.#takeLineEnd(end, atEnd);
  }

  #takeLineEnd(end: number, atEnd: boolean): boolean {
    const at = this.#at;
    if (at >= end) {
      this.nextStart = end;
      return true;
    }
    if (this.bytes[at] === LF) return this.#lineEnd(at + 1, "\n");
    if (at + 1 >= end && !atEnd) return false;
    if (at + 1 < end && this.bytes[at + 1] === LF) return this.#lineEnd(at + 2, "\r\n");
    return this.#lineEnd(at + 1, "\r");
  }

  #lineEnd(next: number, kind: string): true {
    this.nextStart = next;
    if (this.#lineEnds === "") this.#lineEnds = kind;
    if (this.#lineEnds !== kind || kind === "\r") this.mixedLineEnds = true;
    return true;
  }

  /** No bytes, or zero bytes only, which DuckDB passes over where no column is. */
  #isNothing(start: number, end: number): boolean {
    for (let at = start; at < end; at++) if (this.bytes[at] !== 0) return false;
    return true;
  }

  #judge(): void {
    const columns = this.#columns;
    if (this.fields === 1 && columns !== 1 && this.#isBlank()) {
      this.blank = true;
      return;
    }
    if (columns === 0 || this.fields === columns) return;
    // Delimiters at the end of the line close fields; nothing stands behind them.
    if (this.fields > columns && this.#filled <= columns) return;
    this.fault = "fields";
    this.message = `${counted(this.fields, "field")} instead of ${columns}`;
  }

  #isBlank(): boolean {
    for (let at = this.start; at < this.end; at++) {
      if (this.bytes[at] !== SPACE && this.bytes[at] !== TAB) return false;
    }
    return true;
  }
}

/** Offset up to which the window is known to be UTF-8: the last line end, when all before it is. */
function validUntil(window: ByteWindow): number {
  let last = window.end;
  if (!window.atEnd) {
    last = window.bytes.lastIndexOf(LF, window.end - 1) + 1;
    if (last <= window.start) return -1;
  }
  return isUtf8(window.bytes.subarray(window.start, last)) ? last : -1;
}

function skipMark(window: ByteWindow): void {
  const { bytes, end } = window;
  if (end >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) window.start = 3;
}
