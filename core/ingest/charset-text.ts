/** Texts of bytes in the charsets of MySQL and MariaDB. Pure: whoever reads a server says what its letters are. */

/** The text of bytes; null where they are none. */
export type TextOfBytes = (bytes: Uint8Array) => string | null;

type Encoding = NonNullable<ConstructorParameters<typeof TextDecoder>[0]>;

/** Charsets whose bytes are UTF-8 already. */
export const UTF8_CHARSETS: ReadonlySet<string> = new Set(["utf8", "utf8mb3", "utf8mb4", "ascii"]);

/** Encodings of the Encoding Standard by the server's word, of charsets whose letters take several bytes. */
const ENCODINGS: Readonly<Record<string, Encoding>> = {
  ucs2: "utf-16be",
  utf16: "utf-16be",
  utf16le: "utf-16le",
  gbk: "gbk",
  gb2312: "gbk",
  gb18030: "gb18030",
  big5: "big5",
  sjis: "shift_jis",
  cp932: "shift_jis",
  ujis: "euc-jp",
  eucjpms: "euc-jp",
  euckr: "euc-kr",
};
const REPLACEMENT = "\ufffd";
const UTF32_BYTES = 4;

/** What reads the bytes of a charset; null for one that is not known. `alphabet` is that of single bytes. */
export function textOfBytes(charset: string, alphabet: string | undefined): TextOfBytes | null {
  if (UTF8_CHARSETS.has(charset)) return decoded("utf-8");
  if (charset === "utf32") return utf32;
  const encoding = ENCODINGS[charset];
  if (encoding !== undefined) return decoded(encoding);
  if (alphabet === undefined) return null;
  const letters = [...alphabet];
  return (bytes) => {
    let text = "";
    for (const byte of bytes) text += letters[byte] ?? REPLACEMENT;
    return text.includes(REPLACEMENT) ? null : text;
  };
}

function decoded(encoding: Encoding): TextOfBytes {
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return null;
    }
  };
}

function utf32(bytes: Uint8Array): string | null {
  if (bytes.length % UTF32_BYTES !== 0) return null;
  let text = "";
  for (let at = 0; at < bytes.length; at += UTF32_BYTES) {
    const [first = 0, second = 0, third = 0, last = 0] = bytes.subarray(at, at + UTF32_BYTES);
    const point = first * 0x100_0000 + second * 0x1_0000 + third * 0x100 + last;
    if (point > 0x10_ffff) return null;
    text += String.fromCodePoint(point);
  }
  return text;
}
