/** Texts that are UTF-8 already into columns, as they are. */

import { isUtf8 } from "node:buffer";
import type { PartColumn } from "../made/column-part.ts";

/** Up to here bytes are copied one by one: a call costs more. */
const SHORT_BYTES = 24;

/** As CellWriter has it. */
export function writeText(bytes: Buffer, start: number, end: number, to: PartColumn): boolean {
  const length = end - start;
  if (length > SHORT_BYTES) {
    const value = bytes.subarray(start, end);
    if (!isUtf8(value)) return false;
    const at = to.room(length);
    to.bytes.set(value, at);
    return true;
  }
  let high = 0;
  for (let at = start; at < end; at++) high |= bytes[at] ?? 0;
  if (high > 127 && !isUtf8(bytes.subarray(start, end))) return false;
  let into = to.room(length);
  const target = to.bytes;
  for (let at = start; at < end; at++) target[into++] = bytes[at] ?? 0;
  return true;
}
