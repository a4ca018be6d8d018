/** A walk over the lines of a JSON file that passes over the plain ones, and copies with some lines replaced. */

import { isUtf8 } from "node:buffer";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { ByteWindow } from "../byte-window.ts";
import { OUT } from "../lossless/json-text.ts";
import type { Reader } from "../lossless/plain-json.ts";

/** A line that is not plain. */
export interface OddLine {
  /** Without its end; valid until the callback returns. */
  readonly bytes: Uint8Array;
  /** 1-based among all lines. */
  readonly number: number;
  /** 1-based among those that are not blank. */
  readonly row: number;
  /** Where it begins in the file, and where the next line does. */
  readonly from: number;
  readonly to: number;
}

/** So many lines may be odd, or so large a share of all of them. */
const ODD_LINES_FREE = 1_000;
const ODD_SHARE_MAX = 0.05;
/** Longer lines are read otherwise. */
const WINDOW_BYTES_MAX = 32 * 1024 * 1024;
const COPY_BYTES = 1024 * 1024;
const LF = 10;
const CR = 13;
const SPACE = 32;
const TAB = 9;

/**
 * The lines of the file that are not blank, counted; null when so many are odd that another way is faster. `take` sees
 * the odd ones in order. Gives way to others now and then.
 */
export async function scanPlain(
  path: string,
  reader: Reader,
  take: (odd: OddLine) => void,
): Promise<number | null> {
  using window = new ByteWindow(path);
  const scan = new Scan(window, reader, take);
  do {
    scan.fill();
    if (window.end - window.start > WINDOW_BYTES_MAX || !scan.walk()) return null;
    await new Promise((resolve) => setImmediate(resolve));
  } while (!window.atEnd);
  return scan.rows;
}

class Scan {
  rows = 0;
  #window: ByteWindow;
  #reader: Reader;
  #take: (odd: OddLine) => void;
  #number = 0;
  #odd = 0;
  /** Where the window's first byte stands in the file. */
  #base = 0;

  constructor(window: ByteWindow, reader: Reader, take: (odd: OddLine) => void) {
    this.#window = window;
    this.#reader = reader;
    this.#take = take;
  }

  fill(): void {
    this.#base += this.#window.start;
    this.#window.fill();
  }

  /** Every line that ends in the window; false when too many are odd. */
  walk(): boolean {
    const window = this.#window;
    const { bytes } = window;
    const reader = this.#reader;
    const last = bytes.lastIndexOf(LF, window.end - 1) + 1;
    const end = window.atEnd ? window.end : Math.max(window.start, Math.min(last, window.end));
    const isText = isUtf8(bytes.subarray(window.start, end));
    let at = window.start;
    while (at < end) {
      const behind = isText ? reader(bytes, at) : OUT;
      if (behind !== OUT && behind < end && bytes[behind] === LF) {
        this.#number++;
        this.rows++;
        at = behind + 1;
      } else at = this.#line(at, end, isText ? behind : null);
    }
    window.start = at;
    return this.#odd <= ODD_LINES_FREE || this.#odd <= this.rows * ODD_SHARE_MAX;
  }

  /** One line that is odd, blank, ends otherwise or stands among bytes that are not all text; where the next begins. */
  #line(at: number, end: number, behind: number | null): number {
    const { bytes } = this.#window;
    const found = bytes.indexOf(LF, at);
    const lineEnd = found < 0 || found >= end ? end : found;
    const next = lineEnd === end ? end : lineEnd + 1;
    this.#number++;
    const line = bytes.subarray(at, lineEnd);
    if (isBlank(line)) return next;
    this.rows++;
    let plainEnd = behind ?? (isUtf8(line) ? this.#reader(bytes, at) : OUT);
    if (plainEnd !== OUT && plainEnd < lineEnd && bytes[plainEnd] === CR) plainEnd++;
    if (plainEnd === lineEnd) return next;
    this.#odd++;
    const [number, row] = [this.#number, this.rows];
    this.#take({ bytes: line, number, row, from: this.#base + at, to: this.#base + next });
    return next;
  }
}

/** A copy of a file with parts replaced; none is made while nothing is. */
export class CorrectedCopy implements Disposable {
  #from: string;
  #to: string;
  #source = -1;
  #target = -1;
  #copied = 0;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  /** In the order of the file. */
  replace(from: number, to: number, text: string | null): void {
    if (this.#target < 0) {
      this.#source = openSync(this.#from, "r");
      this.#target = openSync(this.#to, "w");
    }
    this.#copy(from);
    this.#copied = to;
    if (text !== null) writeAll(this.#target, Buffer.from(text));
  }

  /** The path to read: that of the original when nothing was replaced. */
  finish(): string {
    if (this.#target < 0) return this.#from;
    this.#copy(Number.MAX_SAFE_INTEGER);
    this[Symbol.dispose]();
    return this.#to;
  }

  [Symbol.dispose](): void {
    for (const file of [this.#source, this.#target]) if (file >= 0) closeSync(file);
    this.#source = -1;
    this.#target = -1;
  }

  #copy(end: number): void {
    const buffer = new Uint8Array(Math.min(COPY_BYTES, Math.max(0, end - this.#copied)));
    while (this.#copied < end) {
      const wanted = Math.min(buffer.length, end - this.#copied);
      const count = readSync(this.#source, buffer, 0, wanted, this.#copied);
      if (count === 0) return;
      writeAll(this.#target, buffer.subarray(0, count));
      this.#copied += count;
    }
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === SPACE || byte === TAB || byte === CR);
}
