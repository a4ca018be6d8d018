/** The lines of a file that hold anything, one after the other. */

import { ByteWindow } from "./byte-window.ts";

const LF = 10;
const SPACE = 32;
const TAB = 9;
const CR = 13;

export class LineCursor {
  /** 1-based number of the current line in the file. */
  number = 0;
  /** 1-based number of the current line among those that are not blank. */
  row = 0;
  #window: ByteWindow;
  #start = 0;
  #end = 0;

  constructor(path: string) {
    this.#window = new ByteWindow(path);
    this.#window.fill();
  }

  /** Moves to the next line that is not blank; false at the end of the file. */
  next(): boolean {
    const window = this.#window;
    for (;;) {
      const found = window.bytes.indexOf(LF, window.start);
      const end = found >= 0 && found < window.end ? found : -1;
      if (end < 0 && !window.atEnd) {
        window.fill();
        continue;
      }
      if (end < 0 && window.start >= window.end) return false;
      this.#start = window.start;
      this.#end = end < 0 ? window.end : end;
      window.start = end < 0 ? window.end : end + 1;
      this.number++;
      if (this.#isBlank()) continue;
      this.row++;
      return true;
    }
  }

  /** The current line without its end; valid until `next`. */
  line(): Uint8Array {
    return this.#window.bytes.subarray(this.#start, this.#end);
  }

  close(): void {
    this.#window[Symbol.dispose]();
  }

  #isBlank(): boolean {
    const bytes = this.#window.bytes;
    for (let at = this.#start; at < this.#end; at++) {
      const byte = bytes[at];
      if (byte !== SPACE && byte !== TAB && byte !== CR) return false;
    }
    return true;
  }
}
