/** A CSV text made ready to read: its dialect, its header, and its records from the table's first on. */

import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import type { Dialect } from "../../../core/engine.ts";
import { type ReadOptions, WHOLE_LINE } from "../../../core/ingest/contract.ts";
import { copyRange, markBytes } from "../encoding.ts";
import {
  columnNames,
  dialectOf,
  HEAD_BYTES,
  NO_TEXT,
  NOTHING_BEFORE,
  type Prepared,
  type PrepareOptions,
  readHead,
  sizes,
  type TextBase,
  type TextHow,
  UNKNOWN_LINES,
} from "../prepared.ts";
import { Unreadable } from "../unreadable.ts";
import { isClearCsv } from "./clear.ts";
import { joinRecord } from "./record-text.ts";
import { lineStart } from "./sample.ts";
import type { CsvShape } from "./shape.ts";
import {
  type CsvGuess,
  firstRecord,
  positionalNames,
  type Sniffed,
  sniffCsv,
  trimmedNames,
} from "./sniff.ts";

const HEAD_LONG_BYTES = 16 * 1024 * 1024;
const LF = 10;
const CR = 13;
/** Tab, both line ends, space. */
const BLANKS: ReadonlySet<number> = new Set([9, LF, CR, 32]);

/** `known` skips finding out. Throws Unreadable where nobody can tell how the file is to be read. */
export function prepareCsv(
  base: TextBase,
  known: Dialect | null,
  options: PrepareOptions,
  how: TextHow,
): Prepared {
  if (options.read.delimiter === WHOLE_LINE && statSync(base.path).size > 0) {
    return wholeLines(base, options, how);
  }
  const written = known ?? base.file.writtenAs ?? null;
  const guessed =
    written === null || written.delimiter === null ? null : guessOf(written, written.delimiter);
  const told = guessed?.skip ?? toldLines(options.read);
  const from = firstRecordAt(base.path, told);
  if (from === null) return blankCsv(base, how);
  const head = wholeHead(base.path, from.byte);
  const text = new TextDecoder().decode(head);
  const isWhole = head.length < HEAD_BYTES;
  const sniffed =
    guessed === null
      ? sniffCsv({ text, isWhole, line: from.line }, givenOf(options.read), options.known)
      : { guess: guessed, first: firstRecord(text, isWhole, guessed), doubt: null };
  if (sniffed.doubt !== null) throw new Unreadable("unreadable", sniffed.doubt);
  return described(base, options, how, from, head, sniffed, written);
}

/** Lines that are each a field as they are: none is blank, and nothing is to be found out. */
function wholeLines(base: TextBase, options: PrepareOptions, how: TextHow): Prepared {
  const from = { line: 0, byte: markBytes(readHead(base.path, 3)) };
  const guess = {
    ...{ delimiter: WHOLE_LINE, quote: null, escapeMark: null, comment: null },
    ...{ padded: false, closing: 0, mended: null, header: false, skip: 0, units: false },
  };
  const first = { text: "", fields: [""], line: 0, lines: 1, isApart: false };
  const head = wholeHead(base.path, from.byte);
  return described(base, options, how, from, head, { guess, first, doubt: null });
}

/** How the records of a file are told apart. */
export function csvShape(prepared: Pick<Prepared, "dialect" | "fieldCount" | "header">): CsvShape {
  const { dialect, fieldCount, header } = prepared;
  return {
    delimiter: dialect.delimiter ?? ",",
    quote: dialect.quote,
    escapeMark: dialect.escapeMark,
    comment: dialect.comment,
    padded: dialect.padded,
    closing: dialect.closing,
    columns: fieldCount,
    hasHeader: header !== null,
    strays: dialect.strays === true,
    fills: dialect.fills === true,
    units: dialect.units === true,
  };
}

/** A place in the text: a line, and the byte that it begins at. */
interface Place {
  readonly line: number;
  readonly byte: number;
}

function described(
  base: TextBase,
  options: PrepareOptions,
  how: TextHow,
  from: Place,
  head: Uint8Array,
  { guess: { units, ...guess }, first }: Sniffed,
  written: Dialect | null = null,
): Prepared {
  const { file } = base;
  const fields = first?.fields ?? [];
  const top = from.byte + lineStart(head, guess.skip - from.line);
  const headerBytes = guess.header
    ? lineStart(head.subarray(top - from.byte), first?.lines ?? 1)
    : 0;
  if (guess.header) refuseBytes(head.subarray(top - from.byte).subarray(0, headerBytes), how);
  const header = guess.header ? columnNames(trimmedNames(fields, options.known)) : null;
  const isUnits = units && (written !== null || options.read.unitsRow !== "read");
  const dialect: Dialect = {
    ...dialectOf("csv", how.encoding, how.compression),
    ...guess,
    ...rowRules(options.read, written),
    ...(isUnits ? { units: true } : {}),
  };
  const names = header ?? positionalNames(options.read.names, fields.length);
  const shared = {
    ...NO_TEXT,
    file,
    dialect,
    positions: "line",
    header,
    names,
    fieldCount: fields.length,
  } as const;
  const isTail = how.fromByte > top + headerBytes;
  if (!isTail && guess.skip === 0 && guess.mended === null) {
    const counted = base.plain ? file.newlines : null;
    const whole = { ...shared, path: base.path, ...NOTHING_BEFORE };
    return { ...whole, ...csvSizes(whole, counted) };
  }
  const path = base.temp("table");
  const out = openSync(path, "w");
  try {
    // A header that is not written as the records are stands above them as they are.
    const end = headerEnd(head.subarray(0, top - from.byte + headerBytes));
    if (guess.mended !== null) writeSync(out, `${joinRecord(fields, csvShape(shared))}${end}`);
    const headerLines =
      guess.mended === null ? copyRange(base.path, top, top + headerBytes, out) : 1;
    const start = isTail ? how.fromByte : top + headerBytes;
    const before = isTail ? copyRange(base.path, 0, start, -1) - headerLines : guess.skip;
    copyRange(base.path, start, null, out);
    const rowsBefore = isTail ? before - guess.skip : 0;
    const part = { ...shared, path, linesBefore: before, rowsBefore };
    return { ...part, ...csvSizes(part, null) };
  } finally {
    closeSync(out);
  }
}

function headerEnd(bytes: Uint8Array): string {
  const hasReturn = bytes.at(-1) === CR || bytes.at(-2) === CR;
  return `${hasReturn ? "\r" : ""}${bytes.at(-1) === LF ? "\n" : ""}`;
}

/** What of a dialect is a guess about CSV. */
function guessOf(dialect: Dialect, delimiter: string): CsvGuess {
  const { quote, escapeMark, comment, padded, closing, mended, header, skip } = dialect;
  const how = { delimiter, quote, escapeMark, comment, padded, closing, mended };
  return { ...how, header: header === true, skip, units: dialect.units === true };
}

/** What is done with records that are not as they should be: as it was when the file was first read. */
function rowRules(
  { delimiter, strayQuotes, shortRows }: ReadOptions,
  written: Dialect | null,
): Pick<Dialect, "strays" | "fills"> {
  if (delimiter === WHOLE_LINE) return {};
  const isRead = written === null ? strayQuotes !== "quarantine" : written.strays === true;
  const isFilled = written === null ? shortRows === "fill" : written.fills === true;
  return { ...(isRead ? { strays: true } : {}), ...(isFilled ? { fills: true } : {}) };
}

function toldLines({ headerRow, skip }: ReadOptions): number {
  return headerRow === null ? (skip ?? 0) : headerRow - 1;
}

function givenOf(read: ReadOptions) {
  // A contract of before may not say it.
  const isTop = read.headerRow !== null || (read.skip ?? null) !== null;
  const { delimiter, quote, escapeMark, comment } = read;
  const header = read.headerRow === null ? read.header : true;
  return { delimiter, quote, escapeMark, comment, header, isTop };
}

/** A name of a column is decoded, or the file is not read. */
function refuseBytes(header: Uint8Array, { encoding }: TextHow): void {
  if (isUtf8(header)) return;
  const found = `the header holds bytes that are not ${encoding}`;
  throw new Unreadable(
    "unreadable",
    `${found}: set encoding: latin-1, or the one it is written in`,
  );
}

/** Text without a record: blank lines, or a byte order mark alone. It says nothing of columns, and holds no rows. */
function blankCsv({ file, path }: TextBase, how: TextHow): Prepared {
  const dialect = { ...dialectOf("csv", how.encoding, how.compression), header: false };
  const sizeBytes = statSync(path).size;
  return { ...NO_TEXT, file, dialect, path, sizeBytes, positions: "line" };
}

/** A header may be longer than what is looked at: it must be seen whole. */
function wholeHead(path: string, from: number): Uint8Array {
  const head = readHead(path, HEAD_BYTES, from);
  const isLong = head.length >= HEAD_BYTES && head.indexOf(LF) < 0;
  return isLong ? readHead(path, HEAD_LONG_BYTES, from) : head;
}

/** The first line from `line` on that holds more than spaces; null for a text without any. */
function firstRecordAt(path: string, line: number): Place | null {
  const file = openSync(path, "r");
  try {
    const buffer = new Uint8Array(HEAD_BYTES);
    const mark = markBytes(readHead(path, 3));
    let place: Place = { line: 0, byte: mark };
    let isReturn = false;
    for (let start = mark; ; start += buffer.length) {
      const count = readSync(file, buffer, 0, buffer.length, start);
      if (count === 0) return null;
      for (let at = 0; at < count; at++) {
        const byte = buffer[at] ?? 0;
        if (place.line >= line && !BLANKS.has(byte)) return place;
        // A return and a line feed end one line.
        if (byte === CR || (byte === LF && !isReturn)) {
          place = { line: place.line + 1, byte: start + at + 1 };
        } else if (byte === LF) place = { ...place, byte: start + at + 1 };
        isReturn = byte === CR;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** No count is known where DuckDB might read, and drop, more than the lines show. */
function csvSizes(
  prepared: Omit<Prepared, "sizeBytes" | "lines">,
  newlines: number | null,
): { sizeBytes: number; lines: number } {
  const found = sizes(prepared.path, newlines);
  const shape = csvShape({ ...prepared, ...found });
  return shape.units !== true && isClearCsv(prepared.path, shape)
    ? found
    : { ...found, lines: UNKNOWN_LINES };
}
