/** `$name` in a SQL text: found on the tokens, so that strings and comments hold none. */

import type { Parameter } from "../../core/model/variables.ts";
import { isSymbol, tokensOf } from "./lexer.ts";

/** Parameters by name or number, in order. */
export function parametersOf(sql: string): Parameter[] {
  if (!sql.includes("$")) return [];
  const tokens = tokensOf(sql);
  return tokens.flatMap((token, index): Parameter[] => {
    const next = tokens[index + 1];
    if (!isSymbol(token, "$") || next === undefined || next.start !== token.end) return [];
    if (next.kind !== "word" && next.kind !== "number") return [];
    const before = tokens[index - 1];
    const [offset, length] = [token.start, next.end - token.start];
    return [{ name: next.text, offset, length, followsString: before?.kind === "string" }];
  });
}
