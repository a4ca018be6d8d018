/** CSV bytes that DuckDB might read otherwise than they stand, found before it reads them. */

import { closeSync, openSync, readSync } from "node:fs";
import { markBytes } from "../encoding.ts";
import { headerSpellings } from "./record-text.ts";
import type { CsvShape } from "./shape.ts";

const CHUNK_BYTES = 1024 * 1024;
const LF = 10;
const CR = 13;
const SPACE = 32;

/**
 * False for what DuckDB does not read as it stands: a `\r` without a `\n`, behind which it may drop text; quotes with
 * spaces between, which it takes out of `"a" "b"`; delimiters at the end of a line beyond its columns, which it passes
 * over; the header once more; and all that it is not told of: comments, escapes, spaces behind delimiters. All are
 * found by the scanner too: a file that has them only takes longer.
 */
export function isClearCsv(path: string, shape: CsvShape): boolean {
  if (shape.escapeMark != null || shape.comment != null || shape.padded === true) return false;
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const lines = new LineCheck(shape);
    // What the last piece left of a line stands before the next one.
    let rest = 0;
    let isFirst = true;
    for (;;) {
      const count = readSync(file, buffer, rest, buffer.length - rest, null);
      const isEnd = count === 0;
      const all = buffer.subarray(0, rest + count);
      const chunk = isFirst ? all.subarray(markBytes(all)) : all;
      isFirst = false;
      if (!isClearChunk(chunk, shape.quote, isEnd)) return false;
      const end = isEnd ? chunk.length : chunk.lastIndexOf(LF) + 1;
      if (!lines.isClear(chunk.subarray(0, end))) return false;
      if (isEnd) return true;
      // A line that fills the buffer is not looked at here.
      if (end === 0 && all.length === buffer.length) return false;
      rest = chunk.length - end;
      chunk.copy(buffer, 0, end);
    }
  } finally {
    closeSync(file);
  }
}

function isClearChunk(chunk: Buffer, quote: string | null, isEnd: boolean): boolean {
  let at = chunk.indexOf(CR);
  while (at >= 0 && at + 1 < chunk.length) {
    if (chunk[at + 1] !== LF) return false;
    at = chunk.indexOf(CR, at + 2);
  }
  if (at >= 0 && isEnd) return false;
  return quote === null || !hasQuoteGap(chunk, quote, !isEnd);
}

/** A quote, spaces, and a quote; or perhaps, where the bytes are cut. */
function hasQuoteGap(bytes: Buffer, quote: string, isCut: boolean): boolean {
  const code = quote.charCodeAt(0);
  for (let at = bytes.indexOf(`${quote} `); at >= 0; at = bytes.indexOf(`${quote} `, at + 1)) {
    let next = at + 1;
    while (bytes[next] === SPACE) next++;
    // The rest of a line that is cut is looked at with the next piece.
    if (next >= bytes.length ? isCut && !bytes.includes(LF) : bytes[next] === code) return true;
  }
  return false;
}

/** Looks at whole lines. */
class LineCheck {
  readonly #shape: CsvShape;
  readonly #ends: readonly Buffer[];
  /** The header, in each way that it is written; none before it was seen, and where there is none. */
  #headers: readonly Uint8Array[] = [];
  #headerLeft: boolean;
  /** The delimiter's first byte, and how many it has. */
  readonly #mark: number;
  readonly #bytes: number;

  constructor(shape: CsvShape) {
    this.#shape = shape;
    const delimiter = Buffer.from(shape.delimiter);
    this.#mark = delimiter[0] ?? 0;
    this.#bytes = delimiter.length;
    this.#ends = [`${shape.delimiter}\n`, `${shape.delimiter}\r\n`].map((end) => Buffer.from(end));
    this.#headerLeft = shape.hasHeader === true;
  }

  isClear(lines: Buffer): boolean {
    const start = this.#headerLeft ? this.#takeHeader(lines) : 0;
    const body = lines.subarray(start);
    return !this.#hasHeaderAgain(body) && !this.#hasLongLine(body);
  }

  #takeHeader(lines: Buffer): number {
    let at = 0;
    while (at < lines.length && (lines[at] === LF || lines[at] === CR)) at++;
    if (at >= lines.length) return at;
    const end = lines.indexOf(LF, at);
    this.#headerLeft = false;
    const header = withoutReturn(lines.subarray(at, end < 0 ? lines.length : end));
    this.#headers = headerSpellings(header, this.#shape);
    return end < 0 ? lines.length : end + 1;
  }

  #hasHeaderAgain(lines: Buffer): boolean {
    return this.#headers.some((header) => header.length > 0 && hasLine(lines, header));
  }
  /** Lines that end in a delimiter have more fields than they may, or a quote goes over them. */
  #hasLongLine(lines: Buffer): boolean {
    for (const end of this.#ends) {
      for (let at = lines.indexOf(end); at >= 0; at = lines.indexOf(end, at + 1)) {
        if (this.#isLong(lines, at + end.length - 1)) return true;
      }
    }
    const isOpen = lines.length > 0 && lines.at(-1) !== LF;
    return (
      isOpen &&
      lines.toString().endsWith(this.#shape.delimiter) &&
      this.#isLong(lines, lines.length)
    );
  }

  /** Whether the line that ends there has more fields than columns, or a quote that goes over lines. */
  #isLong(lines: Buffer, end: number): boolean {
    const { columns, closing = 0, quote } = this.#shape;
    const code = quote === null || quote === "" ? -1 : quote.charCodeAt(0);
    const mark = this.#mark;
    let fields = 1;
    let isQuoted = false;
    // Backwards, for where the line begins is not known.
    for (let at = end - 1; at >= 0; at--) {
      const byte = lines[at];
      if (byte === LF && !isQuoted) break;
      if (byte === LF) return true;
      if (byte === code) isQuoted = !isQuoted;
      else if (byte === mark && !isQuoted) fields += this.#isDelimiter(lines, at) ? 1 : 0;
    }
    if (isQuoted) return true;
    return fields > columns && (closing === 0 || fields !== columns + closing);
  }

  #isDelimiter(lines: Buffer, at: number): boolean {
    return (
      this.#bytes === 1 || lines.toString("utf8", at, at + this.#bytes) === this.#shape.delimiter
    );
  }
}

function hasLine(lines: Buffer, wanted: Uint8Array): boolean {
  for (let at = lines.indexOf(wanted); at >= 0; at = lines.indexOf(wanted, at + 1)) {
    const before = at === 0 || lines[at - 1] === LF || hasMarkBefore(lines, at);
    const after = lines[at + wanted.length];
    if (before && (after === undefined || after === LF || after === CR)) return true;
  }
  return false;
}

function hasMarkBefore(lines: Buffer, at: number): boolean {
  return at >= 3 && markBytes(lines.subarray(at - 3, at)) === 3;
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}
