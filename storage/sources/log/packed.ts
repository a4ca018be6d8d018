/** Rotations that were packed: known by what they begin with, and never read as lines. */

import { constants, gunzipSync } from "node:zlib";

/** What packers of rotated logs add to names. */
const ENDINGS = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z"];

export function isPacked(name: string): boolean {
  return ENDINGS.some((ending) => name.endsWith(ending));
}

/** How a text begins of which these are the first packed bytes; null for what is not gzip. */
export function unpackedStart(bytes: Uint8Array): Uint8Array | null {
  try {
    // Of what is cut off, all that is known.
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return null;
  }
}
