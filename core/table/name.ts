/** Table names: `namespace.name`, and where each part comes from. */

import { LakeError } from "../base/errors.ts";
import { sha256Hex } from "../base/sha256.ts";
import type { TableName } from "./types.ts";

/**
 * What a name may hold: it becomes a folder and a catalog row, and never a pattern or a path. Unicode
 * letters are allowed; separators, wildcards and control characters are not (robustness: names never
 * become paths or patterns).
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f/\\.%*?~"'`:;]/;
const NAME_BYTES_MAX = 128;
/** Hex digits that end a name that was cut. */
const MARK_CHARS = 8;

/** The two parts of `silver.orders`. Throws `usage` when it is not exactly two parts with a name each. */
export function splitName(name: TableName): { namespace: string; table: string } {
  const [namespace, table, ...rest] = name.split(".");
  if (!namespace || !table || rest.length > 0) {
    throw new LakeError("usage", `"${name}" is not a table name`, {
      hint: "write namespace.table, such as silver.orders",
    });
  }
  return { namespace, table };
}

/** True when `part` can be the namespace or the name of a table. */
export function isNamePart(part: string): boolean {
  return (
    part.length > 0 &&
    !FORBIDDEN.test(part) &&
    part.trim() === part &&
    new TextEncoder().encode(part).length <= NAME_BYTES_MAX
  );
}

/** A name part from a file or folder name: lower case, other characters as `_`. */
export function namePartFrom(text: string): string {
  const cleaned = text
    .normalize("NFC")
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}_]+/gu, "_")
    .replace(/^_+|_+$/g, "");
  if (cleaned === "") return "unnamed";
  const bytes = new TextEncoder().encode(cleaned);
  if (bytes.length <= NAME_BYTES_MAX) return cleaned;
  // Cut between characters, and told apart from other long names by what was cut off.
  const kept = new TextDecoder().decode(bytes.subarray(0, NAME_BYTES_MAX - MARK_CHARS - 1));
  return `${kept.replace(/\uFFFD+$/, "")}_${sha256Hex(cleaned).slice(0, MARK_CHARS)}`;
}

/** The layer of tables that are files of the project itself. */
export const SEEDS_LAYER = "seeds";

/** Whether a file below seeds/ makes the table, or did. */
export function isSeedTable(name: TableName): boolean {
  return name.startsWith(`${SEEDS_LAYER}.`);
}
