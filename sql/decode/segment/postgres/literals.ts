/**
 * How PostgreSQL writes values that hold others as text, both ways: arrays, rows, ranges and hstores. PostgreSQL
 * documentation, "Array Input and Output Syntax", "Composite Type Input and Output Syntax", "Range Types", hstore.
 */

/** An array's items with their dimensions; NULL items are null. */
export interface ArrayLiteral {
  readonly items: readonly ArrayItem[];
  /** Dimensions as nesting says them; 0 of an array without items. */
  readonly depth: number;
  /** Every dimension begins at 1. */
  readonly isPlain: boolean;
}

export type ArrayItem = string | null | readonly ArrayItem[];

/** Dimensions of an array of PostgreSQL, and of what is read of one here. */
const DEPTH_MAX = 6;
const SPACE = /[ \t\n\r\v\f]/;

/** The text of an array, whose items are the texts of its elements in the order of their places. */
export function arrayText(
  sizes: readonly number[],
  bounds: readonly number[],
  items: readonly (string | null)[],
  delimiter: string,
): string {
  if (sizes.length === 0) return "{}";
  const words = items.map((item) => (item === null ? "NULL" : arrayWord(item, delimiter)));
  let at = 0;
  const level = (depth: number): string => {
    if (depth === sizes.length) return words[at++] ?? "NULL";
    const parts = Array.from({ length: sizes[depth] ?? 0 }, () => level(depth + 1));
    return `{${parts.join(delimiter)}}`;
  };
  if (bounds.every((bound) => bound === 1)) return level(0);
  const ranges = sizes.map((size, depth) => {
    const first = bounds[depth] ?? 1;
    return `[${first}:${first + size - 1}]`;
  });
  return `${ranges.join("")}=${level(0)}`;
}

/** Reads the text of an array; null for a text that is none. */
export function parseArray(text: string, delimiter: string): ArrayLiteral | null {
  const bounds = /^((?:\[[+-]?\d+:[+-]?\d+\])+)=/.exec(text);
  const start = bounds?.[0].length ?? 0;
  const reader = new ArrayReader(text, start, delimiter);
  const items = reader.whole();
  if (items === null) return null;
  return { items, depth: items.length === 0 ? 0 : reader.depth, isPlain: bounds === null };
}

/** The text of a row: an empty field is NULL. */
export function rowText(fields: readonly (string | null)[]): string {
  return `(${fields.map((field) => (field === null ? "" : rowWord(field))).join(",")})`;
}

/** Reads the text of a row; null for a text that is none. */
export function parseRow(text: string): (string | null)[] | null {
  if (text[0] !== "(" || text.at(-1) !== ")") return null;
  const fields: (string | null)[] = [];
  const end = text.length - 1;
  let at = 1;
  for (;;) {
    let word = "";
    let isNull = true;
    let quoted = false;
    for (; at < end || quoted; at++) {
      const sign = text[at];
      if (sign === undefined) return null;
      if (!quoted && sign === ",") break;
      isNull = false;
      if (sign === "\\") word += text[++at] ?? "";
      else if (sign !== '"') word += sign;
      else if (quoted && text[at + 1] === '"') word += text[++at];
      else quoted = !quoted;
    }
    fields.push(isNull ? null : word);
    if (at >= end) return fields;
    at++;
  }
}

/** The text of a range; a bound that is null has no end. */
export function rangeText(
  lower: string | null,
  upper: string | null,
  withLower: boolean,
  withUpper: boolean,
): string {
  const words = [lower, upper].map((bound) => (bound === null ? "" : rowWord(bound, "[]")));
  return `${withLower ? "[" : "("}${words.join(",")}${withUpper ? "]" : ")"}`;
}

/** The text of a hstore. */
export function hstoreText(pairs: readonly (readonly [string, string | null])[]): string {
  const quoted = (word: string): string => `"${word.replace(/["\\]/g, "\\$&")}"`;
  return pairs
    .map(([key, value]) => `${quoted(key)}=>${value === null ? "NULL" : quoted(value)}`)
    .join(", ");
}

/** Reads the text of a hstore as a server writes it; null for any other. */
export function parseHstore(text: string): (readonly [string, string | null])[] | null {
  const pairs: (readonly [string, string | null])[] = [];
  const pair = /"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")(?:, (?=")|$)/sy;
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text);
    if (match === null) return null;
    const [, key = "", value] = match;
    pairs.push([unescaped(key), value === undefined ? null : unescaped(value)]);
  }
  return pairs;
}

class ArrayReader {
  readonly #text: string;
  readonly #delimiter: string;
  #at: number;
  depth = 0;

  constructor(text: string, start: number, delimiter: string) {
    this.#text = text;
    this.#at = start;
    this.#delimiter = delimiter;
  }

  whole(): readonly ArrayItem[] | null {
    const items = this.#level(1);
    return this.#at === this.#text.length ? (items ?? null) : null;
  }

  /** Undefined: there is none, as in those below. */
  #level(depth: number): readonly ArrayItem[] | undefined {
    if (depth > DEPTH_MAX || this.#text[this.#at] !== "{") return undefined;
    this.depth = Math.max(this.depth, depth);
    this.#at++;
    const items: ArrayItem[] = [];
    if (this.#text[this.#at] === "}") {
      this.#at++;
      return items;
    }
    for (;;) {
      const item = this.#text[this.#at] === "{" ? this.#level(depth + 1) : this.#word();
      if (item === undefined) return undefined;
      items.push(item);
      const sign = this.#text[this.#at++];
      if (sign === "}") return items;
      if (sign !== this.#delimiter) return undefined;
    }
  }

  #word(): string | null | undefined {
    const text = this.#text;
    if (text[this.#at] === '"') return this.#quoted();
    const start = this.#at;
    let isEscaped = false;
    for (;;) {
      const sign = text[this.#at];
      if (sign === undefined || sign === "{" || sign === '"') return undefined;
      if (sign === "}" || sign === this.#delimiter) break;
      if (sign === "\\") {
        isEscaped = true;
        this.#at++;
      }
      this.#at++;
    }
    const word = text.slice(start, this.#at);
    if (word === "") return undefined;
    if (isEscaped) return unescaped(word);
    return word.toUpperCase() === "NULL" ? null : word;
  }

  #quoted(): string | undefined {
    const start = ++this.#at;
    for (;;) {
      const sign = this.#text[this.#at];
      if (sign === undefined) return undefined;
      if (sign === '"') break;
      this.#at += sign === "\\" ? 2 : 1;
    }
    return unescaped(this.#text.slice(start, this.#at++));
  }
}

function unescaped(word: string): string {
  return word.includes("\\") ? word.replace(/\\(.)/gs, "$1") : word;
}

/** In quotes where it would be read otherwise without. */
function arrayWord(word: string, delimiter: string): string {
  const isPlain =
    word !== "" &&
    word.toUpperCase() !== "NULL" &&
    !/["\\{}]/.test(word) &&
    !word.includes(delimiter) &&
    !SPACE.test(word);
  return isPlain ? word : `"${word.replace(/["\\]/g, "\\$&")}"`;
}

function rowWord(word: string, signs = ""): string {
  const isPlain = word !== "" && !/["\\(),]/.test(word) && !SPACE.test(word) && !holds(word, signs);
  return isPlain ? word : `"${word.replace(/["\\]/g, "$&$&")}"`;
}

function holds(word: string, signs: string): boolean {
  return [...signs].some((sign) => word.includes(sign));
}
