/** How far a text of lines is finished: which record may go on when more is written behind it. */

import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { TextEnd } from "../../core/engine.ts";
import { HEAD_BYTES } from "../../core/limits.ts";
import { copyRange } from "./encoding.ts";
import type { FormatReader } from "./format.ts";
import { type Prepared, readHead } from "./prepared.ts";

const LF = 10;
const CR = 13;
const CHUNK_BYTES = 64 * 1024;
const SEARCH_BYTES = 1024 * 1024;
/** Behind a quote that was left open so far back stands no record in the making, but a file with a stray quote. */
const OPEN_BYTES_MAX = 1024 * 1024;

/**
 * `rejected` are the lines of the drop that were set aside, in order; `isUnparsed` where one of them does not parse:
 * only a quote that nothing closes leaves a record open. A last line without an end may be whole or not,
 * whether it landed or was set aside; so may all from a quote on that nothing closes. Null for what has no lines.
 */
export function textEnd(
  prepared: Prepared,
  { eachRecord }: FormatReader,
  rowsIn: number,
  rejected: readonly number[],
  isUnparsed: boolean,
): TextEnd | null {
  const { text, path, dialect } = prepared;
  if (text === null) return null;
  const size = statSync(text.path).size;
  const start = dialect.compression === "none" ? {} : { head: headOf(text.path) };
  const own = { unit: text.unit, ...start };
  const open = size === 0 ? null : openRecord(prepared, eachRecord, rejected, isUnparsed);
  if (open === "no lines") return null;
  if (open === null) {
    return { size, byte: size, line: 0, lines: 0, rows: 0, aside: 0, isQuoted: false, ...own };
  }
  const breaks = lineBreak(dialect.encoding);
  const byte = breaksBack(text.path, breaks, open.lineEnds);
  const line = prepared.linesBefore + copyRange(path, 0, null, -1) - open.lineEnds + 1;
  const aside = rejected.filter((each) => each >= line).length;
  const rows = rowsIn === 0 ? 0 : Math.max(0, open.records - aside);
  const lines = open.lineEnds + 1;
  return { size, byte, line, lines, rows, aside, isQuoted: open.isQuoted, ...own };
}

function headOf(path: string): string {
  const hasher = new Bun.CryptoHasher("sha256");
  return hasher.update(readHead(path, HEAD_BYTES)).digest("hex");
}

/** What may go on, by what stands from its beginning to the end of the text. */
interface Open {
  readonly lineEnds: number;
  readonly records: number;
  readonly isQuoted: boolean;
}

/** Null where all records are whole; of a text whose lines end in `\r` alone it is not known. */
function openRecord(
  prepared: Prepared,
  eachRecord: FormatReader["eachRecord"],
  rejected: readonly number[],
  isUnparsed: boolean,
): Open | null | "no lines" {
  const { path, dialect } = prepared;
  const isEnded = endsWithLine(path);
  const isFaulty = isEnded ? isUnparsed : rejected.length > 0;
  const isSearched = eachRecord !== undefined && isFaulty;
  if (isEnded && !isSearched) return null;
  if (hasReturns(path)) return "no lines";
  return isSearched ? scannedOpen(prepared, eachRecord, isEnded) : lastLine(path, dialect.quote);
}

/** The last record of a text without faults: an even number of quotes stands behind the line end before it. */
function lastLine(path: string, quote: string | null): Open {
  const code = quote === null || quote === "" ? -1 : quote.charCodeAt(0);
  let lineEnds = 0;
  let quotes = 0;
  let isBlank = true;
  for (const byte of backwards(path)) {
    if (byte === LF) {
      if (quotes % 2 === 0) break;
      lineEnds++;
    } else if (byte === code) quotes++;
    if (byte > 32) isBlank = false;
  }
  return { lineEnds, records: isBlank ? 0 : 1, isQuoted: false };
}

/** The same of a text with faults: by all of its records. */
function scannedOpen(
  prepared: Prepared,
  eachRecord: NonNullable<FormatReader["eachRecord"]>,
  isEnded: boolean,
): Open | null {
  const { path } = prepared;
  let records = 0;
  let last = { line: 1, before: 0 };
  let open: typeof last | null = null;
  eachRecord(prepared, ({ line, isOpen }) => {
    last = { line, before: records };
    records++;
    if (isOpen) open ??= last;
  });
  const total = copyRange(path, 0, null, -1);
  const from = (start: typeof last, isQuoted: boolean): Open => ({
    lineEnds: total - (start.line - 1),
    records: records - start.before,
    isQuoted,
  });
  if (open !== null) {
    const found = from(open, true);
    const byte = breaksBack(path, lineBreak("utf-8"), found.lineEnds);
    if (statSync(path).size - byte <= OPEN_BYTES_MAX) return found;
  }
  return isEnded ? null : from(last, false);
}

/** Whether a line ends in `\r` alone; the last byte may be half of a line end. */
function hasReturns(path: string): boolean {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(SEARCH_BYTES);
    for (let start = 0; ; start += buffer.length - 1) {
      const count = readSync(file, buffer, 0, buffer.length, start);
      if (count <= 1) return false;
      const chunk = buffer.subarray(0, count);
      // Each piece begins with the last byte of the one before.
      let at = chunk.indexOf(CR);
      while (at >= 0 && at + 1 < count) {
        if (chunk[at + 1] !== LF) return true;
        at = chunk.indexOf(CR, at + 1);
      }
    }
  } finally {
    closeSync(file);
  }
}

function endsWithLine(path: string): boolean {
  for (const byte of backwards(path)) return byte === LF;
  return true;
}

/** The bytes of a line end. */
function lineBreak(encoding: string): readonly number[] {
  if (encoding === "utf-16le") return [LF, 0];
  return encoding === "utf-16be" ? [0, LF] : [LF];
}

/** Where the text begins that holds so many line ends, and has another one before it; 0 at the beginning. */
function breaksBack(path: string, breaks: readonly number[], lineEnds: number): number {
  const unit = breaks.length;
  const size = statSync(path).size;
  let at = size;
  let left = lineEnds + 1;
  let after = -1;
  for (const byte of backwards(path)) {
    at--;
    const [first, second] = breaks;
    const isBreak = at % unit === 0 && byte === first && (second === undefined || after === second);
    if (isBreak && --left === 0) return at + unit;
    after = byte;
  }
  return 0;
}

function* backwards(path: string): Generator<number> {
  const file = openSync(path, "r");
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let end = statSync(path).size; end > 0; ) {
      const start = Math.max(0, end - CHUNK_BYTES);
      readSync(file, buffer, 0, end - start, start);
      for (let at = end - start - 1; at >= 0; at--) yield buffer[at] ?? 0;
      end = start;
    }
  } finally {
    closeSync(file);
  }
}
