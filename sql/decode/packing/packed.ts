/** What bytes are packed in that is not read: other compressions, archives, and one packing in another. */

import { Unreadable } from "../unreadable.ts";
import { compressionOf } from "./compression.ts";

/** First bytes of what nobody unpacks here. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ["BZh", "bzip2"],
  ["\u00fd7zXZ\u0000", "xz"],
  ["7z\u00bc\u00af\u0027\u001c", "7z"],
  ["Rar!\u001a\u0007", "rar"],
  ["\u0004\u0022M\u0018", "lz4"],
];
const COMPOUND = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
const TAR_MARK = "ustar";
const TAR_MARK_AT = 257;

/** What the bytes are packed in, whether it is read or not; null for what is not packed. */
export function packingOf(head: Uint8Array): string | null {
  const known = compressionOf(head);
  return known === "none" ? foreignPacking(head) : known;
}

/** A packing that is not read; null for any other bytes. */
export function foreignPacking(head: Uint8Array): string | null {
  const text = Buffer.from(head.subarray(0, TAR_MARK_AT + TAR_MARK.length)).toString("latin1");
  const found = FOREIGN.find(([magic]) => text.startsWith(magic));
  if (found !== undefined) return found[1];
  return text.startsWith(TAR_MARK, TAR_MARK_AT) ? "tar" : null;
}

/** A compound file: what spreadsheets were before 2007, and what encrypted ones still are. */
export function isCompound(head: Uint8Array): boolean {
  return COMPOUND.every((byte, index) => head[index] === byte);
}

/** Throws Unreadable for what came out of a packing and is packed itself. */
export function packedOnce(head: Uint8Array, what: string): void {
  const packing = packingOf(head);
  if (packing === null) return;
  const text = `${what} is packed once more (${packing}), and an archive in an archive is not read`;
  throw new Unreadable("unreadable", `${text}: unpack it and drop what it holds`);
}
