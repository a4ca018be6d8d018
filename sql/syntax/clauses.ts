/**
 * A statement cut into its clauses, on tokens: what stands at the top of it, outside of brackets and CASE … END. DuckDB
 * has parsed it before, so a clause is where its grammar has one.
 */

import { closingIndex, isSymbol, isWord, nameOf, type Token, tokensOf } from "./lexer.ts";

const OPENING = new Set(["(", "[", "{"]);
const CLOSING = new Set([")", "]", "}"]);

/** Reads a statement from its first token to its last. */
export class Clauses {
  readonly sql: string;
  readonly tokens: readonly Token[];
  at = 0;

  constructor(sql: string) {
    this.sql = sql;
    this.tokens = tokensOf(sql);
  }

  get isDone(): boolean {
    return this.at >= this.tokens.length;
  }

  /** Character offset of the next token. */
  get offset(): number {
    return this.tokens[this.at]?.start ?? this.sql.length;
  }

  /** Whether the next tokens are these words or symbols. */
  sees(...words: readonly string[]): boolean {
    return words.every((word, index) => {
      const token = this.tokens[this.at + index];
      return isWord(token, word) || isSymbol(token, word);
    });
  }

  /** Goes behind these words when they come next. */
  take(...words: readonly string[]): boolean {
    const isNext = this.sees(...words);
    if (isNext) this.at += words.length;
    return isNext;
  }

  /** `a.b.c`, unquoted; empty when no name comes next. */
  name(): string[] {
    const parts: string[] = [];
    for (let token = this.tokens[this.at]; token !== undefined; token = this.tokens[this.at]) {
      if (token.kind !== "word" && token.kind !== "quoted") break;
      parts.push(nameOf(token));
      this.at++;
      if (!this.take(".")) break;
    }
    return parts;
  }

  /** `AS x`, or a word that is none of the clauses that may follow; null when there is no alias. */
  alias(followers: ReadonlySet<string>): string | null {
    const isSaid = this.take("as");
    const token = this.tokens[this.at];
    if (token === undefined || (token.kind !== "word" && token.kind !== "quoted")) return null;
    if (!isSaid && token.kind === "word" && followers.has(token.text.toLowerCase())) return null;
    this.at++;
    return nameOf(token);
  }

  /** The text up to the first place at the top where one of the clauses begins, or the end. */
  until(...starts: readonly (readonly string[])[]): string {
    const from = this.at;
    this.at = this.#find(starts);
    return this.text(from, this.at);
  }

  /** The text up to the last such place before `before` (or the end); null when there is none. */
  untilLast(before: readonly string[], ...starts: readonly (readonly string[])[]): string | null {
    const from = this.at;
    const end = this.#find([before]);
    let last = -1;
    for (let next = this.#find(starts); next < end; next = this.#find(starts)) {
      last = next;
      this.at = next + 1;
    }
    this.at = last < 0 ? from : last;
    return last < 0 ? null : this.text(from, last);
  }

  /** What stands within the bracket that comes next, cut at its commas; null when none does. */
  list(): string[] | null {
    const open = this.at;
    if (!this.sees("(")) return null;
    const close = closingIndex(this.tokens, open);
    this.at = close + 1;
    return this.parts(open + 1, close);
  }

  /** The text of these tokens, cut at the commas at its top. */
  parts(from: number, to: number): string[] {
    const parts: string[] = [];
    let start = from;
    for (const index of this.#top(from, to)) {
      if (!isSymbol(this.tokens[index], ",")) continue;
      parts.push(this.text(start, index));
      start = index + 1;
    }
    if (start < to) parts.push(this.text(start, to));
    return parts;
  }

  text(from: number, to: number): string {
    const first = this.tokens[from];
    const last = this.tokens[to - 1];
    return first === undefined || last === undefined || to <= from
      ? ""
      : this.sql.slice(first.start, last.end);
  }

  #find(starts: readonly (readonly string[])[]): number {
    const { at } = this;
    for (const index of this.#top(at, this.tokens.length)) {
      const isStart = starts.some((words) =>
        words.every((word, ahead) => isWord(this.tokens[index + ahead], word)),
      );
      if (isStart && !this.#isDistinctFrom(index)) return index;
    }
    return this.tokens.length;
  }

  /** `a IS DISTINCT FROM b` has no FROM clause. */
  #isDistinctFrom(index: number): boolean {
    return isWord(this.tokens[index], "from") && isWord(this.tokens[index - 1], "distinct");
  }

  /** Indexes of the tokens outside of brackets and CASE … END. */
  *#top(from: number, to: number): Generator<number> {
    let depth = 0;
    for (let index = from; index < to; index++) {
      const token = this.tokens[index];
      if (token === undefined) return;
      const isClosing = CLOSING.has(token.text) || (depth > 0 && isWord(token, "end"));
      if (isClosing) depth--;
      if (depth === 0 && !isClosing) yield index;
      const isOpening = token.kind === "symbol" && OPENING.has(token.text);
      if (isOpening || isWord(token, "case")) depth++;
    }
  }
}
