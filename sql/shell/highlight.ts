/** Colours of the text being edited, and whether it is a whole statement. */

import { type Token, tokensOf } from "../syntax/lexer.ts";
import { KEYWORD_SET } from "./words.ts";

export type SpanStyle = "keyword" | "string" | "number" | "comment" | "command" | "error";

/** A coloured piece of the text; half open, in order, not overlapping. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly style: SpanStyle;
}

/** The pieces that have a colour. Cheap enough for every key: one pass of the lexer. */
export function highlight(text: string): Span[] {
  if (isCommand(text)) {
    const end = /^\s*\S*/.exec(text)?.[0].length ?? 0;
    return [{ start: 0, end, style: "command" }];
  }
  const spans: Span[] = [];
  let at = 0;
  for (const token of tokensOf(text)) {
    spans.push(...commentsIn(text, at, token.start));
    const style = styleOf(token);
    if (style !== null) spans.push({ start: token.start, end: token.end, style });
    at = token.end;
  }
  spans.push(...commentsIn(text, at, text.length));
  return spans;
}

/** True when Enter should run the text: a dot command, nothing at all, or SQL that ends in `;`. */
export function isComplete(text: string): boolean {
  if (text.trim() === "" || isCommand(text)) return true;
  const tokens = tokensOf(text);
  const last = tokens.at(-1);
  if (last === undefined) return endsComment(text);
  return last.kind === "symbol" && last.text === ";" && endsComment(text.slice(last.end));
}

/** True for `.tables` and `\dt`: a line that is for the shell itself. */
export function isCommand(text: string): boolean {
  return /^\s*(\.[a-z]|\\[a-z?])/i.test(text);
}

function styleOf(token: Token): SpanStyle | null {
  switch (token.kind) {
    case "word":
      return KEYWORD_SET.has(token.text.toLowerCase()) ? "keyword" : null;
    case "quoted":
      return isClosed(token.text, '"') ? null : "error";
    case "string":
      return isClosed(token.text, "'") ? "string" : "error";
    case "number":
      return "number";
    case "symbol":
      return null;
  }
}

function isClosed(text: string, quote: string): boolean {
  const start = text.indexOf(quote);
  if (text.startsWith("$")) {
    const tag = /^\$[^$]*\$/.exec(text)?.[0] ?? "$$";
    return text.length >= tag.length * 2 && text.endsWith(tag);
  }
  return text
    .slice(start + 1)
    .replaceAll(quote + quote, "")
    .endsWith(quote);
}

/** Text between tokens is blank or comment. */
function commentsIn(text: string, start: number, end: number): Span[] {
  const gap = text.slice(start, end);
  if (gap.trim() === "") return [];
  const lead = gap.length - gap.trimStart().length;
  return [{ start: start + lead, end: start + gap.trimEnd().length, style: "comment" }];
}

function endsComment(rest: string): boolean {
  const opened = rest.split("/*").length;
  return opened === 1 || opened === rest.split("*/").length;
}
