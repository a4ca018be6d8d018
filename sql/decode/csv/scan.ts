/** Where the records of a CSV file begin and end, found independently of DuckDB, byte by byte. */

import { isUtf8 } from "node:buffer";
import { counted } from "../../../core/base/quantity.ts";
import { ByteWindow } from "../byte-window.ts";
import { isUnitsRow } from "./header.ts";
import { headerSpellings, splitRecord } from "./record-text.ts";
import type { CsvShape } from "./shape.ts";
import { isWholeRecord, strayReading } from "./stray.ts";

export type RecordFault = "fields" | "parse" | "encoding" | "limit" | "header" | "units";

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
  /** Nothing on the line, in a file of several columns, or a comment: not a row. */
  readonly blank: boolean;
  readonly isComment: boolean;
  /** It is the header, at its place. */
  readonly isHeader: boolean;
  /** A quote of it was read as a character, or fields missing at its end as empty. */
  readonly mended: "stray" | "short" | null;
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
  isComment = false;
  isHeader = false;
  mended: "stray" | "short" | null = null;
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
  #escape: number;
  #comment: Uint8Array | null;
  #padded: boolean;
  #columns: number;
  #closing: number;
  readonly #shape: CsvShape;
  /** The bytes of the header, in each way that it is written, once it was read. */
  #headers: readonly Uint8Array[] = [];
  #headerLeft: boolean;
  /** The record before was a header. */
  #isBelowHeader = false;

  constructor(shape: CsvShape) {
    this.#shape = shape;
    this.#delimiter = new TextEncoder().encode(shape.delimiter);
    this.#first = this.#delimiter[0] ?? 0;
    this.#quote = shape.quote === null ? -1 : shape.quote.charCodeAt(0);
    this.#escape = shape.escapeMark == null ? -1 : shape.escapeMark.charCodeAt(0);
    this.#comment = shape.comment == null ? null : new TextEncoder().encode(shape.comment);
    this.#padded = shape.padded === true;
    this.#columns = shape.columns;
    this.#closing = shape.closing ?? 0;
    this.#headerLeft = shape.hasHeader === true;
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
    this.isComment = false;
    this.isHeader = false;
    this.mended = null;
    this.#linesInside = 0;
    this.#at = start;
    this.#filled = 0;
    if (this.#comment !== null && end - start < this.#comment.length && !atEnd) return false;
    if (this.#isComment()) return this.#passComment(end, atEnd);
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
    this.#judgeHeader();
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
    if (!this.blank) this.#isBelowHeader = this.isHeader || this.fault === "header";
    if (!this.isHeader) return;
    this.#headerLeft = false;
    this.#headers = headerSpellings(this.bytes.subarray(this.start, this.end), this.#shape);
  }

  #field(end: number, atEnd: boolean): "next" | "last" | "more" | "broken" {
    const bytes = this.bytes;
    let at = this.#at;
    if (this.#padded && this.fields > 0) {
      while (at < end && bytes[at] === SPACE) at++;
      if (at > this.#at) this.odd = true;
      this.#at = at;
    }
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
      if (byte !== this.#escape) continue;
      if (at + 1 >= end && !atEnd) return "more";
      at += this.#escaped(at, end);
    }
    if (at >= end && !atEnd) return "more";
    this.#at = Math.min(at, end);
    return "last";
  }

  /** Bytes behind an escapeMark that it makes a character of the text. */
  #escaped(at: number, end: number): number {
    this.odd = true;
    const next = at + 1 < end ? this.bytes[at + 1] : undefined;
    if (next === LF) this.#linesInside++;
    const isTaken =
      next === this.#quote ||
      next === this.#escape ||
      next === this.#first ||
      next === LF ||
      next === CR;
    return next !== undefined && isTaken ? 1 : 0;
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
      if (byte === this.#escape) {
        if (at + 1 >= end && !atEnd) return "more";
        at += this.#escaped(at, end);
        continue;
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
    if (this.#shape.strays === true && this.#linesInside === 0 && this.#brokenAt < at) {
      const isRead = this.#readStray(at, end, atEnd);
      if (isRead === null) return false;
      if (isRead) {
        this.#at = at;
        return this.#takeLineEnd(end, atEnd);
      }
    }
    this.isOpen = isLast && atEnd;
    this.#linesInside = 0;
    this.end = at;
    this.#at = at;
    this.fault = "parse";
    if (!this.#takeLineEnd(end, atEnd)) return false;
    this.#judgeHeader();
    return true;
  }

  /** The line as a record with one quote that is none; null: what stands behind it has to be seen. */
  #readStray(at: number, end: number, atEnd: boolean): boolean | null {
    const text = this.#textOf(this.start, at);
    const stray = text === null ? null : strayReading(text, this.#shape);
    if (stray === null) return false;
    if (stray.isLone) {
      const next = this.#lineBehind(at, end, atEnd);
      if (next === undefined) return null;
      // It might go on there: only a record of its own says that it does not.
      if (next === null || !this.#isRecord(next)) return false;
    }
    this.end = at;
    this.fields = stray.fields.length;
    this.odd = true;
    this.mended = "stray";
    return true;
  }

  #isRecord(line: string): boolean {
    return isWholeRecord(line, this.#shape) || strayReading(line, this.#shape) !== null;
  }

  /** Null: none, or no text; undefined: its end is not in the window. */
  #lineBehind(at: number, end: number, atEnd: boolean): string | null | undefined {
    let start = at;
    while (start < end && (this.bytes[start] === LF || this.bytes[start] === CR)) start++;
    let stop = start;
    while (stop < end && this.bytes[stop] !== LF && this.bytes[stop] !== CR) stop++;
    if (stop >= end && !atEnd) return end - this.start < RECORD_BYTES_MAX ? undefined : null;
    return stop === start ? null : this.#textOf(start, stop);
  }

  #textOf(start: number, end: number): string | null {
    const bytes = this.bytes.subarray(start + markLength(this.bytes, start, end), end);
    return isUtf8(bytes) ? Buffer.from(bytes).toString() : null;
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
    if (this.fields === 1 && (columns !== 1 || this.#headerLeft) && this.#isBlank()) {
      this.blank = true;
      return;
    }
    if (columns === 0 || this.fields === columns) return;
    // Delimiters that every line ends in close fields; nothing stands behind them.
    if (this.fields === columns + this.#closing && this.#filled <= columns) return;
    if (this.#shape.fills === true && this.fields < columns && !this.#headerLeft) {
      this.odd = true;
      this.mended = "short";
      return;
    }
    this.fault = "fields";
    this.message = `${counted(this.fields, "field")} instead of ${columns}`;
  }

  #judgeHeader(): void {
    if (this.blank) return;
    if (this.#headerLeft) {
      this.isHeader = true;
      return;
    }
    if (this.fault !== null) return;
    const start = this.start + markLength(this.bytes, this.start, this.end);
    for (const header of this.#headers) {
      if (!this.#isAt(header, start)) continue;
      this.fault = "header";
      this.message = "";
      return;
    }
    if (this.#shape.units !== true || !this.#isBelowHeader) return;
    const text = this.#textOf(this.start, this.end);
    if (text === null || !isUnitsRow(splitRecord(text, this.#shape))) return;
    this.fault = "units";
    this.message = "";
  }

  #isAt(header: Uint8Array, start: number): boolean {
    if (this.end - start !== header.length) return false;
    for (let at = 0; at < header.length; at++) {
      if (this.bytes[start + at] !== header[at]) return false;
    }
    return true;
  }

  #isComment(): boolean {
    return this.#comment?.every((byte, index) => this.bytes[this.start + index] === byte) ?? false;
  }

  #passComment(end: number, atEnd: boolean): boolean {
    let at = this.start;
    while (at < end && this.bytes[at] !== LF && this.bytes[at] !== CR) at++;
    if (at >= end && !atEnd) return false;
    this.end = at;
    this.#at = at;
    this.blank = true;
    this.isComment = true;
    return this.#takeLineEnd(end, atEnd);
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
  window.start = markLength(window.bytes, 0, window.end);
}

/** Bytes of a byte order mark, which files that were put together have in their middle too. */
function markLength(bytes: Uint8Array, at: number, end: number): number {
  const isMark = end - at >= 3 && bytes[at] === 0xef && bytes[at + 1] === 0xbb;
  return isMark && bytes[at + 2] === 0xbf ? 3 : 0;
}
