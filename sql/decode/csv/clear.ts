/** CSV bytes that DuckDB might read otherwise than they stand, found before it reads them. */

import { closeSync, openSync, readSync } from "node:fs";

const CHUNK_BYTES = 1024 * 1024;
const LF = 10;
const CR = 13;
const SPACE = 32;

/**
 * False for a `\r` without a `\n`, behind which DuckDB may drop text, and for quotes with spaces between, which it
 * takes out of `"a" "b"`. Both are found by the scanner too: a file that has them only takes longer.
 */
export function isClearCsv(path: string, quote: string | null): boolean {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let isOpen = false;
    for (;;) {
      const count = readSync(file, buffer, 0, buffer.length, null);
      if (count === 0) return !isOpen;
      if (isOpen && buffer[0] !== LF) return false;
      const chunk = buffer.subarray(0, count);
      let at = chunk.indexOf(CR);
      while (at >= 0 && at + 1 < count) {
        if (chunk[at + 1] !== LF) return false;
        at = chunk.indexOf(CR, at + 2);
      }
      isOpen = at >= 0;
      const isCut = count === buffer.length;
      if (quote !== null && hasQuoteGap(chunk, quote, isCut)) return false;
    }
  } finally {
    closeSync(file);
  }
}

/** A quote, spaces, and a quote; or perhaps, where the bytes are cut. */
function hasQuoteGap(bytes: Buffer, quote: string, isCut: boolean): boolean {
  const code = quote.charCodeAt(0);
  if (isCut && bytes.at(-1) === code) return true;
  for (let at = bytes.indexOf(`${quote} `); at >= 0; at = bytes.indexOf(`${quote} `, at + 1)) {
    let next = at + 1;
    while (bytes[next] === SPACE) next++;
    if (next >= bytes.length ? isCut : bytes[next] === code) return true;
  }
  return false;
}
