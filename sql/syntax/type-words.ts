/** Types as the engine writes them, with some of what they are made of replaced. */

import { isSymbol, tokensOf } from "./lexer.ts";

/** `STRUCT(a HUGEINT)` with `HUGEINT` as something else, however deep; names of fields stay as they are. */
export function replacedTypes(type: string, others: Readonly<Record<string, string>>): string {
  const tokens = tokensOf(type);
  let text = "";
  let end = 0;
  for (const [at, token] of tokens.entries()) {
    if (token.kind !== "word" || token.start < end) continue;
    const isFirst = isSymbol(tokens[at - 1], "(") || isSymbol(tokens[at - 1], ",");
    // In STRUCT(bit BIT) the first is a name.
    const isField = isFirst && tokens[at + 1]?.kind === "word";
    const found = Object.entries(others).find(([words]) => {
      const isOne = !words.includes(" ");
      const fits = isOne ? words.length === token.text.length && !isField : true;
      return fits && type.startsWith(words, token.start);
    });
    if (found === undefined) continue;
    text += `${type.slice(end, token.start)}${found[1]}`;
    end = token.start + found[0].length;
  }
  return text + type.slice(end);
}
