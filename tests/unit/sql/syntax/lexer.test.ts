/** The lexer's words, where they are no ASCII. */

import { expect, test } from "bun:test";
import { canonicalSql, tokensOf } from "../../../../sql/syntax/lexer.ts";

test("whatever is beyond ASCII belongs to a word, as in DuckDB", () => {
  const texts = ["größe", "名前", "😀", "a😀b", "𝒳1"];
  for (const text of texts) expect(tokensOf(text).map((token) => token.text)).toEqual([text]);
  expect(canonicalSql("select 1  as 😀")).toBe("select 1 as 😀");
});
