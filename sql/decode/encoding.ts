/** Text encodings: which one a file has, and its bytes as UTF-8 by streaming, with what cannot be decoded marked. */

import {
  closeSync,
  createReadStream,
  fstatSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { LakeError } from "../../core/base/errors.ts";
import { ENCODING_EXAMPLES, encodingName } from "../../core/ingest/encoding-name.ts";

const UTF8 = "utf-8";
/** Never valid in UTF-8: stands for what could not be decoded, so that its row is set aside. */
const MARK = 0xff;
const LF = 10;
const CR = 13;

/** The encoding's WHATWG name. Throws `config` for a label that nobody knows. */
export function knownEncoding(label: string): string {
  const name = encodingName(label);
  if (name !== null) return name;
  throw new LakeError("config", `"${label}" is not a text encoding`, {
    hint: `write ${ENCODING_EXAMPLES}`,
  });
}

/** What a byte order mark says, whatever else is said of the file: no text of another encoding begins so. */
export function markedEncoding(head: Uint8Array): string | null {
  if (markBytes(head) > 0) return UTF8;
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  return head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : null;
}

/**
 * True for bytes that are UTF-8 with characters beyond ASCII: a text of another encoding is hardly ever that by chance.
 * Reads the file to its end, or to the first byte that is not.
 */
export async function isWideUtf8(path: string): Promise<boolean> {
  const decoder = new TextDecoder(UTF8, { fatal: true });
  let isWide = false;
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes: Uint8Array = chunk;
      isWide ||= bytes.some((byte) => byte > 0x7f);
      decoder.decode(bytes, { stream: true });
    }
    decoder.decode();
    return isWide;
  } catch (thrown) {
    if (thrown instanceof TypeError) return false;
    throw thrown;
  }
}

/** By byte order mark, then by where the zero bytes of western text stand, else UTF-8. */
export function encodingOf(head: Uint8Array): string {
  const marked = markedEncoding(head);
  if (marked !== null) return marked;
  let even = 0;
  let odd = 0;
  for (let at = 0; at + 1 < head.length; at += 2) {
    if (head[at] === 0) even++;
    if (head[at + 1] === 0) odd++;
  }
  const half = head.length / 2;
  if (half >= 2 && odd > half * 0.4 && even < half * 0.02) return "utf-16le";
  if (half >= 2 && even > half * 0.4 && odd < half * 0.02) return "utf-16be";
  return UTF8;
}

/** Bytes of a UTF-8 byte order mark at the front. */
export function markBytes(head: Uint8Array): number {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0;
}

/**
 * Writes `path` as UTF-8 without a byte order mark; a character that cannot be decoded becomes one byte that is not
 * UTF-8. Answers where in `target` the text begins that stands from `fromByte` on, which is the start of a character.
 */
export async function transcode(
  path: string,
  encoding: string,
  fromByte: number,
  target: string,
): Promise<number> {
  const out = openSync(target, "w");
  try {
    if (fromByte > 0) await transcodePart(path, encoding, { start: 0, end: fromByte - 1 }, out);
    const before = fstatSync(out).size;
    const half = halfLineEnd(path, encoding);
    await transcodePart(path, encoding, { start: fromByte, ...half }, out);
    return before;
  } finally {
    closeSync(out);
  }
}

/** Half of a `\n` behind a `\r`, as of a file that is seen while it is written: the line has ended without it. */
function halfLineEnd(path: string, encoding: string): { readonly end?: number } {
  const [first, second, third] = encoding === "utf-16be" ? [0, CR, 0] : [CR, 0, LF];
  const { size } = statSync(path);
  if (!encoding.startsWith("utf-16") || size % 2 === 0) return {};
  const last = new Uint8Array(3);
  const file = openSync(path, "r");
  readSync(file, last, 0, last.length, Math.max(0, size - last.length));
  closeSync(file);
  const isHalf = last[0] === first && last[1] === second && last[2] === third;
  return isHalf ? { end: size - 2 } : {};
}

/** `end` is inclusive. */
async function transcodePart(
  path: string,
  encoding: string,
  range: { readonly start: number; readonly end?: number },
  out: number,
): Promise<void> {
  const decoder = decoderFor(encoding);
  const unicode = encoding.startsWith("utf-16");
  const writer = unicode ? utf16Writer(out, encoding === "utf-16be", range.start === 0) : null;
  for await (const chunk of createReadStream(path, range)) {
    if (writer !== null) writer.write(chunk);
    else writeMarked(out, decoder.decode(chunk, { stream: true }), /\ufffd/g);
  }
  if (writer !== null) writer.end();
  else writeMarked(out, decoder.decode(), /\ufffd/g);
}

/** Copies bytes [from, to) of a file behind what `out` holds; null: to the end. Returns the `\n` among them. */
export function copyRange(path: string, from: number, to: number | null, out: number): number {
  const input = openSync(path, "r");
  try {
    const buffer = new Uint8Array(1 << 20);
    let at = from;
    let newlines = 0;
    for (;;) {
      const wanted = to === null ? buffer.length : Math.min(buffer.length, to - at);
      const count = wanted > 0 ? readSync(input, buffer, 0, wanted, at) : 0;
      if (count === 0) return newlines;
      const part = buffer.subarray(0, count);
      newlines += newlinesIn(part);
      if (out >= 0) writeSync(out, part);
      at += count;
    }
  } finally {
    closeSync(input);
  }
}

/** Byte count of `\n`. */
export function newlinesIn(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

/** The text of bytes in UTF-8; null for bytes that are none. */
export function utf8Text(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function decoderFor(label: string): TextDecoder {
  return new TextDecoder(label as Bun.Encoding); // parse: an unknown label throws RangeError
}

/** UTF-16 is decoded here because TextDecoder cannot tell a lone surrogate from U+FFFD. */
function utf16Writer(out: number, bigEndian: boolean, isStart: boolean) {
  let rest = Buffer.alloc(0);
  let first = isStart;
  return {
    write(chunk: Uint8Array): void {
      const bytes = Buffer.concat([rest, chunk]);
      let usable = bytes.length - (bytes.length % 2);
      if (usable >= 2) {
        const high = bytes[usable - (bigEndian ? 2 : 1)] ?? 0;
        if (high >= 0xd8 && high <= 0xdb) usable -= 2;
      }
      const part = Buffer.from(bytes.subarray(0, usable));
      rest = Buffer.from(bytes.subarray(usable));
      if (bigEndian) part.swap16();
      let text = part.toString("utf16le");
      if (first && text.startsWith("\ufeff")) text = text.slice(1);
      if (text !== "") first = false;
      writeMarked(out, text, /\p{Surrogate}/gu);
    },
    end(): void {
      if (rest.length > 0) writeSync(out, Uint8Array.of(MARK));
    },
  };
}

function writeMarked(out: number, text: string, undecodable: RegExp): void {
  const parts = text.split(undecodable);
  for (const [index, part] of parts.entries()) {
    if (index > 0) writeSync(out, Uint8Array.of(MARK));
    if (part !== "") writeSync(out, Buffer.from(part, "utf8"));
  }
}
