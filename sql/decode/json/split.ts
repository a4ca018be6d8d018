/** Cuts a JSON array, or objects that span lines, into one value a line, without touching a byte of a value. */

import { closeSync, openSync, writeSync } from "node:fs";
import { ByteWindow } from "../byte-window.ts";
import { markBytes } from "../encoding.ts";

const LF = 10;
const CR = 13;
const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const FLUSH_BYTES = 1 << 20;

/** What an array without an end leaves behind: a line that is no row, so that it is told of. */
export const CUT_ARRAY = "[";

/** Writes the values to `target`, line ends between tokens as spaces; returns how many there are. */
export function splitJson(path: string, layout: "array" | "objects", target: string): number {
  using window = new ByteWindow(path);
  const out = new LineWriter(target);
  try {
    const splitter = new Splitter(layout === "array" ? 1 : 0, out);
    window.fill();
    window.start += markBytes(window.bytes.subarray(0, window.end));
    splitter.feed(window.bytes.subarray(window.start, window.end));
    window.start = window.end;
    while (!window.atEnd) {
      window.fill();
      splitter.feed(window.bytes.subarray(window.start, window.end));
      window.start = window.end;
    }
    splitter.end();
    return splitter.count;
  } finally {
    out.close();
  }
}

class Splitter {
  count = 0;
  /** Depth at which a value of its own begins. */
  #base: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #inValue = false;
  #ended = false;
  #out: LineWriter;

  constructor(base: number, out: LineWriter) {
    this.#base = base;
    this.#out = out;
  }

  feed(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte);
  }

  /** A value that was cut off is a value too: it will not parse, and is set aside as what it is. */
  end(): void {
    const isCut = this.#base === 1 && this.#depth === 1 && !this.#inString;
    this.#closeValue();
    if (!isCut) return;
    this.count++;
    this.#out.write(Buffer.from(`${CUT_ARRAY}\n`));
  }

  #take(byte: number): void {
    if (this.#inString) {
      // A line end in a string is not JSON: it is left out so that the value, which will not parse, stays a line.
      this.#out.put(byte === LF || byte === CR ? 1 : byte);
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return;
    }
    switch (byte) {
      case 0x20:
      case 0x09:
      case LF:
      case CR:
        this.#space();
        return;
      case QUOTE:
        this.#openValue();
        this.#inString = true;
        this.#out.put(byte);
        return;
      case 0x7b:
      case 0x5b:
        this.#open(byte);
        return;
      case 0x7d:
      case 0x5d:
        this.#close(byte);
        return;
      case COMMA:
        if (this.#depth !== this.#base || this.#ended) break;
        this.#closeValue();
        return;
    }
    this.#openValue();
    this.#out.put(byte);
  }

  /** Between scalars of objects layout a space ends the value; inside a value it stays. */
  #space(): void {
    if (!this.#inValue) return;
    if (this.#depth === 0) this.#closeValue();
    else this.#out.put(0x20);
  }

  #open(byte: number): void {
    if (this.#depth < this.#base && !this.#ended && byte === 0x5b) {
      this.#depth++;
      return;
    }
    if (this.#depth === 0 && this.#inValue) this.#closeValue();
    this.#openValue();
    this.#depth++;
    this.#out.put(byte);
  }

  #close(byte: number): void {
    if (this.#base === 1 && this.#depth === 1 && byte === 0x5d) {
      this.#closeValue();
      this.#depth = 0;
      this.#ended = true;
      // What follows the array is not part of it: each value of it is set aside or is one more row.
      this.#base = 0;
      return;
    }
    this.#openValue();
    if (this.#depth > this.#base) this.#depth--;
    this.#out.put(byte);
    if (this.#depth === this.#base && this.#base === 0) this.#closeValue();
  }

  #openValue(): void {
    if (!this.#inValue) this.count++;
    this.#inValue = true;
  }

  #closeValue(): void {
    if (this.#inValue) this.#out.put(LF);
    this.#inValue = false;
    this.#inString = false;
    this.#escaped = false;
  }
}

/** Buffered bytes to a file. */
export class LineWriter {
  #file: number;
  #buffer = new Uint8Array(FLUSH_BYTES);
  #used = 0;

  constructor(path: string, flags: "w" | "a" = "w") {
    this.#file = openSync(path, flags);
  }

  put(byte: number): void {
    if (this.#used === this.#buffer.length) this.flush();
    this.#buffer[this.#used++] = byte;
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > this.#buffer.length - this.#used) this.flush();
    if (bytes.length > this.#buffer.length) writeAll(this.#file, bytes);
    else {
      this.#buffer.set(bytes, this.#used);
      this.#used += bytes.length;
    }
  }

  flush(): void {
    writeAll(this.#file, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.#file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
