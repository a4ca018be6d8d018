/** Texts that are UTF-8 already into columns, as they are. */

import { isUtf8 } from "node:buffer";
import type { PartColumn } from "../made/column-part.ts";

/** Up to here bytes are copied one by one: a call costs more. */
const SHORT_BYTES = 64;

/** As CellWriter has it. */
export function writeText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  const length = end - start;
  let into = to.room(length);
  const target = to.bytes;
  if (length > SHORT_BYTES) {
    const value = bytes.subarray(start, end);
    target.set(value, into);
    return isUtf8(value);
  }
  let high = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    high |= byte;
    target[into++] = byte;
  }
  return high <= 127 || isUtf8(bytes.subarray(start, end));
}
