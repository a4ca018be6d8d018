/** The tokens of a SQL text, as DuckDB's own lexer cuts them: strings, comments and dollar quotes respected. */

import type { Place } from "../../core/base/errors.ts";

export type TokenKind = "word" | "quoted" | "string" | "number" | "symbol";

export interface Token {
  readonly kind: TokenKind;
  /** As it stands in the text. */
  readonly text: string;
  /** Character offsets, half open. */
  readonly start: number;
  readonly end: number;
}

const SPACE = /\s+/uy;
const LINE_COMMENT = /--[^\n]*/y;
/** Beyond ASCII everything is a letter, as in DuckDB. */
const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
const NUMBER =
  /(?:0[xX][0-9a-fA-F_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?|\.\d[\d_]*(?:[eE][+-]?\d+)?)/y;
const DOLLAR_QUOTE = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy;
const ARROWS = ["=>", ":=", "::", "->"] as const;

/** All tokens in order; text that no token covers is space or comment. Never throws. */
export function tokensOf(sql: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < sql.length) {
    const skipped = endOfSpace(sql, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const token = tokenAt(sql, at);
    tokens.push(token);
    at = token.end;
  }
  return tokens;
}

/**
 * The text without comments, and with one space wherever there may be space: equal texts mean the same. Strings that a
 * line break makes one stay apart from those that stand side by side.
 */
export function canonicalSql(sql: string): string {
  let output = "";
  let before: Token | undefined;
  for (const token of tokensOf(sql)) {
    const isBroken =
      before?.kind === "string" &&
      token.kind === "string" &&
      sql.slice(before.end, token.start).includes("\n");
    output += `${before === undefined ? "" : isBroken ? "\n" : " "}${token.text}`;
    before = token;
  }
  return output.replace(/(?: ;)+$/, "");
}

/** The comments of a text, in order; strings that look like comments are none. */
export function commentsOf(sql: string): { readonly offset: number; readonly length: number }[] {
  const comments: { offset: number; length: number }[] = [];
  let at = 0;
  for (const { start, end } of [...tokensOf(sql), { start: sql.length, end: sql.length }]) {
    while (at < start) {
      const next = endOfSpace(sql, at);
      if (!/\s/u.test(sql.charAt(at))) comments.push({ offset: at, length: next - at });
      at = next;
    }
    at = end;
  }
  return comments;
}

/** The name that a word or a quoted identifier stands for. */
export function nameOf(token: Token): string {
  return token.kind === "quoted" ? token.text.slice(1, -1).replaceAll('""', '"') : token.text;
}

/** True when the token is this keyword, in any case. */
export function isWord(token: Token | undefined, word: string): boolean {
  return token !== undefined && token.kind === "word" && token.text.toLowerCase() === word;
}

/** True when the token is this symbol. */
export function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token !== undefined && token.kind === "symbol" && token.text === symbol;
}

/** Index of the token that closes the bracket at `open`; the last index when it is never closed. */
export function closingIndex(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let index = open; index < tokens.length; index++) {
    const token = tokens[index];
    if (token === undefined || token.kind !== "symbol") continue;
    if (token.text === "(" || token.text === "[" || token.text === "{") depth++;
    if (token.text === ")" || token.text === "]" || token.text === "}") depth--;
    if (depth === 0) return index;
  }
  return tokens.length - 1;
}

/** The place of a character offset; the file is the caller's to fill in. */
export function placeAt(sql: string, offset: number): Place {
  const before = sql.slice(0, offset).split("\n");
  const token = tokensOf(sql).find((candidate) => candidate.end > offset);
  return {
    file: "",
    line: before.length,
    column: (before.at(-1) ?? "").length + 1,
    length: token === undefined ? 1 : Math.max(1, token.end - Math.max(offset, token.start)),
  };
}

function endOfSpace(sql: string, at: number): number {
  const space = matchAt(SPACE, sql, at) ?? matchAt(LINE_COMMENT, sql, at);
  if (space !== null) return at + space.length;
  return sql.startsWith("/*", at) ? endOfBlockComment(sql, at) : at;
}

/** Block comments nest, as in Postgres. */
function endOfBlockComment(sql: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < sql.length) {
    if (sql.startsWith("/*", at)) {
      depth++;
      at += 2;
    } else if (sql.startsWith("*/", at)) {
      depth--;
      at += 2;
      if (depth === 0) return at;
    } else {
      at++;
    }
  }
  return sql.length;
}

function tokenAt(sql: string, start: number): Token {
  const make = (kind: TokenKind, end: number): Token => ({
    kind,
    text: sql.slice(start, end),
    start,
    end,
  });
  const char = sql[start];
  if (char === "'") return make("string", endOfQuoted(sql, start + 1, "'", false));
  if (char === '"') return make("quoted", endOfQuoted(sql, start + 1, '"', false));
  if ((char === "e" || char === "E") && sql[start + 1] === "'") {
    return make("string", endOfQuoted(sql, start + 2, "'", true));
  }
  const dollar = char === "$" ? matchAt(DOLLAR_QUOTE, sql, start) : null;
  if (dollar !== null) {
    const close = sql.indexOf(dollar, start + dollar.length);
    return make("string", close < 0 ? sql.length : close + dollar.length);
  }
  const word = matchAt(WORD, sql, start);
  if (word !== null) return make("word", start + word.length);
  const number = matchAt(NUMBER, sql, start);
  if (number !== null) return make("number", start + number.length);
  const arrow = ARROWS.find((symbol) => sql.startsWith(symbol, start));
  return make("symbol", start + (arrow?.length ?? 1));
}

function endOfQuoted(sql: string, start: number, quote: string, escapes: boolean): number {
  let at = start;
  while (at < sql.length) {
    if (escapes && sql[at] === "\\") {
      at += 2;
    } else if (sql[at] !== quote) {
      at++;
    } else if (sql[at + 1] === quote) {
      at += 2;
    } else {
      return at + 1;
    }
  }
  return sql.length;
}

function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}
