/** Where the parts of a JSON text stand, so that records are kept as they were written. */

import { LakeError } from "../../../core/base/errors.ts";
import { parseJson } from "../../../core/base/json.ts";

export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The elements of the array at a dotted path of a JSON text; of an object there, itself. Throws `input` for a text that
 * is no JSON up to there, and for a path that leads to nothing.
 */
export function recordSpans(text: string, path: string | null): readonly Span[] {
  const scanner = new Scanner(text);
  for (const name of path === null ? [] : path.split(".")) scanner.enter(name);
  return scanner.elements();
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Goes to the value of a key of the object that is here. */
  enter(name: string): void {
    this.#space();
    if (this.#text[this.#at] !== "{") throw this.#wrong(`no object that has ${name}`);
    this.#at += 1;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] === "}") throw this.#wrong(`no ${name}`);
      const key = this.#value();
      this.#space();
      this.#at += 1;
      if (parseJson(this.#text.slice(key.start, key.end)) === name) return;
      this.#value();
      this.#space();
      if (this.#text[this.#at] === ",") this.#at += 1;
    }
  }

  elements(): readonly Span[] {
    this.#space();
    if (this.#text.startsWith("null", this.#at)) return [];
    if (this.#text[this.#at] !== "[") return [this.#value()];
    const spans: Span[] = [];
    this.#at += 1;
    for (;;) {
      this.#space();
      const next = this.#text[this.#at];
      if (next === "]") return spans;
      if (next === undefined) throw this.#wrong("the end in the midst of the records");
      if (next === ",") this.#at += 1;
      else spans.push(this.#value());
    }
  }

  /** One value, whole. */
  #value(): Span {
    this.#space();
    const start = this.#at;
    let depth = 0;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) {
        if (depth === 0 && this.#at > start) break;
        throw this.#wrong("the end in the midst of a value");
      }
      if (char === '"') {
        this.#string();
        if (depth === 0) break;
        continue;
      }
      if (depth === 0 && this.#at > start && /[\s,:\]}]/.test(char)) break;
      if (char === "{" || char === "[") depth += 1;
      if (char === "}" || char === "]") depth -= 1;
      this.#at += 1;
      if (depth === 0 && (char === "}" || char === "]")) break;
    }
    return { start, end: this.#at };
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined) throw this.#wrong("the end in the midst of a text");
      this.#at += char === "\\" ? 2 : 1;
      if (char === '"') return;
    }
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "x")) this.#at += 1;
  }

  #wrong(what: string): LakeError {
    return new LakeError("input", `an answer has ${what} at character ${this.#at}`, {
      hint: "see what it answers, and correct records: of the endpoint",
    });
  }
}
