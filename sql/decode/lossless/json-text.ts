/** JSON as its bytes stand: where values end. RFC 8259. */

/** Not here, or not as it must be. */
export const OUT = -1;

export const WORD = { null: utf8("null"), true: utf8("true"), false: utf8("false") } as const;

const QUOTE = 34;
const BACKSLASH = 92;
const MINUS = 45;
const PLUS = 43;
const POINT = 46;
const ZERO = 48;
const NINE = 57;
const UPPER_E = 69;
const LOWER_E = 101;

/** Behind spaces, tabs and ends of lines. */
export function spaceEnd(bytes: Uint8Array, at: number): number {
  let next = at;
  for (;;) {
    const byte = bytes[next];
    if (byte === undefined || byte > 32) return next;
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return next;
    next++;
  }
}

/** Behind a number as JSON has it, or OUT. */
export function numberEnd(bytes: Uint8Array, at: number): number {
  const start = bytes[at] === MINUS ? at + 1 : at;
  let end = digitsEnd(bytes, start);
  if (end === start || (bytes[start] === ZERO && end - start > 1)) return OUT;
  if (bytes[end] === POINT) {
    const fraction = end + 1;
    end = digitsEnd(bytes, fraction);
    if (end === fraction) return OUT;
  }
  if (bytes[end] !== LOWER_E && bytes[end] !== UPPER_E) return end;
  const isSigned = bytes[end + 1] === MINUS || bytes[end + 1] === PLUS;
  const exponent = end + (isSigned ? 2 : 1);
  end = digitsEnd(bytes, exponent);
  return end === exponent ? OUT : end;
}

/** Behind the digits from `at` on. */
export function digitsEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  for (;;) {
    const byte = bytes[end];
    if (byte === undefined || byte < ZERO || byte > NINE) return end;
    end++;
  }
}

/** Two digits as a number, or -1. */
export function pairAt(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] ?? 0) - ZERO;
  const ones = (bytes[at + 1] ?? 0) - ZERO;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -1 : tens * 10 + ones;
}

/** Behind a text, an object or an array, by its quotes and brackets alone; OUT where it does not end. */
export function valueEnd(bytes: Uint8Array, at: number): number {
  let depth = 0;
  for (let next = at; ; next++) {
    const byte = bytes[next];
    if (byte === undefined) return OUT;
    if (byte === QUOTE) {
      next = closingQuote(bytes, next);
      if (next === OUT) return OUT;
    } else if (byte === 123 || byte === 91) depth++;
    else if (byte === 125 || byte === 93) depth--;
    if (depth === 0) return next + 1;
  }
}

export function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 0; index < wanted.length; index++) {
    if (bytes[at + index] !== wanted[index]) return false;
  }
  return true;
}

function closingQuote(bytes: Uint8Array, at: number): number {
  for (let next = at + 1; ; next++) {
    const byte = bytes[next];
    if (byte === QUOTE) return next;
    if (byte === undefined) return OUT;
    if (byte === BACKSLASH) next++;
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
