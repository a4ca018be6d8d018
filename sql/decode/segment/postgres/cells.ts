/**
 * Where the values of a row stand in the bytes that were received: tuples of logical replication, and rows of binary
 * COPY. PostgreSQL documentation, "Logical Replication Message Formats", "COPY", Binary Format.
 */

import { CELL } from "../cell.ts";

/** The values of one row; used again for every row, for there are millions. */
export class Cells {
  count = 0;
  #kinds = new Uint8Array(64);
  #starts = new Float64Array(64);
  #ends = new Float64Array(64);

  /** Of the value at `index`: one of CELL; null beyond the last. */
  kind(index: number): number {
    return index < this.count ? (this.#kinds[index] ?? CELL.null) : CELL.null;
  }

  start(index: number): number {
    return this.#starts[index] ?? 0;
  }

  end(index: number): number {
    return this.#ends[index] ?? 0;
  }

  clear(): void {
    this.count = 0;
  }

  /** Reads a tuple of a message; answers where it ends. Throws RangeError. */
  readTuple(bytes: Buffer, from: number, until: number): number {
    const count = count16(bytes, from, until);
    this.#reserve(count);
    let at = from + 2;
    for (let index = 0; index < count; index++) {
      const mark = at < until ? bytes[at] : undefined;
      at++;
      if (mark === NULL || mark === UNCHANGED) {
        this.#set(index, mark === NULL ? CELL.null : CELL.unchanged, at, at);
      } else if (mark === TEXT || mark === BINARY) {
        const start = at + 4;
        at = endOf(bytes, at, until);
        this.#set(index, mark === TEXT ? CELL.text : CELL.binary, start, at);
      } else {
        throw new RangeError(mark === undefined ? ENDS : `a value of kind ${mark}`);
      }
    }
    this.count = count;
    return at;
  }

  /** Reads a row of binary COPY, whose values are texts where `kinds` says so; answers where it ends. */
  readCopied(bytes: Buffer, from: number, until: number, kinds: readonly number[]): number {
    const count = count16(bytes, from, until);
    this.#reserve(count);
    let at = from + 2;
    for (let index = 0; index < count; index++) {
      if (at + 4 > until) throw new RangeError(ENDS);
      if (int32(bytes, at) === -1) {
        at += 4;
        this.#set(index, CELL.null, at, at);
        continue;
      }
      const start = at + 4;
      at = endOf(bytes, at, until);
      this.#set(index, kinds[index] ?? CELL.binary, start, at);
    }
    this.count = count;
    return at;
  }

  /** Reads a logical message as two values: what it is about, and what it says. Throws RangeError. */
  readLogical(bytes: Buffer, from: number, until: number): void {
    const end = bytes.indexOf(0, from);
    if (end < 0 || end >= until) throw new RangeError(ENDS);
    this.#set(0, CELL.text, from, end);
    this.#set(1, CELL.binary, end + 5, endOf(bytes, end + 1, until));
    this.count = 2;
  }

  #set(index: number, kind: number, start: number, end: number): void {
    this.#kinds[index] = kind;
    this.#starts[index] = start;
    this.#ends[index] = end;
  }

  #reserve(count: number): void {
    if (count <= this.#kinds.length) return;
    this.#kinds = new Uint8Array(count);
    this.#starts = new Float64Array(count);
    this.#ends = new Float64Array(count);
  }
}

const NULL = 0x6e;
const UNCHANGED = 0x75;
const TEXT = 0x74;
const BINARY = 0x62;
const ENDS = "the bytes end early";

function count16(bytes: Buffer, from: number, until: number): number {
  if (from + 2 > until) throw new RangeError(ENDS);
  return ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
}

function int32(bytes: Buffer, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

/** Where the bytes end whose length stands here. */
function endOf(bytes: Buffer, at: number, until: number): number {
  if (at + 4 > until) throw new RangeError(ENDS);
  const end = at + 4 + int32(bytes, at);
  if (end < at + 4 || end > until) throw new RangeError(ENDS);
  return end;
}
