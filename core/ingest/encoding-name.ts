/** Names of text encodings: the labels that people write, as the WHATWG list calls them. */

import { own } from "../base/json.ts";

/** What people write and the WHATWG list lacks. */
const ALIASES: Readonly<Record<string, string>> = {
  "latin-1": "windows-1252",
  latin1: "windows-1252",
  cp1252: "windows-1252",
  "utf-16": "utf-16le",
  utf8: "utf-8",
  "utf-8-sig": "utf-8",
};

/** For a hint: some of those that there are. */
export const ENCODING_EXAMPLES =
  "utf-8, utf-16le, utf-16be, latin-1, windows-1252, shift_jis, gb18030, …";

/** The encoding's WHATWG name; null for a label that nobody knows. */
export function encodingName(label: string): string | null {
  const folded = label.trim().toLowerCase();
  try {
    const known = (own(ALIASES, folded) ?? folded) as "utf-8"; // parse: an unknown label throws RangeError
    return new TextDecoder(known).encoding;
  } catch {
    return null;
  }
}
