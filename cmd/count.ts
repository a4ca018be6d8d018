/** Counts as people give them to `--limit`. */

import { LakeError } from "../core/base/errors.ts";

/** A whole number that is not negative. Throws `usage`. */
export function countOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new LakeError("usage", `--limit ${text} is not a count`, { hint: "--limit 20" });
}
