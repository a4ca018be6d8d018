/** One JSON text parsed with nothing lost: numbers as written, keys in order, repeated keys found. */

export type JsonNode =
  | { readonly kind: "null" }
  | { readonly kind: "boolean"; readonly value: boolean }
  /** The number's text. */
  | { readonly kind: "number"; readonly raw: string }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "array"; readonly items: readonly JsonNode[]; readonly raw: string }
  | JsonObjectNode;

export interface JsonObjectNode {
  readonly kind: "object";
  readonly entries: ReadonlyMap<string, JsonNode>;
  /** A key that stands twice in this object. */
  readonly repeated: string | null;
  readonly raw: string;
}

/** What is wrong with a text, and where. */
export class JsonFault extends Error {}

const NULL: JsonNode = { kind: "null" };
const TRUE: JsonNode = { kind: "boolean", value: true };
const FALSE: JsonNode = { kind: "boolean", value: false };
/** Deeper text is refused: nobody means it, and the stack ends. */
const DEPTH_MAX = 1000;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** Parses one value and nothing behind it. RFC 8259. Throws JsonFault. */
export function parseExact(text: string): JsonNode {
  return new Parser(text).whole();
}

/** True when a key stands twice in an object anywhere in the value. */
export function hasRepeatedKey(node: JsonNode): boolean {
  if (node.kind === "array") return node.items.some(hasRepeatedKey);
  if (node.kind !== "object") return false;
  return node.repeated !== null || [...node.entries.values()].some(hasRepeatedKey);
}

/** The text of a node as it stood: strings without quotes, others as JSON. Null for null. */
export function textOf(node: JsonNode): string | null {
  switch (node.kind) {
    case "null":
      return null;
    case "boolean":
      return String(node.value);
    case "string":
      return node.value;
    default:
      return node.raw;
  }
}

/** `an array`, `a number`. */
export function kindText({ kind }: JsonNode): string {
  return kind === "array" || kind === "object" ? `an ${kind}` : `a ${kind}`;
}

class Parser {
  #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonNode {
    const node = this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#fail("text after the value");
    return node;
  }

  #value(): JsonNode {
    this.#space();
    const text = this.#text;
    switch (text[this.#at]) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"':
        return { kind: "string", value: this.#string() };
      case "t":
        return this.#word("true", TRUE);
      case "f":
        return this.#word("false", FALSE);
      case "n":
        return this.#word("null", NULL);
      case undefined:
        return this.#fail("the text ends where a value must follow");
      default:
        return this.#number();
    }
  }

  #object(): JsonNode {
    const start = this.#enter();
    const entries = new Map<string, JsonNode>();
    let repeated: string | null = null;
    this.#space();
    if (this.#text[this.#at] !== "}") {
      for (;;) {
        this.#space();
        if (this.#text[this.#at] !== '"') this.#fail("a key must follow");
        const key = this.#string();
        this.#space();
        if (this.#text[this.#at] !== ":") this.#fail("a colon must follow");
        this.#at++;
        const value = this.#value();
        if (entries.has(key)) repeated ??= key;
        else entries.set(key, value);
        this.#space();
        if (this.#text[this.#at] !== ",") break;
        this.#at++;
      }
    }
    return { kind: "object", entries, repeated, raw: this.#leave(start, "}") };
  }

  #array(): JsonNode {
    const start = this.#enter();
    const items: JsonNode[] = [];
    this.#space();
    if (this.#text[this.#at] !== "]") {
      for (;;) {
        items.push(this.#value());
        this.#space();
        if (this.#text[this.#at] !== ",") break;
        this.#at++;
      }
    }
    return { kind: "array", items, raw: this.#leave(start, "]") };
  }

  #enter(): number {
    this.#depth++;
    if (this.#depth > DEPTH_MAX) this.#fail(`nested deeper than ${DEPTH_MAX}`);
    return this.#at++;
  }

  #leave(start: number, close: string): string {
    if (this.#text[this.#at] !== close) this.#fail(`${close} must follow`);
    this.#at++;
    this.#depth--;
    return this.#text.slice(start, this.#at);
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at++;
    let plain = true;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code === 34) break;
      if (Number.isNaN(code)) this.#fail("a string without an end");
      if (code < 32) this.#fail("a control character in a string");
      if (code === 92) {
        plain = false;
        this.#at++;
      }
      this.#at++;
    }
    this.#at++;
    if (plain) return text.slice(start + 1, this.#at - 1);
    return this.#unescape(text.slice(start, this.#at));
  }

  #unescape(quoted: string): string {
    let value: string;
    try {
      value = JSON.parse(quoted) as string; // parse: quoted text is a JSON string or is refused
    } catch {
      return this.#fail("an escape that JSON does not have");
    }
    if (!value.isWellFormed()) return this.#fail("half of a surrogate pair");
    return value;
  }

  #number(): JsonNode {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) return this.#fail("not a value");
    this.#at = NUMBER.lastIndex;
    return { kind: "number", raw: match[0] };
  }

  #word(word: string, node: JsonNode): JsonNode {
    if (!this.#text.startsWith(word, this.#at)) return this.#fail("not a value");
    this.#at += word.length;
    return node;
  }

  #space(): void {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
      this.#at++;
    }
  }

  #fail(message: string): never {
    throw new JsonFault(`${message} (character ${this.#at + 1})`);
  }
}
